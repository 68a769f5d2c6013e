"""Integers in the ratio of scales that are no multiples of one another, and how far they are from that ratio.

Stands on rationals. Float32 rounds every product of two quantised numbers thrice: either factor, and the product. A scale
that is off by less than that changes no sum by more than another order of its float32 terms would.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwflow.bits import Array

EPS = 2.0**-24  # what float32 rounds of a value, in units of the value
ROOM = 3 * EPS
MOST_MULTIPLE = 4096  # of the scales of branches
MOST_PARTS = 1 << 22  # of the smallest scale that are tried


def near(scales: Array, loads: Array, most: int, room: float) -> tuple[Fraction, Array] | None:
    """A step and integers whose products with it are the scales but for ROOM of each, the smallest such integers.

    `loads` says what one of each integer adds to a sum at most, which must stay below `most`. Where no such integers
    keep it there, scales may be off by twice as much, and so on up to `room`; None where that is not enough either.
    """
    least = min(abs(f) for f in scales.flat)
    found, places = np.unique(np.array([float(f / least) for f in scales.flat]), return_inverse=True)
    sums = np.abs(found) @ np.bincount(places, loads.astype(np.float64), len(found))
    parts = int(min(most / max(float(sums), 1.0), MOST_PARTS))
    allowed = ROOM
    off: list[Array] = []
    for start in range(1, parts + 1, 1 << 14):
        tried = np.arange(start, min(start + (1 << 14), parts + 1))[:, None] * found
        off.append((np.abs(np.rint(tried) - tried) / np.abs(tried)).max(1))
        if (off[-1] <= ROOM).any():
            break
    worst = np.concatenate(off) if off else np.zeros(0)
    while allowed <= max(room, ROOM):
        good = np.flatnonzero(worst <= allowed)
        if len(good):
            q = int(good[0]) + 1
            return least / q, np.rint(q * found).astype(np.int64)[places]
        allowed *= 2
    return None
