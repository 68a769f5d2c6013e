"""Reductions of a file: sums, means, maxima and minima over rows, columns or channels, and pools as large as the image.

Stands on windows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwflow import real
from hwflow.bits import Array
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import ANY, Refused, operator
from hwflow.qonnx.reader import Reader
from hwflow.qonnx.shapes import reshaped_to
from hwflow.qonnx.values import Ref, Value, dims_of, shown
from hwflow.qonnx.views import LETTERS, places_of, relaid, viewed
from hwflow.qonnx.windows import average, image
from hwflow.real.steps import INTEGRAL


@operator("GlobalAveragePool", "GlobalMaxPool", versions=(1, 22))
def global_pool(reader: Reader, call: Call) -> Value:
    """GlobalAveragePool and GlobalMaxPool: one window as large as the image."""
    ref, _ = image(reader, call, reader.ref(call, 0))
    whole = (ref.shape[0], ref.shape[1])
    if call.op == "GlobalMaxPool":
        return reader.emit(real.MaxPool(name=reader.name(call), inputs=(ref.name,), kernel=whole, stride=whole), ref)
    return average(reader, call, ref, whole, whole)


@operator(
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", versions=(1, 11, 12, 13, 18, 20),
    attributes={"axes": ANY, "keepdims": (0, 1), "noop_with_empty_axes": (0, 1)},
)  # fmt: skip
def reduce(reader: Reader, call: Call) -> Value:
    """A sum, mean, maximum or minimum over any axes but the batch."""
    ref = reader.ref(call, 0)
    axes = reader.axes(call)
    rank = len(ref.dims)
    if not axes and call.attrs.get("noop_with_empty_axes"):
        return ref
    gone = sorted({a % rank for a in axes}) if axes else list(range(rank))
    if not ref.named and len(ref.axes) - 1 in LETTERS:
        ref = reader.ordered(call, ref)
    if not ref.named and 0 not in gone:
        return _of_view(reader, call, ref, gone)
    over = {a for i in gone for a in ref.dims[i]}
    if "N" in over or (ref.order is not None and over):
        raise Refused("axes", f"{call.op} over axes {gone} of {shown(ref)}", "reduce rows, columns or channels")
    out = ref
    kernel = tuple(ref.sizes.get(a, 1) if a in over else 1 for a in "HW")
    if kernel != (1, 1):
        out = _over_pixels(reader, call, out, (kernel[0], kernel[1]))
    if "C" in over and ref.sizes["C"] > 1:
        out = _over_channels(reader, call, out)
    if call.op == "ReduceMean" and over:
        count = int(np.prod([ref.sizes[a] for a in over]))
        steps = real.steps.tidy((real.Step("div", np.array([count])),))
        if steps:
            out = reader.emit(real.Pointwise(name=reader.name(call, "_mean"), inputs=(out.name,), steps=steps), out)
    keep = call.attrs.get("keepdims", 1)
    dims = tuple(() if i in gone else d for i, d in enumerate(out.dims) if keep or i not in gone)
    return Ref(out.name, out.shape, dims, kind=out.kind)


def _of_view(reader: Reader, call: Call, ref: Ref, gone: list[int]) -> Ref:
    """Over axes of a value that has more than an image: one after the other, each as the columns of another image."""
    places, name = places_of(ref), ref.name
    if strided(places) is None:
        name = relaid(reader, call, replace(ref, dims=(("N",), ()), view=places.reshape(-1), order=None)).name
        places = np.arange(places.size).reshape(places.shape)
    for axis in (i - 1 for i in gone if ref.axes[i] > 1):
        order = strided(places)
        assert order is not None, "a reduction keeps the order of what is left"
        at, sizes = order.index(axis), [places.shape[i] for i in order]
        before, size, behind = int(np.prod(sizes[:at])), sizes[at], int(np.prod(sizes[at + 1 :]))
        channels = reader.shapes[name][-1]
        if channels % (size * behind) == 0 and not _one_scale(reader, name):
            name = _among_channels(reader, call, name, np.arange(channels).reshape(-1, size, behind))
        else:
            shape = (before, size, behind)
            image = Ref(reshaped_to(reader, call, name, shape), shape, dims_of("NHWC"), kind=ref.kind)
            name = _over_pixels(reader, call, image, (1, size)).name
        sizes[at] = 1
        places = np.arange(before * behind).reshape(sizes).transpose(np.argsort(order))
    out = Ref(name, reader.shapes[name], dims_of("NHWC" if len(reader.shapes[name]) == 3 else "NC"), kind=ref.kind)
    if call.op == "ReduceMean":
        out = reader.pointwise(call, out, real.Step("div", np.array([int(np.prod([ref.axes[i] for i in gone]))])))
    keep = call.attrs.get("keepdims", 1)
    return viewed(out, places if keep else places.squeeze(tuple(i - 1 for i in gone)))


def _among_channels(reader: Reader, call: Call, name: str, places: Array) -> str:
    """Over groups of channels that have scales of their own, `places` (groups, size, behind): as branches of any scale."""
    groups, size, behind = places.shape
    if call.op in ("ReduceSum", "ReduceMean"):
        ones = np.zeros((groups * behind, places.size), np.int64)
        ones[np.arange(groups * behind)[:, None], places.transpose(0, 2, 1).reshape(-1, size)] = 1
        return _product(reader, call, name, ones, "_channels")
    minus = (real.Step("mul", np.array([-1])),)
    parts = []
    for k in range(size):
        ones = np.zeros((groups * behind, places.size), np.int64)
        ones[np.arange(groups * behind), places[:, k].reshape(-1)] = 1
        part = _product(reader, call, name, ones, f"_part{k}")
        if call.op == "ReduceMin":  # the largest of what is negated, negated
            turned = real.Pointwise(name=reader.name(call, f"_minus{k}"), inputs=(part,), steps=minus)
            reader.add(turned)
            part = turned.name
        parts.append(part)
    most = real.Maximum(name=reader.name(call), inputs=tuple(parts))
    reader.add(most)
    if call.op == "ReduceMax":
        return most.name
    back = real.Pointwise(name=reader.name(call, "_back"), inputs=(most.name,), steps=minus)
    reader.add(back)
    return back.name


def _product(reader: Reader, call: Call, name: str, ints: Array, suffix: str) -> str:
    """A layer of every pixel's channels."""
    dense = len(reader.shapes[name]) == 1
    weights = real.Weights(ints if dense else ints[:, None, None], np.ones(1))
    kind = real.Dense if dense else real.Conv
    node = kind(name=reader.name(call, suffix), inputs=(name,), weights=weights)
    reader.add(node)
    return node.name


