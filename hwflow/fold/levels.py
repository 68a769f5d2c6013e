"""Where a monotone function of an integer changes its level: thresholds by bisection, rescales by proof.

Stands on bits, ops and items. Nothing is solved for in floating point: the trained float32 arithmetic is asked at integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hwflow import ops
from hwflow.bits import Array
from hwflow.fold.items import TooWide

MOST_LEVELS = 1023
MOST_SHIFT = 30
# what every engine multiplies by and adds: a 32-bit product is summed in 63 bits
MOST_MUL = 1 << 31
MOST_ADD = 1 << 46
RESCALE_FROM = 8  # levels: from 4 bits on a multiplier and a shift are smaller than thresholds


@dataclass(frozen=True, eq=False)
class Levels:
    """A monotone integer function of each channel over lo .. hi, by the places where it changes.

    Position p counts from the end where the function is least: x = lo + p, or hi - p where `falling`.
    The function is base + how many of `places` are at or below p; "never" is hi - lo + 1.
    """

    lo: Array  # int, (channels,)
    hi: Array
    falling: Array  # bool, (channels,)
    base: int
    places: Array  # int, (channels, n), ascending

    @property
    def count(self) -> int:
        return self.places.shape[1]

    @property
    def top(self) -> int:
        return self.base + self.count


def find(function: Callable[[Array], Array], lo: Array, hi: Array) -> Levels:
    """The levels of `function`, which maps integers (n, channels) to integers, monotone in each channel."""
    ends = function(np.stack([lo, hi]))
    falling = ends[0] > ends[1]
    base, top = int(ends.min()), int(ends.max())
    targets = np.arange(base + 1, top + 1)[:, None]
    length = (hi - lo + 1)[None, :]
    # the least p with level >= target lies in left .. right; right = length means never
    left, right = np.zeros((len(targets), len(lo)), np.int64), np.broadcast_to(length, (len(targets), len(lo))).copy()
    while (left < right).any():
        middle = (left + right) // 2
        at = np.minimum(middle, length - 1)
        reached = function(np.where(falling, hi - at, lo + at)) >= targets
        open_ = left < right
        right = np.where(open_ & reached, middle, right)
        left = np.where(open_ & ~reached, middle + 1, left)
    return Levels(lo, hi, falling, base, left.T)


MOST_PLACES = 1 << 22  # of all channels together that are bisected
MOST_WIDE = 1 << 20  # the same where there are too many for thresholds, and every shift of a rescale is tried on them
MOST_LINE = 1 << 26  # integers of all channels together at which a line is compared with a function


def count(function: Callable[[Array], Array], lo: Array, hi: Array) -> int:
    """How many levels a function has besides its least, all channels taken together."""
    ends = function(np.stack([lo, hi]))
    return int(ends.max()) - int(ends.min())


def few(levels: int, channels: int) -> bool:
    """True where so many levels can be found one by one."""
    return levels * channels <= (MOST_PLACES if levels <= MOST_LEVELS else MOST_WIDE)


def line(function: Callable[[Array], Array], lo: Array, hi: Array, name: str, source: str) -> ops.Rescale | None:
    """The function as clip(x + n), clip(n - x) or a constant, one of which it is at every integer, or None.

    Such are clips of wide sums, with far more levels than can be bisected one by one.
    """
    length = hi - lo + 1
    if int(length.max()) * len(lo) > MOST_LINE:
        return None
    ends = function(np.stack([lo, hi]))
    base, top = int(ends.min()), int(ends.max())
    rising, least = ends[0] < ends[1], ends.min(0)
    left, right = np.zeros(len(lo), np.int64), np.asarray(length, np.int64)
    while (left < right).any():  # the first place above the least level
        middle = (left + right) // 2
        above = function(np.where(rising, lo + middle, hi - middle)[None])[0] > least
        left, right = np.where(above, left, np.minimum(middle + 1, right)), np.where(above, middle, right)
    at = np.where(rising, lo, hi) + np.where(rising, 1, -1) * np.minimum(left, length - 1)
    mul = np.where(ends[0] == ends[1], 0, np.where(rising, 1, -1))
    add = function(at[None])[0] - mul * at
    for start in range(0, int(length.max()), 1 << 16):
        x = np.minimum(lo + np.arange(start, start + (1 << 16))[:, None], hi)
        if not np.array_equal(function(x), np.clip(mul * x + add, base, top)):
            return None
    return ops.Rescale(name=name, inputs=(source,), mul=mul, add=add, shift=0, lo=base, hi=top)


MOST_SEEN = 1 << 24  # integers of all channels together at which a function is looked at one by one


def see(
    function: Callable[[Array], Array], lo: Array, hi: Array, front: Callable[[Array], Array] | None = None
) -> tuple[Array, Array, int, int, int] | None:
    """Where any function rises and falls: (channels, n) places of each, its base, its least and largest level.

    The function is base + (places of rising at or below x) - (places of falling at or below x). A place is repeated for
    every level; "never" is hi + 1. None where there are too many integers to look at; TooWide where it rises or falls too often.
    `front` is a monotone function to integers on whose result alone it depends, so that it changes only where that does.
    """
    first, last = int(lo.min()), int(hi.max())
    if (last - first + 1) * len(lo) > MOST_SEEN:
        return None
    if front is not None and few(count(front, lo, hi), len(lo)):
        x = np.vstack([lo, np.clip(_starts(find(front, lo, hi)).T, lo, hi)])
    else:
        x = np.clip(np.arange(first, last + 1)[:, None], lo, hi)
    y = function(x)
    base = int(y[0].min())
    steps = np.diff(np.vstack([np.full(len(lo), base), y]), axis=0)
    seldom(int(np.maximum(steps, 0).sum(0).max()), int(np.maximum(-steps, 0).sum(0).max()))
    tables = [
        _table([np.repeat(x[:, c], change[:, c]) for c in range(len(lo))], hi)
        for change in (np.maximum(steps, 0), np.maximum(-steps, 0))
    ]
    return tables[0], tables[1], base, int(y.min()), int(y.max())


def seldom(ups: int, downs: int) -> None:
    """A TooWide refusal where a function rises or falls more often than thresholds are kept."""
    if max(ups, downs) > MOST_LEVELS:
        raise TooWide(f"rises {ups} and falls {downs} times", f"quantise it to at most {MOST_LEVELS} levels")


def _table(rows: list[Array], hi: Array) -> Array:
    """Places of each channel, (channels, n), filled up with "never"."""
    table = np.repeat(hi[:, None] + 1, max(len(r) for r in rows), 1)
    for c, row in enumerate(rows):
        table[c, : len(row)] = row
    return table


def pieces(turns: Sequence[Callable[[Array], Array]], lo: Array, hi: Array) -> list[tuple[Array, Array]]:
    """Ranges of each channel (one that ends before it starts is empty), in order, between the changes of sign of `turns`.

    Each of these is monotone where those before it change no sign.
    """
    out = [(lo, hi)]
    for turn in turns:
        cut = []
        for first, last in out:
            start = turn(first[None])[0] < 0
            left, right = first.copy(), np.maximum(last + 1, first)  # the first other sign; the end means none
            while (left < right).any():
                middle = (left + right) // 2
                same = (turn(middle[None])[0] < 0) == start
                open_ = left < right
                left, right = np.where(open_ & same, middle + 1, left), np.where(open_ & ~same, middle, right)
            cut += [(first, left - 1), (left, last)]
        out = cut
    return out


def see_pieces(
    function: Callable[[Array], Array], ranges: Sequence[tuple[Array, Array]]
) -> tuple[Array, Array, int, int, int]:
    """What `see` gives for a function that is monotone on each of some ranges in a row, by bisection on each."""
    channels = range(len(ranges[0][0]))
    base = int(function(ranges[0][0][None]).min())
    before = np.full(len(channels), base)
    none = np.zeros(0, np.int64)
    rows: tuple[list[list[Array]], list[list[Array]]] = ([[none] for _ in channels], [[none] for _ in channels])
    least, most = base, base
    for first, last in ranges:
        some = first <= last
        end = np.maximum(first, last)
        here, there = function(np.stack([first, end]))
        for rise in (here - before, there - here):
            seldom(int(np.maximum(rise, 0)[some].max(initial=0)), int(np.maximum(-rise, 0)[some].max(initial=0)))
        found = find(function, first, end)
        for c in np.flatnonzero(some):
            jump = int(here[c] - before[c])
            rows[jump < 0][c].append(np.full(abs(jump), first[c]))
            inside = found.places[c][(found.places[c] > 0) & (found.places[c] <= end[c] - first[c])]
            falls = bool(found.falling[c])
            rows[falls][c].append(end[c] - inside + 1 if falls else first[c] + inside)
        before = np.where(some, there, before)
        ends = np.stack([here, there])[:, some]
        least, most = min(least, int(ends.min(initial=least))), max(most, int(ends.max(initial=most)))
    hi = ranges[-1][1]
    seldom(*(max(sum(map(len, row)) for row in kind) for kind in rows))
    ups, downs = (_table([np.sort(np.concatenate(row)) for row in kind], hi) for kind in rows)
    return ups, downs, base, least, most


def identity(levels: Levels) -> int | None:
    """The n for which the function is x + n everywhere, or None."""
    n = levels.base - int(levels.lo.min())
    steps = np.arange(levels.count) + 1 + levels.base
    first = steps - n - levels.lo[:, None]  # where x + n reaches each level
    never = (levels.hi - levels.lo + 1)[:, None]
    same = levels.places == np.clip(first, 0, never)
    # a channel whose range reaches beyond the levels is clipped, which is no identity
    inside = (levels.lo + n >= levels.base) & (levels.hi + n <= levels.top)
    return n if bool(same.all() and inside.all()) and not levels.falling.any() else None


def _starts(levels: Levels) -> Array:
    """The integers from which on the function has its next level, (channels, n), ascending; hi + 1 means never."""
    rising = levels.lo[:, None] + levels.places
    falling = np.sort(levels.hi[:, None] - levels.places + 1, 1)
    return np.where(levels.falling[:, None], falling, rising)


def threshold(levels: Levels, name: str, source: str, bipolar: bool) -> ops.Threshold:
    """The function as thresholds; -1/+1 where `bipolar`."""
    table = _starts(levels)
    base = 0 if bipolar else levels.base
    return ops.Threshold(
        name=name, inputs=(source,), thresholds=table, falling=levels.falling, base=base, bipolar=bipolar
    )


def rescale(levels: Levels, slope: Array, name: str, source: str) -> ops.Rescale | None:
    """The function as clip((M x + B) >> S), of the smallest S and M that equal it on every integer, or None.

    With p and rising levels the function is at least j exactly from place p_j on, so M p + B serves when
    M p_j + B >= j 2^S and M (p_j - 1) + B < j 2^S for every j whose place is inside. These inequalities at
    the places are the whole proof, because both sides are monotone. `slope` is levels for one step of x.
    """
    length = levels.hi - levels.lo + 1
    j = np.arange(levels.base + 1, levels.top + 1, dtype=np.int64)
    reached = levels.places < length[:, None]
    entered = levels.places > 0
    slope = np.where((levels.places == levels.places[:, :1]).all(1) & ~(reached & entered).any(1), 0, np.abs(slope))
    for shift in range(MOST_SHIFT + 1):
        found = _with_shift(levels.places, j << shift, reached, entered, slope * 2.0**shift, shift)
        if found is not None:
            mul, add = found
            # from p back to x
            mul, add = (
                np.where(levels.falling, -mul, mul),
                np.where(levels.falling, add + mul * levels.hi, add - mul * levels.lo),
            )
            if int(np.abs(add).max()) >= MOST_ADD:
                return None
            return ops.Rescale(
                name=name, inputs=(source,), mul=mul, add=add, shift=shift, lo=levels.base, hi=levels.top
            )
    return None


def _with_shift(
    places: Array, level: Array, reached: Array, entered: Array, slope: Array, shift: int
) -> tuple[Array, Array] | None:
    """M and B of every channel for one shift, or None."""
    far, half = np.int64(1) << 62, np.int64(1 << shift >> 1)
    mul = np.zeros(len(places), np.int64)
    add = np.zeros(len(places), np.int64)
    open_ = np.ones(len(places), bool)
    some, none = reached.any(1), ~entered.any(1)
    largest = float(min(MOST_MUL - 1, (1 << 60) // (int(places.max(initial=0)) + 1)))
    for guess in (np.floor(slope), np.ceil(slope), np.floor(slope) - 1, np.ceil(slope) + 1):
        fits = guess <= largest  # a slope of infinity does not
        m = np.where(fits, np.maximum(guess, 0), 0).astype(np.int64)[:, None]
        least = np.where(reached, level - m * places, -far).max(1)
        most = np.where(entered, level - 1 - m * (places - 1), far).min(1)
        # a side without a bound needs no number beyond zero, or beyond the other bound
        least = np.where(some, least, np.minimum(most, 0))
        most = np.where(none, np.maximum(least, half), most)
        good = open_ & fits & (least <= most)
        mul = np.where(good, m[:, 0], mul)
        add = np.where(good, _simplest(least, most, shift), add)
        open_ &= ~good
        if not open_.any():
            return mul, add
    return None


def _simplest(least: Array, most: Array, shift: int) -> Array:
    """A number between bounds: the rounding constant where it fits, else one with many zeros at its end."""
    half = np.int64(1 << shift >> 1)
    out = np.where((least <= half) & (half <= most), half, np.where((least <= 0) & (most >= 0), 0, least))
    for zeros in range(shift + 1):
        up = -(-least >> zeros) << zeros
        better = (up <= most) & ~((least <= half) & (half <= most)) & ~((least <= 0) & (most >= 0))
        out = np.where(better, up, out)
    return out
