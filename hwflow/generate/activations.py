"""Activations, comparisons and choices of random files: functions of one value, and what they choose between.

Stands on drawing and quantize.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwflow.generate.drawing import Drawing, Grid, grid_of, plus, product
from hwflow.generate.pointwise import branch, number_or_vector
from hwflow.generate.quantize import quantize, ready

# operators with a curve: the opset they need, and attributes that are drawn
CURVES: dict[str, tuple[int, tuple[dict[str, Any], ...]]] = {
    "Sigmoid": (9, ({},)), "Tanh": (9, ({},)), "Softplus": (9, ({},)), "Softsign": (9, ({},)), "Erf": (9, ({},)),
    "Elu": (9, ({}, {"alpha": 0.5})), "Celu": (12, ({}, {"alpha": 2.0})), "HardSigmoid": (9, ({}, {"alpha": 0.25, "beta": 0.5})),
    "HardSwish": (14, ({},)), "Gelu": (20, ({}, {"approximate": "tanh"}, {"approximate": "none"})), "Mish": (18, ({},)),
    "Exp": (9, ({},)), "Abs": (9, ({},)), "ThresholdedRelu": (10, ({}, {"alpha": 0.5})), "Swish": (24, ({}, {"alpha": 0.5})),
}  # fmt: skip
STRAIGHT = ("Abs", "ThresholdedRelu")  # no library rounds them


def curved(d: Drawing) -> None:
    """An activation in front of a quantizer; the library's own last bits may decide which level it takes."""
    known = [name for name, (since, _) in CURVES.items() if since <= d.opset]
    newest = max(CURVES[name][0] for name in known)
    late = [name for name in known if CURVES[name][0] >= (14 if newest < 24 else 24)]
    op = d.pick(late if late and d.chance(45) else known)
    grid = d.at.grid
    attrs = d.pick(CURVES[op][1])
    d.to(d.node(op, d.at.name, **attrs), grid if op == "Abs" else None)
    if op not in STRAIGHT:
        d.exact = False
        quantize(d)


def compared(d: Drawing) -> str:
    """A comparison with a constant, on either side, turned around now and then."""
    op = d.pick(("Greater", "Less", "GreaterOrEqual", "LessOrEqual") if d.opset >= 12 else ("Greater", "Less"))
    limit, _ = number_or_vector(d)
    inputs = (d.at.name, limit) if d.chance(75) else (limit, d.at.name)
    out = d.node(op, *inputs)
    return d.node("Not", out) if d.chance(30) else out


def chosen(d: Drawing) -> None:
    """A home-made sign function: a comparison as a number, or one that chooses."""
    if d.chance(50):
        d.to(d.node("Cast", compared(d), to=1), Grid(1.0, 1.0, True))
        if d.chance(60):
            two, one = d.const(np.float32(2)), d.const(np.float32(1))
            d.to(d.node("Sub", d.node("Mul", d.at.name, two), one), Grid(1.0, 1.0, True))
        return
    yes, no = (d.number((), True) for _ in range(2))
    if d.chance(25):  # the value itself where the comparison holds, as a clipped or leaky activation has it
        condition = compared(d)
        grid = plus(d.at.grid, grid_of(no)) if d.at.grid is not None and d.at.grid.dyadic else None
        d.to(d.node("Where", condition, d.at.name, d.const(no)), grid)
        return
    ends = [d.const(np.reshape(v, d.beside())) for v in (yes, no)]
    a, b = grid_of(yes), grid_of(no)
    d.to(d.node("Where", compared(d), *ends), Grid(min(a.step, b.step), max(a.most, b.most), True))


def gated(d: Drawing) -> None:
    """The product, the maximum or the minimum of two paths of one tensor."""
    ready(d, 5)
    start = d.at
    branch(d)
    left, d.at = d.at, start
    branch(d)
    right = d.at
    if left.grid is None or right.grid is None:
        d.at = start
        return
    op = d.pick(("Mul", "Max", "Min"))
    if op == "Mul":
        grid = d.summed(product(left.grid, right.grid))
    else:
        both = plus(left.grid, right.grid)
        grid = Grid(both.step, max(left.grid.most, right.grid.most), both.dyadic)
    d.to(d.node(op, left.name, right.name), grid)
    if d.chance(70):
        quantize(d)


def squared(d: Drawing) -> None:
    """A square, by Pow or by Mul, in front of a quantizer."""
    grid = ready(d, 6)
    name = d.at.name
    out = d.node("Mul", name, name) if d.chance(50) else d.node("Pow", name, d.const(np.float32(2)))
    d.to(out, d.summed(product(grid, grid)))
    quantize(d)
