"""Small exact improvements of integer operations: falling channels get their weights negated.

Stands on ops. Each keeps the meaning of the network on every input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hwflow import ops
from hwflow.graph import Nodes
from hwflow.real import INPUT


def polished(chosen: Sequence[ops.Op]) -> tuple[ops.Op, ...]:
    """The operations with every falling threshold behind weights of its own turned to rising."""
    nodes: Nodes[ops.Op] = Nodes(INPUT, chosen)
    new = {op.name: op for op in chosen}
    for op in chosen:
        if not isinstance(op, ops.Threshold) or not op.falling.any() or op.inputs[0] == INPUT:
            continue
        before = nodes[op.inputs[0]]
        if isinstance(before, ops.Dense | ops.Conv) and len(nodes.users(before.name)) == 1:
            turn = np.where(op.falling, -1, 1)
            weights = before.weights * turn.reshape(-1, *(1,) * (before.weights.ndim - 1))
            # x < t on a sum is -x >= 1 - t on its negative
            table = np.where(op.falling[:, None], np.sort(1 - op.thresholds, 1), op.thresholds)
            new[before.name] = replace(before, weights=weights)
            new[op.name] = replace(op, thresholds=table, falling=np.zeros_like(op.falling))
    return tuple(new.values())
