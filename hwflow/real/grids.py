"""Which values a tensor can hold: its ends, and the grid step * integer + offset they lie on, channel by channel.

Stands on steps and rationals. Steps are monotone, so the ends of a chain are the chain of the ends. A grid knows its
step and offset exactly, the float32 operations that give its values, and a proven bound on what those round. Where
float32 could no longer tell one integer from the next, there is no grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import gcd, lcm

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.ops import Port
from hwflow.real.functions import FUNCTIONS
from hwflow.real.rationals import each, exact, floats, integers
from hwflow.real.scales import EPS
from hwflow.real.steps import IDLE, INTEGRAL, ROUNDINGS, STEPS, Both, Step, run_all, side_by_side, tidy

# beyond this, float32 values no longer tell which integer they came from
MOST_INTEGER = 1 << 22
LEAST = 2.0**-150  # half the smallest float32 number


@dataclass(frozen=True, eq=False)
class Grid:
    """value = step * k + offset with k in lo .. hi, each (channels,); only k = -1 and +1 where `bipolar`.

    `steps` are the float32 operations that make the value of k; they differ from the exact value by at most `error`.
    """

    step: Array  # fractions
    offset: Array  # fractions
    lo: Array
    hi: Array
    bipolar: bool = False
    steps: tuple[Step, ...] = ()
    error: Array | None = None  # float64, (channels,); None where every value is exact

    @property
    def ints(self) -> Ints:
        return BIPOLAR if self.bipolar else Ints(int(self.lo.min()), int(self.hi.max()))

    @cached_property
    def scale(self) -> Array:
        """The step of each channel, (channels,) float64."""
        return floats(self.step)

    @cached_property
    def shift(self) -> Array:
        """The offset of each channel, (channels,) float64."""
        return floats(self.offset)

    @property
    def moving(self) -> Array:
        """The channels that hold more than one value."""
        return self.lo < self.hi

    def integers(self, values: Array) -> Array:
        """The k of float32 values (..., channels) that are on this grid, as int64."""
        # a channel of one value has no error bound of half a step: whatever float32 makes of it is that value
        return np.where(self.moving, self.nearest(values), self.lo)

    def nearest(self, values: Array) -> Array:
        """The k whose exact value is nearest to each float32 value (..., channels), also beyond lo .. hi."""
        return np.rint((values.astype(np.float64) - self.shift) / self.scale).astype(np.int64)

    def values(self, k: Array) -> Array:
        """The float32 values of integers (..., channels)."""
        return np.broadcast_to(run_all(self.steps, k.astype(np.float32)), k.shape)

    def place(self, value: Array) -> Array | None:
        """The integers (channels,) whose float32 values are `value` to the last bit, or None where a channel has none."""
        at = np.broadcast_to(value, self.lo.shape).astype(np.float32)
        k = self.nearest(at)
        inside = np.abs(k) <= MOST_INTEGER
        return k if bool(inside.all() and (self.values(np.where(inside, k, 0)) == at).all()) else None

    @property
    def distinct(self) -> bool:
        """True where float32 tells every integer from its neighbours: the error is below half a step."""
        if self.error is None:
            return True
        return bool((2 * self.error < np.abs(self.scale))[self.moving].all())

    def wider(self, times: int) -> Grid:
        """The grid of a flattened image of `times` pixels, channel fastest."""
        step, offset, lo, hi = (np.tile(v, times) for v in (self.step, self.offset, self.lo, self.hi))
        error = None if self.error is None else np.tile(self.error, times)
        return Grid(step, offset, lo, hi, self.bipolar, tuple(s.wider(times) for s in self.steps), error)

    def first(self, channels: int) -> Grid:
        """The grid of the first few channels."""
        return self.taken(np.arange(channels))

    def taken(self, channels: Array) -> Grid:
        """The grid of some channels, in the order given."""
        step, offset, lo, hi = (v[channels] for v in (self.step, self.offset, self.lo, self.hi))
        error = None if self.error is None else self.error[channels]
        return Grid(step, offset, lo, hi, self.bipolar, tuple(s.taken(channels) for s in self.steps), error)

    def grouped(self, channels: int) -> Grid | None:
        """The grid of a vector as an image of so many channels; None where a channel would have several scales."""
        rows = np.arange(len(self.lo)).reshape(-1, channels)
        for v in (self.step, self.offset):
            if any(len(set(v[rows[:, c]])) > 1 for c in range(channels)):
                return None
        if any(s.per_channel and (s.value[rows] != s.value[rows[0]]).any() for s in self.steps):
            return None
        one = self.taken(rows[0])
        error = None if self.error is None else self.error[rows].max(0)
        return replace(one, lo=self.lo[rows].min(0), hi=self.hi[rows].max(0), error=error)


@dataclass(frozen=True, eq=False)
class Span:
    """The least and the largest float32 value of each channel, and the grid if there is one."""

    low: Array
    high: Array
    grid: Grid | None
    wide: Grid | None = None  # of integers that float32 does not tell apart: a sum of branches takes them as they are

    @property
    def taken(self) -> Grid | None:
        """The grid of the integers that a sum of branches takes."""
        return self.grid if self.grid is not None else self.wide

    def wider(self, times: int) -> Span:
        grid, wide = (None if g is None else g.wider(times) for g in (self.grid, self.wide))
        return Span(np.tile(self.low, times), np.tile(self.high, times), grid, wide)


def reshaped(span: Span, pixels: int, channels: int) -> Span:
    """The span of an image of `pixels` as one of other channels."""
    flat = span.wider(pixels)
    low, high = flat.low.reshape(-1, channels).min(0), flat.high.reshape(-1, channels).max(0)
    grid, wide = (None if g is None else g.grouped(channels) for g in (flat.grid, flat.wide))
    return Span(low, high, grid, wide)


def largest(grids: Sequence[Grid]) -> Grid | None:
    """The grid of the elementwise maximum of values on grids that are one but for their ends; None where they are not.

    Where integers rise with their values the maximum of the values is that of the integers.
    """
    first = grids[0]
    for other in grids[1:]:
        same = bool((first.step == other.step).all() and (first.offset == other.offset).all())
        exact_ = first.error is None and other.error is None
        if not same or first.bipolar != other.bipolar or not (exact_ or first.steps == other.steps):
            return None
    if (first.scale <= 0).any():
        return None
    lo, hi = (np.max([getattr(g, end) for g in grids], 0) for end in ("lo", "hi"))
    # the steps of a branch of one value may give that value of any integer
    told = (
        g
        for g in grids
        if all(np.array_equal(g.values(k), o.values(k)) for o in grids for k in (o.lo[None], o.hi[None]))
    )
    found = next(told, None)
    return None if found is None else replace(found, lo=lo, hi=hi)


def whole(lo: Array, hi: Array, bipolar: bool = False) -> Grid:
    """The grid of integers themselves; what float32 rounds of large ones is its error."""
    lo, hi = lo.astype(np.int64), hi.astype(np.int64)
    most = np.maximum(np.abs(lo), np.abs(hi)).astype(np.float64)
    error = None if bool((most <= 1 << 24).all()) else np.where(most <= 1 << 24, 0, most * EPS)
    return Grid(exact(np.ones(lo.shape)), exact(np.zeros(lo.shape)), lo, hi, bipolar, (), error)


def of_input(port: Port, steps: Sequence[Step]) -> Span:
    """The span of the network's input: its integers behind the steps that give them their real value."""
    lo, hi = (np.full(port.channels, v) for v in (port.ints.lo, port.ints.hi))
    grid = whole(lo, hi, port.ints.is_bipolar)
    for step in steps:
        grid = affine(grid, step.op, step.value)
    return of_grid(grid)


