"""The cheapest folding of a whole design: every legal choice of every unit, joined exactly.

Stands on lower and units. A design's cost is the sum of its units' and of the width converters between them, so
the least of it is found by eliminating one unit after another from a table of pairs: no choice is left untried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from math import prod
from typing import Any

import numpy as np

from hwflow import units as hw
from hwflow.bits import Array, Ints
from hwflow.board import Board
from hwflow.errors import RecipeError
from hwflow.families import family_of
from hwflow.lower.folding import Folding, folding_fields
from hwflow.ops import Port
from hwflow.units.kit.base import MULTS, SOURCE, Cost, Unit
from hwflow.units.kit.costs import estimate
from hwflow.units.kit.stores import STYLE

RESOURCES = ("lut", "ff", "bram", "dsp")
LARGEST = 30_000_000  # entries of one table; more than networks of the known kinds ever need

IMPOSSIBLE = 1e9  # what a converter costs that cannot be

Words = tuple[int, bool]  # elements of a word, and whether every row of an image begins with one
Factor = tuple[tuple[int, ...], Array]  # the variables a table speaks of, and its cost for each of their values


def weigh_resources(board: Board | None, family: str) -> Array:
    """The weight of each resource (4,): all of a part's LUTs cost as much as all of its block RAMs or multipliers;
    flip-flops, which hardly ever bind, cost half of that."""
    totals = np.array([board.totals[r] for r in RESOURCES] if board else family_of(family).typical, float)
    return np.array([1, 0.5, 1, 1]) / np.maximum(totals, 1e-3)


def as_vector(cost: Cost) -> Array:
    """A cost as (lut, ff, bram, dsp)."""
    return np.array([cost.lut, cost.ff, cost.bram, cost.dsp], float)


@dataclass(frozen=True, eq=False)
class Options:
    """Every legal folding of one unit: cycles (n,), resources (n, 4), words in and out; cheapest cycles first.

    `hurries` (n,): those that take several pixels a cycle only to be fast enough.
    """

    unit: Unit
    foldings: tuple[Mapping[str, Any], ...]
    cycles: Array
    costs: Array
    words: tuple[tuple[Words, ...], ...]  # of its inputs, then of its outputs
    hurries: Array

    @cached_property
    def keys(self) -> tuple[tuple[tuple[Words, ...], ...], Array]:
        """The distinct words, and which of them each folding has."""
        distinct = sorted(set(self.words))
        place = {p: i for i, p in enumerate(distinct)}
        return tuple(distinct), np.array([place[p] for p in self.words])

    @cached_property
    def _lower_bounds(self) -> Array:
        """The least of each resource among the first 1, 2 .. foldings, (n, 4)."""
        return np.minimum.accumulate(self.costs, axis=0)

    def lower_bound(self, target: int) -> Array:
        """The least of each resource (4,), each by itself, within `target` cycles."""
        return self._lower_bounds[int(np.searchsorted(self.cycles, target, side="right")) - 1]

    def fastest_within(self, cost: float, weights: Array) -> int:
        """Cycles of the fastest folding that costs at most `cost`."""
        return int(self.cycles[np.flatnonzero(self.costs @ weights <= cost)[0]])

    def cheapest_by_width(self, target: int, weights: Array, every: bool) -> tuple[Array, Array]:
        """For each distinct words the least cost and the folding that has them, among those within `target` cycles; of
        several pixels a cycle only where one is too slow, or `every`."""
        distinct, which = self.keys
        within = self.cycles <= target
        if not every and (within & ~self.hurries).any():
            within &= ~self.hurries
        score = np.where(within, self.costs @ weights, np.inf)
        order = np.lexsort((score, which))
        first = np.searchsorted(which[order], np.arange(len(distinct)))
        return score[order[first]], order[first]


def list_options(unit: Unit, family: str, given: Mapping[str, Any], last: bool = False) -> Options:
    """Every legal folding of a unit that agrees with what is `given`; RecipeError when none does. `last`: of the unit
    whose output leaves the hardware."""
    unit = unit.unconstrained()
    if unknown := [k for k in given if k not in folding_fields(unit)]:
        raise RecipeError(f"{unit.name}: has {', '.join(folding_fields(unit)) or 'nothing'} to fold, not {unknown[0]}")
    if given.get("mult") == "pair":
        check_pair(unit, family, given)
    elif given.get("style") not in unit.own_bill:
        unit.folded(**given)  # a value the unit cannot take is refused in its own words
    price = _CostModel(unit, family)
    found: dict[tuple[Any, ...], tuple[Mapping[str, Any], Unit]] = {}
    for folding in unit.foldings():
        if not agrees(folding, given):
            continue
        if given.get("style") in unit.own_bill and not allows_style(unit, folding, given["style"]):
            continue
        made = unit.folded(**folding)
        if any(getattr(made, k) != v for k, v in given.items() if k in ("pe", "simd")):
            continue
        outer = [s for s, i in zip(made.ins, made.inputs, strict=True) if i == SOURCE] + [*made.outs] * last
        if any(s.by_row for s in outer):
            continue
        words = tuple((s.par, s.by_row) for s in (*made.ins, *made.outs))
        for style in list_styles(made, family, given):
            cost = price(made, style)
            if style.get("mult") not in ("dsp", "pair") or cost[RESOURCES.index("dsp")] or "mult" in given:
                found.setdefault((made.cycles, words, *cost), ({**folding, **style}, made))
    if not found:
        wanted = ", ".join(f"{k}={v}" for k, v in given.items())
        raise RecipeError(f"{unit.name}: has no legal folding with {wanted}; leave one of them out")
    rows = sorted(found.items(), key=lambda r: r[0][0])
    return Options(
        unit,
        tuple(folding for _, (folding, _) in rows),
        np.array([key[0] for key, _ in rows]),
        np.array([key[2:] for key, _ in rows]),
        tuple(key[1] for key, _ in rows),
        np.array([made.hurries for _, (_, made) in rows]),
    )


def check_pair(unit: Unit, family: str, given: Mapping[str, Any]) -> None:
    """RecipeError unless two products of a unit can share a DSP block of the family, with as many rows as may be given."""
    style = given.get("style", "auto")
    widest = [f for f in unit.foldings() if agrees(f, given) and allows_style(unit, f, style)][-1:]
    paired = unit.folded(**{**dict(*widest), **given})
    if "pair" not in paired.products(family_of(family)):
        block = family_of(family).multiplier
        raise RecipeError(
            f"{unit.name}: a DSP block of {family} ({block.wide} x {block.narrow}) makes no two products of its numbers at "
            "once; take mult dsp"
        )


def agrees(folding: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """True where a folding has no other pe or simd than what is given."""
    return all(folding.get(k, v) == v for k, v in given.items() if k != "style")


def allows_style(unit: Unit, folding: Mapping[str, Any], style: str) -> bool:
    """True when a unit can have its memories in this style at a folding."""
    try:
        unit.folded(**{**folding, "style": style})
    except RecipeError:
        return False
    return True


class _CostModel:
    """What foldings of one unit cost.

    The widths of a unit's numbers do not depend on its folding, so a unit with weights is asked for its parameters once
    and not for every folding.
    """

    def __init__(self, unit: Unit, family: str):
        foldings = list(unit.foldings())
        (self.module, first), (_, last) = (unit.folded(**f).structure() for f in (foldings[0], foldings[-1]))
        self.family, self.base = family, {k: v for k, v in first.items() if not k.startswith("Same")}
        self.varies = {k for k, v in self.base.items() if last.get(k) != v} - {"Pe", "Simd"}

    def __call__(self, unit: Unit, style: Mapping[str, str]) -> tuple[float, ...]:
        module, given = unit.structure() if self.varies else (self.module, self.base)
        params = {**given} | {k: getattr(unit, k.lower()) for k in ("Pe", "Simd") if k in given}
        if style and "Style" in params:
            params["Style"] = STYLE.index(style["style"])
        if "mult" in style:
            params["Mult"] = MULTS.index(style["mult"])
        if style.get("style") in unit.own_bill:
            cost = unit.folded(**style).cost(self.family)
        else:
            cost = estimate(module, unit.bill(params), family_of(self.family))
        return cost.lut, cost.ff, cost.bram, cost.dsp


def list_styles(unit: Unit, family: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a unit can be made of at its folding, as keywords: its memories, and its products in LUTs or DSP blocks."""
    made: list[dict[str, Any]] = [{}]
    if "mult" in folding_fields(unit):
        known = unit.products(family_of(family))
        some = (given["mult"],) if "mult" in given else known
        made = [{"mult": m} for m in some if m != "pair" or m in known]  # one row has no other to share a block with
    return [{**s, **m} for s in list_memory_styles(unit, family, given) for m in made]


