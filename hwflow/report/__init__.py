"""report.json, report.md and report.html of a build: every number with its kind and its tool.

Stands on the build and on what the stages before wrote into it; measures nothing itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hwflow.bridges.vitis import csynth
from hwflow.build import Build, write_json
from hwflow.flow import tool_versions
from hwflow.plan import explain
from hwflow.report.pictures import pictures

TEMPLATES = Path(__file__).parent


def report(build: Build) -> dict[str, Any]:
    """Write the three reports and return report.json's content."""
    facts = gather(build)
    write_json(build.folder / "report.json", facts)
    page = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    (build.folder / "report.md").write_text(text.get_template("report.md.j2").render(**facts))
    (build.folder / "report.html").write_text(
        page.get_template("report.html.j2").render(**facts, pictures=pictures(facts))
    )
    return facts


def gather(build: Build) -> dict[str, Any]:
    """Every fact a report states, as plain data; absent measurements are None, never zero."""
    flow, family = build.dataflow, build.family
    proof = build.json("runs/verify.json")
    metrics = build.json("metrics.json")
    measured = {p.stem: build.json(f"synth/{p.name}") for p in sorted((build.folder / "synth").glob("*.json"))}
    mine = measured.get(build.ask.get("board") or family) or measured.get(family)
    simulated = proof.get("measured", {})
    cost = flow.cost(family)
    why = explain(flow, build.board, build.clock_mhz, family, simulated.get("toggles"))
    return {
        "model": build.name,
        "board": build.ask.get("board"),
        "family": family,
        "clock_mhz": build.clock_mhz,
        "input": {"shape": list(build.net.input.shape), "range": [build.net.input.ints.lo, build.net.input.ints.hi], "denominator": build.net.denominator},
        "units": [_unit(u, family, (mine or {}).get("units", {})) for u in flow.units],
        "throughput": {
            "cycles_per_image": flow.cycles,
            "simulated_cycles_per_image": simulated.get("cycles_per_image"),
            "fps": build.clock_mhz * 1e6 / flow.cycles,
            "bottleneck": flow.bottleneck.name,
        },
        "latency": {"cycles": simulated.get("latency"), "us": None if simulated.get("latency") is None else simulated["latency"] / build.clock_mhz},
        "resources": {
            "estimate": _cost(cost),
            "estimates": {f: _cost(flow.cost(f)) for f in sorted({family, *(m["family"] for m in measured.values())})},
            "synth": _four(mine) if mine else None,
            "measured": {name: {k: v for k, v in m.items() if k != "units"} for name, m in measured.items()},
            "board": build.board.totals if build.board else None,
            "percent": build.board.percent(_four(mine or _cost(cost))) if build.board else None,
        },
        "explanation": why["text"],
        "fmax": {**why["fmax"], "placed_mhz": (mine or {}).get("fmax_mhz")},
        "power": why["power"],
        "exactness": {"rungs": proof.get("rungs", []), "skipped": proof.get("skipped", {})},
        "accuracy": proof.get("accuracy"),
        "training": {k: v for k, v in metrics.items() if isinstance(v, int | float | str)},
        "fifo": {u.name: {"depth": u.params()["Depth"], "most_words": simulated.get("occupancy", {}).get(u.name)} for u in flow.units if u.module == "fifo"},
        "vitis": csynth(build.folder / "hls"),
        "tools": tool_versions(),
    }  # fmt: skip


def _unit(unit: Any, family: str, synth: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": unit.name, "kind": unit.module, "pe": getattr(unit, "pe", None), "simd": getattr(unit, "simd", None),
        "style": getattr(unit, "style", ""), "mult": unit.made_by,
        "cycles": unit.cycles, "bits": [s.ints.bits for s in unit.outs], "estimate": _cost(unit.cost(family)), "synth": synth.get(unit.name),
    }  # fmt: skip


def _cost(cost: Any) -> dict[str, float]:
    return {"lut": round(cost.lut, 1), "ff": round(cost.ff, 1), "bram": round(cost.bram, 2), "dsp": cost.dsp}


def _four(facts: dict[str, Any]) -> dict[str, float]:
    return {k: facts[k] for k in ("lut", "ff", "bram", "dsp")}
