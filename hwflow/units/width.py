"""The width converter: the same elements in words of another size.

Stands on units.kit.base. hls/units/width.sv and hls/units/width.hpp are the same unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.ops import Port
from hwflow.units.kit.base import Unit
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.rhythm import Backpressure, EventGraph, Rhythm, Steps, arange, ceil_div, compact
from hwflow.units.kit.streams import Stream, divide


@dataclass(frozen=True, eq=False, kw_only=True)
class Width(Unit):
    """Words of `par_in` elements become words of `par_out`; any pair, each of which divides the image."""

    module: ClassVar[str] = "width"
    glue: ClassVar[bool] = True
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

    def rhythm(self, g: EventGraph) -> Rhythm:
        """A word leaves when it is complete; a word enters when the one before it has left the skid buffer for the words' own
        room: when there is room for its elements without those of the last one."""
        n_in, n_out, i, o = self.ins[0].words, self.outs[0].words, self.par_in, self.par_out
        p = g.process(n_in)
        give = compact(ceil_div((np.arange(n_out) + 1) * o, i) - 1)  # the word that completes each word out
        unit = gcd(i, o)
        room = (o if o % i == 0 else i if i % o == 0 else i + o - unit) + i
        # word k enters in the cycle after at most room - i elements are left: so many words out must be gone
        gone = ceil_div((np.arange(n_in) + 1) * i - room, o) - 1
        first = np.flatnonzero(np.diff(gone, prepend=gone[0] - 1))
        waits = Backpressure(p, compact(first), compact(gone[first]), 1)
        return Rhythm((Steps(p, arange(n_in)),), (Steps(p, give, 1),), ((waits,),))

    def params(self) -> dict[str, int | str]:
        return {"Bits": self.x.ints.bits, "ParIn": self.par_in, "ParOut": self.par_out}

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    def run(self, *xs: Array) -> tuple[Array, ...]:
        return (xs[0].reshape(len(xs[0]), *self.x.shape),)

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: same, up, down and neither divides the other."""
        return tuple(
            Width(name=f"width_{i}_{o}", inputs=("input",), x=Port((size,), ints), par_in=i, par_out=o)
            for size, ints, i, o in (
                (6, BIPOLAR, 3, 3), (12, BIPOLAR, 1, 12), (12, Ints(-8, 7), 2, 6), (63, BIPOLAR, 63, 1), (12, Ints(0, 255), 6, 2),
                (60, Ints(0, 3), 4, 6), (35, BIPOLAR, 7, 5), (35, Ints(-1, 1), 5, 7), (2 * 13 * 11, BIPOLAR, 13, 11),
            )
        )  # fmt: skip


def count_hardware(p: Params) -> Bill:
    """As hls/units/width.sv is made: wires, or a skid buffer in front of one of its three branches."""
    i, o, bits = p["ParIn"], p["ParOut"], p["Bits"]
    if i == o:  # gen_same
        return Bill({})
    if o % i == 0:  # gen_widen: word_q, held_q
        return Bill({"widen": 1, "widen_bits": o * bits, "widen_counter": counter(o // i + 1), "kept_bits": i * bits})
    if i % o == 0:  # gen_narrow: word_q, left_q
        return Bill(
            {"narrow": 1, "narrow_bits": i * bits, "narrow_counter": counter(i // o + 1), "kept_bits": i * bits}
        )
    # gen_any: held_q, and the places in it that a word can be put at
    unit = gcd(i, o)
    held = (i + o - unit) * bits
    return Bill({"any": 1, "any_bits": held, "any_shifts": held * (i + o - unit) // unit, "kept_bits": i * bits})
