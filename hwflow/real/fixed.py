"""Sums of branches whose scales have nothing in common, in fixed point: what a float shortcut is in hardware.

Stands on grids. The step of a channel is a power of two, at most 2^-27 of the largest sum of its branches, so that what
the branches are rounded by is less than what float32 rounds of that sum. A clip or a leaky slope on the way to the next
sum bends such integers at one place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from hwflow.bits import Array
from hwflow.real.grids import MOST_INTEGER, Grid, affine, scaled
from hwflow.real.rationals import exact, floats, integers, multiples
from hwflow.real.scales import MOST_MULTIPLE, ROOM, near
from hwflow.real.steps import Step

BITS = 27  # of the largest sum
MOST_MUL = (1 << 31) - 1  # that every engine multiplies by
MOST = 1 << 30  # of bent integers


@dataclass(frozen=True, eq=False)
class Finer:
    """Integers of each channel as their reader needs them: (mul * k + add) >> shift."""

    mul: Array
    add: Array
    shift: int = 0

    def run(self, k: Array) -> Array:
        return (self.mul * k + self.add) >> self.shift


@dataclass(frozen=True, eq=False)
class Bend:
    """max(z, slope(z)) of z = start(k): integers counted from the place where they bend."""

    start: Finer
    slope: Finer

    def run(self, k: Array) -> Array:
        z = self.start.run(k)
        return np.maximum(z, self.slope.run(z))


def rounded(grids: Sequence[Grid]) -> tuple[Array, tuple[Finer, ...], Array] | None:
    """The step of each channel (fractions), every branch on it, and by how much the sum is rounded at most (channels,).

    A branch of one value adds no integers: it is part of `constant`. None where no 32-bit factors do it.
    """
    size = np.sum([np.where(g.moving, np.abs(g.scale) * _most(g), 0) for g in grids], 0)
    step = exact(2.0 ** (np.ceil(np.log2(np.where(size > 0, size, 1.0))) - BITS))
    finers, off = [], np.zeros(len(size))
    for grid in grids:
        ratio, most = np.where(grid.moving, floats(grid.step / step), 0), _most(grid)
        shift = int(most.max()).bit_length() + 1
        while shift and np.abs(ratio * 2.0**shift).max() > MOST_MUL:
            shift -= 1
        mul = np.rint(ratio * 2.0**shift)
        if np.abs(mul).max() > MOST_MUL:
            return None
        off += np.abs(mul / 2.0**shift - ratio) * most + (0.5 if shift else 0.0)
        half = 1 << shift >> 1
        finers.append(Finer(mul.astype(np.int64), np.full(len(mul), half, np.int64), shift))
    if (off > 4).any():
        return None
    return step, tuple(finers), off * floats(step)


def constant(grid: Grid) -> Array:
    """What a branch adds to the sum besides its integers: its offset (fractions), or the value of a channel that has one."""
    still = np.array([s * int(k) for s, k in zip(grid.step, grid.lo, strict=True)], object)
    return np.where(grid.moving, grid.offset, grid.offset + still)


def _most(grid: Grid) -> Array:
    return np.maximum(np.maximum(np.abs(grid.lo), np.abs(grid.hi)), 1).astype(np.float64)


def after(grid: Grid, step: Step) -> tuple[Grid, Bend | None] | None:
    """The grid behind a step that a sum in fixed point can wait for, and how its integers change; None for other steps."""
    if step.joins:
        return None
    if step.affine:
        return affine(grid, step.op, step.value), None
    if step.op in ("leaky", "max", "min"):
        return _bend(grid, step)
    return None


def _bend(grid: Grid, step: Step) -> tuple[Grid, Bend] | None:
    value = np.broadcast_to(step.value, grid.lo.shape).astype(np.float64)
    if not np.isfinite(value).all():
        return None
    slopes = value if step.op == "leaky" else np.zeros(len(value))
    at = np.zeros(len(value)) if step.op == "leaky" else value
    # a maximum of z and its slope, of z that falls where the smaller of both is meant
    turned = (slopes > 1) | (step.op == "min")
    sign = np.where((grid.scale > 0) ^ turned, 1, -1)
    place = (grid.shift - at) / grid.scale
    if not np.isfinite(place).all() or np.abs(place).max() > MOST:
        return None
    reach = np.maximum(np.maximum(np.abs(grid.lo + place), np.abs(grid.hi + place)), 1)
    finer = np.maximum(BITS - np.ceil(np.log2(reach)), 0).astype(np.int64)
    mul = sign << finer
    start = Finer(mul, np.rint(mul * place).astype(np.int64))
    ends = np.stack([start.run(grid.lo), start.run(grid.hi)])
    if np.abs(ends).max() >= MOST:
        return None
    shift = 0 if np.isin(slopes, (0, 1)).all() else int(np.abs(ends).max()).bit_length() + 1
    while shift and np.abs(slopes * 2.0**shift).max() > MOST_MUL:
        shift -= 1
    half = np.full(len(mul), 1 << shift >> 1, np.int64)
    bend = Bend(start, Finer(np.rint(slopes * 2.0**shift).astype(np.int64), half, shift))
    through = np.stack([*ends, np.clip(0, ends.min(0), ends.max(0))])
    out = np.maximum(through, bend.slope.run(through))
    lo, hi = out.min(0), out.max(0)
    if max(-int(lo.min()), int(hi.max())) >= MOST:
        return None
    one = np.array([f / int(m) for f, m in zip(grid.step, mul, strict=True)], object)
    held = floats(one).astype(np.float32)
    if not np.isfinite(held).all() or (held == 0).any():
        return None  # float32 does not hold such a step
    made = scaled(lo, hi, one, exact(at))
    off = np.abs(floats(one)) * 1.5
    before = np.zeros(len(mul)) if grid.error is None else grid.error
    error = off + before * np.maximum(np.abs(slopes), 1) + (0 if made.error is None else made.error)
    return replace(made, error=error), bend


def compared(grids: list[Grid]) -> tuple[Grid, tuple[Finer, ...]] | None:
    """The grid of the larger of values on any grids, and the integers of every input on it; None where there is none.

    Its values differ from those that are compared by ROOM at most, which a sum behind them cannot tell.
    """
    zeros = [integers(g.offset / g.step) for g in grids]
    if any(z is None for z in zeros):
        return None
    steps, muls = np.empty(len(grids[0].lo), object), np.empty((len(grids), len(grids[0].lo)), np.int64)
    known: dict[tuple[Fraction, ...], tuple[Fraction, Array]] = {}
    for c, mine in enumerate(zip(*(g.step for g in grids), strict=True)):
        if mine not in known:
            one = np.array(mine, object)
            found = multiples(one, MOST_MULTIPLE) or near(one, np.ones(len(one)), MOST_INTEGER, ROOM)
            if found is None:
                return None
            known[mine] = found
        steps[c], muls[:, c] = known[mine]
    finer = tuple(Finer(m, m * z) for m, z in zip(muls, zeros, strict=True) if z is not None)
    ends = [np.sort([f.run(g.lo), f.run(g.hi)], 0) for f, g in zip(finer, grids, strict=True)]
    lo, hi = np.max(ends, 0)
    if max(-int(lo.min()), int(hi.max())) > MOST_INTEGER:
        return None
    out = scaled(lo, hi, steps, 0 * steps)
    size = np.maximum(np.abs(lo), np.abs(hi)) * np.abs(floats(steps))
    out = replace(out, error=ROOM * size + (0.0 if out.error is None else out.error))
    return (out, finer) if out.distinct else None
