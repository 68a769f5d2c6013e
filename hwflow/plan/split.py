"""One network over two boards: where it is cut, and the hardware of either half.

Stands on plan. A cut is a place that one tensor crosses, so the link is one stream: what leaves the first half's top is what
the second half's takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hwflow.board import Board, clock_for, family_for
from hwflow.errors import HwflowError, RecipeError
from hwflow.lower import cores
from hwflow.net import INPUT, Net
from hwflow.ops import Flatten, Reshape
from hwflow.plan import plan
from hwflow.plan.search import RESOURCES, as_vector
from hwflow.units import Width
from hwflow.units.kit.base import SOURCE, Dataflow, Unit

NEAR = 1.1  # cuts whose larger half is within so much of the least are told apart by the bits that cross
ENTRY = "link_width"  # the unit that makes the first half's words as wide as the second half takes them


@dataclass(frozen=True, eq=False)
class Half:
    """One board's part: its integers and its hardware."""

    net: Net
    dataflow: Dataflow


@dataclass(frozen=True, eq=False)
class Split:
    """Two halves; `behind` names the operation whose result crosses, `shares` is either half's part of the whole's cost."""

    first: Half
    second: Half
    behind: str
    shares: tuple[float, float]

    @property
    def cycles(self) -> int:
        """Cycles an image: those of the slower half."""
        return max(self.first.dataflow.cycles, self.second.dataflow.cycles)

    @property
    def link_bits(self) -> int:
        """Bits of an image that cross, each word in whole bytes, as the streams have them."""
        stream = self.first.dataflow.output
        return stream.words * (-(-stream.bits // 8) * 8)

    def link_rate(self, clock_mhz: float) -> float:
        """Mbit/s that the link must carry at a clock."""
        return self.link_bits * clock_mhz / self.cycles


def cuts(net: Net) -> list[int]:
    """Every number of operations that may be on the first board: one result crosses, and both halves compute something."""
    found = []
    for i in range(1, len(net.ops)):
        ahead, behind = {INPUT, *(op.name for op in net.ops[:i])}, net.ops[i:]
        crosses = {source for op in behind for source in op.inputs if source in ahead}
        works = all(any(not isinstance(op, Flatten | Reshape) for op in half) for half in (net.ops[:i], behind))
        if crosses == {net.ops[i - 1].name} and works:
            found.append(i)
    return found


def halves(net: Net, at: int) -> tuple[Net, Net]:
    """The first `at` operations and the rest, each a network; the first's answer is the integers that cross."""
    name = net.ops[at - 1].name
    rest = tuple(replace(op, inputs=tuple(INPUT if i == name else i for i in op.inputs)) for op in net.ops[at:])
    first = Net(f"{net.name}_first", net.input, net.ops[:at], net.denominator)
    return first, Net(f"{net.name}_second", net.ports[name], rest, answer=net.answer)


def split(
    net: Net, *, board: Board | None = None, clock_mhz: float | None = None, fps: float | None = None, fit: bool = False,
    max_util: float = 0.8,
) -> Split:  # fmt: skip
    """The two halves of a network whose larger one is the smallest part of a board; cuts nearly as good are told apart by
    the bits that cross.

    `fps`, `fit`, `clock_mhz`, `max_util`: as `plan` takes them, for each board. With `fit`, the half that could be faster
    is made as cheap as the other's rate allows. RecipeError where no place is crossed by one tensor alone, or no halves fit.
    """
    clock = clock_mhz or clock_for(board)
    places = cuts(net)
    if not places:
        raise RecipeError(
            f"{net.name}: no place is crossed by one tensor alone, so it cannot be cut; take a larger board"
        )
    shares = cost_shares(net, places, board, clock, fps)
    least = min(max(s) for s in shares.values())
    bits = {i: net.ports[net.ops[i - 1].name].size * net.ports[net.ops[i - 1].name].ints.bits for i in places}
    order = sorted(places, key=lambda i: (max(shares[i]) > NEAR * least, bits[i] if max(shares[i]) <= NEAR * least else max(shares[i])))  # fmt: skip
    why = ""
    for at in order[:4]:
        try:
            nets = halves(net, at)
            ask: Mapping[str, Any] = {"board": board, "clock_mhz": clock, "max_util": max_util}
            flows = [plan(n, fps=fps, fit=fit, **ask) for n in nets]
            pace = max(f.cycles for f in flows)
            if fit:
                flows = [f if f.cycles == pace else plan(n, fps=clock * 1e6 / pace, **ask) for n, f in zip(nets, flows, strict=True)]  # fmt: skip
            second = _feed(flows[1], flows[0])
            return Split(Half(nets[0], flows[0]), Half(nets[1], second), net.ops[at - 1].name, shares[at])
        except HwflowError as e:
            why = why or str(e)
    raise RecipeError(f"{net.name}: no cut gives two halves that fit; {why}")


def cost_shares(
    net: Net, places: list[int], board: Board | None, clock: float, fps: float | None
) -> dict[int, tuple[float, float]]:
    """What part of a board (of the whole network where there is none) either half takes, by the place of the cut.

    Costs are those of the whole network planned without a limit; what joins units belongs to none of them.
    """
    whole = plan(net, clock_mhz=clock, fps=fps)
    costs = {u.name: as_vector(u.cost(family_for(board))) for u in whole.units if not u.glue}
    total = np.sum(list(costs.values()), axis=0)
    limit = np.array([board.totals[r] for r in RESOURCES]) if board else np.maximum(total, 1)
    out = {}
    for at in places:
        names = {u.name for u in cores(halves(net, at)[0])}
        ours = np.sum([c for n, c in costs.items() if n in names] or [np.zeros(len(RESOURCES))], axis=0)
        out[at] = tuple(float((part / np.maximum(limit, 1e-9)).max()) for part in (ours, total - ours))
    return out  # type: ignore[return-value]


def _feed(second: Dataflow, first: Dataflow) -> Dataflow:
    """The second half as it takes the first half's words: a width converter in front where they differ."""
    give, take = first.output, second.input
    if give.par == take.par:
        return second
    entry: Unit = Width(name=ENTRY, inputs=(SOURCE,), x=take.port, par_in=give.par, par_out=take.par)
    units = (replace(u, inputs=tuple(ENTRY if i == SOURCE else i for i in u.inputs)) for u in second.units)
    pace = None if second.pace is None else max(second.pace, entry.cycles)
    return Dataflow(second.name, replace(give, port=take.port), (entry, *units), pace)
