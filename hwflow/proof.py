"""Real scores and integers against the exported float32 arithmetic, bit for bit: what differs, and what is only rounded.

Stands on qonnx and net. A difference is a difference unless a chain leads from the image to the very answer: every node,
given the tensors of the same execution, does what the graph does to the last bit, or differs by no more than float32 sums
in another order may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwflow.answers import Answer
from hwflow.bits import Array
from hwflow.net import Net
from hwflow.qonnx import Execution, Rounding, executions, rounding
from hwflow.real import INPUT, Graph

MOST_HELD = 1 << 24  # float32 values of all tensors of the images that are looked at together
MOST_TOGETHER = 256  # images whose nodes are compared together


@dataclass(frozen=True, eq=False)
class Real:
    """A float32 engine's `answers` beside the exported arithmetic: `wrong` (n, outputs) where no chain explains them.

    `rounded` counts the other elements whose bits differ; `note` says in words what explains them.
    """

    answers: Array
    wrong: Array
    rounded: int
    note: str


def exported(graph: Graph, x: Array) -> Array:
    """The exported arithmetic's own answers (n, outputs) float32 of hardware integers: integer sums, then each step in order."""
    size = _together(graph)
    parts = [graph.run(graph.takes.real(x[at : at + size])) for at in range(0, len(x), size)]
    return np.concatenate(parts) if parts else np.empty((0, int(np.prod(graph.shapes[graph.output]))), np.float32)


def differing(net: Net, graph: Graph, want: Array, answers: Array) -> Array:
    """Where (n, outputs) integer answers are not what the exported arithmetic `want` says."""
    if isinstance(net.answer, Answer) and isinstance(graph.answer, Answer):
        return _wrong(net.answer, graph.answer, want, answers)
    if isinstance(net.answer, Answer) or isinstance(graph.answer, Answer):
        return np.ones(answers.shape, bool)
    if [part.name for part in net.answer.outputs] != [part.name for part in graph.answer.outputs]:
        return np.ones(answers.shape, bool)
    mine, own, wrong = net.answer.split(answers), graph.answer.split(want), []
    for part, file in zip(net.answer.outputs, graph.answer.outputs, strict=True):
        wrong.append(_wrong(part.answer, file.answer, own[part.name], mine[part.name]))
    return np.concatenate(wrong, 1)


def _wrong(answer: Answer, file: Answer, want: Array, answers: Array) -> Array:
    """`differing` for one output, of which the network and the file say what it means."""
    if answer.hidden:
        said = Answer(head=file.head, channels=file.channels, ordered=False).label(want)
        return said.reshape(len(said), -1) != answers
    if not same_form(answer, file):
        return np.ones(want.shape, bool)
    if answer.head == "top_k":
        return answer.top(answers) != want
    if answer.labels:
        return want != answers
    wrong = (answer.scores(answers) != want) | ~answer.possible(answers)
    return wrong | misordered(answers, want) if answer.ordered else wrong


def same_form(mine: Answer, file: Answer) -> bool:
    """True where an answer is given as the file gives its own: the same head, shape and order."""
    head, channels = ("", 0) if mine.head == "top_k" else (mine.head, mine.channels)
    return (head, channels, mine.shape) == (file.head, file.channels, file.shape) and np.array_equal(
        mine.places, file.places
    )


def misordered(answers: Array, scores: Array) -> Array:
    """Where (n, outputs) integers do not sort among all others as their scores do, equal ones included."""
    by = np.argsort(scores, axis=None, kind="stable")
    rises, steps = np.diff(scores.ravel()[by]) > 0, np.diff(answers.ravel()[by])
    wrong = np.zeros(scores.size, bool)
    wrong[by[1:]] = (rises != (steps > 0)) | (steps < 0)
    return wrong.reshape(scores.shape)


def of_file(path: Path | str, graph: Graph, x: Array, input: str | None = None) -> Iterator[Execution]:
    """The file's own execution, every tensor of it known."""
    return executions(path, x, input, _together(graph))


def judged(graph: Graph, x: Array, want: Array, parts: Iterable[Execution]) -> Real:
    """An engine's answers on hardware integers `x`, part by part, beside `want`, image by image where they differ."""
    answers, wrong, found, at = [], [], _Sum(), 0
    for part in parts:
        mine = slice(at, at + len(part.answers))
        answers.append(part.answers)
        wrong.append(_find_unexplained(graph, x[mine], want[mine], part, found))
        at = mine.stop
    assert at == len(x), f"answers of {at} images, must be {len(x)}"
    y, bad = np.concatenate(answers), np.concatenate(wrong)
    off = (y != want) & ~bad
    return Real(y, bad, int(off.sum()), found.text(int(off.any(1).sum())))


def _find_unexplained(graph: Graph, x: Array, want: Array, part: Execution, found: _Sum) -> Array:
    """Where (n, outputs) the answers of a part differ from `want` and no chain leads to them."""
    off, size = part.answers != want, _together(graph)
    wrong, odd = np.zeros(off.shape, bool), np.flatnonzero(off.any(1))
    for at in range(0, len(odd), size):
        some = odd[at : at + size]
        if found.takes(_chain(graph, x, part, some)):
            continue
        for one in some[:, None]:  # an image that nothing explains must not hide the others, nor they it
            if len(some) == 1 or not found.takes(_chain(graph, x, part, one)):
                wrong[one] = off[one]
    return wrong


def _chain(graph: Graph, x: Array, part: Execution, images: Array) -> Sequence[Rounding]:
    """Every node from some images of a part to the answers given for them.

    The first node is given the images themselves, and what the last must make is the answers themselves, so that nodes
    which agree explain these answers and no others. Any tensors between the two that hold are a proof.
    """
    sizes = [int(np.prod(graph.shapes[end])) for end in graph.ends]
    ends: dict[str, Array] = {}
    for end, y in zip(graph.ends, np.split(part.answers[images], np.cumsum(sizes)[:-1], 1), strict=True):
        y = y.reshape(len(images), *graph.shapes[end])
        if end in ends and (ends[end] != y).any():  # two outputs of one node
            return [Rounding(end, y.size, y.size, np.inf)]
        ends[end] = y
    known = {name: tensor[images] for name, tensor in part.tensors.items()}
    nodes = rounding(graph, {**known, INPUT: graph.takes.real(x[images]), **ends})
    assert {node.name for node in nodes} >= set(graph.ends), "an answer that nothing is compared with"
    return nodes


def _together(graph: Graph) -> int:
    values = sum(int(np.prod(shape)) for shape in graph.shapes.values())
    return int(min(MOST_TOGETHER, max(1, MOST_HELD // max(values, 1))))


class _Sum:
    """What the nodes of explained images come to."""

    def __init__(self) -> None:
        self.ties = self.values = self.rounded = 0
        self.worst = 0.0

    def takes(self, nodes: Sequence[Rounding]) -> bool:
        """Count the nodes in if they explain what differs."""
        if not all(node.explained for node in nodes):
            return False
        self.ties += sum(node.ties for node in nodes)
        self.values += sum(node.values for node in nodes)
        self.rounded += sum(node.differing for node in nodes)
        self.worst = max([self.worst, *(node.worst for node in nodes)])
        return True

    def text(self, images: int) -> str:
        if not images:
            return ""
        return (
            f"float32 sums in another order round {self.rounded} and decide {self.ties} of {self.values} values on {images} "
            f"images; each lies within {self.worst:.2g} of the rounding error of its sum"
        )
