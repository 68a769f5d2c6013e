"""The integer operations of a folded network and their meaning: `run` in numpy.

Stands on bits, graph and windows. Images are (n, H, W, C), channel fastest; vectors are (n, C). Every value is
the integer it means (-1/+1, never 0/1 for it); a Port says which integers can occur, and every width in
hardware follows from that. What an operation does to shapes alone (`shape`) holds for real numbers too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TypeAlias, get_args

import numpy as np
from typing_extensions import assert_never

from hwflow.bits import BIPOLAR, Array, Ints, exact_matmul, ints_of
from hwflow.bits import row_ranges as row_ranges
from hwflow.graph import Node, frozen
from hwflow.windows import Pads as Pads
from hwflow.windows import Port as Port
from hwflow.windows import Shape as Shape
from hwflow.windows import need, pooled_shape, window_shape, windows


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense(Node):
    """y[r] = sum_c w[r, c] * x[c]."""

    weights: Array  # int, (rows, cols)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen(self.weights, np.int32))

    def port(self, x: Port) -> Port:
        rows, cols = self.weights.shape
        need(len(x.shape) == 1 and x.channels == cols, self, f"takes {cols} inputs, not {x.shape}")
        lo, hi = row_ranges(self.weights, x.ints)
        return Port((rows,), Ints(int(lo.min()), int(hi.max())))

    def run(self, x: Array) -> Array:
        return exact_matmul(x, self.weights.T)


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv(Node):
    """y[p, q, r] = sum over taps of w[r, i, j, c] * x[p*sh + i*dh - top, q*sw + j*dw - left, g(r) + c].

    A tap outside the image contributes w * pad. With pad 0 on -1/+1 data it contributes nothing, which is exact.
    """

    weights: Array  # int, (rows, kh, kw, channels / groups)
    stride: tuple[int, int] = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    pad: Array = field(default_factory=lambda: np.zeros(1, np.int32))  # int, (1,) or (channels,)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen(self.weights, np.int32))
        object.__setattr__(self, "pad", frozen(self.pad, np.int32))

    @property
    def kernel(self) -> tuple[int, int]:
        return self.weights.shape[1], self.weights.shape[2]

    @property
    def padded(self) -> bool:
        return any(self.pads)

    def taps(self, x: Port) -> Ints:
        """The integers a tap can hold: those of the input, and the padding where there is any."""
        return x.ints.join(ints_of(self.pad)) if self.padded and self.pad not in x.ints else x.ints

    def port(self, x: Port) -> Port:
        rows, _, _, depth = self.weights.shape
        need(
            len(x.shape) == 3 and x.channels == depth * self.groups,
            self,
            f"takes {depth * self.groups} channels, not {x.shape}",
        )
        need(rows % self.groups == 0, self, f"{self.groups} groups must divide {rows} rows")
        h, w = window_shape(self, x.shape, self.kernel, self.stride, self.pads, self.dilation)
        lo, hi = row_ranges(self.weights.reshape(rows, -1), self.taps(x))
        return Port((h, w, rows), Ints(int(lo.min()), int(hi.max())))

    def run(self, x: Array) -> Array:
        rows, kh, kw, depth = self.weights.shape
        cols = windows(x, self.kernel, self.stride, self.pads, self.dilation, np.broadcast_to(self.pad, x.shape[-1:]))
        n, h, w = cols.shape[:3]
        # one product of matrices for each group: (n h w, taps depth) by (taps depth, rows of the group)
        taps = cols.reshape(n * h * w, kh * kw, self.groups, depth).transpose(2, 0, 1, 3)
        a = taps.reshape(self.groups, n * h * w, kh * kw * depth)
        b = self.weights.reshape(self.groups, rows // self.groups, -1).transpose(0, 2, 1)
        return exact_matmul(a, b).transpose(1, 0, 2).reshape(n, h, w, rows)


@dataclass(frozen=True, eq=False, kw_only=True)
class Threshold(Node):
    """y = base + count_k(x >= t[c, k]), or base + n - count where `falling`; -1/+1 when `bipolar` (one threshold)."""

    thresholds: Array  # int, (channels, n), ascending in each row, within lo .. hi+1 of the input
    falling: Array  # bool, (channels,)
    base: int = 0
    bipolar: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "thresholds", frozen(self.thresholds, np.int64))
        object.__setattr__(self, "falling", frozen(self.falling, bool))
        assert (np.diff(self.thresholds, axis=1) >= 0).all(), f"{self.name}: thresholds must ascend"
        assert not self.bipolar or self.thresholds.shape[1] == 1, f"{self.name}: a sign has one threshold"

    @property
    def levels(self) -> int:
        return self.thresholds.shape[1]

    def port(self, x: Port) -> Port:
        need(
            len(self.thresholds) == x.channels,
            self,
            f"has thresholds for {len(self.thresholds)} channels, not {x.channels}",
        )
        return Port(x.shape, BIPOLAR if self.bipolar else Ints(self.base, self.base + self.levels))

    def run(self, x: Array) -> Array:
        count = np.zeros(x.shape, np.int64)
        for k in range(self.levels):
            count += x >= self.thresholds[:, k]
        count = np.where(self.falling, self.levels - count, count)
        return 2 * count - 1 if self.bipolar else self.base + count


@dataclass(frozen=True, eq=False, kw_only=True)
class Rescale(Node):
    """y = clip((mul[c] * x + add[c]) >> shift, lo, hi); the shift rounds towards minus infinity."""

    mul: Array  # int, (channels,)
    add: Array  # int, (channels,)
    shift: int
    lo: int
    hi: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "mul", frozen(self.mul, np.int64))
        object.__setattr__(self, "add", frozen(self.add, np.int64))

    def port(self, x: Port) -> Port:
        need(len(self.mul) == x.channels, self, f"scales {len(self.mul)} channels, not {x.channels}")
        ends = np.stack([(self.mul * v + self.add) >> self.shift for v in (x.ints.lo, x.ints.hi)])
        ends = np.clip(ends, self.lo, self.hi)
        return Port(x.shape, Ints(int(ends.min()), int(ends.max())))

    def run(self, x: Array) -> Array:
        return np.clip((self.mul * x.astype(np.int64) + self.add) >> self.shift, self.lo, self.hi)


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Node):
    """y = sum_i scales[i] * x_i, elementwise over inputs of one shape."""

    scales: tuple[int, ...]

    def port(self, *xs: Port) -> Port:
        need(len({x.shape for x in xs}) == 1, self, f"adds shapes {[x.shape for x in xs]}, which must be equal")
        ends = [sorted((s * x.ints.lo, s * x.ints.hi)) for s, x in zip(self.scales, xs, strict=True)]
        return Port(xs[0].shape, Ints(sum(e[0] for e in ends), sum(e[1] for e in ends)))

    def run(self, *xs: Array) -> Array:
        return np.sum([s * x.astype(np.int64) for s, x in zip(self.scales, xs, strict=True)], axis=0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Maximum(Node):
    """y = max_i x_i, elementwise over inputs of one shape. On -1/+1 data: OR."""

    def shape(self, *xs: Shape) -> Shape:
        need(len(set(xs)) == 1, self, f"compares shapes {[*xs]}, which must be equal")
        return xs[0]

    def port(self, *xs: Port) -> Port:
        shape = self.shape(*(x.shape for x in xs))
        if all(x.ints.is_bipolar for x in xs):
            return xs[0]
        return Port(shape, Ints(max(x.ints.lo for x in xs), max(x.ints.hi for x in xs)))

    def run(self, *xs: Array) -> Array:
        return np.max([x.astype(np.int64) for x in xs], axis=0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Multiply(Node):
    """y = x_0 * x_1, elementwise over two inputs of one shape. On -1/+1 data: XNOR."""

    def shape(self, *xs: Shape) -> Shape:
        need(len(xs) == 2, self, f"multiplies {len(xs)} inputs, not two")
        need(xs[0] == xs[1], self, f"multiplies shapes {[*xs]}, which must be equal")
        return xs[0]

    def port(self, *xs: Port) -> Port:
        shape = self.shape(*(x.shape for x in xs))
        if all(x.ints.is_bipolar for x in xs):
            return xs[0]
        ends = [a * b for a in (xs[0].ints.lo, xs[0].ints.hi) for b in (xs[1].ints.lo, xs[1].ints.hi)]
        return Port(shape, Ints(min(ends), max(ends)))

    def run(self, *xs: Array) -> Array:
        return xs[0].astype(np.int64) * xs[1]


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Node):
    """The channels of every input, one input after the other, each times its scale."""

    scales: tuple[int, ...]

    def port(self, *xs: Port) -> Port:
        need(
            len({x.shape[:-1] for x in xs}) == 1,
            self,
            f"joins shapes {[x.shape for x in xs]}, which may differ in channels only",
        )
        if set(self.scales) == {1}:
            ints = xs[0].ints
            for x in xs[1:]:
                ints = ints.join(x.ints)
        else:
            ends = [e for s, x in zip(self.scales, xs, strict=True) for e in (s * x.ints.lo, s * x.ints.hi)]
            ints = Ints(min(ends), max(ends))
        return Port((*xs[0].shape[:-1], sum(x.channels for x in xs)), ints)

    def run(self, *xs: Array) -> Array:
        return np.concatenate([s * x.astype(np.int64) for s, x in zip(self.scales, xs, strict=True)], axis=-1)


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool(Node):
    """y = max of the taps inside the image; min for the channels of `minimum`. On -1/+1 data: OR and AND."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    minimum: Array  # bool, (channels,)
    pads: Pads = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "minimum", frozen(self.minimum, bool))

    def port(self, x: Port) -> Port:
        h, w = pooled_shape(self, x.shape, self.kernel, self.stride, self.pads, self.dilation)
        return Port((h, w, x.channels), x.ints)

    def run(self, x: Array) -> Array:
        x = np.where(self.minimum, -x.astype(np.int64), x)
        least = np.full(x.shape[-1], np.iinfo(np.int64).min)
        y = windows(x, self.kernel, self.stride, self.pads, self.dilation, least).max((3, 4))
        return np.where(self.minimum, -y, y)