def of_grid(grid: Grid) -> Span:
    """The span of all the values of a grid."""
    ends = grid.values(grid.lo), grid.values(grid.hi)
    return Span(np.minimum(*ends), np.maximum(*ends), grid)


def scaled(lo: Array, hi: Array, step: Array, offset: Array, bipolar: bool = False) -> Grid:
    """The grid of sums of integers lo .. hi whose exact values are step * k + offset, made by float32 `mul` and `add`."""
    grid = whole(lo, hi, bipolar)
    factor, addend = (_short(floats(v).astype(np.float32)) for v in (step, offset))
    grid = affine(affine(grid, "mul", factor), "add", addend)
    # the constants themselves are rounded to float32
    most = np.maximum(np.abs(lo), np.abs(hi)).astype(np.float64)
    off = most * np.abs(floats(grid.step - step)) + np.abs(floats(grid.offset - offset))
    error = off if grid.error is None else grid.error + off
    return replace(grid, step=step + 0 * step, offset=offset + 0 * offset, error=error if error.any() else None)


def _short(values: Array) -> Array:
    return values[:1] if (values == values[0]).all() else values


def after(span: Span, step: Step) -> Span:
    """The span behind one step."""
    if not step.monotone:
        return _wavy(span, step)
    ends = step.run(span.low), step.run(span.high)
    low, high = np.minimum(*ends).astype(np.float32), np.maximum(*ends).astype(np.float32)
    same = bool((low == span.low).all() and (high == span.high).all())
    grid = _grid_after(span.grid, step, low, high, same)
    return Span(low, high, grid if grid is not None and grid.distinct else None)


