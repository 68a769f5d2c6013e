"""The fork: one stream becomes several equal ones, each taken in its own time.

Stands on units.kit.base. hls/units/split.sv and hls/units/split.hpp are the same unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.ops import Port
from hwflow.units.kit.base import Unit
from hwflow.units.kit.costs import Bill, Params
from hwflow.units.kit.rhythm import EventGraph, Rhythm, wire_rhythm
from hwflow.units.kit.streams import Stream, divide


@dataclass(frozen=True, eq=False, kw_only=True)
class Fork(Unit):
    """y_i = x for each of `copies`. A copy takes a word as soon as it can; x moves on when all have it."""

    module: ClassVar[str] = "split"  # "fork" is a word of SystemVerilog
    glue: ClassVar[bool] = True
    ready_through: ClassVar[bool] = True
    valid_through: ClassVar[bool] = True
    x: Port
    copies: int = 2
    par: int = 1
    by_row: bool = False  # as its streams' field says

    def __post_init__(self) -> None:
        assert self.copies >= 1, f"{self.name}: makes {self.copies} copies"
        if not self.by_row:
            divide(self.name, "par", self.par, self.x.size)

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self.par, self.by_row),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return self.ins * self.copies

    @property
    def cycles(self) -> int:
        return self.ins[0].words

    @property
    def latency(self) -> int:
        return 0

    def rhythm(self, g: EventGraph) -> Rhythm:
        return wire_rhythm(g, self.ins[0].words, self.copies)

    def params(self) -> dict[str, int | str]:
        return {"Bits": self.ins[0].bits, "Copies": self.copies}

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    def run(self, *xs: Array) -> tuple[Array, ...]:
        return (xs[0].reshape(len(xs[0]), *self.x.shape),) * self.copies

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: one copy, two, five."""
        return (
            Fork(name="fork_one", inputs=("input",), x=Port((7,), BIPOLAR), copies=1, par=7),
            Fork(name="fork_two", inputs=("input",), x=Port((3, 2, 6), Ints(-128, 127)), copies=2, par=3),
            Fork(name="fork_five", inputs=("input",), x=Port((11,), BIPOLAR), copies=5, par=1),
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/split.sv is made."""
    return Bill({"copies": p["Copies"] if p["Copies"] > 1 else 0})  # done_q, done_d, y_valid_o
