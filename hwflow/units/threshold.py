"""The threshold unit: a staircase per channel, where no matrix-vector unit stands before it to do it.

Stands on units.kit.base. hls/units/threshold.sv and hls/units/threshold.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints, words
from hwflow.graph import frozen
from hwflow.ops import Port
from hwflow.units.kit.base import FinnLayer, Loadable, Memory, Unit
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.rhythm import Backpressure, EventGraph, Rhythm, Steps, arange
from hwflow.units.kit.stores import Store
from hwflow.units.kit.streams import Stream, divide, divisors, spares
from hwflow.units.kit.weighted import signed_bits, staircase


@dataclass(frozen=True, eq=False, kw_only=True)
class ThresholdUnit(Loadable):
    """y = base + count_k(x >= thresholds[c, k]); base + levels - count where `falling`; -1/+1 when `bipolar`.

    A word holds `pe` channels of one pixel, or all the channels of several pixels.
    """

    module: ClassVar[str] = "threshold"
    ready_through: ClassVar[bool] = True
    x: Port
    thresholds: Array  # int, (channels, levels), ascending in each row
    falling: Array  # bool, (channels,)
    base: int = 0
    bipolar: bool = False
    pe: int = 1
    reload: bool = False  # thresholds can be loaded, and any channel may fall

    def __post_init__(self) -> None:
        object.__setattr__(self, "thresholds", frozen(self.thresholds, np.int64))
        object.__setattr__(self, "falling", frozen(self.falling, bool))
        assert len(self.thresholds) == len(self.falling) == self.x.channels, (
            f"{self.name}: takes {len(self.thresholds)} channels, not {self.x}"
        )
        if not spares(self.x, self.pe):
            divide(self.name, "pe", self.pe, self.x.size if self.pe % self.x.channels == 0 else self.x.channels)

    @property
    def levels(self) -> int:
        return self.thresholds.shape[1]

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream.of(self.x, self.pe),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (
            Stream.of(
                Port(self.x.shape, BIPOLAR if self.bipolar else Ints(self.base, self.base + self.levels)), self.pe
            ),
        )

    @property
    def cycles(self) -> int:
        return self.ins[0].words

    @property
    def latency(self) -> int:
        return 2

    def rhythm(self, g: EventGraph) -> Rhythm:
        """Two registers, each of which moves when it can."""
        n = self.ins[0].words
        p = g.process(n)
        waits = Backpressure(p, arange(n), arange(n) - 2)
        return Rhythm((Steps(p, arange(n)),), (Steps(p, arange(n), 2),), ((waits,),))

    def foldings(self) -> Iterator[dict[str, int]]:
        narrow, wide = self.x.channels, self.x.size // self.x.channels
        yield from ({"pe": pe} for pe in divisors(narrow))
        yield from ({"pe": narrow * pixels} for pixels in divisors(wide) if pixels > 1)
        if wide % 4 and spares(self.x, 4 * narrow):
            yield {"pe": 4 * narrow}
        if wide % 2 and spares(self.x, 2 * narrow):
            yield {"pe": 2 * narrow}

    @property
    def hurries(self) -> bool:
        """False for words that run on across rows: of pixels that are the elements of a vector."""
        return self.ins[0].by_row

    def params(self) -> dict[str, int | str]:
        """Falling 1: each channel's record ends with a bit that says its staircase falls."""
        return {
            "Channels": max(self.x.channels, self.pe), "Pe": self.pe, "XBits": self.x.ints.bits, "XKind": self.x.ints.kind,
            "Levels": self.levels, "ThrBits": self.thr_bits, "YBits": self.outs[0].ints.bits,
            "Base": 0 if self.bipolar else self.base, "Falling": self._flag, "Load": int(self.reload),
            "ThreshFile": f"{self.name}_thresh.mem",
        }  # fmt: skip

    def structure(self) -> tuple[str, dict[str, int | str]]:
        """Its parameters; of the comparisons of a word, Live are those that some channel needs; Functions are the
        output bits that are more than a wire, where all channels are in one word."""
        if self.reload:
            return self.module, self.params() | {"Live": self.levels * self.pe, "Functions": 0}
        ints, words_ = self.x.ints, self.x.channels // self.pe or 1
        lo, hi = (0, 1) if ints.is_bipolar else (ints.lo, ints.hi)
        needed = (self._stored > lo) & (self._stored <= hi)
        live = needed.reshape(words_, -1, self.levels).any(0).sum() * self._pixels
        found = {"Live": int(live), "Functions": self._functions * self._pixels}
        records = np.concatenate([self._stored, self.falling[:, None]], 1).reshape(words_, -1)
        if (records == records[0]).all():  # no memory: every word of channels meets the same constants
            found |= {"Channels": self.pe, "Functions": found["Functions"] // words_}
        return self.module, self.params() | found

    @cached_property
    def _functions(self) -> int:
        ints = self.x.ints
        if ints.bits > 4:
            return 0
        values = np.array([-1, 1]) if ints.is_bipolar else np.arange(ints.lo, ints.hi + 1)
        y = self.outs[0].ints.encode(self._of(np.broadcast_to(values[:, None], (len(values), self.x.channels))))
        x = ints.encode(values)
        flags = [(y >> np.uint64(b)) & np.uint64(1) for b in range(self.outs[0].ints.bits)]
        wires = [(x >> np.uint64(b)) & np.uint64(1) for b in range(ints.bits)]
        return sum(
            len(set(f[:, c].tolist())) > 1 and not any((f[:, c] == w).all() for w in wires)
            for f in flags
            for c in range(self.x.channels)
        )

    @property
    def _stored(self) -> Array:
        """Thresholds of the element's code (a bipolar bit is compared as 0/1), each within reach or one above it."""
        ints = self.x.ints
        if ints.is_bipolar:
            return np.clip(-((-(self.thresholds + 1)) // 2), 0, 2)
        return np.clip(self.thresholds, ints.lo, ints.hi + 1)

    @property
    def _flag(self) -> int:
        """1 where a channel's record says whether it falls."""
        return int(self.reload or self.falling.any())

    @property
    def _pixels(self) -> int:
        """Pixels of one word; the records repeat for each."""
        return max(self.pe // self.x.channels, 1)

    @property
    def thr_bits(self) -> int:
        if self.reload:
            ints = self.x.ints
            return signed_bits(np.array([0, 2] if ints.is_bipolar else [ints.lo, ints.hi + 1]))
        return signed_bits(self._stored)

    def memories(self) -> dict[str, Memory]:
        """One word of pe channels for each channel group; a channel is its thresholds, two's complement, level 0 low,
        then its falling bit where any channel falls."""
        bits, flag = self.thr_bits, self._flag
        codes = (self._stored & ((1 << bits) - 1)).astype(np.uint64)
        flags = (codes[..., None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)
        record = np.concatenate([flags.reshape(len(codes), -1), self.falling[:, None][:, :flag].astype(np.uint64)], 1)
        record = np.tile(record, (self._pixels, 1))
        return {
            str(self.params()["ThreshFile"]): Memory(
                self.pe * record.shape[1], tuple(words(record, 1, self.pe * record.shape[1]))
            )
        }

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """Carries of a comparison, and the levels of it."""
        return {"carry": max(p["XBits"], p["ThrBits"]), "stairs": p["Levels"] if p["Levels"] > 1 else 0}

    def run(self, *xs: Array) -> tuple[Array, ...]:
        return (self._of(xs[0].reshape(len(xs[0]), *self.x.shape)),)

    def _of(self, x: Array) -> Array:
        """The answer for x (..., channels)."""
        if self.bipolar:
            y = staircase(x, self.thresholds, 0, True)
            return np.where(self.falling, -y, y)
        count = staircase(x, self.thresholds, 0, False)
        return self.base + np.where(self.falling, self.levels - count, count)

    def finn_layers(self) -> list[FinnLayer]:
        """A word of FINN's is channels of one pixel."""
        return [("Thresholding", "rtl", {"PE": min(self.pe, self.x.channels)})]

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances, awkward shapes included."""
        rng = np.random.default_rng(10)

        def make(
            name: str, shape: tuple[int, ...], ints: Ints, levels: int, pe: int, base: int = 0, bipolar: bool = False
        ) -> Unit:
            t = np.sort(rng.integers(ints.lo, ints.hi + 2, (shape[-1], levels)), 1)
            falling = rng.random(shape[-1]) < 0.5
            return ThresholdUnit(
                name=name,
                inputs=("input",),
                x=Port(shape, ints),
                thresholds=t,
                falling=falling,
                pe=pe,
                base=base,
                bipolar=bipolar,
            )

        return (
            make("threshold_pixels", (3, 2, 2), Ints(0, 255), 1, 4, bipolar=True),
            make("threshold_sign", (5,), Ints(-100, 77), 1, 1, bipolar=True),
            make("threshold_u8", (3, 2, 6), Ints(0, 255), 1, 3, bipolar=True),
            make("threshold_bits", (4,), BIPOLAR, 1, 4, bipolar=True),
            make("threshold_levels", (2, 2, 7), Ints(-31, 63), 3, 7),
            make("threshold_ragged", (3, 7, 2), Ints(-31, 63), 3, 8),
            make("threshold_signed", (9,), Ints(-5, 5), 15, 3, base=-8),
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/threshold.sv is made: comparisons of a lane, or the functions that a small input is looked up in."""
    pe, live, levels = p["Pe"], p["Live"], p["Levels"]
    groups, many = max(p["Channels"] // pe, 1), levels > 1
    counts = {
        "one": 1,  # flags and handshake
        "counters": counter(groups),  # group_q
        "in": pe * p["XBits"],  # x_q
        "out": pe * p["YBits"],  # y_q
    }
    stairs = pe * levels * p["YBits"] * many  # gen_channel: count
    if groups > 1 or p["Load"]:
        counts |= {
            "compare": live * max(p["XBits"], p["ThrBits"]),  # gen_level: x >= limit, both of which change
            "stairs": stairs,
            "falling": pe * p["YBits"] * p["Falling"],  # gen_falling
        }
    elif p["XBits"] <= 4:  # all limits are constants: each output bit is one function of a small input
        counts["looked_stairs" if many else "looked_up"] = p["Functions"]
        counts |= {"live_looked": live * many, "live_wide": live * many * (p["ThrBits"] > 4)}
    elif p["XBits"] <= 6:
        counts |= {"live_small": live, "stairs_small": stairs}
    else:
        counts |= {"compare_fixed": live * p["XBits"], "live": live, "stairs_fixed": stairs}
    return Bill(
        counts, (Store(pe * (levels * p["ThrBits"] + p["Falling"]), groups, rom=not p["Load"], loads=bool(p["Load"])),)
    )  # records
