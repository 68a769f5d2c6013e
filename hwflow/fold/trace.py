"""Where two computations of one network part: the first operation, channel and pixel, with both values.

Stands on real and net. Sums and quantised values of a Net keep the name of the Graph's node, so both can be asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwflow import ops, real
from hwflow.bits import Array
from hwflow.graph import Nodes
from hwflow.net import Net
from hwflow.real import Graph


@dataclass(frozen=True)
class Difference:
    """The first value that differs: which image, which place (row, column, channel or channel), what against what."""

    name: str
    image: int
    place: tuple[int, ...]
    got: int
    want: int
    count: int

    def __str__(self) -> str:
        where = "row {}, column {}, channel {}" if len(self.place) == 3 else "element {}"
        return f"{self.name}: image {self.image}, {where.format(*self.place)} is {self.got}, must be {self.want} ({self.count} values differ)"


def first_difference(net: Net, values: Mapping[str, Array], x: Array) -> Difference | None:
    """The first operation of `net`, in its own order, of which `values` (by name, integers) hold something else."""
    mine = net.values(x)
    for op in net.ops:
        if op.name in values:
            found = differing(op.name, np.asarray(values[op.name]).reshape(mine[op.name].shape), mine[op.name])
            if found:
                return found
    return None


def differing(name: str, got: Array, want: Array) -> Difference | None:
    """The first place where two integer tensors (n, ...) of one shape differ."""
    wrong = got != want
    if not wrong.any():
        return None
    image, *place = (int(i) for i in np.argwhere(wrong)[0])
    return Difference(
        name, image, tuple(place), int(got[(image, *place)]), int(want[(image, *place)]), int(wrong.sum())
    )


def integers_of(graph: Graph, net: Net, x: Array) -> dict[str, Array]:
    """What each operation of `net` must hold by the Graph's own real arithmetic, for the operations it has a name for."""
    out: dict[str, Array] = {}
    shapes = {op.name: net.ports[op.name].shape for op in net.ops}
    signs = {op.name: _signs(graph, net, op) for op in net.ops}

    def keep(name: str, values: Array) -> None:
        grid = graph.spans[name].grid
        if name in shapes and grid is not None and values.shape[1:] == shapes[name] and signs[name] is not None:
            out[name] = grid.integers(values) * signs[name]

    graph.run(graph.takes.real(x), keep)
    return out


def _signs(graph: Graph, net: Net, op: ops.Op) -> Array | None:
    """-1 for the rows that folding negated, +1 for the others; None for an operation that is no sum or quantizer."""
    if isinstance(op, ops.Dense | ops.Conv):
        own = graph.sums.get(op.name)
        if own is None or not isinstance(own.op, ops.Dense | ops.Conv):
            return None
        same = (op.weights == own.op.weights).reshape(len(op.weights), -1).all(1)
        return np.where(same, 1, -1)
    if not isinstance(op, ops.Threshold | ops.Rescale | ops.Add | ops.Recurrent) or op.name not in graph.by_name:
        return None
    # a pool that waits for narrow values comes behind a quantizer which the file has behind the pool
    return np.ones(1, np.int64) if _pools(net.nodes, op.name) == _pools(graph.by_name, op.name) else None


def _pools(nodes: Nodes[Any], name: str) -> int:
    """How many pools lie between a value and the sum or input in front of it."""
    found = 0
    while name in nodes and not isinstance(nodes[name], SUMS):
        found += type(nodes[name]).__name__ in ("MaxPool", "Upsample")
        name = nodes[name].inputs[0]
    return found


SUMS = (
    ops.Dense, ops.Conv, ops.Add, ops.Concat, ops.SumPool, ops.Pad,
    real.Dense, real.Conv, real.Add, real.Concat, real.SumPool, real.Pad,
)  # fmt: skip
