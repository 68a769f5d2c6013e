"""What the integers that the hardware sends mean: labels, and real scores by the trained network's own arithmetic.

Stands on numpy alone, so that a copy of this one file serves beside the driver on a host without hwflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray
NOWHERE = np.empty(0, np.int64)
HEADS = ("", "softmax", "log_softmax", "sigmoid", "tanh", "top_k")


def _keep(values: object, dtype: type) -> Array:
    out: Array = np.array(values, dtype, ndmin=1)
    out.setflags(write=False)
    return out


@dataclass(frozen=True, eq=False)
class Finish:
    """One float32 operation with a constant on the way from output integers to real scores."""

    op: str  # one of FINISHES
    value: Array  # float32, (1,) or (outputs,)

    def __post_init__(self) -> None:
        assert self.op in FINISHES, self.op
        object.__setattr__(self, "value", _keep(self.value, np.float32))

    def run(self, x: Array) -> Array:
        return FINISHES[self.op](x, self.value)


FINISHES: dict[str, Callable[..., Array]] = {
    "mul": np.multiply, "div": np.divide, "add": np.add, "sub": np.subtract, "max": np.maximum, "min": np.minimum,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Unit:
    """How the sums of a last layer came into one common unit: answer = clip(mul * sum + add, lo, hi), (outputs,) each.

    `fold` proves of every Unit that answers sort as the real scores do, equal ones included.
    """

    mul: Array
    add: Array
    lo: int
    hi: int

    def __post_init__(self) -> None:
        for name in ("mul", "add"):
            object.__setattr__(self, name, _keep(getattr(self, name), np.int64))

    def answers(self, sums: Array) -> Array:
        """Answers (n, outputs) of sums."""
        return np.clip(self.mul * sums + self.add, self.lo, self.hi)

    def sums(self, answers: Array) -> Array:
        """Sums of answers: exactly those of `answers`, or, where it clips, one beyond the clip of the same score.

        A channel of factor 0 has one score whatever its sum, so its sum is 0.
        """
        y = np.asarray(answers, np.int64)
        by = np.maximum(np.abs(self.mul), 1)
        below, above = (y - self.add) // by, -(-(y - self.add) // by)
        return np.sign(self.mul) * np.where(y == self.hi, above, below)


@dataclass(frozen=True, eq=False)
class Answer:
    """What the integers (n, outputs) of a network mean.

    `unit` and `finish` lead from an answer to the real scores, bit for bit; `head` is what the trained network does
    last (over the `channels` of each pixel) and the hardware leaves to the host. `ordered` says that the integers
    sort as the real scores do, equal ones included. `labels` says that the hardware sends labels instead, and `hidden`
    that the trained network gives scores, which those labels hide.
    `shape` is the trained network's own answer for one image, and `places` where its flattened answer has each output.
    """

    finish: tuple[Finish, ...] = ()
    unit: Unit | None = None
    head: str = ""
    k: int = 0
    channels: int = 0
    ordered: bool = True
    labels: bool = False
    hidden: bool = False
    shape: tuple[int, ...] = ()
    places: Array = field(default_factory=lambda: NOWHERE)

    def __post_init__(self) -> None:
        assert self.head in HEADS, self.head
        object.__setattr__(self, "places", _keep(self.places, np.int64))

    def scores(self, answers: Array) -> Array:
        """Real scores (n, outputs) float32 in front of the head, by the trained network's own arithmetic."""
        y = np.asarray(answers)
        y = (y if self.unit is None else self.unit.sums(y)).astype(np.float32)
        for step in self.finish:
            y = step.run(y)
        return y

    def possible(self, answers: Array) -> Array:
        """Where (n, outputs) an answer is one that `unit` can give; everywhere without one."""
        y = np.asarray(answers)
        return np.ones(y.shape, bool) if self.unit is None else self.unit.answers(self.unit.sums(y)) == y

    @property
    def decides(self) -> bool:
        """True where the one score of an image is a probability, whose label is whether it reaches one half."""
        return self.head == "sigmoid"

    def label(self, answers: Array) -> Array:
        """Labels of answers (n, outputs): the class of the largest score, the first of equal ones.

        (n,), or (n, pixels) where each pixel has its scores. With a single sigmoid a label is 1 from one half on.
        """
        y = np.asarray(answers)
        if self.labels or self.head == "top_k":
            y = y if self.labels else self.top(y)
            y = y[:, :: max(self.k, 1)]
            return y[:, 0] if y.shape[1] == 1 else y
        channels = self.channels or y.shape[1]
        if self.decides and channels == 1:
            out = (headed("sigmoid", self.scores(y), 1) >= np.float32(0.5)).astype(np.int64)
        else:
            out = (y if self.ordered else self.scores(y)).reshape(len(y), -1, channels).argmax(2)
        return out[:, 0] if out.shape[1] == 1 else out

    def top(self, answers: Array) -> Array:
        """The k classes of largest score (n, k) of an image, or (n, pixels * k) of its pixels; of equal ones the first."""
        scores = self.scores(answers)
        scores = scores.reshape(len(scores), -1, self.channels or scores.shape[1])
        return np.argsort(-scores, axis=2, kind="stable")[..., : self.k].reshape(len(scores), -1)

    def real(self, answers: Array) -> Array:
        """The trained network's own answer (n, *shape): float32, or int64 where it gives classes itself."""
        y = np.asarray(answers)
        if self.head == "top_k":
            y = self.top(y)
        elif self.hidden:
            raise ValueError(
                "the hardware sends labels, which scores cannot be told from; compile with --answer scores"
            )
        elif not self.labels:
            y = headed(self.head, self.scores(y), self.channels or y.shape[1])
        if len(self.places):
            own = np.empty_like(y)
            own[:, self.places] = y
            y = own
        return y.reshape(len(y), *self.shape) if self.shape else y

    def labelled(self) -> Answer:
        """The same meaning where the hardware decides and sends labels."""
        return Answer(labels=True, hidden=True)

    def plain(self) -> dict[str, Any]:
        """The meaning as JSON data, which `Answer.of` reads."""
        return {
            "labels": self.labels, "hidden": self.hidden, "ordered": self.ordered, "head": self.head, "k": self.k, "channels": self.channels,
            "shape": list(self.shape), "places": self.places.tolist(),
            "finish": [{"op": s.op, "value": s.value.tolist()} for s in self.finish],
            "unit": None if self.unit is None else {
                "mul": self.unit.mul.tolist(), "add": self.unit.add.tolist(), "lo": self.unit.lo, "hi": self.unit.hi,
            },
        }  # fmt: skip

    @staticmethod
    def of(data: Mapping[str, Any]) -> Answer:
        """The meaning that `plain` wrote."""
        finish = tuple(Finish(s["op"], np.asarray(s["value"], np.float32)) for s in data["finish"])
        unit = None if data["unit"] is None else Unit(**data["unit"])
        return Answer(**{**data, "shape": tuple(data["shape"]), "finish": finish, "unit": unit})


