"""The whole life of one small network on the bundled digits, from training to the report.

Stands on flow, verify, synth and report; it only calls them in order and sums up.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwflow import flow
from hwflow.build import Build
from hwflow.places import MODELS
from hwflow.report import report
from hwflow.verify import ENGINES, Verification, verify

MODEL = "models/mlp.py:digits"
FAMILIES = ("xc7", "ecp5")
KEPT = MODELS / "demo"  # model.onnx as MODEL trained it, and its held-out images


@dataclass(frozen=True)
class Demo:
    """What the demo found."""

    folder: Path
    summary: dict[str, Any]
    proof: Verification

    @property
    def exact(self) -> bool:
        return self.proof.exact and not self.proof.skipped


def demo(folder: Path, say: Callable[[str], None], *, train: bool = True) -> Demo:
    """Train, compile, prove on the whole held-out split, synthesise for two families, report.

    Without `train` a kept network takes the place of training, and nothing is synthesised: neither torch nor Yosys is
    needed, and it takes a minute.
    """
    start = time.perf_counter()
    metrics: dict[str, Any] = {}
    if train:
        say(f"train {MODEL}")
        _, metrics = flow.train(MODEL, folder)
        build = flow.compile_model(str(folder), folder, flow.Target(), None, say)
    else:
        build = flow.compile_model(str(KEPT / "model.onnx"), folder, flow.Target(), None, say)
        shutil.copyfile(KEPT / "test.npz", folder / "test.npz")
    images = len(build.images()[0])
    engines = tuple(e for e in ENGINES if train or e != "torch")
    proof = verify(build, n=images, engines=engines, progress=lambda engine: say(f"{engine}: {images} images"))
    measured = {family: flow.measure(build, family, say=say) for family in FAMILIES if train}
    report(build)
    return Demo(folder, _summary(build, proof, metrics, measured, time.perf_counter() - start), proof)


def _summary(
    build: Build, proof: Verification, metrics: dict[str, Any], measured: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """The demo's findings as plain data; `table` maps a line of the closing table to its value and its kind."""
    images = len(build.images()[0])
    estimated = {family: build.dataflow.cost(family).lut for family in FAMILIES}
    table = {
        "accuracy on the held-out digits": (f"{100 * (proof.accuracy or 0):.2f} %", f"integers, {images} images"),
        "cycles per image": (proof.measured.get("cycles_per_image"), "simulated"),
        "cycles per image, claimed": (build.dataflow.cycles, "estimated"),
        "latency, cycles": (proof.measured.get("latency"), "simulated"),
    }
    for family in FAMILIES:
        table[f"LUTs, {family}"] = (f"{estimated[family]:.0f}", "estimated")
        if family in measured:
            table[f"LUTs, {family} "] = (f"{measured[family]['lut']:.0f}", "synthesised")
    table["time"] = (f"{seconds:.0f} s", "measured")
    return {
        "folder": str(build.folder), "accuracy": proof.accuracy, "accuracy_torch": metrics.get("accuracy"),
        "cycles_per_image": proof.measured.get("cycles_per_image"), "cycles_claimed": build.dataflow.cycles,
        "latency": proof.measured.get("latency"), "lut_estimated": estimated,
        "lut_synthesised": {f: m["lut"] for f, m in measured.items()}, "report": str(build.folder / "report.html"),
        "rungs": [{"a": r.a, "b": r.b, "images": r.images, "differing": r.differing} for r in proof.rungs],
        "exact": proof.exact, "table": table,
    }  # fmt: skip
