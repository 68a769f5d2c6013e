"""Branches of their own convolutions that meet: products and gates, maxima, channels of several scales, float shortcuts.

Stands on drawing, quantize and pointwise.
"""

from __future__ import annotations

from hwflow.generate.drawing import Drawing, Grid, Tensor, plus, product
from hwflow.generate.pointwise import norm, relu
from hwflow.generate.quantize import bipolar, quant, quantize, ready, weighted, weights


def met(d: Drawing) -> None:
    """Two or three branches in a product, a maximum, a minimum, a sum or a concatenation, quantized behind it or not."""
    if d.at.letters != "NCHW":
        return
    ready(d, 8)
    start, rows = d.at, d.choose(1, 4)
    op = d.weighted({"Mul": 3, "Max": 2, "Min": 1, "Concat": 3, "Add": 2})
    parts = [_branch(d, start, rows) for _ in range(2 if op in ("Mul", "Add") else d.choose(2, 3))]
    grids = [p.grid for p in parts if p.grid is not None]
    d.at = parts[0]
    if len(grids) < len(parts):
        return
    whole = grids[0]
    for other in grids[1:]:
        whole = Grid(plus(whole, other).step, max(whole.most, other.most), whole.dyadic and other.dyadic)
    d.exact = d.exact and whole.dyadic
    names = [p.name for p in parts]
    if op == "Concat":
        shape = (start.shape[0], rows * len(parts), *start.shape[2:])
        d.to(d.node(op, *names, axis=1), whole, shape=shape)
        return
    if op == "Mul":
        if d.chance(50):  # a gate of channels
            names[1] = d.node("GlobalAveragePool", names[1])
            pixels = int(start.shape[2] * start.shape[3])
            d.to(names[1], None, shape=(*parts[1].shape[:2], 1, 1))
            d.exact = d.exact and pixels & (pixels - 1) == 0
            (bipolar if d.chance(20) else quant)(d)
            names[1], gate = d.at.name, d.at.grid
            d.at = parts[0]
            if gate is None:
                return
            grids[1] = gate
        whole = d.summed(product(grids[0], grids[1]))
    if op == "Add":
        whole = d.summed(plus(grids[0], grids[1]))
    d.to(d.node(op, *names), whole, shape=parts[0].shape)
    if d.chance(60):
        quantize(d)


def shortcut(d: Drawing) -> None:
    """A sum of norms that nothing quantizes, a slope on the way to the next sum, and a quantizer at last."""
    if d.at.letters != "NCHW":
        return
    ready(d, 8)
    start, rows = d.at, d.choose(1, 4)
    d.exact = False  # sums in fixed point are not float32's
    _normed(d, start, rows)
    for _ in range(d.choose(1, 2)):
        short = d.at
        _normed(d, start, rows)
        d.to(d.node("Add", short.name, d.at.name), None)
        if d.chance(50):
            relu(d)
        elif d.chance(60):
            d.to(d.node("LeakyRelu", d.at.name, alpha=d.pick((0.1, 0.25, 0.7))), None)
    quantize(d)


def _convolved(d: Drawing, start: Tensor, rows: int) -> None:
    d.at = start
    assert start.grid is not None
    channels = start.size("C")
    w, on = weights(d, (rows, channels, 1, 1), 0)
    shape = (start.shape[0], rows, *start.shape[2:])
    d.to(d.node("Conv", start.name, w), weighted(d, start.grid, on, channels), shape=shape)


def _normed(d: Drawing, start: Tensor, rows: int) -> None:
    _convolved(d, start, rows)
    norm(d)


def _branch(d: Drawing, start: Tensor, rows: int) -> Tensor:
    """A convolution, now and then a norm, and a quantizer of its own scale."""
    _convolved(d, start, rows)
    if d.chance(40):
        norm(d)
    d.pick((bipolar, quant, quant))(d)
    return d.at
