"""A build folder: one file per stage, how to come back to any of them, and the proof that they belong together.

Stands on net, lower and files. `build.json` says what was asked and the hash of everything it was made from; each
later file carries the build's own hash, so a mixture of two builds is refused with one line.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.board import Board, family_for, load_board
from hwflow.errors import RecipeError
from hwflow.files import digest, locked, plain, read_arrays, read_json, rewritten, write_json
from hwflow.lower.stored import load_dataflow
from hwflow.net import Net
from hwflow.schema import BUILD, LATER, SchemaError, check
from hwflow.tasks import SHOWN
from hwflow.units.kit.base import Dataflow

__all__ = ["Build", "locked", "plain", "rewritten", "write_json"]

MANIFEST = "build.json"
FORMAT = 2  # of build.json; 1 had no hashes
STAGE = "made.json"  # in rtl/, hls/ and c/: which build they are of
RANDOM_IMAGES = 100  # when a build has no held-out images
# what `compile` makes and what is made from that; all of it is replaced at once
MADE = ("net.npz", "folding.json", "dataflow.json", MANIFEST, "rtl", "hls", "c")
LATER_FOLDERS = ("runs", "synth", "deploy", "measured.json", "report.html", "report.md", "report.json", "live.html")
# what `train` makes; dropped when another model is compiled into the folder
INFORMATION = "information.html"
TRAINED = ("test.npz", "checkpoint.pt", "metrics.json", "curves.png", INFORMATION)


@dataclass(frozen=True, eq=False)
class Build:
    """One compiled network in a folder; `ask` is what `compile` was asked for and what it made of it."""

    folder: Path
    ask: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def load(folder: Path) -> Build:
        """The build in a folder; RecipeError when nothing was compiled there or build.json is not whole."""
        manifest, again = folder / MANIFEST, f"compile again: hwflow compile MODEL -o {folder}"
        if not manifest.is_file():
            raise RecipeError(f"{folder}: is not a build (no {MANIFEST}); make one: hwflow compile MODEL -o {folder}")
        ask = read_json(manifest, again)
        if isinstance(ask, dict) and ask.get("format", 1) != FORMAT:
            raise RecipeError(f"{manifest}: is of format {ask.get('format', 1)}, this hwflow reads {FORMAT}; {again}")
        _check(manifest, ask, BUILD, again)
        return Build(folder, ask)

    def save(self, folder: Path | None = None) -> None:
        """Write build.json with its format and the build's hash."""
        self.ask["format"] = FORMAT
        self.ask["build"] = identify(self.ask)
        write_json((folder or self.folder) / MANIFEST, self.ask)

    @property
    def name(self) -> str:
        return str(self.ask["name"])

    @property
    def hash(self) -> str:
        """What this build was made from and by, in 32 hexadecimal digits; every file made from it carries it."""
        return str(self.ask["build"])

    @property
    def again(self) -> str:
        """The command that makes this build once more, for messages."""
        return f"compile again: hwflow compile MODEL -o {self.folder}"

    @property
    def model(self) -> Path:
        return self.folder / str(self.ask.get("model", "model.onnx"))

    @cached_property
    def source_model(self) -> Path:
        """The model file this build was made from; RecipeError where the folder holds another by now."""
        want = self.ask.get("model_sha256")
        if not self.model.is_file() or (want and digest(self.model) != want):
            raise RecipeError(f"{self.model}: is not the file this build was made from; {self.again}")
        return self.model

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
        """The FPGA family that estimates are for."""
        return family_for(self.board)

    @property
    def clock_mhz(self) -> float:
        return float(self.ask["clock_mhz"])

    @cached_property
    def net(self) -> Net:
        net = Net.load(self.folder / "net.npz")
        if net.hash != self.ask["net"]:
            raise RecipeError(f"{self.folder / 'net.npz'}: is of another build than {MANIFEST}; {self.again}")
        return net

    @cached_property
    def dataflow(self) -> Dataflow:
        path = self.folder / "dataflow.json"
        if path.is_file() and digest(path) != self.ask["dataflow"]:
            raise RecipeError(f"{path}: is of another build than {MANIFEST}; {self.again}")
        return load_dataflow(path)

    @cached_property
    def graph(self) -> Any:
        if self.model.suffix == ".onnx":
            from hwflow.qonnx import read
        else:
            from hwflow.bridges.qkeras import read
        return read(self.source_model, self.input)

    def stage(self, name: str) -> Path:
        """The folder rtl, hls or c; RecipeError where it is of another build."""
        path = self.folder / name / STAGE
        if read_json(path, self.again).get("build") != self.hash:
            raise RecipeError(f"{self.folder / name}: is of another build than {MANIFEST}; {self.again}")
        return self.folder / name

    def images(self, n: int | None = None) -> tuple[Array, Array | None]:
        """Input integers (n, *shape) with labels: the held-out split beside the model, else seeded random ones.

        Images that show masks or boxes come without labels.
        """
        test = self.folder / "test.npz"
        if test.is_file():
            kept = read_arrays(test, "train again, or remove it", names=("x",))
            if (set(SHOWN.values()) - {"labels"}) & kept.keys():
                return kept["x"][:n], None
            if "labels" not in kept:
                raise RecipeError(f"{test}: has no array labels; train again, or remove it")
            x, labels = kept["x"], kept["labels"]
            if x.ndim < 2 or labels.shape != x.shape[:1] or labels.dtype.kind not in "iu":
                raise RecipeError(
                    f"{test}: has labels of shape {labels.shape} for {len(x) if x.ndim else 0} images; "
                    "train again, or remove it"
                )
            return x[:n], labels[:n]
        rng = np.random.default_rng(0)
        port = self.net.input
        x = rng.integers(port.ints.lo, port.ints.hi + 1, (n or RANDOM_IMAGES, *port.shape))
        return (np.where(x >= 0, 1, -1) if port.ints.is_bipolar else x), None

    def json(self, name: str) -> dict[str, Any]:
        """A later stage's JSON file, empty when that stage has not run; RecipeError where it is of another build."""
        path = self.folder / name
        if not path.is_file():
            return {}
        remedy = "remove it and run that command again"
        value = read_json(path, remedy)
        known = next((spec for pattern, spec in LATER.items() if path.match(pattern)), None)
        if known is not None:
            _check(path, value, known, remedy)
        if not isinstance(value, dict):
            raise RecipeError(f"{path}: must hold one object, not a {type(value).__name__}; {remedy}")
        if value.get("build", self.hash) != self.hash:
            raise RecipeError(f"{path}: is of another build than {MANIFEST}; {remedy}")
        return value

    def write(self, name: str, value: dict[str, Any]) -> None:
        """Write a later stage's JSON file, with the hash of this build in it."""
        write_json(self.folder / name, {"build": self.hash, **value})


def identify(ask: dict[str, Any]) -> str:
    """The hash of a build by what its build.json says it was made from."""
    parts = (ask.get("model_sha256"), ask["net"], ask["dataflow"], ask["hwflow"])
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]


def belongs(name: str) -> bool:
    """True for the entries of a build folder that a new build replaces."""
    return name in MADE or name in LATER_FOLDERS


def _check(path: Path, value: Any, spec: Any, remedy: str) -> None:
    try:
        check(value, spec)
    except SchemaError as e:
        raise RecipeError(f"{path}: {e}; {remedy}") from e
