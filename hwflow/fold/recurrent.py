"""One step of a recurrent network becomes rows of weights and thresholds on their sums.

Stands on real.loops and levels. A row's sum is looked at as a whole: whatever elementwise operations the step has behind
it, the state's next integer is a monotone function of it, which is read off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hwflow import ops
from hwflow.bits import Array
from hwflow.errors import Finding, ModelError
from hwflow.fold import levels as lv
from hwflow.net import Net
from hwflow.ops import row_ranges
from hwflow.real import INPUT
from hwflow.real.loops import Loop
from hwflow.real.summed import MOST_SUM

ONE_LAYER = "make each step one layer of weights on the step's input and the state, and quantizers behind it"


@dataclass(frozen=True, eq=False)
class Rows:
    """Level = base + count_k(sum >= thresholds[r, k]), sum[r] = weights[r] . (x_t, h)."""

    weights: Array  # int, (rows, channels + states)
    thresholds: Array  # int, (rows, levels)
    base: int


def fold_step(loop: Loop, fold: Callable[..., Net], name: str, sums: str) -> tuple[ops.Conv, ops.Recurrent]:
    """The sums of a step's input, and the operation that adds those of the state; `fold` makes a Net of a step's graph."""
    bipolar = loop.state.bipolar
    own = _rows(fold(loop.new, loop.node.new), lambda k: (k + 1) // 2 if bipolar else k, bipolar, name)
    weights, gates = own.weights, np.zeros(0, np.int64)
    if loop.gate is not None:
        grid = loop.gate.spans[loop.node.gate].grid
        assert grid is not None
        open_ = grid.values  # 0 and 1, of whatever integers
        gate = _rows(fold(loop.gate, loop.node.gate), lambda k: open_(k).astype(np.int64), True, name)
        gates = gate.thresholds[:, 0]
        weights = np.stack([weights, gate.weights], 1).reshape(-1, weights.shape[1])
    channels = weights.shape[1] - len(loop.start)
    conv = ops.Conv(name=sums, inputs=(INPUT,), weights=weights[:, None, None, :channels])
    step = ops.Recurrent(
        name=name, inputs=(sums,), weights=weights[:, channels:], thresholds=own.thresholds, start=loop.start, gates=gates,
        base=0 if bipolar else own.base, bipolar=bipolar, every=loop.node.every,
    )  # fmt: skip
    return conv, step


def _rows(net: Net, level: Callable[[Array], Array], binary: bool, name: str) -> Rows:
    """A step of one layer as rows, `level` of its integers; ModelError, with the operation in the way, for any other.

    `binary` levels are 0 and 1, of one threshold and the base 0.
    """
    chain, weights = _layer(net, name)
    lo, hi = row_ranges(weights, net.input.ints)
    if max(int(-lo.min()), int(hi.max())) > MOST_SUM:
        raise ModelError(Finding(name, "", f"reaches {lo.min()} .. {hi.max()}, more than 32 bits", "use fewer bits"))
    found = lv.find(lambda k: level(_chain(chain, k)), lo, hi)
    if found.count > lv.MOST_LEVELS:
        reason = f"has a state of {found.count + 1} levels"
        raise ModelError(Finding(name, "", reason, f"quantise it to at most {lv.MOST_LEVELS + 1}"))
    if not found.count and binary and found.base:  # always 1: a threshold that everything reaches
        return Rows(weights, lo[:, None], 0)
    if not found.count:  # always one level: a threshold that nothing reaches
        return Rows(weights, hi[:, None] + 1, found.base)
    op = lv.threshold(found, name, INPUT, False)
    turn = np.where(op.falling, -1, 1)[:, None]
    table = np.where(op.falling[:, None], 1 - op.thresholds[:, ::-1], op.thresholds)
    return Rows(weights * turn, table, found.base)


def _chain(chain: Sequence[ops.Op], sums: Array) -> Array:
    for op in chain:
        sums = op.run(sums)
    return sums


def _layer(net: Net, name: str) -> tuple[list[ops.Op], Array]:
    """The elementwise operations behind the sum, first to last, and the weights of the sum."""
    chain: list[ops.Op] = []
    op = net.ops[-1]
    while isinstance(op, ops.Threshold | ops.Rescale):
        chain.insert(0, op)
        if op.inputs[0] == INPUT:
            return chain, np.eye(net.input.channels, dtype=np.int64)
        op = net.nodes[op.inputs[0]]
    return chain, _weights(net, op, name)


def _weights(net: Net, op: ops.Op, name: str) -> Array:
    """The weights (rows, channels + states) of a layer, or of a sum of layers."""
    if isinstance(op, ops.Dense) and op.inputs == (INPUT,):
        return op.weights.astype(np.int64)
    if isinstance(op, ops.Add):
        parts = [_weights(net, net.nodes[i], name) if i != INPUT else None for i in op.inputs]
        if all(p is not None for p in parts):
            return np.asarray(sum(s * p for s, p in zip(op.scales, parts, strict=True) if p is not None))
    reason = f"computes {type(op).__name__} ({op.name}) between its state and the next"
    raise ModelError(Finding(name, "body", reason, ONE_LAYER))
