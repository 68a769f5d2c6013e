"""Integer networks in the making, operation by operation, and random images for them.

Stands on net and ops.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from hwflow.bits import Array
from hwflow.net import INPUT, Net
from hwflow.ops import Op, Port
from hwflow.passes import canonical

T = TypeVar("T")


class Making:
    """A network on the way: each operation that is added reads `last` unless it names its inputs."""

    def __init__(self, input: Port, random: np.random.Generator):
        self.random, self.input = random, input
        self.ops: list[Op] = []
        self.ports = {INPUT: input}
        self.last = INPUT

    @property
    def port(self) -> Port:
        """What `last` holds."""
        return self.ports[self.last]

    def name(self, kind: type[Op]) -> str:
        """A name for the next operation: its kind and how many operations there are."""
        return f"{kind.__name__.lower()}{len(self.ops)}"

    def add(self, kind: type[Op], *inputs: str, **fields: object) -> str:
        """One more operation; its name."""
        op = kind(name=self.name(kind), inputs=inputs or (self.last,), **fields)  # type: ignore[arg-type]
        self.ports[op.name] = op.port(*(self.ports[i] for i in op.inputs))
        self.ops.append(op)
        self.last = op.name
        return op.name

    def pick(self, *values: T) -> T:
        """One of the values."""
        return values[int(self.random.integers(len(values)))]

    def signs(self, *shape: int) -> Array:
        """Weights of -1 and +1."""
        return self.random.integers(0, 2, shape) * 2 - 1

    def drawn(self, name: str) -> Net:
        """The network as it was made, before any pass."""
        return Net(name, self.input, tuple(self.ops))

    def net(self, name: str) -> Net:
        """The network in the form that `fold` gives."""
        return canonical(self.drawn(name))


def random_images(net: Net, n: int, seed: int = 0, ends: bool = False) -> Array:
    """Inputs (n, *shape) int64 over the whole range of what a network takes; the first two are its `ends` where asked."""
    ints = net.input.ints
    x = np.random.default_rng(seed).integers(ints.lo, ints.hi + 1, (n, *net.input.shape))
    if ends:
        x[0], x[1 % n] = ints.lo, ints.hi
    return np.where(x >= 0, 1, -1) if ints.is_bipolar else x
