"""What a report states, as plain data: report.json.

Stands on the build and its stage files. An absent measurement is None, never zero; every figure says its kind:
estimated, simulated, synthesised, placed and routed.
"""

from __future__ import annotations

from typing import Any

from hwflow.bridges.vitis import csynth
from hwflow.build import Build
from hwflow.errors import RecipeError
from hwflow.families import FAMILIES
from hwflow.flow import tool_versions
from hwflow.net import Net
from hwflow.plan import explain
from hwflow.plan.search import RESOURCES
from hwflow.report.checks import warnings

FORMAT = 2  # of report.json; 1 had `accuracy` beside the rest and no kinds

ASSUMED, ESTIMATED, SIMULATED, SYNTHESISED, PLACED = (
    "assumed",
    "estimated",
    "simulated",
    "synthesised",
    "placed and routed",
)


def gather(build: Build) -> dict[str, Any]:
    """Every fact of a build, in the form of `report.schema.json`."""
    flow, family = build.dataflow, build.family
    proof, training = build.json("runs/verify.json"), build.json("metrics.json")
    results = {
        p.stem: build.json(f"synth/{p.name}") for p in sorted((build.folder / "synth").glob("*.json")) if p.is_file()
    }
    for name, m in results.items():
        if m["family"] not in FAMILIES:
            raise RecipeError(
                f"{build.folder}/synth/{name}.json: is of the family {m['family']!r}, which is not known; run hwflow synth again"
            )
    mine = results.get(build.ask.get("board") or family) or results.get(family)
    simulated = proof.get("measured", {})
    why = explain(flow, build.board, build.clock_mhz, family, simulated.get("toggles"))
    fmax = _fmax(why["fmax"], mine)
    clock = build.clock_mhz if fmax["kind"] == ASSUMED else min(build.clock_mhz, fmax["mhz"])
    cycles = simulated.get("cycles_per_image") or flow.cycles
    best = _four(mine) if mine else _cost(flow.cost(family))
    facts = {
        "format": FORMAT,
        "model": build.name,
        "board": build.ask.get("board"),
        "family": family,
        "clock_mhz": build.clock_mhz,
        "fmax": fmax,
        "input": {
            "shape": list(build.net.input.shape),
            "range": [build.net.input.ints.lo, build.net.input.ints.hi],
            "denominator": build.net.denominator,
        },
        "outputs": _outputs(build.net),
        "quantised": build.ask.get("quantised", ""),
        "units": [_unit(u, family, (mine or {}).get("units", {})) for u in flow.units],
        "throughput": {
            "cycles_per_image": cycles,
            "claimed_cycles_per_image": flow.cycles,
            "simulated_cycles_per_image": simulated.get("cycles_per_image"),
            "clock_mhz": clock,  # the clock asked for, or the one that closes where that is lower
            "fps": clock * 1e6 / cycles,
            "kind": SIMULATED if simulated.get("cycles_per_image") else ESTIMATED,
            "bottleneck": flow.bottleneck.name,
        },
        "latency": _latency(simulated.get("latency"), why["latency_us"], build.clock_mhz, clock),
        "resources": {
            "estimate": _cost(flow.cost(family)),
            "estimates": {f: _cost(flow.cost(f)) for f in sorted({family, *(m["family"] for m in results.values())})},
            "synth": _four(mine) if mine else None,
            "placed": _four(mine) if mine and mine.get("fmax_mhz") else None,
            "results": {name: {k: v for k, v in m.items() if k != "units"} for name, m in results.items()},
            "board": build.board.totals if build.board else None,
            "percent": build.board.percent(best) if build.board else None,
            "kind": _kind(mine),
        },
        "explanation": why["text"],
        "power": why["power"],
        "exactness": {
            "rungs": [{"outputs": {}, **rung} for rung in proof.get("rungs", [])],
            "skipped": proof.get("skipped", {}),
        },
        "metrics": {"accuracy": proof["accuracy"]} if proof.get("accuracy") is not None else {},
        "training": {k: v for k, v in training.items() if isinstance(v, int | float | str)},
        "fifo": {
            u.name: {"depth": u.capacity, "most_words": simulated.get("occupancy", {}).get(u.name)} for u in flow.fifos
        },
        "measured": {k: v for k, v in build.json("measured.json").items() if k != "build"},
        "vitis": csynth(build.folder / "hls"),
        "tools": tool_versions(),
    }
    facts["warnings"] = [*warnings(facts), *([why["doubt"]] if why["doubt"] else [])]
    return facts


def _outputs(net: Net) -> list[dict[str, Any]]:
    """Every output: its name in the file, the shape the file gives it in, its integers, whether they are labels or sort as the scores do."""
    return [
        {
            "name": part.name,
            "shape": list(part.answer.shape) or [part.size],
            "integers": part.size,
            "labels": part.answer.labels,
            "head": part.answer.head,
            "ordered": part.answer.ordered,
        }
        for part in net.outputs
    ]


def _kind(result: dict[str, Any] | None) -> str:
    if result is None:
        return ESTIMATED
    return PLACED if result.get("fmax_mhz") else SYNTHESISED


def _fmax(estimate: dict[str, Any], result: dict[str, Any] | None) -> dict[str, Any]:
    """The clock that closes: routed where it was, else the estimate with what is known of its error."""
    placed = (result or {}).get("fmax_mhz")
    return {
        "mhz": placed or estimate["mhz"],
        "kind": PLACED if placed else ESTIMATED if estimate["error_percent"] else ASSUMED,
        "estimate_mhz": estimate["mhz"],
        "error_percent": estimate["error_percent"],
        "source": estimate["source"],
        "critical_path": (result or {}).get("critical_path"),
    }


def _latency(cycles: int | None, estimate_us: float | None, asked_mhz: float, clock_mhz: float) -> dict[str, Any]:
    """From an image's first word in to its answer's last word out, simulated where it was, else by the event model."""
    kind = SIMULATED if cycles is not None else ESTIMATED
    if cycles is None and estimate_us is not None:
        cycles = round(estimate_us * asked_mhz)
    return {"cycles": cycles, "us": None if cycles is None else cycles / clock_mhz, "kind": kind}


def _unit(unit: Any, family: str, synth: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": unit.name,
        "module": unit.module,
        "inputs": list(unit.inputs),
        "pe": getattr(unit, "pe", None),
        "simd": getattr(unit, "simd", None),
        "style": getattr(unit, "style", ""),
        "mult": unit.made_by,
        "cycles": unit.cycles,
        "shape": [list(s.port.shape) for s in unit.outs],
        "bits": [s.ints.bits for s in unit.outs],
        "estimate": _cost(unit.cost(family)),
        "synth": synth.get(unit.name),
    }


def _cost(cost: Any) -> dict[str, float]:
    return {"lut": round(cost.lut, 1), "ff": round(cost.ff, 1), "bram": round(cost.bram, 2), "dsp": cost.dsp}


def _four(facts: dict[str, Any]) -> dict[str, float]:
    return {k: facts[k] for k in RESOURCES}
