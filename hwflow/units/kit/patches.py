"""What units that cut patches out of images share: kernel, stride, padding, and where each patch lies.

Stands on units.kit.base. `window` gives patches piece by piece, `lines` whole in a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from hwflow.bits import Array, Ints, ints_of
from hwflow.errors import RecipeError
from hwflow.families import Family
from hwflow.graph import frozen
from hwflow.ops import Port
from hwflow.units.kit.base import FinnLayer, Unit
from hwflow.units.kit.stores import STYLE
from hwflow.units.kit.streams import PIXELS, Stream, divisors
from hwflow.windows import Pads, windows

ORDERS = ("conv", "depthwise")  # kh, kw, c; or blocks of simd channels: block, kh, kw, c in the block
STYLES = STYLE[:3]  # rows are no constants


@dataclass(frozen=True, eq=False, kw_only=True)
class Patches(Unit):
    """y[p, q, i, j, c] = x[p*sh + i*dh - top, q*sw + j*dw - left, c], or pad[c] outside the image.

    Padding -1/+1 data with 0 makes the elements two bits wide (Ints(-1, 1)). Which of its kinds a unit is follows
    from its folding: `simd` elements a word are a part of a window, or several whole ones. Where windows lie further
    apart than a pixel, `pe` elements a word of x may be so many whole pixels that each completes those windows.
    """

    rate_matched: ClassVar[bool] = True
    kinds: ClassVar[list[type[Patches]]] = []  # the classes derived from this one
    complete: ClassVar[bool] = False  # windows leave whole in a word
    x: Port  # (H, W, C)
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pads: Pads = (0, 0, 0, 0)  # top, left, bottom, right; each less than the kernel's span
    dilation: tuple[int, int] = (1, 1)
    pad: Array = field(default_factory=lambda: np.zeros(1, np.int64))  # int, (1,) or (C,)
    order: str = "conv"
    simd: int = 1
    pe: int = 0  # 0: as many pixels of x a word as windows of y
    style: str = "auto"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Patches.kinds.append(cls)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pad", frozen(self.pad, np.int64))
        assert self.order in ORDERS, f"{self.name}: order must be one of {ORDERS}, not {self.order}"
        assert self.pad.shape in ((1,), (self.x.channels,)), f"{self.name}: {self.pad.shape} pad values for {self.x}"
        self.check_width()
        if self.style not in STYLES:
            raise RecipeError(f"{self.name}: style must be one of {', '.join(STYLES)}, not {self.style}")
        spans = self.span * 2
        if any(p >= span for p, span in zip(self.pads, spans, strict=True)):
            raise RecipeError(
                f"{self.name}: padding must be less than the window's span {self.span}, not {self.pads}; pad by a layer of its own"
            )
        assert min(self.size) > 0, f"{self.name}: its {self.kernel} window is larger than {self.x}"

    def check_width(self) -> None:
        """RecipeError unless the unit can give words of `simd` elements."""
        raise NotImplementedError

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
        able = self.order == "conv" and self.dilation == (1, 1) and w > 1
        fits = kw - self.pads[1] <= w and (oh - 1) * sh < h and (ow - 1) * sw < w
        return kh * kw * c if able and fits else 0

    def holds(self, simd: int, pe: int = 0) -> bool:
        """True where so many elements are neighbouring windows that can leave together, a word for each that comes.

        A word of x is as many pixels as a word of y is windows (`pe` 0), or as windows begin `stride` apart.
        """
        if not self.whole or simd % self.whole:
            return False
        (_, w, c), (_, step), windows_ = self.x.shape, self.stride, simd // self.whole
        pixels = windows_ * step if pe else windows_
        if pe and (pe != pixels * c or step == 1 or pixels not in PIXELS[1:]):
            return False
        if pixels == 1:
            return self.kernel[0] > 1  # of one row, parts of a window are as fast
        begin = pixels - (step if pe else 1) + self.kernel[1] - 1 - self.pads[1]  # the last column of a row's first
        even = w % pixels == 0 == self.size[1] % windows_
        by_row = c > 1 and pixels in PIXELS and pixels < w and windows_ <= self.size[1]
        return (even or by_row) and (pe > 0 or step == 1) and -(-w // pixels) > max(begin // pixels, 1)

    @property
    def taps(self) -> Ints:
        """The integers a tap can hold: those of x, and the padding where it is something else."""
        return self.x.ints.join(ints_of(self.pad)) if any(self.pads) and self.pad not in self.x.ints else self.x.ints

    @property
    def taps_per_word(self) -> int:
        """Taps of one word of y."""
        raise NotImplementedError

    @property
    def par(self) -> int:
        """Elements of one word of x."""
        return self.simd // self.taps_per_word

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream.of(self.x, self.par),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        cols = self.kernel[0] * self.kernel[1] * self.x.channels
        return (Stream.of(Port((*self.size, cols), self.taps), self.simd),)

    def foldings(self) -> Iterator[dict[str, int]]:
        yield from ({"simd": simd} for simd in divisors(self.x.channels))
        if self._row > self.x.channels:
            yield {"simd": self._row}
        if not self.whole:
            return
        yield from ({"simd": n * self.whole} for n in PIXELS if self.holds(n * self.whole))
        for n in PIXELS[1:]:
            each = {"simd": n // self.stride[1] * self.whole, "pe": n * self.x.channels}
            if n % self.stride[1] == 0 and self.holds(**each):
                yield each

    @property
    def unfolded(self) -> tuple[str, ...]:
        """`pe` where every window that begins has a pixel of its own, which simd says all about."""
        return ("pe",) if self.stride[1] == 1 else ()

    @property
    def hurries(self) -> bool:
        return False

    def folded(self, **folding: Any) -> Patches:
        """The unit of that folding: of the kind whose words hold whole windows, or the other one."""
        values = {f.name: getattr(self, f.name) for f in fields(self)} | folding
        if "pe" not in folding and "simd" in folding:
            values["pe"] = 0
        complete = self.holds(values["simd"], values["pe"])
        return next(k for k in Patches.kinds if k.complete == complete)(**values)

    def styles(self, family: Family) -> tuple[str, ...]:
        """Where LUTs hold no memory that is written, the tool chooses between flip-flops and block RAM."""
        return ("lut" if family.lut_rams else "auto"), "block"

    @property
    def per_channel(self) -> bool:
        return any(self.pads) and len(np.unique(self.pad)) > 1

    def run(self, *xs: Array) -> tuple[Array, ...]:
        return (self.cut(xs[0]).reshape(len(xs[0]), *self.outs[0].port.shape),)

    def cut(self, x: Array) -> Array:
        """Every window of images (n, *shape): (n, rows, columns, kh, kw, channels)."""
        x = x.reshape(len(x), *self.x.shape)
        return windows(x, self.kernel, self.stride, self.pads, self.dilation, np.broadcast_to(self.pad, x.shape[-1:]))

    def finn_layers(self) -> list[FinnLayer]:
        """FINN pads in a layer of its own and has another one for windows of one pixel."""
        folding = {"SIMD": min(self.simd, self.x.channels)}
        pad: list[FinnLayer] = [("FMPadding", "rtl", dict(folding))] if any(self.pads) else []
        if self.kernel == (1, 1):
            return [*pad, *([("DownSampler", "hls", folding)] if self.stride != (1, 1) else [])]
        return [*pad, ("ConvolutionInputGenerator", "rtl", folding)]

    @property
    def edges(self) -> dict[str, int]:
        """Parameters of the windows: kernel, stride and padding."""
        t, left, b, r = self.pads
        return {
            "KernelH": self.kernel[0], "KernelW": self.kernel[1], "StrideH": self.stride[0], "StrideW": self.stride[1],
            "PadTop": t, "PadLeft": left, "PadBottom": b, "PadRight": r,
            "XBits": self.x.ints.bits, "XKind": self.x.ints.kind, "YBits": self.taps.bits,
        }  # fmt: skip

    @property
    def padding(self) -> dict[str, int | str]:
        """Pad is the code of the one padding value; PadFile holds it word by word where channels differ."""
        return {
            "Pad": int(self.taps.encode(self.pad[:1])[0]) if any(self.pads) and not self.per_channel else 0,
            "PadFile": f"{self.name}_pad.mem" if self.per_channel else "",
        }