def _wavy(span: Span, step: Step) -> Span:
    """Bounds behind a step that may fall and rise; integers where it gives nothing else."""
    if isinstance(step, Both):
        ends = []
        for chain in (step.left, step.right):
            inner = replace(span, grid=None)
            for one in chain:
                inner = after(inner, one)
            ends.append((inner.low, inner.high))
        corners = np.stack([STEPS[step.op](a, b) for a in ends[0] for b in ends[1]])
        if step.op == "div" and bool(((ends[1][0] <= 0) & (ends[1][1] >= 0)).any()):
            corners = corners + np.float32(np.inf)  # nothing bounds it
        return Span(corners.min(0), corners.max(0), None)
    if step.op == "leaky":
        corners = np.stack([step.run(span.low), step.run(span.high), 0 * span.low])
        return Span(corners.min(0), corners.max(0), None)
    low, high = FUNCTIONS[step.op].ends(span.low, span.high, step.value)
    grid = None
    if step.op == "nonzero" or (step.op == "abs" and span.grid is not None and _integral(span.grid)):
        grid = whole(low, high)
    return Span(low, high, grid)


def _grid_after(grid: Grid | None, step: Step, low: Array, high: Array, same: bool) -> Grid | None:
    if step.op in INTEGRAL and not (step.op in ROUNDINGS and grid is not None and _integral(grid)):
        if not bool((np.maximum(np.abs(low), np.abs(high)) < 1 << 31).all()):
            return None
        return whole(low, high, step.op == "sign")
    if grid is None or (same and step.op in (*ROUNDINGS, "max", "min", "leaky")):
        return grid
    if step.op in ("add", "sub", "mul", "div"):
        return centred(affine(grid, step.op, step.value))
    if step.op in ("max", "min") and not bool(np.isfinite([*low, *high]).all()):
        return None  # the other end of the clip is still to come
    if step.op in ("max", "min"):
        found = _clip(grid, step.value, low, high)
        if found is None and _whole(grid) and bool((step.value == np.rint(step.value)).all()):
            return whole(low, high)  # the new end is an integer beside the multiples of a step
        return found and centred(found)
    return grid if step.op in ROUNDINGS else None


def _integral(grid: Grid) -> bool:
    """True where every value is an integer already, so that rounding keeps it."""
    return grid.error is None and _whole(grid)


def _whole(grid: Grid) -> bool:
    """True where every value is an integer, what float32 rounds of it too."""
    return integers(grid.step) is not None and integers(grid.offset) is not None


def affine(grid: Grid, op: str, constant: Array) -> Grid:
    """The grid behind a sum, difference, product or quotient with a float32 constant of each channel."""
    c = exact(np.broadcast_to(constant, grid.lo.shape))
    step, offset, slope = grid.step, grid.offset, np.ones(len(c))
    if op == "add":
        offset = each(lambda a, b: a + b, offset, c)
    elif op == "sub":
        offset = each(lambda a, b: a - b, offset, c)
    elif op == "mul":
        step, offset, slope = each(lambda a, b: a * b, step, c), each(lambda a, b: a * b, offset, c), np.abs(floats(c))
    else:
        step, offset, slope = (
            each(lambda a, b: a / b, step, c),
            each(lambda a, b: a / b, offset, c),
            1 / np.abs(floats(c)),
        )
    made = replace(grid, steps=tidy((*grid.steps, Step(op, constant))))
    zero = np.array([f == 0 for f in step])
    if zero.any():  # a channel times zero is constant; its integers are all 0, with any step
        step = step.copy()
        step[zero] = min((abs(f) for f in step[~zero]), default=Fraction(1))
        lo, hi = (np.where(zero, 0, end) for end in (grid.lo, grid.hi))
        made = replace(made, lo=lo, hi=hi, bipolar=False)
    made = replace(made, step=step, offset=offset)
    most = np.maximum(np.abs(made.scale * made.lo + made.shift), np.abs(made.scale * made.hi + made.shift))
    if grid.error is None and _representable(made, most):
        return replace(made, error=None)
    before = 0.0 if grid.error is None else grid.error
    return replace(made, error=before * slope + most * EPS + LEAST)


