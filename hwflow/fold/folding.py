"""A Graph becomes a Net: sums stay, everything between them becomes thresholds, rescales or nothing.

Stands on real, levels and items. Steps wait until a sum asks for integers; then they are read off.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from typing_extensions import assert_never

from hwflow import ops, real
from hwflow.answers import FINISHES, Answer, Answers, Finish, Output, Unit
from hwflow.errors import Finding, ModelError
from hwflow.fold import waiting
from hwflow.fold.answers import common_unit, rescaled, tiled
from hwflow.fold.items import Item, Largest, Pair, TooWide, integer_move
from hwflow.fold.quantising import quantised
from hwflow.fold.recurrent import fold_step
from hwflow.net import Net
from hwflow.passes import canonical, needed
from hwflow.real import INPUT, Graph
from hwflow.real.fixed import Finer
from hwflow.real.grids import Grid
from hwflow.real.steps import Beside
from hwflow.real.summed import MOST_SUM, IntegerSum


def fold(graph: Graph) -> Net:
    """The network in integers only, equal to `graph.run` on every input; ModelError with every reason at once."""
    if graph.findings:
        raise ModelError(*graph.findings)
    return _Folding(graph).net()


def step_net(graph: Graph, end: str) -> Net:
    """One step of a recurrent network up to the integers of its grid, the value `end`."""
    folding = _Folding(graph)
    for node in graph.nodes:
        folding.items[node.name] = folding._item(node)
    last = folding.emit_moves(folding.integers(end))
    return Net(graph.name, graph.input, needed(folding.ops.values(), last))


class _Folding:
    """One pass over a graph: the item of every value, and the integer operations so far."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.ops: dict[str, ops.Op] = {}
        self.ports = {INPUT: graph.input}
        self.items: dict[str, Item] = {}
        self.asked: dict[str, Item] = {}  # items turned into their own integers, by value
        self.findings: list[Finding] = []
        self.unsorted: set[str] = set()  # choices of the largest that are left to the host
        grid = graph.spans[INPUT].grid
        assert grid is not None
        self.items[INPUT] = Item(INPUT, grid.lo, grid.hi, graph.takes.steps)

    def net(self) -> Net:
        for node in self.graph.nodes:
            try:
                self.items[node.name] = self._item(node)
            except TooWide as wide:
                self.findings.append(wide.finding(node.name))
                break
        if self.findings:
            raise ModelError(*self.findings)
        last, meaning = self._finish()
        chosen = needed(self.ops.values(), last)
        return canonical(Net(self.graph.name, self.graph.input, chosen, self.graph.denominator, meaning))

    # -- nodes ---------------------------------------------------------------------------------------------------

    def _item(self, node: real.RealOp) -> Item:
        match node:
            case real.Pointwise():
                item = replace(waiting.stepped(self, self.items[node.inputs[0]], node.steps), label=node.name)
                self.items[node.name] = item
                shared = len(self.graph.by_name.users(node.name)) > 1
                on_grid = self.graph.spans[node.name].grid is not None
                # readers of one quantised value share its integers
                return self.integers(node.name) if shared and on_grid and not item.affine else item
            case real.MaxPool() | real.Upsample() | real.Flatten():
                moved = self._before(node).moved(node)
                # a flat input can enter many elements a cycle, an image only the channels of a pixel
                return self.flushed(moved) if isinstance(node, real.Flatten) and moved.op == INPUT else moved
            case real.Reshape():
                return self._reshape(node)
            case real.TopK():
                return self._top_k(node)
            case real.Recurrent():
                return self._recurrent(node)
            case real.Outputs():
                return Item("", np.zeros(0), np.zeros(0), ())  # the last: `_finish` joins what it reads
            case real.Maximum():
                return self._maximum(node)
            case (
                real.Dense() | real.Conv() | real.Add() | real.Multiply() | real.Concat() | real.SumPool() | real.Pad()
            ):
                own = self.graph.sums.get(node.name)
                if own is None and isinstance(node, real.Add):
                    none = np.zeros(self.graph.shapes[node.name][-1], np.int64)
                    return Pair("", none, none, (), label=node.name, left=node.inputs[0], right=node.inputs[1])
                return self._sum(node, own) if own else self._beside(node)
        assert_never(node)

    def _reshape(self, node: real.Reshape) -> Item:
        """The value as another image; steps that differ from channel to channel are done before where they must be."""
        value = node.inputs[0]
        item = self._in_other_channels(self.items[value], node)
        if item is None and self.graph.spans[value].grid is not None:
            item = self._in_other_channels(self.integers(value), node)
        # steps that differ from element to element wait for the quantizer behind the reshape
        return self.flushed(self.items[value]).moved(node) if item is None else item

    def _in_other_channels(self, item: Item, node: real.Reshape) -> Item | None:
        """The item behind a reshape, or None where its steps differ within a new channel."""
        flat = self.flushed(item)
        pixels = int(np.prod(self.ports[flat.op].shape[:-1]))
        rows = np.arange(pixels * len(flat.lo)).reshape(-1, node.to[-1])
        steps = [s.wider(pixels) for s in flat.steps]
        for step in steps:
            if step.joins:
                if step.per_channel:
                    return None
            elif step.per_channel and (step.value[rows] != step.value[rows[0]]).any():
                return None
        lo, hi = np.tile(flat.lo, pixels)[rows].min(0), np.tile(flat.hi, pixels)[rows].max(0)
        name = self.emit(ops.Reshape(name=self.fresh(node.name), inputs=(flat.op,), shape=node.to))
        return Item(name, lo, hi, tuple(s.taken(rows[0]) for s in steps), label=item.label)

    def _before(self, node: real.MaxPool | real.Upsample | real.Flatten) -> Item:
        """The item that a move acts on: quantised where a maximum could not wait for what falls and rises."""
        value = node.inputs[0]
        item = self.items[value]
        if item.waits is None and (item.monotone or not waiting.chooses(node)):
            return item
        if self.graph.spans[value].taken is None and item.waits is not None:
            return self.flushed(item)
        if self.graph.spans[value].taken is None:
            raise TooWide("takes the maximum behind a function that falls and rises", "put a quantizer between them")
        return self.integers(value)

    def _sum(self, node: real.RealOp, own: IntegerSum) -> Item:
        sources = tuple(self._fine(i, f, node.name) for i, f in zip(node.inputs, own.finer, strict=True))
        name = self.emit(replace(own.op, name=self.fresh(node.name), inputs=sources))
        if own.grid.bipolar and not self.ports[name].ints.is_bipolar:  # signs that were only moved are signs
            zero = np.zeros((len(own.grid.lo), 1), np.int64)
            name = self.emit(ops.Threshold(
                name=self.fresh(f"{name}_sign"), inputs=(name,), thresholds=zero, falling=zero[:, 0] > 0, bipolar=True
            ))  # fmt: skip
        return Item(name, own.grid.lo, own.grid.hi, own.steps)

    def _recurrent(self, node: real.Recurrent) -> Item:
        """The sums of every step's input at once, and the steps of the state behind them."""
        loop = self.graph.loops[node.name]
        source, *mask = (self.emit_moves(self.integers(i)) for i in node.inputs)
        name = self.fresh(node.name)
        conv, step = fold_step(loop, step_net, name, self.fresh(f"{name}_input"))
        self.emit(replace(conv, inputs=(source,)))
        step = replace(step, inputs=(*step.inputs, *mask))
        grid = loop.state
        return Item(self.emit(step), grid.lo, grid.hi, grid.steps)

    def _maximum(self, node: real.Maximum) -> Item:
        """Values on one grid compare as their integers do; others wait for the quantizer or the sum behind them."""
        grid = self.graph.spans[node.name].grid
        if grid is None or node.name in self.graph.finer:
            none = np.zeros(self.graph.shapes[node.name][-1], np.int64)
            lo, hi = (none, none) if grid is None else (grid.lo, grid.hi)
            return Largest("", lo, hi, (), label=node.name, values_of=node.inputs, root=node.name)
        sources = tuple(self.emit_moves(self.integers(i)) for i in node.inputs)
        name = self.emit(ops.Maximum(name=self.fresh(node.name), inputs=sources))
        return Item(name, grid.lo, grid.hi, grid.steps)

    def _fine(self, value: str, finer: Finer | None, reader: str) -> str:
        """The integers of a value as its reader needs them."""
        item = self.integers(value)
        name = self.emit_moves(item)
        if finer is None:
            return name
        return waiting.refined(self, name, item, finer, f"{reader}_grid")[0]

    def _beside(self, node: real.Concat | real.RealOp) -> Item:
        """A concatenation of values that are no multiples of one scale: each keeps its own steps."""
        bent = self.graph.spans[node.name].wide is not None
        parts = [self.flushed(self.integers(i) if bent else self.items[i]) for i in node.inputs]
        name = self.emit(
            ops.Concat(name=self.fresh(node.name), inputs=tuple(p.op for p in parts), scales=(1,) * len(parts))
        )
        chains = tuple((len(p.lo), p.steps) for p in parts)
        lo, hi = (np.concatenate([getattr(p, k) for p in parts]) for k in ("lo", "hi"))
        return Item(name, lo, hi, (Beside("add", np.zeros(1), chains),) if any(c for _, c in chains) else ())

    # -- integers ------------------------------------------------------------------------------------------------

    def integers(self, value: str) -> Item:
        """The item of a value whose integers are those of its grid: real = step * integer + offset."""
        if value in self.asked:
            return self.asked[value]
        item, grid = self.items[value], self.graph.spans[value].grid
        if grid is None:
            return waiting.in_fixed_point(self, value)
        grid = self._before_moves(item, grid)
        ends = np.stack([item.lo, item.hi])
        own = item.affine and bool((grid.integers(item.values(ends)) == ends).all())
        if own and any(isinstance(step, Beside) for step in item.steps):
            item = replace(item, steps=grid.steps)  # the same operations in one chain, which a host can do
        out = item if own else quantised(self, value, item, grid)
        whole = self.graph.spans[value].grid
        if out.waits is not None and whole is not None:
            out = Item(self.emit_moves(out), whole.lo, whole.hi, whole.steps)
        self.asked[value] = self.items[value] = out
        return out

    def _before_moves(self, item: Item, grid: Grid) -> Grid:
        """The grid of the channels in front of the moves that wait."""
        n = len(item.lo)
        if len(grid.step) == n:
            return grid
        if item.waits is not None:
            return grid.wider(n // len(grid.step))
        return grid.first(n)

    def flushed(self, item: Item) -> Item:
        """The same value with its moves done, on the integers as they are."""
        if isinstance(item, Pair):
            raise TooWide(
                f"adds {item.left} and {item.right}, whose scales are no multiples of one scale, and no quantizer follows",
                "quantise the sum, or give both branches scales with a ratio of small integers",
            )
        if isinstance(item, Largest):
            raise TooWide(
                f"compares {' and '.join(item.values_of)}, which have scales of their own, and no quantizer or layer follows",
                "quantise the maximum, or both branches with one quantizer",
            )
        if not item.moves:
            return item
        if item.waits is not None:
            raise TooWide(
                f"makes {item.waits.to[-1]} channels of values with different scales",
                "quantise in front of it with one scale",
            )
        times = 1
        name = item.op
        for move in item.moves:
            if isinstance(move.node, real.Flatten):
                times = int(np.prod(self.ports[name].shape[:-1]))
            name = self.emit(integer_move(move, self.fresh(move.node.name), name))
        steps = tuple(s.wider(times) for s in item.steps)
        return Item(name, np.tile(item.lo, times), np.tile(item.hi, times), steps, label=item.label)

    def emit_moves(self, item: Item) -> str:
        """The name of an item's integers behind its moves; moves that readers share are made once."""
        name = item.op
        for move in item.moves:
            key = f"{name}>{move.node.name}"
            if key not in self._moved:
                self._moved[key] = self.emit(integer_move(move, self.fresh(move.node.name), name))
            name = self._moved[key]
        return name

    @property
    def _moved(self) -> dict[str, str]:
        return self.__dict__.setdefault("_moved_names", {})

    # -- the end -------------------------------------------------------------------------------------------------

    def _top_k(self, node: real.TopK) -> Item:
        """Indices of the largest, on integers where their order is proven to be that of the real values."""
        value = node.inputs[0]
        source, _, _, ordered = self._in_one_unit(value)
        if not ordered:
            self.unsorted.add(node.name)  # the host sorts real scores: Answer does what this node does
            return self.items[value]
        name = self.emit(ops.TopK(name=self.fresh(node.name), inputs=(source,), k=node.k))
        return Item(name, np.zeros(node.k, np.int64), np.full(node.k, self.ports[name].ints.hi), ())

    def _finish(self) -> tuple[str, Answer | Answers]:
        """The last operation, and what its integers mean: several outputs flattened, one after the other."""
        meaning = self.graph.answer
        if isinstance(meaning, Answer):
            return self._end(self.graph.output, meaning)
        ends = [self._end(node, out.answer) for node, out in zip(self.graph.ends, meaning.outputs, strict=True)]
        vectors = [
            name if len(self.ports[name].shape) == 1 else
            self.emit(ops.Flatten(name=self.fresh(f"{name}_flat"), inputs=(name,)))
            for name, _ in ends
        ]  # fmt: skip
        last = ops.Concat(name=self.fresh(self.graph.output), inputs=tuple(vectors), scales=(1,) * len(ends))
        outputs = zip(meaning.outputs, ends, vectors, strict=True)
        parts = tuple(Output(out.name, self.ports[name].size, answer) for out, (_, answer), name in outputs)
        return self.emit(last), Answers(parts)

    def _end(self, value: str, meaning: Answer) -> tuple[str, Answer]:
        """The last operation of one output, and what its integers mean."""
        top = self._choice(value)
        if top is not None and top.name in self.unsorted:
            value = top.inputs[0]
            shape = self.graph.shapes[value]
            meaning = replace(meaning, head="top_k", k=top.k, channels=shape[-1] if len(shape) > 1 else 0)
        elif top is not None:
            meaning = replace(meaning, labels=True, k=top.k, channels=0)
        try:
            source, finish, unit, ordered = self._in_one_unit(value)
        except TooWide as wide:
            raise ModelError(wide.finding(value)) from None
        return source, replace(meaning, finish=finish, unit=unit, ordered=ordered)

    def _choice(self, value: str) -> real.TopK | None:
        """The choice of the largest that a value is, or only moves the elements of."""
        node = self.graph.by_name[value]
        while not isinstance(node, real.TopK):
            if len(node.inputs) != 1 or node.inputs[0] == INPUT:
                return None
            node = self.graph.by_name[node.inputs[0]]
        return node

    def _in_one_unit(self, value: str) -> tuple[str, tuple[Finish, ...], Unit | None, bool]:
        """Integers of a value that sort as it does where that can be: their name, steps back to it, their unit, whether they do."""
        item = self.items[value]
        if isinstance(item, Largest) and item.moved_only:
            self.flushed(item)  # says why
        if isinstance(item, Pair | Largest) or not all(s.op in FINISHES and not s.joins for s in item.steps):
            if self.graph.spans[value].grid is None and isinstance(item, Pair):
                self.flushed(item)  # says why
            if self.graph.spans[value].grid is None:
                raise ModelError(
                    Finding(
                        value,
                        "",
                        "the answer is neither integers nor a scale and bias of them",
                        "end with a dense layer, a norm or a quantizer",
                    )
                )
            item = self.integers(value)
        item = self.flushed(item)
        channels = self.ports[item.op].channels
        assert len(item.lo) == channels, f"{value}: has {channels} channels, but ranges of {len(item.lo)}"
        unit, ordered = common_unit(item.lo, item.hi, [Finish(s.op, s.value) for s in item.steps])
        name = item.op
        if unit is not None or self._is_input(item.op):
            ints = self.ports[item.op].ints
            same = Unit(np.ones(1), np.zeros(1), ints.lo, ints.hi)
            name = self.emit(rescaled(unit or same, self.fresh("scores"), item.op, channels))
        pixels = int(np.prod(self.ports[item.op].shape[:-1]))
        finish = tuple(Finish(s.op, s.wider(pixels).value) for s in item.steps)
        return name, finish, None if unit is None else tiled(unit, pixels, channels), ordered

    def _is_input(self, name: str) -> bool:
        """True where a value is the input's own elements, at most in another shape, which no unit of hardware makes."""
        while (op := self.ops.get(name)) is not None and ops.only_reshapes(op):
            name = op.inputs[0]
        return name == INPUT

    def emit(self, op: ops.Op) -> str:
        """Take an operation into the network; its numbers must be what every engine holds."""
        port = op.port(*(self.ports[i] for i in op.inputs))
        if max(-port.ints.lo, port.ints.hi) > MOST_SUM:
            raise TooWide(f"reaches {port.ints.lo} .. {port.ints.hi}, more than 32 bits", "use fewer bits")
        self.ops[op.name], self.ports[op.name] = op, port
        return op.name

    def fresh(self, name: str) -> str:
        """A name that no operation has yet."""
        base, k = name, 2
        while name in self.ops or name == INPUT or (name == base == "scores" and name in self.graph.by_name):
            name, k = f"{base}_{k}", k + 1
        return name
