"""How a sum of real values is done on integers: the integer operation, and the float32 steps behind it.

Stands on grids and ops. This is the contract of the whole project: integers are summed first, exactly; then
the trained network's own elementwise arithmetic goes on in its own order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from typing_extensions import assert_never

from hwflow import ops
from hwflow.bits import Array
from hwflow.errors import Refusal
from hwflow.ops import Shape
from hwflow.real import fixed
from hwflow.real import nodes as real
from hwflow.real.fixed import Finer as Finer
from hwflow.real.grids import MOST_INTEGER, Grid, Span, of_grid, scaled
from hwflow.real.rationals import each, exact, floats, integers, multiples
from hwflow.real.scales import EPS, MOST_MULTIPLE, near
from hwflow.real.steps import Step, run_all, side_by_side

QUANTIZE = "put a quantizer (1 to 8 bits, one scale) in front of it"
MOST_RATIO = 128  # of the scales of channels that enter one sum
MOST_PAIRS = 1 << 22  # of integers of two branches that are looked at, of all channels together
MOST_SUM = (1 << 31) - 2  # what every engine holds, with one to spare for a threshold above it all


class Off(Refusal):
    """Why a sum cannot be done on integers."""

    def since(self, name: str) -> Off:
        """The same with the node where its input left the integers, where there is one."""
        return Off(f"{self.reason} since {name}", self.remedy, self.attribute) if name else self


class Unrelated(Off):
    """Two branches whose scales have nothing in common; a quantizer behind them decides on pairs of integers."""


@dataclass(frozen=True, eq=False)
class IntegerSum:
    """`op` on the integers of each input (after `finer`); the result lies on `grid`, whose steps give its values."""

    op: ops.Op
    grid: Grid
    finer: tuple[Finer | None, ...]
    near: float = 0.0  # how far the scales are from those of the file, in units of the scale
    off: Array | None = None  # by how much values are rounded before they are summed, (channels,)

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.grid.steps

    @property
    def span(self) -> Span:
        """The values, and the grid where float32 tells them apart."""
        span = of_grid(self.grid)
        return span if self.grid.distinct else Span(span.low, span.high, None, self.grid)

    def sum(self, *integers: Array) -> Array:
        """The integer sum of inputs given by their integers."""
        return self.op.run(*(k if f is None else f.run(k) for k, f in zip(integers, self.finer, strict=True)))

    def values(self, sums: Array) -> Array:
        """The float32 values behind sums."""
        return run_all(self.steps, sums.astype(np.float32))

    def run(self, *integers: Array) -> Array:
        """The float32 values behind the sum of inputs given by their integers."""
        return self.values(self.sum(*integers))


Summed: TypeAlias = real.Dense | real.Conv | real.Add | real.Multiply | real.Concat | real.SumPool | real.Pad


def integer_sum(node: Summed, *spans: Span) -> IntegerSum | None:
    """The integer sum of a node, or None for a concatenation that can stay elementwise; `Off` says why not."""
    if any(s.grid is None for s in spans):
        wide = [s.taken for s in spans if s.taken is not None]
        if len(wide) == len(spans) and _in_fixed_point(node):
            if isinstance(node, real.SumPool):
                return _held(_fixed_sum_pool(node, wide[0]))
            moved = fixed_sum(node, wide) if isinstance(node, real.Add) else _sum_of_kind(node, wide)
            return None if moved is None else _held(moved)
    if any(s.grid is None for s in spans):
        if isinstance(node, real.Concat):
            return None
        raise Off("its input is not integers times a scale", QUANTIZE)
    grids = [s.grid for s in spans if s.grid is not None]
    if any(int(np.abs(g.lo).max()) > MOST_INTEGER or int(np.abs(g.hi).max()) > MOST_INTEGER for g in grids):
        raise Off("its input integers exceed 22 bits", QUANTIZE)
    found = _sum_of_kind(node, grids)
    return None if found is None else _held(found)


def _held(found: IntegerSum) -> IntegerSum:
    """The sum itself; `Off` where its step is nothing in float32."""
    if (floats(found.grid.step).astype(np.float32) == 0).any():
        raise Off("its scale is smaller than float32 can hold", "train with scales and norms of a usual size")
    return found


def _in_fixed_point(node: Summed) -> bool:
    """True for sums that take the integers of a float shortcut as they are: of branches, of pixels, of nothing."""
    if isinstance(node, real.Dense | real.Conv):
        return picked_channels(node) is not None
    return isinstance(node, real.Add | real.SumPool | real.Pad)


def _sum_of_kind(node: Summed, grids: list[Grid]) -> IntegerSum | None:
    match node:
        case real.Dense() | real.Conv():
            return _product(node, grids[0])
        case real.Add():
            try:
                return _sum(node, grids)
            except Unrelated:
                raise
            except Off:
                return fixed_sum(node, grids)
        case real.Multiply():
            return _gate(node, grids)
        case real.Concat():
            return _concat(node, grids)
        case real.SumPool():
            return _sum_pool(node, grids[0])
        case real.Pad():
            return _pad(node, grids[0])
        case _:
            assert_never(node)


def _uniform(grid: Grid, groups: int = 1, loads: Array | None = None, room: float = 0) -> tuple[Array, Array, Array]:
    """(step, m, offset) with value = step * m * k + offset; m integers, 1 wherever the channels of a group agree.

    `step` is one fraction for each channel, the same for all channels of a group. Where scales are no multiples of one
    scale and `loads` says what the sums hold (as in `near`), they are as near to them as `room` allows.
    """
    moving, size = grid.moving, len(grid.lo) // groups
    step, m, offset = np.full(len(grid.lo), Fraction(1), object), np.ones(len(grid.lo), np.int64), grid.offset.copy()
    for g in range(groups):
        mine = slice(g * size, (g + 1) * size)
        own = multiples(grid.step[mine], MOST_RATIO)
        if own is not None:
            step[mine], m[mine] = own
            continue
        live = moving[mine]
        found = multiples(grid.step[mine][live], MOST_RATIO) if live.any() else (Fraction(1), np.ones(0, np.int64))
        if found is None and loads is not None:
            found = near(grid.step[mine][live], loads[mine][live], MOST_SUM, room)
        if found is None:
            raise Off("its channels have scales that are no multiples of one scale", QUANTIZE)
        step[mine] = found[0]
        m[mine][live] = found[1]
        # a channel with one value needs no scale of its own
        k, still = exact(grid.lo[mine]), ~live
        offset[mine][still] = (grid.offset[mine] + (grid.step[mine] - found[0]) * k)[still]
    return step, m, offset


def picked_channels(node: real.Dense | real.Conv) -> Array | None:
    """The channel that each row copies, where every row is one weight of 1 and no padding is read; else None."""
    ints = node.weights.ints
    if (node.weights.scale != 1).any() or (isinstance(node, real.Conv) and any(node.pads)):
        return None
    flat = ints.reshape(len(ints), -1)
    if not bool(((flat == 0) | (flat == 1)).all() and (flat.sum(1) == 1).all()):
        return None
    channel = flat.argmax(1) % ints.shape[-1]
    if isinstance(node, real.Dense) or node.groups == 1:
        return channel
    return channel + np.arange(len(ints)) // (len(ints) // node.groups) * ints.shape[-1]


def _product(node: real.Dense | real.Conv, grid: Grid) -> IntegerSum:
    w = node.weights.ints.astype(np.int64)
    finer, pad = None, np.zeros(1, np.int64)
    if (picked := picked_channels(node)) is not None:  # nothing is summed, so every channel keeps its own scale
        return IntegerSum(_integer_product(node, w, pad), grid.taken(picked), (None,))
    groups = node.groups if isinstance(node, real.Conv) else 1
    if isinstance(node, real.Conv) and any(node.pads):
        grid = _with_padding(grid, node.pad)
    loads = _loads(node, grid)
    step, m, offset = _uniform(grid, groups, loads, EPS * max(int(np.prod(w.shape[1:])), 3))
    away = np.where(grid.moving, np.abs(floats(step * m - grid.step)), 0.0)
    if isinstance(node, real.Conv) and any(node.pads):
        found = _padding(node, grid, step, m, offset)
        if found is None:
            finer, one = _finer(node, step * m, offset)
            step = np.full(len(m), one)
            lo, hi = (finer.mul * k + finer.add for k in (grid.lo, grid.hi))
            grid = replace(grid, lo=np.minimum(lo, hi), hi=np.maximum(lo, hi))
            found = integers(Fraction(node.pad) / step)
            m, offset = np.ones_like(m), 0 * offset
            assert found is not None
        pad = found
        if pad.any() and _beyond(node):
            # the integers are counted from the padding, which is 0 then, as zeros alone may lie outside all windows
            moved = Finer(np.ones_like(pad), -pad)
            finer = moved if finer is None else Finer(finer.mul, finer.add - pad)
            grid = replace(grid, lo=grid.lo - pad, hi=grid.hi - pad)
            offset, pad = offset + step * m * pad, 0 * pad
    m_taps, offset_taps = (_by_tap(node, v) for v in (m, offset))
    w = w * m_taps
    rows = exact(np.broadcast_to(node.weights.scale, (len(w),)))
    sums = _row_sums(node.weights.ints, offset_taps) * rows
    lo, hi = _ranges(node, w, grid, pad)
    if max(-int(lo.min()), int(hi.max())) >= MOST_SUM:
        raise Off("its accumulator exceeds 32 bits", "use fewer bits for weights or inputs")
    if int(np.abs(w).max(initial=0)) >= MOST_SUM:
        raise Off("its weights exceed 32 bits", "use fewer bits for weights or inputs")
    of_row = step[np.arange(len(w)) // max(len(w) // groups, 1) * (len(step) // groups)]
    out = scaled(lo, hi, of_row * rows, sums)
    if not away.any():
        return IntegerSum(_integer_product(node, w, pad), out, (finer,))
    most = np.maximum(np.abs(grid.lo), np.abs(grid.hi))
    taps = _by_tap(node, away * most)
    more = (np.abs(node.weights.ints) * taps).reshape(len(w), -1).sum(1) * np.abs(floats(rows))
    out = replace(out, error=more + (0.0 if out.error is None else out.error))
    return IntegerSum(_integer_product(node, w, pad), out, (finer,), near=float((away / np.abs(grid.scale)).max()))


def _loads(node: real.Dense | real.Conv, grid: Grid) -> Array:
    """What each input channel adds to the largest sum at most."""
    size = np.abs(node.weights.ints.astype(np.int64))
    most = np.maximum(np.abs(grid.lo), np.abs(grid.hi))
    if isinstance(node, real.Dense):
        return size.max(0) * most
    by_channel = size.sum((1, 2)).reshape(node.groups, -1, size.shape[-1]).max(1).reshape(-1)
    return by_channel * most


def _integer_product(node: real.Dense | real.Conv, w: Array, pad: Array) -> ops.Op:
    if isinstance(node, real.Dense):
        return ops.Dense(name=node.name, inputs=node.inputs, weights=w)
    pad = pad[:1] if (pad == pad[0]).all() else pad
    return ops.Conv(
        name=node.name, inputs=node.inputs, weights=w, stride=node.stride, pads=node.pads, pad=pad,
        dilation=node.dilation, groups=node.groups,
    )  # fmt: skip


def _beyond(node: real.Conv) -> bool:
    """True where padding reaches beyond the window, so that whole windows lie in it."""
    spans = [(k - 1) * d + 1 for k, d in zip(node.weights.ints.shape[1:3], node.dilation, strict=True)]
    return any(p >= s for p, s in zip(node.pads, (*spans, *spans), strict=True))


def _with_padding(grid: Grid, pad: float) -> Grid:
    """The grid whose channels of one value hold the padding too, where it is on their grid: so they need their scale."""
    at = np.full(len(grid.lo), pad, np.float32)
    near = grid.nearest(at)
    on = ~grid.moving & (np.abs(near) <= MOST_INTEGER) & (grid.values(near) == at)
    lo, hi = (np.where(on, end(side, near), side) for end, side in ((np.minimum, grid.lo), (np.maximum, grid.hi)))
    return replace(grid, lo=lo, hi=hi)


def _padding(node: real.Conv, grid: Grid, step: Array, m: Array, offset: Array) -> Array | None:
    """The integer of each channel whose value the padding is: exactly, or as float32 makes it; else None."""
    pad = np.full(len(m), node.pad, np.float32)
    near = grid.nearest(pad)
    near = np.where(np.abs(near) <= MOST_INTEGER, near, 0)
    made = grid.moving & (grid.values(near) == pad)
    out = []
    for k, ratio, ok in zip(near, (Fraction(node.pad) - offset) / (step * m), made, strict=True):
        if ratio.denominator == 1 and abs(ratio) <= MOST_INTEGER:
            out.append(int(ratio))
        elif ok:
            out.append(int(k))
        else:
            return None
    return np.array(out, np.int64)


def _row_sums(ints: Array, per_tap: Array) -> Array:
    """sum over taps of ints[r, tap] * per_tap[tap], exact."""
    flat = ints.reshape(len(ints), -1).astype(np.int64)
    taps = np.broadcast_to(per_tap, ints.shape).reshape(len(ints), -1)
    if all(f == 0 for f in set(per_tap.flat)):
        return exact(np.zeros(len(ints)))
    out = exact(np.zeros(len(ints)))
    for value in set(per_tap.flat):
        mine = np.array([f == value for f in per_tap.flat]).reshape(per_tap.shape)
        out = out + exact(np.where(np.broadcast_to(mine, ints.shape).reshape(taps.shape), flat, 0).sum(1)) * value
    return out


def _finer(node: real.Conv, steps: Array, offset: Array) -> tuple[Finer, Fraction]:
    """Integers on a grid that contains the padding, where their own grid does not."""
    for d in range(1, 17):
        add, pad = integers(d * offset / steps), integers(d * Fraction(node.pad) / steps)
        if add is not None and pad is not None:
            found = multiples(steps / d, MOST_MULTIPLE)
            if found is not None:
                step, m = found
                return Finer(m * d, m * add), step
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


def _sum(node: real.Add, grids: list[Grid]) -> IntegerSum:
    parts = [_uniform(g) for g in grids]
    found = multiples(np.array([p[0][0] for p in parts], object), MOST_MULTIPLE)
    if found is None:
        raise Unrelated(
            "its inputs have scales that are no multiples of one scale",
            "give the quantizers of both branches scales with a ratio of small integers, such as powers of two",
        )
    step, scales = found
    offset = np.sum([p[2] for p in parts], 0)
    finer = tuple(None if (m == 1).all() else Finer(m, 0 * m) for _, m, _ in parts)
    ends = [np.sort([s * m * g.lo, s * m * g.hi], 0) for s, (_, m, _), g in zip(scales, parts, grids, strict=True)]
    lo, hi = np.sum(ends, 0)
    op = ops.Add(name=node.name, inputs=node.inputs, scales=tuple(int(s) for s in scales))
    _fits(lo, hi)
    return IntegerSum(op, scaled(lo, hi, np.full(len(lo), step), offset), finer)


def fixed_sum(node: real.Add, grids: list[Grid]) -> IntegerSum:
    """The sum of branches of any scales in fixed point."""
    found = fixed.rounded(grids)
    if found is None:
        raise Off(
            "its inputs have scales too far apart for 32-bit factors", "give both branches scales of a usual size"
        )
    step, finer, off = found
    ends = [np.sort([f.run(g.lo), f.run(g.hi)], 0) for f, g in zip(finer, grids, strict=True)]
    lo, hi = np.sum(ends, 0)
    _fits(lo, hi)
    op = ops.Add(name=node.name, inputs=node.inputs, scales=(1,) * len(grids))
    out = scaled(lo, hi, step, np.sum([fixed.constant(g) for g in grids], 0))
    out = replace(out, error=off + (0.0 if out.error is None else out.error))
    return _held(IntegerSum(op, out, finer, off=off))


def _gate(node: real.Multiply, grids: list[Grid]) -> IntegerSum:
    """The product of the integers of both inputs, counted from zero."""
    finer: list[Finer | None] = []
    ends = []
    for grid in grids:
        zero = integers(grid.offset / grid.step)
        if zero is None:
            raise Off("zero is none of the values of its input", "use a quantizer with an integer zero point")
        finer.append(Finer(np.ones_like(zero), zero) if zero.any() else None)
        ends.append((grid.lo + zero, grid.hi + zero))
    corners = np.stack([a * b for a in ends[0] for b in ends[1]])
    lo, hi = corners.min(0), corners.max(0)
    _fits(lo, hi)
    step = each(lambda a, b: a * b, grids[0].step, grids[1].step)
    op = ops.Multiply(name=node.name, inputs=node.inputs)
    bipolar = all(g.bipolar for g in grids) and not any(finer)
    return IntegerSum(op, scaled(lo, hi, step, 0 * step, bipolar), tuple(finer))


def _concat(node: real.Concat, grids: list[Grid]) -> IntegerSum | None:
    try:
        parts = [_uniform(g) for g in grids]
    except Off:
        return None
    found = multiples(np.array([p[0][0] for p in parts], object), MOST_RATIO)
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
    _fits(lo, hi)
    bipolar = all(g.bipolar for g in grids) and set(op.scales) == {1}
    out = scaled(lo, hi, np.full(len(lo), step), offset, bipolar)
    chains = [(len(g.lo), (*_undone(int(s)), *g.steps)) for s, g in zip(scales, grids, strict=True)]
    return IntegerSum(op, _as_they_are(out, grids, chains), (None,) * len(grids))


def _undone(scale: int) -> tuple[Step, ...]:
    """What takes an integer times `scale` back to the integer."""
    return () if scale == 1 else (Step("div", np.array([scale])),)


def _as_they_are(out: Grid, grids: list[Grid], chains: list[tuple[int, tuple[Step, ...]]]) -> Grid:
    """The grid of values that are only moved: made by the steps that made them, where these round."""
    if all(g.error is None for g in grids) and out.error is None:
        return out
    errors = [np.zeros(n) if g.error is None else g.error for (n, _), g in zip(chains, grids, strict=True)]
    return replace(out, steps=side_by_side(chains), error=np.concatenate(errors))


def _sum_pool(node: real.SumPool, grid: Grid) -> IntegerSum:
    zero = grid.place(np.zeros(1)) if any(node.pads) else None
    if any(node.pads) and (zero is None or zero.any()):
        raise Off("it averages over zero padding, which is none of the values of its input", "use no padding", "pads")
    taps = node.kernel[0] * node.kernel[1]
    lo, hi = taps * grid.lo, taps * grid.hi
    if any(node.pads):
        lo, hi = np.minimum(lo, grid.lo), np.maximum(hi, grid.hi)
    op = ops.SumPool(name=node.name, inputs=node.inputs, kernel=node.kernel, stride=node.stride, pads=node.pads)
    _fits(lo, hi)
    return IntegerSum(op, scaled(lo, hi, grid.step, taps * grid.offset), (None,))


def _fixed_sum_pool(node: real.SumPool, grid: Grid) -> IntegerSum:
    """The sum of values in fixed point, rounded to fewer bits where their sum has more than 32.

    That is less than what float32 rounds of a sum of so many numbers.
    """
    taps = node.kernel[0] * node.kernel[1]
    shift = max((taps * _most(grid.lo, grid.hi)).bit_length() - 30, 0)
    if not shift:
        return _sum_pool(node, grid)
    half = np.full(len(grid.lo), 1 << shift >> 1, np.int64)
    finer = Finer(np.ones(len(grid.lo), np.int64), half, shift)
    coarse = replace(grid, lo=finer.run(grid.lo), hi=finer.run(grid.hi), step=grid.step * (1 << shift))
    made = _sum_pool(node, coarse)
    off = taps * 2.0**shift / 2 * np.abs(floats(grid.step))
    error = off + (0.0 if made.grid.error is None else made.grid.error)
    return replace(made, grid=replace(made.grid, error=error), finer=(finer,), off=off)


def _most(lo: Array, hi: Array) -> int:
    return max(-int(lo.min()), int(hi.max()))


def _pad(node: real.Pad, grid: Grid) -> IntegerSum:
    if any(f != 0 for f in set(grid.offset.flat)):
        raise Off(
            "zero is none of the values of its input", "pad in the convolution, or use a quantizer with zero point 0"
        )
    op = ops.Pad(name=node.name, inputs=node.inputs, pads=node.pads, channels=node.channels)
    before, behind = node.channels
    least, size = min(abs(f) for f in grid.step), len(grid.step)
    # zeros have any scale: that of the channel whose place they take when the image gets another shape
    zeros = np.tile(grid.step, behind // size) if behind % size == 0 else np.full(behind, least)
    step = np.concatenate([np.full(before, least), grid.step, zeros])
    lo, hi = (np.pad(end, (before, behind)) for end in (np.minimum(grid.lo, 0), np.maximum(grid.hi, 0)))
    out = scaled(lo, hi, step, 0 * step)
    if grid.error is not None or out.error is not None:  # made by the steps that made the values, where these round
        error = np.zeros(size) if grid.error is None else grid.error
        if (grid.values(0 * grid.lo) == 0).all():  # zeros are made by the same steps
            like = np.concatenate([np.zeros(before, np.int64), np.arange(size), np.arange(behind) % size])
            steps = tuple(s.taken(like) for s in grid.steps)
        else:
            steps = side_by_side([(n, chain) for n, chain in ((before, ()), (size, grid.steps), (behind, ())) if n])
        out = replace(out, steps=steps, error=np.pad(error, (before, behind)))
    return IntegerSum(op, out, (None,))


def _fits(lo: Array, hi: Array) -> None:
    if _most(lo, hi) >= MOST_SUM:
        raise Off("its sum exceeds 32 bits", "use fewer bits, or scales with smaller ratios")


def shape_of(node: real.RealOp, shapes: list[Shape]) -> Shape:
    """The shape of a node's result."""
    return node.shape(*shapes)


def renamed(op: ops.Op, name: str, inputs: tuple[str, ...]) -> ops.Op:
    """The same operation between other values."""
    return replace(op, name=name, inputs=inputs)
