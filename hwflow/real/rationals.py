"""Exact rational numbers in arrays: scales and offsets of a network as fractions, without rounding.

Stands on numpy alone. A float is the fraction it is; nothing here is nearly equal to anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from math import gcd, inf, lcm

import numpy as np

from hwflow.bits import Array


def exact(values: object) -> Array:
    """An array of fractions (dtype object) equal to finite numbers; each distinct number is converted once."""
    v = np.asarray(values)
    if v.dtype == object:
        return v
    found, places = np.unique(v, return_inverse=True)
    table = np.empty(len(found), object)
    table[:] = [Fraction(float(n)) if v.dtype.kind == "f" else Fraction(int(n)) for n in found]
    return table[places].reshape(v.shape)


def floats(fractions: Array) -> Array:
    """The nearest float64 numbers; infinite where a fraction is beyond them."""
    known: dict[int, float] = {}  # by object, as channels share theirs
    for f in fractions.flat:
        if id(f) not in known:
            known[id(f)] = _float(f)
    return np.array([known[id(f)] for f in fractions.flat], np.float64).reshape(fractions.shape)


def each(function: Callable[[Fraction, Fraction], Fraction], a: Array, b: Array) -> Array:
    """function(a, b) element by element, once for each pair of objects; channels of one scale go on sharing it."""
    known: dict[tuple[int, int], Fraction] = {}
    out = np.empty(len(a), object)
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        key = id(x), id(y)
        if key not in known:
            known[key] = function(x, y)
        out[i] = known[key]
    return out


def _float(f: Fraction) -> float:
    try:
        return float(f)
    except OverflowError:
        return inf if f > 0 else -inf


def common(fractions: Iterable[Fraction]) -> Fraction:
    """The largest fraction of which all are integer multiples; 0 where all are 0."""
    top, bottom = 0, 1
    for f in set(fractions):
        shared = lcm(bottom, f.denominator)
        top = gcd(top * (shared // bottom), f.numerator * (shared // f.denominator))
        bottom = shared
    return Fraction(top, bottom)


def multiples(fractions: Array, most: int) -> tuple[Fraction, Array] | None:
    """One positive step and integers of at most `most` with step * integers = fractions, or None."""
    step = common(fractions.flat)
    if step == 0:
        return None
    by = {f: f / step for f in set(fractions.flat)}
    if max(abs(f) for f in by.values()) > most:
        return None
    return step, np.array([int(by[f]) for f in fractions.flat], np.int64).reshape(fractions.shape)


def integers(fractions: Array) -> Array | None:
    """The fractions as int64 where every one is an integer that int64 holds, else None."""
    if any(f.denominator != 1 or abs(f) >= 1 << 62 for f in set(fractions.flat)):
        return None
    return np.array([int(f) for f in fractions.flat], np.int64).reshape(fractions.shape)
