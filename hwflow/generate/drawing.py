"""A QONNX file in the making: the tensor at its end, what values that can hold, and constants in any form a file has.

Stands on model and draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.generate.constants import disguised
from hwflow.generate.draw import Choose, Draw
from hwflow.generate.model import Build

QUANT_DOMAINS = ("qonnx.custom_op.general", "qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
LAST = "qonnx.custom_op.channels_last"
FLOAT32_BITS = 24  # sums of integers below 2**24 are exact in float32, in any order


@dataclass(frozen=True)
class Grid:
    """Every value is an integer times `step`, at most `most` in size. `dyadic`: float32 holds products of them exactly."""

    step: float
    most: float
    dyadic: bool

    @property
    def levels(self) -> float:
        return self.most / self.step

    @property
    def exact(self) -> bool:
        """True where float32 holds every value and every partial sum."""
        return self.dyadic and self.levels < 1 << FLOAT32_BITS


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file: the meaning of each axis (N, C, H, W; 1 for an axis of one element), sizes, and its grid."""

    name: str
    letters: str
    shape: tuple[int, ...]
    grid: Grid | None

    def size(self, letter: str) -> int:
        return self.shape[self.letters.index(letter)] if letter in self.letters else 1

    @property
    def axis(self) -> int:
        """The axis of channels."""
        return self.letters.index("C")

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape[1:]))


class Drawing(Draw):
    """Everything the drawers of operators read and write: the file, its last tensor, whether its float sums are exact."""

    def __init__(self, choose: Choose, rng: np.random.Generator, input: Tensor, opset: int, dyadic: bool, wild: bool):
        super().__init__(choose, rng)
        self.dyadic, self.wild, self.opset = dyadic, wild, opset
        self.batch = input.shape[0]
        self.exact = True  # until a float32 sum may round
        self.trunc = self.choose(1, 2)  # the version of Trunc
        self.labels = False  # the answer is indices of the largest
        self.stripped: str | None = None  # the tensor in front of a Softmax at the end
        self.early: str | None = None  # a tensor in the middle that is an output too
        self.b = Build(input.shape, opset)
        self.at = input
        self.known: dict[tuple[Any, ...], str] = {}
        self.disguise = self.pick((0, 0, 15, 60))  # percent of constants that the file computes

    # -- nodes ---------------------------------------------------------------------------------------------------

    def node(self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attrs: Any) -> str:
        """A node of the file; attributes that are None are left out."""
        return self.b.node(
            op, *inputs, domain=domain, outputs=outputs, **{k: v for k, v in attrs.items() if v is not None}
        )

    def to(self, name: str, grid: Grid | None, letters: str | None = None, shape: Sequence[int] | None = None) -> None:
        """`name` is the tensor at the end of the file from now on."""
        at = self.at
        letters = at.letters if letters is None else letters
        shape = at.shape if shape is None else tuple(int(s) for s in shape)
        assert len(letters) == len(shape), (letters, shape)
        self.at = Tensor(name, letters, shape, grid)

    @property
    def general(self) -> str:
        """One of the names that exporters have given the domain of quantizers."""
        return self.pick(QUANT_DOMAINS)

    # -- constants -----------------------------------------------------------------------------------------------

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        """A constant: an initializer (shared where an equal one exists), a Constant node, or computed from others."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key in self.known and self.chance(70):
            return self.known[key]
        if self.chance(self.disguise):
            name = disguised(self, array)
        elif self.chance(10):
            name = self.constant_node(array)
        else:
            name = self.b.const(array, array.dtype)
        self.known[key] = name
        return name

    def constant_node(self, array: Array) -> str:
        import onnx

        if self.opset >= 12 and array.size == 1 and array.shape == () and array.dtype == np.float32 and self.chance(50):
            return self.node("Constant", value_float=float(array))
        if self.opset >= 12 and array.ndim == 1 and array.dtype == np.int64 and array.size and self.chance(50):
            return self.node("Constant", value_ints=[int(v) for v in array])
        return self.node("Constant", value=onnx.numpy_helper.from_array(array))

    def number(self, shape: Any = (), dyadic: bool | None = None) -> Array:
        """Numbers of a few bits where `dyadic`, else any; now and then 0 or large."""
        dyadic = self.chance(60) if dyadic is None else dyadic
        v = self.rng.integers(-16, 17, shape) / 8.0 if dyadic else self.rng.normal(0, 1, shape)
        if self.chance(10):
            v = v * (64.0 if dyadic else 100.0)
        return np.asarray(np.where(self.rng.random(shape) < 0.08, 0, v), np.float32)

    def scale(self, shape: Any = ()) -> Array:
        """Positive scales: powers of two in a dyadic file; a wild file has extreme ones."""
        lo, hi = (-30, 20) if self.wild and self.chance(6) else (-5, 2)
        if self.wild and self.chance(1):
            return np.full(shape, 2.0**-140, np.float32)
        if self.dyadic:
            return np.asarray(2.0 ** self.rng.integers(lo, hi, shape), np.float32)
        return np.asarray((np.abs(self.rng.normal(0, 0.5, shape)) + 0.05) * 2.0 ** (lo + 5), np.float32)

    def beside(self, count: int | None = None) -> tuple[int, ...]:
        """A shape that broadcasts one number, or one for each channel, along the last tensor."""
        rank, axis = len(self.at.shape), self.at.axis
        if count is None:
            return self.pick(((), (), (1,), (1,) * rank))
        full = (1,) * axis + (count,) + (1,) * (rank - axis - 1)
        cut = self.choose(0, axis)
        return full[cut:]

    def vector(self, values: Array) -> str:
        """One number for each channel, in a shape that broadcasts."""
        return self.const(np.asarray(values).reshape(self.beside(len(values))))

    # -- grids ---------------------------------------------------------------------------------------------------

    def summed(self, grid: Grid) -> Grid:
        """Note a float32 sum whose result lies on `grid`."""
        self.exact = self.exact and grid.exact
        return grid


def grid_of(values: Any) -> Grid:
    """The coarsest power-of-two grid that holds constants of few bits; not dyadic where they have many."""
    v = np.abs(np.asarray(values, np.float64)).reshape(-1)
    v = v[v > 0]
    if not len(v):
        return Grid(1.0, 0.0, True)
    for exp in range(20, -40, -1):
        if (v * 2.0**-exp == np.rint(v * 2.0**-exp)).all():
            return Grid(2.0**exp, float(v.max()), float(v.max()) * 2.0**-exp < 1 << 12)
    return Grid(float(v.min()), float(v.max()), False)


def product(a: Grid, b: Grid, terms: int = 1) -> Grid:
    """The grid of sums of `terms` products."""
    return Grid(a.step * b.step, terms * a.most * b.most, a.dyadic and b.dyadic)


def plus(a: Grid, b: Grid) -> Grid:
    return Grid(min(a.step, b.step), a.most + b.most, a.dyadic and b.dyadic)
