"""The clock of a board: which frequencies its PLL can make, and with which numbers.

Stands on board and families, which hold the ranges of the data sheets; the modules are hls/board/pll_<name>.sv.
"""

from __future__ import annotations

from collections.abc import Iterator

from hwflow.board import Board
from hwflow.errors import RecipeError
from hwflow.families import Clock, family_of


def pick_clock(board: Board, at_most_mhz: float) -> Clock:
    """The highest frequency at or below `at_most_mhz`; RecipeError when the PLL makes none so low."""
    best = max((c for c in list_clocks(board) if c.mhz <= at_most_mhz + 1e-9), key=lambda c: c.mhz, default=None)
    if best is None:
        least = min(list_clocks(board), key=lambda c: c.mhz).mhz
        raise RecipeError(
            f"{board.name}: its PLL makes no clock below {least:.2f} MHz, the design reaches {at_most_mhz:.2f} MHz; use less parallelism or a faster part"
        )
    return best


def list_clocks(board: Board) -> Iterator[Clock]:
    """Every clock the board can give its design; of equal frequencies the first has the least jitter."""
    pll = family_of(board.family).pll
    if pll is None:
        raise RecipeError(
            f"{board.name}: nothing is known of the PLL of {board.family}; take a board of another family"
        )
    yield from pll.clocks(board.oscillator_mhz, board.device)
