"""Why a reference execution may differ from integers: float32 sums of values that are no powers of two.

Stands on reference and real. Every node is given the reference's own inputs, so nothing is carried along: elementwise
nodes must agree to the last bit, sums to within the error that float32 summation in any order may make.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hwflow import ops, real
from hwflow.bits import Array
from hwflow.real import Graph

EPS = 2.0**-24


@dataclass(frozen=True)
class Rounding:
    """What one node of the reference does with its own inputs, compared with the graph's arithmetic."""

    name: str
    values: int
    differing: int
    worst: float  # of a sum: the largest difference in units of the error bound of float32 summation; else 0

    @property
    def explained(self) -> bool:
        """True where the node agrees, or differs by no more than summation order explains."""
        return self.differing == 0 or 0 < self.worst <= 1


def rounding(graph: Graph, values: dict[str, Array]) -> tuple[Rounding, ...]:
    """One `Rounding` for each node of which `values` (canonical layout, by node name) knows inputs and result."""
    out = []
    for node in graph.nodes:
        if node.name not in values or any(i not in values for i in node.inputs):
            continue
        ins = [values[i] for i in node.inputs]
        got, want = graph._value(node, ins), values[node.name]
        if got.shape != want.shape:
            continue
        differing = int((got != want).sum())
        worst = 0.0
        if differing and node.name in graph.plans:
            bound = _bound(graph, node, ins)
            worst = float((np.abs(got.astype(np.float64) - want) / np.maximum(bound, np.finfo(np.float32).tiny)).max())
        out.append(Rounding(node.name, want.size, differing, worst))
    return tuple(out)


def _bound(graph: Graph, node: real.RealOp, ins: list[Array]) -> Array:
    """(terms + 4) * eps * sum of |terms|, the classical bound for a sum in any order; of each result."""
    op = graph.plans[node.name].op
    units = [max(float(np.abs(x).max(initial=0)), 1e-30) / (1 << 20) for x in ins]
    upper = [np.ceil(np.abs(x.astype(np.float64)) / u).astype(np.int64) for x, u in zip(ins, units, strict=True)]
    if isinstance(node, real.Dense | real.Conv) and isinstance(op, ops.Dense | ops.Conv):
        terms = int(np.prod(op.weights.shape[1:]))
        plain = replace(op, weights=np.abs(node.weights.ints))
        if isinstance(plain, ops.Conv):
            plain = replace(plain, pad=np.full(1, int(np.ceil(abs(getattr(node, "pad", 0.0)) / units[0]))))
        return (terms + 4) * EPS * units[0] * plain.run(upper[0]) * node.weights.scale
    if isinstance(op, ops.SumPool):
        return (op.kernel[0] * op.kernel[1] + 4) * EPS * units[0] * op.run(upper[0])
    return (
        6 * EPS * np.sum([u * x for u, x in zip(units, upper, strict=True)], 0)
        if isinstance(op, ops.Add)
        else 0 * upper[0]
    )
