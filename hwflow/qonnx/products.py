"""Products of a file: weights as integers times a scale, dense layers with factors and biases.

Stands on reader and real.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwflow import real
from hwflow.bits import Array
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import ANY, Refused, operator
from hwflow.qonnx.reader import Reader
from hwflow.qonnx.values import MOST_INTEGER, Const, Integers, Ref, Value, dims_of, shown
from hwflow.qonnx.views import relaid
from hwflow.real.scales import ROOM

QUANTISE = "quantise the weights to 1 to 16 bits with one scale, or one for each output channel"
MOST_WEIGHT = 128  # of integers that are guessed
MOST_STORED = 1 << 15  # of integers that a quantizer names


def weights(value: Const) -> real.Weights:
    """Weights (rows, ...) as integers times a scale for each row; refused where they are not."""
    found = value.integers and _by_row(value.integers, value.value.shape)
    if not found:
        return guessed(value.value)
    ints, scale = found
    if int(np.abs(ints).max(initial=0)) > MOST_STORED and not (ints.min() >= 0 and ints.max() < 2 * MOST_STORED):
        raise Refused("weights", f"hold integers {ints.min():g} .. {ints.max():g}, more than 16 bits", QUANTISE)
    return real.Weights(ints, scale)


def _by_row(made_of: Integers, shape: tuple[int, ...]) -> tuple[Array, Array] | None:
    """Integers and one scale for each row, or for all; None where a row has several."""
    rows = shape[0]
    ints = made_of.ints.reshape(rows, -1)
    if ints.size == 0:
        return None
    if made_of.index.size == 1:
        form = np.full(rows, int(made_of.index.reshape(-1)[0]))
    else:
        index = np.broadcast_to(made_of.index, shape).reshape(rows, -1)
        if (index != index[:, :1]).any():
            return None
        form = index[:, 0]
    if all(made_of.forms[f][1] == 0 for f in np.unique(form)):
        scales = np.array([float(scale) for scale, _ in made_of.forms])[form]
        return ints.reshape(shape), scales[:1] if (scales == scales[0]).all() else scales
    out, scales = np.empty_like(ints), np.empty(rows)
    for f in np.unique(form):
        scale, offset = made_of.forms[f]
        ratio = offset / scale
        # (k + a/b) * scale = (b k + a) * (scale / b)
        if ratio.denominator > MOST_WEIGHT or abs(ratio) > MOST_INTEGER:
            return None
        mine = form == f
        out[mine] = ints[mine] * ratio.denominator + ratio.numerator
        scales[mine] = float(scale / ratio.denominator)
    return out.reshape(shape), scales[:1] if (scales == scales[0]).all() else scales


def moved(value: Const, change: Callable[[Array], Array]) -> Const:
    """A constant moved about (transposed, reshaped, ..), the integers it is made of with it."""
    own = value.made_of
    if own is None:
        return Const(change(value.value))
    index = own.index if own.index.size == 1 else change(np.broadcast_to(own.index, own.ints.shape))
    return Const(
        change(value.value), Integers(change(own.ints), index.reshape(()) if index.size == 1 else index, own.forms)
    )


def guessed(values: Array) -> real.Weights:
    """Integers and row scales of weights whose quantizer the file no longer names.

    A row is float32(integer * scale) of one float32 scale, or DoReFa's float32(float32(2 r / n) - 1), to the last bit. An
    exporter that multiplies a norm's factor into such weights rounds each once more: then it is within ROOM of an
    integer times a scale, as every channel of a layer may be whose scales are no multiples of one another.
    """
    v = values.astype(np.float32).reshape(len(values), -1)
    if (v == np.rint(v)).all() and np.abs(v).max(initial=0) <= MOST_WEIGHT:
        return real.Weights(values, np.ones(1))
    scale = np.ones(len(v))
    ints = np.zeros(v.shape)
    for r, row in enumerate(v):
        found, near = _row(row) or _dorefa(row), _row(row, ROOM)
        if near is not None and (found is None or np.abs(near[1]).max() < np.abs(found[1]).max()):
            found = near  # what two roundings made multiples of a finer scale
        if found is None:
            raise Refused("weights", f"are not integers times a scale (row {r})", QUANTISE)
        scale[r], ints[r] = found
    return real.Weights(ints.reshape(values.shape), scale)


def _row(row: Array, room: float = 0.0) -> tuple[float, Array] | None:
    """The largest float32 scale for which every weight of a row is float32(integer * scale), integers up to 128.

    With `room`, a scale for which they are within so much of an integer times it, in units of the weight.
    """
    sizes = np.unique(np.abs(row))
    sizes = sizes[sizes > 0]
    if len(sizes) == 0:
        return 1.0, row
    if len(sizes) > MOST_WEIGHT:
        return None
    wide = sizes.astype(np.float64)
    # a float32 stands for every real number between the middles to its neighbours
    low, high = (0.5 * (wide + np.nextafter(sizes, np.float32(end)).astype(np.float64)) for end in (0, np.inf))
    low, high = (wide * (1 - room), wide * (1 + room)) if room else (low, high)
    for least in range(1, MOST_WEIGHT + 1):
        k = np.rint(wide * (least / wide[0]))
        if k[-1] > MOST_WEIGHT:
            return None
        first, last = (low / k).max(), (high / k).min()
        if room and first <= last:
            return (first + last) / 2, np.sign(row) * k[np.searchsorted(sizes, np.abs(row))]
        for scale in (np.float32(first), np.nextafter(np.float32(first), np.float32(np.inf)), np.float32(last)):
            if (k.astype(np.float32) * scale == sizes).all():
                ints = np.sign(row) * k[np.searchsorted(sizes, np.abs(row)).clip(max=len(k) - 1)] * (row != 0)
                return float(scale), ints
    return None


def _dorefa(row: Array) -> tuple[float, Array] | None:
    """DoReFa's weights with n + 1 levels, 2 r / n - 1 in float32, as (2 r - n) / n; or these times one float32 factor."""
    values, places = np.unique(row, return_inverse=True)
    if not values.all():
        return None
    top, wide = float(values[np.abs(values).argmax()]), values.astype(np.float64)
    low, high = (0.5 * (wide + np.nextafter(values, np.float32(end)).astype(np.float64)) for end in (-np.inf, np.inf))
    for bits in range(1, 8):
        n = (1 << bits) - 1
        levels = np.float32(2) * np.arange(n + 1, dtype=np.float32) / np.float32(n) - np.float32(1)
        for level in levels if len(values) <= len(levels) else ():
            at = np.abs(wide[:, None] * (float(level) / top) - levels).argmin(1)  # the level nearest to each value
            first, last = np.sort(np.stack([low, high]) / levels[at], 0)
            ends = np.float32(first.max()), np.float32(last.min())
            for factor in (np.float32(1), ends[0], np.nextafter(ends[0], np.float32(np.inf)), ends[1]):
                if (levels[at] * factor == values).all():
                    return float(factor) / n, (2 * at - n)[places]
    return None


