"""Sums of a last layer in one common unit: integers whose order is that of the trained network's float32 scores.

Stands on answers and levels. The proof is the order itself: every value that every sum can take is evaluated in float32,
sorted, and the integers must rise exactly where the scores rise and stay equal exactly where the scores are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hwflow import ops
from hwflow.answers import Answer, Answers, Finish, Output, Unit
from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.fold import levels
from hwflow.net import Net
from hwflow.passes import needed

MOST_VALUES = 1 << 23  # scores that a proof evaluates, all classes together
MOST_ANSWER = 1 << 31
FINEST = 24  # bits of a unit's fraction that are tried
SMALL = 64  # multiples of the smallest scale that are tried one by one
SAMPLE = 4096


@dataclass(frozen=True, eq=False)
class Order:
    """How the scores of all classes sort: sums and classes by rising score, and where the score rises."""

    sums: Array
    classes: Array
    rises: Array  # bool, between neighbours
    low: int  # how many share the least score
    high: int  # how many share the largest
    score: Callable[[Array, Array], Array]  # of sums and their classes, as float32 makes it

    @cached_property
    def some(self) -> Array:
        """A few places where the score rises, to drop most candidates without looking at all."""
        rises = np.flatnonzero(self.rises)
        return rises[np.unique(np.linspace(0, len(rises) - 1, SAMPLE).astype(int))] if len(rises) else rises

    def kept_by(self, mul: Array, add: Array) -> tuple[int, int] | None:
        """The clip lo, hi with which clip(mul * sum + add) sorts exactly like the scores; None where none does."""
        before, after = (
            mul[self.classes[at]] * self.sums[at] + add[self.classes[at]] for at in (self.some, self.some + 1)
        )
        if (after <= before).any():
            return None
        y = mul[self.classes] * self.sums + add[self.classes]
        lo, hi = int(y[: self.low].max()), int(y[len(y) - self.high :].min())
        if lo > hi or max(-lo, hi) >= MOST_ANSWER:
            return None
        steps = np.diff(np.clip(y, lo, hi))
        sorts = bool(((steps > 0) == self.rises).all() and (steps >= 0).all())
        return (lo, hi) if sorts and self._comes_back(mul, add, lo, hi, y) else None

    def _comes_back(self, mul: Array, add: Array, lo: int, hi: int, y: Array) -> bool:
        """True where an answer that a clip has changed still leads to its score: a class may have no sum at the clip."""
        changed = (y < lo) | (y > hi)
        classes, sums = self.classes[changed], self.sums[changed]
        back = Unit(mul[classes], add[classes], lo, hi).sums(np.clip(y[changed], lo, hi))
        return np.array_equal(self.score(back, classes), self.score(sums, classes))


def order_of(lo: Array, hi: Array, finish: Sequence[Finish]) -> Order | None:
    """The order of the scores of sums lo .. hi of each class; None where they are too many to look at, or not numbers."""
    lengths = (hi - lo + 1).astype(np.int64)
    if int(lengths.sum()) > MOST_VALUES:
        return None
    classes = np.repeat(np.arange(len(lo)), lengths)
    sums = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths) + lo[classes]

    def score(sums: Array, classes: Array) -> Array:
        scores = sums.astype(np.float32)
        for step in finish:
            value = step.value if len(step.value) == 1 else step.value[classes]
            scores = Finish(step.op, value).run(scores)
        return scores

    scores = score(sums, classes)
    if not np.isfinite(scores).all():
        return None
    by = np.argsort(scores, kind="stable")
    scores = scores[by]
    return Order(
        sums[by], classes[by], np.diff(scores) > 0, int((scores == scores[0]).sum()), int((scores == scores[-1]).sum()),
        score,
    )  # fmt: skip


def common_unit(lo: Array, hi: Array, finish: Sequence[Finish]) -> tuple[Unit | None, bool]:
    """The unit in which sums lo .. hi of each class sort like their scores, and whether there is one.

    None with True: the sums do as they are.
    """
    lo, hi = (np.asarray(end, np.int64) for end in (lo, hi))
    if not finish:
        return None, True
    shared = all(len(step.value) == 1 for step in finish)
    if shared:  # every class alike: one of the whole range stands for all
        lo, hi = lo.min(keepdims=True), hi.max(keepdims=True)
    order = order_of(lo, hi, finish)
    if order is None:
        return None, False
    scale, start = _line(finish, len(lo))
    for mul, add in _candidates(scale, start, lo, hi):
        ends = order.kept_by(mul, add)
        if ends is not None:
            reach = _reach(mul, add, lo, hi)
            if (mul == 1).all() and (add == 0).all() and ends == reach:
                return None, True
            return Unit(mul, add, *ends), True
    return None, False


def _line(finish: Sequence[Finish], classes: int) -> tuple[Array, Array]:
    """Scale and start of the scores as a line over the sums, in float64, clips left aside: what to try, proving nothing."""
    scale, start = np.ones(classes), np.zeros(classes)
    for step in finish:
        value = step.value.astype(np.float64)
        match step.op:
            case "mul":
                scale, start = scale * value, start * value
            case "div":
                scale, start = scale / value, start / value
            case "add":
                start = start + value
            case "sub":
                start = start - value
            case "max" | "min":
                continue
            case _:
                raise AssertionError(step.op)
    return scale, start


def _candidates(scale: Array, start: Array, lo: Array, hi: Array) -> Iterator[tuple[Array, Array]]:
    """Factors and addends of each class, from the coarsest unit to the finest; powers of two before their neighbours."""
    moving = np.abs(scale[scale != 0])
    if not len(moving) or not np.isfinite([*moving, *start]).all():
        return
    least = float(moving.min())
    yield np.rint(scale / least).clip(1 - MOST_ANSWER, MOST_ANSWER - 1).astype(np.int64), np.zeros(len(scale), np.int64)
    twos = [1 << t for t in range(FINEST + 1)]
    few = [d for d in range(3, SMALL) if d & (d - 1)]
    for parts in (*(d for d in twos if d <= SMALL), *few, *(d for d in twos if d > SMALL)):
        unit = least / parts
        mul, add = np.rint(scale / unit), np.rint(start / unit)
        reach = np.maximum(np.abs(mul * lo + add), np.abs(mul * hi + add))
        if max(reach.max(), np.abs(add).max(), np.abs(mul).max()) < MOST_ANSWER:
            yield mul.astype(np.int64), add.astype(np.int64)


def _reach(mul: Array, add: Array, lo: Array, hi: Array) -> tuple[int, int]:
    ends = np.stack([mul * lo + add, mul * hi + add])
    return int(ends.min()), int(ends.max())


def in_one_unit(net: Net) -> Net:
    """The network with the answers of its last sums in one common unit, where there is one; else as it is, said so.

    For networks of older files, which have one output.
    """
    own = net.only
    if net.gives_labels or own.unit is not None:
        return net
    channels, last = net.output.channels, net.ops[-1]
    lo, hi = ends_of(net)
    finish = tuple(Finish(s.op, s.value if len(s.value) == 1 else s.value[:channels]) for s in net.finish)
    if any(len(s.value) > 1 and (s.value.reshape(-1, channels) != s.value[:channels]).any() for s in net.finish):
        return replace(net, answer=replace(own, ordered=False))
    unit, ordered = common_unit(lo, hi, finish)
    answer = replace(own, ordered=ordered)
    if unit is None:
        return replace(net, answer=answer)
    return replace(
        net,
        ops=(*net.ops, rescaled(unit, unused(net), last.name, channels)),
        answer=replace(answer, unit=tiled(unit, net.output.size // channels, channels)),
    )


def raw(net: Net) -> Net:
    """The network whose answers are the sums of its last layer, for neighbours that have no such rescale."""
    own = net.only
    if own.unit is None or net.gives_labels or len(net.ops) < 2:
        return net
    return replace(net, ops=net.ops[:-1], answer=replace(own, unit=None, ordered=False))


def ends_of(net: Net) -> tuple[Array, Array]:
    """The least and the largest integer of each class of the answer."""
    last, port = net.ops[-1], net.output
    if isinstance(last, ops.Dense):
        return ops.row_ranges(last.weights, net.ports[last.inputs[0]].ints)
    return np.full(port.channels, port.ints.lo), np.full(port.channels, port.ints.hi)


def rescaled(unit: Unit, name: str, source: str, channels: int) -> ops.Rescale:
    """The operation that brings sums into their unit."""
    mul, add = (np.broadcast_to(v, channels) for v in (unit.mul, unit.add))
    return ops.Rescale(name=name, inputs=(source,), mul=mul, add=add, shift=0, lo=unit.lo, hi=unit.hi)


def tiled(unit: Unit, pixels: int, channels: int) -> Unit:
    """The unit of every output of an image of `pixels`, channel fastest."""
    mul, add = (v if len(v) == 1 else np.tile(np.broadcast_to(v, channels), pixels) for v in (unit.mul, unit.add))
    return Unit(mul, add, unit.lo, unit.hi)


def unused(net: Net, name: str = "scores") -> str:
    """A name that no operation has."""
    k, base = 2, name
    while name in net.nodes:
        name, k = f"{base}_{k}", k + 1
    return name


def labelled(net: Net) -> Net:
    """The network with its decisions on chip: labels instead of scores, of every output; RecipeError where they cannot be exact."""
    if not isinstance(net.answer, Answers):
        return _decide(net, net.answer)
    *before, join = net.ops
    made, sources, outputs = list(before), [], []
    for part, source in zip(net.answer.outputs, join.inputs, strict=True):
        alone = Net(net.name, net.input, needed(made, source), net.denominator, part.answer)
        own = _decide(alone, part.answer, part.name)
        known = {op.name for op in made}
        made += [op for op in own.ops if op.name not in known]
        if len(own.output.shape) > 1:
            made.append(ops.Flatten(name=unused(own, f"{own.ops[-1].name}_flat"), inputs=(own.ops[-1].name,)))
        sources.append(made[-1].name if own is not alone else source)
        outputs.append(Output(part.name, own.output.size, own.only))
    return replace(net, ops=(*made, replace(join, inputs=tuple(sources))), answer=Answers(tuple(outputs)))


def _decide(net: Net, answer: Answer, output: str = "") -> Net:
    """`labelled` for one output, which may be an image, flattened or not: each pixel is decided."""
    if answer.labels or net.gives_labels:
        return net
    where = f"{net.name}.{output}" if output else net.name
    channels = answer.channels or net.output.size
    if channels == 1 and not answer.decides:
        raise RecipeError(f"{where}: has a single score that no Sigmoid makes a decision of; use --answer scores")
    if channels > 1 and not answer.ordered:
        raise RecipeError(
            f"{where}: {UNORDERED}, so labels cannot be decided on chip; use --answer scores, "
            "or give the last layer one scale for all classes"
        )
    made, last = list(net.ops), net.ops[-1].name
    if net.output.channels != channels:  # a flattened image gets its pixels back
        shape = (net.output.size // channels, 1, channels)
        made.append(ops.Reshape(name=unused(net, f"{last}_image"), inputs=(last,), shape=shape))
        last = made[-1].name
    name = unused(net, f"label_{output}" if output else "label")
    k = answer.k if answer.head == "top_k" else 1
    if channels == 1:
        decision: ops.Op = _decision(net, answer, name, last)
    else:
        decision = ops.TopK(name=name, inputs=(last,), k=k)
    return replace(net, ops=(*made, decision), answer=answer.labelled())


def _one_pixel(net: Net, answer: Answer) -> Answer:
    """What an answer of one channel means for one pixel; RecipeError where pixels differ."""
    unit, finish = answer.unit, answer.finish
    tables = [*(step.value for step in finish), *((unit.mul, unit.add) if unit else ())]
    if any((table != table[0]).any() for table in tables):
        raise RecipeError(f"{net.name}: has a score with a scale of its own at each pixel; use --answer scores")
    one = None if unit is None else Unit(unit.mul[:1], unit.add[:1], unit.lo, unit.hi)
    return replace(answer, unit=one, finish=tuple(Finish(s.op, s.value[:1]) for s in finish))


UNORDERED = "no integer unit sorts its scores exactly as float32 does"


def _decision(net: Net, answer: Answer, name: str, last: str) -> ops.Threshold:
    """Whether the score of a single class reaches one half, as a threshold read off label by label."""
    lo, hi = (np.array([end]) for end in (net.output.ints.lo, net.output.ints.hi))
    one = _one_pixel(net, answer)
    found = levels.find(lambda k: one.label(k)[:, None], lo, hi)
    if not found.count:
        found = replace(found, places=np.array([[0 if found.base else int(hi[0] - lo[0]) + 1]]), base=0)
    return levels.threshold(found, name, last, False)


def note(net: Net) -> str:
    """What a user must know of the order of integer answers; empty where they sort as the scores do."""
    off = [part.name for part in net.outputs if not part.answer.ordered]
    of = f" of {', '.join(off)}" if any(off) else ""
    return f"{UNORDERED}{of}: compare net_scores or `finish`, not the integers" if off else ""
