"""The lines unit: every patch of an image that a convolution looks at, one or several whole ones a cycle.

Stands on units.window. hls/units/lines.sv and hls/units/lines.hpp are the same unit.
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
from hwflow.units.kit.costs import Params, Shape, counter
from hwflow.units.kit.stores import STYLE, Store
from hwflow.units.window import Window


@dataclass(frozen=True, eq=False, kw_only=True)
class Lines(Window):
    """Windows whole in a word: simd = pixels * kh * kw * C are so many neighbouring windows; a word of x is as many pixels.

    A row of the kernel has a memory, each as long as a row of the image. A column of words of the kernel's height is
    read a cycle and shifted into the windows, so a row of windows takes as many cycles as columns are read.
    """

    module: ClassVar[str] = "lines"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.holds(self.simd):
            raise RecipeError(f"{self.name}: simd must be whole windows of {self.whole}, not {self.simd}")

    @property
    def pixels(self) -> int:
        """Windows of a word of y, pixels of a word of x."""
        return self.simd // self.whole

    @property
    def blocks(self) -> int:
        return 1

    @property
    def lanes(self) -> int:
        return self.kernel[0] * self.kernel[1]

    @property
    def across(self) -> int:
        """Columns read for a row of windows."""
        return min(self._reach, self.x.shape[1] // self.pixels)

    @property
    def after(self) -> int:
        """Windows of a row that reach beyond the image: an image's last leave without a column."""
        return max(self._reach - self.x.shape[1] // self.pixels, 0)

    @property
    def late(self) -> int:
        """Columns that the first windows of a row need before their last one."""
        return ceil((self.kernel[1] - 1 - self.pads[1]) / self.pixels)

    @property
    def _reach(self) -> int:
        """Columns of the image to the end of a row's last windows, those beyond the edge counted."""
        return (self.size[1] - self.pixels) * self.stride[1] // self.pixels + self.late + 1

    @property
    def cycles(self) -> int:
        return max(self.ins[0].words, self.size[0] * self.across + max(self.after - 1, 0))

    @property
    def latency(self) -> int:
        row = min(self.kernel[0] - 1 - self.pads[0], self.x.shape[0] - 1)
        return row * self.x.shape[1] // self.pixels + self.late + 2

    @property
    def depth(self) -> int:
        """Words of the memories together."""
        return self.kernel[0] * self.x.shape[1] // self.pixels

    def params(self) -> dict[str, int | str]:
        """Those of a window that stay: no dilation, one order, rows as long as the image's."""
        gone = ("DilationH", "DilationW", "Depthwise", "Depth")
        kept = {name: value for name, value in super().params().items() if name not in gone}
        return {"Pixels" if name == "Simd" else name: self.pixels if name == "Simd" else v for name, v in kept.items()}

    def memories(self) -> dict[str, Memory]:
        """The padding of each channel, channel 0 low, where it differs between channels."""
        codes, bits, c = self.taps.encode(self.pad), self.taps.bits, self.x.channels
        return {f"{self.name}_pad.mem": Memory(c * bits, tuple(words(codes, bits, c)))} if self.per_channel else {}

    @staticmethod
    def shape(p: Params) -> Shape:
        """Counters of places, the rows' memories, what turns a column, the windows' registers, the masks of taps that
        can lie outside the image."""
        n, kh, kw, c, x = p["Pixels"], p["KernelH"], p["KernelW"], p["Channels"], p["XBits"]
        across, late = p["Width"] // n, kw - 1 - p["PadLeft"]
        held = kw - 1 - late + ceil(late / n) * n  # pixels of a row, those of the newest column left out
        above = _outside(range(kh), p["Height"], p["PadTop"], p["PadBottom"], kh, p["StrideH"])
        columns = [u + j for u in range(n) for j in range(kw)]
        beside = _outside(columns, p["Width"], p["PadLeft"], p["PadRight"], kw, p["StrideW"], n)
        masked = above * n * kw + beside * kh - above * beside
        counts = {
            "one": 1, "credit": counter(across * (2 * p["Height"] + kh)),
            "counters": counter(across, across, across, p["Height"] // p["StrideH"], kh, kh),
            "position": counter(p["Height"]) * (above > 0), "outside": above + beside, "turned": n * kh * c * x * (kh - 1) / 2,
            "registers": kh * held * c * x, "lanes": masked * c * x, "widened": masked * c * (p["YBits"] - x),
        }  # fmt: skip
        row = Store(n * c * x, across, STYLE[p["Style"]], rom=False)
        return Shape(counts, (row,) * kh)

    @staticmethod
    def path(p: Params) -> Mapping[str, float]:
        """Carries of the credits."""
        return {"carry": counter(p["Width"] // p["Pixels"] * (2 * p["Height"] + p["KernelH"]))}


def _outside(taps: Sequence[int], size: int, before: int, after: int, span: int, stride: int, pixels: int = 1) -> int:
    """How many of these rows or columns of taps lie outside the image for some window."""
    last = (size + before + after - span) // stride * stride - (pixels - 1)
    return sum(k < before or last + k >= size + before for k in taps)


def samples() -> tuple[Unit, ...]:
    """Small instances: windows that lie in the image, reach beyond its edges, leave after its last column."""

    def make(name: str, shape: tuple[int, int, int], ints: Ints, kernel: tuple[int, int], **more: object) -> Unit:
        pixels = int(more.pop("pixels", 1))  # type: ignore[call-overload]
        unit = Window(name=f"lines_{name}", inputs=("input",), x=Port(shape, ints), kernel=kernel, **more)  # type: ignore[arg-type]
        return unit.folded(simd=pixels * unit.whole)

    return (
        make("valid", (5, 6, 3), BIPOLAR, (3, 3)),
        make("same", (5, 7, 2), BIPOLAR, (3, 3), pads=(1, 1, 1, 1)),
        make("minus", (4, 4, 3), BIPOLAR, (3, 3), pads=(1, 1, 1, 1), pad=np.array([-1])),
        make("mean", (6, 5, 3), Ints(0, 255), (3, 3), pads=(0, 1, 1, 1), stride=(2, 2), pad=np.array([125, 123, 114])),
        make("large", (7, 8, 1), Ints(-4, 3), (5, 5), pads=(2, 2, 2, 2), style="block"),
        make("ends", (3, 9, 2), Ints(0, 3), (2, 4), pads=(1, 0, 0, 3), stride=(1, 2)),
        make("tall", (9, 2, 2), BIPOLAR, (3, 1), pads=(2, 0, 0, 0), stride=(2, 1), style="lut"),
        make("two", (6, 8, 3), BIPOLAR, (3, 3), pads=(1, 1, 1, 1), pixels=2),
        make("four", (5, 8, 1), Ints(0, 255), (3, 5), pads=(1, 2, 1, 2), pad=np.array([3]), pixels=4),
        make("pair", (4, 6, 2), BIPOLAR, (2, 3), stride=(2, 1), pixels=2),
        make("narrow", (4, 2, 1), Ints(-1, 1), (2, 2), pads=(0, 0, 1, 1)),
    )  # fmt: skip
