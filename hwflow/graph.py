"""A graph of named nodes in topological order; the one container for real and integer mathematics.

Stands on numpy alone. `Graph` (real/graph.py) and `Net` (net.py) are both made of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

INPUT = "input"  # what enters a network: the name every first operation, real or integer, reads


@dataclass(frozen=True, eq=False, kw_only=True)
class Node:
    """One operation: its own name, and the names of the nodes that feed it."""

    name: str
    inputs: tuple[str, ...]


N = TypeVar("N", bound=Node)


def frozen(values: object, dtype: np.dtype | type | None = None) -> np.ndarray:
    """A read-only, contiguous copy, so that nothing is changed behind the reader; one that is so already is itself."""
    own = isinstance(values, np.ndarray) and values.base is None and dtype in (None, values.dtype)
    if isinstance(values, np.ndarray) and own and values.flags.c_contiguous and not values.flags.writeable:
        return values
    out = np.array(values, dtype=dtype, order="C", copy=True)
    out.setflags(write=False)
    return out


def needed(nodes: Iterable[N], last: str) -> tuple[N, ...]:
    """The nodes that `last` depends on and itself, in the order given, which is topological."""
    nodes = tuple(nodes)
    wanted = {last}
    for node in reversed(nodes):
        if node.name in wanted:
            wanted.update(node.inputs)
    return tuple(node for node in nodes if node.name in wanted)


class Nodes(Generic[N]):
    """Nodes in topological order by name. Each input is `source` or an earlier node; names are unique."""

    def __init__(self, source: str, nodes: Sequence[N]):
        self._by_name: dict[str, N] = {}
        for node in nodes:
            for i in node.inputs:
                if i != source and i not in self._by_name:
                    raise ValueError(f"node {node.name!r} reads {i!r}, which no earlier node produces")
            if node.name == source or node.name in self._by_name:
                raise ValueError(f"two nodes are named {node.name!r}")
            self._by_name[node.name] = node
        self._users: dict[str, tuple[N, ...]] = {}
        for node in nodes:
            for i in dict.fromkeys(node.inputs):
                self._users[i] = (*self._users.get(i, ()), node)

    def __iter__(self) -> Iterator[N]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> N:
        return self._by_name[name]

    def users(self, name: str) -> tuple[N, ...]:
        """The nodes that read `name`."""
        return self._users.get(name, ())
