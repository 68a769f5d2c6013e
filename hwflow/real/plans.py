"""How a sum of real values is done on integers: the integer operation, and the float32 steps behind it.

Stands on grids and ops. This is the contract of the whole project: integers are summed first, exactly; then
the trained network's own elementwise arithmetic goes on in its own order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hwflow import ops
from hwflow.bits import Array
from hwflow.errors import Finding
from hwflow.graph import Node
from hwflow.ops import Shape
from hwflow.real import nodes as real
from hwflow.real.grids import MOST_INTEGER, Grid, Span, multiples, near_integer, of_grid
from hwflow.real.steps import Step, tidy

QUANTIZE = "put a quantizer (1 to 8 bits, one scale) in front of it"


class Off(Exception):  # noqa: N818  it is a verdict, not an error
    """Why a sum cannot be done on integers."""

    def __init__(self, reason: str, remedy: str, attribute: str = ""):
        super().__init__(reason)
        self.reason, self.remedy, self.attribute = reason, remedy, attribute

    def finding(self, node: Node, since: str = "") -> Finding:
        """The finding at a node; `since` names where its input left the integers."""
        reason = f"{self.reason} since {since}" if since else self.reason
        return Finding(node.name, self.attribute, reason, self.remedy)


@dataclass(frozen=True, eq=False)
class Finer:
    """Integers multiplied and shifted, channel by channel, before they enter a sum: mul * k + add."""

    mul: Array
    add: Array


@dataclass(frozen=True, eq=False)
class Plan:
    """`op` on the integers of each input (after `finer`), then `steps`; the result lies on `grid`."""

    op: ops.Op
    steps: tuple[Step, ...]
    grid: Grid
    finer: tuple[Finer | None, ...]

    @property
    def span(self) -> Span:
        return of_grid(self.grid, self.steps)

    def run(self, *integers: Array) -> Array:
        """The float32 values behind the sum of inputs given by their integers."""
        fine = [k if f is None else f.mul * k + f.add for k, f in zip(integers, self.finer, strict=True)]
        y = self.op.run(*fine).astype(np.float32)
        for step in self.steps:
            y = step.run(y)
        return y


def plan(node: real.Dense | real.Conv | real.Add | real.Concat | real.SumPool | real.Pad, *spans: Span) -> Plan | None:
    """The integer sum of a node, or None for a concatenation that can stay elementwise; `Off` says why not."""
    if any(s.grid is None for s in spans):
        if isinstance(node, real.Concat):
            return None
        raise Off("its input is not integers times a scale", QUANTIZE)
    grids = [s.grid for s in spans if s.grid is not None]
    if any(int(np.abs(g.lo).max()) > MOST_INTEGER or int(np.abs(g.hi).max()) > MOST_INTEGER for g in grids):
        raise Off("its input integers exceed 22 bits", QUANTIZE)
    match node:
        case real.Dense() | real.Conv():
            return _product(node, grids[0])
        case real.Add():
            return _sum(node, grids)
        case real.Concat():
            return _concat(node, grids)
        case real.SumPool():
            return _sum_pool(node, grids[0])
        case real.Pad():
            return _pad(node, grids[0])


def _uniform(grid: Grid) -> tuple[float, Array, Array]:
    """(step, m, offset) with value = step * m * k + offset; m integers, 1 wherever channels agree."""
    still = grid.lo == grid.hi
    moving = grid.step[~still]
    found = multiples(moving, 128) if len(moving) else (1.0, moving.astype(np.int64))
    if found is None:
        raise Off("its channels have scales that are no multiples of one scale", QUANTIZE)
    step, some = found
    m = np.ones(grid.step.shape, np.int64)
    m[~still] = some
    # a channel with one value needs no scale of its own
    offset = np.where(still, grid.offset + grid.step * grid.lo - step * grid.lo, grid.offset)
    return step, m, offset


def _product(node: real.Dense | real.Conv, grid: Grid) -> Plan:
    step, m, offset = _uniform(grid)
    w = node.weights.ints.astype(np.int64)
    finer, pad = None, np.zeros(1, np.int64)
    if isinstance(node, real.Conv) and any(node.pads):
        whole = near_integer((node.pad - offset) / (step * m))
        if whole is None:
            finer, step = _finer(node, step * m, offset)
            lo, hi = (finer.mul * k + finer.add for k in (grid.lo, grid.hi))
            grid = Grid(np.full(len(m), step), 0 * offset, np.minimum(lo, hi), np.maximum(lo, hi))
            whole, m, offset = near_integer(np.full(len(m), node.pad / step)), np.ones_like(m), 0 * offset
            assert whole is not None
        pad = whole
    m_taps, offset_taps = (_by_tap(node, v) for v in (m, offset))
    w = w * m_taps
    scale = step * node.weights.scale
    sums = (node.weights.ints * offset_taps).reshape(len(w), -1).sum(1) * node.weights.scale
    lo, hi = _ranges(node, w, grid, pad)
    op: ops.Op
    if isinstance(node, real.Dense):
        op = ops.Dense(name=node.name, inputs=node.inputs, weights=w)
    else:
        pad = pad[:1] if (pad == pad[0]).all() else pad
        op = ops.Conv(
            name=node.name, inputs=node.inputs, weights=w, stride=node.stride, pads=node.pads, pad=pad,
            dilation=node.dilation, groups=node.groups,
        )  # fmt: skip
    if max(-int(lo.min()), int(hi.max())) >= 1 << 31:
        raise Off("its accumulator exceeds 32 bits", "use fewer bits for weights or inputs")
    out = Grid(np.broadcast_to(scale, lo.shape) * 1.0, sums, lo, hi)
    return Plan(op, _real_steps(scale, sums), out, (finer,))


def _finer(node: real.Conv, steps: Array, offset: Array) -> tuple[Finer, float]:
    """Integers on a grid that contains the padding, where their own grid does not."""
    for d in range(1, 17):
        add, pad = near_integer(d * offset / steps), near_integer(d * node.pad / steps)
        if add is not None and pad is not None:
            found = multiples(steps / d)
            if found is not None:
                step, m = found
                return Finer(m * d, m * add), step / 1.0 if d == 1 else step
    raise Off(
        f"its padding with {node.pad:g} is none of the values its input can take",
        "quantise the input behind its normalisation with a scale that represents the padding",
        "pads",
    )


def _by_tap(node: real.Dense | real.Conv, per_channel: Array) -> Array:
    """A value of each input channel, in the shape of the weights."""
    if isinstance(node, real.Dense) or node.groups == 1:
        return per_channel
    rows, _, _, depth = node.weights.ints.shape
    group = np.arange(rows) // (rows // node.groups)
    return per_channel.reshape(node.groups, depth)[group][:, None, None, :]


def _ranges(node: real.Dense | real.Conv, w: Array, grid: Grid, pad: Array) -> tuple[Array, Array]:
    """Least and largest sum of each row over inputs in their own channel's range."""
    lo, hi = grid.lo, grid.hi
    if isinstance(node, real.Conv) and any(node.pads):
        lo, hi = np.minimum(lo, pad), np.maximum(hi, pad)
    lo, hi = _by_tap(node, lo), _by_tap(node, hi)
    ends = w * lo, w * hi
    return np.minimum(*ends).reshape(len(w), -1).sum(1), np.maximum(*ends).reshape(len(w), -1).sum(1)


