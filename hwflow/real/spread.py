"""Layers of sums of branches of any scales: they read the branches side by side, with their weights repeated.

Stands on graph. A sum of branches whose scales have nothing in common is on no grid that a layer could take. A layer of
such a sum is the sum of the layers of its branches, which is one layer of all their channels; sums of pixels,
enlargements, flattening, concatenations and scales on the way to it are linear too. (YOLOv8's C2f blocks, residual
networks that average their last sum.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import assert_never

from hwflow.bits import Array
from hwflow.graph import needed
from hwflow.real import nodes as real
from hwflow.real.graph import Graph
from hwflow.real.products import picked_channels
from hwflow.real.steps import Step, tidy


@dataclass(frozen=True, eq=False)
class _Part:
    """A value that is one of those summed: its channel c is part of channel `at[c]` of the sum.

    `owns` marks the channels that constants are added to, which exactly one part of each channel of the sum does.
    """

    name: str
    at: Array  # int, (channels of the part,)
    owns: Array  # bool, the same


def spread(graph: Graph) -> Graph:
    """The graph whose layers of sums on no grid read what is summed instead; the graph itself where there are none."""
    while (wider := _spread_once(graph)) is not None:  # what lies behind such a layer is known only then
        graph = wider
    return graph


def _spread_once(graph: Graph) -> Graph | None:
    spreading, changed = _Spreading(graph), False
    for node in graph.nodes:
        made = spreading.layer(node) if isinstance(node, real.Dense | real.Conv) and _wants(graph, node) else node
        changed |= made is not node
        spreading.nodes[made.name] = made
    return replace(graph, nodes=needed(spreading.nodes.values(), graph.output)) if changed else None


def _wants(graph: Graph, node: real.Dense | real.Conv) -> bool:
    """True where a layer reads a value that is on no grid, and does more than choose channels of it."""
    span = graph.spans.get(node.inputs[0])
    if span is None or span.grid is not None or picked_channels(node) is not None:
        return False
    return not (isinstance(node, real.Conv) and node.pad)


class _Spreading:
    """The nodes so far, and the values side by side that layers of the same sum share."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.shapes = dict(graph.shapes)
        self.nodes: dict[str, real.RealOp] = {}
        self.parts: dict[str, list[_Part] | None] = {}
        self.copies: dict[tuple[str, ...], str] = {}  # of a node behind other values

    def layer(self, node: real.Dense | real.Conv) -> real.Dense | real.Conv:
        """The layer that reads parts side by side; the layer itself where its input is no such sum."""
        found = self.parts_of(node.inputs[0])
        if found is None or len(found) == 1:
            return node
        parts, groups = _together(found), node.groups if isinstance(node, real.Conv) else 1
        channels = self.shapes[node.inputs[0]][-1]
        if groups > 1 and any(not np.array_equal(at, np.arange(channels)) for _, ats in parts for at in ats):
            return node  # the parts of a group would have to be moved together
        source = self._beside(node.inputs[0], [name for name, _ in parts])
        size = channels // groups
        if groups > 1:  # the channels of a group, part by part, in front of those of the next
            order = np.arange(len(parts) * channels).reshape(len(parts), groups, size).swapaxes(0, 1).reshape(-1)
            source = self._pick(source, order, node.name)
        ints = node.weights.ints
        if groups > 1:
            wide = np.concatenate([ints * len(ats) for _, ats in parts], -1)
        else:
            wide = np.concatenate([np.sum([ints[..., at] for at in ats], 0) for _, ats in parts], -1)
        return replace(node, inputs=(source,), weights=real.Weights(wide, node.weights.scale))

    def parts_of(self, value: str) -> list[_Part] | None:
        """What a value is the sum of, each on a grid; None where it is no sum of such."""
        if value not in self.parts:
            self.parts[value] = self._parts_of(value)
        return self.parts[value]

    def _parts_of(self, value: str) -> list[_Part] | None:
        span = self.graph.spans.get(value)
        if span is None or span.grid is not None:
            channels = np.arange(self.shapes[value][-1])
            return None if span is None else [_Part(value, channels, channels >= 0)]
        node = self.graph.by_name[value]
        inputs = [self.parts_of(i) for i in node.inputs]
        known = [parts for parts in inputs if parts is not None]
        if len(known) < len(inputs):
            return None
        match node:
            case real.Add():
                rest = [replace(p, owns=p.owns & False) for parts in known[1:] for p in parts]
                return [*known[0], *rest]
            case real.Concat():
                starts = np.cumsum([0, *(self.shapes[i][-1] for i in node.inputs)])
                both = zip(known, starts, strict=False)
                return [replace(p, at=p.at + start) for parts, start in both for p in parts]
            case real.Upsample() | real.SumPool():
                return [replace(p, name=self._copy(node, p.name)) for p in known[0]]
            case real.Flatten():
                shape = self.shapes[node.inputs[0]]
                rows = np.arange(int(np.prod(shape[:-1])))[:, None] * shape[-1]
                return [
                    _Part(self._copy(node, p.name), (rows + p.at).reshape(-1), np.tile(p.owns, len(rows)))
                    for p in known[0]
                ]
            case real.Pointwise():
                linear = all(step.affine and not step.joins for step in node.steps)
                return [replace(p, name=self._scale(node, p)) for p in known[0]] if linear else None
            case (
                real.Dense() | real.Conv() | real.Maximum() | real.Multiply() | real.MaxPool() | real.Pad()
                | real.Reshape() | real.TopK() | real.Outputs() | real.Recurrent()
            ):  # fmt: skip
                return None
        assert_never(node)

    def _copy(self, node: real.RealOp, source: str) -> str:
        """The name of the same node behind another value; readers of one sum share it."""
        key = (node.name, source)
        if key not in self.copies:
            self.copies[key] = self._fresh(f"{node.name}_{source}")
            self._add(replace(node, name=self.copies[key], inputs=(source,)))
        return self.copies[key]

    def _scale(self, node: real.Pointwise, part: _Part) -> str:
        """The part behind affine steps; constants are added to the channels that it owns."""
        steps = []
        for step in node.steps:
            value = step.value[part.at] if step.per_channel else step.value
            if step.op in ("add", "sub"):
                value = np.where(part.owns, value, np.float32(0))
                value = value[:1] if (value == value[0]).all() else value
            steps.append(Step(step.op, value))
        kept = tidy(steps)
        if not kept:
            return part.name
        name = self._fresh(f"{node.name}_{part.name}")
        self._add(real.Pointwise(name=name, inputs=(part.name,), steps=kept))
        return name

    def _beside(self, value: str, names: Sequence[str]) -> str:
        """The name of the parts of a value side by side, made once."""
        if len(names) == 1:
            return names[0]
        key = (value, *names)
        if key not in self.copies:
            self.copies[key] = self._fresh(f"{value}_parts")
            self._add(real.Concat(name=self.copies[key], inputs=tuple(names)))
        return self.copies[key]

    def _pick(self, source: str, order: Array, name: str) -> str:
        """The channels of a value in another order."""
        ones = np.zeros((len(order), 1, 1, len(order)), np.int64)
        ones[np.arange(len(order)), 0, 0, order] = 1
        node = real.Conv(name=self._fresh(f"{name}_order"), inputs=(source,), weights=real.Weights(ones, np.ones(1)))
        self._add(node)
        return node.name

    def _add(self, node: real.RealOp) -> None:
        self.nodes[node.name] = node
        self.shapes[node.name] = node.shape(*(self.shapes[i] for i in node.inputs))

    def _fresh(self, name: str) -> str:
        base, k = name, 2
        while name in self.nodes or name in self.graph.by_name:
            name, k = f"{base}_{k}", k + 1
        return name


def _together(parts: Sequence[_Part]) -> list[tuple[str, list[Array]]]:
    """The places of every part of one name: a branch that is summed twice is read once, with the sum of its weights."""
    out: dict[str, list[Array]] = {}
    for part in parts:
        out.setdefault(part.name, []).append(part.at)
    return list(out.items())
