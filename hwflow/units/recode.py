"""The recoder: the same values in another encoding, made of wires.

Stands on units.kit.base. hls/units/recode.sv and hls/units/recode.hpp are the same unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.ops import Port
from hwflow.units.kit.base import Unit
from hwflow.units.kit.costs import Bill, Params
from hwflow.units.kit.rhythm import EventGraph, Rhythm, wire_rhythm
from hwflow.units.kit.streams import Stream


@dataclass(frozen=True, eq=False, kw_only=True)
class Recode(Unit):
    """Each element of x encoded as an element of `to`, which holds every value x can take."""

    module: ClassVar[str] = "recode"
    glue: ClassVar[bool] = True
    ready_through: ClassVar[bool] = True
    valid_through: ClassVar[bool] = True
    x: Port
    to: Ints
    par: int = 1
    by_row: bool = False  # as its streams' field says

    def __post_init__(self) -> None:
        assert self.to.lo <= self.x.ints.lo and self.x.ints.hi <= self.to.hi, (
            f"{self.name}: {self.to} does not hold {self.x.ints}"
        )
        assert not self.to.is_bipolar or self.x.ints.is_bipolar, f"{self.name}: {self.x.ints} is not -1/+1"

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self.par, self.by_row),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream(Port(self.x.shape, self.to), self.par, self.by_row),)

    @property
    def cycles(self) -> int:
        return self.ins[0].words

    @property
    def latency(self) -> int:
        return 0

    def rhythm(self, g: EventGraph) -> Rhythm:
        return wire_rhythm(g, self.ins[0].words)

    def params(self) -> dict[str, int | str]:
        return {
            "Par": self.par,
            "XBits": self.x.ints.bits,
            "XKind": self.x.ints.kind,
            "YBits": self.to.bits,
            "YKind": self.to.kind,
        }

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    def run(self, *xs: Array) -> tuple[Array, ...]:
        return (xs[0].reshape(len(xs[0]), *self.x.shape),)

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: every pair of encodings."""
        return tuple(
            Recode(name=f"recode_{i}", inputs=("input",), x=Port((6,), x), to=to, par=par)
            for i, (x, to, par) in enumerate((
                (BIPOLAR, Ints(-1, 1), 3), (BIPOLAR, Ints(-128, 127), 1), (Ints(0, 3), Ints(0, 255), 2),
                (Ints(0, 3), Ints(-8, 7), 6), (Ints(-4, 3), Ints(-100, 100), 2), (BIPOLAR, BIPOLAR, 6),
            ))
        )  # fmt: skip


def count_hardware(_: Params) -> Bill:
    """As hls/units/recode.sv is made: of wires."""
    return Bill({})
