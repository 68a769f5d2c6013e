"""A folder FINN builds from: the integer network as ONNX in FINN's own operators, folding, build settings.

Stands on net and units. onnx and qonnx are imported when the bridge is used; FINN itself is not needed.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.net import Net
from hwflow.units.kit.base import Dataflow

MOST_PRODUCTS = 4_000_000_000  # of one comparison
CLOCK_NS = 5.0
README = """{name} for FINN: model.onnx (MultiThreshold, bipolar annotations), folding_config.json, dataflow_build_config.json.
Build it inside FINN's repository: ./run-docker.sh build_dataflow {folder}
Its input takes integers {lo} .. {hi} (the trained network's value times {denominator}), images as NCHW; its answer is {answer}.
"""


def bridge(net: Net, dataflow: Dataflow, x: Array, folder: Path) -> dict[str, Any]:
    """Write the folder and execute its model with qonnx on input integers `x`; `equal` when no answer differs.

    ModelError lists every operation that FINN has no layer for.
    """
    from hwflow.bridges.finn_onnx import build, execute
    from hwflow.bridges.hls4ml import products

    x = net.check_input(x)
    x = x[: max(1, min(len(x), MOST_PRODUCTS // max(products(net), 1)))]
    folder.mkdir(parents=True, exist_ok=True)
    onnx = build(net, 1)
    onnx.save(str(folder / "model.onnx"))
    folding = folding_config(dataflow)
    _write(folder / "folding_config.json", {"Defaults": {}, **folding})
    _write(folder / "specialize_layers_config.json", {"Defaults": {}, **_styles(dataflow)})
    _write(folder / "dataflow_build_config.json", build_config())
    (folder / "README.md").write_text(_readme(net, folder))
    want = net.run(x)
    got = execute(build(net, len(x)), net, x)
    differing = int((got != want).any(1).sum())
    facts: dict[str, Any] = {
        "neighbour": "FINN's operators, executed by qonnx",
        "images": len(x),
        "equal": differing == 0,
        "differing": differing,
        "model": str(folder / "model.onnx"),
        "nodes": len(onnx.graph.node),
    }
    if differing:
        image = int(np.flatnonzero((got != want).any(1))[0])
        facts["first"] = f"image {image}: {got[image].tolist()}, expected {want[image].tolist()}"
    facts |= {name: ", ".join(f"{k}={v}" for k, v in entry.items()) for name, entry in folding.items()}
    return facts


def folding_config(dataflow: Dataflow) -> dict[str, dict[str, int]]:
    """The folding of each layer under the name FINN gives it: its kind, its style, its number in order."""
    return {f"{layer}_{style}_{number}": fold for layer, style, number, fold in _layers(dataflow)}


def _layers(dataflow: Dataflow) -> list[tuple[str, str, int, dict[str, int]]]:
    """FINN's layers in order: kind, style, number, folding. Its window pads in a layer of its own."""
    numbers: Counter[str] = Counter()
    out = []
    for unit in dataflow.units:
        for layer, style, fold in unit.finn_layers():
            out.append((layer, style, numbers[layer], fold))
            numbers[layer] += 1
    return out


def _styles(dataflow: Dataflow) -> dict[str, dict[str, str]]:
    return {f"{layer}_{n}": {"preferred_impl_style": style} for layer, style, n, _ in _layers(dataflow)}


def build_config() -> dict[str, Any]:
    """FINN's DataflowBuildConfig: estimates and a stitched IP for a Pynq-Z1 at 200 MHz, our folding."""
    return {
        "output_dir": "output", "synth_clk_period_ns": CLOCK_NS, "board": "Pynq-Z1", "shell_flow_type": "vivado_zynq",
        "folding_config_file": "folding_config.json", "specialize_layers_config_file": "specialize_layers_config.json",
        "standalone_thresholds": False, "auto_fifo_depths": True, "save_intermediate_models": True,
        "generate_outputs": ["estimate_reports", "stitched_ip"],
    }  # fmt: skip


def _readme(net: Net, folder: Path) -> str:
    answer = "the label" if net.gives_labels else "integer scores (the label is the largest)"
    return README.format(
        name=net.name,
        folder=folder.resolve(),
        lo=net.input.ints.lo,
        hi=net.input.ints.hi,
        denominator=net.denominator,
        answer=answer,
    )


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")