def bias_behind(reader: Reader, call: Call, ref: Ref, bias: Array, name: str = "_bias") -> Ref:
    """A bias for each output channel, added in float32 behind the sum."""
    vector = np.asarray(bias, np.float32).reshape(-1)
    if vector.size not in (1, ref.shape[-1]):
        raise Refused("bias", f"has {vector.size} values for {ref.shape[-1]} outputs", "export the network again")
    steps = real.steps.tidy((real.Step("add", vector),))
    if not steps:
        return ref
    return reader.emit(real.Pointwise(name=reader.name(call, name), inputs=(ref.name,), steps=steps), ref)


def dense(reader: Reader, call: Call, ref: Ref, w: Const) -> Ref:
    """A product with weights (outputs, inputs) of the file's last axis."""
    if w.value.ndim != 2:
        raise Refused("weights", f"have shape {w.value.shape}", "use a matrix")
    if (
        len(ref.dims) in (3, 4)
        and ref.view is None
        and ref.shape[-1] > 1
        and ref.dims == (("N",), ("C",), pixels_of(ref))
    ):
        return _over_pixels(reader, call, ref, w)
    if len(ref.dims) in (3, 4):
        if ref.view is not None or len(ref.shape) != 3 or ref.dims[-1] != ("C",):
            ref = relaid(reader, call, ref, last=True)
        as_conv = moved(w, lambda a: a.reshape(a.shape[0], 1, 1, a.shape[1]))
        return reader.emit(real.Conv(name=reader.name(call), inputs=(ref.name,), weights=weights(as_conv)), ref)
    if len(ref.dims) != 2 or "N" not in ref.dims[0]:
        raise Refused("input", f"multiplies {shown(ref)}, which is no image and no vector", "flatten all but the batch")
    flat = reader.flat(call, ref)
    cols = flat.shape[0]
    if w.value.shape[1] != cols:
        raise Refused(
            "weights", f"take {w.value.shape[1]} inputs, their input has {cols}", "correct the shapes of the network"
        )
    if flat.order is not None:
        order = flat.order
        w = moved(w, lambda a: a[:, order])
    node = real.Dense(name=reader.name(call), inputs=(flat.name,), weights=weights(w))
    return Ref(node.name, reader.add(node), dims_of("NC"))


