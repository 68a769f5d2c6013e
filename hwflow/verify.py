"""The proof: every engine on the same inputs, each rung of the ladder compared to the last bit.

Stands on the build and the engines. Integers are compared as integers; real scores of the trained network
are compared through the integers they stand for, and what float32 merely rounds differently is counted apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from hwflow import tools
from hwflow.bits import Array
from hwflow.build import Build
from hwflow.fold import Difference, first_difference
from hwflow.fold.trace import differing, integers_of
from hwflow.net import Net
from hwflow.simulate import simulate

ENGINES = ("torch", "qonnx", "graph", "numpy", "dataflow", "c", "hls", "rtl", "rtl-stalls")
CYCLE_BUDGET = 3_000_000  # simulated cycles an RTL rung may cost unless the caller sets the number of images
STALL_SEED = 7
TIES_AT_ONCE = 10  # images whose every tensor is held at once


@dataclass(frozen=True)
class Rung:
    """One equality: engines a and b on `images` images differ in `differing` of `elements` elements."""

    a: str
    b: str
    images: int
    elements: int
    differing: int
    # real scores with other bits but the same integer, and answers behind ties of the file's own float32 sums
    rounded: int = 0
    first: str = ""  # where the first difference is, and both values

    @property
    def exact(self) -> bool:
        return self.differing == 0


@dataclass(frozen=True)
class Verification:
    """The rungs climbed, those skipped with the reason, and what the engines measured on the way."""

    rungs: tuple[Rung, ...]
    skipped: dict[str, str]
    measured: dict[str, object]
    accuracy: float | None = None

    @property
    def exact(self) -> bool:
        return bool(self.rungs) and all(r.exact for r in self.rungs)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "verify.json").write_text(json.dumps(asdict(self), indent=1))


def verify(
    build: Build,
    x: Array | None = None,
    n: int | None = None,
    *,
    labels: Array | None = None,
    engines: Sequence[str] = ENGINES,
    progress: Callable[[str], None] = lambda _: None,
    dump: Path | None = None,
) -> Verification:
    """Run every engine on `x` (the build's own held-out images, else random ones) and compare neighbours.

    `n` bounds the images of every engine; without it simulation takes as many as a few million cycles allow.
    """
    if x is None:
        x, labels = build.images(n)
    x = build.net.check_input(x[:n])
    labels = None if labels is None else labels[: len(x)]
    progress("numpy")
    want = build.net.run(x)
    answers: dict[str, Array] = {}
    skipped: dict[str, str] = {}
    measured: dict[str, object] = {}
    for engine in engines:
        if engine == "numpy":
            answers[engine] = want
            continue
        if reason := _absent(build, engine):
            skipped[engine] = reason
            continue
        progress(engine)
        take = (
            len(x)
            if n or engine not in ("rtl", "rtl-stalls", "hls", "dataflow")
            else _affordable(build, engine, len(x))
        )
        answers[engine], facts = _answer(build, engine, x[:take])
        measured |= facts
    rungs = tuple(_rungs(build, x, want, answers))
    if dump:
        _dump(build, x, answers, dump)
    accuracy = None if labels is None else float((build.net.labels(want) == labels).mean())
    done = Verification(rungs, skipped, measured, accuracy)
    done.save(build.folder / "runs")
    return done


def _absent(build: Build, engine: str) -> str:
    """Why an engine cannot run here; empty when it can."""
    if engine == "torch":
        if not build.checkpoint.exists():
            return "no checkpoint.pt: the model was not trained here"
        import importlib.util

        return (
            ""
            if importlib.util.find_spec("torch") and importlib.util.find_spec("brevitas")
            else "needs torch and brevitas: pip install 'hwflow[train]'"
        )
    if engine == "qonnx" and build.model.suffix in (".h5", ".keras"):
        return "the model is no QONNX file"
    if engine in ("qonnx", "graph"):
        return "" if build.model.suffix != ".npz" else "the build was made from integers, without a model file"
    if engine in ("c", "hls", "rtl", "rtl-stalls"):
        needs = ["g++"] if engine in ("c", "hls") else ["verilator", "g++", "make", "perl"]
        gone = [t for t in needs if tools.find(t) is None]
        return f"needs {', '.join(gone)}: {tools.TOOLS[gone[0]].package}" if gone else ""
    return ""


def _affordable(build: Build, engine: str, images: int) -> int:
    cycles = max(build.dataflow.cycles, 1)
    budget = CYCLE_BUDGET if engine.startswith("rtl") else 20 * CYCLE_BUDGET
    weight = sum(u.cost("xc7").lut for u in build.dataflow.units) / 20_000 + 0.5
    return int(min(images, max(2, budget / weight // cycles)))


def _answer(build: Build, engine: str, x: Array) -> tuple[Array, dict[str, object]]:
    """Integer answers of an engine, or real scores (float32) of torch, qonnx and graph; with what it measured."""
    if engine == "torch":
        from hwflow.train import torch_outputs

        return np.asarray(torch_outputs(build.folder, x)), {}
    if engine == "qonnx":
        from hwflow.qonnx import reference

        return np.asarray(reference(build.model, x, build.input)), {}
    if engine == "graph":
        return np.asarray(build.graph.run(x.astype(np.float32) / np.float32(build.net.denominator))), {}
    if engine == "dataflow":
        return build.dataflow.run(x), {}
    run = simulate(build, x, engine.removesuffix("-stalls"), stalls=STALL_SEED if engine == "rtl-stalls" else None)
    facts: dict[str, object] = {f"{engine}.seconds": round(run.seconds, 3)}
    if engine == "rtl":
        facts |= {
            "cycles_per_image": run.cycles_per_image,
            "latency": run.latency,
            "occupancy": run.occupancy,
            "toggles": run.toggles,
        }
    return run.outputs, facts


def _rungs(build: Build, x: Array, want: Array, answers: dict[str, Array]) -> list[Rung]:
    """Each engine against the one before it; real scores through the integers of `numpy`."""
    out = []
    names = [e for e in ENGINES if e in answers]
    for a, b in pairwise(names):
        both = min(len(answers[a]), len(answers[b]))
        ya, yb = (np.asarray(answers[e][:both]).reshape(both, -1) for e in (a, b))
        real = [e for e in (a, b) if e in ("torch", "qonnx", "graph")]
        rounded = 0
        if real:
            ka, kb = (as_integers(build.net, y, want[:both]) for y in (ya, yb))
            wrong = ka != kb
            if len(real) == 2:
                rounded = int(((ya != yb) & ~wrong).sum()) if ya.shape == yb.shape else 0
            ya, yb = ka, kb
        else:
            wrong = ya != yb
        first = ""
        if wrong.any():
            ties = _ties(build, x[:both][wrong.any(1)]) if a == "qonnx" else ""
            first = ties or _first(build, a, b, x[:both], ya, yb)
            rounded += int(wrong.sum()) if ties else 0
            wrong = wrong & (not ties)
        out.append(Rung(a, b, both, int(wrong.size), int(wrong.sum()), rounded, first))
    return out


def _ties(build: Build, x: Array) -> str:
    """How many values the file's float32 sums decide on images `x`; empty where they do not explain every difference."""
    from hwflow.qonnx import explained

    ties = values = 0
    worst = 0.0
    for at in range(0, len(x), TIES_AT_ONCE):
        nodes = explained(build.model, x[at : at + TIES_AT_ONCE], build.input)
        if not all(node.explained for node in nodes) or not any(node.ties for node in nodes):
            return ""
        ties += sum(node.ties for node in nodes)
        values += sum(node.values for node in nodes)
        worst = max(worst, *(node.worst for node in nodes))
    return (
        f"the order of the file's float32 sums decides {ties} of {values} values on {len(x)} images; each lies within "
        f"{worst:.2g} of the rounding error of its sum from a boundary"
    )


def as_integers(net: Net, y: Array, want: Array) -> Array:
    """The integers real scores stand for: `want` where the score is nearest to that of `want`, else the neighbour's.

    Integer answers pass through. When the network ends in labels, so do these.
    """
    if y.dtype.kind in "iu":
        return y
    if net.gives_labels:
        k = want.shape[1]
        return y.astype(np.int64) if y.shape[1] == k else np.argsort(-y, axis=1, kind="stable")[:, :k]
    at, below, above = (net.scores(want + d).astype(np.float64) for d in (0, -1, 1))
    y = y.astype(np.float64)
    room = np.minimum(np.abs(at - below), np.abs(above - at)) / 2
    off = np.abs(y - at) >= room
    off &= y != at
    step = np.where(np.abs(y - above) <= np.abs(y - below), 1, -1)
    return np.where(off, want + step, want)


def _first(build: Build, a: str, b: str, x: Array, ya: Array, yb: Array) -> str:
    """The first unit, channel and pixel that differs, with both values; at least the answer's when b cannot be asked."""
    image = int(np.argwhere(ya != yb)[0][0])
    found = _inside(build, b, x[image : image + 1])
    if found is None:
        found = differing(build.net.ops[-1].name, yb, ya)
    return f"{b}, not {a}: {found}"


def _inside(build: Build, engine: str, x: Array) -> Difference | None:
    """Where an engine first leaves the integers, for engines whose inner values can be seen."""
    if engine == "numpy" and build.model.suffix != ".npz":
        return first_difference(build.net, integers_of(build.graph, build.net, x), x)
    if engine.startswith("rtl"):
        from hwflow.simulate.rtl import values

        seen = values(build.dataflow, build.folder / "rtl", x, stalls=STALL_SEED if engine == "rtl-stalls" else None)
        want = build.dataflow.values(x)
        pairs = (differing(edge, seen[edge], want[edge]) for edge in want if edge in seen)
        return next((found for found in pairs if found), None)
    return None


def _dump(build: Build, x: Array, answers: dict[str, Array], folder: Path) -> None:
    """Save every engine's answers, and the intermediate values of the numpy engine, as .npy files."""
    folder.mkdir(parents=True, exist_ok=True)
    for engine, y in answers.items():
        np.save(folder / f"{engine}.npy", y)
    for name, y in build.net.values(x[:16]).items():
        np.save(folder / f"numpy.{name.replace('/', '_')}.npy", y)
