"""Operators of a file that only move things: reshapes, transposes, concatenation, slices.

Stands on reader. A value's axes change; its numbers stay where they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwflow import real
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import ANY, MOVED, Refused, operator
from hwflow.qonnx.reader import Reader, axes_of, shown
from hwflow.qonnx.values import BATCH, Const, Ref, Value, reshaped
from hwflow.real import INPUT

SHAPES = (1, 13, 15, 21, 23, 24, 25)


@operator("Shape", versions=(*SHAPES, 19), attributes={"start": ANY, "end": ANY}, types=MOVED)
def shape(reader: Reader, call: Call) -> Value:
    """The sizes of a value; an open batch stays open."""
    ref = reader.raw_ref(call, 0)
    if ref.border is not None:
        raise Refused("input", "asks for the shape of a border", "fold shapes before the export")
    sizes = np.array(ref.axes, np.int64)
    if reader.static_batch:
        sizes[sizes == BATCH] = reader.static_batch
    return Const(sizes[call.attrs.get("start", 0) : call.attrs.get("end")])


@operator(
    "Reshape", versions=(1, 5, 13, 14, 19, 21, 23, 24, 25), attributes={"shape": ANY, "allowzero": (0, 1)}, types=MOVED
)
def reshape(reader: Reader, call: Call) -> Value:
    """Reshape to constant or computed sizes."""
    given = call.attrs["shape"] if "shape" in call.attrs else reader.const(call, 1).value.reshape(-1)
    sizes = [int(v) for v in given]
    if call.attrs.get("allowzero") and 0 in sizes:
        raise Refused("allowzero", "makes an axis of no elements", "export with real sizes")
    return _reshaped(reader, reader.ref(call, 0), sizes)


def _reshaped(reader: Reader, ref: Ref, sizes: list[int]) -> Ref:
    dims = reshaped(ref, sizes, reader.static_batch)
    if dims is None and ref.name == INPUT and len(ref.shape) == 1 and not reader.nodes and len(sizes) == 4:
        return _as_image(reader, ref, sizes)
    if dims is None:
        raise Refused(
            "shape",
            f"reshapes {shown(ref)} to {['batch' if n == BATCH else n for n in sizes]}",
            "flatten whole axes only, and keep the batch first",
        )
    return replace(ref, dims=dims)


def _as_image(reader: Reader, ref: Ref, sizes: list[int]) -> Ref:
    """A flat input that is an image at once: the network takes images, in (height, width, channel) order."""
    c, h, w = sizes[1:]
    if min(c, h, w) < 1 or c * h * w != ref.shape[0]:
        raise Refused("shape", f"reshapes {ref.shape[0]} features to {sizes}", "correct the shapes of the network")
    new = Ref(INPUT, (h, w, c), (("N",), ("C",), ("H",), ("W",)), kind=ref.kind)
    reader.values[reader.file.input], reader.shapes[INPUT] = new, new.shape
    return new


@operator("Flatten", versions=(1, 9, 11, 13, 21, 23, 24, 25), attributes={"axis": ANY}, types=MOVED)
def flatten(reader: Reader, call: Call) -> Value:
    axis = int(call.attrs.get("axis", 1))
    ref = reader.ref(call, 0)
    if axis % max(len(ref.dims), 1) != 1 and not (len(ref.dims) == 1 and axis == 1):
        reader.unsupported(call, "axis", axis, "flatten from axis 1")
    return replace(ref, dims=(ref.dims[0], tuple(a for d in ref.dims[1:] for a in d)))


@operator("Transpose", versions=SHAPES, attributes={"perm": ANY}, types=MOVED)
def transpose(reader: Reader, call: Call) -> Value:
    perm = call.attrs.get("perm")
    ref = reader.ref(call, 0)
    perm = list(reversed(range(len(ref.dims)))) if perm is None else [int(p) for p in perm]
    if sorted(perm) != list(range(len(ref.dims))):
        raise Refused("perm", f"is {perm} for {len(ref.dims)} axes", "correct the attribute")
    if ref.order is not None and perm != list(range(len(ref.dims))):
        raise Refused("perm", f"moves the axes of {shown(ref)}, a flattened image", "transpose before flattening")
    return replace(ref, dims=tuple(ref.dims[p] for p in perm))


@operator("Squeeze", versions=(1, 11, *SHAPES), attributes={"axes": ANY}, types=MOVED)
def squeezed(reader: Reader, call: Call) -> Value:
    ref, axes = reader.ref(call, 0), axes_of(reader, call)
    gone = [i for i, n in enumerate(ref.axes) if n == 1] if axes is None else [a % len(ref.dims) for a in axes]
    if any(ref.axes[i] != 1 for i in gone):
        raise Refused("axes", f"squeezes axes {gone} of {shown(ref)}", "squeeze axes of one element, never the batch")
    return replace(ref, dims=tuple(d for i, d in enumerate(ref.dims) if i not in gone))


@operator("Unsqueeze", versions=(1, 11, *SHAPES), attributes={"axes": ANY}, types=MOVED)
def unsqueezed(reader: Reader, call: Call) -> Value:
    ref, axes = reader.ref(call, 0), axes_of(reader, call)
    if not axes:
        raise Refused("axes", "are absent", "export the network again")
    dims = list(ref.dims)
    for a in sorted(a % (len(dims) + len(axes)) for a in axes):
        dims.insert(a, ())
    if "N" not in dims[0]:
        raise Refused("axes", f"puts axis 0 in front of the batch of {shown(ref)}", "keep the batch first")
    return replace(ref, dims=tuple(dims))


@operator("Concat", versions=(4, 11, 13), attributes={"axis": ANY}, types=MOVED)
def concat(reader: Reader, call: Call) -> Value:
    """Channels side by side."""
    values = [reader.value(call, i) for i in range(len(call.inputs))]
    if not all(isinstance(v, Ref) for v in values):
        raise Refused("input", "joins values and constants", "add the constant channels before the quantizer")
    axis = int(call.attrs.get("axis", 0))
    refs = [reader.ref(call, i) for i in range(len(values))]
    first = refs[0]
    axis %= len(first.dims)
    if any(r.dims[axis] not in (("C",), ()) or len(r.dims) != len(first.dims) or r.order is not None for r in refs):
        raise Refused(
            "axis", f"joins axis {axis} of {' and '.join(shown(r) for r in refs)}", "join channels, before flattening"
        )
    dims = tuple(("C",) if i == axis else max((r.dims[i] for r in refs), key=len) for i in range(len(first.dims)))
    node = real.Concat(name=reader.name(call), inputs=tuple(r.name for r in refs))
    return reader.emit(node, replace(first, dims=dims))


@operator("Slice", versions=(1, 10, 11, 13), attributes={"axes": ANY, "starts": ANY, "ends": ANY}, types=MOVED)
def sliced(reader: Reader, call: Call) -> Value:
    """Every n-th row and column of an image, which is a window of one pixel."""
    ref = reader.ref(call, 0)
    if "starts" in call.attrs:
        given = [call.attrs["starts"], call.attrs["ends"], call.attrs.get("axes"), None]
    else:
        given = [reader.const(call, i).value.reshape(-1) if reader.has(call, i) else None for i in range(1, 5)]
    starts, ends = given[0], given[1]
    axes = range(len(starts)) if given[2] is None else given[2]
    steps = [1] * len(starts) if given[3] is None else given[3]
    stride = {"H": 1, "W": 1}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        dim, size = ref.dims[int(axis)], ref.axes[int(axis)]
        whole = int(start) == 0 and (size < 0 or int(end) >= size)
        if not whole or int(step) < 1 or (int(step) > 1 and dim not in (("H",), ("W",))):
            raise Refused(
                "starts",
                f"takes {start}:{end}:{step} of axis {int(axis)} of {shown(ref)}",
                "only every n-th row or column from the first on is supported",
            )
        if int(step) > 1:
            stride[dim[0]] = int(step)
    node = real.MaxPool(name=reader.name(call), inputs=(ref.name,), kernel=(1, 1), stride=(stride["H"], stride["W"]))
    return ref if node.stride == (1, 1) else reader.emit(node, ref)
