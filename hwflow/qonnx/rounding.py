"""Why a reference execution may differ from integers: float32 sums of values that are no powers of two.

Stands on reference and real. Every node is given the reference's own inputs, so nothing is carried along: elementwise
nodes must agree to the last bit, sums to within the error that float32 summation in any order may make. Where both
hold, a quantised value that differs is a tie of the reference: steps are monotone, so the boundary between the two
levels lies between two sums that differ by rounding alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hwflow import ops, real
from hwflow.bits import Array
from hwflow.real import Graph
from hwflow.real.functions import EXACT, FUNCTIONS, ULPS
from hwflow.real.plans import picked_channels
from hwflow.real.rationals import floats
from hwflow.real.steps import STEPS, Both

EPS = 2.0**-24
LEAST = 2.0**-149  # the smallest float32 number, which all rounding may come to among those near it


@dataclass(frozen=True)
class Rounding:
    """What one node of the reference does with its own inputs, compared with the graph's arithmetic."""

    name: str
    values: int
    differing: int
    worst: float  # the largest difference in units of the error bound of the float32 sum behind it; 0 without any
    ties: int = 0  # of a quantised value that is summed next, or the answer: integers that the rounding decides

    @property
    def explained(self) -> bool:
        """True where the node agrees, or differs by no more than summation order explains."""
        return self.differing == 0 or 0 < self.worst <= 1


def rounding(graph: Graph, values: dict[str, Array]) -> tuple[Rounding, ...]:
    """One `Rounding` for each node that the reference has a tensor for: `values`, by node name in canonical layout.

    A node without one (the sum inside an average or in front of a bias) belongs to the next that has one.
    """
    out = []
    known = dict(values)  # the reference's, else the graph's from the reference's
    room = {name: np.zeros(1) for name in values}  # how far the reference may be from `known`
    own = dict(values)  # the graph's from the reference's inputs of the latest sum
    for node in graph.nodes:
        ins = [known[i] for i in node.inputs]
        got = graph._value(node, ins)
        bound = _room(graph, node, ins, [room[i] for i in node.inputs])
        if node.name not in values or values[node.name].shape != got.shape:
            known[node.name], room[node.name], own[node.name] = got, bound, got
            continue
        want = values[node.name]
        off = np.abs(got.astype(np.float64) - want)
        worst = float((off / np.maximum(bound, np.finfo(np.float32).tiny)).max()) if bound.any() else 0.0
        own[node.name] = got if node.name in graph.plans else graph._value(node, [own[i] for i in node.inputs])
        ties = _ties(graph, node, own[node.name], want)
        out.append(Rounding(node.name, want.size, int((off > 0).sum()), worst, ties))
    return tuple(out)


def _room(graph: Graph, node: real.RealOp, ins: list[Array], rooms: list[Array]) -> Array:
    """How far a reference given `ins`, known but for `rooms`, may be from the graph's value of a node."""
    open_ = any(room.any() for room in rooms)
    if node.name in graph.plans:
        copies = isinstance(node, real.Dense | real.Conv) and picked_channels(node) is not None
        if copies or isinstance(node, real.Pad | real.Concat):
            # nothing is summed: what a sum before has rounded is handed on as it is
            return np.full(1, max(float(v.max()) for v in (*rooms, *_displaced(graph, node, ins))))
        if not open_:
            return _bound(graph, node, ins)
        if not all(np.isfinite(room).all() for room in rooms):
            return np.full(1, np.inf)
        # a sum of sums: what the inputs may be off by is summed too
        spread = [np.broadcast_to(room, x.shape).astype(np.float64) for room, x in zip(rooms, ins, strict=True)]
        return _bound(graph, node, ins) + _absolute(node, graph.plans[node.name].op, spread, 0.0)
    if isinstance(node, real.Pointwise):
        return _spread(node.steps, ins[0], rooms[0].astype(np.float64))[1]
    return np.full(1, max(float(room.max()) for room in rooms)) if open_ else np.zeros(1)


