"""The top-k unit: the indices of the largest scores.

Stands on units.kit.base. hls/units/topk.sv and hls/units/topk.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.errors import RecipeError
from hwflow.ops import Port
from hwflow.units.kit.base import FinnLayer, Unit
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.rhythm import Backpressure, EventGraph, Rhythm, Steps, arange
from hwflow.units.kit.streams import Stream, divide, divisors


@dataclass(frozen=True, eq=False, kw_only=True)
class TopKUnit(Unit):
    """Indices of the k largest channels of each pixel, or of a vector, largest first, one a word; of equal ones the lowest first."""

    module: ClassVar[str] = "topk"
    ready_through: ClassVar[bool] = True
    x: Port
    k: int = 1
    simd: int = 1

    def __post_init__(self) -> None:
        divide(self.name, "simd", self.simd, self.x.channels)
        if not 1 <= self.k <= self.x.channels:
            raise RecipeError(f"{self.name}: k must be within 1 .. {self.x.channels}, not {self.k}")

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self.simd),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream(Port((*self.x.shape[:-1], self.k), Ints(0, self.x.channels - 1)), 1),)

    @property
    def _pixels(self) -> int:
        return self.x.size // self.x.channels

    @property
    def cycles(self) -> int:
        return max(self.ins[0].words, self._pixels * self.k)

    @property
    def latency(self) -> int:
        return self.x.channels // self.simd

    def rhythm(self, g: EventGraph) -> Rhythm:
        """All indices can be seen after a pixel's last word, which waits until those of the pixel before are gone."""
        n, words = self.ins[0].words, self.x.channels // self.simd
        p = g.process(n)
        pixel = np.arange(self._pixels)
        last = words * pixel + words - 1
        waits = Backpressure(p, last, self.k * pixel - 1)
        return Rhythm((Steps(p, arange(n)),), (Steps(p, np.repeat(last, self.k), 1),), ((waits,),))

    def foldings(self) -> Iterator[dict[str, int]]:
        yield from ({"simd": simd} for simd in divisors(self.x.channels))

    def params(self) -> dict[str, int | str]:
        return {
            "Size": self.x.channels,
            "Simd": self.simd,
            "K": self.k,
            "XBits": self.x.ints.bits,
            "XKind": self.x.ints.kind,
            "YBits": self.outs[0].ints.bits,
        }

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """Comparisons one after another: the rounds of the tournament."""
        return {"choice": max((p["Simd"] - 1).bit_length(), 1)}

    def run(self, *xs: Array) -> tuple[Array, ...]:
        x = xs[0].reshape(len(xs[0]), *self.x.shape).astype(np.int64)
        return (np.argsort(-x, axis=-1, kind="stable")[..., : self.k],)

    def finn_layers(self) -> list[FinnLayer]:
        return [("LabelSelect", "hls", {"PE": self.simd})]

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: one of one, the usual argmax, ties everywhere, the k largest of parallel words, each pixel's own."""
        return tuple(
            TopKUnit(name=name, inputs=("input",), x=Port(shape, ints), k=k, simd=simd)
            for name, shape, ints, k, simd in (
                ("topk_one", (1,), Ints(-3, 3), 1, 1),
                ("topk_max", (10,), Ints(-64, 64), 1, 1),
                ("topk_ties", (12,), BIPOLAR, 1, 3),
                ("topk_5", (100,), Ints(-9, 9), 5, 4),
                ("topk_all", (7,), Ints(0, 15), 7, 7),
                ("topk_map", (3, 2, 6), Ints(-2, 2), 1, 2),
                ("topk_map_2", (2, 3, 5), Ints(0, 7), 4, 5),
            )
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/topk.sv is made."""
    simd, words = p["Simd"], p["Size"] // p["Simd"]
    several = words > 1  # of one word the index is that of the lane
    index = p["YBits"] * several
    kept, entry = min(p["K"], words), p["XBits"] + index
    return Bill(
        {
            "one": 1,  # flags and handshake
            "counters": counter(words, p["K"] + 1),  # word_q, left_q
            "index": index,  # first_q
            "kept": several * simd * kept * entry,  # gen_lane: best_q
            "sorted": several * simd * kept * p["XBits"],  # gen_lane: newcomer > held
            "moved": simd * (kept - 1) * entry,  # gen_lane: best_d moves down one place
            "left": simd * kept * (entry if simd > 1 else index),  # gen_lane: out_q
            "there": simd * kept * (kept < p["K"]),  # gen_lane: there_q
            "played": (simd - 1) * (entry + counter(simd)),  # winner: the tournament of the lanes
        }
    )
