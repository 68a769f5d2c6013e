"""The maximum unit: the larger element of two streams of one shape and one encoding.

Stands on units.kit.base. hls/units/maximum.sv and hls/units/maximum.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.ops import Port
from hwflow.units.kit.base import Unit
from hwflow.units.kit.costs import Bill, Params
from hwflow.units.kit.rhythm import EventGraph, Rhythm, elementwise_rhythm
from hwflow.units.kit.streams import Stream, check_lanes, list_lanes


@dataclass(frozen=True, eq=False, kw_only=True)
class MaximumUnit(Unit):
    """y = max(x_0, x_1), when a word of both inputs is there. `x` is what both and the result are encoded as.

    A word holds `pe` channels of one pixel, or all the channels of several pixels.
    """

    module: ClassVar[str] = "maximum"
    ready_through: ClassVar[bool] = True
    ready_awaits: ClassVar[bool] = True
    x: Port
    pe: int = 1

    def __post_init__(self) -> None:
        check_lanes(self.name, self.pe, self.x)

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream.of(self.x, self.pe),) * 2

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream.of(self.x, self.pe),)

    @property
    def cycles(self) -> int:
        return self.outs[0].words

    @property
    def latency(self) -> int:
        return 1

    def rhythm(self, g: EventGraph) -> Rhythm:
        return elementwise_rhythm(g, self.outs[0].words, 2)

    def foldings(self) -> Iterator[dict[str, int]]:
        yield from list_lanes(self.x)

    def params(self) -> dict[str, int | str]:
        return {"Pe": self.pe, "Bits": self.x.ints.bits, "Kind": self.x.ints.kind}

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """Carries of a comparison."""
        return {"carry": p["Bits"]}

    def run(self, *xs: Array) -> tuple[Array, ...]:
        return (np.maximum(*(x.reshape(len(x), *self.x.shape) for x in xs)),)

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: bits, signed and unsigned numbers, one element."""

        def make(name: str, shape: tuple[int, ...], ints: Ints, pe: int) -> Unit:
            return cls(name=f"maximum_{name}", inputs=("a", "b"), x=Port(shape, ints), pe=pe)

        return (
            make("bits", (3, 2, 6), BIPOLAR, 3),
            make("signed", (2, 3, 5), Ints(-9, 7), 5),
            make("unsigned", (7,), Ints(0, 200), 1),
            make("ternary", (4, 2), Ints(-1, 1), 2),
            make("one", (1,), Ints(0, 1), 1),
            make("two", (2, 6, 5), Ints(-9, 7), 10),
            make("ragged", (3, 5, 2), Ints(0, 3), 8),
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/maximum.sv is made."""
    lanes = p["Pe"] * p["Bits"]
    return Bill(
        {
            "one": 1,  # step, x_ready_o, y_valid_o
            "out": lanes,  # y_data_o and the choice before it
            "compare": lanes if p["Bits"] > 1 else 0,  # gen_element: above
        }
    )
