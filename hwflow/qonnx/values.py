"""What a tensor of the file is while it is read: a constant, a value of the graph with its layout, or unknown.

Stands on real. A graph value is always an (H, W, C) image or a (C,) vector; the file's order of axes is `dims`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from hwflow.bits import Array
from hwflow.ops import Pads, Shape
from hwflow.real.grids import MOST_INTEGER as MOST_INTEGER

BATCH = -(1 << 40)  # stands for the size of an open batch in constants made of shapes
MOST_FORMS = 1 << 16  # different scales in one constant
Dims: TypeAlias = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Integers:
    """The integers that a quantizer, a rounding or a sign made: value = ints * scale + offset before float32 rounds it.

    `forms` are the pairs (scale, offset), exact; `index` (of the shape of `ints`, or one that broadcasts) names each
    element's pair.
    """

    ints: Array
    index: Array
    forms: tuple[tuple[Fraction, Fraction], ...]

    @staticmethod
    def plain(value: Array) -> Integers | None:
        """Numbers that are integers as they stand."""
        if (value != np.rint(value)).any() or np.abs(value).max(initial=0) > MOST_INTEGER:
            return None
        return Integers(value.astype(np.int64), np.zeros((), np.int64), ((Fraction(1), Fraction(0)),))

    def affine(self, op: str, by: Array) -> Integers | None:
        """Behind Mul, Div, Add or Sub with a constant; None for a product with 0 and for too many scales."""
        if not np.isfinite(by).all() or (op in ("Mul", "Div") and not by.all()):
            return None
        found, places = np.unique(by, return_inverse=True)
        if len(found) * len(self.forms) > MOST_FORMS:
            return None
        places = places.reshape(by.shape)
        index = self.index * len(found) + places
        forms = tuple(_after(form, op, Fraction(float(c))) for form in self.forms for c in found)
        try:
            shape = np.broadcast_shapes(self.ints.shape, by.shape)
        except ValueError:
            return None
        return Integers(np.broadcast_to(self.ints, shape), index, forms)


def _after(form: tuple[Fraction, Fraction], op: str, by: Fraction) -> tuple[Fraction, Fraction]:
    scale, offset = form
    if op in ("Add", "Sub"):
        return scale, offset + (by if op == "Add" else -by)
    by = by if op == "Mul" else 1 / by
    return scale * by, offset * by


@dataclass(frozen=True, eq=False)
class Const:
    """A constant, and the integers it was made of where that is known."""

    value: Array
    made_of: Integers | None = None

    @property
    def integers(self) -> Integers | None:
        """What it was made of; numbers that are integers as they stand are made of themselves."""
        if self.made_of is None and self.value.dtype == np.float32 and self.value.size > 1:
            return Integers.plain(self.value)
        return self.made_of


@dataclass(frozen=True, eq=False)
class Padding:
    """A border that has been asked for and not been put there yet."""

    pads: Pads
    value: float


@dataclass(frozen=True, eq=False)
class Ref:
    """A value of the graph: its name and shape, and which of N, H, W, C each axis of the file's tensor is made of.

    Axes of one element need no letter, so `dims` of a 1x1 image may be (N)(C)()() or (N)(C). A vector that was an
    image keeps in `order` where the file has each of its elements.
    """

    name: str
    shape: Shape
    dims: Dims
    border: Padding | None = None
    order: Array | None = None
    kind: str = "float32"  # the type of the file's elements
    # where the axes have no names: for each element of the file's tensor, without batch, its place in raster order
    view: Array | None = None

    @property
    def sizes(self) -> dict[str, int]:
        return dict(zip("HWC", self.shape, strict=True)) if len(self.shape) == 3 else {"C": self.shape[0]}

    @property
    def axes(self) -> tuple[int, ...]:
        """Size of each axis of the file's tensor; BATCH for the batch."""
        if self.view is not None:
            return (BATCH, *self.view.shape)
        return tuple(BATCH if "N" in d else int(np.prod([self.sizes[a] for a in d])) for d in self.dims)

    @property
    def named(self) -> bool:
        """True where every axis of the file's tensor is one of the value; a vector that was given axes of one element is not."""
        return self.view is None and (len(self.shape) == 3 or len(self.dims) <= 2)

    def laid(self, letters: str) -> bool:
        """True where the file's axes are just these, such as NCHW."""
        size = {"N": 0, "H": 1, "W": 1} | self.sizes
        return (
            self.view is None
            and len(letters) == len(self.dims)
            and all(d == (a,) or (d == () and size[a] == 1) for d, a in zip(self.dims, letters, strict=True))
        )

    def as_laid(self, letters: str) -> Ref:
        """The same value with every axis named, those of one element too, so that an axis may grow."""
        assert self.laid(letters), f"{self.dims} is not {letters}"
        return replace(self, dims=dims_of(letters))

    def like(self, name: str, shape: Shape) -> Ref:
        """Another value with the same order of axes."""
        new = replace(self, name=name, shape=shape, border=None)
        if self.view is not None:
            assert shape == self.shape, "a view of a value that changes its shape"
            return new
        named = [a for d in self.dims for a in d]
        grown = [a for a, n in new.sizes.items() if n > 1 and named.count(a) != 1]
        assert not grown, f"axis {grown[0]} has {new.sizes[grown[0]]} elements and no place among {self.dims}"
        return new


