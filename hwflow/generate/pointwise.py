"""Elementwise operators of random files: arithmetic with constants, norms, clips, activations, sums of branches.

Stands on drawing and quantize.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.generate.drawing import LAST, Drawing, Grid, grid_of, plus, product
from hwflow.generate.quantize import clip, ready


def number_or_vector(d: Drawing, nonzero: bool = False) -> tuple[str, Array]:
    """A constant that broadcasts: one number, or one for each channel."""
    if d.chance(50):
        v = d.number(d.at.size("C"))
        v = np.where(v == 0, np.float32(0.5), v) if nonzero else v
        return d.vector(v), v
    v = d.number()
    v = np.asarray(np.float32(0.5)) if nonzero and v == 0 else v
    return d.const(np.reshape(v, d.beside())), v


def scaled(grid: Grid | None, by: Array) -> Grid | None:
    """A grid times one number, or times a number for each channel where float32 stays exact."""
    v = np.abs(by[by != 0])
    if grid is None or not v.size:
        return None
    if by.size == 1:
        fine = grid_of(by)
        if grid.dyadic and fine.dyadic:
            return Grid(grid.step * fine.step, grid.most * fine.most, True)
        return Grid(grid.step * float(v.max()), grid.most * float(v.max()), False)
    fine = grid_of(by)
    if grid.dyadic and fine.dyadic:
        return Grid(grid.step * fine.step, grid.most * fine.most, True)
    return None


def moved(grid: Grid | None, by: Array) -> Grid | None:
    """A grid plus numbers of few bits."""
    fine = grid_of(by)
    return plus(grid, fine) if grid is not None and grid.dyadic and fine.dyadic else None


def arithmetic(d: Drawing) -> None:
    op = d.pick(("Mul", "Mul", "Add", "Add", "Sub", "Div"))
    name, v = number_or_vector(d, op == "Div")
    grid = d.at.grid
    left = op in ("Mul", "Add", "Sub") and d.chance(25)
    inputs = (name, d.at.name) if left else (d.at.name, name)
    if op == "Mul":
        grid = scaled(grid, v)
    elif op == "Div":
        with np.errstate(all="ignore"):
            inverse = (1 / v.astype(np.float64)).astype(np.float32)
        exact = bool((inverse.astype(np.float64) * v == 1).all())
        grid = scaled(grid, inverse) if exact else None
    else:
        grid = moved(grid, v)
    d.to(d.node(op, *inputs), grid)


def extreme(d: Drawing) -> None:
    """Max or Min with a constant."""
    name, v = number_or_vector(d)
    fine = grid_of(v)
    grid = d.at.grid
    grid = (
        Grid(min(grid.step, fine.step), max(grid.most, fine.most), True)
        if grid and grid.dyadic and fine.dyadic
        else None
    )
    inputs = [d.at.name, name]
    d.to(d.node(d.pick(("Max", "Min")), *(inputs if d.chance(70) else inputs[::-1])), grid)


def norm(d: Drawing) -> None:
    """BatchNormalization with falling channels, zero gammas and small variances."""
    at = d.at
    last = at.letters in ("NHWC", "NWC")
    if at.axis != 1 and not last:
        return arithmetic(d)
    c = at.size("C")
    gamma, beta, mean = (d.number(c, False) for _ in range(3))
    var = np.abs(d.rng.normal(0, 2, c)).astype(np.float32) + np.float32(0.01)
    attrs: dict[str, Any] = {"epsilon": d.pick((1e-5, 1e-3, 1e-4))} if d.chance(80) else {}
    if d.chance(30):
        attrs["momentum"] = 0.9
    domain = LAST if last else ""
    out = d.node("BatchNormalization", at.name, *(d.const(v) for v in (gamma, beta, mean, var)), domain=domain, **attrs)
    d.to(out, None)
    return None


def relu(d: Drawing) -> None:
    d.to(d.node("Relu", d.at.name), d.at.grid)


def leaky(d: Drawing) -> None:
    op = d.pick(("LeakyRelu", "PRelu"))
    slope = d.pick((0.125, 0.25, 0.1, 0.0, 1.0))
    if d.wild and d.chance(10):
        slope = -0.25
    grid = scaled(d.at.grid, np.array(slope)) if slope else d.at.grid
    grid = Grid(grid.step, d.at.grid.most, grid.dyadic) if grid is not None and d.at.grid is not None else None
    if op == "LeakyRelu":
        alpha = slope if slope != 0.01 or d.chance(50) else None
        d.to(d.node(op, d.at.name, alpha=alpha), grid if slope in (0.125, 0.25, 1.0, 0.0) else None)
    else:
        rank = len(d.at.shape)
        v = np.full((d.at.size("C"),) + (1,) * (rank - d.at.axis - 1), slope) if d.chance(50) else np.full((1,), slope)
        d.to(d.node(op, d.at.name, d.const(v)), grid if slope in (0.125, 0.25, 1.0, 0.0) else None)


def clipped(d: Drawing) -> None:
    low, high = d.pick(((-1.0, 1.0), (0.0, 6.0), (0.0, None), (None, 1.0), (-0.5, 0.75), (-2.0, 1.5)))
    clip(d, low, high)


def negated(d: Drawing) -> None:
    d.to(d.node("Neg", d.at.name), d.at.grid)


def rounded(d: Drawing) -> None:
    """Round, Floor or Ceil, to integers."""
    op = d.pick(("Round", "Floor", "Ceil") if d.opset >= 11 else ("Floor", "Ceil"))
    grid = d.at.grid
    d.to(d.node(op, d.at.name), Grid(1.0, grid.most + 1, d.dyadic) if grid is not None and grid.most < 100 else None)


def signum(d: Drawing) -> None:
    """ONNX Sign: 0 at 0."""
    d.to(d.node("Sign", d.at.name), Grid(1.0, 1.0, True))


def nothing(d: Drawing) -> None:
    """Identity, Dropout, or a cast between float types."""
    at, kind = d.at, d.choose(0, 3)
    if kind == 0:
        out = d.node("Identity", at.name)
    elif kind == 1:
        if d.opset < 12:
            out = d.node("Dropout", at.name, ratio=0.3, outputs=d.choose(1, 2))
        else:
            ratio = (d.const(np.float32(0.3)),) if d.chance(50) else ()
            mode = (d.const(False, np.bool_),) if ratio and d.chance(50) else ()
            out = d.node("Dropout", at.name, *ratio, *mode, outputs=d.choose(1, 2))
    elif kind == 2:
        out = d.node("Cast", at.name, to=1)
    else:
        out = d.node("Cast", d.node("Cast", at.name, to=11), to=1)
    d.to(out, at.grid)


def integers(d: Drawing) -> None:
    """A cast to integers and back, which cuts towards zero."""
    grid = d.at.grid
    if grid is None or grid.most > 1000:
        return nothing(d)
    to = d.pick((6, 7, 6, 7, 3, 2, 5)) if d.wild else d.pick((6, 7))
    d.to(d.node("Cast", d.node("Cast", d.at.name, to=to), to=1), Grid(1.0, grid.most + 1, d.dyadic))
    return None


def residual(d: Drawing) -> None:
    """Two paths of one tensor that meet in a sum or a difference."""
    ready(d, 8)
    start = d.at
    branch(d)
    left = d.at
    d.at = start
    if d.chance(60):
        branch(d)
    right = d.at
    if left.grid is None or right.grid is None:
        d.at = start
        return
    op = d.pick(("Add", "Add", "Add", "Sum", "Sub"))
    inputs = [left.name, right.name]
    if op == "Sum" and d.chance(40):
        inputs.append(start.name)
    grid = plus(left.grid, right.grid)
    if len(inputs) == 3:
        assert start.grid is not None
        grid = plus(grid, start.grid)
    d.to(d.node(op, *inputs), d.summed(grid))


def met(d: Drawing) -> None:
    """The larger, the smaller or the product of two paths of one tensor, behind quantizers of one scale."""
    ready(d, 8)
    start, ends = d.at, []
    scale, bits = d.scale(), d.choose(1, 6)
    signed = d.choose(int(bits == 1), 1)
    constants = d.const(scale), d.const(0.0), d.const(float(bits))
    for side in range(2):
        d.at = start
        if side and d.chance(60):
            mixed(d)
        for _ in range(d.choose(0, 2)):
            pointwise(d)
        ends.append(d.node("Quant", d.at.name, *constants, domain=d.general, signed=signed, narrow=0))
    one = Grid(float(scale), float(scale) * 2.0 ** (bits - signed), d.dyadic)
    op = d.pick(("Max", "Min", "Mul"))
    d.to(d.node(op, *ends), d.summed(product(one, one)) if op == "Mul" else one)


def mixed(d: Drawing) -> None:
    """Signed sums over the channels, of the same shape: a path that is no function of one value."""
    at, c = d.at, d.at.size("C")
    if at.grid is None or at.letters not in ("NC", "NCHW"):
        return
    w = d.rng.choice((-1.0, 1.0), (c, c))
    name = (
        d.node("MatMul", at.name, d.const(w))
        if at.letters == "NC"
        else d.node("Conv", at.name, d.const(w.reshape(c, c, 1, 1)))
    )
    d.to(name, d.summed(product(at.grid, Grid(1.0, 1.0, True), c)))


def branch(d: Drawing) -> None:
    """A few elementwise operators and a quantizer whose scale fits what it meets again."""
    from hwflow.generate.quantize import bipolar, quant

    for _ in range(d.choose(0, 2)):
        pointwise(d)
    if d.at.grid is None or not d.at.grid.exact or d.chance(60):
        d.pick((bipolar, quant, quant))(d)


POINTWISE: dict[Callable[[Drawing], None], int] = {
    arithmetic: 7, norm: 3, relu: 2, clipped: 2, leaky: 2, extreme: 2, negated: 1, rounded: 1, signum: 1, nothing: 2,
    integers: 1,
}  # fmt: skip


def pointwise(d: Drawing) -> None:
    """One elementwise operator behind the last tensor."""
    d.weighted(POINTWISE)(d)
