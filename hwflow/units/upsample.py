"""The upsample unit: every pixel repeated in both directions.

Stands on units.kit.base. hls/units/upsample.sv and hls/units/upsample.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.errors import RecipeError
from hwflow.ops import Port
from hwflow.units.kit.base import Unit
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.rhythm import Backpressure, EventGraph, Line, Rhythm, Steps, arange, drop_repeats
from hwflow.units.kit.stores import Store
from hwflow.units.kit.streams import Stream, check_lanes, list_lanes


@dataclass(frozen=True, eq=False, kw_only=True)
class UpsampleUnit(Unit):
    """y[p, q, c] = x[p // factor[0], q // factor[1], c]. A ring holds the row that is being repeated.

    A word of y holds `pe` channels of one pixel, or all the channels of several pixels: of so many repeats of one, or of
    all the repeats of several pixels of x, which are then a word of x.
    """

    module: ClassVar[str] = "upsample"
    x: Port  # (H, W, C)
    factor: tuple[int, int]
    pe: int = 1

    def __post_init__(self) -> None:
        assert len(self.x.shape) == 3 and min(self.factor) >= 1, f"{self.name}: repeats {self.x} {self.factor} times"
        check_lanes(self.name, self.pe, self._y)
        if self.pixels % self.factor[1] and self.factor[1] % self.pixels:
            raise RecipeError(
                f"{self.name}: words of {self.pixels} pixels are not made of {self.factor[1]} repeats of each; take pe of "
                f"{self.x.channels} or less"
            )

    @property
    def _y(self) -> Port:
        h, w, c = self.x.shape
        return Port((h * self.factor[0], w * self.factor[1], c), self.x.ints)

    @property
    def pixels(self) -> int:
        """Pixels of a word of y."""
        return max(self.pe // self.x.channels, 1)

    @property
    def taken(self) -> int:
        """Pixels of a word of x."""
        return max(self.pixels // self.factor[1], 1)

    @property
    def repeats(self) -> int:
        """Words of a row of y that a word of x becomes."""
        return self.factor[1] * self.taken // self.pixels

    @property
    def blocks(self) -> int:
        """Words of a pixel, of several pixels where they are one word."""
        return max(self.x.channels // self.pe, 1)

    @property
    def _across(self) -> int:
        """Words of a row of x, for each block."""
        return -(-self.x.shape[1] // self.taken)

    @property
    def depth(self) -> int:
        """Words of the ring: a row where rows repeat, else a pixel, and one more pixel that comes meanwhile."""
        return self.blocks * ((self._across if self.factor[0] > 1 else 1) + 1)

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream.of(self.x, min(self.pe, self.taken * self.x.channels)),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream.of(self._y, self.pe),)

    @property
    def cycles(self) -> int:
        return self.outs[0].words

    @property
    def latency(self) -> int:
        return self.blocks + 1

    def rhythm(self, g: EventGraph) -> Rhythm:
        """A writer and a reader around a ring: a pixel is read once its words came, and overwritten after its last repeat."""
        h, w, fh, fw, b = self.x.shape[0], self._across, self.factor[0], self.repeats, self.blocks
        n_in, n_out = self.ins[0].words, self.outs[0].words
        writer, reader = g.process(n_in), g.process(n_out)
        row, col = np.divmod(np.arange(h * w), w)
        begin = (row * fh * w * fw + col * fw) * b  # the first word read of each pixel
        g.need(reader, begin, writer, Line(b - 1, b, h * w), 1)
        done = ((row * fh + fh - 1) * w * fw + col * fw + fw - 1) * b + b - 1  # the last
        gone = np.concatenate([done - n_out, done])
        free = (np.arange(2 * h * w) - h * w + 1) * b  # words that may be overwritten then
        k = np.searchsorted(free, np.arange(n_in) - self.depth + 1)
        g.need(writer, *drop_repeats(gone[k], reader), 1)
        waits = Backpressure(reader, arange(n_out), arange(n_out) - 1)
        return Rhythm((Steps(writer, arange(n_in)),), (Steps(reader, arange(n_out), 1),), ((waits,),))

    def foldings(self) -> Iterator[dict[str, int]]:
        fw, c = self.factor[1], self.x.channels
        yield from (f for f in list_lanes(self._y) if f["pe"] <= c or not f["pe"] // c % fw or not fw % (f["pe"] // c))

    def params(self) -> dict[str, int | str]:
        return {
            "Width": self.x.shape[1],
            "Channels": self.x.channels,
            "Pe": self.pe,
            "Bits": self.x.ints.bits,
            "FactorH": self.factor[0],
            "FactorW": self.factor[1],
            "Depth": self.depth,
        }

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    def run(self, *xs: Array) -> tuple[Array, ...]:
        x = xs[0].reshape(len(xs[0]), *self.x.shape)
        return (x.repeat(self.factor[0], 1).repeat(self.factor[1], 2),)

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: rows, columns, both, neither."""

        def make(name: str, shape: tuple[int, int, int], ints: Ints, factor: tuple[int, int], pe: int) -> Unit:
            return UpsampleUnit(name=f"upsample_{name}", inputs=("input",), x=Port(shape, ints), factor=factor, pe=pe)

        return (
            make("both", (3, 4, 6), BIPOLAR, (2, 2), 3),
            make("rows", (2, 5, 3), Ints(-8, 7), (3, 1), 1),
            make("columns", (2, 3, 4), Ints(0, 255), (1, 3), 4),
            make("neither", (1, 1, 1), BIPOLAR, (1, 1), 1),
            make("two", (3, 3, 2), Ints(-8, 7), (2, 2), 4),
            make("four", (2, 5, 3), BIPOLAR, (2, 2), 12),
            make("ragged", (3, 7, 2), Ints(0, 3), (3, 1), 8),
            make("part", (2, 3, 2), Ints(0, 255), (1, 4), 4),
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/upsample.sv is made."""
    pixels = max(p["Pe"] // p["Channels"], 1)
    taken = max(pixels // p["FactorW"], 1)
    blocks, bits = max(p["Channels"] // p["Pe"], 1), min(p["Pe"], taken * p["Channels"]) * p["Bits"]
    repeats, across = p["FactorW"] * taken // pixels, -(-p["Width"] // taken)
    return Bill(
        {
            "one": 1,  # flags and handshake
            "address": counter(p["Depth"]),  # each of write_q, read_q, credits' avail_q and over_q
            "counters": counter(p["FactorH"], repeats, blocks, across),  # i_q, j_q, b_q, q_q
            "out": bits,  # y_data_o
        },
        (Store(bits, p["Depth"], rom=False),),  # ring
    )
