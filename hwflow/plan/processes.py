"""Processes in the making: steps, the gaps between them, and what each step needs of others.

Stands on kernel, whose tables it fills.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from hwflow.bits import Array
from hwflow.plan.kernel import HEAD, NEED, PROCESS, Table


@dataclass(frozen=True)
class Line:
    """The numbers start, start + by, ...: `count` of them."""

    start: int
    by: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __add__(self, more: int) -> Line:
        return Line(self.start + more, self.by, self.count)

    def __sub__(self, less: int) -> Line:
        return self + -less

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return (self.start + self.by * np.arange(self.count, dtype=np.int64)).astype(dtype or np.int64)


Numbers: TypeAlias = Line | Array


def arange(n: int) -> Line:
    return Line(0, 1, n)


def plain(values: Array) -> Numbers:
    """The same numbers, as a progression where they are an ascending one."""
    by = int(values[1] - values[0]) if len(values) > 1 else 1
    return Line(int(values[0]), by, len(values)) if by >= 0 and (np.diff(values) == by).all() else values


@dataclass(frozen=True, eq=False)
class Need:
    """Steps `index` of a process come `later` cycles or more after steps `step` of `source`, one for one."""

    process: int
    index: Numbers
    source: int
    step: Numbers
    later: int = 0


@dataclass
class Graph:
    """Processes and their needs in the making."""

    sizes: list[int] = field(default_factory=list)
    gaps: list[int | Array] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    others: list[Need] = field(default_factory=list)  # that may stand in the place of a need
    pipes: list[tuple[int, int, int, int]] = field(default_factory=list)  # head, lands, goes, depth

    def process(self, n: int, gap: Array | int = 1) -> int:
        """A new process of n steps an image."""
        self.sizes.append(n)
        self.gaps.append(gap)
        return len(self.gaps) - 1

    def need(self, process: int, index: Numbers, source: int, step: Numbers, later: int = 0) -> int:
        """Steps `index` of a process come `later` cycles or more after steps `step` of another; the need's number."""
        self.needs.append(Need(process, index, source, step, later))
        return len(self.needs) - 1

    def other(self, process: int, index: Numbers, source: int, step: Numbers, later: int = 0) -> int:
        """A need that is none yet; its number among the others."""
        self.others.append(Need(process, index, source, step, later))
        return len(self.others) - 1

    def pipeline(self, head: int, give: Numbers, depth: int) -> tuple[int, int]:
        """Results of steps `give` of `head` land `depth` moving cycles later and go when there is room, in two
        processes; while one waits to go nothing moves, and no step of head happens."""
        lands, goes = self.process(len(give), 0), self.process(len(give), 0)
        self.need(lands, arange(len(give)), head, give)
        self.pipes.append((head, lands, goes, depth))
        return lands, goes

    def table(self) -> tuple[Table, Array, Array]:
        """The graph as arrays, the row of each need there, and the rows of the others."""
        lists: list[Array] = []
        place = 1  # lists begin with a number nobody reads, so that they are never empty

        def numbers(values: Numbers) -> tuple[int, int]:
            """First and stride of a progression, or the place of a list and -1."""
            nonlocal place
            if isinstance(values, Line):
                return values.start, values.by
            lists.append(values)
            place += len(values)
            return place - len(values), -1

        processes = np.zeros(len(self.sizes) + 1, PROCESS)
        for row, n, gap in zip(processes, self.sizes, self.gaps, strict=False):
            row["n"] = n
            row["gap"], row["gaps"] = (gap, -1) if isinstance(gap, int) else (0, numbers(gap)[0])
        for pipe in self.pipes:
            for k, process in enumerate(pipe[:3]):
                row = processes[process]
                row["kind"] = HEAD + k
                row["head"], row["lands"], row["goes"], row["depth"] = pipe
        rows, others = (
            np.array([(n.source, n.later, len(n.index), *numbers(n.index), *numbers(n.step)) for n in needs], NEED)
            for needs in (self.needs, self.others)
        )
        of = np.array([n.process for n in self.needs])
        some = np.array(
            [n.index != arange(self.sizes[n.process]) if isinstance(n.index, Line) else True for n in self.needs]
        )
        order = np.lexsort((some, of))
        processes["needs"] = np.searchsorted(of[order], np.arange(len(processes)))
        processes["some"][:-1] = processes["needs"][:-1] + np.bincount(of[~some], minlength=len(self.sizes))
        table = Table(processes, rows[order], np.concatenate([np.zeros(1), *lists]).astype(np.int32))
        return table, np.argsort(order), others
