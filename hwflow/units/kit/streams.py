"""A stream: how the elements of a value are cut into words, one pixel, a part of one or several at a time.

Stands on bits and ops' Port.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from hwflow.bits import Array, Ints
from hwflow.errors import RecipeError
from hwflow.ops import Port

PIXELS = (1, 2, 4)  # of a word, in units that take several


@dataclass(frozen=True)
class Stream:
    """A value on the move: `par` neighbouring elements a word, in raster order, element 0 in the low bits.

    `by_row`: every row of an image begins with a word of its own, so the last word of a row has places to spare. What
    they hold means nothing.
    """

    port: Port
    par: int
    by_row: bool = False

    def __post_init__(self) -> None:
        assert self.by_row or self.port.size % self.par == 0, f"{self.par} elements a word do not divide {self.port}"

    @staticmethod
    def of(port: Port, par: int) -> Stream:
        """The stream of a unit whose words may hold several pixels: by row where those do not divide a row."""
        return Stream(port, par, spares(port, par))

    @property
    def ints(self) -> Ints:
        return self.port.ints

    @property
    def bits(self) -> int:
        """Bits of one word."""
        return self.par * self.ints.bits

    @property
    def words(self) -> int:
        """Words of one image."""
        return self.port.size // self._row * -(-self._row // self.par)

    @property
    def _row(self) -> int:
        """Elements that words do not run across the end of: a row's, else an image's."""
        return prod(self.port.shape[1:]) if self.by_row else self.port.size

    def words_of(self, x: Array) -> Array:
        """Images (n, *shape) as words (n * words, par); places to spare hold the largest value."""
        rows = np.asarray(x).reshape(-1, self._row)
        spare = -self._row % self.par
        return np.pad(rows, ((0, 0), (0, spare)), constant_values=self.ints.hi).reshape(-1, self.par)

    def values_of(self, words: Array) -> Array:
        """Images (n, elements) of words (n * words, par); the inverse of `words_of`."""
        rows = words.reshape(-1, -(-self._row // self.par) * self.par)[:, : self._row]
        return rows.reshape(-1, self.port.size)


def spares(port: Port, par: int) -> bool:
    """True where words of 2 or 4 whole pixels do not divide a row of an image.

    Pixels of one channel are left out: they may be the elements of a vector, whose words run across the rows' ends.
    """
    if len(port.shape) != 3 or par % port.channels or port.channels == 1:
        return False
    many, width = par // port.channels, port.shape[1]
    return many in PIXELS[1:] and many < width and width % many > 0


def several(port: Port) -> Iterator[int]:
    """How many whole pixels a word of an image may hold, where that is more than one."""
    if len(port.shape) == 3:
        width = port.shape[1]
        yield from (n for n in PIXELS[1:] if n < width and (width % n == 0 or port.channels > 1))


def check_lanes(unit: str, pe: int, port: Port) -> None:
    """RecipeError unless words of `pe` elements are parts of a pixel, or several whole ones (`several`)."""
    if pe % port.channels or pe // port.channels not in several(port):
        divide(unit, "pe", pe, port.channels)


def list_lanes(port: Port) -> Iterator[dict[str, int]]:
    """The foldings of a unit whose words are parts of a pixel or several pixels, as keywords of `folded`."""
    yield from ({"pe": pe} for pe in divisors(port.channels))
    yield from ({"pe": n * port.channels} for n in several(port))


def divisors(n: int) -> list[int]:
    """Every divisor of n, ascending."""
    low = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return sorted({*low, *(n // d for d in low)})


def divide(unit: str, field: str, by: int, of: int) -> None:
    """RecipeError unless a folding field divides what it folds."""
    if by < 1 or of % by:
        raise RecipeError(f"{unit}: {field} must divide {of}, not {by}")
