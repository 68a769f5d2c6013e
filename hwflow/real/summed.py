"""What a sum of real values is on integers: the integer operation, the grid of its result, or why there is none.

Stands on grids, scales and ops. A sum takes integers of one scale, whichever scales its input's channels have.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hwflow import ops
from hwflow.bits import Array
from hwflow.errors import Refusal
from hwflow.real.fixed import Finer
from hwflow.real.grids import Grid, Span, of_grid
from hwflow.real.rationals import exact, multiples
from hwflow.real.scales import near
from hwflow.real.steps import Step, run_all

QUANTIZE = "put a quantizer (1 to 8 bits, one scale) in front of it"
MOST_RATIO = 128  # of the scales of channels that enter one sum
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


def uniform(grid: Grid, groups: int = 1, loads: Array | None = None, room: float = 0) -> tuple[Array, Array, Array]:
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


def fits(lo: Array, hi: Array) -> None:
    if most(lo, hi) >= MOST_SUM:
        raise Off("its sum exceeds 32 bits", "use fewer bits, or scales with smaller ratios")


def most(lo: Array, hi: Array) -> int:
    return max(-int(lo.min()), int(hi.max()))
