"""Windows of a file: convolutions, pools, borders, and the choice of the largest at the end.

Stands on products and real.
"""

from __future__ import annotations

import numpy as np

from hwflow import real
from hwflow.bits import Array
from hwflow.ops import Pads
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import ANY, BYTES, Refused, operator
from hwflow.qonnx.products import bias_behind, dense, moved, weights
from hwflow.qonnx.reader import Reader, axes_of, raster_order, shown
from hwflow.qonnx.values import BATCH, Const, Padding, Ref, Unknown, Value, dims_of

AUTO = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
WINDOW = {"auto_pad": AUTO, "dilations": ANY, "kernel_shape": ANY, "pads": ANY, "strides": ANY}


def image(ref: Ref, last: bool = False) -> tuple[Ref, bool]:
    """The value with all its axes named, and True for a sequence (one row of pixels); refused unless it is one of them."""
    if len(ref.shape) == 3:
        for letters, flat in (("NHWC", False), ("NWC", True)) if last else (("NCHW", False), ("NCW", True)):
            if ref.laid(letters) and not (flat and ref.shape[0] != 1):
                return ref.as_laid(letters), flat
    want = "(batch, height, width, channels)" if last else "(batch, channels, height, width)"
    raise Refused("input", f"takes {want}, not {shown(ref)} in another order", "transpose back before it")


def pair(call: Call, key: str, flat: bool, default: int = 1) -> tuple[int, int]:
    """Two numbers of an attribute, rows first; a sequence has one."""
    values = [int(v) for v in call.attrs.get(key) or [default] * (1 if flat else 2)]
    if len(values) != (1 if flat else 2) or min(values) < 1:
        raise Refused(
            key,
            f"must be {'one number' if flat else 'two numbers'} of 1 or more, not {values}",
            "correct the attribute",
        )
    return (1, values[0]) if flat else (values[0], values[1])


