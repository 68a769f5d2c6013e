"""The pool unit: the largest or the sum of every tile of an image, in accumulators, without storing pixels.

Stands on units.kit.base. hls/units/pool.sv and hls/units/pool.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints, words
from hwflow.errors import RecipeError
from hwflow.graph import frozen
from hwflow.ops import Port
from hwflow.units.kit.base import Memory, Unit
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.rhythm import EventGraph, Rhythm, result_rhythm
from hwflow.units.kit.stores import Store
from hwflow.units.kit.streams import Stream, check_lanes, list_lanes
from hwflow.windows import windows

KINDS = ("max", "sum")


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Unit):
    """y[p, q, c] = max or sum of the kernel's tile at (p, q); min for the channels of `minimum`.

    Stride equals kernel and nothing is padded; rows and columns that fill no tile are dropped. A word of x holds `pe`
    channels of one pixel, or all those of several pixels: of whole tiles' rows, or a part of one tile's row.
    """

    module: ClassVar[str] = "pool"
    ready_through: ClassVar[bool] = True
    x: Port  # (H, W, C)
    kernel: tuple[int, int]
    kind: str = "max"
    minimum: Array = field(default_factory=lambda: np.zeros(1, bool))  # bool, (C,); (1,) says it for all
    pe: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "minimum", frozen(np.broadcast_to(self.minimum, (self.x.channels,)), bool))
        assert self.kind in KINDS, f"{self.name}: kind must be one of {KINDS}, not {self.kind}"
        assert self.kernel[0] <= self.x.shape[0] and self.kernel[1] <= self.x.shape[1], (
            f"{self.name}: {self.kernel} exceeds {self.x}"
        )
        check_lanes(self.name, self.pe, self.x)
        if self.pixels % self.kernel[1] and self.kernel[1] % self.pixels:
            raise RecipeError(
                f"{self.name}: tiles of {self.kernel[1]} columns are not made of words of {self.pixels} pixels; take pe of "
                f"{self.x.channels} or less"
            )

    @property
    def pixels(self) -> int:
        """Pixels of a word of x."""
        return max(self.pe // self.x.channels, 1)

    @property
    def tiles(self) -> int:
        """Tiles whose rows are in a word of x, which is the pixels of a word of y."""
        return max(self.pixels // self.kernel[1], 1)

    @property
    def lanes_of_pixel(self) -> int:
        """Channels of a pixel in a word."""
        return min(self.pe, self.x.channels)

    @property
    def _across(self) -> tuple[int, int, int]:
        """Words of a row of x, of a tile's row, and of a row of y, for each block of channels."""
        return (
            -(-self.x.shape[1] // self.pixels),
            max(self.kernel[1] // self.pixels, 1),
            -(-self.size[1] // self.tiles),
        )

    @property
    def size(self) -> tuple[int, int]:
        return self.x.shape[0] // self.kernel[0], self.x.shape[1] // self.kernel[1]

    @property
    def blocks(self) -> int:
        return self.x.channels // self.lanes_of_pixel

    @property
    def entries(self) -> int:
        """Accumulator words: one for each tile of a row, or of a pixel where a tile is one row high."""
        return self.blocks * (self._across[2] if self.kernel[0] > 1 else 1)

    @property
    def _y_ints(self) -> Ints:
        taps, x = self.kernel[0] * self.kernel[1], self.x.ints
        return x if self.kind == "max" else Ints(taps * x.lo, taps * x.hi)

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream.of(self.x, self.pe),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream.of(Port((*self.size, self.x.channels), self._y_ints), self.tiles * self.lanes_of_pixel),)

    @property
    def cycles(self) -> int:
        return self.ins[0].words

    @property
    def latency(self) -> int:
        across, of_tile, _ = self._across
        return ((self.kernel[0] - 1) * across + of_tile - 1) * self.blocks + 1

    def rhythm(self, g: EventGraph) -> Rhythm:
        """A result after the last pixel of each tile."""
        kh, (w, kw, tiles) = self.kernel[0], self._across
        at = np.arange(self.ins[0].words).reshape(self.x.shape[0], w, self.blocks)
        give = at[kh - 1 : self.size[0] * kh : kh, kw - 1 : tiles * kw : kw]
        return result_rhythm(g, at.size, give.ravel())

    def foldings(self) -> Iterator[dict[str, int]]:
        kw, c = self.kernel[1], self.x.channels
        yield from (f for f in list_lanes(self.x) if f["pe"] <= c or not f["pe"] // c % kw or not kw % (f["pe"] // c))

    def params(self) -> dict[str, int | str]:
        """Minimum 1: every channel takes the least; MinimumFile, a bit a channel, where channels differ."""
        (h, w, c), mixed = self.x.shape, mixes(self.kind, self.minimum)
        return {
            "Height": h, "Width": w, "Channels": c, "Pe": self.pe, "KernelH": self.kernel[0], "KernelW": self.kernel[1],
            "XBits": self.x.ints.bits, "XKind": self.x.ints.kind, "YBits": self._y_ints.bits, "Sum": KINDS.index(self.kind),
            "Minimum": int(bool(self.minimum.all()) and self.kind == "max"),
            "MinimumFile": f"{self.name}_minimum.mem" if mixed else "",
        }  # fmt: skip

    def memories(self) -> dict[str, Memory]:
        """A bit for each channel, 1 where the least is taken, as many channels a word as lanes of a pixel."""
        if not mixes(self.kind, self.minimum):
            return {}
        return {
            f"{self.name}_minimum.mem": Memory(
                self.lanes_of_pixel, tuple(words(self.minimum.astype(np.uint64), 1, self.lanes_of_pixel))
            )
        }

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """Carries of a lane, of each pixel of a tile in a word after the other."""
        return {"carry": p["YBits"] * min(max(p["Pe"] // p["Channels"], 1), p["KernelW"])}

    def run(self, *xs: Array) -> tuple[Array, ...]:
        x = xs[0].reshape(len(xs[0]), *self.x.shape).astype(np.int64)
        tiles = windows(x, self.kernel, self.kernel, (0, 0, 0, 0), (1, 1), np.zeros(self.x.channels, np.int64))
        return (pooled(tiles, (3, 4), self.kind, self.minimum),)

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: max, min and both, sums, whole images, rows that fill no tile."""
        some = np.random.default_rng(3).random

        def make(name: str, shape: tuple[int, int, int], ints: Ints, kernel: tuple[int, int], **more: object) -> Unit:
            return Pool(name=f"pool_{name}", inputs=("input",), x=Port(shape, ints), kernel=kernel, **more)  # type: ignore[arg-type]

        return (
            make("one", (1, 1, 1), BIPOLAR, (1, 1)),
            make("bits", (6, 8, 6), BIPOLAR, (2, 2), minimum=some(6) < 0.5, pe=3),
            make("odd", (7, 5, 4), Ints(-7, 9), (3, 2), minimum=some(4) < 0.5, pe=1),
            make("least", (4, 4, 5), Ints(0, 3), (2, 2), minimum=np.ones(5, bool), pe=5),
            make("global", (5, 5, 4), Ints(-128, 127), (5, 5), kind="sum", pe=2),
            make("mean", (4, 6, 3), BIPOLAR, (2, 3), kind="sum", pe=3),
            make("row", (3, 9, 2), Ints(0, 255), (1, 3), kind="sum", pe=1),
            make("two", (4, 6, 3), BIPOLAR, (2, 2), minimum=some(3) < 0.5, pe=6),
            make("four", (5, 8, 2), Ints(-7, 9), (2, 2), minimum=np.ones(2, bool), pe=8),
            make("ragged", (4, 7, 3), Ints(0, 3), (2, 2), minimum=some(3) < 0.5, pe=12),
            make("spare", (4, 5, 2), Ints(-128, 127), (1, 2), kind="sum", pe=4),
            make("part", (8, 15, 2), BIPOLAR, (3, 4), kind="sum", pe=4),
            make("whole", (3, 8, 2), Ints(0, 255), (3, 8), kind="sum", pe=8),
            make("tall", (4, 6, 2), Ints(0, 9), (2, 1), pe=8),
        )


def mixes(kind: str, minimum: Array) -> bool:
    """True when some channels take the largest and others the least."""
    return kind == "max" and bool(minimum.any()) and not bool(minimum.all())


def pooled(taps: Array, axes: tuple[int, ...], kind: str, minimum: Array) -> Array:
    """Sum, or max (min where `minimum`), over `axes` of taps whose last axis is the channel."""
    if kind == "sum":
        return taps.sum(axes)
    flip = np.where(minimum, -1, 1)
    return (taps * flip).max(axes) * flip


def count_hardware(p: Params) -> Bill:
    """As hls/units/pool.sv is made."""
    pixels = max(p["Pe"] // p["Channels"], 1)
    tiles, lanes = max(pixels // p["KernelW"], 1), min(p["Pe"], p["Channels"])
    blocks, bits = p["Channels"] // lanes, tiles * lanes * p["YBits"]
    tall, wide = p["Height"] // p["KernelH"], ceil(p["Width"] // p["KernelW"] / tiles)
    entries = blocks * (wide if p["KernelH"] > 1 else 1)
    counts = {
        "one": 1,  # flags and handshake
        # b_q, i_q, j_q, q_q, p_q and addr_q
        "counters": counter(blocks, p["KernelH"], max(p["KernelW"] // pixels, 1), wide + 1, tall + 1, entries),
        "ahead": counter(blocks, entries) + 4,  # block_q and this_q; left_q, right_q, beyond_q, ends_q
        step_kind(p): p["Pe"] * p["YBits"],  # pool_step: a sum, a bit or a comparison in each lane
        "kept": bits * (entries > 1),  # gen_memory: new_q, and the choice between it and `fetched`
    }
    accumulators = [Store(bits, entries, rom=False)] if entries > 1 else []
    minima = [Store(lanes, blocks)] if p["MinimumFile"] else []  # pool_step: minima
    return Bill(counts, (*accumulators, *minima))


def step_kind(p: Params) -> str:
    """The branch of hls/parts/pool_step.sv that is made: gen_sum, gen_bit or gen_compare."""
    return "sum" if p["Sum"] else "bits" if p["XBits"] == 1 else "compare"
