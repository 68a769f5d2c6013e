"""The width converter: the same elements in words of another size.

Stands on units.kit.base. hls/units/width.sv and hls/units/width.hpp are the same unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import ClassVar

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.ops import Port
from hwflow.units.kit.base import Stream, Unit, divide
from hwflow.units.kit.costs import Params, Shape, counter


@dataclass(frozen=True, eq=False, kw_only=True)
class Width(Unit):
    """Words of `par_in` elements become words of `par_out`; any pair, each of which divides the image."""

    module: ClassVar[str] = "width"
    x: Port
    par_in: int
    par_out: int

    def __post_init__(self) -> None:
        divide(self.name, "par_in", self.par_in, self.x.size)
        divide(self.name, "par_out", self.par_out, self.x.size)

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self.par_in),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self.par_out),)

    @property
    def cycles(self) -> int:
        return max(self.ins[0].words, self.outs[0].words)

    @property
    def latency(self) -> int:
        return -(-self.par_out // self.par_in) if self.par_in != self.par_out else 0

    def params(self) -> dict[str, int | str]:
        return {"Bits": self.x.ints.bits, "ParIn": self.par_in, "ParOut": self.par_out}

    @staticmethod
    def shape(p: Params) -> Shape:
        """Registers of a word: wider, narrower, or between any two widths."""
        i, o, bits = p["ParIn"], p["ParOut"], p["Bits"]
        if i == o:
            return Shape({})
        if o % i == 0:
            return Shape({"widen": 1, "widen_bits": o * bits, "widen_counter": counter(o // i + 1)})
        if i % o == 0:
            return Shape({"narrow": 1, "narrow_bits": i * bits, "narrow_counter": counter(i // o + 1)})
        unit = gcd(i, o)
        held = (i + o - unit) * bits
        return Shape({"any": 1, "any_bits": held, "any_shifts": held * (i + o - unit) // unit})

    def run(self, *xs: Array) -> tuple[Array, ...]:
        return (xs[0].reshape(len(xs[0]), *self.x.shape),)


def samples() -> tuple[Unit, ...]:
    """Small instances: same, up, down and neither divides the other."""
    return tuple(
        Width(name=f"width_{i}_{o}", inputs=("input",), x=Port((size,), ints), par_in=i, par_out=o)
        for size, ints, i, o in (
            (6, BIPOLAR, 3, 3), (12, BIPOLAR, 1, 12), (12, Ints(-8, 7), 2, 6), (63, BIPOLAR, 63, 1), (12, Ints(0, 255), 6, 2),
            (60, Ints(0, 3), 4, 6), (35, BIPOLAR, 7, 5), (35, Ints(-1, 1), 5, 7), (2 * 13 * 11, BIPOLAR, 13, 11),
        )
    )  # fmt: skip
