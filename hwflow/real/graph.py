"""A trained network as read from a file: real operations in order, what they take, and what each value can be.

Stands on nodes, grids and sums. `run` is float32 with every sum done on integers first, the project's contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hwflow.answers import Answer, Answers, Output
from hwflow.bits import Array
from hwflow.errors import Finding, ModelError
from hwflow.graph import INPUT as INPUT
from hwflow.graph import Nodes
from hwflow.ops import Port, Shape
from hwflow.real import fixed, grids
from hwflow.real import nodes as real
from hwflow.real.functions import MERGED
from hwflow.real.grids import Grid, Span
from hwflow.real.inputs import Input
from hwflow.real.steps import INTEGRAL, Step
from hwflow.real.summed import IntegerSum, Off, Unrelated
from hwflow.real.sums import MOST_PAIRS, fixed_sum, integer_sum
from hwflow.windows import windows

if TYPE_CHECKING:
    from hwflow.real.loops import Loop

ARITHMETIC = ("mul", "div", "add", "sub")
BEYOND = Off("its values are larger than float32 can hold", "train with scales and norms of a usual size")


@dataclass
class _Analysis:
    """What is known of the values of a graph, by name."""

    spans: dict[str, Span]
    sums: dict[str, IntegerSum]
    findings: list[Finding]
    bends: dict[str, tuple[fixed.Bend, ...]]
    finer: dict[str, tuple[fixed.Finer, ...]]
    loops: dict[str, Loop]


@dataclass(frozen=True, eq=False)
class Graph:
    """Real operations in topological order; each reads `input` or an earlier one; the last is the answer.

    Several outputs are one answer, of a last node `Outputs`, and `answer` says what each of them means.
    """

    name: str
    input: Port
    nodes: tuple[real.RealOp, ...]
    denominator: int = 1
    notes: tuple[str, ...] = field(default=())
    answer: Answer | Answers = field(default_factory=Answer)  # its head, and the shape and order the file gives it in
    mean: tuple[float, ...] = ()  # of the preprocessing in front of the network
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ModelError(f"{self.name}: has no operations; export a network with at least one layer")
        self.shapes  # noqa: B018  checked once, here

    @property
    def takes(self) -> Input:
        """The integers of the input and what one step of them is worth."""
        return Input(self.input.ints, self.denominator, self.mean, self.std)

    @cached_property
    def by_name(self) -> Nodes[real.RealOp]:
        return Nodes(INPUT, self.nodes)

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        out = {INPUT: self.input.shape}
        for node in self.by_name:
            out[node.name] = node.shape(*(out[i] for i in node.inputs))
        return out

    @property
    def output(self) -> str:
        return self.nodes[-1].name

    @property
    def ends(self) -> tuple[str, ...]:
        """The nodes whose values are outputs, in the order of the answer."""
        last = self.nodes[-1]
        return last.inputs if isinstance(last, real.Outputs) else (last.name,)

    @cached_property
    def _analysis(self) -> _Analysis:
        known = _Analysis({INPUT: grids.of_input(self.input, self.takes.steps)}, {}, [], {}, {}, {})
        spans, findings = known.spans, known.findings
        for node in self.nodes:
            if any(i not in spans for i in node.inputs):
                continue  # its input has been found wanting already
            try:
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # told as a finding
                    spans[node.name] = _finite(self._span(node, [spans[i] for i in node.inputs], known))
            except Off as off:
                findings.append(off.since(self._culprit(node, spans)).finding(node.name))
        return known

    @property
    def spans(self) -> dict[str, Span]:
        """What every value can be; of findings, nothing."""
        return self._analysis.spans

    @property
    def sums(self) -> dict[str, IntegerSum]:
        """The integer form of every sum."""
        return self._analysis.sums

    @property
    def bends(self) -> dict[str, tuple[fixed.Bend, ...]]:
        """How the integers of a value in fixed point come from those in front of its steps."""
        return self._analysis.bends

    @property
    def finer(self) -> dict[str, tuple[fixed.Finer, ...]]:
        """The integers of branches of any scales in front of their maximum."""
        return self._analysis.finer

    @property
    def loops(self) -> dict[str, Loop]:
        """Every recurrent node with the grid of its state."""
        return self._analysis.loops

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Why sums cannot be done on integers; empty when the network folds."""
        return tuple(self._analysis.findings)

    def _span(self, node: real.RealOp, ins: list[Span], known: _Analysis) -> Span:
        match node:
            case real.Pointwise():
                span = ins[0]
                for step in node.steps:
                    if step.op in ARITHMETIC and not np.isfinite(step.value).all():
                        raise BEYOND
                    if step.op == "cast" and not _inside(span, step):
                        raise Off(
                            f"its values {span.low.min():g} .. {span.high.max():g} do not fit the integer type they are cast to",
                            "clip them before, cast to a wider type, or take a larger scale",
                            "to" if step is node.steps[0] else "y_scale",
                        )
                    span = grids.after(span, step)
                return replace(span, wide=self._bend(node, ins[0], known) if span.grid is None else None)
            case real.Flatten():
                return ins[0].wider(int(np.prod(self.shapes[node.inputs[0]][:-1])))
            case real.Reshape():
                before = self.shapes[node.inputs[0]]
                return grids.reshaped(ins[0], int(np.prod(before[:-1])), node.to[-1])
            case real.MaxPool() | real.Upsample():
                return ins[0]
            case real.Maximum():
                grid = grids.largest([s.grid for s in ins if s.grid]) if all(s.grid for s in ins) else None
                if grid is not None:
                    return grids.of_grid(grid)
                on = [s.grid for s in ins if s.grid is not None]
                most = fixed.compared(on) if len(on) == len(ins) else None
                low, high = (np.max([getattr(s, end) for s in ins], 0) for end in ("low", "high"))
                if most is None and self._is_quantised_next(node.name):
                    return Span(low, high, None)  # the largest of what the quantizer makes of each
                if most is None:
                    raise Off("its inputs are not integers on grids", "quantise both branches, or their maximum")
                known.finer[node.name] = most[1]
                return Span(low, high, most[0])
            case real.Recurrent():
                return self._step(node, ins, known)
            case real.TopK():
                if node.behind and (least := _least_step(ins[0])) < MERGED:
                    raise Off(
                        f"its scores have a step of {least:g}, which the {node.behind} in front of it cannot tell apart in float32",
                        f"choose in front of the {node.behind}, or train with a larger scale",
                    )
                top = np.full(node.k, self.shapes[node.inputs[0]][-1] - 1)
                return grids.of_grid(grids.whole(0 * top, top))
            case real.Outputs():
                flat = [s.wider(int(np.prod(self.shapes[i][:-1]))) for i, s in zip(node.inputs, ins, strict=True)]
                return Span(np.concatenate([s.low for s in flat]), np.concatenate([s.high for s in flat]), None)
        try:
            found = integer_sum(node, *ins)
        except Unrelated:
            on = [s.grid for s in ins if s.grid is not None]
            if self._pairs_decide(node, on):
                return Span(ins[0].low + ins[1].low, ins[0].high + ins[1].high, None)
            assert isinstance(node, real.Add)
            found = fixed_sum(node, on)
        if found is None:
            on = [s.taken for s in ins if s.taken is not None]
            grid = grids.beside(on) if len(on) == len(ins) else None
            low, high = (np.concatenate([getattr(s, end) for s in ins]) for end in ("low", "high"))
            apart = all(s.grid is not None for s in ins)
            return Span(low, high, grid if apart else None, None if apart else grid)
        known.sums[node.name] = found
        return found.span

    def _step(self, node: real.Recurrent, ins: list[Span], known: _Analysis) -> Span:
        from hwflow.real.loops import loop_of  # a step is a graph of its own

        x, mask = ins[0].grid, ins[1].grid if ins[1:] else None
        if x is None or (ins[1:] and mask is None):
            raise Off("steps over values that are not integers on a grid", "quantise its input")
        loop = known.loops[node.name] = loop_of(node, x, mask)
        return loop.span

    def _bend(self, node: real.Pointwise, span: Span, known: _Analysis) -> Grid | None:
        """The grid in fixed point behind steps that a sum of branches can wait for; None for other steps."""
        grid, bends = span.taken, []
        for step in node.steps:
            if grid is None or (step.op in ARITHMETIC and not np.isfinite(step.value).all()):
                return None
            found = fixed.after(grid, step)
            if found is None:
                return None
            grid, bend = found
            bends += [bend] if bend else []
        known.bends[node.name] = tuple(bends)
        return grid

    def _pairs_decide(self, node: real.RealOp, on: list[Grid]) -> bool:
        """True where a sum of two branches meets nothing but quantizers, and its pairs of integers can all be looked at."""
        if len(on) != 2 or any((g.step != g.step[0]).any() for g in on):
            return False
        pairs = int(np.prod([int(g.hi.max() - g.lo.min()) + 1 for g in on])) * len(on[0].lo)
        return pairs <= MOST_PAIRS and self._is_quantised_next(node.name)

    def _is_quantised_next(self, name: str) -> bool:
        """True where every reader of a value quantises it before it is turned, summed, compared or answered."""
        users = list(self.by_name.users(name))
        for user in users:
            if isinstance(user, real.Pointwise) and not all(step.monotone for step in user.steps):
                return False
            if isinstance(user, real.Pointwise) and any(step.op in INTEGRAL for step in user.steps):
                continue
            moves = isinstance(user, real.Pointwise | real.MaxPool | real.Upsample | real.Flatten | real.Reshape)
            if not (moves and self._is_quantised_next(user.name)):
                return False
        return bool(users)

    def _culprit(self, node: real.RealOp, spans: dict[str, Span]) -> str:
        """The node in front of a refused sum behind which values are no longer on a grid, or nothing."""
        at = next((i for i in node.inputs if spans[i].taken is None), None)
        at = at or next((i for i in node.inputs if spans[i].grid is None), None)
        while at:
            before = self.by_name[at].inputs
            lost = next((i for i in before if spans[i].grid is None), None)
            if lost is None:
                return at
            at = lost
        return ""

    def run(self, x: Array, keep: Callable[[str, Array], None] | None = None) -> Array:
        """Float32 answers (n, outputs) of real inputs (n, *shape); `keep(name, values)` sees every result."""
        if self.findings:
            raise ModelError(*self.findings)
        x = np.asarray(x, np.float32).reshape(len(x), *self.input.shape)
        live, last = {INPUT: x}, {i: node.name for node in self.nodes for i in node.inputs}
        held: dict[str, Array] = {}  # integers in fixed point, which float32 does not tell apart
        for node in self.nodes:
            ins = [live[i] for i in node.inputs]
            if self.spans[node.name].wide is not None:
                held[node.name] = self._integers(node, ins, held)
            if node.name in held and node.name in self.sums:
                live[node.name] = self.sums[node.name].values(held[node.name])
            else:
                live[node.name] = self._value(node, ins, held)
            if keep:
                keep(node.name, live[node.name])
            for i in node.inputs:
                if last[i] == node.name:
                    live.pop(i, None)
                    held.pop(i, None)
        return live[self.output].reshape(len(x), -1)

    def _integers(self, node: real.RealOp, xs: list[Array], held: Mapping[str, Array]) -> Array:
        """The integers of a sum, or of a value in fixed point that is bent or moved, from the values in front of it."""
        ks = []
        for i, x in zip(node.inputs, xs, strict=True):
            grid = self.spans[i].taken
            assert grid is not None, f"{node.name} sums {i}, which is on no grid"
            ks.append(held[i] if i in held else grid.integers(x))
        if node.name in self.sums:
            return self.sums[node.name].sum(*ks)
        if isinstance(node, real.Pointwise):
            for bend in self.bends[node.name]:
                ks = [bend.run(ks[0])]
            return ks[0]
        return self._move(node, ks, self.spans[node.inputs[0]].taken)

    def _move(self, node: real.RealOp, xs: list[Array], grid: Grid | None = None) -> Array:
        """Values behind a node that only moves or chooses them; integers where `grid` says which way they rise."""
        x = xs[0]
        match node:
            case real.Concat():
                return np.concatenate(xs, -1)
            case real.MaxPool():
                least = np.full(x.shape[-1], -np.inf if grid is None else np.iinfo(np.int64).min + 1, x.dtype)
                sign = np.ones(1, x.dtype) if grid is None else np.where(grid.scale < 0, -1, 1)
                return sign * windows(sign * x, node.kernel, node.stride, node.pads, node.dilation, least).max((3, 4))
            case real.Upsample():
                return x.repeat(node.factor[0], 1).repeat(node.factor[1], 2)
            case real.Flatten():
                return x.reshape(len(x), -1)
            case real.Reshape():
                return x.reshape(len(x), *node.to)
        raise AssertionError(f"{node.name} moves nothing")

    def _value(self, node: real.RealOp, xs: list[Array], held: Mapping[str, Array] | None = None) -> Array:
        if node.name in self.sums:
            return self.sums[node.name].values(self._integers(node, xs, held or {}))
        x = xs[0]
        match node:
            case real.Pointwise():
                for step in node.steps:
                    x = step.run(x)
                return x
            case real.Concat() | real.MaxPool() | real.Upsample() | real.Flatten() | real.Reshape():
                return self._move(node, xs)
            case real.Add():
                return xs[0] + xs[1]  # of unrelated scales
            case real.Maximum():
                return np.max(xs, 0)
            case real.Recurrent():
                return self.loops[node.name].values(*xs)
            case real.TopK():
                return np.argsort(-x, axis=-1, kind="stable")[..., : node.k].astype(np.float32)
            case real.Outputs():
                return np.concatenate([x.reshape(len(x), -1) for x in xs], 1)
        raise AssertionError(f"{node.name} has no sum")


