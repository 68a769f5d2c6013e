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
from hwflow.real.functions import EXACT, FUNCTIONS, MERGED
from hwflow.real.products import picked_channels
from hwflow.real.rationals import floats
from hwflow.real.scales import EPS
from hwflow.real.steps import STEPS, Both
from hwflow.windows import windows

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
    terms = dict.fromkeys(values, 0)  # of the sum in front of which the reference has no tensor: a bias may start it
    for node in graph.nodes:
        ins = [known[i] for i in node.inputs]
        got = _given(graph, node, ins)
        bound = _room(graph, node, ins, [room[i] for i in node.inputs], max(terms[i] for i in node.inputs))
        if node.name not in values or values[node.name].shape != got.shape:
            known[node.name], room[node.name], own[node.name] = got, bound, got
            terms[node.name] = max(_terms(graph, node), *(terms[i] for i in node.inputs))
            continue
        want = values[node.name]
        same = got == want
        off = np.where(same, 0.0, np.abs(got.astype(np.float64) - want))
        if isinstance(node, real.TopK):
            worst = _pick(ins[0], room[node.inputs[0]] + (MERGED / 2 if node.behind else 0.0), want)
        else:
            worst = float((off / np.maximum(bound, np.finfo(np.float32).tiny)).max()) if bound.any() else 0.0
        own[node.name] = got if node.name in graph.sums else graph._value(node, [own[i] for i in node.inputs])
        ties = _ties(graph, node, own[node.name], want)
        out.append(Rounding(node.name, want.size, int((~same).sum()), worst, ties))
    return tuple(out)


def _given(graph: Graph, node: real.RealOp, ins: list[Array]) -> Array:
    """The graph's value of a node whose inputs are the reference's own.

    These may lie beside the integers that the graph sums, or beyond the range it knows, where the sums before were
    rounded: what is left of them goes through the node as real numbers.
    """
    if node.name not in graph.sums:
        return graph._value(node, ins)
    left = _left(graph, node, ins)
    if not any(part.any() for part in left):
        return graph._value(node, ins)
    if _copies(node):
        return _linear(node, ins).astype(np.float32)
    near = [(x.astype(np.float64) - part).astype(np.float32) for x, part in zip(ins, left, strict=True)]
    if isinstance(node, real.Multiply):
        rest = np.prod([x.astype(np.float64) for x in ins], 0) - np.prod([x.astype(np.float64) for x in near], 0)
        return (graph._value(node, near) + rest).astype(np.float32)
    return (graph._value(node, near) + _linear(node, left)).astype(np.float32)


def _left(graph: Graph, node: real.RealOp, ins: list[Array]) -> list[Array]:
    """What each input is more than the value of the nearest integer in its channel's range, in float64."""
    out = []
    for name, x in zip(node.inputs, ins, strict=True):
        grid = graph.spans[name].taken
        near = x if grid is None else grid.values(np.clip(grid.integers(x), grid.lo, grid.hi))
        out.append(x.astype(np.float64) - near)
    return out


def _linear(node: real.RealOp, xs: list[Array]) -> Array:
    """The sums of a node without padding's value, in float64."""
    match node:
        case real.Dense():
            return np.asarray(xs[0] @ (node.weights.ints * node.weights.scale.reshape(-1, 1)).T)
        case real.Conv():
            rows, kh, kw, depth = node.weights.ints.shape
            cols = windows(xs[0], (kh, kw), node.stride, node.pads, node.dilation, np.zeros(xs[0].shape[-1]))
            weights = (node.weights.ints * node.weights.scale.reshape(-1, 1, 1, 1)).reshape(
                node.groups, -1, kh, kw, depth
            )
            cols = cols.reshape(*cols.shape[:-1], node.groups, depth)
            return np.asarray(np.einsum("nhwijgd,grijd->nhwgr", cols, weights).reshape(*cols.shape[:3], rows))
        case real.SumPool():
            return np.asarray(
                windows(xs[0], node.kernel, node.stride, node.pads, (1, 1), np.zeros(xs[0].shape[-1])).sum((3, 4))
            )
        case real.Concat():
            return np.concatenate(xs, -1)
        case real.Pad():
            return ops.Pad(name=node.name, inputs=node.inputs, pads=node.pads, channels=node.channels).run(xs[0])
        case real.Add():
            return np.asarray(np.sum(xs, 0))
    raise AssertionError(f"{node.name} is no sum")


