"""The clock model: designs placed and routed by nextpnr, and the nanoseconds that explain their clocks best.

Stands on synth, plan and units. `python -m hwflow.bench.speed` measures what the cache does not hold and writes families/clocks.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bench.fit import nonnegative
from hwflow.board import Board, load_board
from hwflow.emit.rtl import emit
from hwflow.errors import ToolError
from hwflow.families import HERE, family_of
from hwflow.families.base import PlaceAndRoute
from hwflow.generate.nets import random_folding, random_net
from hwflow.lower import lower
from hwflow.places import contents, measure_once, recall
from hwflow.plan.clock import critical_paths
from hwflow.synth import list_routable, route, synth, yosys
from hwflow.units.kit.base import Dataflow

FIRST, DESIGNS, UNITS = 400_000, 12, range(4, 12)
TIMEOUT = 400.0
LEAST = 4  # designs that a family is fitted to
# nanoseconds of one of each kind before anything is measured
PRIOR = {"one": 4.0, "size": 0.3, "carry": 0.1, "product": 0.3, "stairs": 0.3, "choice": 3.0}


def place_of(family: str) -> tuple[PlaceAndRoute, Board]:
    """How a family is placed and routed, and its usual board."""
    made = family_of(family).route
    assert made, f"{family}: no open tool places and routes it"
    return made, load_board(made.usual)


def designs(family: str) -> Iterator[Dataflow]:
    """Random designs that leave room on the family's usual board."""
    (made, board), seed, found = place_of(family), FIRST + 1000 * list_routable().index(family), 0
    while found < DESIGNS:
        net = random_net(seed)
        dataflow = lower(net, random_folding(net, seed))
        seed += 1
        cost = dataflow.cost(family)
        if (
            len(dataflow.units) in UNITS
            and cost.lut < made.largest
            and cost.dsp <= board.dsp
            and cost.bram <= board.bram
        ):
            found += 1
            yield dataflow


def measured(family: str, before: bool = False) -> list[dict[str, Any]]:
    """Paths and megahertz of the designs that were placed and routed, of those done before alone where `before`."""
    out = []
    for dataflow in designs(family):
        with tempfile.TemporaryDirectory() as scratch:
            folder = emit(dataflow, Path(scratch) / "rtl")
            key: list[str | bytes] = ["speed", family, place_of(family)[1].name, yosys.version(), *contents(folder)]

            def run(folder: Path = folder, scratch: str = scratch) -> dict[str, Any]:
                board = place_of(family)[1]
                try:
                    facts = synth(folder, board, out=Path(scratch) / "synth", place=True, timeout=TIMEOUT)
                except ToolError as e:
                    return {"mhz": None, "why": str(e)[:200]}
                return {"mhz": facts["fmax_mhz"], "seconds": facts["place_seconds"], "lut": facts["lut"]}

            facts = recall(key) if before else measure_once(key, run)
        print(f"{family}: {dataflow.name} {facts}", flush=True)
        if facts and facts["mhz"]:
            out.append({"paths": critical_paths(dataflow, family), "mhz": facts["mhz"]})
    return out


def fit(rows: Sequence[dict[str, Any]], family: str) -> dict[str, float]:
    """Nanoseconds of each kind of path, from 0, relative errors counted, held near a first guess."""
    names = list(PRIOR)
    guess = np.array([PRIOR[n] * place_of(family)[0].slowness for n in names])
    period = np.array([1000 / r["mhz"] for r in rows])
    a = np.array([[r["paths"].get(n, 0.0) for n in names] for r in rows]) / period[:, None]
    hold = np.diag(0.1 / guess)
    found = nonnegative(
        np.concatenate([a, hold]), np.concatenate([np.ones(len(rows)), np.full(len(names), 0.1)]), guess
    )
    return {n: round(float(c), 4) for n, c in zip(names, found, strict=True)}


def errors(rows: Sequence[dict[str, Any]], family: str) -> dict[str, float]:
    """How far off each design's clock is when it is not among those fitted: median and 95th percentile, percent."""
    off = []
    for k, row in enumerate(rows):
        ns = fit([*rows[:k], *rows[k + 1 :]], family)
        period = sum(ns[n] * row["paths"].get(n, 0.0) for n in ns)
        off.append(100 * abs(1000 / period / row["mhz"] - 1))
    return {"median": round(float(np.median(off)), 1), "p95": round(float(np.quantile(off, 0.95)), 1)}


def main(args: Sequence[str]) -> None:
    """Nothing: measure every family and fit; `measure_once`: fit what was measured; FAMILY ...: measure those."""
    before = list(args) == ["kept"]
    if args and not before:
        for family in args:
            measured(family)
        return
    for family in list_routable():
        rows, board = measured(family, before), place_of(family)[1]
        if len(rows) >= LEAST:
            model = {
                "tool": ", ".join(route.versions(board).values()),
                "date": datetime.now(timezone.utc).date().isoformat(),
                "board": board.name,
                "designs": len(rows),
                "ns": fit(rows, family),
                "error_percent": errors(rows, family),
            }
            file = HERE / "clocks" / f"{family}.json"
            file.write_text(json.dumps(model, indent=1) + "\n")
            print(f"fitted {file}")


if __name__ == "__main__":
    main(sys.argv[1:])
