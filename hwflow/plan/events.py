"""A whole dataflow as a timed event graph: when each word moves, what a design's pace and latency are.

Stands on units, whose rhythms it joins, and kernel, which evaluates them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.plan.kernel import OFF, ROWS, EventTable, evaluate, find_violated
from hwflow.plan.processes import tabulate
from hwflow.units.kit.base import SOURCE, Dataflow
from hwflow.units.kit.rhythm import Backpressure, EventGraph, Line, Numbers, Rhythm, Steps, arange

ROUNDS = 8  # evaluations after which every need is enforced


@dataclass(frozen=True)
class Trace:
    """What happens when images come as fast as they are taken and answers are taken at once."""

    latency: int  # cycles from the first word taken to the last word of the first answer, both counted
    interval: int  # cycles from one answer to the next, the mean of the later half rounded up
    ends: tuple[int, ...]  # the cycle of each answer's last word
    occupancy: dict[str, int]  # the most words each fifo holds


def interval(ends: Array) -> int:
    """Cycles from one image's end to the next, the mean of the later half rounded up; the first half fills the design."""
    images = len(ends)
    half = (images - 1) // 2
    return -(-int(ends[-1] - ends[half]) // (images - 1 - half)) if images > 1 else 0


def simulate(dataflow: Dataflow, images: int = 3) -> Trace | None:
    """How `images` images move through a dataflow; None when it deadlocks."""
    return EventModel(dataflow).run(images)


class EventModel:
    """A dataflow as an event graph, evaluated with its own fifos or with shallower ones or none in their places."""

    def __init__(self, dataflow: Dataflow):
        g = self._graph = EventGraph()
        n = dataflow.input.words
        start = g.process(n)  # each word is offered once the word before it was taken
        self._gives = {SOURCE: Steps(start, arange(n))}
        self._takes: dict[str, Steps] = {}
        rhythms: dict[str, Rhythm] = {}
        asked: dict[str, int] = {}  # by edge, the need of its reader for its words
        for unit in dataflow.units:
            r = rhythms[unit.name] = unit.rhythm(g)
            for edge, asks, take in zip(unit.inputs, r.asks or r.takes, r.takes, strict=True):
                give = self._gives[edge]
                asked[edge] = g.need(asks.process, asks.index, give.process, give.index, give.later)
                self._takes[edge] = take
            for k, give in enumerate(r.gives):
                self._gives[f"{unit.name}:{k}" if k else unit.name] = give
        self._last = last = dataflow.units[-1].name
        end, words = g.process(dataflow.output.words), arange(dataflow.output.words)
        asked[last] = g.need(end, words, self._gives[last].process, self._gives[last].index, self._gives[last].later)
        self._takes[last] = Steps(end, words)
        backpressure = [(SOURCE, Backpressure(start, arange(n), arange(n) - 1, 1))]
        backpressure += [
            (f"{u}:{k}" if k else u, b) for u, r in rhythms.items() for k, bs in enumerate(r.backpressure) for b in bs
        ]
        pressed: dict[str, list[int]] = {}  # by edge, the needs that are its backpressure
        behind = {u.inputs[0]: u.name for u in dataflow.fifos}
        without: dict[int, int] = {}  # by such a need, the alternative that holds where the edge has no fifo
        for edge, block in backpressure:
            number = g.need(block.process, block.index, *self._leaving(edge, block.word), block.later)
            pressed.setdefault(edge, []).append(number)
            if edge in behind:
                without[number] = g.alternative(
                    block.process, block.index, *self._leaving(behind[edge], block.word), block.later
                )
        self._table, row, others = tabulate(g)
        self.sizes = self._table.processes["n"][:-1].astype(np.int64)  # steps of each process in an image
        self.room = np.empty((ROWS, 0), np.int32)
        # Backpressure hardly ever holds a step back, so it is enforced only once a need is seen to be violated.
        owner = np.repeat(np.arange(len(self.sizes)), np.diff(self._table.processes["needs"]))
        self.enforced = (self._table.needs["source"] <= owner).astype(np.uint8)
        self.last_enforced = self.enforced  # of the latest run
        self._fifos = {}
        for fifo in dataflow.fifos:
            edge = fifo.inputs[0]
            self._fifos[fifo.name] = _Fifo(
                self._takes[edge].process,
                fifo.capacity,
                row[asked[edge]],
                row[asked[fifo.name]],
                row[pressed[fifo.name][0]],
                tuple((row[k], others[without[k]]) for k in pressed[edge]),
            )

    def _leaving(self, edge: str, word: Numbers) -> tuple[int, Numbers]:
        """The process and steps after which words of an edge are gone."""
        take = self._takes[edge]
        size = self._graph.sizes[take.process]
        if isinstance(take.index, Line) and (take.index.start, take.index.by, take.index.count) == (0, 1, size):
            return take.process, word
        image, k = np.divmod(np.asarray(word), len(take.index))
        return take.process, np.asarray(take.index)[k] + image * size

    def run(
        self,
        images: int,
        depths: Mapping[str, int] | None = None,
        listen: Collection[str] | None = None,
        enough: float = inf,
    ) -> Trace | None:
        """How `images` images move; None when the design deadlocks.

        `depths` gives the fifos that are there and how deep they are, none deeper than in the dataflow; the others
        are wires. `listen` names the fifos whose occupancy is counted, else all. The evaluation ends early once more than
        `enough` cycles an image are certain: the interval is a lower bound then.
        """
        table = self.table(depths) if depths is not None else self._table
        time, enforced = self._settle(table, images, enough)
        if time is None:
            return None
        self.last_enforced = enforced
        there = self._fifos if depths is None else depths
        occupancy = self.occupancy(time, images, there if listen is None else listen)
        done = self._ends(time, images)
        reader = next((n for n, s in self._fifos.items() if s.process == self._takes[SOURCE].process), SOURCE)
        begun = int(self._times(time, images, self._takes[reader if reader not in there else SOURCE])[0, 0])
        return Trace(int(done[0]) - begun + 1, interval(done), tuple(done.tolist()), occupancy)

    def _settle(self, table: EventTable, images: int, enough: float = inf) -> tuple[Array | None, Array]:
        """The cycle of each step, None where the design deadlocks, and the needs that were enforced."""
        steps = int(self.sizes.sum()) * images
        if self.room.shape[1] < steps:
            self.room = np.empty((ROWS, steps), np.int32)
        enforced = self.enforced.copy()
        time = evaluate(table, images, self.room, enforced)
        rounds = 0
        while (
            time is not None
            and interval(self._ends(time, images)) <= enough
            and find_violated(table, images, time, enforced)
        ):
            rounds += 1
            if rounds == ROUNDS:
                enforced[:] = 1
            time = evaluate(table, images, self.room, enforced)
        return time, enforced

    def moves(self, images: int) -> dict[str, tuple[Array, Array]] | None:
        """By edge, the cycles (images, words) at which each word is offered and at which it is taken; None for a deadlock."""
        time, _ = self._settle(self._table, images)
        if time is None:
            return None
        first = int(self._times(time, images, self._takes[SOURCE])[0, 0])
        out = {}
        for edge, take in self._takes.items():
            give = self._gives[edge]
            offered = self._times(time, images, Steps(give.process, give.index)).astype(np.int64) + give.later
            out[edge] = (offered - first, self._times(time, images, take).astype(np.int64) - first)
        return out

    def _ends(self, time: Array, images: int) -> Array:
        """The cycle of each answer's last word."""
        return self._times(time, images, self._takes[self._last])[:, -1].astype(int)

    def _times(self, time: Array, images: int, steps: Steps) -> Array:
        """The cycle of each step, (images, words)."""
        first = int(self.sizes[: steps.process].sum()) * images
        every = time[first : first + int(self.sizes[steps.process]) * images].reshape(images, -1)
        i = steps.index
        return every[:, i.start : i.start + i.by * i.count : i.by] if isinstance(i, Line) and i.by else every[:, i]

    def occupancy(self, time: Array, images: int, fifos: Collection[str]) -> dict[str, int]:
        """The most words that each of these fifos holds at once."""
        out = {}
        for name in fifos:
            process = self._fifos[name].process
            came = self._times(time, images, Steps(process, arange(int(self.sizes[process])))).ravel()
            went = self._times(time, images, self._takes[name]).ravel()
            out[name] = int((np.arange(len(came)) + 1 - np.searchsorted(went, came, side="right")).max())
        return out

    def fifos_among(self, processes: Array, fifos: Collection[str]) -> list[str]:
        """Which of these fifos are among some processes, together with their readers."""
        return [n for n in fifos if processes[self._fifos[n].process] and processes[self._takes[n].process]]

    def table(self, depths: Mapping[str, int]) -> EventTable:
        """The table with other fifo depths: needs are exchanged in place, nothing is built again."""
        processes, needs = self._table.processes.copy(), self._table.needs.copy()
        for name, fifo in self._fifos.items():
            depth = depths.get(name, 0)
            if depth:
                assert depth <= fifo.depth, f"{name}: {depth} words where room was made for {fifo.depth}"
                needs["later"][fifo.asked] = 1 if depth == 2 else 2
                needs["step"][fifo.full] += fifo.depth - depth
            else:
                processes["kind"][fifo.process] = OFF
                for part in ("source", "later", "step", "step_by"):
                    needs[part][fifo.asked] = needs[part][fifo.take]
                for row, other in fifo.without:
                    needs[row] = other
        return replace(self._table, processes=processes, needs=needs)


@dataclass(frozen=True)
class _Fifo:
    """Where a fifo stands in the table: its process, its depth, and the rows of the needs around it."""

    process: int
    depth: int
    take: int  # its own need for the words that come
    asked: int  # its reader's need for its words
    full: int  # its own need for words to be gone, so that the next one has room
    without: tuple[tuple[int, Any], ...]  # its writer's backpressure: the row, and the need where there is no fifo
