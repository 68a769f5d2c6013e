"""Operators of a file that only move things: reshapes, transposes, concatenation, slices.

Stands on reader. A value's axes change; its numbers stay where they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hwflow import real
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import ANY, MOVED, Refused, operator
from hwflow.qonnx.reader import Reader
from hwflow.qonnx.values import BATCH, Const, Ref, Value, dims_of, reshaped, shown
from hwflow.qonnx.views import places_of, relaid, viewed
from hwflow.real import INPUT

SHAPES = (1, 13, 15, 21, 23, 24, 25)


@operator("Shape", versions=(*SHAPES, 19), attributes={"start": ANY, "end": ANY}, types=MOVED)
def shape(reader: Reader, call: Call) -> Value:
    """A constant."""
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
    """Nothing where elements keep their order; else elements are picked where they are read."""
    given = call.attrs["shape"] if "shape" in call.attrs else reader.const(call, 1).value.reshape(-1)
    sizes = [int(v) for v in given]
    if call.attrs.get("allowzero") and 0 in sizes:
        raise Refused("allowzero", "makes an axis of no elements", "export with real sizes")
    return _view_as(reader, reader.ref(call, 0), sizes)


def _view_as(reader: Reader, ref: Ref, sizes: list[int]) -> Ref:
    """Named axes stay named where they are only joined; else the elements are followed one by one."""
    if ref.view is None:
        dims = reshaped(ref, sizes, reader.static_batch)
        if dims is not None:
            return replace(ref, dims=dims)
        if ref.name == INPUT and len(ref.shape) == 1 and not reader.nodes and len(sizes) == 4:
            return _as_image(reader, ref, sizes)
    places = places_of(ref)
    wanted = [ref.axes[i] if s == 0 and i < len(ref.axes) else s for i, s in enumerate(sizes)]
    batch = wanted[0] in (BATCH, reader.static_batch or 1) or (wanted[0] == -1 and -1 not in wanted[1:])
    inner = [n for n in wanted[1:] if n != -1]
    size = int(np.prod(inner))
    fits = size > 0 and (places.size % size == 0 if wanted[1:].count(-1) == 1 else places.size == size)
    if not batch or any(n < 1 for n in inner) or wanted[1:].count(-1) > 1 or not fits:
        raise Refused(
            "shape",
            f"reshapes {shown(ref)} to {['batch' if n == BATCH else n for n in sizes]}",
            "keep the batch first, and the number of elements",
        )
    return viewed(ref, places.reshape(wanted[1:]))


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
    """Nothing on a stream; the weights behind it are put in raster order."""
    axis = int(call.attrs.get("axis", 1))
    ref = reader.ref(call, 0)
    if ref.view is not None:
        if axis % len(ref.axes) != 1:
            reader.unsupported(call, "axis", axis, "flatten from axis 1")
        return viewed(ref, ref.view.reshape(-1))
    if axis % max(len(ref.dims), 1) != 1 and not (len(ref.dims) == 1 and axis == 1):
        reader.unsupported(call, "axis", axis, "flatten from axis 1")
    return replace(ref, dims=(ref.dims[0], tuple(a for d in ref.dims[1:] for a in d)))


@operator("Transpose", versions=SHAPES, attributes={"perm": ANY}, types=MOVED)
def transpose(reader: Reader, call: Call) -> Value:
    """Nothing where the order is a stream's again before it is read; else channels or elements are picked."""
    perm = call.attrs.get("perm")
    ref = reader.ref(call, 0)
    perm = list(reversed(range(len(ref.dims)))) if perm is None else [int(p) for p in perm]
    if sorted(perm) != list(range(len(ref.dims))):
        raise Refused("perm", f"is {perm} for {len(ref.dims)} axes", "correct the attribute")
    if ref.view is not None:
        if perm[0] != 0:
            raise Refused("perm", f"moves the batch of {shown(ref)}", "keep the batch first")
        return viewed(ref, ref.view.transpose([p - 1 for p in perm[1:]]))
    if ref.order is not None and perm != list(range(len(ref.dims))):
        raise Refused("perm", f"moves the axes of {shown(ref)}, a flattened image", "transpose before flattening")
    return replace(ref, dims=tuple(ref.dims[p] for p in perm))