@dataclass(frozen=True, eq=False, kw_only=True)
class SumPool(Node):
    """y = sum of the taps inside the image. An average is this, with its division in the scale."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: Pads = (0, 0, 0, 0)

    def shape(self, x: Shape) -> Shape:
        return (*window_shape(self, x, self.kernel, self.stride, self.pads, (1, 1)), x[-1])

    def port(self, x: Port) -> Port:
        taps = self.kernel[0] * self.kernel[1]
        ends = Ints(taps * x.ints.lo, taps * x.ints.hi)
        return Port(self.shape(x.shape), ends.join(x.ints) if any(self.pads) else ends)

    def run(self, x: Array) -> Array:
        zero = np.zeros(x.shape[-1], np.int64)
        return windows(x.astype(np.int64), self.kernel, self.stride, self.pads, (1, 1), zero).sum((3, 4))


@dataclass(frozen=True, eq=False, kw_only=True)
class Upsample(Node):
    """Nearest neighbour: every pixel `factor` times in each direction (rows, columns)."""

    factor: tuple[int, int]

    def shape(self, x: Shape) -> Shape:
        return (x[0] * self.factor[0], x[1] * self.factor[1], x[2])

    def port(self, x: Port) -> Port:
        return Port(self.shape(x.shape), x.ints)

    def run(self, x: Array) -> Array:
        return x.repeat(self.factor[0], 1).repeat(self.factor[1], 2)


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Node):
    """Zeros around the image (top, left, bottom, right) and before and after its channels."""

    pads: Pads = (0, 0, 0, 0)
    channels: tuple[int, int] = (0, 0)

    def shape(self, x: Shape) -> Shape:
        t, left, b, r = self.pads
        return (x[0] + t + b, x[1] + left + r, x[2] + sum(self.channels))

    def port(self, x: Port) -> Port:
        return Port(self.shape(x.shape), x.ints.join(Ints(0, 0)))

    def run(self, x: Array) -> Array:
        t, left, b, r = self.pads
        return np.pad(x, ((0, 0), (t, b), (left, r), self.channels))


@dataclass(frozen=True, eq=False, kw_only=True)
class Flatten(Node):
    """An image as one vector in raster order, channel fastest. Costs nothing on a stream."""

    def shape(self, x: Shape) -> Shape:
        return (prod(x),)

    def port(self, x: Port) -> Port:
        return Port(self.shape(x.shape), x.ints)

    def run(self, x: Array) -> Array:
        return x.reshape(len(x), -1)


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Node):
    """The same elements in raster order as another image or vector. Costs nothing on a stream."""

    shape: Shape

    def port(self, x: Port) -> Port:
        need(prod(self.shape) == x.size, self, f"makes {self.shape} of {x.shape}, which has {x.size} elements")
        return Port(tuple(self.shape), x.ints)

    def run(self, x: Array) -> Array:
        return x.reshape(len(x), *self.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class TopK(Node):
    """Indices of the k largest channels, of a vector or of each pixel, largest first; of equal ones the lowest index first."""

    k: int = 1

    def port(self, x: Port) -> Port:
        need(self.k <= x.channels, self, f"asks for the {self.k} largest of {x.channels}")
        return Port((*x.shape[:-1], self.k), Ints(0, x.channels - 1))

    def run(self, x: Array) -> Array:
        return np.argsort(-x.astype(np.int64), axis=-1, kind="stable")[..., : self.k]


@dataclass(frozen=True, eq=False, kw_only=True)
class Recurrent(Node):
    """h_t[s] = base + count_k(x_t[s] + sum_j w[s, j] * h_{t-1}[j] >= t[s, k]), for the pixels of an image in raster order.

    -1/+1 when `bipolar` (one threshold); `start` is the state before the first pixel. With `gates` rows come in pairs,
    2 s for the state and 2 s + 1 for its gate: where the gate's sum stays below gates[s] the state keeps its value.
    A second input, of one channel, is a mask: pixels at which it is not above 0 leave the whole state as it is.
    Gives the last state, (states,), or with `every` the state behind each pixel.
    """

    weights: Array  # int, (rows, states): as many rows as states, or twice as many
    thresholds: Array  # int, (states, n), ascending in each row
    start: Array  # int, (states,)
    gates: Array = field(default_factory=lambda: np.zeros(0, np.int64))  # int, (states,) or (0,)
    base: int = 0
    bipolar: bool = False
    every: bool = False

    def __post_init__(self) -> None:
        for name, kind in (("weights", np.int32), ("thresholds", np.int64), ("start", np.int64), ("gates", np.int64)):
            object.__setattr__(self, name, frozen(getattr(self, name), kind))
        n = self.states
        assert self.weights.shape == (n * (1 + self.gated), n) and len(self.thresholds) == n, f"{self.name}: {n} states"
        assert (np.diff(self.thresholds, axis=1) >= 0).all(), f"{self.name}: thresholds must ascend"
        assert not self.bipolar or self.thresholds.shape[1] == 1, f"{self.name}: a sign has one threshold"

    @property
    def states(self) -> int:
        return len(self.start)

    @property
    def gated(self) -> bool:
        return len(self.gates) > 0

    @property
    def ints(self) -> Ints:
        """The integers of a state: its levels, and what it starts at."""
        levels = BIPOLAR if self.bipolar else Ints(self.base, self.base + self.thresholds.shape[1])
        return levels if self.start in levels else levels.join(ints_of(self.start))

    def port(self, x: Port, mask: Port | None = None) -> Port:
        rows = len(self.weights)
        need(len(x.shape) == 3 and x.channels == rows, self, f"takes images of {rows} channels, not {x.shape}")
        need(mask is None or mask.shape == (*x.shape[:2], 1), self, f"takes a mask of {(*x.shape[:2], 1)}")
        return Port((*x.shape[:2], self.states) if self.every else (self.states,), self.ints)

    def run(self, x: Array, mask: Array | None = None) -> Array:
        live = None if mask is None else mask.reshape(len(x), -1, 1) > 0
        sums = x.reshape(len(x), -1, x.shape[-1]).astype(np.int64)
        h, out = np.broadcast_to(self.start, (len(x), self.states)), []
        for t in range(sums.shape[1]):
            acc = sums[:, t] + exact_matmul(h, self.weights.T)
            count = (acc[:, :: 1 + self.gated, None] >= self.thresholds).sum(-1)
            new = 2 * count - 1 if self.bipolar else self.base + count
            new = np.where(acc[:, 1::2] >= self.gates, new, h) if self.gated else new
            h = new if live is None else np.where(live[:, t], new, h)
            out.append(h)
        return np.stack(out, 1).reshape(*x.shape[:-1], self.states) if self.every else h


Op: TypeAlias = (
    Dense
    | Conv
    | Threshold
    | Rescale
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
    | Recurrent
)
OPS: tuple[type[Op], ...] = get_args(Op)


def only_reshapes(op: Op) -> bool:
    """True for operations of no unit: reshapes, and pools, paddings and repetitions of one value."""
    match op:
        case Flatten() | Reshape() | Upsample(factor=(1, 1)) | Pad(pads=(0, 0, 0, 0), channels=(0, 0)):
            return True
        case MaxPool() | SumPool():
            return op.kernel == op.stride == (1, 1) and not any(op.pads)
        case Upsample() | Pad() | Dense() | Conv() | Threshold() | Rescale():
            return False
        case Add() | Maximum() | Multiply() | Concat() | TopK() | Recurrent():
            return False
        case _:
            assert_never(op)
