"""Rewrites of a Net into the one form that everything behind `fold` is given, meaning unchanged.

Stands on net and ops. `rewrite` owns traversal, liveness, the single-consumer guard and the check of ranges; a rule
is told two neighbouring operations and gives what stands in their place, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from hwflow.graph import needed as needed
from hwflow.net import Net
from hwflow.ops import Conv, Dense, MaxPool, Op, SumPool, Threshold

# (before, after): `after` reads `before` and nothing else reads it. The last operation given replaces `after`.
Rule: TypeAlias = Callable[[Op, Op], "tuple[Op, ...] | None"]


def canonical(net: Net) -> Net:
    """The network after every rule, once: thresholds stand before pools and rise, pools are merged, nothing is idle.

    A network that is canonical already comes back as it is. Every result keeps its integers where it keeps its name,
    but for sums whose falling threshold made them change sign.
    """
    for rule in (thresholds_first, merge_pools, rising):
        net = rewrite(net, rule)
    return net


def rewrite(net: Net, rule: Rule) -> Net:
    """The network after a rule has been applied to every pair of neighbours until it finds no more.

    Operations the answer does not depend on are dropped first. Readers of a replaced pair read the last operation that
    took its place, whose shape is the same and whose range is no wider.
    """
    ops = needed(net.ops, net.ops[-1].name)
    # the name an operation's integers have now, None where nothing holds them any longer, by the name they had
    stands_for: dict[str, str | None] = {}
    while found := _matches(ops, rule):
        names = {after: made[-1].name for after, made in found.items()}
        gone = {op.inputs[0] for op in ops if op.name in found}  # what no operation holds any longer
        stands_for = {
            old: None if new is None or new in gone else names.get(new, new) for old, new in stands_for.items()
        }
        stands_for |= {old: new for old, new in names.items() if old not in stands_for}
        ops = tuple(
            _reading(new, names) if new is old else new
            for old in ops
            if old.name not in gone
            for new in found.get(old.name, (old,))
        )
    if len(ops) == len(net.ops) and all(a is b for a, b in zip(ops, net.ops, strict=True)):
        return net
    out = replace(net, ops=ops)
    for old, new in stands_for.items():
        if new is None:
            continue
        was, now = net.ports[old], out.ports[new]
        assert now.shape == was.shape and was.ints.join(now.ints) == was.ints, f"{old} was {was}, {new} is {now}"
    return out


def _matches(ops: tuple[Op, ...], rule: Rule) -> dict[str, tuple[Op, ...]]:
    """What a rule makes of pairs of neighbours that do not overlap, by the name of the second."""
    by_name = {op.name: op for op in ops}
    readers: dict[str, int] = {}
    for op in ops:
        for i in op.inputs:
            readers[i] = readers.get(i, 0) + 1
    found: dict[str, tuple[Op, ...]] = {}
    taken: set[str] = set()
    for after in ops:
        before = by_name.get(after.inputs[0])
        if before is None or len(after.inputs) != 1 or readers[before.name] != 1 or before.name in taken:
            continue
        made = rule(before, after)
        if made is not None:
            found[after.name] = made
            taken |= {before.name, after.name}
    # a pair that reads another pair's result would need the name that has from now on: it waits for the next turn
    return {name: made for name, made in found.items() if not _sources(made) & found.keys()}


def _sources(made: tuple[Op, ...]) -> set[str]:
    """What a replacement reads from outside itself."""
    return {i for op in made for i in op.inputs} - {op.name for op in made}


def _reading(op: Op, names: dict[str, str]) -> Op:
    """The operation with its inputs renamed."""
    return replace(op, inputs=tuple(names.get(i, i) for i in op.inputs)) if set(op.inputs) & names.keys() else op


def thresholds_first(before: Op, after: Op) -> tuple[Op, ...] | None:
    """Pool, threshold -> threshold, pool: narrow integers are pooled. A step function commutes with max and min;

    where it falls, a maximum becomes a minimum."""
    if not isinstance(before, MaxPool) or not isinstance(after, Threshold):
        return None
    early = replace(after, inputs=before.inputs)
    return early, replace(before, inputs=(early.name,), minimum=before.minimum ^ after.falling)


def merge_pools(before: Op, after: Op) -> tuple[Op, ...] | None:
    """Two pools that tile their image without padding -> one, of both tiles' product.

    What is left over beside whole tiles is dropped in either form: floor(floor(n / a) / b) = floor(n / ab)."""
    same = (
        type(before) is type(after) and isinstance(before, MaxPool | SumPool) and isinstance(after, MaxPool | SumPool)
    )
    if not same or not _tiles(before) or not _tiles(after):
        return None
    if isinstance(before, MaxPool) and isinstance(after, MaxPool) and (before.minimum != after.minimum).any():
        return None
    assert isinstance(before, MaxPool | SumPool) and isinstance(after, MaxPool | SumPool)
    tile = (before.kernel[0] * after.kernel[0], before.kernel[1] * after.kernel[1])
    return (replace(after, inputs=before.inputs, kernel=tile, stride=tile),)


def _tiles(op: Op) -> bool:
    """True for a pool whose windows lie side by side and inside the image."""
    if isinstance(op, MaxPool) and op.dilation != (1, 1):
        return False
    return isinstance(op, MaxPool | SumPool) and op.stride == op.kernel and not any(op.pads)


def rising(before: Op, after: Op) -> tuple[Op, ...] | None:
    """Sums, falling threshold -> sums of negated weights, rising threshold.

    A falling row counts the thresholds its sum is below: n - #{s >= t} = #{s <= t - 1} = #{-s >= 1 - t}.
    """
    if not isinstance(before, Dense | Conv) or not isinstance(after, Threshold) or not after.falling.any():
        return None
    if len(after.falling) != len(before.weights):
        return None
    turn = np.where(after.falling, -1, 1).reshape(-1, *(1,) * (before.weights.ndim - 1))
    table = np.where(after.falling[:, None], 1 - after.thresholds[:, ::-1], after.thresholds)
    return (
        replace(before, weights=before.weights * turn),
        replace(after, thresholds=table, falling=np.zeros_like(after.falling)),
    )
