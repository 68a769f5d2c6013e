"""Real scores and integers against the exported float32 arithmetic, bit for bit: what differs, and what is only rounded.

Stands on qonnx and net. A difference is a difference unless every node behind it is shown, given its own inputs, to do
what the graph does to the last bit, or to differ by no more than float32 sums in another order may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hwflow.answers import Answer
from hwflow.bits import Array
from hwflow.net import Net
from hwflow.qonnx import Rounding, rounding
from hwflow.real import INPUT, Graph

MOST_HELD = 1 << 24  # float32 values of all tensors of the images that are looked at together
MOST_TOGETHER = 256  # images whose nodes are compared together

Nodes = Callable[[Array, Array], Sequence[Rounding]]  # of images and their answers


@dataclass(frozen=True, eq=False)
class Real:
    """A float32 engine's answers beside the exported arithmetic: `wrong` (n, outputs) where nothing explains the difference.

    `rounded` counts the other elements whose bits differ; `note` says in words what explains them.
    """

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


def of_reference(explained: Callable[[Array], Sequence[Rounding]]) -> Nodes:
    """The nodes of an engine that every tensor of is known: `explained(images)`."""
    return lambda x, _: explained(x)


def of_answers(graph: Graph) -> Nodes:
    """The nodes of an engine that only the answers of are known: what is inside must be certain in any order of sums."""
    sizes = [int(np.prod(graph.shapes[end])) for end in graph.ends]

    def nodes(x: Array, y: Array) -> Sequence[Rounding]:
        own = np.split(y.reshape(len(y), -1), np.cumsum(sizes)[:-1], 1)
        ends = {end: part.reshape(len(y), *graph.shapes[end]) for end, part in zip(graph.ends, own, strict=True)}
        return rounding(graph, {INPUT: graph.takes.real(x), **ends})

    return nodes


def judged(graph: Graph, x: Array, y: Array, want: Array, nodes: Nodes) -> Real:
    """An engine's answers `y` on hardware integers `x` beside `want`, image by image where they differ."""
    off = y != want
    wrong, found = np.zeros(off.shape, bool), _Sum()
    size = _together(graph)
    odd = np.flatnonzero(off.any(1))
    for at in range(0, len(odd), size):
        part = odd[at : at + size]
        if found.takes(nodes(x[part], y[part])):
            continue
        for image in part:  # one that nothing explains must not hide the others, nor they it
            one = slice(image, image + 1)
            if len(part) == 1 or not found.takes(nodes(x[one], y[one])):
                wrong[one] = off[one]
    images = int((off & ~wrong).any(1).sum())
    return Real(wrong, int((off & ~wrong).sum()), found.text(images))


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
