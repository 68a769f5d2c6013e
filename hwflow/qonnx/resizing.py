"""What makes images larger: nearest and linear resize, transposed convolutions, depth to space and back, mirrored borders.

Stands on windows and shapes. Zeros between pixels are channels of zeros in another shape, so nothing new is needed.
"""

from __future__ import annotations

import numpy as np

from hwflow import real
from hwflow.bits import Array
from hwflow.qonnx.linear import WHERE, Side, parts_of_a_pixel, side
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import ANY, Refused, operator
from hwflow.qonnx.products import bias_behind, moved, weights
from hwflow.qonnx.reader import Reader
from hwflow.qonnx.shapes import reshaped_to
from hwflow.qonnx.values import BATCH, Ref, Value, shown
from hwflow.qonnx.windows import AUTO, image, pair


@operator("Upsample", versions=(7, 9, 10), attributes={"mode": ("nearest",), "scales": ANY})
@operator(
    "Resize",
    versions=(10, 11, 13, 18, 19),
    attributes={
        "mode": ("nearest", "linear"), "coordinate_transformation_mode": ANY, "nearest_mode": ANY,
        # these say something about other modes only
        "cubic_coeff_a": ANY, "exclude_outside": ANY, "extrapolation_value": ANY, "antialias": (0,),
        "axes": ANY, "keep_aspect_ratio_policy": ("stretch",),
    },
)  # fmt: skip
def upsample(reader: Reader, call: Call) -> Value:
    """Upsample and Resize: nearest neighbour to a multiple, or linear between pixels to any size."""
    ref, flat = image(reader, call, reader.ref(call, 0))
    scales, sizes = _scales_and_sizes(reader, call, ref)
    if (scales[:2] != 1).any() or (scales <= 0).any() or min(sizes) < 1:
        raise Refused(
            "scales", f"{[float(s) for s in scales]} resize batch or channels", "resize rows and columns only"
        )
    to = ((1, *sizes[2:]) if flat else sizes[2:])[:2]
    if str(call.attrs.get("mode", "nearest")) == "linear":
        return _linear(reader, call, ref, (1.0, *(float(s) for s in scales[2:]))[-2:], to)
    if (scales != np.rint(scales)).any():
        raise Refused(
            "scales", f"{[float(s) for s in scales]} are not whole factors of height and width",
            "use whole factors, or mode linear",
        )  # fmt: skip
    where, nearest = (
        str(call.attrs.get("coordinate_transformation_mode", "half_pixel")),
        str(call.attrs.get("nearest_mode", "round_prefer_floor")),
    )
    plain = (
        call.op == "Upsample"
        or call.opset < 11
        or (where == "asymmetric" and nearest == "floor")
        or (where in ("half_pixel", "pytorch_half_pixel") and nearest.startswith("round"))
    )
    if not plain and not (where == "asymmetric" and nearest == "round_prefer_floor" and scales.max() <= 2):
        reader.unsupported(call, "coordinate_transformation_mode", f"{where} and {nearest}", "use asymmetric and floor")
    factor = (1, *(int(s) for s in scales[2:]))[-2:]
    return reader.emit(real.Upsample(name=reader.name(call), inputs=(ref.name,), factor=(factor[0], factor[1])), ref)


