"""How fast a design can be clocked on each family: its longest paths by kind, and what nextpnr made of such.

Stands on units.base and costs. speed.json comes from `python -m hwflow.synth.speed`, which places and routes designs of this
library and says there with which versions and when.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from math import log2
from pathlib import Path
from typing import Any

from hwflow.units.base import Dataflow
from hwflow.units.costs import Params, counter

TABLE = Path(__file__).with_name("speed.json")
UNKNOWN = (
    "no design of this family was placed and routed; it is the clock its boards are planned for, not a measurement"
)
USUAL_MHZ = {
    "xc7": 100.0,
    "ecp5": 75.0,
    "gowin": 40.0,
    "ice40": 18.0,
}  # where nothing was measured: as in hwflow/boards

# what the longest path of a module grows with: bits of carry chains, bits of a product, levels of stairs, words of a choice
PATHS: dict[str, Callable[[Params], Mapping[str, float]]] = {
    "mvu": lambda p: {
        "carry": p["AccBits"] + 2 * (p["Levels"] > 1), "stairs": p["Levels"] if p["Levels"] > 1 else 0,
        "product": p["XBits"] + p["WBits"] if p["WKind"] not in (0, 3) else p["XBits"] if p["XKind"] not in (0, 3) else 0,
    },
    "vvu": lambda p: {
        "carry": p["AccBits"], "stairs": p["Levels"] if p["Levels"] > 1 else 0,
        "product": p["XBits"] + p["WBits"] if p["WKind"] not in (0, 3) else 0,
    },
    "window": lambda p: {"carry": counter(p["Height"] * p["Width"] * p["Channels"] + p["Depth"])},
    "pool": lambda p: {"carry": p["YBits"]},
    "reduce": lambda p: {"carry": p["YBits"]},
    "threshold": lambda p: {"carry": max(p["XBits"], p["ThrBits"]), "stairs": p["Levels"] if p["Levels"] > 1 else 0},
    "rescale": lambda p: {"carry": p["SumBits"], "product": p["XBits"] + p["MulBits"] if p["MulBits"] else 0},
    "add": lambda p: {"carry": p["YBits"] * max(p["Inputs"] - 1, 1)},
    "topk": lambda p: {"choice": p["Simd"] * p["K"] * (p["XBits"] + 1)},
    "width": lambda p: {"choice": min(p["ParIn"], p["ParOut"])},
    "fifo": lambda p: {"carry": counter(p["Depth"])},
}  # fmt: skip


def paths(dataflow: Dataflow, family: str) -> dict[str, float]:
    """What the clock period grows with: the longest of each kind of path, and how large the design is."""
    out = {"one": 1.0, "size": log2(max(dataflow.cost(family).lut, 2))}
    for unit in dataflow.units:
        module, params = unit.structure()
        for kind, length in PATHS.get(module, lambda _: {})(params).items():
            out[kind] = max(out.get(kind, 0.0), float(length))
    return out


def fmax(dataflow: Dataflow, family: str) -> dict[str, Any]:
    """`mhz` a design is estimated to close at, `error_percent` that such estimates were off by (median and 95th percentile of
    those measured, None where none were), `source`."""
    known = table()["families"].get(family)
    if known is None:
        return {"mhz": USUAL_MHZ[family], "error_percent": None, "source": UNKNOWN}
    found = paths(dataflow, family)
    period = sum(known["ns"].get(kind, 0.0) * length for kind, length in found.items())
    source = f"{known['tool']} on {known['board']}, {known['designs']} designs of this library, {table()['date']}"
    return {"mhz": round(1000 / period, 1), "error_percent": known["error_percent"], "source": source}


@cache
def table() -> dict[str, Any]:
    """speed.json: for each family nanoseconds by kind of path, and where they come from."""
    return json.loads(TABLE.read_text())