@dataclass(frozen=True)
class Unknown:
    """What a refused call would have written; nobody complains about it twice."""

    constant: bool = False  # a constant that could not be evaluated


Value: TypeAlias = Const | Ref | Unknown


def dims_of(letters: str) -> Dims:
    return tuple((a,) for a in letters)


def per_channel(ref: Ref, value: Array) -> tuple[Array, bool] | None:
    """A constant that meets `ref` elementwise, as (1,) or (channels,), and False; or as one number for each
    element of the flattened image in raster order, and True; None where shapes do not fit."""
    value = np.asarray(value)
    if value.size == 1:
        return value.reshape(1), False
    if ref.order is not None:
        value = np.broadcast_to(value, (*value.shape[:-1], len(ref.order)))[..., ref.order]
    rank = len(ref.dims)
    while value.ndim > rank and value.shape[0] == 1:
        value = value[0]
    if value.ndim > rank:
        return None
    value = value.reshape((1,) * (rank - value.ndim) + value.shape)
    letters: list[str] = []
    shape: list[int] = []
    for dim, size in zip(ref.dims, value.shape, strict=True):
        if size == 1:
            continue
        full = [ref.sizes[a] for a in dim if a != "N"]
        if "N" in dim or size != int(np.prod(full)):
            return None
        letters += dim
        shape += full
    value = value.reshape(shape)
    order = [letters.index(a) for a in "HWC" if a in letters]
    value = value.transpose(order)
    inside = [a for a in "HWC" if a in letters]
    if "C" in inside:
        flat = value.reshape(-1, value.shape[-1])
        if (flat == flat[0]).all():
            return flat[0], False
    elif (value == value.flat[0]).all():
        return value.reshape(-1)[:1], False
    full = [ref.sizes[a] if a in inside else 1 for a in ("HWC" if len(ref.shape) == 3 else "C")]
    return np.broadcast_to(value.reshape(full), ref.shape).reshape(-1), True


def reshaped(ref: Ref, target: Sequence[int], static_batch: int | None) -> Dims | None:
    """The axes of a reshaped value, or None where an axis would be cut apart."""
    letters = [(a, ref.sizes.get(a, 0)) for d in ref.dims for a in d]
    letters = [(a, n) for a, n in letters if a == "N" or n > 1]
    if not letters or letters[0][0] != "N" or not target:
        return None
    wanted = [ref.axes[i] if t == 0 and i < len(ref.axes) else int(t) for i, t in enumerate(target)]
    if wanted[0] not in (BATCH, -1, 1, static_batch or 1):
        return None
    total = int(np.prod([n for _, n in letters[1:]]))
    known = int(np.prod([t for t in wanted[1:] if t != -1]))
    if any(t == BATCH or t < -1 for t in wanted[1:]) or known == 0:
        return None
    if wanted.count(-1) - (wanted[0] == -1) == 1:
        wanted = [wanted[0], *(total // known if t == -1 else t for t in wanted[1:])]
    if int(np.prod(wanted[1:])) != total:
        return None
    dims: list[tuple[str, ...]] = [("N",)]
    rest = letters[1:]
    for size in wanted[1:]:
        taken: list[str] = []
        have = 1
        while have < size and rest:
            letter, n = rest.pop(0)
            taken.append(letter)
            have *= n
        if have != size:
            return None
        dims.append(tuple(taken))
    return tuple(dims)


def shown(ref: Ref) -> str:
    """The sizes of a value in words."""
    return "(" + ", ".join("batch" if "N" in d else str(n) for d, n in zip(ref.dims, ref.axes, strict=True)) + ")"


def raster_order(ref: Ref) -> Array:
    """For each element of the flattened value in raster order, its place in the file's flattened tensor."""
    letters = [a for d in ref.dims for a in d if a != "N"]
    full = [a for a in ("HWC" if len(ref.shape) == 3 else "C") if a not in letters]
    sizes = [ref.sizes[a] for a in letters]
    places = np.arange(int(np.prod(sizes))).reshape(sizes)
    places = places.transpose([letters.index(a) for a in "HWC" if a in letters])
    for i, a in enumerate("HWC" if len(ref.shape) == 3 else "C"):
        if a in full:
            places = np.expand_dims(places, i)
    return places.reshape(-1)
