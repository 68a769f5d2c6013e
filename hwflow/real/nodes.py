"""The operations of a trained network as read from a file: float32 values, weights as integers times a scale.

Stands on steps, graph and ops: operations that carry no data are those of `ops`. Images are (n, H, W, C), vectors
(n, C); layouts of files end in the reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from hwflow.bits import Array
from hwflow.graph import INPUT, Node, frozen
from hwflow.ops import Flatten as Flatten
from hwflow.ops import Maximum as Maximum
from hwflow.ops import Multiply as Multiply
from hwflow.ops import Pad as Pad
from hwflow.ops import SumPool as SumPool
from hwflow.ops import Upsample as Upsample
from hwflow.real.steps import Step
from hwflow.windows import Pads, Shape, need, pooled_shape, window_shape


@dataclass(frozen=True, eq=False)
class Weights:
    """Trained weights: `ints` (rows, ...) times `scale` (1,) or (rows,)."""

    ints: Array
    scale: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "ints", frozen(self.ints, np.int32))
        object.__setattr__(self, "scale", frozen(self.scale, np.float64))


@dataclass(frozen=True, eq=False, kw_only=True)
class Pointwise(Node):
    """A chain of steps, each on every value of a channel alike."""

    steps: tuple[Step, ...]

    def shape(self, x: Shape) -> Shape:
        return x


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense(Node):
    """y[r] = sum_c w[r, c] * x[c]."""

    weights: Weights

    def shape(self, x: Shape) -> Shape:
        rows, cols = self.weights.ints.shape
        need(x == (cols,), self, f"takes ({cols},), not {x}")
        return (rows,)


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv(Node):
    """A sliding product like `ops.Conv`; taps outside the image hold the real value `pad`.

    `loose` is how far each weight may be from the one that the file's library computes for itself in float32.
    """

    weights: Weights  # ints (rows, kh, kw, channels / groups)
    stride: tuple[int, int] = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    pad: float = 0.0
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    loose: float = 0.0

    def shape(self, x: Shape) -> Shape:
        rows, kh, kw, depth = self.weights.ints.shape
        need(len(x) == 3 and x[-1] == depth * self.groups, self, f"takes {depth * self.groups} channels, not {x}")
        need(rows % self.groups == 0, self, f"{self.groups} groups must divide {rows} rows")
        return (*window_shape(self, x, (kh, kw), self.stride, self.pads, self.dilation), rows)


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Node):
    """Sum of inputs of one shape."""

    def shape(self, *xs: Shape) -> Shape:
        need(len(set(xs)) == 1, self, f"adds shapes {xs}, which must be equal")
        return xs[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Node):
    """The channels of every input, one input after the other."""

    def shape(self, *xs: Shape) -> Shape:
        need(len({x[:-1] for x in xs}) == 1, self, f"joins shapes {xs}, which may differ in channels only")
        return (*xs[0][:-1], sum(x[-1] for x in xs))


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool(Node):
    """Largest tap inside the image."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: Pads = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    def shape(self, x: Shape) -> Shape:
        return (*pooled_shape(self, x, self.kernel, self.stride, self.pads, self.dilation), x[-1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Node):
    """The same elements in raster order as another image or vector."""

    to: Shape

    def shape(self, x: Shape) -> Shape:
        need(int(np.prod(x)) == int(np.prod(self.to)), self, f"makes {self.to} of {x}")
        return self.to


@dataclass(frozen=True, eq=False, kw_only=True)
class TopK(Node):
    """Indices of the k largest channels, of a vector or of each pixel, largest first; of equal ones the lowest index first.

    `behind` is the Softmax or LogSoftmax that the file has between the values and its choice, or nothing.
    """

    k: int = 1
    behind: str = ""

    def shape(self, x: Shape) -> Shape:
        need(self.k <= x[-1], self, f"asks for the {self.k} largest of {x[-1]}")
        return (*x[:-1], self.k)


@dataclass(frozen=True, eq=False, kw_only=True)
class Recurrent(Node):
    """h_t = new(x_t, h_{t-1}) for the pixels of an image in raster order, each a step; the last state, or `every` one.

    `body` is one step: nodes that read `input`, the channels of a pixel and behind them the state. `new` names the node
    that is the state's next value; `gate` one of 0 and 1 for each state, which keeps its value where that is 0, or
    nothing. `start` is the state before the first step. A second input of one channel is a mask: a pixel at which it is
    not above 0 changes no state.
    """

    body: tuple[RealOp, ...]
    new: str
    start: Array  # float32, (states,)
    gate: str = ""
    every: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", frozen(self.start, np.float32))

    def shape(self, x: Shape, mask: Shape | None = None) -> Shape:
        need(len(x) == 3, self, f"steps over the pixels of an image, not {x}")
        need(mask in (None, (*x[:2], 1)), self, f"has a mask of {mask} for steps of {x}")
        states = (len(self.start),)
        shapes: dict[str, Shape] = {INPUT: (x[-1] + len(self.start),)}
        for node in self.body:
            shapes[node.name] = node.shape(*(shapes[i] for i in node.inputs))
        for end in (self.new, self.gate) if self.gate else (self.new,):
            need(shapes[end] == states, self, f"has a state of {states} and makes {shapes[end]} of it in a step")
        return (*x[:2], *states) if self.every else states


@dataclass(frozen=True, eq=False, kw_only=True)
class Outputs(Node):
    """The answers of a network with several outputs: the elements of each in raster order, one after the other."""

    def shape(self, *xs: Shape) -> Shape:
        return (sum(int(np.prod(x)) for x in xs),)


RealOp: TypeAlias = (
    Pointwise
    | Dense
    | Conv
    | Add
    | Maximum
    | Multiply
    | Concat
    | MaxPool
    | SumPool
    | Upsample
    | Pad
    | Flatten
    | Reshape
    | TopK
    | Outputs
    | Recurrent
)