def _scales_and_sizes(reader: Reader, call: Call, ref: Ref) -> tuple[Array, tuple[int, ...]]:
    """By what each axis of the file's tensor grows, and how long it is then; given for all axes or for those named."""
    rank = len(ref.dims)
    at = 1 if call.op == "Upsample" or call.opset < 11 else 2
    axes = [int(a) % rank for a in call.attrs.get("axes", range(rank))]
    if sorted(set(axes)) != sorted(axes) or max(axes, default=0) >= rank:
        raise Refused("axes", f"are {axes} for {shown(ref)}", "name each axis once")
    now = np.array([ref.axes[a] if ref.axes[a] != BATCH else reader.static_batch or 1 for a in range(rank)])
    scales, sizes = np.ones(rank), now.copy()
    if "scales" in call.attrs:
        given = np.asarray(call.attrs["scales"], np.float64)
    elif reader.has(call, at) and reader.const(call, at).value.size:
        given = reader.const(call, at).value.reshape(-1).astype(np.float64)
    elif call.opset >= 11 and reader.has(call, 3):
        given = reader.const(call, 3).value.reshape(-1)
    else:
        raise Refused("scales", f"{call.op} has neither scales nor sizes", "export the network again")
    if len(given) != len(axes):
        raise Refused("scales", f"has {len(given)} numbers for {len(axes)} axes", "correct the shapes of the network")
    if given.dtype.kind == "i":
        sizes[axes] = given
        scales[axes] = given / now[axes]
    else:
        scales[axes] = given
        # a product of float32 numbers, as ONNX's shapes and onnxruntime have it: 1.8 times 5 pixels are 9
        sizes[axes] = np.floor(given.astype(np.float32) * now[axes].astype(np.float32))
    return scales, tuple(int(n) for n in sizes)


MOST_PARTS = 64  # places between two pixels


def _linear(reader: Reader, call: Call, ref: Ref, scales: tuple[float, ...], to: tuple[int, ...]) -> Ref:
    """Linear interpolation to any size: zeros between pixels, and a convolution with a triangle of weights."""
    where = str(call.attrs.get("coordinate_transformation_mode", "half_pixel"))
    if where not in WHERE:
        reader.unsupported(call, "coordinate_transformation_mode", where, f"use one of {', '.join(WHERE)}")
    ends = list(zip(ref.shape, to, scales, strict=False))
    parts = max(parts_of_a_pixel(where, *end) for end in ends)
    if parts > MOST_PARTS:
        raise Refused(
            "scales",
            f"resizes {ref.shape[0]} x {ref.shape[1]} to {to[0]} x {to[1]} pixels by {' x '.join(f'{s:g}' for s in scales)}, "
            f"whose places divide a pixel into {parts} parts, more than {MOST_PARTS}",
            "use a whole factor with align_corners=False",
        )
    down, across = (side(where, *end) for end in ends)
    rows, cols = (
        np.clip(np.arange(-s.front, n + s.behind), 0, n - 1) for s, n in zip((down, across), ref.shape, strict=False)
    )
    ref = gathered_pixels(reader, call, ref, rows, cols)
    if down.stride == across.stride == 1:
        return _interpolate(reader, call, ref, down, across)
    # one axis after the other, so that fewer pixels have zeros between them
    if not down.still:
        ref = _interpolate(reader, call, ref, down, Side())
    return ref if across.still else _interpolate(reader, call, ref, Side(), across)


def _interpolate(reader: Reader, call: Call, ref: Ref, down: Side, across: Side) -> Ref:
    channels = ref.shape[2]
    wide = zeros_between(reader, call, ref, (down.parts, across.parts))
    ints = np.zeros((channels, len(down.weights), len(across.weights), 1), np.int64)
    ints[..., 0] = np.outer(down.weights, across.weights)
    node = real.Conv(
        name=reader.name(call), inputs=(wide.name,), weights=real.Weights(ints, np.array([1 / (down.whole * across.whole)])),
        stride=(down.stride, across.stride), pads=(down.pads[0], across.pads[0], down.pads[1], across.pads[1]), groups=channels,
        loose=down.loose + across.loose,
    )  # fmt: skip
    return reader.emit(node, wide)


