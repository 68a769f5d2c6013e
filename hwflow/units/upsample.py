"""The upsample unit: every pixel repeated in both directions.

Stands on units.kit.base. hls/units/upsample.sv and hls/units/upsample.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.ops import Port
from hwflow.units.kit.base import Stream, Unit, divide, divisors
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.rhythm import Backpressure, EventGraph, Line, Rhythm, Steps, arange, drop_repeats
from hwflow.units.kit.stores import Store


@dataclass(frozen=True, eq=False, kw_only=True)
class UpsampleUnit(Unit):
    """y[p, q, c] = x[p // factor[0], q // factor[1], c]. A ring holds the row that is being repeated."""

    module: ClassVar[str] = "upsample"
    x: Port  # (H, W, C)
    factor: tuple[int, int]
    pe: int = 1

    def __post_init__(self) -> None:
        assert len(self.x.shape) == 3 and min(self.factor) >= 1, f"{self.name}: repeats {self.x} {self.factor} times"
        divide(self.name, "pe", self.pe, self.x.channels)

    @property
    def blocks(self) -> int:
        return self.x.channels // self.pe

    @property
    def depth(self) -> int:
        """Words of the ring: a row where rows repeat, else a pixel, and one more pixel that comes meanwhile."""
        return self.blocks * ((self.x.shape[1] if self.factor[0] > 1 else 1) + 1)

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self.pe),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        h, w, c = self.x.shape
        return (Stream(Port((h * self.factor[0], w * self.factor[1], c), self.x.ints), self.pe),)

    @property
    def cycles(self) -> int:
        return self.outs[0].words

    @property
    def latency(self) -> int:
        return self.blocks + 1

    def rhythm(self, g: EventGraph) -> Rhythm:
        """A writer and a reader around a ring: a pixel is read once its words came, and overwritten after its last repeat."""
        (h, w, _), (fh, fw), b = self.x.shape, self.factor, self.blocks
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
        yield from ({"pe": pe} for pe in divisors(self.x.channels))

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
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/upsample.sv is made."""
    blocks, bits = p["Channels"] // p["Pe"], p["Pe"] * p["Bits"]
    return Bill(
        {
            "one": 1,  # flags and handshake
            "address": counter(p["Depth"]),  # each of write_q, read_q, avail_q, room_q
            "counters": counter(p["FactorH"], p["FactorW"], blocks, p["Width"]),  # i_q, j_q, b_q, q_q
            "out": bits,  # y_data_o
        },
        (Store(bits, p["Depth"], rom=False),),  # ring
    )
