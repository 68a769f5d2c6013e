"""The event graph of a dataflow as arrays, for the kernel that evaluates it.

Stands on kernel, whose tables it fills, and units.kit.rhythm.
"""

from __future__ import annotations

import numpy as np

from hwflow.bits import Array
from hwflow.plan.kernel import HEAD, NEED, PROCESS, EventTable
from hwflow.units.kit.rhythm import EventGraph, Line, Need, Numbers, arange


def tabulate(graph: EventGraph) -> tuple[EventTable, Array, Array]:
    """The graph as arrays, the row of each need there, and the rows of the alternatives."""
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

    processes = np.zeros(len(graph.sizes) + 1, PROCESS)
    for row, n, gap in zip(processes, graph.sizes, graph.gaps, strict=False):
        row["n"] = n
        row["gap"], row["gaps"] = (gap, -1) if isinstance(gap, int) else (0, numbers(gap)[0])
    for pipeline in graph.pipelines:
        for k, process in enumerate(pipeline[:3]):
            row = processes[process]
            row["kind"] = HEAD + k
            row["head"], row["lands"], row["goes"], row["depth"] = pipeline
    rows, others = (
        np.array([(n.source, n.later, len(n.index), *numbers(n.index), *numbers(n.step)) for n in needs], NEED)
        for needs in (graph.needs, graph.alternatives)
    )
    of = np.array([n.process for n in graph.needs])
    some = np.array([not _holds_for_every_step(n, graph.sizes[n.process]) for n in graph.needs])
    order = np.lexsort((some, of))
    processes["needs"] = np.searchsorted(of[order], np.arange(len(processes)))
    processes["some"][:-1] = processes["needs"][:-1] + np.bincount(of[~some], minlength=len(graph.sizes))
    table = EventTable(processes, rows[order], np.concatenate([np.zeros(1), *lists]).astype(np.int32))
    return table, np.argsort(order), others


def _holds_for_every_step(need: Need, steps: int) -> bool:
    """True where all steps of a process have this need, one for one."""
    return isinstance(need.index, Line) and need.index == arange(steps)
