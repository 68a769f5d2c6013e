"""The clock of a board: which frequencies its PLL can make, and with which numbers.

Stands on board. Ranges are those of the data sheets; the modules are hls/board/pll_<family>.sv.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hwflow.board import Board
from hwflow.errors import RecipeError


@dataclass(frozen=True)
class Clock:
    """A frequency and the parameters of board_serial that make it from the board's oscillator."""

    mhz: float
    params: dict[str, int | str]


def clock(board: Board, at_most_mhz: float) -> Clock:
    """The highest frequency at or below `at_most_mhz`; RecipeError when the PLL makes none so low."""
    best = max((c for c in choices(board) if c.mhz <= at_most_mhz + 1e-9), key=lambda c: c.mhz, default=None)
    if best is None:
        least = min(choices(board), key=lambda c: c.mhz).mhz
        raise RecipeError(
            f"{board.name}: its PLL makes no clock below {least:.2f} MHz, the design reaches {at_most_mhz:.2f} MHz; use less parallelism or a faster part"
        )
    return best


def choices(board: Board) -> Iterator[Clock]:
    """Every clock the board can give its design; of equal frequencies the first is the calmest."""
    fin = board.oscillator_mhz
    if board.family == "ecp5":
        for reference in range(1, 4):
            for feedback in range(1, 40):
                mhz = fin * feedback / reference
                divide = next((d for d in range(128, 0, -1) if mhz * d <= 800), 0)
                if 10 <= mhz <= 400 and mhz * divide >= 400 and fin / reference >= 8:
                    yield Clock(mhz, {"Reference": reference, "Feedback": feedback, "Divide": divide})
    elif board.family == "ice40":
        yield Clock(fin, {"Reference": 0, "Feedback": 0, "Divide": 0, "Filter": 1})
        for feedback in range(128):
            for divide in range(1, 7):
                vco = fin * (feedback + 1)
                if 533 <= vco <= 1066 and 10 <= fin <= 133:
                    yield Clock(
                        vco / 2**divide,
                        {"Reference": 0, "Feedback": feedback, "Divide": divide, "Filter": 1 if fin < 17 else 2},
                    )
    elif board.family == "gowin":
        low, high = (500, 1250) if board.device.startswith("GW2A") else (400, 1200)
        names = {"GW1N-9C": "GW1NR-9C", "GW2A-18C": "GW2AR-18C"}
        for reference in range(8):
            for feedback in range(64):
                mhz = fin * (feedback + 1) / (reference + 1)
                for divide in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128):
                    if low <= mhz * divide <= high and fin / (reference + 1) >= 3 and mhz >= 5:
                        yield Clock(
                            mhz,
                            {
                                "Reference": reference,
                                "Feedback": feedback,
                                "Divide": divide,
                                "Clock": f"{fin:g}",
                                "Device": names.get(board.device, board.device),
                            },
                        )
                        break
    else:
        for feedback in range(6, 13):
            for divide in range(2, 129):
                yield Clock(
                    fin * feedback / divide,
                    {"Reference": 1, "Feedback": feedback, "Divide": divide, "PeriodNs": round(1000 / fin)},
                )