def zeros_between(reader: Reader, call: Call, ref: Ref, factor: tuple[int, int]) -> Ref:
    """The image with factor - 1 zeros behind each pixel of a row, and such rows of zeros behind each row."""
    h, w, c = ref.shape
    name = ref.name
    if factor[1] > 1:
        name = _zeros_behind(reader, call, name, (factor[1] - 1) * c)
        name = reshaped_to(reader, call, name, (h, w * factor[1], c))
    if factor[0] > 1:
        row = w * factor[1] * c
        name = reshaped_to(reader, call, name, (h, 1, row))
        name = _zeros_behind(reader, call, name, (factor[0] - 1) * row)
        name = reshaped_to(reader, call, name, (h * factor[0], w * factor[1], c))
    return ref.like(name, reader.shapes[name])


def _zeros_behind(reader: Reader, call: Call, name: str, count: int) -> str:
    node = real.Pad(name=reader.name(call, "_zeros"), inputs=(name,), channels=(0, count))
    reader.add(node)
    return node.name


def gathered_pixels(reader: Reader, call: Call, ref: Ref, rows: Array, cols: Array) -> Ref:
    """The image made of these rows and columns of it, any of them several times: crops, one behind the other."""
    for axis, wanted in ((0, rows), (1, cols)):
        size = ref.shape[axis]
        if np.array_equal(wanted, np.arange(size)):
            continue
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) != 1) + 1)
        parts = [_run(reader, call, ref, axis, int(r[0]), len(r)) for r in runs]
        h, w, c = ref.shape
        shapes = [(1, 1, len(r) * w * c) if axis == 0 else (h, 1, len(r) * c) for r in runs]
        names = tuple(reshaped_to(reader, call, p, s) for p, s in zip(parts, shapes, strict=True))
        node = real.Concat(name=reader.name(call, "_border"), inputs=names)
        reader.add(node)
        shape = (len(wanted), w, c) if axis == 0 else (h, len(wanted), c)
        name = reshaped_to(reader, call, node.name, shape)
        ref = ref.like(name, shape)
    return ref


def _run(reader: Reader, call: Call, ref: Ref, axis: int, start: int, length: int) -> str:
    """Rows or columns start .. start + length of an image: a window that is as long as what is left over, with a single 1."""
    size, channels = ref.shape[axis], ref.shape[2]
    if length == size:
        return ref.name
    kernel = (size - length + 1, 1) if axis == 0 else (1, size - length + 1)
    ints = np.zeros((channels, *kernel, 1), np.int64)
    ints[(slice(None), start, 0, 0) if axis == 0 else (slice(None), 0, start, 0)] = 1
    node = real.Conv(
        name=reader.name(call, "_crop"), inputs=(ref.name,), weights=real.Weights(ints, np.ones(1)), groups=channels
    )
    reader.add(node)
    return node.name


