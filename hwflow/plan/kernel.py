"""The event graph's evaluation: in C where a compiler is at hand, else in Python, with the same answer.

Stands on tools and places.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np

from hwflow import tools
from hwflow.bits import Array
from hwflow.errors import ToolError
from hwflow.places import cache as cache_folder

SOURCE = Path(__file__).with_name("events.c")


PLAIN, HEAD, LANDS, GOES = range(4)  # kinds of processes; see events.c


@dataclass(frozen=True, eq=False)
class Table:
    """Processes and what their steps need, for one image. Arrays over processes, over steps, over needs."""

    n: Array  # int64, steps of each process
    first: Array  # int64, where its steps begin
    kind: Array  # int32
    head: Array  # int32, the parts of the pipeline it belongs to
    lands: Array  # int32
    goes: Array  # int32
    depth: Array  # int32, moving cycles of that pipeline
    gap: Array  # int32, for each step
    start: Array  # int64, where each step's needs begin; one more at the end
    source: Array  # int32, the process each need looks at
    step: Array  # int64, its step, relative to the image
    later: Array  # int32, cycles after it


def evaluate(table: Table, images: int) -> Array | None:
    """Cycle of every step, process after process, image after image (int64); None when the graph comes to a halt."""
    kernel = _compiled()
    return _in_c(kernel, table, images) if kernel else in_python(table, images)


def _in_c(kernel: ctypes.CDLL, table: Table, images: int) -> Array | None:
    time, aux = (np.zeros(int(table.n.sum()) * images, np.int64) for _ in range(2))
    arrays = [getattr(table, f.name) for f in fields(table)]
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (*arrays, time, aux)]
    halted = kernel.events(ctypes.c_int32(len(table.n)), ctypes.c_int32(images), *pointers)
    return None if halted else time


@cache
def _compiled() -> ctypes.CDLL | None:
    """The kernel as a shared library, compiled once for each version of its text; None without a compiler."""
    compiler = tools.find("g++")
    if compiler is None or os.environ.get("HWFLOW_NO_COMPILER"):
        return None
    name = f"events_{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"
    library = cache_folder() / name
    if not library.exists():
        part = library.with_name(f"{name}.{os.getpid()}")
        try:
            tools.run(
                "g++",
                ["-x", "c", "-std=c11", "-O2", "-shared", "-fPIC", SOURCE, "-o", part],
                cwd=SOURCE.parent,
                timeout=120,
            )
        except ToolError:
            return None
        part.replace(library)
    return ctypes.CDLL(str(library))


def in_python(table: Table, images: int) -> Array | None:
    """`evaluate` without a compiler, some hundred times slower."""
    run = _Run(table, images)
    ready = list(reversed(range(len(run.n))))
    waiting: list[list[int]] = [[] for _ in run.n]
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
    return np.array([t for mine in run.times for t in mine], np.int64)


class _Run:
    """The state of one evaluation: what events.c keeps, under the same names."""

    def __init__(self, table: Table, images: int):
        for f in fields(table):
            setattr(self, f.name, getattr(table, f.name).tolist())
        self.images = images
        self.n: list[int] = table.n.tolist()
        self.times: list[list[int]] = [[] for _ in self.n]
        self.aux: list[list[int]] = [[] for _ in self.n]
        self.passed = [0] * len(self.n)

    def advance(self, a: int) -> int | None:
        """Take every step of process a that can be taken; the process it then waits for, None when it is done."""
        mine, kind = self.times[a], self.kind[a]  # type: ignore[attr-defined]
        while len(mine) < self.n[a] * self.images:
            image, s = divmod(len(mine), self.n[a])
            here = self.first[a] + s  # type: ignore[attr-defined]
            when = mine[-1] + self.gap[here] if mine and kind in (PLAIN, GOES) else 0  # type: ignore[attr-defined]
            for c in range(self.start[here], self.start[here + 1]):  # type: ignore[attr-defined]
                b = self.source[c]  # type: ignore[attr-defined]
                needed = self.step[c] + image * self.n[b]  # type: ignore[attr-defined]
                if needed >= len(self.times[b]):
                    return b
                if needed >= 0:
                    when = max(when, self.times[b][needed] + self.later[c])  # type: ignore[attr-defined]
            found: tuple[int, int] | int = (when, 0)
            if kind == HEAD:
                found = self._enter(a, here, when)
            elif kind == LANDS:
                found = self._land(a, here, image)
            elif kind == GOES:
                found = self._go(a, when)
            if isinstance(found, int):
                return found
            mine.append(found[0])
            self.aux[a].append(found[1])
        return None

    def _enter(self, a: int, here: int, when: int) -> tuple[int, int] | int:
        lands, goes, at = self.lands[a], self.goes[a], len(self.times[a])  # type: ignore[attr-defined]
        slot = self.aux[a][-1] + self.gap[here] if at else 0  # type: ignore[attr-defined]

        def entered(k: int) -> int:
            image, s = divmod(k, self.n[lands])
            return self.step[self.start[self.first[lands] + s]] + image * self.n[a]  # type: ignore[attr-defined]

        while True:
            k = self.passed[a]
            still = self.aux[goes][k - 1] if k else 0
            if k:  # what came while the result before stood still enters when it moves
                slot = max(slot, self.aux[a][entered(k - 1)] + self.depth[lands])  # type: ignore[attr-defined]
            moving = max(slot, when - still)
            on_its_way = k < self.n[lands] * self.images and entered(k) < at
            if not on_its_way or self.aux[a][entered(k)] + self.depth[lands] > moving:  # type: ignore[attr-defined]
                return moving + still, moving
            if k >= len(self.times[goes]):
                return goes
            self.passed[a] += 1

    def _land(self, a: int, here: int, image: int) -> tuple[int, int] | int:
        head, goes, at = self.head[a], self.goes[a], len(self.times[a])  # type: ignore[attr-defined]
        if at > len(self.times[goes]):
            return goes
        still = self.aux[goes][at - 1] if at else 0
        moving = self.aux[head][self.step[self.start[here]] + image * self.n[head]] + self.depth[a]  # type: ignore[attr-defined]
        return moving + still, moving

    def _go(self, a: int, when: int) -> tuple[int, int] | int:
        lands, at = self.lands[a], len(self.times[a])  # type: ignore[attr-defined]
        if at >= len(self.times[lands]):
            return lands
        landed = self.times[lands][at]
        when = max(when, landed)
        return when, (self.aux[a][-1] if at else 0) + when - landed
