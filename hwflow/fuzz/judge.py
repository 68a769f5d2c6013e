"""One file judged: read, folded and run on integers against what the file itself computes.

Stands on qonnx, fold and the executor. Whatever hwflow raises that is no refusal is a fault, and so is silence for ten seconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import onnx

from hwflow import proof
from hwflow.bits import Array
from hwflow.errors import ModelError, RecipeError
from hwflow.fold import fold
from hwflow.generate import RandomFile
from hwflow.generate.nets import random_images
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.qonnx import Reading, reading
from hwflow.qonnx.executor import Executor

IMAGES = 8
HANG = 10.0  # processor seconds after which a file counts as a hang
FAULTS = ("difference", "traceback", "hang")


@dataclass(frozen=True, eq=False)
class Verdict:
    """What became of a file: accepted, rounded (differences that are an order of float32 sums), refused, invalid
    (the reference cannot execute it), or a fault: difference, traceback, hang. `key` is the same for equal causes."""

    kind: str
    key: str = ""
    text: str = ""
    net: Net | None = None
    inputs: Array | None = None
    found: dict[str, Any] = field(default_factory=dict)

    @property
    def fault(self) -> bool:
        return self.kind in FAULTS


class Hang(BaseException):
    """The alarm rang while one file was judged."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise Hang in this, the main thread, where the block takes more processor time; waiting for a turn is no hang."""

    def ring(_: int, __: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def judge(file: RandomFile, executor: Executor, folder: Path, seed: int = 0, seconds: float = HANG) -> Verdict:
    """The verdict on a file, which is written to `folder` as hwflow's users have it."""
    path = folder / "net.onnx"
    path.write_bytes(file.model.SerializeToString())
    try:
        with within(seconds):
            return _judged(file, path, executor, seed)
    except Hang:
        return Verdict("hang", "hang", f"no answer after {seconds:.0f} s")


def _judged(file: RandomFile, path: Path, executor: Executor, seed: int) -> Verdict:
    try:
        with np.errstate(all="ignore"):
            read = reading(path, file.input)
            net = fold(read.graph)
    except (ModelError, RecipeError) as e:
        return _refusal(e)
    except Exception as e:  # anything else is a fault of hwflow
        return _traceback(e)
    try:
        lower(net)  # hardware refuses nothing that folding took
    except RecipeError as e:
        return Verdict("difference", "refused late", str(e), net)
    except Exception as e:
        return _traceback(e)
    x = images(net, seed)
    try:
        with np.errstate(all="ignore"):
            values = executed(file.model, read, executor, x)
    except Exception as e:  # onnxruntime and qonnx each raise their own kinds
        return Verdict("invalid", _short(str(e)), str(e), net, x)
    try:
        with np.errstate(all="ignore"):
            return _compared(file, read, net, x, values)
    except Exception as e:
        return _traceback(e)


def _compared(file: RandomFile, read: Reading, net: Net, x: Array, values: dict[str, Array]) -> Verdict:
    """Integers against the exported arithmetic, to the last bit; that against the file, to the last bit or explained."""
    mine = net.values(x)
    for name, value in mine.items():
        if value not in net.ports[name].ints:
            return Verdict("difference", "range", f"{name} leaves its range {net.ports[name].ints}", net, x)
    answers = mine[net.ops[-1].name].reshape(len(x), -1)
    want, y = proof.exported(read.graph, x), read.answers(values, len(x))
    wrong = proof.differing(net, read.graph, want, answers)
    if wrong.any():
        return Verdict("difference", "integers", _first(wrong, net.scores(answers), want), net, x)
    if y.shape != want.shape:
        return Verdict("difference", "shape", f"answers of shape {want.shape}, must be {y.shape}", net, x)
    if not np.array_equal(y, want):
        return _rounded(file, read, net, x, values, y, want)
    return _own(file, net, x, answers, values, y) or Verdict("accepted", net=net, inputs=x)


def _own(file: RandomFile, net: Net, x: Array, answers: Array, values: dict[str, Array], y: Array) -> Verdict | None:
    """The answers as a user gets them, in the file's own shape and order, and the order of their integers."""
    at = 0
    for part in net.outputs:
        mine = slice(at, at + part.size)
        at += part.size
        name, answer = part.name or file.model.graph.output[0].name, part.answer
        if answer.head in ("", "top_k") and not answer.hidden:
            own, got = values[name], answer.real(answers[:, mine])
            got = got[:, 0] if own.ndim == 1 and got.shape[1:] == (1,) else got
            if got.shape != own.shape or not np.array_equal(got, own):
                return Verdict(
                    "difference",
                    "own order",
                    f"{got.shape} {got.ravel()[:8]}, must be {own.shape} {own.ravel()[:8]}",
                    net,
                    x,
                )
        if answer.ordered and not answer.labels and answer.head != "top_k":
            both = [v[:, mine].reshape(-1, answer.channels or part.size) for v in (answers, y)]
            ranks = [np.argsort(-v.astype(np.float64), axis=1, kind="stable") for v in both]
            if not np.array_equal(ranks[0], ranks[1]):
                return Verdict("difference", "ranks", "the integers sort otherwise than the scores", net, x)
    return None


def images(net: Net, seed: int, n: int = IMAGES) -> Array:
    """Inputs over the whole range of a network; the first two images are its ends."""
    return random_images(net, n, seed, ends=True)


def executed(model: onnx.ModelProto, read: Reading, executor: Executor, x: Array) -> dict[str, Array]:
    """Tensors (n, ...) of the file: all images at once where it takes any number of them, else one after the other."""
    real, given = read.arranged(x), model.graph.input[0].name
    if takes_any_batch(model):
        values = read.batched(executor.run(model, {given: real}))
        if all(values[end.tensor].shape[:1] == real.shape[:1] for end in read.ends):
            return values  # nothing on the way has taken the batch apart
    parts = [read.batched(executor.run(model, {given: real[i : i + 1]})) for i in range(len(real))]
    names = {out.name for out in model.graph.output} | {end.tensor for end in read.ends}
    names = (names | {tensor for tensor, _ in read.refs.values()}) & set(parts[0])
    return {name: np.concatenate([part[name] for part in parts]) for name in names if parts[0][name].ndim}


def takes_any_batch(model: onnx.ModelProto) -> bool:
    """True where no size that the file writes down may be that of its batch."""
    if model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        return True
    sizes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    sizes |= {node.input[3] for node in model.graph.node if node.op_type == "Resize" and len(node.input) > 3}
    known = {t.name: t for t in model.graph.initializer if t.name in sizes}
    if sizes - set(known):
        return False
    return all(v.size and v.flat[0] in (0, -1) for v in map(onnx.numpy_helper.to_array, known.values()))


def _rounded(
    file: RandomFile, read: Reading, net: Net, x: Array, values: dict[str, Array], y: Array, want: Array
) -> Verdict:
    """What the file computes differently: an order of float32 sums, shown node by node, or a difference."""
    if file.exact:
        return Verdict("difference", "value", _first(y != want, want, y), net, x)
    found = proof.judged(read.graph, x, want, [read.execution(values, len(x))])
    if found.wrong.any():
        return Verdict("difference", "unexplained", _first(found.wrong, want, y), net, x)
    return Verdict("rounded", "an order of float32 sums", found.note, net, x)


def _first(wrong: Array, got: Array, want: Array) -> str:
    """The first element that is wrong, with both values where they are laid alike."""
    image, place = (int(i) for i in np.argwhere(wrong)[0])
    pair = f"{got[image, place]}, must be {want[image, place]}" if got.shape == want.shape == wrong.shape else "wrong"
    return f"image {image}, output {place} is {pair} ({int(wrong.sum())} of {wrong.size} differ)"


def _refusal(e: ModelError | RecipeError) -> Verdict:
    if isinstance(e, ModelError) and e.findings:
        first = e.findings[0]
        if not all(f.reason and f.remedy for f in e.findings):
            return Verdict("traceback", "a finding without reason or remedy", str(e))
        return Verdict("refused", _short(first.reason), str(e))
    return Verdict("refused", _short(str(e)), str(e))


def _traceback(e: BaseException) -> Verdict:
    lines = traceback.extract_tb(e.__traceback__)
    where = next((f for f in reversed(lines) if "hwflow" in f.filename and "fuzz" not in f.filename), lines[-1])
    key = f"{type(e).__name__} in {Path(where.filename).name}:{where.name}"
    return Verdict("traceback", key, "".join(traceback.format_exception(e)))


def _short(text: str) -> str:
    """A reason with its numbers and names taken out, so that equal reasons count together."""
    line = (text.strip().splitlines() or [""])[0]
    line = re.sub(r"[-+]?\d[\d.e+-]*", "#", line)
    return re.sub(r"(?:# ?,? ?)+#", "#", re.sub(r"\b[A-Z]\w*_#\w*", "@", line))[:110]


def digest(model: onnx.ModelProto) -> str:
    return hashlib.sha256(model.SerializeToString()).hexdigest()[:12]
