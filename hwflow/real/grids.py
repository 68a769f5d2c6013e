"""Which values a tensor can hold: its ends, and the grid step * integer + offset they lie on, channel by channel.

Stands on steps. Steps are monotone, so the ends of a chain are the chain of the ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.ops import Port
from hwflow.real.steps import INTEGRAL, ROUNDINGS, Step

# float32 constants carry about 7 digits, so scales that are meant to be multiples agree to this
NEAR = 1e-6
MOST_MULTIPLE = 4096
# beyond this, float32 values no longer tell which integer they came from
MOST_INTEGER = 1 << 22


@dataclass(frozen=True, eq=False)
class Grid:
    """value = step * k + offset with k in lo .. hi, each (channels,); only k = -1 and +1 where `bipolar`."""

    step: Array
    offset: Array
    lo: Array
    hi: Array
    bipolar: bool = False

    @property
    def ints(self) -> Ints:
        return BIPOLAR if self.bipolar else Ints(int(self.lo.min()), int(self.hi.max()))

    def integers(self, values: Array) -> Array:
        """The k of float32 values (..., channels) that lie on this grid, as int64."""
        return np.rint((values.astype(np.float64) - self.offset) / self.step).astype(np.int64)

    def wider(self, times: int) -> Grid:
        """The grid of a flattened image of `times` pixels, channel fastest."""
        step, offset, lo, hi = (np.tile(v, times) for v in (self.step, self.offset, self.lo, self.hi))
        return Grid(step, offset, lo, hi, self.bipolar)


@dataclass(frozen=True, eq=False)
class Span:
    """The least and the largest float32 value of each channel, and the grid if there is one."""

    low: Array
    high: Array
    grid: Grid | None

    def wider(self, times: int) -> Span:
        return Span(np.tile(self.low, times), np.tile(self.high, times), self.grid.wider(times) if self.grid else None)


def of_input(port: Port, denominator: int) -> Span:
    """The span of the network's input."""
    ones = np.ones(port.channels)
    lo, hi = (np.full(port.channels, v) for v in (port.ints.lo, port.ints.hi))
    grid = Grid(ones / denominator, 0 * ones, lo, hi, port.ints.is_bipolar)
    per = np.float32(denominator)
    return Span(lo.astype(np.float32) / per, hi.astype(np.float32) / per, grid)


def of_grid(grid: Grid, steps: tuple[Step, ...]) -> Span:
    """The span of integers followed by the steps that give them their real value."""
    ends = [np.full(1, 0, np.float32) + end.astype(np.float32) for end in (grid.lo, grid.hi)]
    for step in steps:
        ends = [step.run(end) for end in ends]
    return Span(np.minimum(*ends), np.maximum(*ends), grid)


def after(span: Span, step: Step) -> Span:
    """The span behind one step."""
    ends = step.run(span.low), step.run(span.high)
    low, high = np.minimum(*ends).astype(np.float32), np.maximum(*ends).astype(np.float32)
    same = bool((low == span.low).all() and (high == span.high).all())
    return Span(low, high, _grid_after(span.grid, step, low, high, same))


def _grid_after(grid: Grid | None, step: Step, low: Array, high: Array, same: bool) -> Grid | None:
    value = step.value.astype(np.float64)
    if step.op in INTEGRAL and not (step.op in ROUNDINGS and grid is not None and _integral(grid)):
        if not bool((np.maximum(np.abs(low), np.abs(high)) < 1 << 31).all()):
            return None
        one = np.ones(low.shape)
        return Grid(one, 0 * one, low.astype(np.int64), high.astype(np.int64), step.op == "sign")
    if grid is None or (same and step.op in (*ROUNDINGS, "max", "min", "leaky")):
        return grid
    match step.op:
        case "add":
            return _centred(replace(grid, offset=grid.offset + value))
        case "sub":
            return _centred(replace(grid, offset=grid.offset - value))
        case "mul" | "div":
            return _scaled(grid, value if step.op == "mul" else 1 / value)
        case "max" | "min":
            return _clipped(grid, value, low, high)
    return grid if step.op in ROUNDINGS else None


def _integral(grid: Grid) -> bool:
    """True where every value is an integer already, so that rounding keeps it."""
    return bool((grid.step == np.rint(grid.step)).all() and (grid.offset == np.rint(grid.offset)).all())


def _scaled(grid: Grid, by: Array) -> Grid:
    zero = np.broadcast_to(by == 0, grid.step.shape)
    if not zero.any():
        return replace(grid, step=grid.step * by, offset=grid.offset * by)
    # a channel times zero is constant; it may borrow the step of any other
    step = np.where(zero, 1.0, grid.step * by)
    if not zero.all():
        step = np.where(zero, np.abs(step[~zero]).min(), step)
    none = np.zeros_like(grid.lo)
    return Grid(step, grid.offset * by, np.where(zero, none, grid.lo), np.where(zero, none, grid.hi), False)


def _centred(grid: Grid) -> Grid:
    """Two values an equal way from zero are a sign times a scale, whatever levels they were counted in."""
    half = grid.step * (grid.lo + 0.5)
    if grid.bipolar or not bool((grid.hi - grid.lo == 1).all()) or not bool(np.allclose(grid.offset, -half, NEAR, 0)):
        return grid
    ones = np.ones_like(grid.lo)
    return Grid(grid.step / 2, 0 * grid.offset, -ones, ones, True)


def _clipped(grid: Grid, at: Array, low: Array, high: Array) -> Grid | None:
    moved = (low != _ends(grid)[0]) | (high != _ends(grid)[1])
    level = (np.broadcast_to(at, grid.step.shape) - grid.offset) / grid.step
    if bool((np.abs(level - np.rint(level)) > NEAR * np.maximum(1, np.abs(level)))[moved].any()):
        return None
    ends = grid.integers(low), grid.integers(high)
    lo, hi = np.minimum(*ends), np.maximum(*ends)
    # a sign clipped at zero is a sign no longer
    return replace(
        grid, lo=lo, hi=hi, bipolar=grid.bipolar and bool((np.abs(lo) == 1).all() and (np.abs(hi) == 1).all())
    )


def _ends(grid: Grid) -> tuple[Array, Array]:
    ends = [(grid.step * k + grid.offset).astype(np.float32) for k in (grid.lo, grid.hi)]
    return np.minimum(*ends), np.maximum(*ends)


def near_integer(values: Array) -> Array | None:
    """The integers that float64 values are meant to be, or None."""
    near = np.rint(values)
    if not bool(np.isfinite(values).all()) or bool(
        (np.abs(values - near) > NEAR * np.maximum(1, np.abs(values))).any()
    ):
        return None
    return near.astype(np.int64)


def multiples(steps: Array, most: int = MOST_MULTIPLE) -> tuple[float, Array] | None:
    """One step and small integers with step * integers = steps, or None where there is no common step."""
    least = float(np.abs(steps).min())
    ratios = np.unique(steps / least)
    for d in range(1, 65):
        whole = near_integer(ratios * d)
        if whole is not None and int(np.abs(whole).max()) <= most:
            return least / d, near_integer(steps / least * d)  # type: ignore[return-value]
    return None