@operator("Squeeze", versions=(1, 11, *SHAPES), attributes={"axes": ANY}, types=MOVED)
def squeezed(reader: Reader, call: Call) -> Value:
    """Nothing."""
    ref, axes = reader.ref(call, 0), reader.axes(call)
    gone = [i for i, n in enumerate(ref.axes) if n == 1] if axes is None else [a % len(ref.dims) for a in axes]
    if any(ref.axes[i] != 1 for i in gone):
        raise Refused("axes", f"squeezes axes {gone} of {shown(ref)}", "squeeze axes of one element, never the batch")
    if ref.view is not None:
        return viewed(ref, ref.view.squeeze(tuple(i - 1 for i in gone)))
    return replace(ref, dims=tuple(d for i, d in enumerate(ref.dims) if i not in gone))


@operator("Unsqueeze", versions=(1, 11, *SHAPES), attributes={"axes": ANY}, types=MOVED)
def unsqueezed(reader: Reader, call: Call) -> Value:
    """Nothing."""
    ref, axes = reader.ref(call, 0), reader.axes(call)
    if not axes:
        raise Refused("axes", "are absent", "export the network again")
    dims = list(ref.dims)
    at = sorted(a % (len(dims) + len(axes)) for a in axes)
    if ref.view is not None and 0 not in at:
        return viewed(ref, np.expand_dims(ref.view, tuple(a - 1 for a in at)))
    for a in at:
        dims.insert(a, ())
    if "N" not in dims[0]:
        raise Refused("axes", f"puts axis 0 in front of the batch of {shown(ref)}", "keep the batch first")
    return replace(ref, dims=tuple(dims))


@operator("Concat", versions=(4, 11, 13), attributes={"axis": ANY}, types=MOVED)
def concat(reader: Reader, call: Call) -> Value:
    """Values side by side along their channels, their columns or rows, or as vectors."""
    values = [reader.value(call, i) for i in range(len(call.inputs))]
    if not all(isinstance(v, Ref) for v in values):
        raise Refused("input", "joins values and constants", "add the constant channels before the quantizer")
    refs = [reader.ref(call, i) for i in range(len(values))]
    if len(refs) == 1:
        return refs[0]
    axis = int(call.attrs["axis"]) % len(refs[0].axes)
    if any(r.view is not None for r in refs) and (len(refs[0].axes) > 4 or _is_answered(reader, call.outputs[0])):
        return _join_elements(reader, call, refs, axis)
    refs = [reader.ordered(call, r) for r in refs]
    if any(len(r.dims) != len(refs[0].dims) for r in refs) or axis == 0:
        raise _refuse_join(axis, refs)
    if all(len(r.shape) == 1 or len(r.dims) == 2 for r in refs) and axis == 1 and len(refs[0].dims) == 2:
        return _vectors(reader, call, refs)
    letters = [names for names in ("NCHW", "NHWC", "NCW", "NWC") if all(r.laid(names) for r in refs)]
    if not letters and len(refs[0].dims) in (3, 4):  # rows here are columns there, or pixels in one row
        last = all(r.dims[-1] == ("C",) for r in refs)
        refs = [relaid(reader, call, r, last) for r in refs]
        letters = [("NWC" if last else "NCW") if len(refs[0].dims) == 3 else "NHWC" if last else "NCHW"]
    if not letters or any(len(r.shape) != 3 for r in refs):
        raise _refuse_join(axis, refs)
    along = letters[0][axis]
    refs = [r.as_laid(letters[0]) for r in refs]
    if any(len({r.sizes[a] for r in refs}) > 1 for a in "HWC" if a != along):
        raise _refuse_join(axis, refs)
    if along == "C":
        return reader.emit(real.Concat(name=reader.name(call), inputs=tuple(r.name for r in refs)), refs[0])
    h, w, c = refs[0].shape
    # rows, or the columns of a row, are channels of a wider pixel for a while
    wide = [(1, 1, r.shape[0] * w * c) if along == "H" else (h, 1, r.shape[1] * c) for r in refs]
    names = [reshaped_to(reader, call, r.name, shape) for r, shape in zip(refs, wide, strict=True)]
    joined = real.Concat(name=reader.name(call), inputs=tuple(names))
    reader.add(joined)
    total = sum(r.sizes[along] for r in refs)
    name = reshaped_to(reader, call, joined.name, (total, w, c) if along == "H" else (h, total, c))
    return replace(refs[0], name=name, shape=reader.shapes[name])


