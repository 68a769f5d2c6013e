"""The reduce unit: the largest or the sum of the taps of every window, for pools that overlap or are padded.

Stands on units.kit.base. hls/units/reduce.sv and hls/units/reduce.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints, words
from hwflow.graph import frozen
from hwflow.ops import Port
from hwflow.units.kit.base import Memory, Unit
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.rhythm import EventGraph, Line, Rhythm, result_rhythm
from hwflow.units.kit.stores import Store
from hwflow.units.kit.streams import Stream, divide, divisors
from hwflow.units.pool import KINDS, mixes, pooled, step_kind


@dataclass(frozen=True, eq=False, kw_only=True)
class Reduce(Unit):
    """y[p, q, c] = max or sum over the taps of window (p, q); min for the channels of `minimum`.

    x comes from a Window in "depthwise" order whose simd is this pe. Where a padded tap must not count for a
    maximum, the window pads with the least value (the largest for channels of `minimum`).
    """

    module: ClassVar[str] = "reduce"
    ready_through: ClassVar[bool] = True
    x: Port  # (..., taps * C)
    minimum: Array  # bool, (C,): also says how many channels there are
    kind: str = "max"
    pe: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "minimum", frozen(self.minimum, bool))
        assert self.kind in KINDS, f"{self.name}: kind must be one of {KINDS}, not {self.kind}"
        assert self.x.channels % self.channels == 0, (
            f"{self.name}: {self.x} does not hold windows of {self.channels} channels"
        )
        divide(self.name, "pe", self.pe, self.channels)

    @property
    def channels(self) -> int:
        return len(self.minimum)

    @property
    def taps(self) -> int:
        return self.x.channels // self.channels

    @property
    def blocks(self) -> int:
        return self.channels // self.pe

    @property
    def _y_ints(self) -> Ints:
        return self.x.ints if self.kind == "max" else Ints(self.taps * self.x.ints.lo, self.taps * self.x.ints.hi)

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self.pe),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream(Port((*self.x.shape[:-1], self.channels), self._y_ints), self.pe),)

    @property
    def cycles(self) -> int:
        return self.ins[0].words

    @property
    def latency(self) -> int:
        return self.taps

    def rhythm(self, g: EventGraph) -> Rhythm:
        """A result after the last tap of each window."""
        n = self.ins[0].words
        return result_rhythm(g, n, Line(self.taps - 1, self.taps, n // self.taps))

    def foldings(self) -> Iterator[dict[str, int]]:
        yield from ({"pe": pe} for pe in divisors(self.channels))

    def params(self) -> dict[str, int | str]:
        """Minimum and MinimumFile as those of the pool unit."""
        return {
            "Taps": self.taps,
            "Channels": self.channels,
            "Pe": self.pe,
            "XBits": self.x.ints.bits,
            "XKind": self.x.ints.kind,
            "YBits": self._y_ints.bits,
            "Sum": KINDS.index(self.kind),
            "Minimum": int(bool(self.minimum.all()) and self.kind == "max"),
            "MinimumFile": f"{self.name}_minimum.mem" if mixes(self.kind, self.minimum) else "",
        }

    def memories(self) -> dict[str, Memory]:
        """A bit for each channel, 1 where the least is taken, pe channels a word."""
        if not mixes(self.kind, self.minimum):
            return {}
        return {f"{self.name}_minimum.mem": Memory(self.pe, tuple(words(self.minimum.astype(np.uint64), 1, self.pe)))}

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """Carries of a lane."""
        return {"carry": p["YBits"]}

    def run(self, *xs: Array) -> tuple[Array, ...]:
        shape = self.outs[0].port.shape
        x = xs[0].reshape(len(xs[0]), -1, self.blocks, self.taps, self.pe).astype(np.int64)
        y = pooled(
            x.transpose(0, 1, 3, 2, 4).reshape(len(x), -1, self.taps, self.channels), (2,), self.kind, self.minimum
        )
        return (y.reshape(len(x), *shape),)

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: one tap, max with some minima, sums."""
        some = np.random.default_rng(4).random(6) < 0.5

        def make(name: str, shape: tuple[int, int, int], ints: Ints, minimum: Array, **more: object) -> Unit:
            return Reduce(name=f"reduce_{name}", inputs=("input",), x=Port(shape, ints), minimum=minimum, **more)  # type: ignore[arg-type]

        return (
            make("one", (2, 3, 5), BIPOLAR, np.zeros(5, bool), pe=5),
            make("bits", (3, 2, 54), BIPOLAR, some, pe=3),
            make("max", (2, 2, 24), Ints(-9, 77), some, pe=1),
            make("sum", (3, 1, 36), Ints(-1, 1), np.zeros(4, bool), kind="sum", pe=2),
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/reduce.sv is made."""
    counts = {
        "one": 1,  # flags, handshake, acc_q and y_data_o
        "counters": counter(p["Taps"]),  # tap_q
        step_kind(p): p["Pe"] * p["YBits"],  # pool_step: a sum, a bit or a comparison in each lane
    }
    minima = (Store(p["Pe"], p["Channels"] // p["Pe"]),) if p["MinimumFile"] else ()  # pool_step: minima
    return Bill(counts, minima)
