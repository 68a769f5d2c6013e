"""Values whose elements lie in another order than a stream has: followed as places, put in order only where one is read.

Stands on values. A view says for each element of the file's tensor where the graph's value has it, so that reshapes,
transposes and slices of any kind are numpy's own. `in_order` makes the value: by nothing, by another shape, by picking
channels and pixels, or by picking elements of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hwflow import real
from hwflow.bits import Array
from hwflow.qonnx.layout import ELEMENTWISE
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import Refused, operator_of
from hwflow.qonnx.values import Const, Ref, Value, dims_of, raster_order, shown

if TYPE_CHECKING:
    from hwflow.qonnx.reader import Reader

MOST_PICKED = 1 << 22  # weights of a layer that only picks elements
LETTERS = {1: ("C",), 2: ("CW", "WC"), 3: ("CHW", "HWC")}


def places_of(ref: Ref) -> Array:
    """For each element of the file's tensor (without its batch), where the graph's value has it in raster order."""
    if ref.view is not None:
        return ref.view
    if not ref.dims or ref.dims[0] != ("N",):
        raise Refused("input", f"has its batch in another axis of {shown(ref)}", "keep the batch first")
    order = raster_order(ref) if ref.order is None else ref.order
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return places.reshape(ref.axes[1:])


def viewed(ref: Ref, places: Array) -> Ref:
    """The value with its elements at `places`: with named axes where they are those of an image or a vector."""
    sizes = {"H": 1, "W": 1} | ref.sizes
    for letters in LETTERS.get(places.ndim, ()):
        if tuple(sizes[a] for a in letters) != places.shape or (
            set("HW") - set(letters) and int(np.prod([sizes[a] for a in "HW" if a not in letters])) > 1
        ):
            continue
        named = Ref(ref.name, ref.shape, dims_of("N" + letters), kind=ref.kind)
        if np.array_equal(places_of(named), places):
            return named
    if places.ndim == 1 and len(ref.shape) == 1 and np.array_equal(np.sort(places), np.arange(ref.shape[0])):
        order = np.empty(len(places), np.int64)
        order[places] = np.arange(len(places))
        return Ref(ref.name, ref.shape, dims_of("NC"), order=order, kind=ref.kind)
    return Ref(ref.name, ref.shape, (("N",), *((),) * places.ndim), view=places, kind=ref.kind)


# operators that do the same to every element where their constants are single numbers
ALIKE = ELEMENTWISE | {
    "Abs", "Ceil", "Celu", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Sigmoid", "Sign", "Softplus",
    "Softsign", "Swish", "Tanh",
}  # fmt: skip


def behind_view(reader: Reader, call: Call, inputs: Sequence[Value | None]) -> Ref | None:
    """What a call gives that does the same to every element of a value with more axes than an image; None for others.

    It is done on the elements as they lie.
    """
    refs = [i for i, v in enumerate(inputs) if isinstance(v, Ref)]
    if len(refs) != 1 or call.op not in ALIKE:
        return None
    name, ref = call.inputs[refs[0]], inputs[refs[0]]
    assert isinstance(ref, Ref)
    single = all(not isinstance(v, Const) or v.value.size == 1 for v in inputs)
    if ref.view is None or ref.view.ndim in LETTERS or not single:
        return None
    handler = operator_of(call)
    assert handler is not None, f"{call.op} has a handler"
    reader.values[name] = Ref(ref.name, ref.shape, dims_of("NHWC" if len(ref.shape) == 3 else "NC"), kind=ref.kind)
    try:
        out = handler.handler(reader, call)
    finally:
        reader.values[name] = ref
    assert isinstance(out, Ref) and out.shape == ref.shape, f"{call.op} keeps the shape"
    return replace(ref, name=out.name, kind=out.kind)


def ended(reader: Reader, call: Call, ref: Ref) -> Ref:
    """An output of the file that is a view, in order; one of more axes than an image, or joined, as its elements lie, each once."""
    joined = isinstance(reader.nodes.get(ref.name), real.Concat) and len(ref.shape) == 1
    if ref.view is None or (ref.view.ndim in LETTERS and not joined):
        return reader.ordered(call, ref)
    if np.array_equal(np.sort(ref.view, axis=None), np.arange(int(np.prod(ref.shape)))):
        return ref
    flat = relaid(reader, call, replace(ref, dims=(("N",), ()), view=ref.view.reshape(-1)))
    return replace(ref, name=flat.name, shape=flat.shape, view=np.arange(ref.view.size).reshape(ref.view.shape))


def in_order(reader: Reader, call: Call, ref: Ref, last: bool = False) -> Ref:
    """The value with named axes, made by nodes where it is a view: (C), (C, W) or (C, H, W), channels last if `last`."""
    return ref if ref.named else relaid(reader, call, ref, last)


def arranged_as(reader: Reader, call: Call, ref: Ref, like: Ref) -> Ref:
    """A value whose elements lie as those of `like` do, another of the same axes."""
    places, other = places_of(ref), places_of(like)
    if places.shape != other.shape or other.size != int(np.prod(like.shape)):
        raise Refused("input", f"meets {shown(ref)} and {shown(like)}", "give both branches one shape")
    want = places.reshape(-1)[np.argsort(other, None)].reshape(like.shape)
    name = _elements(reader, call, ref, want)
    if reader.shapes[name] != like.shape:
        node = real.Reshape(name=reader.name(call, "_reshape"), inputs=(name,), to=like.shape)
        reader.add(node)
        name = node.name
    return replace(like, name=name, kind=ref.kind)


def relaid(reader: Reader, call: Call, ref: Ref, last: bool = False) -> Ref:
    """The value as an image whose axes are those of the file's tensor, whatever they were before."""
    if ref.view is None:  # a vector with axes of one element, or rows that are columns elsewhere
        ref = replace(ref, view=places_of(ref), order=None, dims=(("N",), *((),) * (len(ref.dims) - 1)))
    assert ref.view is not None
    if ref.view.ndim not in LETTERS:
        raise Refused("input", f"has {ref.view.ndim} axes besides the batch", "reshape it to an image or a vector")
    letters = LETTERS[ref.view.ndim][-1 if last else 0]
    want = ref.view.transpose([letters.index(a) for a in "HWC" if a in letters])
    want = want[None] if want.ndim == 2 else want
    source = ref.shape if len(ref.shape) == 3 else (1, 1, ref.shape[0])
    size = int(np.prod(source))
    name = ref.name
    if not np.array_equal(want.reshape(-1), np.arange(size)):
        picked = _pixels(reader, call, name, want, source) if want.ndim == 3 else None
        name = picked or _elements(reader, call, ref, want)
    if reader.shapes[name] != want.shape:
        node = real.Reshape(name=reader.name(call, "_reshape"), inputs=(name,), to=want.shape)
        name = node.name
        reader.add(node)
    return Ref(name, want.shape, dims_of("N" + letters), kind=ref.kind)