def _one_scale(reader: Reader, name: str) -> bool:
    """True where no constant or scale of a channel's own lies between a value and its last rounding or layer."""
    while (node := reader.nodes.get(name)) is not None:
        if isinstance(node, real.Pointwise):
            for step in reversed(node.steps):
                if step.per_channel or step.joins:
                    return False
                if step.op in INTEGRAL:
                    return True
        elif isinstance(node, real.Dense | real.Conv):
            return len(node.weights.scale) == 1
        elif not isinstance(node, real.MaxPool | real.SumPool | real.Upsample | real.Reshape | real.Flatten):
            return isinstance(node, real.Recurrent)
        name = node.inputs[0]
    return True


def strided(places: Array) -> list[int] | None:
    """The axes from the slowest to the fastest where elements lie in raster order; None where some lie elsewhere."""
    first = places.reshape(-1)[:1]
    steps = [
        int(np.take(places, [1], i).reshape(-1)[0] - first[0]) if n > 1 else 1 << 60 for i, n in enumerate(places.shape)
    ]
    order = sorted(range(places.ndim), key=lambda i: -steps[i])
    return order if np.array_equal(places.transpose(order).reshape(-1), np.arange(places.size)) else None


def _over_pixels(reader: Reader, call: Call, ref: Ref, kernel: tuple[int, int]) -> Ref:
    if call.op in ("ReduceMax", "ReduceMin"):
        return _largest(reader, call, ref, kernel)
    return reader.emit(
        real.SumPool(name=reader.name(call), inputs=(ref.name,), kernel=kernel, stride=kernel), ref
    )  # fmt: skip


def _largest(reader: Reader, call: Call, ref: Ref, kernel: tuple[int, int]) -> Ref:
    """The largest of each window, or the smallest: the largest of what is negated, negated."""
    minus = (real.Step("mul", np.array([-1])),)
    if call.op == "ReduceMin":
        node = real.Pointwise(name=reader.name(call, "_minus"), inputs=(ref.name,), steps=minus)
        ref = reader.emit(node, ref)
    ref = reader.emit(real.MaxPool(name=reader.name(call), inputs=(ref.name,), kernel=kernel, stride=kernel), ref)
    if call.op == "ReduceMin":
        ref = reader.emit(real.Pointwise(name=reader.name(call, "_back"), inputs=(ref.name,), steps=minus), ref)
    return ref


def _over_channels(reader: Reader, call: Call, ref: Ref) -> Ref:
    channels, pixels = ref.shape[-1], ref.shape[:-1]
    if call.op in ("ReduceMax", "ReduceMin"):  # channels are columns of a wider image for a while
        h, w = pixels or (1, 1)
        wide = Ref(reshaped_to(reader, call, ref.name, (h, w * channels, 1)), (h, w * channels, 1), dims_of("NCHW"))
        most = _largest(reader, call, wide, (1, channels))
        name = reshaped_to(reader, call, most.name, (*pixels, 1))
        return ref.like(name, (*pixels, 1))
    shape = (1, channels) if len(ref.shape) == 1 else (1, 1, 1, channels)
    ones = real.Weights(np.ones(shape, np.int64), np.ones(1))
    kind = real.Dense if len(ref.shape) == 1 else real.Conv
    return reader.emit(kind(name=reader.name(call, "_channels"), inputs=(ref.name,), weights=ones), ref)


@operator(
    "QuantAvgPool2d",
    domain="quant",
    attributes={
        "kernel": ANY, "stride": ANY, "ibits": ANY, "obits": ANY, "signed": (0, 1), "data_layout": ("NCHW", "NHWC"),
    },
)  # fmt: skip
def quant_avg_pool(reader: Reader, call: Call) -> Value:
    """QONNX QuantAvgPool2d: the sum, shifted right to its output width."""
    ref, _ = image(reader, call, reader.ref(call, 0), call.attrs.get("data_layout", "NCHW") == "NHWC")
    k, s, bits_in, bits_out = (int(call.attrs[key]) for key in ("kernel", "stride", "ibits", "obits"))
    out = reader.emit(real.SumPool(name=reader.name(call), inputs=(ref.name,), kernel=(k, k), stride=(s, s)), ref)
    shift = max(((2**bits_in - 1) * k * k).bit_length() - bits_out, 0)
    node = real.Pointwise(
        name=reader.name(call, "_shift"),
        inputs=(out.name,),
        steps=(real.Step("round"), real.Step("mul", np.array([2.0**-shift])), real.Step("floor")),
    )
    return reader.emit(node, out)
