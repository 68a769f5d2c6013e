"""How a sum of real values is done on integers: the integer operation, and the float32 steps behind it.

Stands on summed and products. This is the contract of the whole project: integers are summed first, exactly; then
the trained network's own elementwise arithmetic goes on in its own order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from typing_extensions import assert_never

from hwflow import ops
from hwflow.real import fixed
from hwflow.real import nodes as real
from hwflow.real.fixed import Finer
from hwflow.real.grids import MOST_INTEGER, Grid, Span, scaled
from hwflow.real.products import picked_channels, product
from hwflow.real.rationals import each, floats, integers, multiples
from hwflow.real.scales import MOST_MULTIPLE
from hwflow.real.steps import Step, side_by_side
from hwflow.real.summed import MOST_RATIO, QUANTIZE, IntegerSum, Off, Unrelated, fits, most, uniform

MOST_PAIRS = 1 << 22  # of integers of two branches that are looked at, of all channels together
Summed: TypeAlias = real.Dense | real.Conv | real.Add | real.Multiply | real.Concat | real.SumPool | real.Pad


def integer_sum(node: Summed, *spans: Span) -> IntegerSum | None:
    """The integer sum of a node, or None for a concatenation that can stay elementwise; `Off` says why not."""
    if any(s.grid is None for s in spans):
        wide = [s.taken for s in spans if s.taken is not None]
        if len(wide) == len(spans) and _is_fixed_point(node):
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


def _is_fixed_point(node: Summed) -> bool:
    """True for sums that take the integers of a float shortcut as they are: of branches, of pixels, of nothing."""
    if isinstance(node, real.Dense | real.Conv):
        return picked_channels(node) is not None
    return isinstance(node, real.Add | real.SumPool | real.Pad)


def _sum_of_kind(node: Summed, grids: list[Grid]) -> IntegerSum | None:
    match node:
        case real.Dense() | real.Conv():
            return product(node, grids[0])
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


def _sum(node: real.Add, grids: list[Grid]) -> IntegerSum:
    parts = [uniform(g) for g in grids]
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
    fits(lo, hi)
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
    fits(lo, hi)
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
    fits(lo, hi)
    step = each(lambda a, b: a * b, grids[0].step, grids[1].step)
    op = ops.Multiply(name=node.name, inputs=node.inputs)
    bipolar = all(g.bipolar for g in grids) and not any(finer)
    return IntegerSum(op, scaled(lo, hi, step, 0 * step, bipolar), tuple(finer))


def _concat(node: real.Concat, grids: list[Grid]) -> IntegerSum | None:
    try:
        parts = [uniform(g) for g in grids]
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
    fits(lo, hi)
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
    fits(lo, hi)
    return IntegerSum(op, scaled(lo, hi, grid.step, taps * grid.offset), (None,))


def _fixed_sum_pool(node: real.SumPool, grid: Grid) -> IntegerSum:
    """The sum of values in fixed point, rounded to fewer bits where their sum has more than 32.

    That is less than what float32 rounds of a sum of so many numbers.
    """
    taps = node.kernel[0] * node.kernel[1]
    shift = max((taps * most(grid.lo, grid.hi)).bit_length() - 30, 0)
    if not shift:
        return _sum_pool(node, grid)
    half = np.full(len(grid.lo), 1 << shift >> 1, np.int64)
    finer = Finer(np.ones(len(grid.lo), np.int64), half, shift)
    coarse = replace(grid, lo=finer.run(grid.lo), hi=finer.run(grid.hi), step=grid.step * (1 << shift))
    made = _sum_pool(node, coarse)
    off = taps * 2.0**shift / 2 * np.abs(floats(grid.step))
    error = off + (0.0 if made.grid.error is None else made.grid.error)
    return replace(made, grid=replace(made.grid, error=error), finer=(finer,), off=off)


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
