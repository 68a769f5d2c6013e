"""Operators of random files that take images apart and put them together: splits, crops, shuffles, blocks, larger images.

Stands on drawing, quantize and spatial.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwflow.generate.drawing import Drawing, Grid, plus
from hwflow.generate.quantize import ready, weighted, weights
from hwflow.generate.spatial import BACK, FIRST, MOST_PIXELS, divided, shaped


def split(d: Drawing) -> None:
    """Channels, rows or columns in parts, joined again in another order, added, or one of them alone."""
    at = d.at
    axes = [i for i, s in enumerate(at.shape) if i and s > 1]
    if not axes:
        return
    axis = d.pick(axes)
    size = at.shape[axis]
    first = size // 2 if size % 2 == 0 and d.chance(60) else d.choose(1, size - 1)
    sizes = [first, size - first]
    shown = axis if d.chance(70) else axis - len(at.shape)
    attrs: dict[str, Any] = {"axis": shown}
    more: tuple[str, ...] = ()
    if d.opset < 13:
        attrs |= {"split": sizes}
    elif d.opset >= 18 and sizes[0] == sizes[1] and d.chance(60):
        attrs |= {"num_outputs": 2}
    else:
        more = (d.const(sizes, np.int64),)
    a = d.node("Split", at.name, *more, outputs=2, **attrs)
    b = f"{a}_1"
    shape = list(at.shape)
    if sizes[0] == sizes[1] and at.grid is not None and d.chance(35):
        shape[axis] = first
        d.to(d.node("Add", a, b), d.summed(plus(at.grid, at.grid)), shape=shape)
    elif d.chance(60):
        d.to(d.node("Concat", b, a, axis=axis), at.grid)
    else:
        which = d.choose(0, 1)
        shape[axis] = sizes[which]
        d.to((a, b)[which], at.grid, shape=shape)


def gathered(d: Drawing) -> None:
    """Chosen channels, rows or columns, in any order."""
    at = d.at
    axis = d.choose(1, len(at.shape) - 1)
    count = d.choose(1, at.shape[axis])
    indices = d.rng.permutation(at.shape[axis])[:count]
    shape = list(at.shape)
    shape[axis] = count
    d.to(d.node("Gather", at.name, d.const(indices, np.int64), axis=axis), at.grid, shape=shape)


def cropped(d: Drawing) -> None:
    """Part of any axis but the batch."""
    at = d.at
    axis = d.choose(1, len(at.shape) - 1)
    start = d.choose(0, at.shape[axis] - 1)
    end = d.choose(start + 1, at.shape[axis])
    shape = list(at.shape)
    shape[axis] = end - start
    shown = [start if d.chance(60) else start - at.shape[axis]], [end], [axis]
    if d.opset < 10:
        name = d.node("Slice", at.name, starts=shown[0], ends=shown[1], axes=shown[2])
    else:
        name = d.node("Slice", at.name, *(d.const(v, np.int64) for v in shown))
    d.to(name, at.grid, shape=shape)


def blocks(d: Drawing) -> None:
    """DepthToSpace or SpaceToDepth."""
    at = d.at
    if at.letters != "NCHW":
        return
    c, h, w = at.shape[1:]
    if c % 4 and 4 * h * w <= MOST_PIXELS and d.chance(60):  # a convolution in front, as super-resolution has it
        grid = ready(d)
        kernel, on = weights(d, (4, c, 1, 1), 0)
        d.to(d.node("Conv", d.at.name, kernel), weighted(d, grid, on, c), shape=shaped(d, [h, w], 4))
        at, c = d.at, 4
    if h % 2 == 0 and w % 2 == 0 and c <= 4 and d.chance(70):
        y = d.node("SpaceToDepth", at.name, blocksize=2)
        d.to(y, at.grid, shape=(at.shape[0], 4 * c, h // 2, w // 2))
    elif c % 4 == 0 and 4 * h * w <= MOST_PIXELS:
        mode = d.pick((None, "DCR", "CRD")) if d.opset >= 11 else None
        y = d.node("DepthToSpace", at.name, blocksize=2, mode=mode)
        d.to(y, at.grid, shape=(at.shape[0], c // 4, 2 * h, 2 * w))


def shuffled(d: Drawing) -> None:
    """The shuffle of grouped channels: a reshape, a transpose, a reshape back."""
    at = d.at
    c = at.size("C")
    groups = [g for g in range(2, c) if c % g == 0]
    if at.letters != "NCHW" or not groups:
        return
    g = d.pick(groups)
    h, w = at.shape[2:]
    y = d.node("Reshape", at.name, d.const([-1, g, c // g, h, w], np.int64))
    y = d.node("Transpose", y, perm=[0, 2, 1, 3, 4])
    d.to(d.node("Reshape", y, d.const([-1, c, h, w], np.int64)), at.grid)


def reduced_any(d: Drawing) -> None:
    """A maximum, minimum, sum or mean over any axes but the batch, kept or not; without them what is left stays an image."""
    at = d.at
    if at.letters not in (*FIRST, *BACK, "NC"):
        return
    op = d.pick(("ReduceMax", "ReduceMin", "ReduceSum", "ReduceMean"))
    if op in ("ReduceSum", "ReduceMean"):
        ready(d)
        at = d.at
    axes = list(range(1, len(at.shape)))
    gone = [i for i in axes if at.letters[i] in "HW"] if d.chance(40) else [i for i in axes if d.chance(50)]
    if not gone:
        return
    named = [i - len(at.shape) if d.chance(40) else i for i in gone]
    keep = d.choose(0, 1)
    attrs: dict[str, Any] = {"keepdims": keep} if not keep or d.chance(60) else {}
    if d.opset >= (13 if op == "ReduceSum" else 18):
        y = d.node(op, at.name, d.const(named, np.int64), **attrs)
    else:
        y = d.node(op, at.name, axes=named, **attrs)
    letters, shape = at.letters, [1 if i in gone else s for i, s in enumerate(at.shape)]
    if not keep:
        left = "".join(
            "N" if i == 0 else "C" if at.letters[i] == "C" else "W" for i in range(len(shape)) if i not in gone
        )
        if left in ("NC", "NCW", "NWC"):
            letters, shape = left, [s for i, s in enumerate(shape) if i not in gone]
        elif d.opset >= 13:
            y = d.node("Unsqueeze", y, d.const(gone, np.int64))
        else:
            y = d.node("Unsqueeze", y, axes=gone)
    taps, grid = int(np.prod([at.shape[i] for i in gone])), at.grid
    if op == "ReduceSum" and grid is not None:
        grid = d.summed(Grid(grid.step, grid.most * taps, grid.dyadic))
    elif op == "ReduceMean" and grid is not None:
        grid = divided(d, grid, taps)
    d.to(y, grid, letters, shape)


def interpolated(d: Drawing) -> None:
    """Resize between pixels, to any size, at the places of any of its rules."""
    at = d.at
    if at.letters not in FIRST or d.opset < 11:
        return
    ready(d)
    at = d.at
    pixels = [at.size(a) for a in at.letters if a in "HW"]
    out = [d.choose(1, 2 * s + 1) if d.chance(50) else s * d.choose(1, 2) for s in pixels]
    if int(np.prod(out)) > MOST_PIXELS:
        return
    attrs: dict[str, Any] = {"mode": "linear"}
    if d.chance(75):
        where = d.pick(("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"))
        attrs["coordinate_transformation_mode"] = where
    roi = "" if d.opset >= 13 else d.const(np.zeros(0))
    if d.chance(50) or not isinstance(d.b.shape[0], int):
        scales = np.array([1, 1, *(o / s for o, s in zip(out, pixels, strict=True))], np.float32)
        out = [int(np.floor(f * np.float32(s))) for f, s in zip(scales[2:], pixels, strict=True)]
        if min(out) < 1:
            return
        y = d.node("Resize", at.name, roi, d.const(scales), **attrs)
    else:
        empty = "" if d.opset >= 13 else d.const(np.zeros(0))
        y = d.node("Resize", at.name, roi, empty, d.const([1, at.size("C"), *out], np.int64), **attrs)
    if out != pixels:
        d.exact = False  # places and weights of outputs are float32 numbers
    d.to(y, at.grid if out == pixels else None, shape=shaped(d, out))


def transposed_conv(d: Drawing) -> None:
    """A transposed convolution of any kernel, stride, padding and grouping that keeps the image small."""
    if d.at.letters != "NCHW":
        return
    grid = ready(d)
    at = d.at
    c, pixels = at.size("C"), [at.size("H"), at.size("W")]
    kernel, stride = [d.choose(1, 3) for _ in pixels], [d.choose(1, 2) for _ in pixels]
    pads = [d.choose(0, min(1, k - 1)) for k in (*kernel, *kernel)]
    more = [d.choose(0, s - 1) if d.chance(25) else 0 for s in stride]
    out = [
        (p - 1) * s + k - a - b + m
        for p, s, k, a, b, m in zip(pixels, stride, kernel, pads[:2], pads[2:], more, strict=True)
    ]
    if min(out) < 1 or int(np.prod(out)) > MOST_PIXELS:
        return
    group = 1 if d.chance(70) else d.pick([g for g in range(1, c + 1) if c % g == 0])
    rows = d.choose(1, 3)
    # its weights are (inputs, outputs of a group, height, width)
    w, on = weights(d, (c, rows, *kernel), 1)
    bias = d.number(rows * group, True if d.dyadic else None) if d.chance(30) else None
    last = () if bias is None else (d.const(bias),)
    attrs: dict[str, Any] = {"strides": stride, "pads": pads}
    attrs |= {"group": group} if group > 1 or d.chance(50) else {}
    attrs |= {"kernel_shape": kernel} if d.chance(50) else {}
    attrs |= {"output_padding": more} if any(more) else {}
    y = d.node("ConvTranspose", at.name, w, *last, **attrs)
    terms = int(np.prod(kernel)) * (c // group)
    d.to(y, weighted(d, grid, on, terms, bias), shape=shaped(d, out, rows * group))


def beside(d: Drawing) -> None:
    """The image beside itself along rows or columns, or a vector behind itself."""
    at = d.at
    axes = [i for i, a in enumerate(at.letters) if a in ("HW" if len(at.shape) > 2 else "C")]
    if not axes or at.grid is None or 2 * at.elements > 200:
        return
    axis = d.pick(axes)
    other = d.node("Neg", at.name) if d.chance(50) else at.name
    shape = list(at.shape)
    shape[axis] *= 2
    d.to(d.node("Concat", at.name, other, axis=axis), Grid(at.grid.step, at.grid.most, at.grid.dyadic), shape=shape)
