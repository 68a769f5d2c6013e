"""Other fifo depths, evaluated locally: only steps near a change are evaluated again, the rest keep their cycles.

Stands on events. The schedule of one set of depths is known: the cycle of every step, each as early as it can be. Steps
only come later when a fifo gets less room. Evaluate the processes around the changed fifos with the others held at their
known cycles:

- where every need of the held processes is still met, the local and the known cycles together are the schedule of the
  whole design;
- where words leave the neighbourhood more slowly than the pace, so do the answers: these depths lose that many cycles;
- else the neighbourhood grows by the processes whose needs are violated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.plan.events import EventModel, interval
from hwflow.plan.kernel import GOES, HEAD, OFF, EventTable, evaluate, find_violated

NEIGHBOURS = 3  # processes around a change that are evaluated with it at first
MARGINAL = 16  # cycles an image; so small a loss may be the gain of a shorter path, over few images
MANY = 12  # images of a run that decides where a few images do not
MOST = 0.8  # of all steps: a neighbourhood larger than that is not worth it, so all of them are evaluated


@dataclass(frozen=True)
class Effect:
    """What other depths do: cycles lost an image (None: a deadlock), and the most words that the fifos nearby hold."""

    loss: int | None
    occupancy: dict[str, int]


class LocalModel:
    """The known schedule of one design, and what becomes of it with other fifo depths."""

    def __init__(self, model: EventModel, images: int, pace: int):
        self.model, self.images, self.pace = model, images, pace
        self._first = np.concatenate([[0], np.cumsum(model.sizes * images)])
        self.known = np.empty(0, np.int32)  # cycle of every step, process after process, image after image
        self._table: EventTable | None = None  # of the known schedule
        self._depths: dict[str, int] = {}
        self.work = 0  # steps evaluated so far
        self._grown: dict[bytes, Array] = {}  # how large the neighbourhood of a change had to be, by what is changed
        self._enforced: dict[bytes, Array] = {}  # and which needs had to be enforced

    @property
    def _room(self) -> Array:
        """Where cycles are worked out, in the first row; between two trials the known schedule lies there."""
        return self.model.room

    def try_depths(self, depths: Mapping[str, int]) -> Effect:
        """What these depths, none deeper than those known, do; where they lose nothing, their schedule is the known one
        from now on."""
        return self._evaluate_nearby(depths) or self._evaluate_all(depths)

    def start_with(self, depths: Mapping[str, int]) -> Effect:
        """What depths of any kind do, deeper ones and new fifos too; where they lose nothing, their schedule is the known one
        from now on."""
        return self._evaluate_all(depths)

    def keeps_pace_over_many(self, depths: Mapping[str, int]) -> bool:
        """True when these depths keep the pace over MANY images."""
        trace = self.model.run(MANY, depths, listen=(), enough=self.pace)
        self._room[0, : len(self.known)] = self.known
        return trace is not None and trace.interval <= self.pace

    def _evaluate_all(self, depths: Mapping[str, int]) -> Effect:
        self.work += int(self.model.sizes.sum()) * self.images
        trace = self.model.run(self.images, depths, listen=(), enough=self.pace)
        if trace is None or trace.interval > self.pace:
            self._room[0, : len(self.known)] = self.known
            return Effect(trace.interval - self.pace if trace else None, {})
        self._table, self._depths = self.model.table(depths), dict(depths)
        self.known = self._room[0, : self._first[-1]].copy()
        self.model.enforced = self.model.last_enforced
        return Effect(0, self.model.occupancy(self.known, self.images, depths))

    def _evaluate_nearby(self, depths: Mapping[str, int]) -> Effect | None:
        """`try_depths` where few steps move; None where most of them may."""
        if self._table is None:
            return None
        table = self.model.table(depths)
        shorter = self._latency(depths) < self._latency(self._depths)
        there = table.processes["kind"][:-1] != OFF
        owner = np.repeat(np.arange(len(there)), np.diff(table.processes["needs"]))
        changed = np.flatnonzero(table.needs != self._table.needs)
        inside = np.zeros(len(there), bool)
        for ends in (owner, table.needs["source"], self._table.needs["source"]):
            inside[ends[changed]] = True
        moved, grow = np.zeros(len(there), bool), 0 if changed.tobytes() in self._grown else NEIGHBOURS
        inside |= self._grown.get(changed.tobytes(), False)
        enforced = self._enforced[changed.tobytes()] = self._enforced.get(changed.tobytes(), 0) | self.model.enforced
        enforced[changed] = 1
        while True:
            for _ in range(grow):
                inside = _with_neighbours(inside & there, owner, table)
            inside = self._grown[changed.tobytes()] = inside & there
            if self.model.sizes[inside].sum() > MOST * self.model.sizes[there].sum():
                self._restore(moved)
                return None
            moved = inside
            processes = table.processes.copy()
            processes["kind"][:-1][~inside] = OFF
            part = replace(table, processes=processes)
            self.work += int(self.model.sizes[inside].sum()) * self.images
            if evaluate(part, self.images, self._room, enforced) is None:
                self._restore(moved)
                return Effect(None, {})
            loss = self._loss(inside, owner, table, changed)
            if loss <= MARGINAL and find_violated(part, self.images, self._room[0], enforced):
                grow = 0
                continue
            late = self._violated_outside(table, inside, inside[table.needs["source"]] & (there & ~inside)[owner])
            if shorter and (0 < loss <= MARGINAL or (not loss and not late.size)):  # the rest may come earlier, too
                self._restore(moved)
                return None
            if loss > 0:
                self._restore(moved)
                return Effect(loss, {})
            if not late.size:
                self._table, self._depths = table, dict(depths)
                self.model.enforced |= enforced
                for a in np.flatnonzero(inside):
                    self.known[self._steps(a)] = self._room[0, self._steps(a)]
                fifos = self.model.fifos_among(inside, depths)
                return Effect(0, self.model.occupancy(self._room[0], self.images, fifos))
            inside = moved.copy()
            inside[owner[late]] = True
            grow = NEIGHBOURS

    @staticmethod
    def _latency(depths: Mapping[str, int]) -> int:
        """Cycles that a word spends in empty fifos, all of them together."""
        return sum(1 if depth == 2 else 2 for depth in depths.values())

    def _steps(self, a: Any) -> slice:
        return slice(self._first[a], self._first[a + 1])

    def _restore(self, moved: Array) -> None:
        """Put the known cycles of the moved processes back."""
        for a in np.flatnonzero(moved):
            self._room[0, self._steps(a)] = self.known[self._steps(a)]

    def _violated_outside(self, table: EventTable, inside: Array, rows: Array) -> Array:
        """Which of some needs are not met, of processes that keep their cycles."""
        processes = table.processes.copy()
        processes["kind"][:-1][inside] = OFF
        met = (~rows).astype(np.uint8)
        find_violated(replace(table, processes=processes), self.images, self._room[0], met)
        return np.flatnonzero(rows & (met == 1))

    def _loss(self, inside: Array, owner: Array, table: EventTable, changed: Array) -> int:
        """Cycles an image by which words that leave the neighbourhood, downstream of the change, fall behind the pace."""
        source = table.needs["source"]
        downstream = source < owner  # what comes after another unit in the order of the dataflow follows it
        after = np.zeros(len(inside), bool)
        after[owner[changed]] = True
        while True:
            more = after.copy()
            more[owner[downstream & after[source] & inside[owner]]] = True
            if (more == after).all():
                break
            after = more
        leaves = np.zeros(len(inside), bool)
        leaves[source[downstream & ~inside[owner] & (table.processes["kind"][owner] != OFF)]] = True
        leaves[-1] = True
        ends = [
            self._room[0, self._steps(a)].reshape(self.images, -1)[:, -1]
            for a in np.flatnonzero(after & inside & leaves)
        ]
        return max([0, *(interval(e) - self.pace for e in ends)])


def _with_neighbours(inside: Array, owner: Array, table: EventTable) -> Array:
    """A set of processes with those that need one of them or that one of them needs; the three of a pipeline together."""
    out = inside.copy()
    out[owner[inside[table.needs["source"]]]] = True
    out[table.needs["source"][inside[owner]]] = True
    p = table.processes[:-1]
    for a in np.flatnonzero((p["kind"] >= HEAD) & (p["kind"] <= GOES) & out):
        out[[p["head"][a], p["lands"][a], p["goes"][a]]] = True
    return out