def list_memory_styles(unit: Unit, family: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The memory styles a unit can have at its folding, as keywords; one empty choice where it has none."""
    if "style" not in folding_fields(unit):
        return [{}]
    styles = (given["style"],) if "style" in given else unit.styles(family_of(family))
    return [{"style": style} for style in styles]


@dataclass(frozen=True, eq=False)
class Search:
    """The choices of a whole design and what joins them; `given`: the folding that they agree with."""

    units: tuple[Unit, ...]
    choices: tuple[Options, ...]
    family: str
    given: Folding = field(default_factory=dict)

    @staticmethod
    def of(units: tuple[Unit, ...], family: str, folding: Folding) -> Search:
        """All choices of `units` that agree with a (partial) folding."""
        choices = tuple(list_options(u, family, folding.get(u.name, {}), u is units[-1]) for u in units)
        return Search(units, choices, family, folding)

    @cached_property
    def targets(self) -> Array:
        """Every cycle count some unit can have, from the fastest the whole design reaches."""
        every = np.unique(np.concatenate([o.cycles for o in self.choices]))
        return every[every >= self.fastest]

    @property
    def fastest(self) -> int:
        """Cycles per image when every unit is as wide as it goes."""
        return max(int(o.cycles.min()) for o in self.choices)

    @property
    def bottleneck_at_best(self) -> Options:
        """The unit that sets `fastest`."""
        return max(self.choices, key=lambda o: int(o.cycles.min()))

    @cached_property
    def edges(self) -> tuple[tuple[int, int, int, int], ...]:
        """(unit, its stream, reader, the reader's input) for every edge; streams count inputs first, then outputs.

        What enters the design comes in the words of its first reader, so its other readers hang on that one.
        """
        place = {u.name: i for i, u in enumerate(self.units)}
        first = next((i, u.inputs.index(SOURCE)) for i, u in enumerate(self.units) if SOURCE in u.inputs)
        out = []
        for i, unit in enumerate(self.units):
            for k, edge in enumerate(unit.inputs):
                name, _, port = edge.partition(":")
                if name == SOURCE:
                    if (i, k) != first:
                        out.append((*first, i, k))
                else:
                    j = place[name]
                    out.append((j, len(self.units[j].inputs) + int(port or 0), i, k))
        return tuple(out)

    @cached_property
    def forks(self) -> Array:
        """What forks cost at each unit, (units, 4); it hardly depends on the folding."""
        readers = Counter(i for u in self.units for i in u.inputs)
        place = {u.name: i for i, u in enumerate(self.units)}
        out = np.zeros((len(self.units), 4))
        for edge, copies in readers.items():
            if copies > 1:
                i = place.get(edge.split(":")[0], 0)
                port = self.units[i].outs[0].port
                fork = hw.Fork(name="fork", inputs=("x",), x=port, copies=copies, par=1)
                out[i] += as_vector(fork.cost(self.family))
        return out

    def converter(self, edge: tuple[int, int, int, int], gives: Words, takes: Words) -> Array:
        """What it costs (4,) to bring the words that one unit gives to its reader; too much where it cannot be."""
        source, _, reader, k = edge
        if gives == takes:
            return np.zeros(4)
        if self.units[source].width_bound or gives[1] or takes[1]:
            return np.full(4, IMPOSSIBLE)
        port = self.units[reader].ins[k].port
        return cost_converter(port.ints, port.size, gives[0], takes[0], self.family)

    def lower_bound(self, target: int) -> Array:
        """Resources (4,) below which no folding within `target` cycles can be."""
        return self.forks.sum(0) + sum(o.lower_bound(target) for o in self.choices)

    def solve(
        self, target: int, weights: Array, slack: float = 0.0, every: bool = False
    ) -> tuple[dict[str, Mapping[str, Any]], Array]:
        """The folding of least `weights` @ resources in which no unit takes more than `target` cycles, and its
        resources (4,). With `slack`, each unit is as fast as it can be for that share of the whole cost more.

        Units take several pixels a cycle where one is too slow; `every` one may where their neighbours' words ask for it.
        """
        best = [o.cheapest_by_width(target, weights, every) for o in self.choices]
        if slack:
            more = slack * sum(float(score.min()) for score, _ in best)
            best = [
                o.cheapest_by_width(o.fastest_within(float(score.min()) + more, weights), weights, every)
                for o, (score, _) in zip(self.choices, best, strict=True)
            ]
        keep = [np.flatnonzero(np.isfinite(score)) for score, _ in best]
        # what a converter costs for every two widths, then for every two kept foldings
        scores = {e: t @ weights for e, t in self.converters.items()}
        pairs = {e: self._pair(e, keep, t) for e, t in scores.items()}
        keep = _prune(keep, [b[0] for b in best], pairs)
        pairs = {e: self._pair(e, keep, t) for e, t in scores.items()}
        factors: list[Factor] = [((i,), best[i][0][k]) for i, k in enumerate(keep)]
        for (i, _, j, _), table in pairs.items():
            factors.append(((i, j), table) if i != j else ((i,), np.diagonal(table)))
        picked = [int(keep[i][v]) for i, v in enumerate(minimise([len(k) for k in keep], factors))]
        rows = [int(best[i][1][p]) for i, p in enumerate(picked)]
        total = self.forks.sum(0) + sum(o.costs[r] for o, r in zip(self.choices, rows, strict=True))
        for e, table in self.converters.items():
            total = total + table[self._widths(e[0], e[1])[1][picked[e[0]]], self._widths(e[2], e[3])[1][picked[e[2]]]]
        if total.max() >= IMPOSSIBLE and not every:
            return self.solve(target, weights, slack, every=True)
        return {o.unit.name: o.foldings[r] for o, r in zip(self.choices, rows, strict=True) if o.foldings[r]}, total

    @cached_property
    def converters(self) -> dict[tuple[int, int, int, int], Array]:
        """For every edge, (widths out, widths in, 4): what it costs to bring one to the other; a thousand parts
        where it cannot be."""
        return {
            e: np.array(
                [[self.converter(e, o, i) for i in self._widths(e[2], e[3])[0]] for o in self._widths(e[0], e[1])[0]]
            )
            for e in self.edges
        }

    @cache  # noqa: B019  a search lives as long as its plan
    def _widths(self, unit: int, stream: int) -> tuple[list[Words], Array]:
        """The distinct words a stream of a unit can have, and which of them each of its `keys` has."""
        every = [words[stream] for words in self.choices[unit].keys[0]]
        distinct = sorted(set(every))
        return distinct, np.array([distinct.index(p) for p in every])

    def _pair(self, edge: tuple[int, int, int, int], keep: Sequence[Array], table: Array) -> Array:
        """The converter's cost for every kept width of both ends."""
        i, a, j, b = edge
        return table[self._widths(i, a)[1][keep[i]][:, None], self._widths(j, b)[1][keep[j]][None, :]]


@cache
def cost_converter(ints: Ints, size: int, par_in: int, par_out: int, family: str) -> Array:
    """What a width converter costs, (4,)."""
    return as_vector(
        hw.Width(name="width", inputs=("x",), x=Port((size,), ints), par_in=par_in, par_out=par_out).cost(family)
    )


def _prune(keep: list[Array], scores: list[Array], pairs: Mapping[tuple[int, int, int, int], Array]) -> list[Array]:
    """Drop widths that cost more than the best one by more than all their converters together could give back."""
    slack = np.zeros(len(keep))
    for (i, _, j, _), table in pairs.items():
        spread = float(table.max() - table.min()) if table.size else 0.0
        slack[i] += spread
        slack[j] += spread
    return [k[scores[i][k] <= scores[i][k].min() + slack[i] + 1e-9] for i, k in enumerate(keep)]


def minimise(sizes: Sequence[int], factors: Sequence[Factor]) -> list[int]:
    """The value of each variable that makes the sum of all factors least; exact, by eliminating variables in turn."""
    left = set(range(len(sizes)))
    tables = list(factors)
    steps: list[tuple[int, tuple[int, ...], Array]] = []
    while left:
        around = {v: sorted({u for vs, _ in tables if v in vs for u in vs} - {v}) for v in left}
        v = min(left, key=lambda v: (prod(sizes[u] for u in around[v]) * sizes[v], v))
        near = tuple(around[v])
        if prod(sizes[u] for u in near) * sizes[v] > LARGEST:
            raise RecipeError(
                f"the {len(near)} streams that meet in one place allow too many foldings; fold one of them by hand"
            )
        whole = np.zeros([sizes[u] for u in (*near, v)])
        for vs, table in tables:
            if v in vs:
                whole = whole + _broadcast(vs, table, (*near, v))
        tables = [(vs, t) for vs, t in tables if v not in vs] + [(near, whole.min(-1))]
        steps.append((v, near, whole.argmin(-1)))
        left.remove(v)
    values = [0] * len(sizes)
    for v, near, table in reversed(steps):
        values[v] = int(table[tuple(values[u] for u in near)])
    return values


def _broadcast(vs: tuple[int, ...], table: Array, axes: tuple[int, ...]) -> Array:
    """`table` over variables `vs` with its axes in the order of `axes`, ones for those it does not speak of."""
    order = sorted(range(len(vs)), key=lambda k: axes.index(vs[k]))
    moved = np.transpose(table, order)
    return moved.reshape([moved.shape[[vs[k] for k in order].index(a)] if a in vs else 1 for a in axes])
