"""Choices of one random network: integers from one source, so that a seed or a test framework can make them.

Stands on numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

Choose = Callable[[int, int], int]  # (lo, hi) -> an integer between, both included
T = TypeVar("T")


class Draw:
    """Draws choices from `choose` and tables of numbers from `rng`; both are seeded, so a network is its seed."""

    def __init__(self, choose: Choose, rng: np.random.Generator):
        self.choose, self.rng = choose, rng

    def chance(self, percent: float) -> bool:
        """True in `percent` of all draws."""
        return self.choose(1, 1000) <= 10 * percent

    def pick(self, options: Sequence[T]) -> T:
        return options[self.choose(0, len(options) - 1)]

    def weighted(self, options: dict[T, int]) -> T:
        """One key, as often as its weight says."""
        at = self.choose(1, sum(options.values()))
        for key, weight in options.items():
            at -= weight
            if at <= 0:
                return key
        raise AssertionError("the weights are exhausted")


def choices(rng: np.random.Generator) -> Choose:
    """The source of choices that a generator of random numbers is."""
    return lambda lo, hi: int(rng.integers(lo, hi + 1))
