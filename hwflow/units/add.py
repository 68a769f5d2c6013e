"""The add unit: streams of one shape summed element by element, each times its scale.

Stands on units.kit.base. hls/units/add.sv and hls/units/add.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from hwflow import ops
from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.errors import RecipeError
from hwflow.ops import Port
from hwflow.units.kit.base import Unit
from hwflow.units.kit.costs import Bill, Params
from hwflow.units.kit.rhythm import EventGraph, Rhythm, elementwise_rhythm
from hwflow.units.kit.streams import Stream, check_lanes, list_lanes

MOST = 4  # inputs of one unit; longer sums are chains


@dataclass(frozen=True, eq=False, kw_only=True)
class AddUnit(Unit):
    """y = sum_i scales[i] * x_i, when a word of every input is there. One to four inputs of one shape.

    A word holds `pe` channels of one pixel, or all the channels of several pixels.
    """

    module: ClassVar[str] = "add"
    ready_through: ClassVar[bool] = True
    ready_awaits: ClassVar[bool] = True
    xs: tuple[Port, ...]
    scales: tuple[int, ...]
    pe: int = 1

    def __post_init__(self) -> None:
        check_inputs(self.name, self.xs, self.scales)
        assert len({x.shape for x in self.xs}) == 1, f"{self.name}: adds {self.xs}"
        check_lanes(self.name, self.pe, self.xs[0])

    @property
    def _y(self) -> Port:
        return ops.Add(name=self.name, inputs=self.inputs, scales=self.scales).port(*self.xs)

    @property
    def ins(self) -> tuple[Stream, ...]:
        return tuple(Stream.of(x, self.pe) for x in self.xs)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream.of(self._y, self.pe),)

    @property
    def cycles(self) -> int:
        return self.outs[0].words

    @property
    def latency(self) -> int:
        return 1

    def rhythm(self, g: EventGraph) -> Rhythm:
        return elementwise_rhythm(g, self.outs[0].words, len(self.inputs))

    def foldings(self) -> Iterator[dict[str, int]]:
        yield from list_lanes(self.xs[0])

    def params(self) -> dict[str, int | str]:
        """Scale, element bits and kind of each input; those beyond Inputs are 0, 1, 1."""
        out: dict[str, int | str] = {"Inputs": len(self.xs), "Pe": self.pe, "YBits": self._y.ints.bits}
        for i, (x, scale) in enumerate(padded(self.xs, self.scales)):
            out |= {f"Scale{i}": scale, f"XBits{i}": x.ints.bits, f"XKind{i}": x.ints.kind}
        return out

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """Carries of the adders of a lane."""
        return {"carry": p["YBits"] * max(p["Inputs"] - 1, 1)}

    def run(self, *xs: Array) -> tuple[Array, ...]:
        shaped = [x.reshape(len(x), *self.xs[0].shape) for x in xs]
        return (ops.Add(name=self.name, inputs=self.inputs, scales=self.scales).run(*shaped),)

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: two equal, three mixed, negative scales, several pixels."""
        return (
            AddUnit(name="add_two", inputs=("a", "b"), xs=(Port((3, 2, 6), Ints(-128, 127)),) * 2, scales=(1, 1), pe=3),
            AddUnit(name="add_mixed", inputs=("a", "b", "c"), xs=(Port((5,), BIPOLAR), Port((5,), Ints(0, 3)), Port((5,), Ints(-9, 2))), scales=(4, -3, 1), pe=5),
            AddUnit(name="add_four", inputs=("a", "b"), xs=(Port((2, 8, 3), Ints(-8, 7)), Port((2, 8, 3), BIPOLAR)), scales=(2, -3), pe=12),
            AddUnit(name="add_ragged", inputs=("a", "b"), xs=(Port((3, 7, 2), Ints(-8, 7)),) * 2, scales=(1, 2), pe=4),
            AddUnit(name="add_one", inputs=("a",), xs=(Port((7,), BIPOLAR),), scales=(-5,), pe=1),
        )  # fmt: skip


def check_inputs(unit: str, xs: tuple[Port, ...], scales: tuple[int, ...]) -> None:
    """RecipeError when a unit cannot join so many inputs or so large scales."""
    assert len(xs) == len(scales), f"{unit}: {len(scales)} scales for {len(xs)} inputs"
    if not 1 <= len(xs) <= MOST:
        raise RecipeError(f"{unit}: takes 1 to {MOST} inputs, not {len(xs)}; chain two units")
    if max(abs(s) for s in scales) >= 1 << 31:
        raise RecipeError(f"{unit}: scales must fit 32 bits, not {scales}")


def signed_digits(p: Params) -> int:
    """Additions that constant scales of numbers take: their signed digits, less the first one where it is positive."""
    scales = [p[f"Scale{i}"] for i in range(p["Inputs"]) if p[f"XKind{i}"]]
    return sum((s ^ 3 * s).bit_count() - 1 if s > 0 else (s ^ 3 * s).bit_count() for s in scales)


def padded(xs: tuple[Port, ...], scales: tuple[int, ...]) -> list[tuple[Port, int]]:
    """The inputs and their scales, and unused ones up to MOST."""
    unused = (Port((0,), Ints(0, 1)), 0)
    return [*zip(xs, scales, strict=True), *[unused] * (MOST - len(xs))]


def count_hardware(p: Params) -> Bill:
    """As hls/units/add.sv is made."""
    lanes, joins = p["Pe"] * p["YBits"], max(p["Inputs"] - 1, 0)
    digits = signed_digits(p)
    counts = {
        "one": 1,  # step, x_ready_o, y_valid_o
        "out": lanes,  # y_data_o
        # scaled0 .. scaled3: a bit that chooses between Scale and -Scale, for each -1/+1 input
        "signs": sum(lanes * (p[f"XKind{i}"] == 0) for i in range(p["Inputs"])),
    }
    if p["YBits"] <= 4:  # so few bits that no carry chain is made of them
        counts["small"] = lanes * (joins + digits)
    else:
        counts |= {
            "adders": lanes * joins,  # gen_element: term[0] + term[1] + ..
            "digits": lanes * digits,  # scaled0 .. scaled3: one addition for each signed digit of a constant
            "chains": p["Pe"] * (joins + digits),  # where each of those carry chains begins
        }
    return Bill(counts)
