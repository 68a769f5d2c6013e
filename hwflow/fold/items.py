"""A value on its way through folding: an integer tensor, and the float32 steps and moves that have not happened yet.

Stands on real. Steps are evaluated at integers only when somebody asks for the value's own integers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import assert_never

from hwflow import ops, real
from hwflow.bits import Array
from hwflow.errors import Refusal
from hwflow.real.steps import Beside, Step


class TooWide(Refusal):
    """A quantizer with too many levels."""


@dataclass(frozen=True, eq=False)
class Move:
    """A node that commutes with everything elementwise, so that it can wait until values are narrow.

    `turned` marks the channels whose integers have the reverse order of the values the node was to act on.
    """

    node: real.MaxPool | real.Upsample | real.Flatten | real.Reshape
    turned: Array  # bool, (channels,)


@dataclass(frozen=True, eq=False)
class Item:
    """`steps` on the integers of `op` (lo .. hi of each channel), then `moves`, give the real value."""

    op: str
    lo: Array
    hi: Array
    steps: tuple[Step, ...]
    moves: tuple[Move, ...] = ()
    label: str = ""  # the node of the last step, after which an operation is named

    def values(self, integers: Array) -> Array:
        """Float32 values of integers (n, channels)."""
        y = integers.astype(np.float32)
        for step in self.steps:
            y = step.run(y)
        return np.broadcast_to(y, integers.shape)

    @property
    def affine(self) -> bool:
        """True where the steps keep distinct integers evenly spaced."""
        return all(step.affine for step in self.steps)

    @property
    def monotone(self) -> bool:
        """True where the steps never turn back, so that a maximum may come before or behind them."""
        return all(step.monotone for step in self.steps)

    @property
    def turned(self) -> Array:
        """The channels whose real values fall while their integers rise."""
        return self.slope() < 0

    def moved(self, node: real.MaxPool | real.Upsample | real.Flatten | real.Reshape) -> Item:
        """The value behind one more move."""
        return replace(self, moves=(*self.moves, Move(node, self.turned)))

    @property
    def waits(self) -> real.Reshape | None:
        """The reshape of a vector whose elements have steps of their own, which must become integers before it."""
        last = self.moves[-1].node if self.moves else None
        return last if isinstance(last, real.Reshape) else None

    def slope(self) -> Array:
        """Real value of one integer step, clips and roundings left aside, (channels,) float64."""
        return _slope(self.steps, np.ones(len(self.lo)))


@dataclass(frozen=True, eq=False)
class Pair(Item):
    """`steps` on the float32 sum of two values of the graph, which waits for a quantizer; `op` names nothing yet."""

    left: str = ""
    right: str = ""

    @property
    def affine(self) -> bool:
        return False


@dataclass(frozen=True, eq=False)
class Largest(Item):
    """`steps` on the largest of some values of the graph, whose scales have nothing in common; `op` names nothing yet."""

    values_of: tuple[str, ...] = ()
    root: str = ""  # the node of the maximum

    @property
    def affine(self) -> bool:
        return False

    @property
    def moved_only(self) -> bool:
        """True where nothing but scales and offsets lies behind the maximum."""
        return all(step.affine for step in self.steps)


def _slope(steps: tuple[Step, ...], slope: Array) -> Array:
    for step in steps:
        if isinstance(step, Beside):
            at, parts = 0, []
            for width, inner in step.parts:
                parts.append(_slope(inner, slope[at : at + width]))
                at += width
            slope = np.concatenate(parts)
        elif step.op in ("mul", "div"):
            value = step.value.astype(np.float64)
            with np.errstate(divide="ignore"):
                slope = slope * value if step.op == "mul" else slope / value
    return slope


def integer_move(move: Move, name: str, source: str) -> ops.Op:
    """A move as an operation on integers."""
    node = move.node
    match node:
        case real.MaxPool():
            return ops.MaxPool(
                name=name, inputs=(source,), kernel=node.kernel, stride=node.stride, minimum=move.turned,
                pads=node.pads, dilation=node.dilation,
            )  # fmt: skip
        case real.Upsample():
            return ops.Upsample(name=name, inputs=(source,), factor=node.factor)
        case real.Flatten():
            return ops.Flatten(name=name, inputs=(source,))
        case real.Reshape():
            return ops.Reshape(name=name, inputs=(source,), shape=node.to)
        case _:
            assert_never(node)
