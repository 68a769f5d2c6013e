"""The concat unit: the channels of several streams, one after the other in every pixel.

Stands on units.kit.base. hls/units/concat.sv and hls/units/concat.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import ClassVar

import numpy as np

from hwflow import ops
from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.ops import Port
from hwflow.units.add import check_inputs, padded, signed_digits
from hwflow.units.kit.base import Unit
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.rhythm import EventGraph, Rhythm, Steps, add_wires, arange
from hwflow.units.kit.streams import Stream, divide, divisors


@dataclass(frozen=True, eq=False, kw_only=True)
class ConcatUnit(Unit):
    """y = the channels of every input in turn, each times its scale. One to four inputs; simd divides each."""

    module: ClassVar[str] = "concat"
    ready_through: ClassVar[bool] = True
    valid_through: ClassVar[bool] = True
    xs: tuple[Port, ...]
    scales: tuple[int, ...]
    simd: int = 1

    def __post_init__(self) -> None:
        check_inputs(self.name, self.xs, self.scales)
        assert len({x.shape[:-1] for x in self.xs}) == 1, f"{self.name}: joins {self.xs}"
        for x in self.xs:
            divide(self.name, "simd", self.simd, x.channels)

    @property
    def _y(self) -> Port:
        return ops.Concat(name=self.name, inputs=self.inputs, scales=self.scales).port(*self.xs)

    @property
    def ins(self) -> tuple[Stream, ...]:
        return tuple(Stream(x, self.simd) for x in self.xs)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream(self._y, self.simd),)

    @property
    def cycles(self) -> int:
        return self.outs[0].words

    @property
    def latency(self) -> int:
        return 0

    def rhythm(self, g: EventGraph) -> Rhythm:
        """The inputs take turns in every pixel; a word passes without a register."""
        n = self.outs[0].words
        offered, gone, backpressure = add_wires(g, n, 1)
        counts = [x.channels // self.simd for x in self.xs]
        turn = np.tile(np.repeat(np.arange(len(counts)), counts), n // sum(counts))
        words = [np.flatnonzero(turn == i) for i in range(len(counts))]
        takes, asks = tuple(Steps(gone, i) for i in words), tuple(Steps(offered, i) for i in words)
        return Rhythm(takes, (Steps(offered, arange(n)),), backpressure, asks)

    def foldings(self) -> Iterator[dict[str, int]]:
        yield from ({"simd": simd} for simd in divisors(gcd(*(x.channels for x in self.xs))))

    def params(self) -> dict[str, int | str]:
        """Words a pixel, scale, element bits and kind of each input; those beyond Inputs are 0, 0, 1, 1.

        YKind 0: every input is -1/+1 with scale 1 and leaves as it came.
        """
        y = self._y.ints
        out: dict[str, int | str] = {"Inputs": len(self.xs), "Simd": self.simd, "YBits": y.bits, "YKind": y.kind}
        for i, (x, scale) in enumerate(padded(self.xs, self.scales)):
            out |= {
                f"Words{i}": x.channels // self.simd,
                f"Scale{i}": scale,
                f"XBits{i}": x.ints.bits,
                f"XKind{i}": x.ints.kind,
            }
        return out

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    def run(self, *xs: Array) -> tuple[Array, ...]:
        shaped = [x.reshape(len(x), *port.shape) for x, port in zip(xs, self.xs, strict=True)]
        return (ops.Concat(name=self.name, inputs=self.inputs, scales=self.scales).run(*shaped),)

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: two bit streams, three mixed ones with scales, vectors."""
        return (
            ConcatUnit(name="concat_bits", inputs=("a", "b"), xs=(Port((2, 3, 6), BIPOLAR), Port((2, 3, 3), BIPOLAR)), scales=(1, 1), simd=3),
            ConcatUnit(name="concat_mixed", inputs=("a", "b", "c"), xs=(Port((2, 2, 4), BIPOLAR), Port((2, 2, 2), Ints(0, 3)), Port((2, 2, 6), Ints(-9, 2))), scales=(4, -3, 1), simd=2),
            ConcatUnit(name="concat_flat", inputs=("a", "b"), xs=(Port((5,), Ints(0, 15)), Port((3,), Ints(0, 255))), scales=(1, 1), simd=1),
        )  # fmt: skip


def count_hardware(p: Params) -> Bill:
    """As hls/units/concat.sv is made."""
    lanes = p["Simd"] * p["YBits"]
    return Bill(
        {
            "one": 1,  # turn_q, last, step
            "counters": counter(max(p[f"Words{i}"] for i in range(4))),  # word_q
            "out": lanes,  # y_data_o
            "parts": lanes * p["Inputs"],  # the multiplexer: turn_q & part[i], or-ed
            # scaled0 .. scaled3: one addition for each signed digit of a constant
            "digits": lanes * signed_digits(p) if p["YKind"] else 0,
        }
    )