def _spread(steps: tuple[real.Step, ...], x: Array, room: Array) -> tuple[Array, Array]:
    """The values behind steps, and how far a reference may be from them: libraries round their functions differently."""
    for step in steps:
        if isinstance(step, Both):
            (a, ra), (b, rb) = (_spread(chain, x, room) for chain in (step.left, step.right))
            y = STEPS[step.op](a, b)
            if not (ra.any() or rb.any()):
                x, room = y, np.zeros(1)
                continue
            ends = [STEPS[step.op](_moved(a, i * ra), _moved(b, j * rb)) for i in (-1, 1) for j in (-1, 1)]
        else:
            y = step.run(x)
            ends = [step.run(_moved(x, i * room)) for i in (-1, 1)] if room.any() else [y]
        room = np.max([np.abs(end.astype(np.float64) - y) for end in ends], 0)
        if step.op in FUNCTIONS and step.op not in EXACT:
            room = room + ULPS * np.spacing(np.maximum(np.abs(y), np.float32(1))).astype(np.float64)
        x = y
    return x, room if room.any() else np.zeros(1)


def _moved(x: Array, by: Array) -> Array:
    return (x.astype(np.float64) + by).astype(np.float32)


def _ties(graph: Graph, node: real.RealOp, own: Array, want: Array) -> int:
    """Integers of a value that differ, where a sum takes it as integers or the network ends."""
    grid = graph.spans[node.name].grid
    taken = node.name == graph.output or any(user.name in graph.plans for user in graph.by_name.users(node.name))
    return int((grid.integers(own) != grid.integers(want)).sum()) if taken and grid is not None else 0


def _bound(graph: Graph, node: real.RealOp, ins: list[Array]) -> Array:
    """How far two float32 sums of one node may be from each other, of each result.

    (terms + 4) * eps * sum of |terms| is the classical bound for a sum in any order. The graph sums the integers that
    its inputs stand for: the reference's own, rounded by the sum before, lie beside them, and weigh in as they are.
    Where values have an offset, the graph adds that of the whole sum at once, which rounds once more.
    """
    plan = graph.plans[node.name]
    off = _displaced(graph, node, ins)
    pad = abs(node.pad) if isinstance(node, real.Conv) else 0.0
    sums = [
        _absolute(node, plan.op, [np.abs(x.astype(np.float64)) for x in ins], pad),
        _absolute(node, plan.op, off, 0.0),
    ]
    start = np.abs(floats(plan.grid.offset))
    terms = _terms(plan.op) + 4
    return terms * (EPS * sums[0] + LEAST) + sums[1] + 4 * EPS * start


def _displaced(graph: Graph, node: real.RealOp, ins: list[Array]) -> list[Array]:
    """How far each input lies from the value of the integers that it stands for."""
    grids = [graph.spans[i].grid for i in node.inputs]
    return [
        np.zeros(x.shape) if g is None else np.abs(x.astype(np.float64) - g.values(g.integers(x)))
        for x, g in zip(ins, grids, strict=True)
    ]


def _terms(op: ops.Op) -> int:
    """How many numbers a sum has, beyond the roundings of each."""
    match op:
        case ops.Dense() | ops.Conv():
            return int(np.prod(op.weights.shape[1:]))
        case ops.SumPool():
            return op.kernel[0] * op.kernel[1]
        case _:
            return 2


def _absolute(node: real.RealOp, op: ops.Op, sizes: list[Array], pad: float) -> Array:
    """The node with the size of everything: of weights, and of values at or above zero; never less than that."""
    units = [max(float(x.max(initial=0)), 1e-300) / (1 << 20) for x in sizes]
    upper = [np.ceil(x / u).astype(np.int64) for x, u in zip(sizes, units, strict=True)]
    if isinstance(node, real.Dense | real.Conv) and isinstance(op, ops.Dense | ops.Conv):
        plain = replace(op, weights=np.abs(node.weights.ints))
        if isinstance(plain, ops.Conv):
            plain = replace(plain, pad=np.full(1, int(np.ceil(pad / units[0]))))
        return units[0] * plain.run(upper[0]) * np.abs(node.weights.scale)
    if isinstance(op, ops.SumPool):
        return units[0] * op.run(upper[0])
    total: Array = np.sum([u * x for u, x in zip(units, upper, strict=True)], 0)
    return total