def pixels_of(ref: Ref) -> tuple[str, ...]:
    """The axes of a value's pixels as one: rows and columns, or columns alone."""
    return tuple(a for a in "HW" if ref.sizes.get(a, 1) > 1)


def _over_pixels(reader: Reader, call: Call, ref: Ref, w: Const) -> Ref:
    """A product over the pixels of each channel, as mixers of tokens have it: a window of the whole image for each channel."""
    (h, wide, channels), (rows, cols) = ref.shape, w.value.shape
    if cols != h * wide:
        raise Refused("weights", f"take {cols} inputs, their input has {h * wide}", "correct the shapes of the network")
    each = moved(w, lambda a: np.tile(a.reshape(rows, h, wide, 1), (channels, 1, 1, 1)))
    node = real.Conv(name=reader.name(call), inputs=(ref.name,), weights=weights(each), groups=channels)
    shape = (1, channels, rows)  # the answers of a channel lie together: a channel is a pixel now
    reader.add(node)
    out = real.Reshape(name=reader.name(call, "_reshape"), inputs=(node.name,), to=shape)
    reader.add(out)
    return Ref(out.name, shape, dims_of("NWC"), kind=ref.kind)


@operator("MatMul", versions=(1, 9, 13))
def matmul(reader: Reader, call: Call) -> Value:
    """MatMul of a value and a constant."""
    if isinstance(reader.value(call, 0), Const):
        raise Refused("input", "multiplies a constant with a value", "write it as value times transposed constant")
    ref = reader.ref(call, 0)
    return dense(reader, call, ref, moved(reader.const(call, 1), np.transpose))


@operator("Gemm", versions=(7, 9, 11, 13), attributes={"alpha": ANY, "beta": ANY, "transA": (0,), "transB": (0, 1)})
def gemm(reader: Reader, call: Call) -> Value:
    """Gemm: alpha * x @ w + beta * c."""
    w = reader.const(call, 1)
    out = dense(reader, call, reader.ref(call, 0), w if call.attrs.get("transB") else moved(w, np.transpose))
    alpha, beta = np.float32(call.attrs.get("alpha", 1.0)), np.float32(call.attrs.get("beta", 1.0))
    if alpha != 1:
        out = reader.emit(
            real.Pointwise(
                name=reader.name(call, "_alpha"), inputs=(out.name,), steps=(real.Step("mul", alpha.reshape(1)),)
            ),
            out,
        )
    if reader.has(call, 2) and beta:
        out = bias_behind(reader, call, out, reader.const(call, 2).value * beta)
    return out
