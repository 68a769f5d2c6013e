"""The event graph's evaluation: in C where a compiler is at hand, else in Python, with the same answer.

Stands on tools and places.
"""

from __future__ import annotations

import ctypes
import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hwflow import tools
from hwflow.bits import Array
from hwflow.cached import kept_file, loading, said_version
from hwflow.errors import RecipeError, ToolError

SOURCES = tuple(Path(__file__).with_name(n) for n in ("events.c", "needs.c", "events.h"))
PLAIN, HEAD, LANDS, GOES, OFF = range(5)  # kinds of processes; see events.h
ROWS = 3  # of the room that an evaluation takes
LATE = 2  # what events.c returns when cycles are beyond 32 bits
PARTS = ("n", "kind", "head", "lands", "goes", "depth", "gap", "gaps", "needs", "some")
PROCESS = np.dtype([(k, np.int32) for k in PARTS])
NEED = np.dtype([(k, np.int32) for k in ("source", "later", "count", "index", "index_by", "step", "step_by")])


@dataclass(frozen=True, eq=False)
class EventTable:
    """Processes and what their steps need, for one image, as events.h has them."""

    processes: Array  # PROCESS; one more at the end, whose `needs` is the number of needs
    needs: Array  # NEED, in the order of their processes
    lists: Array  # int32, the numbers that are no progression


def evaluate(table: EventTable, images: int, room: Array | None = None, enforced: Array | None = None) -> Array | None:
    """Cycle of every step, process after process, image after image (int32); None when the graph deadlocks.

    `room` (ROWS, steps of all images) int32 is where they are written, in its first row, so that many evaluations
    share it. Steps of a process that is off are not evaluated: those that others need lie in the room already. `enforced`
    (needs,) uint8 is 0 for needs that are not enforced: no step comes later without them, and the result is exact where
    `find_violated` finds nothing.
    """
    kernel = _load_library()
    if kernel is None:
        return evaluate_in_python(table, images, room)
    steps = int(table.processes["n"][:-1].sum(dtype=np.int64)) * images
    rows = np.empty((ROWS, steps), np.int32) if room is None else room[:, :steps]
    every = np.ones(len(table.needs), np.uint8) if enforced is None else enforced
    status = _call(kernel.events, table, images, every, *rows)
    if status == LATE:
        raise RecipeError(f"{images} images take more cycles than can be counted; ask for a higher rate")
    return None if status else rows[0]


def find_violated(table: EventTable, images: int, time: Array, enforced: Array) -> int:
    """How many needs that were not enforced are violated by the cycles in `time`; they are enforced from now on."""
    kernel = _load_library()
    return (
        _call(kernel.find_violated, table, images, enforced, time)
        if kernel
        else find_violated_in_python(table, images, time, enforced)
    )


def _call(function: Any, table: EventTable, images: int, *more: Array) -> int:
    arrays = (table.processes, table.needs, table.lists, *more)
    assert all(a.flags.c_contiguous for a in arrays)
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in arrays]
    return function(ctypes.c_int32(len(table.processes) - 1), ctypes.c_int32(images), *pointers)


@cache
def _load_library() -> ctypes.CDLL | None:
    """The kernel as a shared library, compiled once for each version of its text; None without a compiler."""
    compiler = tools.find("g++")
    if compiler is None or os.environ.get("HWFLOW_NO_COMPILER"):
        return None
    flags = ["-std=c11", "-O3", "-shared", "-fPIC"]
    in_c = [a for source in SOURCES[:2] for a in ("-x", "c", source)]  # g++ takes each file for C++ else
    try:
        parts: list[str | bytes] = [
            *(s.read_bytes() for s in SOURCES),
            str(compiler),
            said_version(compiler),
            platform.machine(),
            *flags,
        ]
        library = kept_file(
            "events", parts, "events.so",
            lambda beside: tools.run_program(
                compiler, [*flags, *in_c, "-o", beside / "events.so"], cwd=SOURCES[0].parent, timeout=120
            ),
        )  # fmt: skip
    except ToolError:
        return None
    with loading(library):
        return ctypes.CDLL(str(library))


def evaluate_in_python(table: EventTable, images: int, room: Array | None = None) -> Array | None:
    """`evaluate` without a compiler, some hundred times slower."""
    run = _Run(table, images, room)
    ready = [a for a in reversed(range(run.count)) if run.kind[a] != OFF]
    waiting: list[list[int]] = [[] for _ in range(run.count)]
    while ready:
        a = ready.pop()
        before = len(run.times[a])
        blocked = run.advance(a)
        if blocked not in (None, a):
            waiting[blocked].append(a)  # type: ignore[index]
        if len(run.times[a]) > before:
            ready += waiting[a]
            waiting[a] = []
    if any(len(t) < n * images for t, n in zip(run.times, run.n, strict=True)):
        return None
    time = np.array([t for mine in run.times for t in mine], np.int64)
    if room is None:
        return time
    room[0, : len(time)] = time
    return room[0, : len(time)]


