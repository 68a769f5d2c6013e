"""A build folder: one file per stage, and how to come back to any of them.

Stands on net and lower. `build.json` says what was asked; everything else is read from the stage files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.board import Board, load_board
from hwflow.errors import RecipeError
from hwflow.lower import load_folding, lower
from hwflow.net import Net
from hwflow.units.kit.base import Dataflow

MANIFEST = "build.json"
RANDOM_IMAGES = 100  # when a build has no held-out images


@dataclass(frozen=True, eq=False)
class Build:
    """One compiled network in a folder; `ask` is what `compile` was asked for."""

    folder: Path
    ask: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def load(folder: Path) -> Build:
        """The build in a folder; RecipeError when nothing was compiled there."""
        manifest = folder / MANIFEST
        if not manifest.is_file():
            raise RecipeError(f"{folder}: is not a build (no {MANIFEST}); make one: hwflow compile MODEL -o {folder}")
        try:
            ask = json.loads(manifest.read_text())
        except ValueError as e:
            raise RecipeError(f"{manifest}: is not JSON ({e}); compile again: hwflow compile MODEL -o {folder}") from e
        return Build(folder, ask)

    def save(self) -> None:
        write_json(self.folder / MANIFEST, self.ask)

    @property
    def name(self) -> str:
        return str(self.ask["name"])

    @property
    def model(self) -> Path:
        return self.folder / str(self.ask.get("model", "model.onnx"))

    @property
    def input(self) -> str | None:
        return self.ask.get("input")

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @cached_property
    def board(self) -> Board | None:
        name = self.ask.get("board")
        return load_board(name) if name else None

    @property
    def family(self) -> str:
        """The FPGA family estimates are for: the board's, else xc7."""
        return self.board.family if self.board else "xc7"

    @property
    def clock_mhz(self) -> float:
        return float(self.ask["clock_mhz"])

    @cached_property
    def net(self) -> Net:
        return Net.load(self.folder / "net.npz")

    @cached_property
    def dataflow(self) -> Dataflow:
        made = lower(self.net, load_folding(self.folder / "folding.json"))
        return replace(made, pace=self.json("dataflow.json").get("cycles_per_image"))

    @cached_property
    def graph(self) -> Any:
        if self.model.suffix == ".onnx":
            from hwflow.qonnx import read
        else:
            from hwflow.bridges.qkeras import read
        return read(self.model, self.input)

    def images(self, n: int | None = None) -> tuple[Array, Array | None]:
        """Input integers (n, *shape) with labels: the held-out split beside the model, else seeded random ones."""
        test = self.folder / "test.npz"
        if test.is_file():
            with np.load(test, allow_pickle=False) as file:
                return file["x"][:n], file["labels"][:n]
        rng = np.random.default_rng(0)
        port = self.net.input
        x = rng.integers(port.ints.lo, port.ints.hi + 1, (n or RANDOM_IMAGES, *port.shape))
        return (np.where(x >= 0, 1, -1) if port.ints.is_bipolar else x), None

    def json(self, name: str) -> dict[str, Any]:
        """A stage's JSON file, empty when that stage has not run."""
        path = self.folder / name
        return json.loads(path.read_text()) if path.is_file() else {}


def write_json(path: Path, value: object) -> None:
    """Write JSON through a side file, so that an interrupted run leaves no half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1, default=plain) + "\n")
    part.replace(path)


def plain(value: object) -> object:
    """The JSON form of numpy values and paths, for `json.dumps(default=plain)`."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
