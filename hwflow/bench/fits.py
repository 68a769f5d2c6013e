"""What `--fit` promises, held to Yosys: the fastest design of a network for every board, its units synthesised and added.

Lanes and units that are alike but for their weights are measured once: see measure.total.

Stands on measure and plan. `hwflow bench fits` prints the rows, smallest designs first; the cache keeps what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hwflow import cluster as machines
from hwflow.bench.measure import total
from hwflow.board import Board, boards
from hwflow.errors import RecipeError
from hwflow.generate import nets as drawn_nets
from hwflow.net import Net
from hwflow.plan import plan
from hwflow.synth import TIMEOUT
from hwflow.units.kit.base import Cost, Dataflow

NETWORKS = ("tfc", "sfc", "resnet20", "cnv")
SHARE = 0.8  # of the board, the default of --max-util
PART = 1_000  # LUTs of lanes that are measured once for all that are like them; whole designs take hours of one core

Row = dict[str, Any]
Design = tuple[str, Board, Dataflow | None, Dataflow | None]


def rows(
    say: Callable[[str], None],
    cluster: str | None = None,
    networks: Sequence[str] = NETWORKS,
    among: Sequence[Board] | None = None,
) -> list[Row]:
    """One row for each network and board: the fastest design, what it takes of the board, estimated and synthesised, and the
    cycles of the fastest design in half of that. `cluster`: the address of a Dask scheduler whose workers share the rows."""
    asks = [(name, board) for name in networks for board in (boards() if among is None else among)]
    if cluster is None:
        return [row(*d, say) for d in sorted((design(*ask, say) for ask in asks), key=size)]
    say(f"{len(asks)} designs for the cluster")
    return [found for _, found in sorted(machines.each(sized_row, asks, cluster=cluster), key=lambda pair: pair[0])]


def sized_row(name: str, board: Board) -> tuple[float, Row]:
    """A line of the table behind the number by which lines are sorted."""
    drawn = design(name, board)
    return size(drawn), row(*drawn)


def size(drawn: Design) -> float:
    """The LUTs that a design is estimated to take; none for what does not fit."""
    _, board, dataflow, _ = drawn
    return dataflow.cost(board.family).lut if dataflow else 0.0


def _silent(_: str) -> None:
    pass


def design(name: str, board: Board, say: Callable[[str], None] = _silent) -> Design:
    """Network, board, the fastest design that fits and the fastest in half the room; None where nothing does."""
    say(f"{name} for {board.name}: planning")
    net = drawn_nets.NETS[name](0)
    return name, board, fastest(net, board, SHARE), fastest(net, board, SHARE / 2)


def fastest(net: Net, board: Board, share: float) -> Dataflow | None:
    try:
        return plan(net, board=board, fit=True, max_util=share)
    except RecipeError:
        return None


def row(
    name: str, board: Board, dataflow: Dataflow | None, half: Dataflow | None, say: Callable[[str], None] = _silent
) -> Row:
    """One line of the table; `holds` says that no resource is above the limit and that half the room is no faster."""
    out: Row = {"network": name, "board": board.name}
    if dataflow is None:
        return {**out, "cycles": "does not fit", "holds": half is None}
    guess = dataflow.cost(board.family)
    slower = half is None or half.cycles >= dataflow.cycles
    out |= {
        "cycles": dataflow.cycles,
        "in half": half.cycles if half else "does not fit",
        "estimated %": shares(board, guess),
    }
    say(f"{name} for {board.name}: synthesising {guess.lut:.0f} LUTs of units")
    found = total(dataflow.units, board.family, say, TIMEOUT, most=PART, alike=True)
    if found is None:
        return {**out, "synthesised %": "a unit did not finish", "holds": slower if not slower else "half only"}
    real = Cost(**found)
    below = max(share(board, real).values()) <= 100 * SHARE
    return {
        **out,
        "synthesised %": shares(board, real),
        "LUT error %": round(100 * (guess.lut / real.lut - 1), 1),
        "holds": below and slower,
    }


def share(board: Board, cost: Cost) -> dict[str, float]:
    return board.percent({"lut": cost.lut, "ff": cost.ff, "bram": cost.bram, "dsp": cost.dsp})


def shares(board: Board, cost: Cost) -> str:
    """LUT, flip-flops, block RAM, multipliers."""
    return " / ".join(f"{p:.0f}" for p in share(board, cost).values())