@dataclass(frozen=True, eq=False)
class Output:
    """One of several answers of a network: its name in the file, its `size` integers in a row of them, what they mean."""

    name: str
    size: int
    answer: Answer


@dataclass(frozen=True, eq=False)
class Answers:
    """What the integers (n, sum of sizes) of a network with several outputs mean: those of one output after the other.

    What one `Answer` gives for an output, this gives for all of them by name.
    """

    outputs: tuple[Output, ...]

    def split(self, answers: Array) -> dict[str, Array]:
        """The integers (n, size), or anything else that has one for each, of every output by name."""
        y, at, out = np.asarray(answers), 0, {}
        for part in self.outputs:
            out[part.name] = y[:, at : at + part.size]
            at += part.size
        return out

    def scores(self, answers: Array) -> Array:
        """Real scores (n, sum of sizes) float32 in front of every head."""
        mine = self.split(answers)
        return np.concatenate([part.answer.scores(mine[part.name]) for part in self.outputs], 1)

    def label(self, answers: Array) -> dict[str, Array]:
        """Labels of every output by name; see `Answer.label`."""
        mine = self.split(answers)
        return {part.name: part.answer.label(mine[part.name]) for part in self.outputs}

    def real(self, answers: Array) -> dict[str, Array]:
        """The trained network's own answers by name, each in its own shape; see `Answer.real`."""
        mine = self.split(answers)
        return {part.name: part.answer.real(mine[part.name]) for part in self.outputs}

    def plain(self) -> dict[str, Any]:
        """The meaning as JSON data, which `meaning` reads."""
        return {"outputs": [{"name": p.name, "size": p.size, "answer": p.answer.plain()} for p in self.outputs]}


def meaning(data: Mapping[str, Any]) -> Answer | Answers:
    """What `plain` wrote, of one output or of several."""
    if "outputs" not in data:
        return Answer.of(data)
    return Answers(tuple(Output(p["name"], p["size"], Answer.of(p["answer"])) for p in data["outputs"]))


def parts(answers: Any) -> dict[str, Array]:
    """What an output or several gave, by name; a single one has the name ""."""
    return answers if isinstance(answers, dict) else {"": answers}


def headed(head: str, scores: Array, channels: int) -> Array:
    """Float32 scores (n, pixels * channels) behind a head; computed in float64, rounded once."""
    x = scores.astype(np.float64).reshape(len(scores), -1, channels)
    match head:
        case "" | "top_k":
            return scores
        case "softmax":
            y = np.exp(x - x.max(2, keepdims=True))
            y = y / y.sum(2, keepdims=True)
        case "log_softmax":
            y = x - x.max(2, keepdims=True)
            y = y - np.log(np.exp(y).sum(2, keepdims=True))
        case "sigmoid":
            e = np.exp(-np.abs(x))
            y = np.where(x >= 0, 1, e) / (1 + e)
        case "tanh":
            y = np.tanh(x)
        case _:
            raise AssertionError(head)
    return y.astype(np.float32).reshape(scores.shape)