def _representable(grid: Grid, most: Array) -> bool:
    """True where float32 holds every exact value of the grid: multiples of a power of two, of at most 24 bits."""
    known: dict[tuple[int, int], float | None] = {}
    for i, (a, b) in enumerate(zip(grid.step, grid.offset, strict=True)):
        pair = id(a), id(b)
        if pair not in known:
            bottom = lcm(a.denominator, b.denominator)
            top = gcd(a.numerator * (bottom // a.denominator), b.numerator * (bottom // b.denominator))
            dyadic = bottom & (bottom - 1) == 0 and bottom <= 1 << 149
            known[pair] = float(Fraction(top & -top or bottom, bottom)) if dyadic else None
        unit = known[pair]
        if unit is None or not most[i] <= unit * (1 << 24):
            return False
    return bool((most < 2.0**127).all())


def centred(grid: Grid) -> Grid:
    """Two values an equal way from zero are a sign times a scale, whatever levels they were counted in."""
    if grid.bipolar or not bool((grid.hi - grid.lo == 1).all()):
        return grid
    if any(2 * o + s * int(2 * k + 1) != 0 for s, o, k in zip(grid.step, grid.offset, grid.lo, strict=True)):
        return grid
    ones = np.ones_like(grid.lo)
    start = tidy((Step("mul", np.array([0.5])), Step("add", _short(grid.lo + 0.5))))
    return Grid(grid.step / 2, 0 * grid.offset, -ones, ones, True, (*start, *grid.steps), grid.error)


def _clip(grid: Grid, at: Array, low: Array, high: Array) -> Grid | None:
    """The grid between new ends; None where a channel's new end is none of its values and more than two are left."""
    ends = grid.values(grid.lo), grid.values(grid.hi)
    moved = (low != np.minimum(*ends)) | (high != np.maximum(*ends))
    at = np.broadcast_to(at, low.shape)
    off = moved & (grid.values(grid.nearest(at)) != at)
    new = grid.nearest(low), grid.nearest(high)
    lo, hi = np.minimum(*new), np.maximum(*new)
    if not off.any():
        # a sign clipped at zero is a sign no longer
        bipolar = grid.bipolar and bool((np.abs(lo) == 1).all() and (np.abs(hi) == 1).all())
        return replace(grid, lo=lo, hi=hi, bipolar=bipolar)
    # one or two values are integers 0 and 1, whatever they are
    inner = grid.values(np.stack([lo - 1, lo, lo + 1, hi - 1, hi, hi + 1]))
    if bool(np.any((inner > low) & (inner < high) & off)):
        return None
    step, offset = exact(high) - exact(low), exact(low)
    factor, addend = np.where(off, floats(step), 1).astype(np.float32), np.where(off, low, 0).astype(np.float32)
    if bool(np.any((factor + addend != high) & off)):
        return None
    keep = tuple(Step(s.op, np.where(off, IDLE[s.op], s.value)) for s in grid.steps)
    error = None if grid.error is None else np.where(off, 0, grid.error)
    one = np.array([f if f != 0 else Fraction(1) for f in step], object)
    return Grid(
        np.where(off, one, grid.step), np.where(off, offset, grid.offset), np.where(off, 0, lo),
        np.where(off, (low < high).astype(np.int64), hi), False,
        tidy((*keep, Step("mul", _short(factor)), Step("add", _short(addend)))), error,
    )  # fmt: skip


def beside(grids: list[Grid]) -> Grid:
    """The grid of channels side by side, each with its own step."""
    step, offset, lo, hi = (np.concatenate([getattr(g, k) for g in grids]) for k in ("step", "offset", "lo", "hi"))
    error = None
    if any(g.error is not None for g in grids):
        error = np.concatenate([np.zeros(len(g.lo)) if g.error is None else g.error for g in grids])
    steps = side_by_side([(len(g.lo), g.steps) for g in grids])
    return Grid(step, offset, lo, hi, all(g.bipolar for g in grids), steps, error)
