"""How deep each fifo must be so that no rate is lost, and no deeper; when the first answer comes.

Stands on lower and events. A depth is tried in the event model, which moves as the hardware does; a shallower fifo
never makes a design faster, so one pass over the fifos, each by bisection, leaves none that could lose a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hwflow.lower import cores
from hwflow.lower.folding import Folding, fold_units, keep_pace
from hwflow.lower.join import fifo_name, join
from hwflow.net import Net
from hwflow.ops import Port
from hwflow.plan.events import Trace, simulate
from hwflow.units.base import Dataflow, Unit

IMAGES = 4  # of one trial; the last two tell the steady pace


def sized(net: Net, folding: Folding) -> Dataflow:
    """The hardware of a folding with the least fifos that keep its pace: that of its slowest unit, where unbounded
    fifos reach it."""
    units = keep_pace(fold_units(cores(net), folding), folding)
    return join(net.name, net.input, units, least_depths(net.name, net.input, units))


def first_image(dataflow: Dataflow) -> int:
    """Cycles from the first word of the first image to the last word of its answer."""
    trace = simulate(dataflow, 1)
    assert trace, f"{dataflow.name} comes to a halt"
    return trace.latency


def least_depths(name: str, source: Port, units: tuple[Unit, ...]) -> dict[str, int]:
    """The depth of each fifo that is needed, by name."""
    places = [(fifo_name(u, k), s.words, s.bits) for u in units for k, s in enumerate(u.ins)]
    ample = {place: 2 * words + 2 for place, words, _ in places}
    trial = _Trial(name, source, units)
    first = trial.run(ample)
    assert first, f"{name} comes to a halt with unbounded fifos"
    pace = first.interval
    depths = {place: min(ample[place], max(held + 2, 3)) for place, held in first.held.items()}
    if not trial.keeps(depths, pace):
        depths = dict(ample)
    order = [p for p, _, bits in sorted(places, key=lambda p: -p[2] * depths[p[0]])]
    for place in _needed(trial, depths, order, pace):
        low, high = 2, depths[place]  # the least that keeps the pace is within low .. high
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if trial.keeps({**depths, place: middle}, pace) else (middle + 1, high)
        depths[place] = high
    return depths


def _needed(trial: _Trial, depths: dict[str, int], order: Sequence[str], pace: int) -> list[str]:
    """Those of `order` that cannot do without a fifo; the others are taken out of `depths`, many at a time."""
    todo, needed = [list(order)], []
    while todo:
        some = todo.pop()
        without = {k: v for k, v in depths.items() if k not in some}
        if trial.keeps(without, pace):
            for place in some:
                del depths[place]
        elif len(some) == 1:
            needed += some
        else:
            half = len(some) // 2
            todo += [some[half:], some[:half]]
    return needed


class _Trial:
    """One design asked how it moves under several sets of fifos."""

    def __init__(self, name: str, source: Port, units: tuple[Unit, ...]):
        self.name, self.source, self.units = name, source, units

    def run(self, depths: Mapping[str, int]) -> Trace | None:
        return simulate(join(self.name, self.source, self.units, depths), IMAGES)

    def keeps(self, depths: Mapping[str, int], pace: int) -> bool:
        """True when the design with these fifos gives an answer every `pace` cycles."""
        trace = self.run(depths)
        return trace is not None and trace.interval <= pace