def pads_of(
    call: Call, ref: Ref, flat: bool, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> Pads:
    """Padding (top, left, bottom, right) of a window."""
    auto = str(call.attrs.get("auto_pad", "NOTSET"))
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        both = []
        for size, k, s, d in zip(ref.shape, kernel, stride, dilation, strict=False):
            total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
            less, more = total // 2, total - total // 2
            both.append((less, more) if auto == "SAME_UPPER" else (more, less))
        return both[0][0], both[1][0], both[0][1], both[1][1]
    values = [int(v) for v in call.attrs.get("pads") or [0] * (2 if flat else 4)]
    if auto == "VALID":
        values = [0] * len(values)
    if len(values) != (2 if flat else 4) or min(values) < 0 or max(values) > 4096:
        raise Refused(
            "pads", f"must be {2 if flat else 4} numbers at or above 0, not {values[:6]}", "correct the attribute"
        )
    return (0, values[0], 0, values[1]) if flat else (values[0], values[1], values[2], values[3])


@operator("Conv", versions=(1, 11, 22), attributes=WINDOW | {"group": ANY})
@operator("Conv", domain="last", attributes=WINDOW | {"group": ANY})
def conv(reader: Reader, call: Call) -> Value:
    """Conv in one or two dimensions, with any stride, padding, dilation and groups."""
    ref, w = reader.raw_ref(call, 0), reader.const(call, 1)
    last = call.domain != ""
    if (
        len(ref.shape) == 1
        and w.value.ndim == 4
        and w.value.shape[2:] == (1, 1)
        and not any(call.attrs.get("pads") or ())
    ):
        # a 1x1 convolution of a vector is a product
        return _conv_of_vector(reader, call, ref, w)
    border = ref.border
    ref, flat = image(ref, last)
    if w.value.ndim != (3 if flat else 4):
        raise Refused("weights", f"have shape {w.value.shape}", "use (outputs, inputs, height, width)")
    if last:
        w = moved(w, lambda a: np.moveaxis(a, -1, 1))
    if flat:
        w = moved(w, lambda a: a[:, :, None, :])
    kernel = (w.value.shape[2], w.value.shape[3])
    named = call.attrs.get("kernel_shape")
    if named is not None and tuple(int(k) for k in named) != kernel[-len(named) :]:
        raise Refused("kernel_shape", f"is {list(named)}, the weights are {kernel}", "export the network again")
    stride, dilation = pair(call, "strides", flat), pair(call, "dilations", flat)
    pads, pad = pads_of(call, ref, flat, kernel, stride, dilation), 0.0
    if border is not None:
        pads, pad, ref = _joined(pads, border, ref)
    groups = int(call.attrs.get("group", 1))
    if groups < 1 or w.value.shape[0] % groups or w.value.shape[1] * groups != ref.shape[-1]:
        raise Refused(
            "group",
            f"{groups} groups of {w.value.shape[1]} channels do not make {ref.shape[-1]} channels and {w.value.shape[0]} outputs",
            "correct the shapes of the network",
        )
    node = real.Conv(
        name=reader.name(call), inputs=(ref.name,), weights=weights(moved(w, lambda a: a.transpose(0, 2, 3, 1))),
        stride=stride, pads=pads, pad=pad, dilation=dilation, groups=groups,
    )  # fmt: skip
    out = reader.emit(node, ref)
    return bias_behind(reader, call, out, reader.const(call, 2).value) if reader.has(call, 2) else out


def _conv_of_vector(reader: Reader, call: Call, ref: Ref, w: Const) -> Ref:
    out = dense(
        reader, call, Ref(ref.name, ref.shape, dims_of("NC"), order=ref.order), moved(w, lambda a: a[:, :, 0, 0])
    )
    out = bias_behind(reader, call, out, reader.const(call, 2).value) if reader.has(call, 2) else out
    return Ref(out.name, out.shape, (("N",), ("C",), (), ()))


def _joined(pads: Pads, border: Padding, ref: Ref) -> tuple[Pads, float, Ref]:
    """A border and a convolution's own padding as one."""
    if any(pads) and border.value != 0:
        raise Refused("pads", f"pads with 0 around a border of {border.value:g}", "pad once, with one value")
    t, left, b, r = (p + q for p, q in zip(pads, border.pads, strict=True))
    return (t, left, b, r), border.value, ref.like(ref.name, ref.shape)


@operator(
    "MaxPool",
    versions=(1, 8, 10, 11, 12, 22),
    attributes=WINDOW | {"ceil_mode": (0, 1), "storage_order": ANY},
    types=BYTES,
)
@operator("MaxPool", domain="last", attributes=WINDOW | {"ceil_mode": (0, 1), "storage_order": ANY})
@operator(
    "MaxPoolNHWC", domain="quant", attributes={"kernel_shape": ANY, "pads": ANY, "strides": ANY, "ceil_mode": (0, 1)}
)
def max_pool(reader: Reader, call: Call) -> Value:
    """MaxPool, in either order of axes; rounding up adds rows that hold nothing."""
    ref = reader.ref(call, 0)
    ref, flat = image(ref, call.op == "MaxPoolNHWC" or call.domain == "qonnx.custom_op.channels_last")
    kernel, stride, dilation = (pair(call, k, flat) for k in ("kernel_shape", "strides", "dilations"))
    if "kernel_shape" not in call.attrs:
        raise Refused("kernel_shape", "is absent", "export the network again")
    pads = pads_of(call, ref, flat, kernel, stride, dilation)
    if call.attrs.get("ceil_mode"):
        pads = _rounded_up(ref, kernel, stride, dilation, pads)
    if any(p >= (k - 1) * d + 1 for p, k, d in zip(pads, (*kernel, *kernel), (*dilation, *dilation), strict=True)):
        raise Refused("pads", f"{pads} reach beyond the window {kernel}", "use less padding")
    return reader.emit(
        real.MaxPool(
            name=reader.name(call), inputs=(ref.name,), kernel=kernel, stride=stride, pads=pads, dilation=dilation
        ),
        ref,
    )


def _rounded_up(
    ref: Ref, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], pads: Pads
) -> Pads:
    more = []
    for i in (0, 1):
        size = ref.shape[i] + pads[i] + pads[i + 2]
        span = (kernel[i] - 1) * dilation[i] + 1
        out = -(-(size - span) // stride[i]) + 1
        if (out - 1) * stride[i] >= ref.shape[i] + pads[i]:
            out -= 1
        more.append(max((out - 1) * stride[i] + span - size, 0))
    return pads[0], pads[1], pads[2] + more[0], pads[3] + more[1]


@operator(
    "AveragePool",
    versions=(1, 7, 10, 11, 19, 22),
    attributes=WINDOW | {"ceil_mode": (0, 1), "count_include_pad": (0, 1)},
)
def average_pool(reader: Reader, call: Call) -> Value:
    """AveragePool as a sum and a division."""
    ref, flat = image(reader.ref(call, 0))
    kernel, stride = pair(call, "kernel_shape", flat), pair(call, "strides", flat)
    if pair(call, "dilations", flat) != (1, 1):
        reader.unsupported(call, "dilations", call.attrs["dilations"], "use dilation 1")
    pads = pads_of(call, ref, flat, kernel, stride, (1, 1))
    if call.attrs.get("ceil_mode") and _rounded_up(ref, kernel, stride, (1, 1), pads) != pads:
        reader.unsupported(call, "ceil_mode", 1, "choose a stride that divides the image")
    if any(pads) and not call.attrs.get("count_include_pad"):
        reader.unsupported(call, "count_include_pad", 0, "set count_include_pad, or use no padding")
    return _average(reader, call, ref, kernel, stride, pads)


def _average(
    reader: Reader, call: Call, ref: Ref, kernel: tuple[int, int], stride: tuple[int, int], pads: Pads = (0, 0, 0, 0)
) -> Ref:
    node = real.SumPool(name=reader.name(call), inputs=(ref.name,), kernel=kernel, stride=stride, pads=pads)
    out = reader.emit(node, ref)
    by = np.array([kernel[0] * kernel[1]], np.float32)
    return reader.emit(
        real.Pointwise(
            name=reader.name(call, "_mean"), inputs=(out.name,), steps=real.steps.tidy((real.Step("div", by),))
        ),
        out,
    )


@operator("GlobalAveragePool", "GlobalMaxPool", versions=(1, 22))
def global_pool(reader: Reader, call: Call) -> Value:
    """GlobalAveragePool and GlobalMaxPool: one window as large as the image."""
    ref, _ = image(reader.ref(call, 0))
    whole = (ref.shape[0], ref.shape[1])
    if call.op == "GlobalMaxPool":
        return reader.emit(real.MaxPool(name=reader.name(call), inputs=(ref.name,), kernel=whole, stride=whole), ref)
    return _average(reader, call, ref, whole, whole)


@operator(
    "ReduceMean",
    "ReduceSum",
    versions=(1, 11, 13, 18),
    attributes={"axes": ANY, "keepdims": (0, 1), "noop_with_empty_axes": (0, 1)},
)
def reduce_mean(reader: Reader, call: Call) -> Value:
    """ReduceMean or ReduceSum over all pixels."""
    ref = reader.ref(call, 0)
    axes = axes_of(reader, call)
    rank = len(ref.dims)
    if not axes and call.attrs.get("noop_with_empty_axes"):
        return ref
    gone = sorted({a % rank for a in axes}) if axes else list(range(rank))
    over = {a for i in gone for a in ref.dims[i]}
    if len(ref.shape) != 3 or "C" in over or "N" in over or {a for a in "HW" if ref.sizes[a] > 1} - over:
        raise Refused(
            "axes", f"{call.op} over axes {gone} of {shown(ref)}", "average over height and width, all of both"
        )
    whole = (ref.shape[0], ref.shape[1])
    if call.op == "ReduceSum":
        out = reader.emit(real.SumPool(name=reader.name(call), inputs=(ref.name,), kernel=whole, stride=whole), ref)
    else:
        out = _average(reader, call, ref, whole, whole)
    keep = call.attrs.get("keepdims", 1)
    dims = tuple(() if i in gone else d for i, d in enumerate(out.dims) if keep or i not in gone)
    return Ref(out.name, out.shape, dims)


@operator(
    "QuantAvgPool2d",
    domain="quant",
    attributes={
        "kernel": ANY,
        "stride": ANY,
        "ibits": ANY,
        "obits": ANY,
        "signed": (0, 1),
        "data_layout": ("NCHW", "NHWC"),
    },
)
def quant_avg_pool(reader: Reader, call: Call) -> Value:
    """QONNX QuantAvgPool2d: the sum, shifted right to its output width."""
    ref, _ = image(reader.ref(call, 0), call.attrs.get("data_layout", "NCHW") == "NHWC")
    k, s, bits_in, bits_out = (int(call.attrs[key]) for key in ("kernel", "stride", "ibits", "obits"))
    out = reader.emit(real.SumPool(name=reader.name(call), inputs=(ref.name,), kernel=(k, k), stride=(s, s)), ref)
    shift = max(((2**bits_in - 1) * k * k).bit_length() - bits_out, 0)
    node = real.Pointwise(
        name=reader.name(call, "_shift"),
        inputs=(out.name,),
        steps=(real.Step("round"), real.Step("mul", np.array([2.0**-shift])), real.Step("floor")),
    )
    return reader.emit(node, out)


@operator("Upsample", versions=(7, 9, 10), attributes={"mode": ("nearest",), "scales": ANY})
@operator(
    "Resize",
    versions=(10, 11, 13, 18, 19),
    attributes={
        "mode": ("nearest",), "coordinate_transformation_mode": ANY, "nearest_mode": ANY,
        # these say something about other modes only
        "cubic_coeff_a": ANY, "exclude_outside": ANY, "extrapolation_value": ANY, "antialias": (0,),
        "axes": ANY, "keep_aspect_ratio_policy": ("stretch",),
    },
)  # fmt: skip
def upsample(reader: Reader, call: Call) -> Value:
    """Upsample and Resize to a multiple, nearest neighbour."""
    ref, _ = image(reader.ref(call, 0))
    scales = _factors(reader, call, ref)
    if (scales[:2] != 1).any() or (scales != np.rint(scales)).any() or (scales < 1).any():
        raise Refused(
            "scales", f"{[float(s) for s in scales]} are not whole factors of height and width", "use whole factors"
        )
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


def _factors(reader: Reader, call: Call, ref: Ref) -> Array:
    """By what each axis of the file's tensor grows, given as scales or as sizes, of all axes or of those named."""
    rank = len(ref.dims)
    at = 1 if call.op == "Upsample" or call.opset < 11 else 2
    axes = [int(a) % rank for a in call.attrs.get("axes", range(rank))]
    if sorted(set(axes)) != sorted(axes) or max(axes, default=0) >= rank:
        raise Refused("axes", f"are {axes} for {shown(ref)}", "name each axis once")
    if "scales" in call.attrs:
        given = np.asarray(call.attrs["scales"], np.float64)
    elif reader.has(call, at) and reader.const(call, at).value.size:
        given = reader.const(call, at).value.reshape(-1).astype(np.float64)
    elif call.opset >= 11 and reader.has(call, 3):
        now = np.array([ref.axes[a] if ref.axes[a] != BATCH else reader.static_batch or 1 for a in axes], np.float64)
        given = reader.const(call, 3).value.reshape(-1) / now
    else:
        raise Refused("scales", f"{call.op} has neither scales nor sizes", "export the network again")
    if len(given) != len(axes):
        raise Refused("scales", f"has {len(given)} numbers for {len(axes)} axes", "correct the shapes of the network")
    scales = np.ones(rank)
    scales[axes] = given
    return scales


@operator("ArgMax", versions=(1, 11, 12, 13), attributes={"axis": ANY, "keepdims": (0, 1), "select_last_index": (0,)})
@operator("TopK", versions=(1, 10, 11, 24), attributes={"axis": ANY, "k": ANY, "largest": (1,), "sorted": (1,)})
def top_k(reader: Reader, call: Call) -> Value | tuple[Value, ...]:
    """ArgMax and TopK over the classes: their indices."""
    ref = reader.ref(call, 0)
    axis = int(call.attrs.get("axis", 0 if call.op == "ArgMax" else -1)) % len(ref.dims)
    if "N" in ref.dims[axis] or int(np.prod(ref.axes[1:])) != ref.axes[axis]:
        raise Refused(
            "axis",
            f"{call.op} over axis {axis} of {shown(ref)}",
            "put it over the classes, at the end of the network",
        )
    order = raster_order(ref) if ref.order is None else ref.order
    if (order != np.arange(len(order))).any():
        raise Refused("axis", f"{call.op} over pixels and channels together", "put a dense layer in front of it")
    flat = reader.flat(call, ref)
    k = 1
    if call.op == "TopK":
        k = int(call.attrs["k"]) if "k" in call.attrs else int(reader.number(call, 1))
    node = real.TopK(name=reader.name(call), inputs=(flat.name,), k=k)
    reader.emit(node, flat)
    keep = call.op == "TopK" or call.attrs.get("keepdims", 1)
    out = Ref(
        node.name,
        (k,),
        tuple(("C",) if i == axis else d if "N" in d else () for i, d in enumerate(ref.dims) if keep or i != axis),
        kind="int64",
    )
    if call.op == "ArgMax":
        return out
    return _values_of(reader, call), out


def _values_of(reader: Reader, call: Call) -> Value:
    """The values of a TopK are not offered; only a reader of them is refused."""
    if (
        call.outputs
        and call.outputs[0]
        and (call.outputs[0] == reader.file.output or any(call.outputs[0] in c.inputs for c in reader.file.calls))
    ):
        raise Refused("output", "the values of TopK are used", "use its indices only")
    return Unknown()


@operator(
    "Pad",
    versions=(1, 2, 11, 13, 18, 19, 21, 23, 24, 25),
    attributes={"mode": ("constant",), "pads": ANY, "paddings": ANY, "value": ANY},
)
def pad(reader: Reader, call: Call) -> Value:
    """Pad with a constant."""
    given = call.attrs.get("pads") or call.attrs.get("paddings")
    sizes = np.asarray(given if given is not None else reader.const(call, 1).value).reshape(2, -1).astype(int)
    fill = (
        float(call.attrs["value"]) if "value" in call.attrs else reader.number(call, 2) if reader.has(call, 2) else 0.0
    )
    if reader.has(call, 3):
        rank = len(reader.ref(call, 0).dims)
        axes = [int(a) % rank for a in reader.const(call, 3).value.reshape(-1)]
        if sizes.shape[1] != len(axes) or len(set(axes)) != len(axes):
            raise Refused("axes", f"are {axes} for {sizes.shape[1]} pairs of paddings", "name each axis once")
        spread = np.zeros((2, rank), int)
        spread[:, axes] = sizes
        sizes = spread
    ref = reader.ref(call, 0)
    if sizes.shape[1] != len(ref.dims) or (sizes < 0).any() or sizes.max(initial=0) > 4096:
        raise Refused(
            "pads", f"{sizes.ravel().tolist()[:8]} for {shown(ref)}", "use paddings at or above 0, two for each axis"
        )
    by = {d[0]: (int(a), int(b)) for d, a, b in zip(ref.dims, *sizes, strict=True) if len(d) == 1}
    if any(a or b for d, a, b in zip(ref.dims, *sizes, strict=True) if len(d) != 1) or any(by.get("N", ())):
        raise Refused("pads", "pads an axis that is no height, width or channel", "pad images only")
    (t, b), (left, r) = by.get("H", (0, 0)), by.get("W", (0, 0))
    if any(by.get("C", ())):
        if fill != 0 or len(ref.shape) != 3:
            raise Refused("value", "pads channels with something else than 0", "pad channels of images with 0")
        return reader.emit(
            real.Pad(name=reader.name(call), inputs=(ref.name,), pads=(t, left, b, r), channels=by["C"]), ref
        )
    if not any((t, left, b, r)):
        return ref
    return Ref(ref.name, ref.shape, ref.dims, Padding((t, left, b, r), fill))