def _pixels(reader: Reader, call: Call, name: str, want: Array, source: tuple[int, ...]) -> str | None:
    """A crop, every n-th pixel, some of the channels: a convolution with a single 1 in each row; None for other orders."""
    channel, pixel = want % source[2], want // source[2]
    row, col = pixel // source[1], pixel % source[1]
    if (channel != channel[0, 0]).any() or (row != row[:, :1, :1]).any() or (col != col[:1, :, :1]).any():
        return None
    along = [row[:, 0, 0], col[0, :, 0]]
    start = [int(v[0]) for v in along]
    stride = [int(v[1] - v[0]) if len(v) > 1 else 1 for v in along]
    if any((np.diff(v) != s).any() or s < 1 for v, s in zip(along, stride, strict=True)):
        return None
    channels = channel[0, 0]
    # the window is as large as what is left over, so that as many fit as are wanted
    kernel = [n - (len(v) - 1) * s for n, v, s in zip(source, along, stride, strict=False)]
    every = len(channels) == source[2] and bool((channels == np.arange(source[2])).all())
    if every and start == [0, 0] and all(k <= s for k, s in zip(kernel, stride, strict=True)):
        node: real.RealOp = real.MaxPool(
            name=reader.name(call, "_every"), inputs=(name,), kernel=(1, 1), stride=(stride[0], stride[1])
        )
    else:
        ints = np.zeros((len(channels), *kernel, 1 if every else source[2]), np.int64)
        ints[np.arange(len(channels)), start[0], start[1], 0 if every else channels] = 1
        node = real.Conv(
            name=reader.name(call, "_pick"), inputs=(name,), weights=real.Weights(ints, np.ones(1)),
            stride=(stride[0], stride[1]), groups=source[2] if every else 1,
        )  # fmt: skip
    if len(reader.shapes[name]) == 1:
        return None
    reader.add(node)
    return node.name


def _elements(reader: Reader, call: Call, ref: Ref, want: Array) -> str:
    """Elements of a vector in any order: a layer with a single 1 in each row."""
    name, size = ref.name, int(np.prod(ref.shape))
    if want.size * size > MOST_PICKED:
        raise Refused(
            "input",
            f"takes {want.size} of {size} elements in an order that is no crop and no choice of channels",
            "move axes in front of the first layer, or behind the last",
        )
    if len(ref.shape) == 3:
        flat = real.Flatten(name=reader.name(call, "_flatten"), inputs=(name,))
        reader.add(flat)
        name = flat.name
    ints = np.zeros((want.size, size), np.int64)
    ints[np.arange(want.size), want.reshape(-1)] = 1
    node = real.Dense(name=reader.name(call, "_pick"), inputs=(name,), weights=real.Weights(ints, np.ones(1)))
    reader.add(node)
    return node.name
