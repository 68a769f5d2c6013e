"""Windows of a file: convolutions, pools, borders, and the choice of the largest at the end.

Stands on products and real.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwflow import real
from hwflow.ops import Pads
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import ANY, BYTES, Refused, operator
from hwflow.qonnx.products import bias_behind, dense, moved, weights
from hwflow.qonnx.reader import Reader
from hwflow.qonnx.values import Const, Padding, Ref, Unknown, Value, dims_of, raster_order, shown
from hwflow.qonnx.views import in_order, places_of

AUTO = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
WINDOW = {"auto_pad": AUTO, "dilations": ANY, "kernel_shape": ANY, "pads": ANY, "strides": ANY}


def image(reader: Reader, call: Call, ref: Ref, last: bool = False) -> tuple[Ref, bool]:
    """The value as an image with all its axes named, and True for a sequence (one row of pixels)."""
    for again in (False, True):
        if len(ref.shape) == 3:
            for letters, flat in (("NHWC", False), ("NWC", True)) if last else (("NCHW", False), ("NCW", True)):
                if ref.laid(letters) and not (flat and ref.shape[0] != 1):
                    return ref.as_laid(letters), flat
        if again or len(ref.axes) not in (3, 4):
            break
        ref = reader.settled(ref)
        ref = in_order(reader, call, replace(ref, view=places_of(ref), order=None), last)
    want = "(batch, height, width, channels)" if last else "(batch, channels, height, width)"
    raise Refused("input", f"takes {want} or (batch, channels, steps), not {shown(ref)}", "reshape it to an image")


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
    ref, flat = image(reader, call, ref, last)
    border = ref.border  # None where another layout has asked to put it there already
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
        pads, pad, ref = _join_border(pads, border, ref)
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


def _join_border(pads: Pads, border: Padding, ref: Ref) -> tuple[Pads, float, Ref]:
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
    ref, flat = image(reader, call, ref, call.op == "MaxPoolNHWC" or call.domain == "qonnx.custom_op.channels_last")
    kernel, stride, dilation = (pair(call, k, flat) for k in ("kernel_shape", "strides", "dilations"))
    if "kernel_shape" not in call.attrs:
        raise Refused("kernel_shape", "is absent", "export the network again")
    pads = pads_of(call, ref, flat, kernel, stride, dilation)
    if call.attrs.get("ceil_mode"):
        pads = _round_up(ref, kernel, stride, dilation, pads)
    if any(p >= (k - 1) * d + 1 for p, k, d in zip(pads, (*kernel, *kernel), (*dilation, *dilation), strict=True)):
        raise Refused("pads", f"{pads} reach beyond the window {kernel}", "use less padding")
    return reader.emit(
        real.MaxPool(
            name=reader.name(call), inputs=(ref.name,), kernel=kernel, stride=stride, pads=pads, dilation=dilation
        ),
        ref,
    )


def _round_up(
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
    ref, flat = image(reader, call, reader.ref(call, 0))
    kernel, stride = pair(call, "kernel_shape", flat), pair(call, "strides", flat)
    if pair(call, "dilations", flat) != (1, 1):
        reader.unsupported(call, "dilations", call.attrs["dilations"], "use dilation 1")
    pads = pads_of(call, ref, flat, kernel, stride, (1, 1))
    inside = pads if call.attrs.get("count_include_pad") else (0, 0, 0, 0)
    if call.attrs.get("ceil_mode"):
        pads = _round_up(ref, kernel, stride, (1, 1), pads)
    return average(reader, call, ref, kernel, stride, pads, inside)


def average(
    reader: Reader,
    call: Call,
    ref: Ref,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pads: Pads = (0, 0, 0, 0),
    inside: Pads = (0, 0, 0, 0),
) -> Ref:
    """The sum of each window, divided by how many of its taps lie in the image with the border `inside`."""
    node = real.SumPool(name=reader.name(call), inputs=(ref.name,), kernel=kernel, stride=stride, pads=pads)
    size = ref.shape
    out = reader.emit(node, ref)
    counts = []
    for i in (0, 1):
        at = np.arange(out.shape[i])[:, None] * stride[i] - pads[i] + np.arange(kernel[i])
        counts.append(((at >= -inside[i]) & (at < size[i] + inside[i + 2])).sum(1))
    by = np.outer(*counts).astype(np.float32)
    if (by == by[0, 0]).all():
        steps = real.steps.tidy((real.Step("div", by[:1, 0]),))
        return reader.emit(real.Pointwise(name=reader.name(call, "_mean"), inputs=(out.name,), steps=steps), out)
    each = np.broadcast_to(by[:, :, None], out.shape).reshape(-1)
    return reader.by_pixel(call, out, (real.Step("div", each),))


@operator("ArgMax", versions=(1, 11, 12, 13), attributes={"axis": ANY, "keepdims": (0, 1), "select_last_index": (0,)})
@operator("TopK", versions=(1, 10, 11, 24), attributes={"axis": ANY, "k": ANY, "largest": (1,), "sorted": (1,)})
def top_k(reader: Reader, call: Call) -> Value | tuple[Value, ...]:
    """ArgMax and TopK over the classes: their indices."""
    ref = reader.ref(call, 0)
    axis = int(call.attrs.get("axis", 0 if call.op == "ArgMax" else -1)) % len(ref.dims)
    alone = "N" not in ref.dims[axis] and int(np.prod(ref.axes[1:])) == ref.axes[axis]
    if not alone and (ref.dims[axis] != ("C",) or ref.sizes["C"] != ref.shape[-1] or ref.order is not None):
        raise Refused(
            "axis",
            f"{call.op} over axis {axis} of {shown(ref)}",
            "put it over the classes, at the end of the network",
        )
    if alone:
        order = raster_order(ref) if ref.order is None else ref.order
        if (order != np.arange(len(order))).any():
            raise Refused("axis", f"{call.op} over pixels and channels together", "put a dense layer in front of it")
    source = reader.flat(call, ref) if alone else ref
    k = 1
    if call.op == "TopK":
        k = int(call.attrs["k"]) if "k" in call.attrs else int(reader.number(call, 1))
    head = reader.head_of(call.inputs[0])
    if k > 1 and head is not None:
        raise Refused(
            "k",
            f"the {k} largest behind {head[1]}, where float32 makes all small scores equal",
            "take them in front of it, which are the same classes, or its largest alone",
        )
    node = real.TopK(name=reader.name(call), inputs=(source.name,), k=k, behind=head[1] if head else "")
    shape = reader.add(node)
    keep = call.op == "TopK" or call.attrs.get("keepdims", 1)
    kept = [(i, d) for i, d in enumerate(ref.dims) if keep or i != axis]
    at = {axis: ("C",)} if alone else {}
    dims = tuple(at.get(i, d if "N" in d or not alone else ()) for i, d in kept)
    out = Ref(node.name, shape, dims, kind="int64")
    if call.op == "ArgMax":
        return out
    return _values_of(reader, call), out


def _values_of(reader: Reader, call: Call) -> Value:
    """The values of a TopK are not offered; only a reader of them is refused."""
    if (
        call.outputs
        and call.outputs[0]
        and (call.outputs[0] in reader.file.outputs or any(call.outputs[0] in c.inputs for c in reader.file.calls))
    ):
        raise Refused("output", "the values of TopK are used", "use its indices only")
    return Unknown()
