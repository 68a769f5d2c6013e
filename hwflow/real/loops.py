"""A recurrent node on integers: the grid of its state, and one step as a graph of its own.

Stands on graph. The state's grid is that of the quantizer its next value comes from; it is looked for until the values
that a step makes are those that it was given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints, ints_of
from hwflow.graph import needed
from hwflow.ops import Port
from hwflow.real import nodes as real
from hwflow.real.graph import INPUT, Graph
from hwflow.real.grids import Grid, Span, beside, of_grid, whole
from hwflow.real.summed import Off

GIVEN = "_given"  # no name of a file begins like this: the node that makes real values of the integers of a step's input and of the state
MOST_TURNS = 8  # of the search for the state's range
QUANTISE = "put a quantizer of at most 9 bits between the state's sum and its next value"


@dataclass(frozen=True, eq=False)
class Loop:
    """A recurrent node with its grids: `new` and `gate` are a step, graphs that take the integers of x_t and h together."""

    node: real.Recurrent
    x: Grid
    state: Grid
    start: Array  # int64, (states,)
    new: Graph
    gate: Graph | None
    mask: Grid | None = None  # whose integers are above 0 where its values are

    @property
    def span(self) -> Span:
        return of_grid(self.state)

    def values(self, x: Array, mask: Array | None = None) -> Array:
        """The float32 states of real inputs (n, H, W, channels) under a mask (n, H, W, 1): the last, or each."""
        live = np.ones((len(x), x[0, ..., 0].size, 1), bool) if mask is None else mask.reshape(len(x), -1, 1) > 0
        steps = self.x.integers(x.reshape(len(x), -1, x.shape[-1]))
        h, out = np.broadcast_to(self.start, (len(x), len(self.start))), []
        for t in range(steps.shape[1]):
            both = np.concatenate([steps[:, t], h], 1)
            new = self.state.integers(self.new.run(both))
            new = new if self.gate is None else np.where(self.gate.run(both) > 0.5, new, h)
            h = np.where(live[:, t], new, h)
            out.append(h)
        if not self.node.every:
            return self.state.values(h)
        return self.state.values(np.stack(out, 1)).reshape(*x.shape[:-1], -1)


def loop_of(node: real.Recurrent, x: Grid, mask: Grid | None = None) -> Loop:
    """The node on integers, where its input lies on the grid `x`; `Off` where a step is no function of integers."""
    if mask is not None and not _keeps_signs(mask):
        raise Off("its mask is above 0 at other integers than those above 0", "mask with 1 and 0, or with +1 and -1")
    none = np.zeros(len(node.start), np.int64)
    levels, same = _grid(_step(node, x, whole(none, none), node.new), node.new), False
    for _ in range(MOST_TURNS):
        start = levels.place(node.start)
        state = _join(levels, none if start is None else start)
        new = _step(node, x, state, node.new)
        found = _grid(new, node.new)
        same = bool((found.step == state.step).all() and (found.offset == state.offset).all())
        inside = bool((found.lo >= state.lo).all() and (found.hi <= state.hi).all())
        if same and inside and (found.bipolar or not state.bipolar):
            if start is None:
                raise Off("starts at a value that is none of its state's levels", "start at one of them, such as 0")
            return Loop(node, x, state, start, new, _gate(node, x, state), mask)
        levels = found
        if same:
            levels = replace(found, lo=np.minimum(found.lo, state.lo), hi=np.maximum(found.hi, state.hi))
    raise Off("its state grows from step to step" if same else "its state is not quantised", QUANTISE)


def _keeps_signs(grid: Grid) -> bool:
    """True where exactly the integers above 0 stand for values above 0."""
    lo, hi = int(grid.lo.min()), int(grid.hi.max())
    ints = np.array([lo, hi] if grid.bipolar else np.clip([lo, 0, 1, hi], lo, hi))[:, None]  # values are monotone
    return bool(((grid.values(ints) > 0) == (ints > 0)).all())


def _gate(node: real.Recurrent, x: Grid, state: Grid) -> Graph | None:
    """A step up to its gate, where it has one."""
    if not node.gate:
        return None
    gate = _step(node, x, state, node.gate)
    grid = _grid(gate, node.gate)
    if not np.isin(grid.values(np.stack([grid.lo, grid.hi])), (0, 1)).all():
        raise Off("its gate has other values than 0 and 1", "open the gate by a comparison or a sign")
    return gate


def _step(node: real.Recurrent, x: Grid, state: Grid, end: str) -> Graph:
    """One step up to `end`, of integers."""
    both = beside([x, state])
    ints = BIPOLAR if both.bipolar else Ints(int(both.lo.min()), int(both.hi.max()))
    body = needed(node.body, end)
    read = tuple(replace(n, inputs=tuple(GIVEN if i == INPUT else i for i in n.inputs)) for n in body)
    given = real.Pointwise(name=GIVEN, inputs=(INPUT,), steps=both.steps)
    graph = Graph(node.name, Port((len(both.lo),), ints), (given, *read))
    for found in graph.findings:
        raise Off(f"in its step, {found.node} {found.reason}", found.remedy)
    return graph


def _grid(graph: Graph, end: str) -> Grid:
    grid = graph.spans[end].grid
    if grid is None:
        raise Off("its state is not quantised", QUANTISE)
    return grid


def _join(levels: Grid, start: Array) -> Grid:
    """The grid of the levels and of the first state."""
    bipolar = levels.bipolar and ints_of(start).is_bipolar
    return replace(levels, lo=np.minimum(levels.lo, start), hi=np.maximum(levels.hi, start), bipolar=bipolar)