def find_violated_in_python(table: EventTable, images: int, time: Array, enforced: Array) -> int:
    """`find_violated` without a compiler."""
    sizes = table.processes["n"][:-1]
    first = np.concatenate([[0], np.cumsum(sizes.astype(np.int64) * images)])
    owner = np.repeat(np.arange(len(sizes)), np.diff(table.processes["needs"]))
    found = 0
    for g in np.flatnonzero((enforced == 0) & (table.processes["kind"][owner] != OFF)):
        need, a, b = table.needs[g], owner[g], table.needs["source"][g]
        index, step = (_numbers(table, need[k], need[f"{k}_by"], need["count"]) for k in ("index", "step"))
        image = np.arange(images)[:, None]
        needed = step + image * sizes[b]
        mine = time[first[a] + image * sizes[a] + index]
        theirs = time[first[b] + np.maximum(needed, 0)]
        if ((mine < theirs + need["later"]) & (needed >= 0)).any():
            enforced[g] = 1
            found += 1
    return found


def _numbers(table: EventTable, first: Any, by: Any, count: int) -> Array:
    return table.lists[first : first + count] if by < 0 else first + by * np.arange(count, dtype=np.int64)


class _Run:
    """The state of one evaluation: what events.c keeps, under the same names."""

    def __init__(self, table: EventTable, images: int, room: Array | None):
        self.count, self.images = len(table.processes) - 1, images
        self.n, self.kind, self.head, self.lands, self.goes, self.depth, self.gap, self.gaps, self.first, _ = (
            table.processes[k].tolist() for k in PARTS
        )
        self.n.pop()
        self.lists = table.lists.tolist()
        self.needs = [tuple(row) for row in table.needs.tolist()]
        first = np.cumsum([0, *self.n]) * images
        self.times: list[list[int]] = [
            [] if k != OFF else [0] * (n * images) if room is None else room[0, at : at + n * images].tolist()
            for n, k, at in zip(self.n, self.kind, first, strict=False)
        ]
        self.aux: list[list[int]] = [[] for _ in self.n]
        self.passed = [0] * self.count
        self.at_step = [self._by_step(a) for a in range(self.count)]

    def _by_step(self, a: int) -> list[list[tuple[int, int, int]]]:
        """What each step of process a needs: source, its step, cycles later."""
        out: list[list[tuple[int, int, int]]] = [[] for _ in range(self.n[a])]
        for source, later, count, index, index_by, step, step_by in self.needs[self.first[a] : self.first[a + 1]]:
            for k in range(count):
                out[self._number(index, index_by, k)].append((source, self._number(step, step_by, k), later))
        return out

    def _number(self, first: int, by: int, k: int) -> int:
        return self.lists[first + k] if by < 0 else first + by * k

    def _source_step(self, lands: int, k: int) -> int:
        """The step of its head that result k of a pipeline comes from."""
        image, s = divmod(k, self.n[lands])
        return self.at_step[lands][s][0][1] + image * self.n[self.head[lands]]

    def advance(self, a: int) -> int | None:
        """Take every step of process a that can be taken; the process it then waits for, None when it is done."""
        mine, kind = self.times[a], self.kind[a]
        while len(mine) < self.n[a] * self.images:
            image, s = divmod(len(mine), self.n[a])
            gap = self.gap[a] if self.gaps[a] < 0 else self.lists[self.gaps[a] + s]
            when = mine[-1] + gap if mine and kind in (PLAIN, GOES) else 0
            for b, step, later in self.at_step[a][s]:
                needed = step + image * self.n[b]
                if needed >= len(self.times[b]):
                    return b
                if needed >= 0:
                    when = max(when, self.times[b][needed] + later)
            found: tuple[int, int] | int = (when, 0)
            if kind == HEAD:
                found = self._enter(a, gap, when)
            elif kind == LANDS:
                found = self._land(a)
            elif kind == GOES:
                found = self._go(a, when)
            if isinstance(found, int):
                return found
            mine.append(found[0])
            self.aux[a].append(found[1])
        return None

    def _enter(self, a: int, gap: int, when: int) -> tuple[int, int] | int:
        lands, goes, at, mine = self.lands[a], self.goes[a], len(self.times[a]), self.aux[a]
        slot = mine[-1] + gap if at else 0
        while True:
            k = self.passed[a]
            still = self.aux[goes][k - 1] if k else 0
            if k:  # what came while the result before stood still enters when it moves
                slot = max(slot, mine[self._source_step(lands, k - 1)] + self.depth[lands])
            moving = max(slot, when - still)
            on_its_way = k < self.n[lands] * self.images and self._source_step(lands, k) < at
            if not on_its_way or mine[self._source_step(lands, k)] + self.depth[lands] > moving:
                return moving + still, moving
            if k >= len(self.times[goes]):
                return goes
            self.passed[a] += 1

    def _land(self, a: int) -> tuple[int, int] | int:
        goes, at = self.goes[a], len(self.times[a])
        if at > len(self.times[goes]):
            return goes
        still = self.aux[goes][at - 1] if at else 0
        moving = self.aux[self.head[a]][self._source_step(a, at)] + self.depth[a]
        return moving + still, moving

    def _go(self, a: int, when: int) -> tuple[int, int] | int:
        lands, at = self.lands[a], len(self.times[a])
        if at >= len(self.times[lands]):
            return lands
        landed = self.times[lands][at]
        when = max(when, landed)
        return when, (self.aux[a][-1] if at else 0) + when - landed
