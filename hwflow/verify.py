"""The proof: every engine on the same inputs, each rung of the ladder compared to the last bit.

Stands on the build, the engines and proof. Integers are compared as integers, real scores as float32 bits with those the
exported arithmetic gives. Nothing near is equal: what an order of float32 sums explains, node by node, is counted apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from hwflow import proof, tools
from hwflow.answers import Answer, Answers
from hwflow.bits import Array
from hwflow.board import DEFAULT_FAMILY
from hwflow.build import Build
from hwflow.emit.hls import refuse
from hwflow.files import digest
from hwflow.fold import Difference, first_difference, fold
from hwflow.fold.trace import differing, integers_of
from hwflow.qonnx import Execution
from hwflow.simulate import simulate, wasm

LADDER = ("torch", "qonnx", "graph", "numpy", "dataflow", "c", "wasm", "hls", "rtl", "rtl-stalls")
ENGINES = tuple(e for e in LADDER if e != "wasm")  # what runs unless it is chosen; wasm is built anew each time
CYCLE_BUDGET = 3_000_000  # simulated cycles an RTL rung may cost unless the caller sets the number of images
STALL_SEED = 7
REAL = ("torch", "qonnx", "graph")  # engines that answer in float32
FLOAT = ("torch", "qonnx")  # of these, those that sum in float32
MOST_SHOWN = 12  # scores of an image in a message


@dataclass(frozen=True)
class Rung:
    """One equality: engines a and b on `images` images differ in `differing` of `elements` elements."""

    a: str
    b: str
    images: int
    elements: int
    differing: int
    rounded: int = 0  # elements of `a` that an order of its own float32 sums explains, node by node
    first: str = ""  # where the first difference is, and both values; else what explains the rounded ones
    outputs: dict[str, int] = field(default_factory=dict)  # of several outputs: how many elements of each differ

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
    real: dict[str, proof.Real] = {}
    exported = np.empty(0, np.float32)
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
        if engine in REAL:
            exported = exported if len(exported) else proof.exported(build.graph, x)
            if engine in FLOAT:
                real[engine] = _judge(build, engine, x, exported)
            answers[engine] = real[engine].answers if engine in FLOAT else exported
            continue
        take = (
            len(x)
            if n or engine not in ("rtl", "rtl-stalls", "hls", "dataflow")
            else _affordable(build, engine, len(x))
        )
        answers[engine], facts = _answer(build, engine, x[:take])
        measured |= facts
    rungs = tuple(_rungs(build, x, answers, real, exported))
    if dump:
        _dump(build, x, answers, dump)
    accuracy = None if labels is None else build.net.accuracy(want, labels)
    done = Verification(rungs, skipped, measured, accuracy)
    build.write("runs/verify.json", asdict(done))
    return done


def _absent(build: Build, engine: str) -> str:
    """Why an engine cannot run here; empty when it can."""
    if engine == "torch":
        if not build.checkpoint.exists():
            return "no checkpoint.pt: the model was not trained here"
        known = build.json("metrics.json").get("sha256", {}).get(build.checkpoint.name)
        if known and known != digest(build.checkpoint):
            return "checkpoint.pt is of a training that was not finished: hwflow train --resume"
        import importlib.util

        heads = [answer.head for answer in _answers_of(build) if answer.head]
        if heads:
            return f"the network ends in {heads[0]}, and the scores in front of it are inside the module"
        return (
            ""
            if importlib.util.find_spec("torch") and importlib.util.find_spec("brevitas")
            else "needs torch and brevitas: pip install 'hwflow[train]'"
        )
    if engine == "qonnx" and build.model.suffix in (".h5", ".keras"):
        return "the model is no QONNX file"
    if engine in ("qonnx", "graph"):
        return "" if build.model.suffix != ".npz" else "the build was made from integers, without a model file"
    if engine == "wasm":
        return wasm.absent()
    if engine == "hls" and (why := refuse(build.dataflow)):
        return why
    if engine in ("c", "hls", "rtl", "rtl-stalls"):
        needs = ["g++"] if engine in ("c", "hls") else ["verilator", "g++", "make", "perl"]
        gone = [t for t in needs if tools.find(t) is None]
        return f"needs {', '.join(gone)}: {tools.TOOLS[gone[0]].package}" if gone else ""
    return ""


def _affordable(build: Build, engine: str, images: int) -> int:
    cycles = max(build.dataflow.cycles, 1)
    budget = CYCLE_BUDGET if engine.startswith("rtl") else 20 * CYCLE_BUDGET
    weight = sum(u.cost(DEFAULT_FAMILY).lut for u in build.dataflow.units) / 20_000 + 0.5
    return int(min(images, max(2, budget / weight // cycles)))


def _answer(build: Build, engine: str, x: Array) -> tuple[Array, dict[str, object]]:
    """Integer answers of an engine, with what it measured."""
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


def _answers_of(build: Build) -> list[Answer]:
    """What each output of the file means, in the order of the answer."""
    answer = build.graph.answer
    return [part.answer for part in answer.outputs] if isinstance(answer, Answers) else [answer]


def _torch(build: Build, x: Array) -> Array:
    """PyTorch's float32 answers (n, outputs), every output flattened in the order of the graph's answer."""
    from hwflow.train import torch_answers

    parts = []
    for values, answer in zip(torch_answers(build.folder, x), _answers_of(build), strict=True):
        flat = values.reshape(len(x), -1)
        parts.append(flat[:, answer.places] if len(answer.places) else flat)
    return np.concatenate(parts, 1)


def _rungs(build: Build, x: Array, answers: dict[str, Array], real: dict[str, proof.Real], want: Array) -> list[Rung]:
    """Each engine against the next one; real scores by way of the exported arithmetic, which says `want`."""
    names, out = [e for e in LADDER if e in answers], []
    for a, b in pairwise(names):
        both = min(len(answers[a]), len(answers[b]))
        ya, yb = (np.asarray(answers[e][:both]).reshape(both, -1) for e in (a, b))
        wrong: Array
        if a not in REAL:
            wrong = ya != yb
        elif b in REAL:
            unexplained = [real[e].wrong[:both] for e in (a, b) if e in real]
            wrong = np.asarray((ya != yb) & np.any(unexplained, axis=0))
        else:
            wrong = proof.differing(build.net, build.graph, want[:both], yb)
            if not all(part.answer.ordered for part in build.net.outputs) and wrong.shape == yb.shape:
                # several integers may have one score, so the integers are those of a network folded anew
                wrong = wrong | (fold(build.graph).run(x[:both]) != yb)
            if a in real:
                own: Array = real[a].wrong[:both]
                wrong = wrong | (own if own.shape == wrong.shape else own.any(axis=1, keepdims=True))
        first = _first(build, a, b, x[:both], ya, yb, wrong) if wrong.any() else real[a].note if a in real else ""
        rounded = real[a].rounded if a in real else 0
        out.append(Rung(a, b, both, int(wrong.size), int(wrong.sum()), rounded, first, _by_output(build, wrong)))
    return out


def _by_output(build: Build, wrong: Array) -> dict[str, int]:
    """How many elements of each output differ, where there are several."""
    parts = build.net.outputs
    if len(parts) == 1 or wrong.shape[1] != build.net.output.size:
        return {}
    ends = np.cumsum([part.size for part in parts])
    return {part.name: int(wrong[:, end - part.size : end].sum()) for part, end in zip(parts, ends, strict=True)}


def _judge(build: Build, engine: str, x: Array, want: Array) -> proof.Real:
    """The answers of torch or qonnx beside the exported arithmetic."""
    if engine == "torch":  # its tensors are unknown: what is inside must be certain in any order of sums
        return proof.judged(build.graph, x, want, [Execution(_torch(build, x), {})])
    return proof.judged(build.graph, x, want, proof.of_file(build.source_model, build.graph, x, build.input))


def _first(build: Build, a: str, b: str, x: Array, ya: Array, yb: Array, wrong: Array) -> str:
    """The first unit, channel and pixel that differs, with both values; at least the answer's when b cannot be asked."""
    image, *place = (int(i) for i in np.argwhere(wrong)[0])
    found = _inside(build, b, x[image : image + 1])
    if found is not None:
        return f"{b}, not {a}: {found}"
    if ya.shape == yb.shape and a not in REAL:
        return f"{b}, not {a}: {differing(build.net.ops[-1].name, yb, ya)}"
    got, want = (
        f"[{', '.join(f'{v:.9g}' for v in y[image, :MOST_SHOWN])}{', ...' if y.shape[1] > MOST_SHOWN else ''}]"
        for y in (yb, ya)
    )
    return f"{b}, not {a}: image {image}, element {place[0]} of {got}, must be as in {want} ({int(wrong.sum())} values differ)"


def _inside(build: Build, engine: str, x: Array) -> Difference | None:
    """Where an engine first leaves the integers, for engines whose inner values can be seen."""
    if engine == "numpy" and build.model.suffix != ".npz":
        return first_difference(build.net, integers_of(build.graph, build.net, x), x)
    if engine.startswith("rtl"):
        from hwflow.simulate.rtl import values

        seen = values(build.dataflow, build.stage("rtl"), x, stalls=STALL_SEED if engine == "rtl-stalls" else None)
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
