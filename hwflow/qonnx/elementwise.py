"""Elementwise operators of a file as steps: arithmetic with constants, norms, clips.

Stands on reader. Each takes the order of float32 operations that the reference execution takes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwflow.bits import Array
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import ANY, BYTES, MOVED, Refused, operator
from hwflow.qonnx.reader import Reader
from hwflow.qonnx.values import BATCH, Const, Ref, Value, per_channel, shown
from hwflow.qonnx.views import arranged_as, relaid
from hwflow.real import Add, Conv, Dense, Maximum, Multiply, Pointwise, Step, Upsample, Weights
from hwflow.real.steps import tidy


def step(reader: Reader, call: Call, ref: Ref, op: str, value: Array) -> tuple[Ref, Step]:
    """One step with a constant, and the value it applies to (flattened where the constant needs it)."""
    found = per_channel(ref, value) if np.ndim(value) <= len(ref.dims) else None
    if found is None:
        raise Refused(
            "input",
            f"a constant of shape {value.shape} does not fit {shown(ref)}",
            "use one number, or one for each channel",
        )
    vector, flat = found
    if flat and len(ref.shape) == 3:
        if len(ref.dims) != 2:
            raise Refused(
                "input",
                f"a constant of shape {value.shape} differs from pixel to pixel",
                "use one number, or one for each channel",
            )
        ref = reader.flat(call, ref)
    return ref, Step(op, vector)


def chain(reader: Reader, call: Call, ref: Ref, *steps: tuple[str, Array | np.floating | float]) -> Ref:
    """Steps with constants as the file shapes them: one number, one for each channel, or one for each pixel of an image."""
    found = []
    for op, value in steps:
        value = np.asarray(value, np.float32)
        if op == "cast":  # its two ends are the same for every element
            found.append((op, value, False))
            continue
        one = per_channel(ref, value) if value.ndim <= len(ref.axes) else None
        if one is None:
            raise Refused(
                "input",
                f"a constant of shape {value.shape} does not fit {shown(ref)}",
                "use one number, or one for each channel",
            )
        found.append((op, *one))
    if not any(flat for _, _, flat in found) or len(ref.shape) == 1:
        return reader.pointwise(call, ref, *(Step(op, vector) for op, vector, _ in found))
    pixels = int(np.prod(ref.shape[:-1]))
    each = tidy([Step(op, vector) if flat else Step(op, vector).wider(pixels) for op, vector, flat in found])
    if not each:
        return ref
    return (
        reader.pointwise(call, reader.flat(call, ref), *each)
        if len(ref.dims) == 2
        else reader.by_pixel(call, ref, each)
    )


@operator("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", versions=(7, 8, 12, 13, 14))
def arithmetic(reader: Reader, call: Call) -> Value:
    """With a constant folded into thresholds; of branches a sum, a product or a maximum; of one value with itself a function."""
    values = [reader.value(call, i) for i in range(len(call.inputs))]
    if all(isinstance(v, Ref) for v in values):
        return _values(reader, call)
    if len(values) != 2:
        raise Refused(
            "input",
            f"{call.op} of {len(values)} inputs, some of them constants",
            "split it into operators of two inputs",
        )
    left = isinstance(values[1], Const)
    ref, value = reader.ref(call, 0 if left else 1), reader.const(call, 1 if left else 0).value
    op = {"Add": "add", "Sum": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Max": "max", "Min": "min"}[call.op]
    if op == "div" and left and not value.all():
        raise Refused("input", "divides by zero", "correct the constant")
    if left or op in ("add", "mul", "max", "min"):
        return chain(reader, call, ref, (op, value))
    if op == "sub":
        return chain(reader, call, ref, ("mul", -1), ("add", value))
    raise Refused("input", "divides a constant by a value", "keep the operator outside the exported network")


def _values(reader: Reader, call: Call) -> Ref:
    """The sum, the product, the maximum or the minimum of values of one shape, or of an image and one pixel of it."""
    refs = [reader.ref(call, i) for i in range(len(call.inputs))]
    if len(refs) == 1:
        return refs[0]
    op = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Max": "max", "Min": "min"}.get(call.op, "")
    if len(refs) == 2 and op and (op not in ("add", "sub") or not all(reader.on_grid(r) for r in refs)):
        met = reader.meet_if_one(call, op, *refs)
        if met is not None:
            return met
    if call.op not in ("Add", "Sum", "Sub", "Max", "Min", "Mul"):
        raise Refused(
            "input",
            f"{call.op} of two values that depend on the input",
            "sums, products, maxima and minima of branches are supported",
        )
    refs = _spread(reader, call, refs)
    first = refs[0]
    mean = reader.maker(call.inputs[1])
    if call.op == "Sub" and mean is not None and mean.op == "ReduceMean" and mean.inputs[0] == call.inputs[0]:
        raise Refused(
            "input",
            "subtracts each image's own mean, as LayerNorm does, which no constant threshold can stand for",
            "use BatchNorm, whose statistics are constants in use",
        )
    for k, other in enumerate(refs[1:], 1):
        same_order = (first.order is None) == (other.order is None) and (
            first.order is None or bool((first.order == other.order).all())
        )
        if first.axes != other.axes:
            raise Refused(
                "input",
                f"{VERBS.get(call.op, 'adds')} {shown(first)} and {shown(other)}",
                "give both branches one shape",
            )
        if first.shape != other.shape or not same_order or _key(first) != _key(other):
            refs[k] = arranged_as(reader, call, other, first)
    if call.op == "Mul":
        if len(refs) != 2:
            raise Refused("input", f"multiplies {len(refs)} values", "multiply two at a time")
        return reader.emit(Multiply(name=reader.name(call), inputs=tuple(r.name for r in refs)), first)
    if call.op == "Sub":
        refs[1] = _minus(reader, call, refs[1])
    if call.op == "Min":  # the largest of what is negated
        refs = [_minus(reader, call, r) for r in refs]
    kind = Maximum if call.op in ("Max", "Min") else Add
    out = reader.emit(kind(name=reader.name(call), inputs=tuple(r.name for r in refs)), first)
    return _minus(reader, call, out) if call.op == "Min" else out


VERBS = {"Max": "compares", "Min": "compares", "Mul": "multiplies"}


def _minus(reader: Reader, call: Call, ref: Ref) -> Ref:
    node = Pointwise(name=reader.name(call, "_minus"), inputs=(ref.name,), steps=(Step("mul", np.array([-1])),))
    return reader.emit(node, ref)


LAYOUTS = ("NCHW", "NHWC", "NCW", "NWC", "NC")


def _spread(reader: Reader, call: Call, refs: list[Ref]) -> list[Ref]:
    """Values of one layout whose axes of one element are repeated: a gate of channels, of pixels, of rows or columns."""
    largest = max(refs, key=lambda r: int(np.prod(r.shape)))
    layout = layout_of(largest)
    if layout is not None and all(len(r.dims) == len(layout) and r.order is None for r in refs):
        refs = [r if r.laid(layout) else relaid(reader, call, r, layout[-1] == "C") for r in refs]
    if not all(r.laid(layout or "") for r in refs):
        return refs
    if layout is None or len({len(r.shape) for r in refs}) > 1 or len({r.shape for r in refs}) == 1:
        return refs
    whole = tuple(max(sizes) for sizes in zip(*(r.shape for r in refs), strict=True))
    if any(n not in (1, most) for r in refs for n, most in zip(r.shape, whole, strict=True)):
        return refs
    return [repeated(reader, call, r.as_laid(layout), whole) for r in refs]


def layout_of(ref: Ref) -> str | None:
    """The order of a value's axes; None where it is none of LAYOUTS."""
    return next((letters for letters in LAYOUTS if ref.laid(letters)), None)


