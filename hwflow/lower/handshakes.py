"""Chains of handshakes: how many units a `valid` or a `ready` passes through in one cycle, and fifos that cut such a chain.

Stands on units, whose classes say which ways of their handshake have no register, and join. A `ready` that comes out of
a window's room and goes back through a threshold, a fork, a rescale and an add into a fifo is one combinational path;
each unit adds a level of logic and a long wire to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwflow.lower.join import fifo_name, join, unjoin
from hwflow.units.kit.base import SOURCE, Dataflow

LONGEST = 3  # units that a handshake may pass through between two registers

# An edge, and whether it is its `ready` (else its `valid`).
Signal = tuple[str, bool]


@dataclass(frozen=True)
class Chain:
    """A combinational path of handshakes: its signals from the register on, and how many units each has passed through."""

    signals: tuple[Signal, ...]
    passed: tuple[int, ...]

    @property
    def units(self) -> int:
        """Units that it passes through."""
        return self.passed[-1]


def longest_chain(dataflow: Dataflow, cut: frozenset[str] = frozenset()) -> Chain:
    """The chain that passes through the most units, were there a register on each of the edges `cut`."""
    passed, before = _trace(dataflow, cut)
    return _chain(max(passed, key=lambda s: passed[s]), passed, before)


def cut_chains(dataflow: Dataflow, longest: int = LONGEST) -> frozenset[str]:
    """Names of the fifos of two words that a dataflow lacks to have no chain through more than `longest` units.

    A chain is cut where that leaves its parts most alike, and of such places at the one with the fewest bits. A chain
    through units that nobody folds alone has no place for a fifo and stays.
    """
    places = {
        edge: fifo_name(unit, k)
        for unit in dataflow.units
        if not unit.glue
        for k, edge in enumerate(unit.inputs)
        if edge == SOURCE or not dataflow.by_name[edge.split(":")[0]].capacity
    }
    cut: frozenset[str] = frozenset()
    stay: set[Signal] = set()
    while True:
        passed, before = _trace(dataflow, cut)
        worst = max((s for s in passed if s not in stay), key=lambda s: passed[s], default=None)
        if worst is None or passed[worst] <= longest:
            return frozenset(places[edge] for edge in cut)
        chain = _chain(worst, passed, before)
        where = [
            (max(n, chain.units - n), dataflow.stream(edge).bits, edge)
            for (edge, _), n in zip(chain.signals, chain.passed, strict=True)
            if edge in places and 0 < n < chain.units
        ]
        if where:
            cut |= {min(where)[2]}
        else:
            stay.add(worst)


def cutting_fifos(dataflow: Dataflow, longest: int = LONGEST) -> frozenset[str]:
    """The fifos of two words without which a chain would pass through more than `longest` units."""
    units, depths = unjoin(dataflow), {u.name: u.capacity for u in dataflow.fifos}

    def cuts(name: str) -> bool:
        rest = {n: d for n, d in depths.items() if n != name}
        return bool(cut_chains(join(dataflow.name, dataflow.input.port, units, rest), longest))

    return frozenset(n for n, d in depths.items() if d == 2 and cuts(n))


def _trace(dataflow: Dataflow, cut: frozenset[str]) -> tuple[dict[Signal, int], dict[Signal, Signal]]:
    """For every signal, as the unit that receives it sees it, the units it has passed through, and the signal before it."""
    passed: dict[Signal, int] = {(SOURCE, False): 0}
    before: dict[Signal, Signal] = {}
    edges = {
        unit.name: tuple(f"{unit.name}:{k}" if k else unit.name for k in range(len(unit.outs)))
        for unit in dataflow.units
    }

    def seen(signal: Signal) -> int:
        return 0 if signal[0] in cut else passed.get(signal, 0)  # nobody waits for an output that is not read

    def follow(signal: Signal, sources: list[Signal]) -> None:
        passed[signal] = 0
        if sources:
            before[signal] = max(sources, key=seen)
            passed[signal] = 1 + seen(before[signal])

    for unit in dataflow.units:
        for edge in edges[unit.name]:
            follow((edge, False), [(i, False) for i in unit.inputs] if unit.valid_through else [])
    passed[dataflow.units[-1].name, True] = 0
    for unit in reversed(dataflow.units):
        sources = [(edge, True) for edge in edges[unit.name]] if unit.ready_through else []
        sources += [(i, False) for i in unit.inputs] if unit.ready_awaits else []
        for edge in unit.inputs:
            follow((edge, True), sources)
    return passed, before


def _chain(last: Signal, passed: Mapping[Signal, int], before: Mapping[Signal, Signal]) -> Chain:
    """The chain that ends in a signal. It begins at a register: where a unit has one, or at a cut."""
    signals = [last]
    while passed[signals[-1]] > 1:
        signals.append(before[signals[-1]])
    counts = [passed[s] for s in reversed(signals)]
    if counts[0]:
        signals, counts = [*signals, before[signals[-1]]], [0, *counts]
    return Chain(tuple(reversed(signals)), tuple(counts))