# what moves no value between a join and an output, or leaves it to the host
KEPT = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Sigmoid", "Tanh")


def _is_answered(reader: Reader, tensor: str) -> bool:
    """True where nothing reads a tensor but outputs, at most moved and joined."""
    users = [call for call in reader.file.calls if tensor in call.inputs]
    ends = tensor in reader.file.outputs or bool(users)
    return ends and all(call.op in KEPT and _is_answered(reader, call.outputs[0]) for call in users)


def _join_elements(reader: Reader, call: Call, refs: list[Ref], axis: int) -> Ref:
    """Values whose elements lie in orders of their own, one behind the other as they lie: each keeps its own scale."""
    sizes = [r.axes[:axis] + r.axes[axis + 1 :] for r in refs]
    if axis == 0 or any(size != sizes[0] for size in sizes):
        raise _refuse_join(axis, refs)
    flats = [reader.flat(call, replace(r, dims=dims_of("NHWC"), view=None)) for r in refs]
    starts = np.cumsum([0, *(f.shape[0] for f in flats)])
    node = real.Concat(name=reader.name(call), inputs=tuple(f.name for f in flats))
    shape = reader.add(node)
    places = np.concatenate([places_of(r) + start for r, start in zip(refs, starts, strict=False)], axis - 1)
    return viewed(Ref(node.name, shape, dims_of("NC"), kind=refs[0].kind), places)


def _refuse_join(axis: int, refs: list[Ref]) -> Refused:
    return Refused(
        "axis", f"joins axis {axis} of {' and '.join(shown(r) for r in refs)}", "give them one order of axes"
    )


def reshaped_to(reader: Reader, call: Call, name: str, shape: tuple[int, ...]) -> str:
    """The name of a value in another shape."""
    if reader.shapes[name] == shape:
        return name
    node = real.Reshape(name=reader.name(call, "_reshape"), inputs=(name,), to=shape)
    reader.add(node)
    return node.name


def _vectors(reader: Reader, call: Call, refs: list[Ref]) -> Ref:
    """Vectors one after the other; each keeps the order in which the file has its elements."""
    flats = [reader.flat(call, r) for r in refs]
    node = real.Concat(name=reader.name(call), inputs=tuple(f.name for f in flats))
    shape, starts = reader.add(node), np.cumsum([0, *(f.shape[0] for f in flats)])
    orders = [np.arange(f.shape[0]) if f.order is None else f.order for f in flats]
    order = np.concatenate([o + s for o, s in zip(orders, starts, strict=False)])
    plain = bool((order == np.arange(len(order))).all())
    return Ref(node.name, shape, dims_of("NC"), order=None if plain else order, kind=refs[0].kind)