def _copies(node: real.RealOp) -> bool:
    """True where nothing is summed: values are handed on as they are."""
    if isinstance(node, real.Dense | real.Conv):
        return picked_channels(node) is not None and not (isinstance(node, real.Conv) and node.loose)
    return isinstance(node, real.Pad | real.Concat)


def _room(graph: Graph, node: real.RealOp, ins: list[Array], rooms: list[Array], terms: int) -> Array:
    """How far a reference given `ins`, known but for `rooms`, may be from the graph's value of a node."""
    open_ = any(room.any() for room in rooms)
    if node.name in graph.sums:
        if not open_:
            return np.zeros(1) if _copies(node) else _bound(graph, node, ins)
        if not all(np.isfinite(room).all() for room in rooms):
            return np.full(1, np.inf)
        # a sum of sums: what the inputs may be off by is summed too
        spread = [np.broadcast_to(room, x.shape).astype(np.float64) for room, x in zip(rooms, ins, strict=True)]
        if _copies(node):
            return _linear(node, spread)
        return _bound(graph, node, ins) + _carry(node, graph.sums[node.name].op, ins, spread)
    if isinstance(node, real.Pointwise):
        return _spread(node.steps, ins[0], rooms[0].astype(np.float64), terms)[1]
    return np.full(1, max(float(room.max()) for room in rooms)) if open_ else np.zeros(1)


def _spread(steps: tuple[real.Step, ...], x: Array, room: Array, terms: int) -> tuple[Array, Array]:
    """The values behind steps, and how far a reference may be from them: libraries round their functions differently.

    `terms` is the length of a sum in front that the reference computes in one node with these steps; it may begin with
    its bias, so every rounding of the sum may be one of the bias too.
    """
    for step in steps:
        bias = np.zeros(1)
        if isinstance(step, Both):
            (a, ra), (b, rb) = (_spread(chain, x, room, 0) for chain in (step.left, step.right))
            y = STEPS[step.op](a, b)
            if not (ra.any() or rb.any()):
                x, room = y, np.zeros(1)
                continue
            ends = [STEPS[step.op](_move(a, i * ra), _move(b, j * rb)) for i in (-1, 1) for j in (-1, 1)]
        else:
            y = step.run(x)
            ends = [step.run(_move(x, i * room)) for i in (-1, 1)] if room.any() else [y]
            if terms and step.op in ("add", "sub"):
                bias = (terms + 4) * EPS * np.abs(step.value.astype(np.float64))
        room = np.max([np.abs(end.astype(np.float64) - y) for end in ends], 0) + bias
        if step.op in FUNCTIONS and step.op not in EXACT:
            room = room + FUNCTIONS[step.op].off(x, y)
        x = y
    return x, room if room.any() else np.zeros(1)


def _move(x: Array, by: Array) -> Array:
    return (x.astype(np.float64) + by).astype(np.float32)


def _ties(graph: Graph, node: real.RealOp, own: Array, want: Array) -> int:
    """Integers of a value that differ, where a sum takes it as integers or the network ends."""
    grid = graph.spans[node.name].grid
    taken = node.name in graph.ends or any(user.name in graph.sums for user in graph.by_name.users(node.name))
    return int((grid.integers(own) != grid.integers(want)).sum()) if taken and grid is not None else 0


