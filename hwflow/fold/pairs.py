"""The sum of two branches whose scales have nothing in common, in front of a quantizer: thresholds on M1 a + M2 b.

Stands on bits. Every pair of integers is evaluated in float32; the smallest factors are taken for which the level never
falls while M1 a + M2 b rises, and never differs where it stays. That is the proof, and its places are the thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwflow.bits import Array

MOST_FACTOR = 1 << 16
MOST_SUM = 1 << 30


@dataclass(frozen=True, eq=False)
class Sorted:
    """Factors of both branches, and the thresholds (channels, levels) on the sum of their products; "never" is one above."""

    factors: tuple[int, int]
    thresholds: Array


def sort(levels: Array, a: Array, b: Array, scales: tuple[float, float]) -> Sorted | None:
    """The factors with which a sum sorts `levels` (a, b, channels), 0 .. n and rising with the real sum; None without any.

    `a` and `b` are the integers of both branches, `scales` what one step of each is worth.
    """
    flat = levels.reshape(-1, levels.shape[-1])
    most = int(flat.max())
    for m, n in _factors(*scales):
        if max(abs(m) * int(np.abs(a).max()), abs(n) * int(np.abs(b).max())) >= MOST_SUM:
            return None
        sums = (m * a[:, None] + n * b[None, :]).reshape(-1)
        order = np.argsort(sums, kind="stable")
        rising, steps = np.diff(sums[order]) > 0, np.diff(flat[order], axis=0)
        if (steps >= 0).all() and not steps[~rising].any():
            ends = np.append(sums[order], sums.max() + 1)
            table = [np.searchsorted(flat[order, c], np.arange(1, most + 1)) for c in range(flat.shape[1])]
            return Sorted((m, n), ends[np.array(table, np.int64).reshape(flat.shape[1], most)])
    return None


def _factors(first: float, second: float) -> Iterator[tuple[int, int]]:
    """Pairs of integers with nearly the ratio of two scales, from the smallest on, with their signs."""
    low, high = sorted((abs(first), abs(second)))
    tried = set()
    for d in (*range(1, 65), *(1 << e for e in range(7, 17))):
        pair = d, round(d * high / low)
        if pair[1] > MOST_FACTOR:
            return
        if pair not in tried:
            tried.add(pair)
            m, n = pair if abs(first) == low else pair[::-1]
            yield (m if first > 0 else -m), (n if second > 0 else -n)
