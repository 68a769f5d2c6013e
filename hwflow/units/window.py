"""The window unit: every patch of an image that a convolution or a padded pool looks at, piece by piece.

Stands on units.kit.patches. hls/units/window.sv and hls/units/window.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints, words
from hwflow.errors import RecipeError
from hwflow.ops import Port
from hwflow.units.kit.base import Memory, Unit
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.patches import ORDERS, STYLES, Patches
from hwflow.units.kit.rhythm import Backpressure, EventGraph, Line, Rhythm, Steps, arange, drop_repeats
from hwflow.units.kit.stores import STYLE, Store
from hwflow.units.kit.streams import divide


@dataclass(frozen=True, eq=False, kw_only=True)
class Window(Patches):
    """simd divides the channels, or is a whole row of taps (kw * C): then a word of x is a pixel and the ring has a bank
    for each column of the kernel.

    The rows lie in a ring of `depth` words, just deep enough that a word enters or leaves in every cycle, across the
    border of two images too.
    """

    module: ClassVar[str] = "window"

    def check_width(self) -> None:
        if self.pe:
            raise RecipeError(
                f"{self.name}: pe must be 2 or 4 whole pixels that begin whole windows, and simd those windows, not "
                f"pe={self.pe} and simd={self.simd}; leave pe out"
            )
        if self.simd != self._row:
            divide(self.name, "simd", self.simd, self.x.channels)

    @property
    def taps_per_word(self) -> int:
        return max(self.simd // self.x.channels, 1)

    @property
    def width_bound(self) -> bool:
        """In blocks of channels, whose order is that of its reader's words."""
        return self.order == "depthwise"

    @property
    def blocks(self) -> int:
        """Words of one pixel of x."""
        return self.x.channels // self.par

    @property
    def cycles(self) -> int:
        return max(self.ins[0].words, self.outs[0].words)

    @property
    def latency(self) -> int:
        return int(self._need[0]) + 1 + self.late

    @property
    def late(self) -> int:
        """Words that wait in a register behind the ring: 1 where that is in block RAM."""
        return int(self.style == "block")

    def rhythm(self, g: EventGraph) -> Rhythm:
        """A writer and a reader around a ring; the reader follows the words it needs, the writer the windows done."""
        n_in, n_out, windows_ = self.ins[0].words, self.outs[0].words, len(self._need)
        per = n_out // windows_
        writer, reader = g.process(n_in), g.process(n_out)
        g.need(reader, Line(0, per, windows_), writer, self._need - 1, 1)
        # word i may come once all windows before the first one a with free(a) + depth > i are done
        free = np.concatenate([self._free - n_in, self._free, self._free[:1] + n_in])
        a = np.searchsorted(np.maximum.accumulate(free) + self.depth, np.arange(n_in), side="right") - windows_
        g.need(writer, *drop_repeats(a * per - 1, reader), 1)
        waits = Backpressure(reader, arange(n_out), arange(n_out) - 1 - self.late)
        return Rhythm((Steps(writer, arange(n_in)),), (Steps(reader, arange(n_out), 1 + self.late),), ((waits,),))

    @cached_property
    def _need(self) -> Array:
        """Words of the image that must have come before each window can start."""
        (h, w, _), (t, left, _, _), (sh, sw), (oh, ow) = self.x.shape, self.pads, self.stride, self.size
        row = np.minimum(np.arange(oh) * sh - t + self.span[0] - 1, h - 1)
        col = np.minimum(np.arange(ow) * sw - left + self.span[1] - 1, w - 1)
        return ((row[:, None] * w + col + 1) * self.blocks).ravel()

    @cached_property
    def _free(self) -> Array:
        """Words of the image that no window from this one on reads, counted from its first tap (padding included)."""
        w, (t, left, _, _), (sh, sw), (oh, ow) = self.x.shape[1], self.pads, self.stride, self.size
        return (((np.arange(oh) * sh - t)[:, None] * w + np.arange(ow) * sw - left) * self.blocks).ravel()

    @cached_property
    def depth(self) -> int:
        """Words of the ring: the fewest with which the busier side never waits.

        With n = need, f = free, P = cycles a window is read, and images one after another:
        reads busier: window b starts at b*P. In the cycles of window a at most f(a) + depth words can have come, so
        window b > a has its n(b) when n(b) <= f(a) + depth + (b - a - 1) * P for every a < b.
        Writes busier: word i comes in cycle i, window b starts at S(b) = max(S(b-1) + P, n(b)), and word
        i <= S(a) + P - 1 must find room: S(a) + P - 1 < f(a) + depth. One image back is enough in both.
        """
        image, windows_ = self.ins[0].words, self.size[0] * self.size[1]
        period = self.kernel[0] * self.kernel[1] * self.x.channels // self.simd
        need = np.concatenate([self._need, self._need + image])
        free = np.concatenate([self._free, self._free + image])
        start = np.arange(2 * windows_) * period
        least = int((need - free).max())
        if self.outs[0].words >= image:
            back = np.maximum.accumulate(start + period - free)[:-1]
            words_ = max(least, int((need[1:] - start[1:] + back).max()))
        else:
            start = start + np.maximum.accumulate(need - start)
            words_ = max(least, int((start + period - free).max()))
        return -(-words_ // self.taps_per_word) * self.taps_per_word

    def params(self) -> dict[str, int | str]:
        (h, w, c), edges = self.x.shape, self.edges
        kernel = {k: edges.pop(k) for k in ("KernelH", "KernelW", "StrideH", "StrideW")}
        return {
            "Height": h, "Width": w, "Channels": c, "Simd": self.simd, **kernel,
            "DilationH": self.dilation[0], "DilationW": self.dilation[1], **edges,
            "Depthwise": ORDERS.index(self.order), "Depth": self.depth, "Style": STYLES.index(self.style), **self.padding,
        }  # fmt: skip

    def memories(self) -> dict[str, Memory]:
        """The padding of each block of channels, channel 0 low, where it differs between channels."""
        if not self.per_channel:
            return {}
        codes, bits = self.taps.encode(self.pad), self.taps.bits
        return {f"{self.name}_pad.mem": Memory(self.par * bits, tuple(words(codes, bits, self.par)))}

    def cut(self, x: Array) -> Array:
        y = super().cut(x)
        if not self.width_bound:
            return y
        return y.reshape(*y.shape[:5], self.blocks, self.par).transpose(0, 1, 2, 5, 3, 4, 6)

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """Carries of the credits."""
        return {"carry": counter(p["Height"] * p["Width"] * p["Channels"] + p["Depth"])}

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: every padding, stride, dilation and order, one pixel, one column."""

        def make(name: str, shape: tuple[int, int, int], ints: Ints, kernel: tuple[int, int], **more: object) -> Unit:
            return Window(name=f"window_{name}", inputs=("input",), x=Port(shape, ints), kernel=kernel, **more)  # type: ignore[arg-type]

        return (
            make("one", (1, 1, 1), BIPOLAR, (1, 1)),
            make("valid", (7, 6, 4), BIPOLAR, (3, 3), simd=2),
            make("same", (5, 7, 6), BIPOLAR, (3, 3), pads=(1, 1, 1, 1), simd=3),
            make("minus", (4, 5, 3), BIPOLAR, (3, 3), pads=(1, 1, 1, 1), pad=np.array([-1]), simd=3),
            make("mean", (6, 5, 3), Ints(0, 255), (3, 3), pads=(0, 1, 2, 1), stride=(2, 2), pad=np.array([125, 123, 114]), simd=1),
            make("wide", (9, 8, 2), Ints(-4, 3), (3, 2), dilation=(2, 3), pads=(2, 0, 1, 3), simd=2),
            make("skip", (7, 9, 4), BIPOLAR, (1, 1), stride=(2, 2), simd=4),
            make("line", (1, 16, 2), Ints(0, 3), (1, 5), pads=(0, 2, 0, 2), stride=(1, 3), simd=1),
            make("row", (6, 7, 2), BIPOLAR, (3, 3), pads=(1, 1, 1, 1), simd=6),
            make("even", (5, 9, 3), Ints(-4, 3), (2, 4), pads=(0, 2, 1, 1), stride=(2, 3), pad=np.array([1, 2, 3]), simd=12),
            make("even_block", (5, 9, 3), Ints(-4, 3), (2, 4), pads=(0, 2, 1, 1), stride=(2, 3), pad=np.array([1, 2, 3]), simd=12, style="block"),
            make("valid_block", (7, 6, 4), BIPOLAR, (3, 3), simd=2, style="block"),
            make("apart", (5, 5, 6), BIPOLAR, (3, 3), pads=(1, 1, 1, 1), order="depthwise", simd=2),
            make("lower", (4, 4, 2), Ints(3, 9), (2, 2), pads=(1, 1, 0, 0), pad=np.array([-5, 2]), order="depthwise", simd=1, style="block"),
        )  # fmt: skip


def count_hardware(p: Params) -> Bill:
    """As hls/units/window.sv is made."""
    banks = max(p["Simd"] // p["Channels"], 1)  # Lanes
    par = p["Simd"] // banks
    blocks = p["Channels"] // par
    padded = p["PadTop"] + p["PadLeft"] + p["PadBottom"] + p["PadRight"] > 0  # gen_padded
    image = p["Height"] * p["Width"] * blocks
    counts = {
        "one": 1,  # flags and handshake
        # b_q, i_q, j_q, p_q, q_q
        "counters": counter(
            blocks, p["KernelH"], p["KernelW"], p["Height"] // p["StrideH"], p["Width"] // p["StrideW"]
        ),
        "address": counter(p["Depth"]),  # each of write_q, read_q and the adder `turned`
        "credit": counter(image + p["Depth"]),  # each of credits' avail_q and over_q, need_more, freed
        "padded": padded,  # outside
        "position": counter(p["Height"] + 2, p["Width"] + 2) * padded,  # row_q, col_q
        "lanes": p["Simd"] * p["YBits"] * padded,  # gen_mux: the element or the padding
        "widened": p["Simd"] * (p["YBits"] - p["XBits"]),  # gen_element
        "banks": p["Simd"] * p["XBits"] * (banks > 1),  # gen_turn: the words of the banks, turned
        "late": p["Simd"] * p["XBits"] * (STYLE[p["Style"]] == "block"),  # banks_level
    }
    ring = [Store(par * p["XBits"], ceil(p["Depth"] / banks), STYLE[p["Style"]], rom=False)] * banks  # gen_bank
    pads = [Store(par * p["YBits"], blocks)] if p["PadFile"] else []  # gen_pads
    return Bill(counts, (*ring, *pads))
