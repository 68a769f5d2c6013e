"""Operators on images and sequences of random files: convolutions, pools, borders, resizing, reductions, slices.

Stands on drawing and quantize. Every drawer leaves the file as it is where its operator does not fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwflow.generate.drawing import LAST, Drawing, Grid, plus
from hwflow.generate.quantize import ready, weighted, weights

FIRST = ("NCHW", "NCW")
BACK = ("NHWC", "NWC")
MOST_PIXELS = 64


class Window:
    """Kernel, stride, padding and dilation of a window that fits the image, and the size of what it gives."""

    def __init__(self, d: Drawing, dilated: bool = True, padded: bool = True):
        """In a layout with channels last, pads are the same on both sides and never automatic, as qonnx wants them."""
        last = d.at.letters in BACK
        sizes = [d.at.size(a) for a in d.at.letters if a in "HW"]
        n = len(sizes)
        self.kernel = [d.choose(1, min(3, s)) for s in sizes]
        self.stride = [d.choose(1, 2) for _ in sizes] if d.chance(50) else [1] * n
        self.dilation = [1] * n
        self.pads = [0] * (2 * n)
        self.auto: str | None = None
        if padded and d.chance(50):
            self.pads = [d.choose(0, k - 1) if k > 1 else 0 for k in (*self.kernel, *self.kernel)]
            if last:
                self.pads = self.pads[:n] * 2
        if dilated and d.chance(20):
            self.dilation = [d.choose(1, 2) for _ in sizes]
        self.dilation = [
            x if (k - 1) * x + 1 <= s + a + b else 1
            for x, k, s, a, b in zip(self.dilation, self.kernel, sizes, self.pads[:n], self.pads[n:], strict=True)
        ]
        if padded and not last and not any(self.pads) and self.dilation == [1] * n and d.chance(25):
            self.auto = d.pick(("SAME_UPPER", "SAME_LOWER", "VALID"))
            if any(s > k for s, k in zip(self.stride, self.kernel, strict=True)):
                self.auto = "VALID"  # onnxruntime takes away where others add nothing
        if self.auto in ("SAME_UPPER", "SAME_LOWER"):
            self.out = [-(-s // t) for s, t in zip(sizes, self.stride, strict=True)]
        else:
            self.out = [
                (s + a + b - (k - 1) * x - 1) // t + 1
                for s, a, b, k, x, t in zip(
                    sizes, self.pads[:n], self.pads[n:], self.kernel, self.dilation, self.stride, strict=True
                )
            ]

    def attrs(self, d: Drawing, kernel: bool = True, dilations: bool = True) -> dict[str, Any]:
        """Attributes; those at their default are often left out."""
        n = len(self.kernel)
        out: dict[str, Any] = {}
        if kernel or d.chance(60):
            out["kernel_shape"] = self.kernel
        if self.stride != [1] * n or d.chance(50):
            out["strides"] = self.stride
        if self.auto:
            out["auto_pad"] = self.auto
        elif any(self.pads) or d.chance(50):
            out["pads"] = self.pads
            if d.chance(20):
                out["auto_pad"] = "NOTSET"
        if dilations and (self.dilation != [1] * n or d.chance(40)):
            out["dilations"] = self.dilation
        return out


def shaped(d: Drawing, pixels: list[int], channels: int | None = None) -> tuple[int, ...]:
    """The shape of the last tensor with other pixels, and other channels."""
    at, rest = d.at, list(pixels)
    by = {"N": at.size("N"), "C": at.size("C") if channels is None else channels, "1": 1}
    return tuple(rest.pop(0) if a in "HW" else by[a] for a in at.letters)


def conv(d: Drawing) -> None:
    """A convolution of any kernel, stride, padding, dilation and grouping."""
    at = d.at
    if at.letters not in FIRST + BACK:
        return
    grid = ready(d)
    at, last = d.at, at.letters in BACK
    win = Window(d)
    c = at.size("C")
    group = 1 if last or d.chance(60) else d.pick([g for g in range(1, c + 1) if c % g == 0])
    rows = group * d.choose(1, 3) if group > 1 else d.choose(1, 6)
    w, on = weights(d, (rows, *win.kernel, c) if last else (rows, c // group, *win.kernel), 0)
    bias = d.number(rows, True if d.dyadic else None) if d.chance(30) else None
    more = () if bias is None else (d.const(bias),)
    if last:
        attrs: dict[str, Any] = {
            "kernel_shape": win.kernel, "strides": win.stride, "pads": win.pads, "dilations": win.dilation, "group": 1,
        }  # fmt: skip
    else:
        attrs = win.attrs(d, kernel=False) | ({"group": group} if group > 1 or d.chance(50) else {})
    terms = int(np.prod(win.kernel)) * (c // group)
    out = d.node("Conv", at.name, w, *more, domain=LAST if last else "", **attrs)
    d.to(out, weighted(d, grid, on, terms, bias), shape=shaped(d, win.out, rows))


def max_pool(d: Drawing) -> None:
    at = d.at
    if at.letters not in FIRST + BACK:
        return
    win = Window(d, dilated=at.letters in FIRST and d.opset >= 10)
    if at.letters in BACK:
        if at.letters == "NWC":
            return
        attrs: dict[str, Any] = {"kernel_shape": win.kernel, "strides": win.stride, "pads": win.pads}
        if d.chance(50):
            out = d.node("MaxPoolNHWC", at.name, domain="qonnx.custom_op.general", **attrs)
        else:
            out = d.node("MaxPool", at.name, domain=LAST, **attrs)
        d.to(out, at.grid, shape=shaped(d, win.out))
        return
    attrs = win.attrs(d, dilations=d.opset >= 10)
    if d.opset >= 10 and not win.auto and d.chance(15):
        attrs["ceil_mode"] = 1
        n = len(win.kernel)
        sizes = [at.size(a) for a in at.letters if a in "HW"]
        for i in range(n):
            span = (win.kernel[i] - 1) * win.dilation[i] + 1
            up = -(-(sizes[i] + win.pads[i] + win.pads[i + n] - span) // win.stride[i]) + 1
            win.out[i] = up - 1 if (up - 1) * win.stride[i] >= sizes[i] + win.pads[i] else up
    if d.chance(10):
        attrs["storage_order"] = 0
    d.to(d.node("MaxPool", at.name, **attrs), at.grid, shape=shaped(d, win.out))


def average(d: Drawing) -> None:
    """AveragePool, GlobalAveragePool, GlobalMaxPool or QONNX QuantAvgPool2d."""
    if d.at.letters == "NHWC" and d.chance(50):
        quantized_average(d)
    if d.at.letters not in FIRST:
        return
    kind = d.pick(("pool", "pool", "global", "largest", "quant", "quant"))
    if kind == "largest":
        ones = [1] * (len(d.at.shape) - 2)
        d.to(d.node("GlobalMaxPool", d.at.name), d.at.grid, shape=shaped(d, ones))
        return
    if kind == "quant":
        quantized_average(d)
        return
    grid = ready(d)
    at = d.at
    pixels = [at.size(a) for a in at.letters if a in "HW"]
    if kind == "global":
        d.to(
            d.node("GlobalAveragePool", at.name),
            divided(d, grid, int(np.prod(pixels))),
            shape=shaped(d, [1] * len(pixels)),
        )
        return
    win = Window(d, dilated=False)
    attrs = win.attrs(d, dilations=d.opset >= 19 and d.chance(20))
    if any(win.pads) and (not d.wild or d.chance(60)):
        attrs["count_include_pad"] = 1
    elif win.auto in ("SAME_UPPER", "SAME_LOWER") and not d.wild:
        return
    d.to(d.node("AveragePool", at.name, **attrs), divided(d, grid, int(np.prod(win.kernel))), shape=shaped(d, win.out))


def quantized_average(d: Drawing) -> None:
    """QONNX QuantAvgPool2d of integers, channels first or last."""
    if d.at.letters not in ("NCHW", "NHWC"):
        return
    bits, signed = d.choose(2, 8), d.choose(0, 1)
    width = d.const(np.float32(bits))
    x = d.node(
        "Quant", d.at.name, d.const(np.float32(1)), d.const(np.float32(0)), width, domain=d.general, signed=signed,
        narrow=0, rounding_mode="ROUND",
    )  # fmt: skip
    d.to(x, Grid(1.0, 2.0 ** (bits - signed), True))
    pixels = [d.at.size(a) for a in d.at.letters if a in "HW"]
    k, s = d.choose(1, min(*pixels, 3)), d.choose(1, 2)
    layout = d.at.letters if d.at.letters == "NHWC" or d.chance(50) else None
    y = d.node(
        "QuantAvgPool2d", d.at.name, domain="qonnx.custom_op.general", kernel=k, stride=s, ibits=bits,
        obits=d.choose(2, bits), signed=signed, data_layout=layout,
    )  # fmt: skip
    d.to(y, Grid(1.0, 2.0**bits * k * k, True), shape=shaped(d, [(p - k) // s + 1 for p in pixels]))


def divided(d: Drawing, grid: Grid, taps: int) -> Grid | None:
    """The grid of a mean: kept where the number of taps is a power of two."""
    total = d.summed(Grid(grid.step, grid.most * taps, grid.dyadic))
    return Grid(total.step / taps, grid.most, total.dyadic) if taps & (taps - 1) == 0 else None


def reduced(d: Drawing) -> None:
    """ReduceMean or ReduceSum over all pixels, axes kept or not."""
    at = d.at
    if at.letters not in FIRST + BACK:
        return
    grid = ready(d)
    at = d.at
    op = d.pick(("ReduceMean", "ReduceSum"))
    gone = [i for i, a in enumerate(at.letters) if a in "HW"]
    if d.wild and d.chance(20):
        gone = gone[:1]
    taps = int(np.prod([at.shape[i] for i in gone]))
    keep = d.choose(0, 1)
    shown = [i - len(at.shape) if d.chance(40) else i for i in gone]
    attrs: dict[str, Any] = {"keepdims": keep} if not keep or d.chance(60) else {}
    if d.opset >= (13 if op == "ReduceSum" else 18):
        y = d.node(op, at.name, d.const(shown, np.int64), **attrs)
    else:
        y = d.node(op, at.name, axes=shown, **attrs)
    total = d.summed(Grid(grid.step, grid.most * taps, grid.dyadic)) if op == "ReduceSum" else divided(d, grid, taps)
    letters = "".join(("1" if keep else "") if i in gone else a for i, a in enumerate(at.letters))
    shape = [1 if i in gone else s for i, s in enumerate(at.shape) if keep or i not in gone]
    if (keep and len(gone) == 2) or (keep and at.letters in ("NCW", "NWC")):
        letters = at.letters
    d.to(y, total, letters, shape)


def padded(d: Drawing) -> None:
    """Pad with a constant around pixels, sometimes beside channels."""
    at = d.at
    if at.letters not in FIRST + BACK or int(np.prod(at.shape[1:])) > 150:
        return
    before, behind = ([d.choose(0, 1) if a in "HW" else 0 for a in at.letters] for _ in range(2))
    grid = at.grid
    fill = 0.0
    if d.chance(15):
        c = at.axis
        before[c], behind[c] = d.choose(0, 2), d.choose(0, 2)
        ready(d)
    elif d.chance(15):
        ready(d)
        fill = d.pick((1.0, -1.0)) * (d.at.grid.step if d.at.grid else 1.0)
    else:
        ready(d)
    at, grid = d.at, d.at.grid
    assert grid is not None
    sizes = [*before, *behind]
    mode = "constant" if not d.wild or d.chance(90) else d.pick(("reflect", "edge"))
    if d.opset < 11:
        attrs: dict[str, Any] = {"pads": sizes, "value": fill} if fill or d.chance(50) else {"pads": sizes}
        y = d.node("Pad", at.name, mode=mode if mode != "constant" or d.chance(50) else None, **attrs)
    else:
        more = (d.const(np.float32(fill)),) if fill or d.chance(50) else ()
        y = d.node(
            "Pad", at.name, d.const(sizes, np.int64), *more, mode=mode if mode != "constant" or d.chance(50) else None
        )
    grid = Grid(grid.step, max(grid.most, abs(fill)), grid.dyadic)
    d.to(y, grid, shape=[s + a + b for s, a, b in zip(at.shape, before, behind, strict=True)])
    if fill:
        conv(d)


def resized(d: Drawing) -> None:
    """Upsample or Resize by whole factors, nearest neighbour."""
    at = d.at
    if at.letters not in FIRST or (at.letters == "NCW" and d.opset < 11):
        return
    pixels = [at.size(a) for a in at.letters if a in "HW"]
    factors = [d.choose(1, 3 if not d.wild else 4) if s <= 4 else 1 for s in pixels]
    out = [s * f for s, f in zip(pixels, factors, strict=True)]
    if int(np.prod(out)) > MOST_PIXELS:
        return
    scales = np.array([1, 1, *factors], np.float32)
    attrs: dict[str, Any] = {"mode": "nearest"} if d.chance(80) else {}
    if d.opset < 10:
        y = d.node("Upsample", at.name, d.const(scales), **attrs)
    elif d.opset == 10:
        y = d.node("Resize", at.name, d.const(scales), **attrs)
    else:
        attrs |= d.pick((
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
            {}, {"coordinate_transformation_mode": "half_pixel"},
            {"coordinate_transformation_mode": "pytorch_half_pixel", "nearest_mode": "round_prefer_ceil"},
        ))  # fmt: skip
        if d.wild and d.chance(25):
            attrs["coordinate_transformation_mode"] = d.pick(("align_corners", "asymmetric", "half_pixel"))
            attrs["nearest_mode"] = d.pick(("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"))
        roi = "" if d.opset >= 13 else d.const(np.zeros(0))
        if d.wild and d.opset >= 18 and d.chance(30):
            attrs["axes"] = [2, 3][: len(pixels)]
            y = d.node("Resize", at.name, "", d.const(scales[2:]), **attrs)
        elif d.chance(50) or at.size("N") != 1 or not isinstance(d.b.shape[0], int):
            y = d.node("Resize", at.name, roi, d.const(scales), **attrs)
        else:
            empty = "" if d.opset >= 13 else d.const(np.zeros(0))
            y = d.node("Resize", at.name, roi, empty, d.const([1, at.size("C"), *out], np.int64), **attrs)
    d.to(y, at.grid, shape=shaped(d, out))


def sliced(d: Drawing) -> None:
    """Every n-th row or column; any part in a wild file."""
    at = d.at
    if at.letters not in FIRST + BACK:
        return
    axes = [i for i, a in enumerate(at.letters) if a in "HW"]
    if d.chance(30):
        axes = axes[:1]
    starts, ends, steps = (
        [0] * len(axes),
        [d.pick((at.shape[i], 1 << 30)) for i in axes],
        [d.choose(1, 2) for _ in axes],
    )
    if d.wild and d.chance(40):
        starts = [d.choose(0, at.shape[i] - 1) for i in axes]
    shape = list(at.shape)
    for i, s, k in zip(axes, starts, steps, strict=True):
        shape[i] = -(-(at.shape[i] - s) // k)
    if d.opset < 10:
        if max(steps) > 1:
            return
        y = d.node("Slice", at.name, starts=starts, ends=ends, axes=axes)
    else:
        parts = [d.const(v, np.int64) for v in (starts, ends, axes)]
        if max(steps) > 1 or d.chance(50):
            parts.append(d.const(steps, np.int64))
        y = d.node("Slice", at.name, *parts)
    d.to(y, at.grid, shape=shape)


def concat(d: Drawing) -> None:
    """Channels beside each other: two paths of one tensor."""
    from hwflow.generate.pointwise import branch

    at = d.at
    if at.letters not in FIRST + BACK or at.size("C") > 8:
        return
    ready(d, 8)
    start = d.at
    parts = []
    for _ in range(d.choose(2, 3)):
        d.at = start
        if d.chance(65):
            branch(d)
        parts.append(d.at)
    if any(p.grid is None for p in parts):
        d.at = start
        return
    grids = [p.grid for p in parts if p.grid is not None]
    grid = grids[0]
    for other in grids[1:]:
        grid = Grid(plus(grid, other).step, max(grid.most, other.most), grid.dyadic and other.dyadic)
    shape = list(at.shape)
    shape[at.axis] *= len(parts)
    axis = at.axis if d.chance(70) else at.axis - len(at.shape)
    d.to(d.node("Concat", *(p.name for p in parts), axis=axis), grid, shape=shape)
