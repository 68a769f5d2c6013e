"""Integers of a grid from integers in front of it: thresholds, a rescale, or what falls and rises.

Stands on items and levels. A function is evaluated at integers, never solved for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hwflow import ops
from hwflow.bits import Array
from hwflow.fold import levels as lv
from hwflow.fold import waiting
from hwflow.fold.items import Item, Largest, Move, Pair, TooWide
from hwflow.real.grids import MOST_INTEGER, Grid, whole
from hwflow.real.steps import ROUNDINGS, Step, run_all, turns

if TYPE_CHECKING:
    from hwflow.fold.folding import _Folding


def quantised(folding: _Folding, value: str, item: Item, grid: Grid) -> Item:
    """The item of a value whose steps change its integers, as the integers of its grid."""
    if isinstance(item, Pair):
        return waiting.paired(folding, value, item, grid)
    if isinstance(item, Largest):
        if item.moved_only:
            return waiting.compared(folding, item, grid)
        return waiting.largest(folding, value, item, grid)
    if not item.monotone:
        return _wavy(folding, value, item, grid)

    def level(k: Array) -> Array:
        return grid.integers(item.values(k))

    if not lv.few(lv.count(level, item.lo, item.hi), len(item.lo)):
        return _line(folding, level, value, item, grid)
    found = lv.find(level, item.lo, item.hi)
    shift = lv.identity(found) if folding.ports[item.op].ints.is_bipolar == grid.bipolar else None
    if shift == 0:
        return replace(item, steps=grid.steps)  # the float32 operations that the file makes of these integers
    name = folding.fresh(item.label or value)
    op = _sign(found, item, name) if grid.bipolar else _narrow(found, item, grid, name)
    return Item(folding.emit(op), grid.lo, grid.hi, grid.steps, _moves(item, grid))


def _behind(steps: tuple[Step, ...], k: Array) -> Array:
    """The float32 values of integers behind a chain."""
    return run_all(steps, k.astype(np.float32))


def _moves(item: Item, grid: Grid) -> tuple[Move, ...]:
    """The moves of an item, once its integers are those of `grid`."""
    return tuple(replace(m, turned=m.turned ^ item.turned ^ (grid.scale < 0)) for m in item.moves)


def _line(folding: _Folding, level: Callable[[Array], Array], value: str, item: Item, grid: Grid) -> Item:
    """Wide integers that the steps only clip."""
    op = lv.line(level, item.lo, item.hi, folding.fresh(item.label or value), item.op)
    if op is None:
        raise TooWide(
            f"has {lv.count(level, item.lo, item.hi) + 1} levels, more than can be looked at one by one",
            f"quantise it to at most {lv.MOST_LEVELS} levels",
        )
    if (op.mul == 1).all() and (op.add == 0).all() and op.lo <= item.lo.min() and op.hi >= item.hi.max():
        return replace(item, steps=grid.steps)
    return Item(folding.emit(op), grid.lo, grid.hi, grid.steps, _moves(item, grid))


def _sign(found: lv.Levels, item: Item, name: str) -> ops.Threshold:
    """The op of a function of -1 and +1."""
    if found.count == 0:  # one sign only: a threshold that is always or never reached
        never = np.where(found.base > 0, found.lo, found.hi + 1)[:, None]
        still = np.zeros(len(found.lo), bool)
        return ops.Threshold(name=name, inputs=(item.op,), thresholds=never, falling=still, bipolar=True)
    return lv.threshold(replace(found, places=found.places[:, -1:]), name, item.op, True)  # from -1 to +1 at one place


def _narrow(found: lv.Levels, item: Item, grid: Grid, name: str) -> ops.Op:
    """The op of a function of several levels: a rescale from 4 bits on where one is exact, else thresholds."""
    if found.count >= lv.RESCALE_FROM:
        op = lv.rescale(found, item.slope() / grid.scale, name, item.op)
        if op is not None:
            return op
    if found.count > lv.MOST_LEVELS:
        raise TooWide(
            f"has {found.count + 1} levels and no exact multiplier and shift",
            "quantise it to at most 9 bits, or round down instead of to even (FLOOR)",
        )
    if found.count == 0:
        none = 0 * item.lo
        return ops.Rescale(
            name=name, inputs=(item.op,), mul=none, add=none + found.base, shift=0, lo=found.base, hi=found.base
        )
    return lv.threshold(found, name, item.op, False)


def _to_rounding(item: Item) -> Item | None:
    """The item up to the last rounding in front of its first function; None without one, or where its integers are too large."""
    wavy = next(i for i, step in enumerate(item.steps) if not step.monotone)
    at = max((i for i, step in enumerate(item.steps[:wavy]) if step.op in ROUNDINGS), default=None)
    if at is None:
        return None
    front = replace(item, steps=item.steps[: at + 1], label="")  # its name is that of what comes behind
    return front if (np.abs(front.values(np.stack([item.lo, item.hi]))) <= MOST_INTEGER).all() else None


def _behind_rounding(folding: _Folding, value: str, item: Item, front: Item) -> Item | None:
    """The item behind `front`, as the integers that gives; None where these are no fewer."""
    ends = front.values(np.stack([item.lo, item.hi]))
    middle = whole(ends.min(0), ends.max(0))
    if (middle.hi - middle.lo).max() >= (item.hi - item.lo).max():
        return None
    narrow = quantised(folding, f"{value}_rounded", front, middle)
    return replace(narrow, steps=(*narrow.steps, *item.steps[len(front.steps) :]), label=item.label)


def _wavy(folding: _Folding, value: str, item: Item, grid: Grid) -> Item:
    """A function that falls and rises: how often it rose, less how often it fell.

    It is seen at every integer, of those in front of a rounding at one for each it gives; or where these are too many,
    between the places at which it turns.
    """
    front = _to_rounding(item)

    def level(k: Array) -> Array:
        return grid.integers(item.values(k))

    found = lv.see(level, item.lo, item.hi, None if front is None else lambda k: front.values(k).astype(np.int64))
    if found is None and (chains := turns(item.steps)) is not None:
        ahead = [partial(_behind, chain) for chain in chains]
        found = lv.see_pieces(level, lv.pieces(ahead, item.lo, item.hi))
    if found is None and front is not None and (narrow := _behind_rounding(folding, value, item, front)) is not None:
        return _wavy(folding, value, narrow, grid)
    if found is None:
        raise TooWide(
            "falls and rises over more integers than can be looked at", "quantise in front of it, or use fewer bits"
        )
    ups, downs, base, lo, hi = found
    if not ups.shape[1]:  # it never rises: a threshold has one limit at least, here one that nothing reaches
        ups = np.full((len(item.lo), 1), folding.ports[item.op].ints.hi + 1)
    name, still = folding.fresh(item.label or value), np.zeros(len(item.lo), bool)
    both = folding.emit(ops.Threshold(
        name=folding.fresh(f"{name}_rises"), inputs=(item.op,), thresholds=ups, falling=still, base=base
    ))  # fmt: skip
    if downs.shape[1]:
        fell = folding.emit(ops.Threshold(
            name=folding.fresh(f"{name}_falls"), inputs=(item.op,), thresholds=downs, falling=still
        ))  # fmt: skip
        both = folding.emit(ops.Add(name=folding.fresh(f"{name}_levels"), inputs=(both, fell), scales=(1, -1)))
    one = np.ones(len(item.lo), np.int64)
    if grid.bipolar:
        op: ops.Op = ops.Threshold(name=name, inputs=(both,), thresholds=0 * one[:, None], falling=still, bipolar=True)
    else:  # the sum of both ranges is wider than what occurs
        op = ops.Rescale(name=name, inputs=(both,), mul=one, add=0 * one, shift=0, lo=lo, hi=hi)
    moves = tuple(replace(m, turned=grid.scale < 0) for m in item.moves)
    return Item(folding.emit(op), grid.lo, grid.hi, grid.steps, moves)
