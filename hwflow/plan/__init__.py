"""Choosing the hardware: the cheapest design that reaches a rate, the fastest that fits a board, and why.

Stands on lower, units and board. Costs are estimates (units/kit/costs.py); under them the choice is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.board import Board, clock_for, family_for
from hwflow.errors import RecipeError
from hwflow.lower import cores, lower
from hwflow.lower.folding import Folding, check_folding
from hwflow.net import Net
from hwflow.plan.explain import explain
from hwflow.plan.fifos import first_latency, set_pace, size_fifos
from hwflow.plan.search import IMPOSSIBLE, RESOURCES, Search, as_vector, weigh_resources
from hwflow.plan.streaming import (
    AUTO,
    check_bandwidth,
    choose_streams,
    memory_cycles,
    propose_streams,
    stream_weights,
)
from hwflow.units.kit.base import Dataflow

__all__ = ["BoundedSearch", "explain", "plan"]

TRIES = 4  # faster foldings that are tried where backpressure makes a design slower than its slowest unit
SLACK = 0.001  # share of a design's cost that each unit may cost more, to be faster, where that happens
LANES = 64  # products in a cycle that a unit may have where no rate, latency or folding was asked for
WEIGHINGS = tuple(
    (1.0, 1.0, b, d) for b in (1, 2, 1 / 2, 4, 1 / 4, 16, 1 / 16) for d in (1, 8, 1 / 8)
)  # factors on the weights of lut, ff, bram and dsp

RESERVE = np.array([0.05, 0.05, 0, 0])  # share of each resource that --fit leaves free, for the error of estimates

Choice = tuple[dict[str, Mapping[str, Any]], Array]  # a folding and its resources (4,)


def plan(
    net: Net,
    *,
    board: Board | None = None,
    clock_mhz: float | None = None,
    fps: float | None = None,
    fit: bool = False,
    max_util: float = 0.8,
    latency_us: float | None = None,
    folding: Folding | None = None,
    reload: bool = False,
    stream: Sequence[str] = (),
) -> Dataflow:
    """The hardware of a network for a rate, a latency or a board; its fifos are sized so that they cost no rate.

    `fps`: the cheapest design that reaches that many images a second at `clock_mhz`; no more than `max_util` of any
    resource of the board is estimated to be used. `fit`: the fastest that leaves RESERVE of that. `latency_us`: the cheapest whose
    first answer comes that soon. Together: the cheapest that does all of it. None of them: a small design, or the
    slowest pace of the units in `folding`. `folding` fixes units, wholly or in part, and the rest follows.
    `reload`: weights can be loaded while the hardware runs. `stream`: units whose weights come from outside, or AUTO alone: the
    fewest that let the design fit the board.
    RecipeError with what is reachable, and why, when it cannot be.
    """
    clock = clock_mhz or clock_for(board)
    _check(board, clock, fps, fit, max_util, latency_us)
    folding = check_folding(folding or {})
    units = cores(net, reload)
    depths = {name: int(f["depth"]) for name, f in folding.items() if "depth" in f}
    if unknown := sorted(set(folding) - {u.name for u in units} - set(depths)):
        raise RecipeError(f"{unknown[0]}: is no unit of {net.name}; its units are {', '.join(u.name for u in units)}")
    _check_streams(stream, board, reload)
    family = family_for(board)
    search = Search.of(units, family, {n: f for n, f in folding.items() if n not in depths})
    limits = np.array([board.totals[r] for r in RESOURCES]) * max_util if board else np.full(4, np.inf)
    limits = limits * (1 - RESERVE) if fit else limits
    held = search
    search = held if AUTO in stream else stream_weights(held, stream)

    def build(chosen: Choice, slowest: float = np.inf) -> Dataflow:
        whole = {**{n: dict(f) for n, f in chosen[0].items()}, **{n: {"depth": d} for n, d in depths.items()}}
        return set_pace(lower(net, whole, reload)) if depths else size_fifos(net, whole, slowest, reload)

    for room in (1.0, 0.93, 0.86, 0.75):  # fifos come on top of what the search sees
        if AUTO in stream:
            chosen_streams = choose_streams(
                held, partial(_fits, limits=limits * room, clock=clock, fps=fps, board=board)
            )
            search = stream_weights(held, chosen_streams or ())
        target = _target_cycles(search, clock, fps)
        floor = min(memory_cycles(search, board), int(search.targets[-1]))
        start = target or max(_default_cycles(search, folding), floor)
        bounded = BoundedSearch(search, limits * room, weigh_resources(board, family))
        chosen = (
            _pick_fastest(bounded, target, clock, board, floor)
            if fit
            else _pick_cheapest(bounded, start, fps, clock, board)
        )
        if latency_us is not None:
            chosen = _reach_latency(bounded, chosen, latency_us, clock, build)
        dataflow = build(chosen) if target is None or depths else _reach_rate(bounded, chosen, target, clock, build)
        if (as_vector(dataflow.cost(family)) <= limits).all():
            check_bandwidth(dataflow, clock, board, fps)
            return dataflow
    raise RecipeError(
        f"{net.name}: its fifos leave no room on {board.title if board else 'it'}; ask for less or raise --max-util"
    )


def _check(
    board: Board | None, clock: float, fps: float | None, fit: bool, max_util: float, latency_us: float | None
) -> None:
    if fit and board is None:
        raise RecipeError("--fit needs a board to fit; name one with --board")
    for name, value in (("clock", clock), ("fps", fps), ("latency", latency_us)):
        if value is not None and not 0 < value < math.inf:
            raise RecipeError(f"{name} must be above 0{' and finite' * (value == math.inf)}, not {value:g}")
    if not 0 < max_util <= 1:
        raise RecipeError(f"max-util must be above 0 and at most 1 (100 %), not {max_util:g}")


def _check_streams(stream: Sequence[str], board: Board | None, reload: bool) -> None:
    if stream and reload:
        raise RecipeError("streamed weights come anew for every image, so none are loaded; leave out --reload")
    if AUTO in stream and len(stream) > 1:
        raise RecipeError(f"--stream-weights takes names or {AUTO}, not both")
    if AUTO in stream and board is None:
        raise RecipeError(
            f"--stream-weights {AUTO} streams what a board cannot hold; name one with --board, or name layers"
        )


def _fits(search: Search, limits: Array, clock: float, fps: float | None, board: Board | None) -> bool:
    """True where some folding fast enough stays within the limits; without a rate, the slowest."""
    target = int(clock * 1e6 / fps) if fps else int(search.targets[-1])
    worth = weigh_resources(board, search.family)
    return target >= search.fastest and BoundedSearch(search, limits, worth).cheapest(target) is not None


def _target_cycles(search: Search, clock: float, fps: float | None) -> int | None:
    """Cycles an image may take; RecipeError when no folding is that fast."""
    if fps is None:
        return None
    target = int(clock * 1e6 / fps)
    if target < search.fastest:
        raise RecipeError(
            f"{fps:g} images/s at {clock:g} MHz leaves {target} cycles; {search.bottleneck_at_best.unit.name} takes "
            f"{search.fastest} at best. Reachable: {_rate(clock, search.fastest)}"
        )
    return target


def _rate(clock: float, cycles: int) -> int:
    return int(clock * 1e6 / cycles)


def _default_cycles(search: Search, folding: Folding) -> int:
    """The pace of the slowest unit in `folding`; without one, the pace at which no unit needs more than LANES lanes."""
    if any(o.unit.name in folding for o in search.choices):
        return search.fastest  # no unit may be faster than what is given for it lets it be
    pace = 1
    for o in search.choices:
        lanes = np.array([f.get("pe", 1) * f.get("simd", 1) for f in o.foldings])
        pace = max(pace, int(o.cycles[(lanes <= LANES) & ~o.hurries].min(initial=o.cycles.max())))
    return max(pace, search.fastest)


class BoundedSearch:
    """A search whose designs stay within limits on resources (4,); `worth` weighs the resources against each other."""

    def __init__(self, search: Search, limits: Array, worth: Array):
        self.search, self.limits, self.worth = search, limits, worth
        self._known: dict[int, Choice | None] = {}

    def cheapest(self, target: int) -> Choice | None:
        """The cheapest folding within `target` cycles that stays within the limits; None when none is found.

        Exact for one weighing of resources against each other; where that one overruns a limit, others are tried,
        until one of them shows that nothing fits: its least weighed cost is more than the limits' own.
        """
        if target not in self._known:
            self._known[target] = None
            for weighing in WEIGHINGS if (self.search.lower_bound(target) <= self.limits).all() else ():
                weights = self.worth * np.array(weighing)
                folding, total = self.search.solve(target, weights)
                if (total <= np.minimum(self.limits, IMPOSSIBLE - 1)).all():
                    self._known[target] = (folding, total)
                if self._known[target] or total @ weights > self.limits @ weights:
                    break
        return self._known[target]

    def with_slack(self, target: int) -> Choice | None:
        """The folding within `target` cycles in which each unit is as fast as it can be for SLACK of the whole cost more;
        None when it does not fit."""
        chosen = self.search.solve(target, self.worth, SLACK)
        return chosen if (chosen[1] <= np.minimum(self.limits, IMPOSSIBLE - 1)).all() else None

    def fastest(self, above: int = 0) -> Choice | None:
        """The fastest folding of at least `above` cycles that fits; None when none does."""
        targets = self.search.targets
        low, high = int(np.searchsorted(targets, above)), len(targets) - 1
        if low > high or self.cheapest(int(targets[high])) is None:
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.cheapest(int(targets[middle])) else (middle + 1, high)
        return self.cheapest(int(targets[low]))

    def cycles_of(self, chosen: Choice) -> int:
        """Cycles an image of a folding."""
        rows = zip(self.search.choices, (chosen[0].get(o.unit.name, {}) for o in self.search.choices), strict=True)
        return max(int(o.cycles[o.foldings.index(f)]) for o, f in rows)


def _pick_fastest(
    bounded: BoundedSearch, target: int | None, clock: float, board: Board | None, floor: int = 0
) -> Choice:
    """The fastest folding that fits, which must be as fast as `target`; where it can be as fast as `floor`, the cheapest that is,
    for memory feeds none that is faster."""
    found = (bounded.cheapest(floor) if floor >= bounded.search.fastest else None) or bounded.fastest()
    if found is None:
        raise RecipeError(_say_too_large(bounded, board))
    if target is not None and bounded.cycles_of(found) > target:
        raise RecipeError(_say_too_slow(bounded, target, found, clock, board))
    return found


def _pick_cheapest(bounded: BoundedSearch, start: int, fps: float | None, clock: float, board: Board | None) -> Choice:
    """The cheapest folding at the pace asked for; where no rate is asked, slower ones when that does not fit."""
    found = bounded.cheapest(start)
    if found is None:
        best = bounded.fastest(0 if fps else start)
        if best is None:
            raise RecipeError(_say_too_large(bounded, board))
        if fps:
            raise RecipeError(_say_too_slow(bounded, start, best, clock, board))
        found = best
    return found


def _reach_rate(
    bounded: BoundedSearch, chosen: Choice, target: int, clock: float, build: Callable[[Choice, float], Dataflow]
) -> Dataflow:
    """The hardware of `chosen`, or of a faster folding where backpressure makes the design slower than its units.

    The next faster folding is tried first; where there is none, one whose units are faster wherever that is cheap.
    """
    faster = [int(t) for t in bounded.search.targets if t < bounded.cycles_of(chosen)]
    best, found = None, chosen
    for _ in range(TRIES):
        dataflow = build(found, target)
        if dataflow.cycles <= target:
            return dataflow
        best = min(best or dataflow.cycles, dataflow.cycles)
        next_one = bounded.cheapest(faster.pop()) if faster else bounded.with_slack(bounded.cycles_of(chosen))
        if next_one is None or next_one[0] == found[0]:
            break
        found = next_one
    assert best
    raise RecipeError(
        f"{_rate(clock, target)} images/s at {clock:g} MHz leave {target} cycles, and units that hand on their words in "
        f"bursts hold each other up. Reachable: {_rate(clock, best)}"
    )


def _say_too_large(bounded: BoundedSearch, board: Board | None) -> str:
    """Nothing fits: what the smallest design needs most beyond what there is."""
    _, total = bounded.search.solve(int(bounded.search.targets[-1]), bounded.worth)
    k = int(np.argmax(total / np.maximum(bounded.limits, 1e-9)))
    title = board.title if board else "the part"
    fits = partial(_fits, limits=bounded.limits, clock=1.0, fps=None, board=board)
    other = propose_streams(bounded.search, fits, board)
    return f"the smallest design needs about {total[k]:.0f} {RESOURCES[k]} and {title} has {bounded.limits[k]:.0f} to give; take a larger board or a smaller network{other}"


def _say_too_slow(bounded: BoundedSearch, target: int, best: Choice, clock: float, board: Board | None) -> str:
    """The rate is out of the board's reach: by which resource, and what is within reach."""
    _, total = bounded.search.solve(target, bounded.worth)
    k = int(np.argmax(total / np.maximum(bounded.limits, 1e-9)))
    return (
        f"{_rate(clock, target)} images/s at {clock:g} MHz needs about {total[k]:.0f} {RESOURCES[k]}; "
        f"{board.title if board else 'the part'} has {bounded.limits[k]:.0f} to give. Reachable: {_rate(clock, bounded.cycles_of(best))}"
    )


def _reach_latency(
    bounded: BoundedSearch, chosen: Choice, latency_us: float, clock: float, build: Callable[[Choice], Dataflow]
) -> Choice:
    """The cheapest folding no slower than `chosen` whose first answer comes within `latency_us`."""
    allowed = int(latency_us * clock)
    if first_latency(build(chosen)) <= allowed:
        return chosen
    targets = [int(t) for t in bounded.search.targets if t <= bounded.cycles_of(chosen)]
    best = bounded.cheapest(targets[0]) or bounded.fastest()
    assert best
    soonest = first_latency(build(best))
    if soonest > allowed:
        raise RecipeError(
            f"{latency_us:g} us at {clock:g} MHz leaves {allowed} cycles; the first answer takes {soonest} at best. "
            f"Reachable: {soonest / clock:.2f} us"
        )
    low, high = 0, len(targets) - 1
    while low < high:  # the slowest target that is soon enough
        middle = (low + high + 1) // 2
        found = bounded.cheapest(targets[middle])
        low, high = (middle, high) if found and first_latency(build(found)) <= allowed else (low, middle - 1)
    return bounded.cheapest(targets[low]) or best
