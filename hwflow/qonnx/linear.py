"""Where the outputs of a linear resize lie along one axis: places at which a window of whole weights stands.

Stands on numpy. Zeros are put between the pixels at every fraction of a pixel's width by which one output lies behind the
one before, so that the places of outputs are a stride, and the weights of a window are a triangle sampled at them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, gcd

import numpy as np

EPS = 2.0**-24  # what float32 rounds of a value, in units of the value
WHERE = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")


@dataclass(frozen=True, eq=False)
class Side:
    """One axis of a linear resize, exact: output i is the sum of weights / whole over the window at i * stride.

    The outermost pixels are repeated `front` and `behind` times, every pixel is followed by parts - 1 zeros, and `pads`
    zeros are in front and behind.
    """

    front: int = 0
    behind: int = 0
    parts: int = 1
    stride: int = 1
    pads: tuple[int, int] = (0, 0)
    weights: tuple[int, ...] = (1,)
    whole: int = 1
    loose: float = 0.0  # how far weights may be from these that float32 computes from rounded places

    @property
    def still(self) -> bool:
        """True where every output is its pixel."""
        return self.weights == (1,) and self.stride == self.parts == 1


def side(where: str, now: int, to: int, scale: float) -> Side:
    """The side of `now` pixels that become `to`, for one of WHERE."""
    start, step = _places(where, now, to, scale)
    last = start + (to - 1) * step
    front, behind = max(-floor(start), 0), max(ceil(last) - (now - 1), 0)  # beyond the outermost pixels the value stays
    parts = step.denominator
    stride = int(step * parts)
    at = start * parts
    off = at - floor(at)
    taps = range(1 - parts, parts + (1 if off else 0))
    heights = [int(off.denominator * (parts - abs(tap - off))) for tap in taps]
    whole = parts * off.denominator
    common = gcd(whole, *heights)
    first = floor(at) + taps[0] + front * parts
    weights = [0] * max(first, 0) + [h // common for h in heights]
    length = max(-first, 0) + (now + front + behind) * parts
    spare = length - (to - 1) * stride - len(weights)  # of the places behind the last window
    if spare >= stride:
        weights += [0] * spare
    # a place is a sum, a product and a quotient of numbers of at most `now` pixels, exact where they are dyadic
    dyadic = all(n & (n - 1) == 0 for n in (parts, stride if where != "align_corners" else 1))
    loose = 0.0 if dyadic else 4 * EPS * (now + 1)
    return Side(front, behind, parts, stride, (max(-first, 0), max(-spare, 0)), tuple(weights), whole // common, loose)


def parts_of_a_pixel(where: str, now: int, to: int, scale: float) -> int:
    """Into how many parts the places of outputs divide a pixel; millions for a scale of float32 that is no ratio of sizes."""
    return _places(where, now, to, scale)[1].denominator


def _places(where: str, now: int, to: int, scale: float) -> tuple[Fraction, Fraction]:
    """The place of the first output among the pixels, and how far the next lies behind it."""
    one = Fraction(1)
    if where == "align_corners":
        return 0 * one, Fraction(now - 1, to - 1) if to > 1 and now > 1 else one
    if where == "pytorch_half_pixel" and to == 1:
        return 0 * one, one
    ratio = Fraction(to, now)
    # a scale of float32 that is nearest to the ratio of both sizes means that ratio
    exact = ratio if np.float32(to / now) == np.float32(scale) else Fraction(float(np.float32(scale)))
    return (0 * one if where == "asymmetric" else 1 / (2 * exact) - one / 2), 1 / exact
