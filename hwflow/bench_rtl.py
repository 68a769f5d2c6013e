"""What the SystemVerilog units cost: single matrix units and whole networks, synthesised here and now.

Stands on plan, emit, synth and the simulator. LUTs are counted as `hwflow synth` counts them; nothing is quoted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hwflow import bench_nets
from hwflow.bits import BIPOLAR
from hwflow.emit.rtl import emit
from hwflow.ops import Port
from hwflow.plan import plan
from hwflow.simulate import rtl
from hwflow.synth import synth
from hwflow.units import Mvu
from hwflow.units.base import SOURCE, Dataflow

CLOCK_MHZ = 200.0
MATRICES = (64, 128, 256)  # columns a cycle
NETWORKS = (("tfc", 64), ("sfc", 16), ("cnv", 32_768), ("cnv", 9_132))  # cycles an image


def rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row for each matrix unit and each network: folding, LUT, FF, BRAM18, cycles claimed and simulated."""
    out = []
    for simd in MATRICES:
        say(f"matrix unit, {simd} columns a cycle")
        out.append(row(f"mvu {simd}x8, weights in block RAM", matrix(128, 4 * simd, 8, simd, "block"), None))
    say("matrix unit, 64x64 constant weights")
    out.append(row("mvu 64x64, constant weights", matrix(64, 64, 64, 64, "const"), None))
    for name, cycles in NETWORKS:
        say(f"{name} at {cycles} cycles an image")
        net = bench_nets.NETS[name](0)
        flow = plan(net, clock_mhz=CLOCK_MHZ, fps=CLOCK_MHZ * 1e6 / cycles)
        out.append(row(f"{name} at {cycles} cycles", flow, bench_nets.images(net, 4)))
    return out


def row(name: str, flow: Dataflow, x: np.ndarray | None, family: str = "xc7") -> dict[str, Any]:
    """One design synthesised, and simulated where images are given; answers are checked on the way."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        facts = synth(emit(flow, folder / "rtl"), family, out=folder / "synth")
        out = {
            "design": name,
            "family": family,
            **{k: facts[k] for k in ("lut", "ff", "bram", "dsp")},
            "cycles": flow.cycles,
        }
        if len(flow.units) == 1 and isinstance(unit := flow.units[0], Mvu):
            out["lut_per_mac"] = round(facts["lut"] / (unit.pe * unit.simd), 2)
        if x is not None:
            run = rtl.run(flow, folder / "rtl", x)
            assert np.array_equal(run.outputs, flow.run(x)), f"{name}: the RTL differs from its own meaning"
            out |= {"cycles_simulated": run.cycles_per_image, "latency": run.latency}
    return out


def matrix(rows: int, cols: int, pe: int, simd: int, style: str) -> Dataflow:
    """One binary matrix unit of random weights and thresholds."""
    rng = np.random.default_rng(0)
    weights, limits = rng.choice((-1, 1), (rows, cols)), rng.integers(-8, 9, (rows, 1))
    unit = Mvu(
        name="matrix", inputs=(SOURCE,), x=Port((cols,), BIPOLAR), weights=weights, thresholds=limits, bipolar=True,
        pe=pe, simd=simd, style=style,
    )  # fmt: skip
    return Dataflow("matrix", unit.ins[0], (unit,))