@operator("Slice", versions=(1, 10, 11, 13), attributes={"axes": ANY, "starts": ANY, "ends": ANY}, types=MOVED)
def sliced(reader: Reader, call: Call) -> Value:
    """A crop, every n-th row or column, some of the channels: a window with a single 1 in each row."""
    ref = reader.ref(call, 0)
    if "starts" in call.attrs:
        given = [call.attrs["starts"], call.attrs["ends"], call.attrs.get("axes"), None]
    else:
        given = [reader.const(call, i).value.reshape(-1) if reader.has(call, i) else None for i in range(1, 5)]
    starts, ends = given[0], given[1]
    axes = range(len(starts)) if given[2] is None else given[2]
    steps = [1] * len(starts) if given[3] is None else given[3]
    cut = [slice(None)] * len(ref.axes)
    for start, end, axis, by in zip(starts, ends, axes, steps, strict=True):
        size = ref.axes[int(axis)]
        if size == BATCH:
            if int(start) != 0 or int(end) < (reader.static_batch or 1 << 31) or int(by) != 1:
                raise Refused("starts", f"takes {start}:{end}:{by} of the batch", "leave the batch whole")
            continue
        if int(by) == 0:
            raise Refused("steps", "are 0", "correct the constant")
        stop = None if int(by) < 0 and int(end) < -size else int(end)
        cut[int(axis)] = slice(int(start), stop, int(by))
    return _take(ref, tuple(cut[1:]))


def _take(ref: Ref, cut: tuple[Any, ...]) -> Ref:
    """Part of a value by numpy's indexing of all axes but the batch."""
    places = places_of(ref)[cut]
    if places.size == 0:
        raise Refused("starts", f"takes nothing of {shown(ref)}", "correct the constants")
    return ref if places.shape == ref.axes[1:] and np.array_equal(places, places_of(ref)) else viewed(ref, places)


@operator("Split", versions=(2, 11, 13, 18), attributes={"axis": ANY, "split": ANY, "num_outputs": ANY}, types=MOVED)
def split(reader: Reader, call: Call) -> Value | tuple[Value, ...]:
    """Parts of a value along one axis, each as Slice."""
    ref = reader.ref(call, 0)
    axis = int(call.attrs.get("axis", 0)) % len(ref.axes)
    size = ref.axes[axis]
    if axis == 0:
        raise Refused("axis", "splits the batch", "split another axis")
    if "split" in call.attrs:
        sizes = [int(n) for n in call.attrs["split"]]
    elif reader.has(call, 1):
        sizes = [int(n) for n in reader.const(call, 1).value.reshape(-1)]
    else:
        each = -(-size // len(call.outputs))
        sizes = [min(each, size - i * each) for i in range(len(call.outputs))]
    if sum(sizes) != size or len(sizes) != len(call.outputs) or min(sizes) < 1:
        raise Refused("split", f"{sizes} of an axis of {size} into {len(call.outputs)} outputs", "correct the sizes")
    ends = np.cumsum(sizes)
    cuts = [(slice(None),) * (axis - 1) + (slice(int(e - n), int(e)),) for e, n in zip(ends, sizes, strict=True)]
    return tuple(_take(ref, cut) for cut in cuts)


@operator("Gather", versions=(1, 11, 13), attributes={"axis": ANY}, types=MOVED)
def gathered(reader: Reader, call: Call) -> Value:
    """Chosen channels, rows or steps, as Slice."""
    if isinstance(reader.value(call, 0), Const):
        raise Refused(
            "input",
            "looks a value up in a table, as an embedding does",
            "give the network the table's entries, looked up by the host",
        )
    ref = reader.ref(call, 0)
    axis = int(call.attrs.get("axis", 0)) % len(ref.axes)
    index = reader.const(call, 1).value.astype(np.int64)
    size = ref.axes[axis]
    if axis == 0 or ((index < -size) | (index >= size)).any():
        raise Refused(
            "axis", f"takes {index.reshape(-1)[:4].tolist()} of axis {axis} of {shown(ref)}", "leave the batch whole"
        )
    return _take(ref, (slice(None),) * (axis - 1) + (index % size,))
