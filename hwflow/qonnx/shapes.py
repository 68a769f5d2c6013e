"""Operators of a file that only move things: reshapes, transposes, concatenation, arithmetic of shapes.

Stands on reader. A value's axes change; its numbers stay where they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwflow import real
from hwflow.qonnx.constants import axes_of, expand, gather, moved, slice_, squeeze, unsqueeze
from hwflow.qonnx.model import MOST_BYTES, Call
from hwflow.qonnx.reader import Handler, Reader, Refused
from hwflow.qonnx.values import Const, Ref, Value, reshaped
from hwflow.real import INPUT


def shape(reader: Reader, call: Call) -> Value:
    value = reader.value(call, 0)
    if isinstance(value, Const):
        sizes = np.array(value.value.shape, np.int64)
    else:
        sizes = np.array(reader.raw_ref(call, 0).axes, np.int64)
        if getattr(value, "border", None):
            raise Refused("input", "asks for the shape of a border", "fold shapes before the export")
    return Const(sizes[call.attrs.get("start", 0) : call.attrs.get("end")])


def reshape(reader: Reader, call: Call) -> Value:
    """Reshape to constant or computed sizes."""
    value = reader.value(call, 0)
    sizes = [
        int(v) for v in (call.attrs["shape"] if "shape" in call.attrs else reader.const(call, 1).value.reshape(-1))
    ]
    if isinstance(value, Const):
        x = value.value
        return moved(value, lambda a: a.reshape([x.shape[i] if s == 0 else s for i, s in enumerate(sizes)]))
    return _reshaped(reader, reader.ref(call, 0), sizes)


def _reshaped(reader: Reader, ref: Ref, sizes: list[int]) -> Ref:
    dims = reshaped(ref, sizes, reader.static_batch)
    if dims is None and ref.name == INPUT and len(ref.shape) == 1 and not reader.nodes and len(sizes) == 4:
        return _as_image(reader, ref, sizes)
    if dims is None:
        raise Refused(
            "shape",
            f"reshapes axes {['batch' if n < 0 else n for n in ref.axes]} to {['batch' if n < -1 else n for n in sizes]}",
            "flatten whole axes only, and keep the batch first",
        )
    return replace(ref, dims=dims)


def _as_image(reader: Reader, ref: Ref, sizes: list[int]) -> Ref:
    """A flat input that is an image at once: the network takes images, in (height, width, channel) order."""
    c, h, w = sizes[1:]
    if min(c, h, w) < 1 or c * h * w != ref.shape[0]:
        raise Refused("shape", f"reshapes {ref.shape[0]} features to {sizes}", "correct the shapes of the network")
    new = Ref(INPUT, (h, w, c), (("N",), ("C",), ("H",), ("W",)))
    reader.values[reader.file.input], reader.shapes[INPUT] = new, new.shape
    return new


def flatten(reader: Reader, call: Call) -> Value:
    value = reader.value(call, 0)
    axis = int(call.attrs.get("axis", 1))
    if isinstance(value, Const):
        x = value.value
        return moved(value, lambda a: a.reshape(int(np.prod(x.shape[:axis])), -1))
    ref = reader.ref(call, 0)
    if axis % len(ref.dims) != 1 and not (len(ref.dims) == 1 and axis == 1):
        reader.unsupported(call, "axis", axis, "flatten from axis 1")
    return replace(ref, dims=(ref.dims[0], tuple(a for d in ref.dims[1:] for a in d)))


def transpose(reader: Reader, call: Call) -> Value:
    value = reader.value(call, 0)
    perm = call.attrs.get("perm")
    if isinstance(value, Const):
        return moved(value, lambda a: a.transpose(perm))
    ref = reader.ref(call, 0)
    perm = list(reversed(range(len(ref.dims)))) if perm is None else [int(p) for p in perm]
    if sorted(perm) != list(range(len(ref.dims))):
        raise Refused("perm", f"is {perm} for {len(ref.dims)} axes", "correct the attribute")
    return replace(ref, dims=tuple(ref.dims[p] for p in perm))


def squeezed(reader: Reader, call: Call) -> Value:
    value, axes = reader.value(call, 0), axes_of(reader, call)
    if isinstance(value, Const):
        return moved(value, lambda a: squeeze(a, axes))
    ref = reader.ref(call, 0)
    gone = [i for i, n in enumerate(ref.axes) if n == 1] if axes is None else [a % len(ref.dims) for a in axes]
    if any(ref.axes[i] != 1 for i in gone):
        raise Refused("axes", f"squeezes axes {gone} of {ref.axes}", "squeeze axes of one element, never the batch")
    return replace(ref, dims=tuple(d for i, d in enumerate(ref.dims) if i not in gone))


def unsqueezed(reader: Reader, call: Call) -> Value:
    value, axes = reader.value(call, 0), axes_of(reader, call, [0])
    assert axes is not None
    if isinstance(value, Const):
        return moved(value, lambda a: unsqueeze(a, axes))
    ref = reader.ref(call, 0)
    dims = list(ref.dims)
    for a in sorted(a % (len(dims) + len(axes)) for a in axes):
        dims.insert(a, ())
    return replace(ref, dims=tuple(dims))


def concat(reader: Reader, call: Call) -> Value:
    """Channels side by side, or constants joined."""
    values = [reader.value(call, i) for i in range(len(call.inputs))]
    axis = int(call.attrs.get("axis", 0))
    if all(isinstance(v, Const) for v in values):
        return Const(np.concatenate([np.atleast_1d(reader.const(call, i).value) for i in range(len(values))], axis))
    refs = [reader.ref(call, i) for i in range(len(values))]
    first = refs[0]
    axis %= len(first.dims)
    if any(r.dims[axis] not in (("C",), ()) or len(r.dims) != len(first.dims) or r.order is not None for r in refs):
        raise Refused("axis", f"joins axis {axis} of {first.axes}", "join channels, before flattening")
    node = real.Concat(name=reader.name(call), inputs=tuple(r.name for r in refs))
    out = reader.emit(node, first)
    dims = tuple(("C",) if i == axis else max((r.dims[i] for r in refs), key=len) for i in range(len(first.dims)))
    return replace(out, dims=dims)


def gathered(reader: Reader, call: Call) -> Value:
    return Const(gather(reader.const(call, 0).value, reader.const(call, 1).value, int(call.attrs.get("axis", 0))))


def sliced(reader: Reader, call: Call) -> Value:
    """Slice of a constant, or every n-th row and column of an image, which is a window of one pixel."""
    if isinstance(reader.value(call, 0), Ref):
        ref = reader.ref(call, 0)
        parts = [reader.const(call, i).value.reshape(-1) if reader.has(call, i) else None for i in range(1, 5)]
        starts, ends = (p for p in parts[:2] if p is not None)
        axes = np.arange(len(starts)) if parts[2] is None else parts[2]
        steps = np.ones(len(starts), int) if parts[3] is None else parts[3]
        stride = {"H": 1, "W": 1}
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            dim, size = ref.dims[int(axis)], ref.axes[int(axis)]
            whole = int(start) == 0 and (size < 0 or int(end) >= size)
            if not whole or int(step) < 1 or (int(step) > 1 and dim not in (("H",), ("W",))):
                raise Refused(
                    "starts",
                    f"takes {start}:{end}:{step} of an axis of {size}",
                    "only every n-th row or column from the first on is supported",
                )
            if int(step) > 1:
                stride[dim[0]] = int(step)
        node = real.MaxPool(
            name=reader.name(call), inputs=(ref.name,), kernel=(1, 1), stride=(stride["H"], stride["W"])
        )
        return ref if node.stride == (1, 1) else reader.emit(node, ref)
    return Const(slice_(reader, call, reader.const(call, 0).value))


def expanded(reader: Reader, call: Call) -> Value:
    return Const(expand(reader.const(call, 0).value, reader.const(call, 1).value.reshape(-1)))


def filled(reader: Reader, call: Call) -> Value:
    sizes = [int(s) for s in reader.const(call, 0).value.reshape(-1)]
    if min(sizes, default=1) < 0 or int(np.prod(sizes, dtype=np.float64)) * 8 > MOST_BYTES:
        raise Refused("input", f"fills a tensor of {sizes}", "fold shapes before the export")
    value = call.attrs.get("value")
    return Const(np.full(sizes, np.float32(0) if value is None else value.reshape(-1)[0]))


HANDLERS: dict[tuple[str, str], Handler] = {
    ("", "Shape"): shape, ("", "Reshape"): reshape, ("", "Flatten"): flatten, ("", "Transpose"): transpose,
    ("", "Squeeze"): squeezed, ("", "Unsqueeze"): unsqueezed, ("", "Concat"): concat, ("", "Gather"): gathered,
    ("", "Slice"): sliced, ("", "Expand"): expanded, ("", "ConstantOfShape"): filled,
}  # fmt: skip