@operator(
    "ConvTranspose", versions=(1, 11, 22),
    attributes={
        "auto_pad": AUTO, "dilations": ANY, "group": ANY, "kernel_shape": ANY, "output_padding": ANY,
        "output_shape": (), "pads": ANY, "strides": ANY,
    },
)  # fmt: skip
def transposed(reader: Reader, call: Call) -> Value:
    """ConvTranspose as zeros between pixels and a convolution with the weights turned around."""
    (ref, flat), w = image(reader, call, reader.ref(call, 0)), reader.const(call, 1)
    if str(call.attrs.get("auto_pad", "NOTSET")) not in ("NOTSET", "VALID"):
        reader.unsupported(call, "auto_pad", call.attrs["auto_pad"], "use pads")
    if w.value.ndim != (3 if flat else 4):
        raise Refused("weights", f"have shape {w.value.shape}", "use (inputs, outputs, height, width)")
    if flat:
        w = moved(w, lambda a: a[:, :, None, :])
    groups = int(call.attrs.get("group", 1))
    inputs, each, kh, kw = w.value.shape
    if groups < 1 or inputs % groups or inputs != ref.shape[-1]:
        raise Refused("group", f"{groups} groups of weights {w.value.shape} for {shown(ref)}", "correct the shapes")
    stride, dilation = pair(call, "strides", flat), pair(call, "dilations", flat)
    more = [int(v) for v in call.attrs.get("output_padding") or [0] * (1 if flat else 2)]
    more = [0, *more] if flat else more
    given = [int(v) for v in call.attrs.get("pads") or [0] * (2 if flat else 4)]
    given = [0, given[0], 0, given[1]] if flat else given
    # outputs (groups * each), rows turned around; a group's inputs are its depth
    w = moved(
        w,
        lambda a: a.reshape(groups, inputs // groups, each, kh, kw)[..., ::-1, ::-1].transpose(0, 2, 3, 4, 1)
        .reshape(groups * each, kh, kw, inputs // groups),
    )  # fmt: skip
    found = weights(w)
    pads, extra = [], []
    for i, k in enumerate((kh, kw)):
        reach = (k - 1) * dilation[i]
        ends = (reach - given[i], reach - given[i + 2] + more[i] - (stride[i] - 1))
        pads.append([max(e, 0) for e in ends])
        extra.append([max(-e, 0) for e in ends])  # outputs that are cut off: weights of 0 in front or behind
        if any(extra[i]) and dilation[i] > 1:
            raise Refused("pads", "cut off outputs of a dilated transposed convolution", "use dilation 1")
    ints = np.pad(found.ints, ((0, 0), tuple(extra[0]), tuple(extra[1]), (0, 0)))
    ref = zeros_between(reader, call, ref, stride)
    node = real.Conv(
        name=reader.name(call), inputs=(ref.name,), weights=real.Weights(ints, found.scale),
        pads=(pads[0][0], pads[1][0], pads[0][1], pads[1][1]), dilation=dilation, groups=groups,
    )  # fmt: skip
    out = reader.emit(node, ref)
    return bias_behind(reader, call, out, reader.const(call, 2).value) if reader.has(call, 2) else out


@operator("DepthToSpace", versions=(1, 11, 13), attributes={"blocksize": ANY, "mode": ("DCR", "CRD")})
def depth_to_space(reader: Reader, call: Call) -> Value:
    """Channels become pixels of a block: zeros between pixels, and a convolution with a single 1 for each."""
    ref, _ = image(reader, call, reader.ref(call, 0))
    r, c = int(call.attrs["blocksize"]), ref.shape[2]
    if r < 1 or c % (r * r):
        raise Refused("blocksize", f"is {r} for {c} channels", "use a block whose square divides the channels")
    outputs = c // (r * r)
    ints = np.zeros((outputs, r, r, c), np.int64)
    for o in range(outputs):
        for i in range(r):
            for j in range(r):
                at = o * r * r + i * r + j if call.attrs.get("mode", "DCR") == "CRD" else (i * r + j) * outputs + o
                ints[o, r - 1 - i, r - 1 - j, at] = 1
    ref = zeros_between(reader, call, ref, (r, r))
    node = real.Conv(
        name=reader.name(call), inputs=(ref.name,), weights=real.Weights(ints, np.ones(1)), pads=(r - 1, r - 1, 0, 0)
    )
    return reader.emit(node, ref)


@operator("SpaceToDepth", versions=(1, 13), attributes={"blocksize": ANY})
def space_to_depth(reader: Reader, call: Call) -> Value:
    """Pixels of a block become channels: a convolution with a single 1 in each row, a block at a time."""
    ref, _ = image(reader, call, reader.ref(call, 0))
    r, (h, w, c) = int(call.attrs["blocksize"]), ref.shape
    if r < 1 or h % r or w % r:
        raise Refused("blocksize", f"is {r} for {shown(ref)}", "use a block that divides height and width")
    ints = np.zeros((c * r * r, r, r, c), np.int64)
    for i in range(r):
        for j in range(r):
            ints[(i * r + j) * c + np.arange(c), i, j, np.arange(c)] = 1
    node = real.Conv(name=reader.name(call), inputs=(ref.name,), weights=real.Weights(ints, np.ones(1)), stride=(r, r))
    return reader.emit(node, ref)
