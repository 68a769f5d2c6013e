"""The multiply unit: the product of two streams of one shape, element by element, a branch and its gate.

Stands on units.kit.base. hls/units/multiply.sv and hls/units/multiply.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from hwflow import ops
from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.ops import Port
from hwflow.units.kit.base import MULTS, Unit, check_mult
from hwflow.units.kit.costs import Bill, Params
from hwflow.units.kit.rhythm import EventGraph, Rhythm, elementwise_rhythm
from hwflow.units.kit.streams import Stream, check_lanes, list_lanes
from hwflow.units.kit.trees import rows


@dataclass(frozen=True, eq=False, kw_only=True)
class MultiplyUnit(Unit):
    """y = x_0 * x_1, when a word of both inputs is there. Of -1/+1 data it is an XNOR.

    A word holds `pe` channels of one pixel, or all the channels of several pixels.
    """

    module: ClassVar[str] = "multiply"
    ready_through: ClassVar[bool] = True
    ready_awaits: ClassVar[bool] = True
    xs: tuple[Port, Port]
    pe: int = 1
    mult: str = "auto"

    def __post_init__(self) -> None:
        assert self.xs[0].shape == self.xs[1].shape, f"{self.name}: multiplies {self.xs}"
        check_lanes(self.name, self.pe, self.xs[0])
        check_mult(self.name, self.mult)

    @property
    def _op(self) -> ops.Multiply:
        return ops.Multiply(name=self.name, inputs=self.inputs)

    @property
    def ins(self) -> tuple[Stream, ...]:
        return tuple(Stream.of(x, self.pe) for x in self.xs)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream.of(self._op.port(*self.xs), self.pe),)

    @property
    def cycles(self) -> int:
        return self.outs[0].words

    @property
    def latency(self) -> int:
        return 1

    def rhythm(self, g: EventGraph) -> Rhythm:
        return elementwise_rhythm(g, self.outs[0].words, 2)

    @property
    def multiplies(self) -> bool:
        return not any(x.ints.is_bipolar for x in self.xs)

    def foldings(self) -> Iterator[dict[str, int]]:
        yield from list_lanes(self.xs[0])

    def params(self) -> dict[str, int | str]:
        a, b = (x.ints for x in self.xs)
        return {
            "Pe": self.pe, "XBits0": a.bits, "XKind0": a.kind, "XBits1": b.bits, "XKind1": b.kind,
            "YBits": self.outs[0].ints.bits, "Mult": MULTS.index(self.mult),
        }  # fmt: skip

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """A product; with a sign, the carries of a negation."""
        signs = not (p["XKind0"] and p["XKind1"])
        return {"carry": p["YBits"] if signs else 0, "product": 0 if signs else p["XBits0"] + p["XBits1"]}

    def run(self, *xs: Array) -> tuple[Array, ...]:
        return (self._op.run(*(x.reshape(len(x), *self.xs[0].shape) for x in xs)),)

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: bits, a sign and a number, numbers of every kind, one element."""

        def make(name: str, shape: tuple[int, ...], a: Ints, b: Ints, pe: int, **more: Any) -> Unit:
            return cls(name=f"multiply_{name}", inputs=("a", "b"), xs=(Port(shape, a), Port(shape, b)), pe=pe, **more)

        return (
            make("bits", (3, 2, 6), BIPOLAR, BIPOLAR, 3),
            make("sign", (2, 2, 5), BIPOLAR, Ints(-9, 7), 5),
            make("gate", (2, 3, 7), Ints(0, 15), Ints(0, 3), 1),
            make("rows", (2, 3, 4), Ints(-128, 127), Ints(0, 15), 2, mult="lut"),
            make("signed", (4, 3), Ints(-1, 1), Ints(-20, 20), 3, mult="lut"),
            make("dsp", (5,), Ints(-500, 400), Ints(0, 255), 5, mult="dsp"),
            make("signs", (4,), Ints(0, 200), BIPOLAR, 2),
            make("one", (1,), Ints(0, 1), Ints(-2, 1), 1),
            make("two", (3, 4, 3), Ints(-9, 7), BIPOLAR, 6),
            make("ragged", (2, 5, 2), Ints(0, 15), Ints(-2, 1), 8),
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/multiply.sv is made."""
    pe, a, b = p["Pe"], p["XBits0"] + (p["XKind0"] == 1), p["XBits1"] + (p["XKind1"] == 1)
    counts = {
        "one": 1,  # step, x_ready_o, y_valid_o
        "out": pe * p["YBits"],  # y_data_o
    }
    if p["XKind0"] == 0 or p["XKind1"] == 0:  # gen_signs, gen_left_chooses, gen_right_chooses
        counts["signs"] = pe * p["YBits"]
        return Bill(counts)
    if p["Mult"] == 1:  # times: the adders of its rows
        return Bill(counts | {"rows": pe * rows(a, b)})
    return Bill(counts, (), ((pe, a, b, a + b),))  # times
