"""The fifo: room between two units whose rhythms differ.

Stands on units.kit.base. hls/units/fifo.sv and hls/units/fifo.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.errors import RecipeError
from hwflow.ops import Port
from hwflow.units.kit.base import Unit
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.rhythm import Backpressure, EventGraph, Line, Rhythm, Steps, arange
from hwflow.units.kit.stores import STYLE, Store
from hwflow.units.kit.streams import Stream

STYLES = STYLE[:3]  # words that come and go are no constants


@dataclass(frozen=True, eq=False, kw_only=True)
class Fifo(Unit):
    """Holds up to `depth` words and gives them in order; at least 2, so that it never costs a cycle."""

    module: ClassVar[str] = "fifo"
    glue: ClassVar[bool] = True
    x: Port
    par: int
    depth: int = 2
    style: str = "auto"
    by_row: bool = False  # as its streams' field says

    def __post_init__(self) -> None:
        if self.depth < 2:
            raise RecipeError(f"{self.name}: a fifo holds at least 2 words, not {self.depth}")
        if self.style not in STYLES:
            raise RecipeError(f"{self.name}: style must be one of {', '.join(STYLES)}, not {self.style}")

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self.par, self.by_row),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return self.ins

    @property
    def cycles(self) -> int:
        return self.ins[0].words

    @property
    def latency(self) -> int:
        return 1 if self.depth == 2 else 2

    def rhythm(self, g: EventGraph) -> Rhythm:
        """A word enters when the word `depth` before it is gone."""
        n = self.ins[0].words
        p = g.process(n)
        # of the words of the images before, so many are asked for that a smaller depth may be tried by moving the line
        waits = Backpressure(p, arange(n), Line(-self.depth, 1, self.depth + n), 1)
        return Rhythm((Steps(p, arange(n)),), (Steps(p, arange(n), self.latency),), ((waits,),))

    @property
    def capacity(self) -> int:
        return self.depth

    def params(self) -> dict[str, int | str]:
        return {"Bits": self.ins[0].bits, "Depth": self.depth, "Style": STYLES.index(self.style)}

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """Carries of its counters."""
        return {"carry": counter(p["Depth"])}

    def run(self, *xs: Array) -> tuple[Array, ...]:
        return (xs[0].reshape(len(xs[0]), *self.x.shape),)

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: the least, odd depths, a power of two, block RAM."""
        return tuple(
            Fifo(name=f"fifo_{depth}", inputs=("input",), x=Port((par * 7,), ints), par=par, depth=depth, style=style)
            for ints, par, depth, style in (
                (BIPOLAR, 1, 2, "auto"),
                (Ints(-8, 7), 3, 3, "lut"),
                (BIPOLAR, 65, 16, "lut"),
                (Ints(0, 255), 2, 17, "auto"),
                (BIPOLAR, 9, 63, "block"),
            )
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/fifo.sv is made: two registers, or a memory in front of an output register."""
    if p["Depth"] == 2:
        return Bill({"skid": 1, "skid_bits": p["Bits"]})  # gen_skid: two words and the flags of both
    words = p["Depth"] - 1  # the last word lies in the output register
    return Bill(
        {
            "one": 1,  # empty_q, room_q, valid_q
            "counters": counter(words),  # each of put_q and get_q, and their comparisons
        },
        (Store(p["Bits"], words, STYLE[p["Style"]], rom=False),),  # words
    )
