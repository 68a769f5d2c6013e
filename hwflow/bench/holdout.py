"""The cost models against designs they were not fitted to: random networks, foldings and families.

Stands on fit, plan and simulate. `hwflow bench costs` prints the rows; bench/holdout.json keeps the last result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bench.measure import measure_units
from hwflow.families import fitted
from hwflow.generate.nets import random_folding, random_images, random_net
from hwflow.lower import cores, lower
from hwflow.net import Net
from hwflow.plan.events import simulate
from hwflow.plan.fifos import size_fifos
from hwflow.synth import yosys
from hwflow.units.kit.base import ALONE, Cost, Dataflow

KEPT = Path(__file__).with_name("holdout.json")
FIRST = 3_300_000  # seeds from here on; those of the fit are far below
DESIGNS, LANES, UNITS = 40, 64, range(4, 25)  # designs of fewer or more units are passed over


def designs(n: int = DESIGNS, first: int = FIRST) -> list[tuple[str, Net, Dataflow]]:
    """n networks and their hardware with the family each is for, drawn at random."""
    found: list[tuple[str, Net, Dataflow]] = []
    seed = first
    while len(found) < n:
        family = fitted()[len(found) % len(fitted())]
        net = random_net(seed)
        folding = draw_folding(net, seed)
        if len(lower(net, folding).units) in UNITS:
            found.append((family, net, size_fifos(net, folding)))
        seed += 1
    return found


def draw_folding(net: Net, seed: int) -> dict[str, dict[str, Any]]:
    """A folding at random, its products in LUTs or in DSP blocks at random too; a third of them with whole windows."""
    rng = np.random.default_rng([seed, 1])
    folding: dict[str, dict[str, Any]] = dict(random_folding(net, seed, LANES, wide=seed % 3 == 0))
    for unit in cores(net):
        if unit.multiplies:
            folding[unit.name] = {**folding.get(unit.name, {}), "mult": str(rng.choice(ALONE[1:]))}
    return folding


def rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Estimated and synthesised resources of every design, its cycles and latency claimed and simulated; kept in KEPT."""
    from hwflow.simulate.rtl import run_many

    drawn = designs()
    found = synthesise(drawn, say)
    say(f"simulating {len(drawn)} designs")
    ran = run_many([d for *_, d in drawn], [random_images(net, 5) for _, net, _ in drawn])
    out = []
    for (family, _, dataflow), real, run in zip(drawn, found, ran, strict=True):
        guess, trace = dataflow.cost(family), simulate(dataflow, 5)
        assert trace
        out.append({
            "design": dataflow.name, "family": family, "units": len(dataflow.units), "LUT estimated": round(guess.lut), "LUT by Yosys": round(real.lut),
            "error %": round(100 * (guess.lut / real.lut - 1), 1), "FF estimated": round(guess.ff), "FF by Yosys": round(real.ff),
            "BRAM": f"{guess.bram:g} / {real.bram:g}", "DSP": f"{guess.dsp:g} / {real.dsp:g}",
            "cycles": f"{dataflow.cycles} / {run.cycles_per_image}", "latency": f"{trace.latency} / {run.latency}",
        })  # fmt: skip
    out.append(summary(out))
    said = {"tool": yosys.version(), "date": datetime.now(timezone.utc).date().isoformat(), "rows": out}
    KEPT.write_text(json.dumps(said, indent=1) + "\n")
    return out


def synthesise(drawn: Sequence[tuple[str, Net, Dataflow]], say: Callable[[str], None]) -> list[Cost]:
    """What Yosys makes of each design: its units side by side, each in bounds of its own as in `hwflow synth`."""
    out = [Cost()] * len(drawn)
    for family in fitted():
        mine = [i for i, (f, *_) in enumerate(drawn) if f == family]
        units = [u for i in mine for u in drawn[i][2].units]
        say(f"synthesising {len(units)} units of {len(mine)} designs for {family}")
        found = iter(measure_units(units, family, say))
        for i in mine:
            facts = [next(found) for _ in drawn[i][2].units]
            assert None not in facts, f"{drawn[i][2].name}: Yosys does not finish one of its units"
            out[i] = sum((Cost(**f) for f in facts if f), Cost())
    return out


def summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The last row: how far off the estimates are."""
    errors = np.abs([r["error %"] for r in found])

    def equal(key: str) -> str:
        return f"{sum(len(set(r[key].split(' / '))) == 1 for r in found)} of {len(found)} exact"

    return {
        "design": f"all {len(found)}",
        "error %": f"median {np.median(errors):.1f}, 95th percentile {np.quantile(errors, 0.95):.1f}",
        **{key: equal(key) for key in ("BRAM", "DSP", "cycles", "latency")},
    }