def _real_steps(step: Array | float, offset: Array) -> tuple[Step, ...]:
    """The steps from a sum of integers to its real value."""
    return tidy((Step("mul", _short(np.atleast_1d(step))), Step("add", _short(offset))))


def _short(values: Array) -> Array:
    values = np.asarray(values).astype(np.float32)
    return values[:1] if (values == values[0]).all() else values


def _sum(node: real.Add, grids: list[Grid]) -> Plan:
    parts = [_uniform(g) for g in grids]
    found = multiples(np.array([p[0] for p in parts]))
    if found is None:
        raise Off(
            "its inputs have scales that are no multiples of one scale",
            "give the quantizers of both branches scales with a ratio of small integers, such as powers of two",
        )
    step, scales = found
    offset = np.sum([p[2] for p in parts], 0)
    finer = tuple(None if (m == 1).all() else Finer(m, 0 * m) for _, m, _ in parts)
    ends = [np.sort([s * m * g.lo, s * m * g.hi], 0) for s, (_, m, _), g in zip(scales, parts, grids, strict=True)]
    lo, hi = np.sum(ends, 0)
    op = ops.Add(name=node.name, inputs=node.inputs, scales=tuple(int(s) for s in scales))
    out = Grid(np.full(len(lo), step), offset, lo, hi)
    return Plan(op, _real_steps(step, offset), out, finer)


def _concat(node: real.Concat, grids: list[Grid]) -> Plan | None:
    try:
        parts = [_uniform(g) for g in grids]
    except Off:
        return None
    found = multiples(np.array([p[0] for p in parts]), 128)
    if found is None or any((m != 1).any() for _, m, _ in parts):
        return None
    step, scales = found
    offset = np.concatenate([p[2] for p in parts])
    lo, hi = np.sort(
        [
            np.concatenate([s * end for s, end in zip(scales, ends, strict=True)])
            for ends in ([g.lo for g in grids], [g.hi for g in grids])
        ],
        0,
    )
    op = ops.Concat(name=node.name, inputs=node.inputs, scales=tuple(int(s) for s in scales))
    out = Grid(np.full(len(lo), step), offset, lo, hi, all(g.bipolar for g in grids) and set(op.scales) == {1})
    return Plan(op, _real_steps(step, offset), out, (None,) * len(grids))


def _sum_pool(node: real.SumPool, grid: Grid) -> Plan:
    if any(node.pads) and (grid.offset != 0).any():
        raise Off("it averages over zero padding, which is none of the values of its input", "use no padding", "pads")
    taps = node.kernel[0] * node.kernel[1]
    lo, hi = taps * grid.lo, taps * grid.hi
    if any(node.pads):
        lo, hi = np.minimum(lo, grid.lo), np.maximum(hi, grid.hi)
    op = ops.SumPool(name=node.name, inputs=node.inputs, kernel=node.kernel, stride=node.stride, pads=node.pads)
    out = Grid(grid.step, taps * grid.offset, lo, hi)
    return Plan(op, _real_steps(grid.step, out.offset), out, (None,))


def _pad(node: real.Pad, grid: Grid) -> Plan:
    if (grid.offset != 0).any():
        raise Off(
            "zero is none of the values of its input", "pad in the convolution, or use a quantizer with zero point 0"
        )
    op = ops.Pad(name=node.name, inputs=node.inputs, pads=node.pads, channels=node.channels)
    before, behind = node.channels
    step = np.pad(grid.step, (before, behind), constant_values=float(np.abs(grid.step).min()))
    lo, hi = (np.pad(end, (before, behind)) for end in (np.minimum(grid.lo, 0), np.maximum(grid.hi, 0)))
    out = Grid(step, 0 * step, lo, hi)
    return Plan(op, _real_steps(step, out.offset), out, (None,))


def shape_of(node: real.RealOp, shapes: list[Shape]) -> Shape:
    """The shape of a node's result."""
    return node.shape(*shapes)


def renamed(op: ops.Op, name: str, inputs: tuple[str, ...]) -> ops.Op:
    """The same operation between other values."""
    return replace(op, name=name, inputs=inputs)
