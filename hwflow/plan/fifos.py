"""How deep each fifo must be so that the design keeps its rate, and no deeper; when the first answer comes.

Stands on lower and events. A set of depths is tried in the event model, which moves as the hardware does. A shallower
fifo never makes a design faster, so one pass over the fifos leaves none that could lose a word. In designs so large that
WORK is spent before, some fifos keep a few words more than they need. Fifos of two words that the pace does not need are
there where a handshake would pass through many units in one cycle (lower/handshakes.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf

from hwflow.errors import RecipeError
from hwflow.lower import cores
from hwflow.lower.folding import Folding, fold_units, match_rates
from hwflow.lower.handshakes import cut_chains
from hwflow.lower.join import fifo_name, join
from hwflow.net import Net
from hwflow.ops import Port
from hwflow.plan.events import EventModel, Trace, simulate
from hwflow.plan.nearby import MARGINAL, LocalModel
from hwflow.units.kit.base import Dataflow, Unit

IMAGES = 3  # of one trial; the last two give the steady rate
LEAST = 3  # words of the smallest fifo with a memory; one of 2 words is two registers and a cycle faster
FLOODED = 1000  # words; a fifo that holds more in front of a single input is filled by the source, not needed
WORK = 700_000_000  # steps evaluated after which the depths found so far are taken: enough, if not the least


def size_fifos(net: Net, folding: Folding, slowest: float = inf, reload: bool = False) -> Dataflow:
    """The hardware of a folding with the shallowest fifos that keep its pace.

    The pace is that of its slowest unit, where unbounded fifos reach it. Where unbounded fifos take more than `slowest`
    cycles an image they are left unbounded: no other depths are faster.
    """
    units = match_rates(fold_units(cores(net, reload), folding), folding)
    depths, pace = find_depths(net.name, net.input, units, slowest)
    return replace(join(net.name, net.input, units, depths), pace=pace)


def set_pace(dataflow: Dataflow) -> Dataflow:
    """The same hardware with the pace that the event model finds; RecipeError when its fifos deadlock it."""
    trace = simulate(dataflow, IMAGES)
    if trace is None:
        raise RecipeError(f"{dataflow.name}: comes to a halt with these fifos; leave their depths to be found")
    return replace(dataflow, pace=trace.interval)


def first_latency(dataflow: Dataflow) -> int:
    """Cycles from the first word of the first image to the last word of its answer."""
    trace = simulate(dataflow, 1)
    assert trace, f"{dataflow.name} deadlocks"
    return trace.latency


def unbounded_depths(units: tuple[Unit, ...]) -> dict[str, int]:
    """A fifo in front of every input, by name, deep enough for two images, so that it never exerts backpressure."""
    return {fifo_name(u, k): 2 * s.words + 2 for u in units for k, s in enumerate(u.ins)}


def find_depths(name: str, source: Port, units: tuple[Unit, ...], slowest: float = inf) -> tuple[dict[str, int], int]:
    """The depth of each fifo that is needed, for the pace or to cut a chain of handshakes, and the pace they keep.

    Mostly that is the pace of the slowest unit; it is more where units with bursts hold each other up. Depths stay
    unbounded where the pace is more than `slowest`.
    """
    streams = {fifo_name(u, k): s for u in units for k, s in enumerate(u.ins)}
    unbounded = unbounded_depths(units)
    model = EventModel(join(name, source, units, unbounded))
    first = model.run(IMAGES)
    assert first, f"{name} deadlocks with unbounded fifos"
    if first.interval > slowest:
        return unbounded, first.interval
    depths = {p: min(unbounded[p], depth_for(occupied)) for p, occupied in first.occupancy.items()}
    sizing = _Sizing(model, first, depths, {p: (s.words, s.bits) for p, s in streams.items()})
    if not sizing.keeps_pace(sizing.depths):
        sizing.depths = dict(unbounded)
    # fifos of units with several inputs balance paths that fork and meet again; the others are sized first
    balancing = {fifo_name(u, k) for u in units for k in range(len(u.ins)) if len(u.ins) > 1}
    order = sorted(unbounded, key=lambda p: (p in balancing, -streams[p].bits * sizing.depths[p]))
    # a fifo that hardly holds a word can mostly go; so can one that the source fills, unless it balances paths
    sizing.remove([p for p in order if sizing.depths[p] <= LEAST])
    sizing.remove([p for p in order if p in sizing.depths and sizing.depths[p] > FLOODED and p not in balancing])
    while True:
        # a removed fifo makes its path shorter, so another one may have become too deep: repeat until all are minimal
        while (
            rest := [p for p in order if p in sizing.depths and p not in sizing.minimal]
        ) and sizing.local.work < WORK:
            for place in rest:
                if sizing.local.work < WORK:
                    sizing.shrink(place, balances=place in balancing)
        cuts = cut_chains(join(name, source, units, sizing.depths))
        if not cuts:
            break
        sizing.add_cuts(cuts, {p: unbounded[p] for p in balancing - cuts}, unbounded)
    sizing.trim()
    return sizing.depths, sizing.pace


def depth_for(occupied: int) -> int:
    """A depth that exerts no backpressure where at most `occupied` words are held: a word may come as another goes."""
    return max(occupied + 1, LEAST)


class _Sizing:
    """The search for the depths of one design; `depths` are the best found so far that keep its pace."""

    def __init__(self, model: EventModel, first: Trace, depths: dict[str, int], kind: Mapping[str, tuple[int, int]]):
        self.pace, self.depths = first.interval, depths
        self.local = LocalModel(model, IMAGES, self.pace)
        self.kind = kind  # words and bits of each fifo: fifos of one kind mostly need one depth
        self.minimal: set[str] = set()  # fifos that are known to need their last word
        self.found: dict[tuple[int, int], int] = {}  # the depth found for each kind
        self.marginal: set[str] = set()  # fifos where one word less costs at most MARGINAL cycles in the short run
        self.lower_bound: dict[str, int] = {}  # of fifos that are known to need more than others of their kind
        self.cuts: frozenset[str] = frozenset()  # fifos that must be there whatever the pace needs

    def cycles_lost(self, depths: Mapping[str, int], anew: bool = False) -> int | None:
        """Cycles an image by which the design is slower than its pace with these depths; None where it deadlocks.

        Where it loses nothing, they become `depths`, less the words that no fifo ever held. `anew`: some are deeper than
        before, or were not there.
        """
        effect = self.local.start_with(depths) if anew else self.local.try_depths(depths)
        if effect.loss == 0:
            new = {p: min(d, depth_for(effect.occupancy.get(p, d))) if d > LEAST else d for p, d in depths.items()}
            if {p: d == 2 for p, d in new.items()} != {p: d == 2 for p, d in self.depths.items()}:
                # a path has become shorter, so what was minimal may be too deep now; less room alone makes none shorter
                self.minimal.clear()
                self.lower_bound.clear()
            self.depths = new
        return effect.loss

    def keeps_pace(self, depths: Mapping[str, int]) -> bool:
        """True when the design gives an answer every `pace` cycles with these depths."""
        return self.cycles_lost(depths) == 0

    def add_cuts(self, cuts: frozenset[str], balancing: Mapping[str, int], unbounded: Mapping[str, int]) -> None:
        """Add fifos of two words that stay. They make their paths longer: where that costs the pace, the fifos that balance
        paths get the depths `balancing` again, and where even that is too little every fifo is unbounded again."""
        self.cuts |= cuts
        wanted = {**self.depths, **dict.fromkeys(cuts, 2)}
        for depths in (wanted, {p: balancing.get(p, d) for p, d in wanted.items()}, dict(unbounded)):
            if self.cycles_lost(depths, anew=True) == 0:
                return
        raise AssertionError("unbounded fifos keep the pace")

    def remove(self, places: list[str]) -> None:
        """Take out the fifos that neither the pace nor a chain needs, many at a time, by halving the sets that are too
        large."""
        todo = [[p for p in places if p not in self.cuts]]
        while todo:
            some = todo.pop()
            if not some or self.keeps_pace({p: d for p, d in self.depths.items() if p not in some}) or len(some) == 1:
                continue
            half = len(some) // 2
            todo += [some[half:], some[:half]]

    def shrink(self, place: str, balances: bool = False) -> None:
        """Bring one fifo down to the least depth that keeps the pace, or remove it; then try that depth on its kind.

        The depth that another fifo of the kind needed is tried first. From two depths that lose cycles the depth that
        loses none is extrapolated. Where that fails, ever more words are taken away while nothing is lost, and the search
        halves the interval once something is. A fifo that balances paths holds about what it must, so words are taken
        away one by one at first.
        """
        kind = self.kind[place]
        low = self.lower_bound.get(place, 2)  # the least depth lies within low .. its depth
        lost: list[tuple[int, int]] = []  # depths that are too shallow, and the cycles an image they lose
        step = 1  # words to take away from a depth that keeps the pace; 0: halve the interval
        guess = self.depths[place] - step if balances else 2
        if place not in self.lower_bound:
            guess = self.found.get(kind, guess)
        while low < (high := self.depths[place]):
            depth = min(max(guess, low), high - 1)
            loss = self.cycles_lost({**self.depths, place: depth})
            if loss == 0:
                high = self.depths[place]
                guess = high - step if step else (low + high) // 2
                step = 3 * step
            else:
                low = depth + 1
                self.marginal |= {place} if loss and loss <= MARGINAL else set()
                lost += [(depth, loss)] if loss else []
                guess, extrapolated = extrapolate_depth(lost[-2:], low, high)
                if not extrapolated and not balances and len(lost) == 2:
                    guess, extrapolated = high - 1, True
                step = int(extrapolated)
        self.found[kind] = depth = self.depths[place]
        self.minimal.add(place)
        alike = {p: depth for p, d in self.depths.items() if self.kind[p] == kind and d > depth}
        if alike and not self.keeps_pace({**self.depths, **alike}) and len(alike) == 1:
            self.lower_bound[next(iter(alike))] = depth + 1
        if depth == 2:
            self.remove([place])

    def trim(self) -> None:
        """Retry fewer words over many images in fifos where one word less cost few cycles in the short run."""
        for place in sorted(self.marginal & set(self.depths)):

            def keeps(depth: int, place: str = place) -> bool:
                return self.local.keeps_pace_over_many({**self.depths, place: depth})

            self.depths = {**self.depths, place: least_depth(LEAST, self.depths[place], keeps)}


def least_depth(low: int, high: int, keeps: Callable[[int], bool]) -> int:
    """The least of the depths low .. high that `keeps` the pace, which `high` does, as does any depth above one that does.

    One word is taken away first, for that is mostly the answer; then ever more while the pace is kept, and once it is not,
    the search halves the interval: a fifo of hundreds of words takes a dozen trials.
    """
    step = 1  # words to take away; 0: halve the interval
    while low < high:
        depth = max(high - step, low) if step else (low + high) // 2
        if keeps(depth):
            high, step = depth, 3 * step
        else:
            low, step = depth + 1, 0
    return high


def extrapolate_depth(lost: list[tuple[int, int]], low: int, high: int) -> tuple[int, bool]:
    """The depth at which no cycle is lost, extrapolated from two depths and what they lose, and True.

    Where they do not say, the middle of what is left, and False.
    """
    if len(lost) == 1 and lost[0][0] + 2 < high:
        return lost[0][0] + 2, False
    if len(lost) == 2:
        (shallow, more), (deep, less) = sorted(lost)
        depth = deep - (-less * (deep - shallow) // (more - less)) if more > less else high
        if depth < high:
            return depth, True
    return (low + high) // 2, False
