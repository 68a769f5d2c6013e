"""How fast a design can be clocked on each family: its longest paths by kind, and what nextpnr made of such.

Stands on units.kit.base and board. speed.json comes from `python -m hwflow.bench.speed`, which places and routes designs of this
library and says there with which versions and when.
"""

from __future__ import annotations

import json
from functools import cache
from math import log2
from pathlib import Path
from typing import Any

from hwflow.board import boards
from hwflow.units.kit.base import Dataflow

TABLE = Path(__file__).with_name("speed.json")
UNKNOWN = (
    "no design of this family was placed and routed; it is the clock its boards are planned for, not a measurement"
)


def paths(dataflow: Dataflow, family: str) -> dict[str, float]:
    """What the clock period grows with: the longest of each kind of path, and how large the design is."""
    out = {"one": 1.0, "size": log2(max(dataflow.cost(family).lut, 2))}
    for unit in dataflow.units:
        for kind, length in unit.critical_path(unit.structure()[1]).items():
            out[kind] = max(out.get(kind, 0.0), float(length))
    return out


def fmax(dataflow: Dataflow, family: str) -> dict[str, Any]:
    """`mhz` a design is estimated to close at, `error_percent` that such estimates were off by (median and 95th percentile of
    those measured, None where none were), `source`."""
    known = table()["families"].get(family)
    if known is None:
        return {"mhz": planned_mhz(family), "error_percent": None, "source": UNKNOWN}
    found = paths(dataflow, family)
    period = sum(known["ns"].get(kind, 0.0) * length for kind, length in found.items())
    source = f"{known['tool']} on {known['board']}, {known['designs']} designs of this library, {table()['date']}"
    return {"mhz": round(1000 / period, 1), "error_percent": known["error_percent"], "source": source}


def planned_mhz(family: str) -> float:
    """What designs for the slowest board of a family are planned for."""
    return min(b.clock_mhz for b in boards() if b.family == family)


@cache
def table() -> dict[str, Any]:
    """speed.json: for each family nanoseconds by kind of path, and where they come from."""
    return json.loads(TABLE.read_text())
