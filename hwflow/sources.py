"""Where a network comes from: a model file, a recipe, integers or a build folder; and which folder it may be built into.

Stands on fold, the readers, train and build. A folder that holds another source's build is refused, never mixed with.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwflow.build import MANIFEST, Build
from hwflow.errors import HwflowError, ModelError, RecipeError, ToolError
from hwflow.files import digest, read_json
from hwflow.fold import fold
from hwflow.net import Net
from hwflow.passes import canonical
from hwflow.qonnx import read, save_whole
from hwflow.real import Graph
from hwflow.recipe import Recipe

KERAS = (".h5", ".keras")
FILES = (".onnx", ".npz", *KERAS)
KEPT = ("model.onnx", "model.keras", "model.h5", "net.npz")  # what a build folder is compiled from again
TRAINING = ("metrics.json", "checkpoint.pt")
Train = Callable[[str, Path], Path]  # trains a recipe into a folder; the folder


@dataclass(frozen=True)
class Source:
    """One network to build: `says` names it in build.json, `model` is its file, `folder` where its build goes."""

    says: str
    name: str
    model: Path
    folder: Path

    @property
    def inside(self) -> bool:
        """True where the model lies in the build folder already."""
        return self.model.resolve().parent == self.folder.resolve()

    @property
    def integers(self) -> bool:
        """True where the model is integers already, which the build's own net.npz replaces."""
        return self.model.suffix == ".npz"

    @property
    def kept(self) -> str:
        """The name of the model file inside the build."""
        return "net.npz" if self.integers else self.model.name if self.inside else f"model{self.model.suffix}"

    def net(self, input: str | None) -> Net:
        """The integer network."""
        return integers_in(self.model, input)

    def keep(self, folder: Path) -> Path:
        """The model in a build folder, whole: weights that lie beside an ONNX file come inside it."""
        to = folder / self.kept
        if self.inside or self.integers:
            return to
        if self.model.suffix == ".onnx":
            save_whole(self.model, to)
        else:
            shutil.copyfile(self.model, to)
        return to


def folder_of(text: str, out: Path | None) -> Path:
    """The build folder of a source: the one asked for, the source itself where it is one, else build/<name>."""
    path = Path(text)
    if out is not None and out.exists() and not out.is_dir():
        raise RecipeError(f"{out}: is a file; give another folder with -o, or remove it")
    if out is not None:
        return out
    if path.is_dir():
        return path
    return Path("build") / (path.stem if path.suffix in FILES else load_recipe(text).name)


def find(text: str, out: Path | None, train: Train) -> Source:
    """The source that `text` names, for a build in `out` or in its usual folder; RecipeError where that holds another's."""
    path = Path(text)
    if path.is_dir():
        return _in_folder(path, out)
    if path.suffix in FILES:
        if not path.is_file():
            raise ModelError(f"{text}: no such file; give the path of a QONNX or Keras file, or of a net.npz")
        source = Source(path.name, path.stem, path, folder_of(text, out))
        _refuse_others(source)
        return source
    return _of_recipe(text, folder_of(text, out), train)


def integers_in(path: Path, input: str | None = None) -> Net:
    """The integer network of a model file."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file; give the path of a QONNX or Keras file, or of a net.npz")
    return canonical(Net.load(path)) if path.suffix == ".npz" else fold(graph_of(path, input))


def graph_of(path: Path, input: str | None = None) -> Graph:
    """The network of real numbers of a QONNX or Keras file."""
    if path.suffix in KERAS:
        from hwflow.bridges.qkeras import read as read_keras

        return read_keras(path, input)
    return read(path, input)


def _in_folder(folder: Path, out: Path | None) -> Source:
    """The model of a build or of a training."""
    ask = _read_ask(folder) or {}
    model = next((folder / n for n in (ask.get("model", KEPT[0]), *KEPT) if (folder / n).is_file()), folder / KEPT[0])
    if not model.is_file():
        raise RecipeError(f"{folder}: has no {model.name}; train or compile a model into it first")
    says = ask.get("source") or _read_recipe(folder) or folder.resolve().name
    source = Source(str(says), str(ask.get("name") or folder.resolve().name), model, out or folder)
    if not source.inside:
        _refuse_others(source)
    return source


def quantised_before(source: Source) -> str:
    """What an earlier build says of the float layers that it quantised, where the source is its model."""
    return str((_read_ask(source.model.parent) or {}).get("quantised", "")) if source.model.name in KEPT else ""


def _read_ask(folder: Path) -> dict[str, Any] | None:
    """What the build in a folder was asked for; None where there is none, or one that is not whole or older."""
    try:
        return Build.load(folder).ask
    except RecipeError:
        return None


def load_recipe(spec: str) -> Recipe:
    """The recipe of that name; ToolError where torch is absent."""
    try:
        from hwflow import train
    except ImportError as e:
        raise ToolError(f"a recipe needs torch and brevitas ({e}): pip install 'hwflow[train]'") from e
    return train.load_recipe(spec)


def _of_recipe(spec: str, folder: Path, train: Train) -> Source:
    """The training of a recipe, which is done where it has not been."""
    recipe = load_recipe(spec)  # an unknown one is an error, whatever lies in the folder
    says, there = _short(recipe.source), _read_recipe(folder)
    if there is None:
        _refuse_others(Source(says, recipe.name, folder / "model.onnx", folder), trained=False)
        folder = train(spec, folder)
    elif there != says:
        raise RecipeError(f"{folder}: holds the training of {there}, not of {says}; give another folder with -o")
    elif not (folder / "model.onnx").is_file():
        raise RecipeError(f"{folder}: its training is not finished; go on: hwflow train {spec} -o {folder} --resume")
    return Source(says, recipe.name, folder / "model.onnx", folder)


def _read_recipe(folder: Path) -> str | None:
    """The recipe whose training a folder holds, FILE:RECIPE."""
    try:
        return _short(str(read_json(folder / TRAINING[0], "")["source"]))
    except (HwflowError, KeyError, TypeError):
        return None


def _short(source: str) -> str:
    """A recipe's source without its folder, so that builds do not depend on where it lies."""
    place, _, name = source.rpartition(":")
    return f"{Path(place).stem}:{name}"


def _refuse_others(source: Source, trained: bool = True) -> None:
    """RecipeError where the folder holds a build, a training or a model that is not this source's.

    A recipe that has not been trained has no model yet, so any that lies there is another's.
    """
    folder, advice = source.folder, "give another folder with -o, or remove it"
    mine = digest(source.model) if trained else ""
    if (folder / MANIFEST).is_file():
        ask = _read_ask(folder)  # a build that is not whole, or an older one, is nobody's loss
        if ask and Path(ask["source"]).name != source.says and ask.get("model_sha256") != mine:
            raise RecipeError(f"{folder}: holds the build of {ask['source']}, not of {source.says}; {advice}")
        return
    if source.inside and trained:
        return
    if any((folder / name).exists() for name in TRAINING):
        raise RecipeError(
            f"{folder}: holds a training of {_read_recipe(folder) or 'another recipe'}, not {source.says}; {advice}"
        )
    kept = folder / source.kept
    if kept.is_file() and not source.integers and digest(kept) != mine:
        raise RecipeError(f"{folder}: holds another {kept.name}, which is not of {source.says}; {advice}")