def _bound(graph: Graph, node: real.RealOp, ins: list[Array]) -> Array:
    """How far two float32 sums of one node may be from each other, of each result.

    (terms + 4) * eps * sum of |terms| is the classical bound for a sum in any order. Where values have an offset, the
    graph adds that of the whole sum at once, which rounds once more; so does what lies beside its integers.
    """
    own = graph.sums[node.name]
    left = [np.abs(part) for part in _left(graph, node, ins)]
    pad = abs(node.pad) if isinstance(node, real.Conv) else 0.0
    sums = [
        _absolute(node, own.op, [np.abs(x.astype(np.float64)) for x in ins], pad),
        _carry(node, own.op, ins, left) if any(part.any() for part in left) else 0.0,
    ]
    start = np.abs(floats(own.grid.offset))
    terms = _terms(graph, node) + 4
    fixed = 0.0 if own.off is None else own.off  # by how much a sum of branches is rounded in fixed point
    if isinstance(node, real.Conv) and node.loose:
        fixed = fixed + node.loose * 2 * float(np.abs(ins[0]).max(initial=0))
    return terms * (EPS * sums[0] + LEAST) + 4 * EPS * (sums[1] + start) + own.near * sums[0] + fixed


def _carry(node: real.RealOp, op: ops.Op, ins: list[Array], off: list[Array]) -> Array:
    """How far the result is off where each input is off by no more than so much."""
    if not isinstance(op, ops.Multiply):
        return _absolute(node, op, off, 0.0)
    sizes = [np.abs(x.astype(np.float64)) for x in ins]
    return (sizes[0] + off[0]) * (sizes[1] + off[1]) - sizes[0] * sizes[1]


def _terms(graph: Graph, node: real.RealOp) -> int:
    """How many numbers the sum of a node has, beyond the roundings of each; 0 for what sums nothing."""
    if node.name not in graph.sums or _copies(node):
        return 0
    match graph.sums[node.name].op:
        case ops.Dense() | ops.Conv() as op:
            return int(np.prod(op.weights.shape[1:]))
        case ops.SumPool() as op:
            return op.kernel[0] * op.kernel[1]
        case ops.Add() | ops.Multiply() | ops.Concat() | ops.Pad():
            return 2
        case _:
            raise AssertionError(f"{node.name} is no sum")


def _pick(scores: Array, room: Array, want: Array) -> float:
    """How much room the choice `want` (..., k) of the largest scores needs, in units of what there is: at most 1 if right.

    Equal scores need none where the first of them is taken.
    """
    flat = scores.reshape(-1, scores.shape[-1]).astype(np.float64)
    wide = np.broadcast_to(room, scores.shape).reshape(flat.shape)
    taken = want.reshape(-1, want.shape[-1]).astype(np.int64)
    if taken.min() < 0 or taken.max() >= flat.shape[1]:
        return np.inf
    places, open_, worst = np.arange(flat.shape[1]), np.ones(flat.shape, bool), 0.0
    for k in taken.T[:, :, None]:
        np.put_along_axis(open_, k, False, 1)
        less = np.where(open_, flat - np.take_along_axis(flat, k, 1), -np.inf)
        both = wide + np.take_along_axis(wide, k, 1)
        needs = np.where(
            both > 0,
            np.maximum(less, 0) / np.maximum(both, np.finfo(np.float64).tiny),
            np.where((less > 0) | ((less == 0) & (places < k)), np.inf, 0),
        )
        worst = max(worst, float(needs.max()))
    return max(worst, LEAST) if wide.any() else worst


def _absolute(node: real.RealOp, op: ops.Op, sizes: list[Array], pad: float) -> Array:
    """The node with the size of everything: of weights, and of values at or above zero; never less than that."""
    units = [max(float(x.max(initial=0)), pad, 1e-300) / (1 << 20) for x in sizes]
    upper = [np.ceil(x / u).astype(np.int64) for x, u in zip(sizes, units, strict=True)]
    if isinstance(node, real.Dense | real.Conv) and isinstance(op, ops.Dense | ops.Conv):
        plain = replace(op, weights=np.abs(node.weights.ints))
        if isinstance(plain, ops.Conv):
            plain = replace(plain, pad=np.full(1, int(np.ceil(pad / units[0]))))
        return units[0] * plain.run(upper[0]) * np.abs(node.weights.scale)
    if isinstance(op, ops.SumPool):
        return units[0] * op.run(upper[0])
    if isinstance(op, ops.Multiply):
        return sizes[0] * sizes[1]
    total: Array = np.sum([u * x for u, x in zip(units, upper, strict=True)], 0)
    return total
