"""Weights times integers: a dense layer or a convolution as an integer operation, its padding an integer too.

Stands on summed. What each channel's scale and offset add to a row is exact.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from hwflow import ops
from hwflow.bits import Array
from hwflow.real import nodes as real
from hwflow.real.fixed import Finer
from hwflow.real.grids import MOST_INTEGER, Grid, scaled
from hwflow.real.rationals import exact, floats, integers, multiples
from hwflow.real.scales import EPS, MOST_MULTIPLE
from hwflow.real.summed import MOST_SUM, IntegerSum, Off, uniform


def picked_channels(node: real.Dense | real.Conv) -> Array | None:
    """The channel that each row copies, where every row is one weight of 1 and no padding is read; else None."""
    ints = node.weights.ints
    if (node.weights.scale != 1).any() or (isinstance(node, real.Conv) and any(node.pads)):
        return None
    flat = ints.reshape(len(ints), -1)
    if not bool(((flat == 0) | (flat == 1)).all() and (flat.sum(1) == 1).all()):
        return None
    channel = flat.argmax(1) % ints.shape[-1]
    if isinstance(node, real.Dense) or node.groups == 1:
        return channel
    return channel + np.arange(len(ints)) // (len(ints) // node.groups) * ints.shape[-1]


def product(node: real.Dense | real.Conv, grid: Grid) -> IntegerSum:
    w = node.weights.ints.astype(np.int64)
    finer, pad = None, np.zeros(1, np.int64)
    if (picked := picked_channels(node)) is not None:  # nothing is summed, so every channel keeps its own scale
        return IntegerSum(_integer_product(node, w, pad), grid.taken(picked), (None,))
    groups = node.groups if isinstance(node, real.Conv) else 1
    if isinstance(node, real.Conv) and any(node.pads):
        grid = _with_padding(grid, node.pad)
    loads = _loads(node, grid)
    step, m, offset = uniform(grid, groups, loads, EPS * max(int(np.prod(w.shape[1:])), 3))
    away = np.where(grid.moving, np.abs(floats(step * m - grid.step)), 0.0)
    if isinstance(node, real.Conv) and any(node.pads):
        found = _padding(node, grid, step, m, offset)
        if found is None:
            finer, one = _finer(node, step * m, offset)
            step = np.full(len(m), one)
            lo, hi = (finer.mul * k + finer.add for k in (grid.lo, grid.hi))
            grid = replace(grid, lo=np.minimum(lo, hi), hi=np.maximum(lo, hi))
            found = integers(Fraction(node.pad) / step)
            m, offset = np.ones_like(m), 0 * offset
            assert found is not None
        pad = found
        if pad.any() and _beyond(node):
            # the integers are counted from the padding, which is 0 then, as zeros alone may lie outside all windows
            moved = Finer(np.ones_like(pad), -pad)
            finer = moved if finer is None else Finer(finer.mul, finer.add - pad)
            grid = replace(grid, lo=grid.lo - pad, hi=grid.hi - pad)
            offset, pad = offset + step * m * pad, 0 * pad
    m_taps, offset_taps = (_by_tap(node, v) for v in (m, offset))
    w = w * m_taps
    rows = exact(np.broadcast_to(node.weights.scale, (len(w),)))
    sums = _row_sums(node.weights.ints, offset_taps) * rows
    lo, hi = _ranges(node, w, grid, pad)
    if max(-int(lo.min()), int(hi.max())) >= MOST_SUM:
        raise Off("its accumulator exceeds 32 bits", "use fewer bits for weights or inputs")
    if int(np.abs(w).max(initial=0)) >= MOST_SUM:
        raise Off("its weights exceed 32 bits", "use fewer bits for weights or inputs")
    of_row = step[np.arange(len(w)) // max(len(w) // groups, 1) * (len(step) // groups)]
    out = scaled(lo, hi, of_row * rows, sums)
    if not away.any():
        return IntegerSum(_integer_product(node, w, pad), out, (finer,))
    most = np.maximum(np.abs(grid.lo), np.abs(grid.hi))
    taps = _by_tap(node, away * most)
    more = (np.abs(node.weights.ints) * taps).reshape(len(w), -1).sum(1) * np.abs(floats(rows))
    out = replace(out, error=more + (0.0 if out.error is None else out.error))
    return IntegerSum(_integer_product(node, w, pad), out, (finer,), near=float((away / np.abs(grid.scale)).max()))


def _loads(node: real.Dense | real.Conv, grid: Grid) -> Array:
    """What each input channel adds to the largest sum at most."""
    size = np.abs(node.weights.ints.astype(np.int64))
    most = np.maximum(np.abs(grid.lo), np.abs(grid.hi))
    if isinstance(node, real.Dense):
        return size.max(0) * most
    by_channel = size.sum((1, 2)).reshape(node.groups, -1, size.shape[-1]).max(1).reshape(-1)
    return by_channel * most


def _integer_product(node: real.Dense | real.Conv, w: Array, pad: Array) -> ops.Op:
    if isinstance(node, real.Dense):
        return ops.Dense(name=node.name, inputs=node.inputs, weights=w)
    pad = pad[:1] if (pad == pad[0]).all() else pad
    return ops.Conv(
        name=node.name, inputs=node.inputs, weights=w, stride=node.stride, pads=node.pads, pad=pad,
        dilation=node.dilation, groups=node.groups,
    )  # fmt: skip


def _beyond(node: real.Conv) -> bool:
    """True where padding reaches beyond the window, so that whole windows lie in it."""
    spans = [(k - 1) * d + 1 for k, d in zip(node.weights.ints.shape[1:3], node.dilation, strict=True)]
    return any(p >= s for p, s in zip(node.pads, (*spans, *spans), strict=True))


def _with_padding(grid: Grid, pad: float) -> Grid:
    """The grid whose channels of one value hold the padding too, where it is on their grid: so they need their scale."""
    at = np.full(len(grid.lo), pad, np.float32)
    near = grid.nearest(at)
    on = ~grid.moving & (np.abs(near) <= MOST_INTEGER) & (grid.values(near) == at)
    lo, hi = (np.where(on, end(side, near), side) for end, side in ((np.minimum, grid.lo), (np.maximum, grid.hi)))
    return replace(grid, lo=lo, hi=hi)


def _padding(node: real.Conv, grid: Grid, step: Array, m: Array, offset: Array) -> Array | None:
    """The integer of each channel whose value the padding is: exactly, or as float32 makes it; else None."""
    pad = np.full(len(m), node.pad, np.float32)
    near = grid.nearest(pad)
    near = np.where(np.abs(near) <= MOST_INTEGER, near, 0)
    made = grid.moving & (grid.values(near) == pad)
    out = []
    for k, ratio, ok in zip(near, (Fraction(node.pad) - offset) / (step * m), made, strict=True):
        if ratio.denominator == 1 and abs(ratio) <= MOST_INTEGER:
            out.append(int(ratio))
        elif ok:
            out.append(int(k))
        else:
            return None
    return np.array(out, np.int64)


def _row_sums(ints: Array, per_tap: Array) -> Array:
    """sum over taps of ints[r, tap] * per_tap[tap], exact."""
    flat = ints.reshape(len(ints), -1).astype(np.int64)
    taps = np.broadcast_to(per_tap, ints.shape).reshape(len(ints), -1)
    if all(f == 0 for f in set(per_tap.flat)):
        return exact(np.zeros(len(ints)))
    out = exact(np.zeros(len(ints)))
    for value in set(per_tap.flat):
        mine = np.array([f == value for f in per_tap.flat]).reshape(per_tap.shape)
        out = out + exact(np.where(np.broadcast_to(mine, ints.shape).reshape(taps.shape), flat, 0).sum(1)) * value
    return out


def _finer(node: real.Conv, steps: Array, offset: Array) -> tuple[Finer, Fraction]:
    """Integers on a grid that contains the padding, where their own grid does not."""
    for d in range(1, 17):
        add, pad = integers(d * offset / steps), integers(d * Fraction(node.pad) / steps)
        if add is not None and pad is not None:
            found = multiples(steps / d, MOST_MULTIPLE)
            if found is not None:
                step, m = found
                return Finer(m * d, m * add), step
    raise Off(
        f"its padding with {node.pad:g} is none of the values its input can take",
        "quantise the input behind its normalisation with a scale that represents the padding",
        "pads",
    )


def _by_tap(node: real.Dense | real.Conv, per_channel: Array) -> Array:
    """A value of each input channel, in the shape of the weights."""
    if isinstance(node, real.Dense) or node.groups == 1:
        return per_channel
    rows, _, _, depth = node.weights.ints.shape
    group = np.arange(rows) // (rows // node.groups)
    return per_channel.reshape(node.groups, depth)[group][:, None, None, :]


def _ranges(node: real.Dense | real.Conv, w: Array, grid: Grid, pad: Array) -> tuple[Array, Array]:
    """Least and largest sum of each row over inputs in their own channel's range."""
    lo, hi = grid.lo, grid.hi
    if isinstance(node, real.Conv) and any(node.pads):
        lo, hi = np.minimum(lo, pad), np.maximum(hi, pad)
    lo, hi = _by_tap(node, lo), _by_tap(node, hi)
    ends = w * lo, w * hi
    return np.minimum(*ends).reshape(len(w), -1).sum(1), np.maximum(*ends).reshape(len(w), -1).sum(1)
