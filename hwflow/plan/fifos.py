"""How deep each fifo must be so that no rate is lost, and no deeper; when the first answer comes.

Stands on lower and events. A depth is tried in the event model, which moves as the hardware does; a shallower fifo
never makes a design faster, so one pass over the fifos leaves none that could lose a word; in designs so large that
WORK is spent before, some that hold a few more than they must.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf

from hwflow.errors import RecipeError
from hwflow.lower import cores
from hwflow.lower.folding import Folding, fold_units, keep_pace
from hwflow.lower.join import fifo_name, join
from hwflow.net import Net
from hwflow.ops import Port
from hwflow.plan.events import Course, Trace, simulate
from hwflow.plan.nearby import SOON, Nearby
from hwflow.units.kit.base import Dataflow, Unit

IMAGES = 3  # of one trial; the last two tell the steady pace
LEAST = 3  # words of the least fifo with a memory; one of 2 words is a cycle faster
FLOODED = 1000  # words
WORK = 700_000_000  # steps worked out after which fifos stay as deep as they are: enough, if not the least


def sized(net: Net, folding: Folding, slowest: float = inf) -> Dataflow:
    """The hardware of a folding with the least fifos that keep its pace: that of its slowest unit, where unbounded
    fifos reach it. Where these take more than `slowest` cycles an image they are left as they are: no other are faster."""
    units = keep_pace(fold_units(cores(net), folding), folding)
    depths, pace = least_depths(net.name, net.input, units, slowest)
    return replace(join(net.name, net.input, units, depths), pace=pace)


def paced(dataflow: Dataflow) -> Dataflow:
    """The same hardware with its pace; RecipeError when its fifos bring it to a halt."""
    trace = simulate(dataflow, IMAGES)
    if trace is None:
        raise RecipeError(f"{dataflow.name}: comes to a halt with these fifos; leave their depths to be found")
    return replace(dataflow, pace=trace.interval)


def first_image(dataflow: Dataflow) -> int:
    """Cycles from the first word of the first image to the last word of its answer."""
    return _course(dataflow, 1).latency


def _course(dataflow: Dataflow, images: int) -> Trace:
    trace = simulate(dataflow, images)
    assert trace, f"{dataflow.name} comes to a halt"
    return trace


def ample_depths(units: tuple[Unit, ...]) -> dict[str, int]:
    """A fifo in front of every input, by name, that holds two images and so never stops anything."""
    return {fifo_name(u, k): 2 * s.words + 2 for u in units for k, s in enumerate(u.ins)}


def least_depths(name: str, source: Port, units: tuple[Unit, ...], slowest: float = inf) -> tuple[dict[str, int], int]:
    """The depth of each fifo that is needed, by name, and the cycles an image that they keep: mostly those of the slowest
    unit, more where units hold each other up; unbounded where these are more than `slowest`."""
    streams = {fifo_name(u, k): s for u in units for k, s in enumerate(u.ins)}
    ample = ample_depths(units)
    course = Course(join(name, source, units, ample))
    first = course.run(IMAGES)
    assert first, f"{name} comes to a halt with unbounded fifos"
    if first.interval > slowest:
        return ample, first.interval
    depths = {p: min(ample[p], _above(held)) for p, held in first.held.items()}
    trial = _Trial(course, first.interval, depths, {p: (s.words, s.bits) for p, s in streams.items()})
    if not trial.keeps(trial.depths):
        trial.depths = dict(ample)
    meet = {fifo_name(u, k) for u in units for k in range(len(u.ins)) if len(u.ins) > 1}
    order = sorted(ample, key=lambda p: (p in meet, -streams[p].bits * trial.depths[p]))
    # what hardly holds a word can mostly go; what the source floods, unless it balances paths that meet, too
    trial.remove([p for p in order if trial.depths[p] <= LEAST])
    trial.remove([p for p in order if p in trial.depths and trial.depths[p] > FLOODED and p not in meet])
    # a fifo gone makes a path shorter, so another may have become too deep
    while (loose := [p for p in order if p in trial.depths and p not in trial.least]) and trial.nearby.work < WORK:
        for place in loose:
            if trial.nearby.work < WORK:
                trial.shrink(place, balances=place in meet)
    trial.spare()
    return trial.depths, trial.pace


def _above(held: int) -> int:
    """A depth that never stops what holds `held` words at most: a word may come in the cycle in which one goes."""
    return max(held + 1, LEAST)


class _Trial:
    """One design asked how it moves under several sets of fifos; `depths` is the best found that keeps its pace."""

    def __init__(self, course: Course, pace: int, depths: dict[str, int], kind: Mapping[str, tuple[int, int]]):
        self.course, self.pace, self.depths = course, pace, depths
        self.nearby = Nearby(course, IMAGES, pace)
        self.kind = kind  # words and bits of each place: alike places mostly need alike
        self.least: set[str] = set()  # fifos seen to need their last word beside what `depths` has or more
        self.known: dict[tuple[int, int], int] = {}  # depths found, by kind
        self.close: set[str] = set()  # fifos whose last word few cycles spoke for, seen nearby over few images
        self.low: dict[str, int] = {}  # the least that each could need, of those known to need more than alike ones

    def loses(self, depths: Mapping[str, int]) -> int | None:
        """Cycles an image by which the design with these fifos is slower than its pace; None for a halt. Where it is
        not, they are `depths` from now on, less what no word ever stood in."""
        change = self.nearby.change(depths)
        if change.loss == 0:
            new = {p: min(d, _above(change.held.get(p, d))) if d > LEAST else d for p, d in depths.items()}
            if {p: d == 2 for p, d in new.items()} != {p: d == 2 for p, d in self.depths.items()}:
                self.least.clear()
                self.low.clear()  # paths are shorter now; less room alone would only make them slower
            self.depths = new
        return change.loss

    def keeps(self, depths: Mapping[str, int]) -> bool:
        """True when the design with these fifos gives an answer every `pace` cycles."""
        return self.loses(depths) == 0

    def remove(self, places: list[str]) -> None:
        """Take fifos out that the pace does not need, many at a time."""
        todo = [places]
        while todo:
            some = todo.pop()
            if some and not self.keeps({k: v for k, v in self.depths.items() if k not in some}) and len(some) > 1:
                half = len(some) // 2
                todo += [some[half:], some[:half]]

    def shrink(self, place: str, balances: bool = False) -> None:
        """Bring one fifo down to the least depth that keeps the pace, or to none; alike ones with it, if they may.

        What an alike one needed is tried first. Else the rates lost at two depths tell where none would be; where they
        do not, ever more words are taken away, or the middle is taken where that has led to a loss. Of what `balances`
        paths that meet, which holds about what it must, words are taken away at first.
        """
        kind = self.kind[place]
        least = self.low.get(place, 2)  # the least is within least .. its depth
        lost: list[tuple[int, int]] = []  # cycles an image, by depths that are too shallow
        step = 1  # words less than what keeps the pace that are tried next; 0: the middle
        guess = self.depths[place] - step if balances else 2
        if place not in self.low:
            guess = self.known.get(kind, guess)
        while least < (deep := self.depths[place]):
            depth = min(max(guess, least), deep - 1)
            loss = self.loses({**self.depths, place: depth})
            if loss == 0:
                deep = self.depths[place]
                guess = deep - step if step else (least + deep) // 2
                step = 3 * step
            else:
                least = depth + 1
                self.close |= {place} if loss and loss <= SOON else set()
                lost += [(depth, loss)] if loss else []
                guess, told = _enough(lost[-2:], least, deep)
                if not told and not balances and len(lost) == 2:
                    guess, told = deep - 1, True
                step = int(told)
        self.known[kind] = depth = self.depths[place]
        self.least.add(place)
        alike = {p: depth for p, d in self.depths.items() if self.kind[p] == kind and d > depth}
        if alike and not self.keeps({**self.depths, **alike}) and len(alike) == 1:
            self.low[next(iter(alike))] = depth + 1
        if depth == 2:
            self.remove([place])

    def spare(self) -> None:
        """Take words out of fifos that are close to it, where the answers come no later over many images."""
        for place in sorted(self.close & set(self.depths)):
            while (depth := self.depths[place]) > LEAST and self.nearby.steady(
                less := {**self.depths, place: depth - 1}
            ):
                self.depths = less


def _enough(lost: list[tuple[int, int]], least: int, deep: int) -> tuple[int, bool]:
    """The depth at which nothing is lost, of two at which something is, and True; where they do not say, the middle of
    what is left, and False."""
    if len(lost) == 1 and lost[0][0] + 2 < deep:
        return lost[0][0] + 2, False
    if len(lost) == 2:
        (before, more), (at, less) = sorted(lost)
        depth = at - (-less * (at - before) // (more - less)) if more > less else deep
        if depth < deep:
            return depth, True
    return (least + deep) // 2, False