def _least_step(span: Span) -> float:
    """The least difference of two values of one channel, or of all values together where that is less; 0 is none."""
    steps = np.empty(0) if span.grid is None else np.abs(span.grid.scale)[span.grid.moving]
    apart = float(span.high.astype(np.float64).max() - span.low.min())
    return float(np.append(steps, apart if apart > 0 else np.inf).min())


def _inside(span: Span, cast: Step) -> bool:
    """True where a cast to an integer type wraps nothing."""
    least, end = cast.value[:, 0], cast.value[:, 1]
    return bool((np.fix(span.low) >= least).all() and (np.fix(span.high) < end).all())


def _finite(span: Span) -> Span:
    """The span itself; `Off` where float32 does not hold its ends, or float64 its grid."""
    on = (span.grid.scale, span.grid.shift) if span.grid is not None else ()
    if not all(np.isfinite(v).all() for v in (span.low, span.high, *on)):
        raise BEYOND
    return span


def together(
    nodes: Mapping[str, real.RealOp],
    shapes: Mapping[str, Shape],
    ends: Sequence[tuple[str, str, Answer]],
    name: str = "outputs",
) -> tuple[real.RealOp, Answer | Answers]:
    """The last node and what its value means, of outputs (name, node, meaning).

    Several are joined by a new node called `name`, those that are reached by the fewest nodes first: their values wait
    the shortest in hardware.
    """
    if len(ends) == 1:
        _, node, answer = ends[0]
        return nodes[node], answer
    depth = {INPUT: 0}
    for each in nodes.values():
        depth[each.name] = 1 + max(depth[i] for i in each.inputs)
    ends = sorted(ends, key=lambda end: depth[end[1]])
    parts = (Output(out, int(np.prod(shapes[node])), answer) for out, node, answer in ends)
    return real.Outputs(name=name, inputs=tuple(node for _, node, _ in ends)), Answers(tuple(parts))
