"""Values that wait for their reader: steps that are not evaluated yet, sums and maxima of branches of any scale.

Stands on items, levels and pairs. What such a value becomes depends on whether a quantizer or a sum reads it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hwflow import ops, real
from hwflow.bits import Array
from hwflow.fold import levels as lv
from hwflow.fold import pairs, quantising
from hwflow.fold.items import Item, Largest, Pair, TooWide
from hwflow.real.fixed import Bend, Finer
from hwflow.real.grids import Grid
from hwflow.real.steps import Beside, Step, run_all
from hwflow.real.sums import MOST_PAIRS

if TYPE_CHECKING:
    from hwflow.fold.folding import _Folding


def stepped(folding: _Folding, item: Item, steps: tuple[Step, ...]) -> Item:
    """The item behind more steps. A step with a constant for each pixel needs the moves done first."""
    if any(not s.monotone for s in steps) and any(chooses(m.node) for m in item.moves):
        return stepped(folding, folding.flushed(item), steps)  # what turns back cannot come before a maximum
    n = len(item.lo)
    if item.waits is not None:
        steps = tuple(s.wider(n // item.waits.to[-1]) for s in steps)
    if not all(step.repeats(n) for step in steps):
        return stepped(folding, folding.flushed(item), steps)
    own = (step if isinstance(step, Beside) else step.first(n) for step in steps)
    return replace(item, steps=(*item.steps, *own))


def chooses(node: real.RealOp) -> bool:
    """True for a maximum of several pixels."""
    return isinstance(node, real.MaxPool) and node.kernel != (1, 1)


def paired(folding: _Folding, value: str, item: Pair, grid: Grid) -> Item:
    """A quantised sum of two branches of any scale: thresholds on a sum of products, proven on every pair."""
    sides = [folding.graph.spans[v].grid for v in (item.left, item.right)]
    assert all(side is not None for side in sides)
    first, second = (side for side in sides if side is not None)
    if not item.monotone or any((side.step != side.step[0]).any() for side in (first, second)):
        raise TooWide(
            "quantises a sum of branches that have a scale for each channel, or falls and rises",
            "give each branch one scale",
        )
    a, b = (np.arange(int(side.lo.min()), int(side.hi.max()) + 1, 2 if side.bipolar else 1) for side in (first, second))
    channels = len(item.lo)
    if len(a) * len(b) * channels > MOST_PAIRS:
        raise TooWide(
            f"quantises a sum of branches with {len(a)} and {len(b)} levels, more pairs than are looked at",
            "quantise both branches with fewer bits",
        )
    real_a, real_b = (side.values(np.repeat(k[:, None], channels, 1)) for side, k in ((first, a), (second, b)))
    levels = grid.integers(run_all(item.steps, real_a[:, None] + real_b[None]))
    levels = np.broadcast_to(levels, (len(a), len(b), channels))
    base, top = (-1, 1) if grid.bipolar else (int(levels.min()), int(levels.max()))
    turned = item.turned ^ (grid.scale < 0)  # of the integers, not of the values
    falling = turned & (top > base)  # with a single level nothing falls
    rising = np.where(falling, top - levels, levels - base) // (2 if grid.bipolar else 1)
    if top - base > lv.MOST_LEVELS:
        raise TooWide(f"has {top - base + 1} levels", f"quantise it to at most {lv.MOST_LEVELS} levels")
    found = pairs.sort(rising, a, b, (float(first.scale[0]), float(second.scale[0])))
    if found is None:
        raise TooWide(
            "is a sum of branches that no small integers sort as float32 does",
            "give both branches scales with a ratio of small integers, such as powers of two",
        )
    sources = tuple(folding.emit_moves(folding.integers(v)) for v in (item.left, item.right))
    both = folding.emit(ops.Add(name=folding.fresh(f"{value}_sum"), inputs=sources, scales=found.factors))
    table = found.thresholds
    count = 1 if grid.bipolar else max(top - base, 1)  # a threshold has one limit at least
    if table.shape[1] < count:  # the highest levels are never reached
        never = np.full((channels, 1), folding.ports[both].ints.hi + 1)
        table = np.hstack([table, np.repeat(never, count - table.shape[1], 1)])
    table = np.clip(table, folding.ports[both].ints.lo, folding.ports[both].ints.hi + 1)
    op = ops.Threshold(
        name=folding.fresh(item.label or value), inputs=(both,), thresholds=table, falling=falling,
        base=0 if grid.bipolar else base, bipolar=grid.bipolar,
    )  # fmt: skip
    moves = tuple(replace(m, turned=m.turned ^ turned) for m in item.moves)
    return Item(folding.emit(op), grid.lo, grid.hi, grid.steps, moves)


def largest(folding: _Folding, value: str, item: Largest, grid: Grid) -> Item:
    """A quantised maximum of branches of any scales: the maximum of what the quantizer makes of each of them."""
    if not item.monotone:
        raise TooWide("falls and rises behind a maximum of branches", "put a quantizer between them")
    turned = item.turned ^ (grid.scale < 0)  # of the integers, not of the values
    flip, same = np.where(turned, -1, 1), np.zeros(len(turned), np.int64)
    lo, hi = int(min(grid.lo.min(), -grid.hi.max())), int(max(grid.hi.max(), -grid.lo.min()))
    parts = []
    for k, branch in enumerate(item.values_of):
        side = stepped(folding, folding.items[branch], item.steps)
        if side.waits is not None:
            side = folding.flushed(side)
        on = folding._before_moves(side, grid)
        ends = np.stack([side.lo, side.hi])
        own = side.affine and bool((on.integers(side.values(ends)) == ends).all())
        part = side if own else quantising.quantised(folding, f"{value}_{k}", replace(side, label=f"{value}_{k}"), on)
        name = folding.emit_moves(part)
        if turned.any():  # there the maximum becomes a minimum
            name = folding.emit(ops.Rescale(
                name=folding.fresh(f"{value}_turned"), inputs=(name,), mul=flip, add=same, shift=0, lo=lo, hi=hi
            ))  # fmt: skip
        parts.append(name)
    name = folding.fresh(item.label or value)
    most = folding.emit(ops.Maximum(name=folding.fresh(f"{name}_max") if turned.any() else name, inputs=tuple(parts)))
    if turned.any() and grid.bipolar:
        most = folding.emit(ops.Threshold(
            name=name, inputs=(most,), thresholds=np.where(turned, 0, 0)[:, None], falling=turned, bipolar=True
        ))  # fmt: skip
    elif turned.any():
        most = folding.emit(ops.Rescale(name=name, inputs=(most,), mul=flip, add=same, shift=0, lo=lo, hi=hi))
    moves = tuple(replace(m, turned=m.turned ^ turned) for m in item.moves)
    return Item(most, grid.lo, grid.hi, grid.steps, moves)


def compared(folding: _Folding, item: Largest, grid: Grid) -> Item:
    """The largest of branches of any scales as integers of one scale, for a sum behind it."""
    finer = folding.graph.finer[item.root]
    sources = []
    for k, (value, own) in enumerate(zip(item.values_of, finer, strict=True)):
        part = folding.integers(value)
        sources.append(refined(folding, folding.emit_moves(part), part, own, f"{item.root}_{k}")[0])
    name = folding.emit(ops.Maximum(name=folding.fresh(item.root), inputs=tuple(sources)))
    return Item(name, item.lo, item.hi, grid.steps, item.moves)


def in_fixed_point(folding: _Folding, value: str) -> Item:
    """The item of a value that float32 does not tell apart, such as a float shortcut: the integers of its own sum."""
    grid, node = folding.graph.spans[value].wide, folding.graph.by_name[value]
    assert grid is not None, f"{value} is on no grid"
    if isinstance(node, real.Pointwise):
        out = folding.integers(node.inputs[0])
        for bend in folding.graph.bends[value]:
            start, ends = refined(folding, folding.emit_moves(out), out, bend.start, f"{value}_at")
            slope, _ = refined(folding, start, ends, bend.slope, f"{value}_slope")
            name = folding.emit(ops.Maximum(name=folding.fresh(f"{value}_bent"), inputs=(start, slope)))
            out = Item(name, *ends_of(bend, widened(out, len(bend.start.mul))), ())
    elif isinstance(node, real.MaxPool | real.Upsample | real.Flatten | real.Reshape):
        moved = folding.integers(node.inputs[0]).moved(node)
        out = Item(folding.emit_moves(moved), grid.lo, grid.hi, ())
    else:
        out = folding.items[value]
    folding.asked[value] = replace(out, steps=grid.steps)
    return folding.asked[value]


def refined(folding: _Folding, source: str, item: Item, finer: Finer, name: str) -> tuple[str, Item]:
    """Integers times a factor, shifted: the name of the operation, and their ends as an item."""
    item = widened(item, len(finer.mul))
    ends = np.sort([finer.run(k) for k in (item.lo, item.hi)], 0)
    out = folding.emit(ops.Rescale(
        name=folding.fresh(name), inputs=(source,), mul=finer.mul, add=finer.add, shift=finer.shift,
        lo=int(ends.min()), hi=int(ends.max()),
    ))  # fmt: skip
    return out, Item(out, ends[0], ends[1], ())


def widened(item: Item, channels: int) -> Item:
    """The ends of each of so many channels, where a move that waits flattens pixels of fewer."""
    times = channels // len(item.lo)
    return replace(item, lo=np.tile(item.lo, times), hi=np.tile(item.hi, times))


def ends_of(bend: Bend, item: Item) -> tuple[Array, Array]:
    """The least and the largest of bent integers."""
    ends = np.stack([bend.start.run(item.lo), bend.start.run(item.hi)])
    through = np.stack([*ends, np.clip(0, ends.min(0), ends.max(0))])
    out = np.maximum(through, bend.slope.run(through))
    return out.min(0), out.max(0)
