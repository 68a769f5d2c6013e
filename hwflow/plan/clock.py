"""How fast a design can be clocked: its critical paths by kind, and what nextpnr made of such paths on one chip.

Stands on units, board and families. families/clocks/<family>.json comes from `python -m hwflow.bench.speed`, which places
and routes designs of this library on one board and says there which, with which tools and when.
"""

from __future__ import annotations

from math import log2
from typing import Any

from hwflow.board import DEFAULT_MHZ, Board, boards, load_board
from hwflow.families import clock_table, family_of
from hwflow.units.kit.base import Dataflow

UNMEASURED = "no design of this family was placed and routed"
PLANNED = "it is the clock that designs are planned for, not a measurement"


def critical_paths(dataflow: Dataflow, family: str) -> dict[str, float]:
    """What the clock period grows with: the longest path of each kind, and how large the design is."""
    out = {"one": 1.0, "size": log2(max(dataflow.cost(family).lut, 2))}
    for unit in dataflow.units:
        for kind, length in unit.critical_path(unit.structure()[1]).items():
            out[kind] = max(out.get(kind, 0.0), float(length))
    return out


def estimate_clock(dataflow: Dataflow, family: str, board: Board | None = None) -> dict[str, Any]:
    """`mhz` a design is estimated to close at, `error_percent` that such estimates were off by (median and 95th percentile of
    those measured, None where none were on this chip), `source`.

    A model holds for the chip it was fitted on and for others of the same silicon. Another chip gets the clock that its
    board is planned for, and is told that nothing was measured on it.
    """
    model = clock_table(family)
    planned = board.clock_mhz if board else _lowest_planned_clock(family)
    if model is None:
        return {"mhz": planned, "error_percent": None, "source": f"{UNMEASURED}; {PLANNED}"}
    lengths = critical_paths(dataflow, family)
    period = sum(model["ns"].get(kind, 0.0) * length for kind, length in lengths.items())
    mhz, measured = round(1000 / period, 1), load_board(model["board"])
    of = family_of(family).silicon
    if board and of(board) != of(measured):
        source = (
            f"no design was placed and routed on {of(board)}; {PLANNED} (the model of this family, {mhz:.0f} MHz, holds "
            f"for {of(measured)} alone)"
        )
        return {"mhz": planned, "error_percent": None, "source": source}
    source = f"{model['tool']} on {measured.title}, {model['designs']} designs of this library, {model['date']}"
    if board and board.name != measured.name:
        source += f"; not on this board, whose chip is the same silicon: {of(board)}"
    return {"mhz": mhz, "error_percent": model["error_percent"], "source": source}


def _lowest_planned_clock(family: str) -> float:
    """What designs for the slowest board of a family are planned for."""
    return min((b.clock_mhz for b in boards() if b.family == family), default=DEFAULT_MHZ)
