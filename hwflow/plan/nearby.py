"""Other fifos tried where they act: only what lies around them moves, the rest keeps the cycles of a course known.

Stands on events. Steps only come later when a fifo gets less room, so the course known is the earliest there can be.
Where the steps nearby fit between those that stay as they were, together they are the course of the whole. Where they
do not, and what leaves the neighbourhood comes more slowly than the pace, so do the answers. Else more must move.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.plan.events import Course, interval
from hwflow.plan.kernel import GOES, HEAD, OFF, Table, evaluate, unmet

NEAR = 3  # processes away from a change that move with it at first
SOON = 16  # cycles; a loss of no more may be what a shorter path gains
MANY = 12  # images, where few tell little
FAR = 0.8  # of all steps: where so much would move, all of it may


@dataclass(frozen=True)
class Change:
    """What other fifos do to the pace: cycles lost an image (None: a halt), and the most words that fifos nearby hold."""

    loss: int | None
    held: dict[str, int]


class Nearby:
    """One course of a design, and what becomes of it with other fifos."""

    def __init__(self, course: Course, images: int, pace: int):
        self.course, self.images, self.pace = course, images, pace
        sizes = course.sizes
        self._first = np.concatenate([[0], np.cumsum(sizes * images)])
        self.known = np.empty(0, np.int32)  # cycle of every step, process after process, image after image
        self._table: Table | None = None  # of the course known
        self._depths: dict[str, int] = {}
        self.work = 0  # steps worked out so far
        self._wide: dict[bytes, Array] = {}  # by what is changed, how much had to move
        self._heed: dict[bytes, Array] = {}  # and which needs had to be heeded

    @property
    def _room(self) -> Array:
        """Where cycles are worked out, in the first row; between two changes the course known lies there."""
        return self.course.room

    def change(self, depths: Mapping[str, int]) -> Change:
        """What these fifos, none deeper than those known, do to the course; where they cost no rate, it is theirs from
        now on."""
        return self._part(depths) or self._whole(depths)

    def steady(self, depths: Mapping[str, int]) -> bool:
        """True when these fifos keep the pace over MANY images."""
        trace = self.course.run(MANY, depths, listen=(), enough=self.pace)
        self._room[0, : len(self.known)] = self.known
        return trace is not None and trace.interval <= self.pace

    def _whole(self, depths: Mapping[str, int]) -> Change:
        self.work += int(self.course.sizes.sum()) * self.images
        trace = self.course.run(self.images, depths, listen=(), enough=self.pace)
        if trace is None or trace.interval > self.pace:
            self._room[0, : len(self.known)] = self.known
            return Change(trace.interval - self.pace if trace else None, {})
        self._table, self._depths = self.course.table(depths), dict(depths)
        self.known = self._room[0, : self._first[-1]].copy()
        self.course.heed = self.course.heeded
        return Change(0, self.course.held(self.known, self.images, depths))

    def _part(self, depths: Mapping[str, int]) -> Change | None:
        """`change` where little moves; None where most of it may."""
        if self._table is None:
            return None
        table = self.course.table(depths)
        sooner = self._latency(depths) < self._latency(self._depths)
        there = table.processes["kind"][:-1] != OFF
        owner = np.repeat(np.arange(len(there)), np.diff(table.processes["needs"]))
        other = np.flatnonzero(table.needs != self._table.needs)
        inside = np.zeros(len(there), bool)
        inside[owner[other]] = inside[table.needs["source"][other]] = inside[self._table.needs["source"][other]] = True
        moved, grow = np.zeros(len(there), bool), 0 if other.tobytes() in self._wide else NEAR
        inside |= self._wide.get(other.tobytes(), False)
        heed = self._heed[other.tobytes()] = self._heed.get(other.tobytes(), 0) | self.course.heed
        heed[other] = 1
        while True:
            for _ in range(grow):
                inside = _around(inside & there, owner, table)
            inside = self._wide[other.tobytes()] = inside & there
            if self.course.sizes[inside].sum() > FAR * self.course.sizes[there].sum():
                self._undo(moved)
                return None
            moved = inside
            processes = table.processes.copy()
            processes["kind"][:-1][~inside] = OFF
            part = replace(table, processes=processes)
            self.work += int(self.course.sizes[inside].sum()) * self.images
            if evaluate(part, self.images, self._room, heed) is None:
                self._undo(moved)
                return Change(None, {})
            loss = self._loss(inside, owner, table, other)
            if loss <= SOON and unmet(part, self.images, self._room[0], heed):
                grow = 0
                continue
            late = self._late(table, inside, inside[table.needs["source"]] & (there & ~inside)[owner])
            if sooner and (0 < loss <= SOON or (not loss and not late.size)):  # the rest may come sooner, too
                self._undo(moved)
                return None
            if loss > 0:
                self._undo(moved)
                return Change(loss, {})
            if not late.size:
                self._table, self._depths = table, dict(depths)
                self.course.heed |= heed
                for a in np.flatnonzero(inside):
                    self.known[self._steps(a)] = self._room[0, self._steps(a)]
                return Change(0, self.course.held(self._room[0], self.images, self.course.fifos(inside, depths)))
            inside = moved.copy()
            inside[owner[late]] = True
            grow = NEAR

    @staticmethod
    def _latency(depths: Mapping[str, int]) -> int:
        """Cycles that a word spends in empty fifos, all of them together."""
        return sum(1 if depth == 2 else 2 for depth in depths.values())

    def _steps(self, a: Any) -> slice:
        return slice(self._first[a], self._first[a + 1])

    def _undo(self, moved: Array) -> None:
        for a in np.flatnonzero(moved):
            self._room[0, self._steps(a)] = self.known[self._steps(a)]

    def _late(self, table: Table, inside: Array, rows: Array) -> Array:
        """Which of some needs are not met, of processes that stay as they were."""
        processes = table.processes.copy()
        processes["kind"][:-1][inside] = OFF
        met = (~rows).astype(np.uint8)
        unmet(replace(table, processes=processes), self.images, self._room[0], met)
        return np.flatnonzero(rows & (met == 1))

    def _loss(self, inside: Array, owner: Array, table: Table, other: Array) -> int:
        """Cycles an image by which words that leave the neighbourhood, downstream of the change, are behind the pace."""
        source = table.needs["source"]
        down = source < owner  # what comes after another unit in the order of the dataflow follows it
        after = np.zeros(len(inside), bool)
        after[owner[other]] = True
        while True:
            more = after.copy()
            more[owner[down & after[source] & inside[owner]]] = True
            if (more == after).all():
                break
            after = more
        leaves = np.zeros(len(inside), bool)
        leaves[source[down & ~inside[owner] & (table.processes["kind"][owner] != OFF)]] = True
        leaves[-1] = True
        ends = [
            self._room[0, self._steps(a)].reshape(self.images, -1)[:, -1]
            for a in np.flatnonzero(after & inside & leaves)
        ]
        return max([0, *(interval(e) - self.pace for e in ends)])


def _around(inside: Array, owner: Array, table: Table) -> Array:
    """A set of processes with those that need one of them or that one of them needs; the three of a pipeline together."""
    out = inside.copy()
    out[owner[inside[table.needs["source"]]]] = True
    out[table.needs["source"][inside[owner]]] = True
    p = table.processes[:-1]
    for a in np.flatnonzero((p["kind"] >= HEAD) & (p["kind"] <= GOES) & out):
        out[[p["head"][a], p["lands"][a], p["goes"][a]]] = True
    return out
