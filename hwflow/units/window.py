"""The window unit: every patch of an image that a convolution or a padded pool looks at, one after another.

Stands on units.kit.base. hls/units/window.sv and hls/units/window.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from math import ceil
from typing import Any, ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints, ints_of, words
from hwflow.errors import RecipeError
from hwflow.graph import frozen
from hwflow.ops import Pads, Port, windows
from hwflow.units.kit.base import PIXELS, Memory, Stream, Unit, divide, divisors
from hwflow.units.kit.costs import Params, Shape, counter
from hwflow.units.kit.stores import STYLE, Store

ORDERS = ("conv", "depthwise")  # kh, kw, c; or blocks of simd channels: block, kh, kw, c in the block
STYLES = ("auto", "lut", "block")  # where the rows lie; the index is the module's Style


@dataclass(frozen=True, eq=False, kw_only=True)
class Window(Unit):
    """y[p, q, i, j, c] = x[p*sh + i*dh - top, q*sw + j*dw - left, c], or pad[c] outside the image.

    simd divides the channels, or is a whole row of taps (kw * C): then a word of x is a pixel and the ring has a bank
    for each column of the kernel. A window whole in a word is a unit of its own, Lines. The rows lie in a ring of `depth` words, just deep enough that a word enters or leaves in every cycle, across
    the border of two images too. Padding -1/+1 data with 0 makes the elements two bits wide (Ints(-1, 1)).
    """

    module: ClassVar[str] = "window"
    x: Port  # (H, W, C)
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pads: Pads = (0, 0, 0, 0)  # top, left, bottom, right; each less than the kernel's span
    dilation: tuple[int, int] = (1, 1)
    pad: Array = field(default_factory=lambda: np.zeros(1, np.int64))  # int, (1,) or (C,)
    order: str = "conv"
    simd: int = 1
    style: str = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "pad", frozen(self.pad, np.int64))
        assert self.order in ORDERS, f"{self.name}: order must be one of {ORDERS}, not {self.order}"
        assert self.pad.shape in ((1,), (self.x.channels,)), f"{self.name}: {self.pad.shape} pad values for {self.x}"
        if self.simd != self._row and not self.holds(self.simd):
            divide(self.name, "simd", self.simd, self.x.channels)
        if self.style not in STYLES:
            raise RecipeError(f"{self.name}: style must be one of {', '.join(STYLES)}, not {self.style}")
        spans = self.span * 2
        if any(p >= span for p, span in zip(self.pads, spans, strict=True)):
            raise RecipeError(
                f"{self.name}: padding must be less than the window's span {self.span}, not {self.pads}; pad by a layer of its own"
            )
        assert min(self.size) > 0, f"{self.name}: its {self.kernel} window is larger than {self.x}"

    @property
    def span(self) -> tuple[int, int]:
        """Rows and columns from the first to the last tap."""
        return (self.kernel[0] - 1) * self.dilation[0] + 1, (self.kernel[1] - 1) * self.dilation[1] + 1

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        (h, w, _), (t, left, b, r), (sh, sw) = self.x.shape, self.pads, self.stride
        return (h + t + b - self.span[0]) // sh + 1, (w + left + r - self.span[1]) // sw + 1

    @property
    def _row(self) -> int:
        """Elements of a row of taps where it can be read at once, else those of a pixel."""
        together = self.dilation[1] == 1 and self.order == "conv"
        return self.x.channels * (self.kernel[1] if together else 1)

    @property
    def whole(self) -> int:
        """Elements of a window where all can be read at once, else 0: its taps are neighbours, a row's first window
        needs no column beyond the edge, and no more windows begin than pixels come."""
        (h, w, c), (kh, kw), (sh, sw), (oh, ow) = self.x.shape, self.kernel, self.stride, self.size
        able = self.order == "conv" and self.dilation == (1, 1) and kh > 1 and w > 1
        fits = kw - self.pads[1] <= w and (oh - 1) * sh < h and (ow - 1) * sw < w
        return kh * kw * c if able and fits else 0

    def holds(self, simd: int) -> bool:
        """True where so many elements are neighbouring windows that can leave together, as many as pixels come."""
        if not self.whole or simd % self.whole:
            return False
        (_, w, _), many = self.x.shape, simd // self.whole
        late = -((self.pads[1] + 1 - self.kernel[1]) // many)
        rows = w % many == 0 == self.size[1] % many and w // many > max(late, 1)
        return many == 1 or (self.stride[1] == 1 and rows)

    @property
    def lanes(self) -> int:
        """Taps of one word."""
        return max(self.simd // self.x.channels, 1)

    @property
    def blocks(self) -> int:
        """Words of one pixel of x."""
        return self.x.channels // self._par

    @property
    def _par(self) -> int:
        """Channels of one word of x."""
        return self.simd // self.lanes

    @property
    def taps(self) -> Ints:
        """The integers a tap can hold: those of x, and the padding where it is something else."""
        return self.x.ints.join(ints_of(self.pad)) if any(self.pads) and self.pad not in self.x.ints else self.x.ints

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self._par),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        cols = self.kernel[0] * self.kernel[1] * self.x.channels
        return (Stream(Port((*self.size, cols), self.taps), self.simd),)

    @property
    def cycles(self) -> int:
        return max(self.ins[0].words, self.outs[0].words)

    @property
    def latency(self) -> int:
        return int(self._need[0]) + 1

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
        return -(-words_ // self.lanes) * self.lanes

    def foldings(self) -> Iterator[dict[str, int]]:
        yield from ({"simd": simd} for simd in divisors(self.x.channels))
        if self._row > self.x.channels:
            yield {"simd": self._row}
        yield from ({"simd": n * self.whole} for n in PIXELS if self.whole and self.holds(n * self.whole))

    def folded(self, **folding: Any) -> Window:
        from hwflow.units.lines import Lines

        values = {f.name: getattr(self, f.name) for f in fields(self)} | folding
        kind = Lines if self.holds(values["simd"]) else Window
        return kind(**values)

    @property
    def per_channel(self) -> bool:
        return any(self.pads) and len(np.unique(self.pad)) > 1

    def params(self) -> dict[str, int | str]:
        """Pad is the code of the one padding value; PadFile holds a word for each block where channels differ."""
        (h, w, c), (t, left, b, r) = self.x.shape, self.pads
        return {
            "Height": h, "Width": w, "Channels": c, "Simd": self.simd,
            "KernelH": self.kernel[0], "KernelW": self.kernel[1], "StrideH": self.stride[0], "StrideW": self.stride[1],
            "DilationH": self.dilation[0], "DilationW": self.dilation[1],
            "PadTop": t, "PadLeft": left, "PadBottom": b, "PadRight": r,
            "XBits": self.x.ints.bits, "XKind": self.x.ints.kind, "YBits": self.taps.bits,
            "Depthwise": ORDERS.index(self.order), "Depth": self.depth, "Style": STYLES.index(self.style),
            "Pad": int(self.taps.encode(self.pad[:1])[0]) if any(self.pads) and not self.per_channel else 0,
            "PadFile": f"{self.name}_pad.mem" if self.per_channel else "",
        }  # fmt: skip

    def memories(self) -> dict[str, Memory]:
        """The padding of each block of channels, channel 0 low, where it differs between channels."""
        if not self.per_channel:
            return {}
        bits = self.taps.bits
        return {
            f"{self.name}_pad.mem": Memory(self._par * bits, tuple(words(self.taps.encode(self.pad), bits, self._par)))
        }

    @staticmethod
    def shape(p: Params) -> Shape:
        """Counters of places, the banks of the ring, and the masks of padding."""
        lanes = max(p["Simd"] // p["Channels"], 1)
        blocks, padded = (
            p["Channels"] * lanes // p["Simd"],
            p["PadTop"] + p["PadLeft"] + p["PadBottom"] + p["PadRight"] > 0,
        )
        image = p["Height"] * p["Width"] * blocks
        counts = {
            "one": 1, "address": counter(p["Depth"]), "credit": counter(image + p["Depth"]),
            "counters": counter(blocks, p["KernelH"], p["KernelW"], p["Height"] // p["StrideH"], p["Width"] // p["StrideW"]),
            "padded": padded, "position": counter(p["Height"] + 2, p["Width"] + 2) * padded,
            "lanes": p["Simd"] * p["YBits"] * padded, "widened": p["Simd"] * (p["YBits"] - p["XBits"]), "banks": p["Simd"] * p["XBits"] * (lanes > 1),
        }  # fmt: skip
        ring = [Store(p["Simd"] // lanes * p["XBits"], ceil(p["Depth"] / lanes), STYLE[p["Style"]], rom=False)] * lanes
        pads = [Store(p["Simd"] // lanes * p["YBits"], blocks)] if p["PadFile"] else []
        return Shape(counts, (*ring, *pads))

    @staticmethod
    def path(p: Params) -> Mapping[str, float]:
        """Carries of the credits."""
        return {"carry": counter(p["Height"] * p["Width"] * p["Channels"] + p["Depth"])}

    def run(self, *xs: Array) -> tuple[Array, ...]:
        x = xs[0].reshape(len(xs[0]), *self.x.shape)
        y = windows(x, self.kernel, self.stride, self.pads, self.dilation, np.broadcast_to(self.pad, x.shape[-1:]))
        if self.order == "depthwise":
            y = y.reshape(*y.shape[:5], self.blocks, self._par).transpose(0, 1, 2, 5, 3, 4, 6)
        return (y.reshape(len(x), *self.outs[0].port.shape),)


def samples() -> tuple[Unit, ...]:
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
        make("apart", (5, 5, 6), BIPOLAR, (3, 3), pads=(1, 1, 1, 1), order="depthwise", simd=2),
        make("lower", (4, 4, 2), Ints(3, 9), (2, 2), pads=(1, 1, 0, 0), pad=np.array([-5, 2]), order="depthwise", simd=1, style="block"),
    )  # fmt: skip
