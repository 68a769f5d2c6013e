"""The lines unit: every patch of an image that a convolution looks at, one or several whole ones a cycle.

Stands on units.kit.patches. hls/units/lines.sv and hls/units/lines.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Ints, words
from hwflow.errors import RecipeError
from hwflow.ops import Port
from hwflow.units.kit.base import Memory, Unit
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.patches import STYLES, Patches
from hwflow.units.kit.rhythm import Backpressure, EventGraph, Rhythm, Steps, arange, compact, drop_repeats
from hwflow.units.kit.stores import STYLE, Store
from hwflow.units.window import Window


@dataclass(frozen=True, eq=False, kw_only=True)
class Lines(Patches):
    """Windows whole in a word: simd = windows * kh * kw * C are so many neighbouring windows.

    A word of x is as many pixels, or pe = pixels * C of them, which begin that many windows of a wider stride. Rows that
    words do not divide end with a word that has places to spare. A row of the kernel has a memory, each as long as a row
    of the image. A column of words of the kernel's height is read a cycle and shifted into the windows, so a row of
    windows takes as many cycles as columns are read.
    """

    module: ClassVar[str] = "lines"
    complete: ClassVar[bool] = True

    def check_width(self) -> None:
        if not self.holds(self.simd, self.pe):
            begun = f" that pe={self.pe} elements of x begin" if self.pe else ""
            raise RecipeError(f"{self.name}: simd must be whole windows of {self.whole}{begun}, not {self.simd}")

    @property
    def windows(self) -> int:
        """Windows of a word of y."""
        return self.simd // self.whole

    @property
    def pixels(self) -> int:
        """Pixels of a word of x."""
        return self.pe // self.x.channels or self.windows

    @property
    def par(self) -> int:
        return self.pixels * self.x.channels

    @property
    def hurries(self) -> bool:
        return self.pe > 0 or self.kernel[0] == 1 or any(s.by_row for s in (*self.ins, *self.outs))

    @property
    def _words(self) -> int:
        """Words of a row of x, which are columns."""
        return -(-self.x.shape[1] // self.pixels)

    @property
    def _apart(self) -> int:
        """Columns from one word of windows to the next."""
        return self.stride[1] if self.pixels == 1 else 1

    @property
    def taps_per_word(self) -> int:
        return self.kernel[0] * self.kernel[1]

    @property
    def across(self) -> int:
        """Columns read for a row of windows."""
        return min(self._reach, self._words)

    @property
    def after(self) -> int:
        """Windows of a row that reach beyond the image: an image's last leave without a column."""
        return max(self._reach - self._words, 0)

    @property
    def late(self) -> int:
        """Columns that the first windows of a row need before their last one."""
        last = (
            (self.windows - 1) * self.stride[1] + self.kernel[1] - 1 - self.pads[1]
        )  # column of the first word's last tap
        return last // self.pixels

    @property
    def _reach(self) -> int:
        """Columns of the image to the end of a row's last windows, those beyond the edge counted."""
        return (-(-self.size[1] // self.windows) - 1) * self._apart + self.late + 1

    @property
    def cycles(self) -> int:
        return max(self.ins[0].words, self.size[0] * self.across + max(self.after - 1, 0))

    @property
    def latency(self) -> int:
        row = min(self.kernel[0] - 1 - self.pads[0], self.x.shape[0] - 1)
        return row * self._words + self.late + 2

    def rhythm(self, g: EventGraph) -> Rhythm:
        """As a window, of columns: a step reads one and shifts it in. The windows that an image's end still holds are
        flushed by shifts without a column; the next image's first column comes no earlier than the last of those, and
        waits for no word."""
        (top, *_), kh, sh, (oh, ow) = self.pads, self.kernel[0], self.stride[0], self.size
        h, w = self.x.shape[0], self._words
        n, loads, steps = self.ins[0].words, oh * self.across, oh * self.across + self.after
        gaps = np.ones(steps, np.int64)
        gaps[0] = 0
        writer, reader = g.process(n), g.process(steps, gaps if self.after else 1)
        row, col = np.divmod(np.arange(loads), self.across)
        need = np.minimum(row * sh - top + kh - 1, h - 1) * w + col
        g.need(reader, arange(loads), writer, np.maximum.accumulate(need), 1)
        # word i may come once all columns before the first one a with free(a) + depth > i are read
        free = (row * sh - top) * w + col
        free = np.concatenate([free - n, free, free[:1] + n])
        image, a = np.divmod(np.searchsorted(free + self.depth, np.arange(n), side="right") - 1, loads)
        g.need(writer, *drop_repeats((image - 1) * steps + a, reader), 1)
        give = (
            np.arange(oh)[:, None] * self.across + np.arange(-(-ow // self.windows)) * self._apart + self.late
        ).ravel()
        # a word is gone before the next shift; an image's last word before the next image's first shift, or, where
        # that takes the place of its own last shift, before the one after it
        first = 1 if self.after else 0
        waits = Backpressure(reader, np.append(first, give[:-1] + 1), np.arange(-1, len(give) - 1))
        return Rhythm((Steps(writer, arange(n)),), (Steps(reader, compact(give), 1),), ((waits,),))

    @property
    def depth(self) -> int:
        """Words of the memories together."""
        return self.kernel[0] * self._words

    def params(self) -> dict[str, int | str]:
        (h, w, c) = self.x.shape
        return {
            "Height": h, "Width": w, "Channels": c, "Pixels": self.pixels, **self.edges, "Style": STYLES.index(self.style), **self.padding,
        }  # fmt: skip

    def memories(self) -> dict[str, Memory]:
        """The padding of each channel, channel 0 low, where it differs between channels."""
        codes, bits, c = self.taps.encode(self.pad), self.taps.bits, self.x.channels
        return {f"{self.name}_pad.mem": Memory(c * bits, tuple(words(codes, bits, c)))} if self.per_channel else {}

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """Carries of the credits."""
        return {"carry": counter(-(-p["Width"] // p["Pixels"]) * (2 * p["Height"] + p["KernelH"]))}

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: windows that lie in the image, reach beyond its edges, leave after its last column."""

        def make(name: str, shape: tuple[int, int, int], ints: Ints, kernel: tuple[int, int], **more: object) -> Unit:
            pixels = int(more.pop("pixels", 1))  # type: ignore[call-overload]
            unit = Window(name=f"lines_{name}", inputs=("input",), x=Port(shape, ints), kernel=kernel, **more)  # type: ignore[arg-type]
            step = unit.stride[1] if pixels > 1 else 1
            wide = {"pe": pixels * shape[2]} if step > 1 else {}
            return unit.folded(simd=pixels // step * unit.whole, **wide)

        return (
            make("valid", (5, 6, 3), BIPOLAR, (3, 3)),
            make("same", (5, 7, 2), BIPOLAR, (3, 3), pads=(1, 1, 1, 1)),
            make("minus", (4, 4, 3), BIPOLAR, (3, 3), pads=(1, 1, 1, 1), pad=np.array([-1])),
            make(
                "mean", (6, 5, 3), Ints(0, 255), (3, 3), pads=(0, 1, 1, 1), stride=(2, 2), pad=np.array([125, 123, 114])
            ),
            make("large", (7, 8, 1), Ints(-4, 3), (5, 5), pads=(2, 2, 2, 2), style="block"),
            make("ends", (3, 9, 2), Ints(0, 3), (2, 4), pads=(1, 0, 0, 3), stride=(1, 2)),
            make("tall", (9, 2, 2), BIPOLAR, (3, 1), pads=(2, 0, 0, 0), stride=(2, 1), style="lut"),
            make("two", (6, 8, 3), BIPOLAR, (3, 3), pads=(1, 1, 1, 1), pixels=2),
            make("four", (5, 8, 1), Ints(0, 255), (3, 5), pads=(1, 2, 1, 2), pad=np.array([3]), pixels=4),
            make("pair", (4, 6, 2), BIPOLAR, (2, 3), stride=(2, 1), pixels=2),
            make("apart", (6, 8, 3), BIPOLAR, (3, 3), pads=(1, 1, 1, 1), stride=(2, 2), pixels=2),
            make("apart4", (5, 13, 2), Ints(0, 3), (3, 3), pads=(1, 1, 1, 1), stride=(1, 2), pixels=4),
            make("skip", (4, 6, 2), Ints(-8, 7), (1, 1), stride=(2, 2), pixels=2),
            make("ragged", (5, 10, 2), BIPOLAR, (3, 3), pixels=4),
            make("ragged_same", (4, 7, 3), BIPOLAR, (3, 3), pads=(1, 1, 1, 1), pixels=2),
            make("ragged_out", (4, 8, 2), Ints(0, 255), (2, 3), pixels=4),
            make("flat", (2, 9, 2), Ints(0, 3), (1, 3), pads=(0, 1, 0, 1), pixels=4),
            make("narrow", (4, 2, 1), Ints(-1, 1), (2, 2), pads=(0, 0, 1, 1)),
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/lines.sv is made."""
    n, kh, kw, pixel = p["Pixels"], p["KernelH"], p["KernelW"], p["Channels"] * p["XBits"]
    step = p["StrideW"] if n > 1 else 1  # pixels between windows of a word
    many = n // step  # windows of a word
    across = ceil(p["Width"] / n)
    late = ((many - 1) * step + kw - 1 - p["PadLeft"]) // n
    held = p["PadLeft"] + late * n  # pixels of a row, those of the newest column left out
    bottom = _last(p["Height"] + p["PadTop"] + p["PadBottom"] - kh, p["StrideH"])
    above = _outside(range(kh), p["Height"], p["PadTop"], bottom)
    columns = [u * step + j for u in range(many) for j in range(kw)]
    right = _last(p["Width"] + p["PadLeft"] + p["PadRight"] - kw, n if n > 1 else p["StrideW"])
    beside = _outside(columns, p["Width"], p["PadLeft"], right)
    masked = above * many * kw + beside * kh - above * beside  # taps that lie outside the image for some window
    counts = {
        "one": 1,  # flags and handshake
        # col_q, at_q, write_col_q, row_q, turn_q, write_row_q
        "counters": counter(across, across, across, p["Height"] // p["StrideH"], kh, kh),
        "credit": counter(across * (2 * p["Height"] + kh)),  # each of credits' avail_q and over_q, need_more, freed
        "position": counter(p["Height"]) * (above > 0),  # gen_rows: in_q
        "outside": above + beside,  # gen_rows, gen_side: above, beside
        "turned": n * kh * pixel * (kh - 1) / 2,  # column: the words of the banks, turned
        "registers": kh * held * pixel,  # gen_row: earlier_q
        "lanes": masked * pixel,  # gen_mux: the tap or the padding
        "widened": masked * p["Channels"] * (p["YBits"] - p["XBits"]),  # gen_tap
    }
    row = Store(n * pixel, across, STYLE[p["Style"]], rom=False)
    return Bill(counts, (row,) * kh)  # gen_bank


def _last(furthest: int, step: int) -> int:
    """Where the last windows begin that leave together, at most so far."""
    return furthest // step * step


def _outside(taps: Sequence[int], size: int, before: int, last: int) -> int:
    """How many of these rows or columns of taps lie outside the image for some window."""
    return sum(k < before or last + k >= size + before for k in taps)
