"""Six lines of Python from a network to a proven accelerator: `hwflow.compile(model, x, y, board=...)`.

Stands on flow, verify, report and predict; it only calls them in order.
"""

from __future__ import annotations

import tempfile
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.build import Build
from hwflow.errors import RecipeError, ToolError
from hwflow.predict import Predictor, load
from hwflow.real.inputs import parse_input

DEFAULT_INPUT = "u8/255"  # of a torch module, whose file says nothing of integers
EXAMPLES = 32  # images that an exported module is compared on


class Compiled:
    """A compiled network: what it answers, how good it is, what it costs. `repr` informs; a notebook shows a picture."""

    def __init__(self, build: Build, images: Array | None, labels: Array | None):
        self.build = build
        self.images, self.labels = images, labels
        self._predictor: Predictor | None = None
        self._accuracy: float | None = None

    @property
    def folder(self) -> Path:
        """The build folder, with every stage's file in it."""
        return self.build.folder

    @property
    def predictor(self) -> Predictor:
        """What answers: the C engine, else numpy. Any number of threads may ask it."""
        if self._predictor is None:
            self._predictor = load(self.folder)
        return self._predictor

    @property
    def accuracy(self) -> float | None:
        """Share of the given images that the integers label right, 0 to 1; None without labels."""
        if self._accuracy is None and self.images is not None and self.labels is not None:
            self._accuracy = self.build.net.accuracy(self.predictor.answers(self.images), self.labels)
        return self._accuracy

    def predict(self, images: Array) -> Any:
        """Labels (n,) of images (n, *shape): integers as the hardware receives them, or real values.

        Of several outputs, a dict of them by name.
        """
        return self.predictor.predict(images)

    def scores(self, images: Array) -> Any:
        """The trained network's real scores (n, ...) as float32, in its own shape; of several outputs, a dict by name."""
        return self.predictor.scores(images)

    def profile(self) -> list[dict[str, Any]]:
        """One row for each hardware unit: module, folding, cycles an image and estimated resources."""
        from hwflow.report import gather

        return [
            {"unit": u["name"], "module": u["module"], "pe": u["pe"], "simd": u["simd"], "cycles": u["cycles"], **u["estimate"]}
            for u in gather(self.build)["units"]
        ]  # fmt: skip

    def trace(self, images: Array) -> dict[str, Array]:
        """The integers of every operation for images (n, *shape), by its name in the file, in the order of the flow.

        They are what the hardware's streams carry, so a circuit that is debugged can be compared with them word by word.
        """
        kept: dict[str, Array] = {}
        self.build.net.run(self.predictor.integers(images), kept.__setitem__)
        return kept

    def verify(self, n: int | None = None) -> Any:
        """The proof on the given images, else on the build's own: see `hwflow.verify`."""
        from hwflow.verify import verify

        return verify(
            self.build, self.predictor.integers(self.images) if self.images is not None else None, n, labels=self.labels
        )

    def report(self) -> dict[str, Any]:
        """Write report.html, report.md and report.json; gives report.json's content."""
        from hwflow.report import report

        return report(self.build)

    def _facts(self) -> list[tuple[str, str]]:
        flow, clock = self.build.dataflow, self.build.clock_mhz
        cost = flow.cost(self.build.family)
        rows = [
            ("network", f"{self.build.name}: {' x '.join(map(str, self.build.net.input.shape))} -> {self.build.net.output.size}"),
            ("board", str(self.build.ask.get("board") or f"none; estimates are for {self.build.family}")),
            ("rate", f"{clock * 1e6 / flow.cycles:,.0f} images/s at {clock:g} MHz, {flow.cycles} cycles an image (estimated)"),
            ("area", f"{cost.lut:,.0f} LUT, {cost.ff:,.0f} FF, {cost.bram:g} BRAM, {cost.dsp:g} DSP (estimated)"),
            ("bottleneck", flow.bottleneck.name),
            ("folder", str(self.folder)),
        ]  # fmt: skip
        if self.accuracy is not None:
            assert self.labels is not None
            rows.insert(1, ("accuracy", f"{100 * self.accuracy:.2f} % of {len(self.labels)} images (integers)"))
        return rows

    def __repr__(self) -> str:
        return "\n".join(f"{what:<10}  {value}" for what, value in self._facts())

    def _repr_html_(self) -> str:
        from hwflow.report.svg import bars

        units = [u for u in self.build.dataflow.units if not u.glue]
        rows = "".join(f"<tr><th>{escape(what)}</th><td>{escape(value)}</td></tr>" for what, value in self._facts())
        picture = bars("cycles an image", [u.name for u in units], {"cycles": [u.cycles for u in units]})
        style = "<style>.hwflow .s0{fill:#0b5cad}.hwflow svg{max-width:40em}.hwflow text{font:12px sans-serif}</style>"
        return f'<div class="hwflow">{style}<table>{rows}</table>{picture}</div>'


def compile(
    model: Any,
    x: Array | None = None,
    y: Array | None = None,
    *,
    input: str | None = None,
    board: str | None = None,
    fps: float | None = None,
    fit: bool = False,
    clock_mhz: float | None = None,
    folder: str | Path | None = None,
    quantise_float: int | None = None,
) -> Compiled:
    """A network as a build: read, folded, planned and emitted.

    `model` is a path (QONNX, QKeras, a recipe, a build folder) or a torch module in evaluation mode, which is exported
    with `x`'s first image as its example and named after the folder, else after its class. `x` holds images (n, *shape): integers as the hardware receives them, or real
    values; `y` their labels (n,). `quantise_float` gives layers that are float so many bits, calibrated on `x`. `input` says what the hardware receives (u8/255, i8/64, ...). ModelError lists what
    stands in the way; RecipeError a request that cannot be met.
    """
    from hwflow import flow

    where = None if folder is None else Path(folder)
    if not isinstance(model, str | Path):
        name = where.resolve().name if where else type(model).__name__.lower()
        where = where or Path(tempfile.mkdtemp(prefix="hwflow-"))
        where.mkdir(parents=True, exist_ok=True)
        input = input or DEFAULT_INPUT
        home = where if quantise_float is None else Path(tempfile.mkdtemp(prefix="hwflow-float-"))
        model = _export(model, x, input, home / f"{name}.onnx")
    target = flow.Target(board, clock_mhz, fps, fit)
    if quantise_float is not None and x is None:
        raise RecipeError("quantise_float is calibrated on images: give them as the second argument")
    calibration = None if quantise_float is None else flow.Calibration(quantise_float, np.asarray(x))
    build = flow.compile_model(str(model), where, target, input, calibration=calibration)
    return Compiled(build, None if x is None else np.asarray(x), None if y is None else np.asarray(y))


def _export(module: Any, x: Array | None, input: str, path: Path) -> Path:
    """The QONNX file of a torch module, proven equal to it on the first images."""
    try:
        from hwflow.train.export import export_module
    except ImportError as e:
        raise ToolError(f"a torch module is exported with torch and brevitas ({e}): pip install 'hwflow[train]'") from e
    if not hasattr(module, "state_dict"):
        raise RecipeError(f"compile takes a path or a torch module, not {type(module).__name__}")
    if x is None:
        raise RecipeError("a torch module is exported with examples: give images as the second argument")
    some = np.asarray(x)[:EXAMPLES]
    export_module(module, parse_input(input).real(some) if some.dtype.kind in "iub" else some, path)
    return path