def repeated(reader: Reader, call: Call, ref: Ref, whole: tuple[int, ...]) -> Ref:
    """A value whose axes of one element are as long as those of `whole`."""
    if ref.shape[-1] != whole[-1]:
        name = reader.name(call, "_channels")
        if len(ref.shape) == 1:
            ones = Weights(np.ones((whole[-1], 1), np.int64), np.ones(1))
            ref = reader.emit(Dense(name=name, inputs=(ref.name,), weights=ones), replace(ref, order=None))
        else:
            ones = Weights(np.ones((whole[-1], 1, 1, 1), np.int64), np.ones(1))
            ref = reader.emit(Conv(name=name, inputs=(ref.name,), weights=ones), ref)
    factor = tuple(most // n for most, n in zip(whole[:-1], ref.shape[:-1], strict=True))
    if any(n > 1 for n in factor):
        up = Upsample(name=reader.name(call, "_pixels"), inputs=(ref.name,), factor=(factor[0], factor[1]))
        ref = reader.emit(up, ref)
    return ref


@operator("Expand", versions=(8, 13), types=MOVED)
def expand(reader: Reader, call: Call) -> Value:
    """Axes of one element, repeated: a layer of ones for channels, nearest neighbours for pixels."""
    ref, to = reader.ref(call, 0), [int(n) for n in reader.const(call, 1).value.reshape(-1)]
    sizes = [1] * (len(ref.axes) - len(to)) + to
    wanted = [n if t == 1 else t for n, t in zip(ref.axes, sizes, strict=False)]
    if layout_of(ref) is None and len(ref.axes) in (3, 4):
        ref = relaid(reader, call, ref)
    layout = layout_of(ref)
    batch = bool(wanted) and wanted[0] in (BATCH, reader.static_batch or 1)
    fits = all(n in (1, t) for n, t in zip(ref.axes[1:], wanted[1:], strict=True))
    if len(sizes) != len(ref.axes) or layout is None or not batch or not fits:
        raise Refused("shape", f"expands {shown(ref)} to {to}", "keep the batch and the number of axes")
    size = {"H": 1, "W": 1} | dict(zip(layout[1:], wanted[1:], strict=True))
    return repeated(reader, call, ref.as_laid(layout), tuple(size[a] for a in "HWC"[-len(ref.shape) :]))


def _key(ref: Ref) -> list[str]:
    return [a for d in ref.dims for a in d if a == "N" or ref.sizes[a] > 1]


@operator("Relu", "Neg", "Round", "Floor", "Ceil", "Sign", versions=(6, 9, 11, 13, 14, 22))
def function(reader: Reader, call: Call) -> Value:
    """A step of the arithmetic that becomes thresholds."""
    ops = {
        "Neg": ("mul", -1),
        "Relu": ("max", 0),
        "Round": ("round", 0),
        "Floor": ("floor", 0),
        "Ceil": ("ceil", 0),
        "Sign": ("signum", 0),
    }
    return chain(reader, call, reader.ref(call, 0), ops[call.op])


@operator("Identity", versions=(1, 13, 14, 16, 19, 21, 23, 24, 25), types=MOVED)
def identity(reader: Reader, call: Call) -> Value:
    """Nothing."""
    return reader.value(call, 0)


@operator("Dropout", versions=(7, 10, 12, 13, 22), attributes={"ratio": ANY, "seed": ANY})
def dropout(reader: Reader, call: Call) -> Value:
    """Nothing; refused in training mode."""
    if reader.has(call, 2) and bool(reader.const(call, 2).value.any()):
        raise Refused("training_mode", "Dropout in training mode", "export with model.eval()")
    return reader.value(call, 0)


# codes of TensorProto, with the least and the largest integer
INTEGER_TYPES = {
    2: ("uint8", 0, 255), 3: ("int8", -128, 127), 4: ("uint16", 0, (1 << 16) - 1), 5: ("int16", -(1 << 15), (1 << 15) - 1),
    6: ("int32", -(1 << 31), (1 << 31) - 1), 7: ("int64", -(1 << 63), (1 << 63) - 1), 12: ("uint32", 0, (1 << 32) - 1),
}  # fmt: skip


@operator(
    "Cast",
    versions=(6, 9, 13, 19, 21, 23, 24, 25),
    attributes={"to": ANY, "saturate": ANY, "round_mode": ANY},
    types=MOVED,
)
def cast(reader: Reader, call: Call) -> Value:
    """Cast between float32 and integer types: numbers are cut towards zero, and must fit."""
    ref, to = reader.ref(call, 0), int(call.attrs["to"])
    if to == 1:
        return replace(ref, kind="float32")
    if to == 9:
        return ref if ref.kind == "bool" else replace(chain(reader, call, ref, ("nonzero", 0)), kind="bool")
    if to not in INTEGER_TYPES:
        reader.unsupported(call, "to", to, "keep values in float32 or in integers of up to 64 bits")
    kind, lo, hi = INTEGER_TYPES[to]
    if ref.kind == "bool" or ref.kind == kind:
        return replace(ref, kind=kind)
    out = reader.pointwise(call, ref, Step("cast", np.array([[lo, hi + 1]], np.float32)))
    return replace(out, kind=kind)


@operator("Clip", versions=(6, 11, 12, 13), attributes={"min": ANY, "max": ANY}, types=BYTES)
def clip(reader: Reader, call: Call) -> Value:
    """Clip between two constants; the upper end wins where they cross, as ONNX says."""
    ends: list[tuple[str, float]] = []
    for op, key, i in (("max", "min", 1), ("min", "max", 2)):
        if key in call.attrs:
            ends.append((op, float(call.attrs[key])))
        elif reader.has(call, i):
            ends.append((op, reader.number(call, i)))
    return chain(reader, call, reader.ref(call, 0), *ends)


@operator("LeakyRelu", versions=(6, 16), attributes={"alpha": ANY})
@operator("PRelu", versions=(7, 9, 16))
def leaky(reader: Reader, call: Call) -> Value:
    """Thresholds in front of a quantizer; up and down where a slope is below zero."""
    ref = reader.ref(call, 0)
    slope = (
        np.asarray(call.attrs.get("alpha", 0.01), np.float32) if call.op == "LeakyRelu" else reader.const(call, 1).value
    )
    return chain(reader, call, ref, ("leaky", slope))


NORM = {"epsilon": ANY, "momentum": ANY, "spatial": (1,), "is_test": ANY, "training_mode": ANY}


@operator("BatchNormalization", versions=(6, 7, 9, 14, 15), attributes=NORM)
@operator("BatchNormalization", domain="last", attributes=NORM)
def batch_norm(reader: Reader, call: Call) -> Value:
    """BatchNorm as onnxruntime computes it: scale = 1/sqrt(var + eps) * gamma, x * scale + (beta - mean * scale)."""
    ref = reader.ref(call, 0)
    if call.attrs.get("training_mode") or (call.opset < 7 and call.attrs.get("is_test", 1) == 0):
        reader.unsupported(call, "training_mode", 1, "export with model.eval()")
    gamma, beta, mean, var = (reader.const(call, i).value.astype(np.float32) for i in range(1, 5))
    eps = np.float32(call.attrs.get("epsilon", 1e-5))
    if (var + eps <= 0).any():
        raise Refused("var", f"the variance {var.min():g} is not positive", "retrain; a variance is at or above 0")
    scale = (np.float32(1) / np.sqrt(var + eps)) * gamma
    bias = beta - mean * scale
    if not (np.isfinite(scale).all() and np.isfinite(bias).all()):
        raise Refused("scale", "gamma / sqrt(var) is not finite", "retrain or correct the statistics")
    axis = len(ref.dims) - 1 if call.domain else 1
    return chain(reader, call, ref, ("mul", along(scale, axis, ref)), ("add", along(bias, axis, ref)))


def along(value: Array, axis: int, ref: Ref) -> Array:
    """A vector laid along one axis of the file's tensor."""
    if value.size == 1:
        return value.reshape(1)
    axis %= len(ref.dims)
    return value.reshape((1,) * axis + (-1,) + (1,) * (len(ref.dims) - axis - 1))
