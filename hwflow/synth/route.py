"""A mapped design on a board: the board's top around it, nextpnr, the highest clock that closes, the bitstream.

Stands on families, yosys, pll and tools. Every file lies in one folder, because the wheels of the tools see little else.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwflow import tools
from hwflow.board import Board
from hwflow.emit.rtl import sources
from hwflow.errors import RecipeError, ToolError
from hwflow.families import Clock, family_of
from hwflow.families.base import PlaceAndRoute
from hwflow.synth import yosys
from hwflow.synth.improve import FLATTEN, improve_netlist
from hwflow.synth.paths import describe_critical_path
from hwflow.synth.pll import pick_clock

TOP = "board_serial"
CLOCKS_A_BIT = 4  # the fewest uart_rx takes
WORTH_IT = 1.05  # a clock higher by less is not worth another round of place and route


@dataclass(frozen=True)
class Routed:
    """One placed and routed board: the clock its PLL makes, the clock it would close at, what it uses."""

    clock: Clock
    baud: int
    fmax_mhz: float
    used: dict[str, tuple[int, int]]  # resource by nextpnr's name: used, available
    seconds: float
    critical_path: str | None = None  # in the words of units
    log: dict[str, float] = field(default_factory=dict)

    @property
    def closes(self) -> bool:
        return self.fmax_mhz >= self.clock.mhz

    @property
    def utilisation(self) -> dict[str, float]:
        """Percent of each resource the part has."""
        return {k: round(100 * used / total, 1) for k, (used, total) in self.used.items() if total}


def route(
    work: Path,
    board: Board,
    params: Mapping[str, int],
    *,
    clock_mhz: float | None = None,
    rounds: int = 3,
    timeout: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Routed:
    """Place and route the design `work`/core.il on a board and pack its bitstream into `work`.

    The first round aims at `clock_mhz` (else the board's own); each further one sets the PLL to what the one before
    reached, and the best that closes is kept. ToolError when none closes.
    """
    route_of(board)
    aim, best = clock_mhz or board.clock_mhz, None
    for attempt in range(rounds):
        if best and pick_clock(board, aim).mhz < WORTH_IT * best.clock.mhz:
            break
        try:
            routed = route_once(work, board, params, pick_clock(board, aim), seed=1 + attempt, timeout=timeout)
        except ToolError:  # a faster clock that takes too long costs nothing that closed before
            if best is None:
                raise
            break
        say(f"routed for {routed.clock.mhz:.2f} MHz, closes at {routed.fmax_mhz:.2f} MHz ({routed.seconds:.0f} s)")
        if routed.closes and (best is None or routed.clock.mhz > best.clock.mhz):
            best = routed
            save_bitstream(work, board)
        # Each clock gives another placement: aim at what this one reached, or a little lower where it did not close.
        aim = routed.fmax_mhz if routed.closes else 0.92 * min(routed.fmax_mhz, aim)
    if best is None:
        raise ToolError(
            f"{board.name}: no clock closed in {rounds} rounds, the last reached {routed.fmax_mhz:.2f} MHz; allow more rounds or ask for a lower clock"
        )
    return best


def route_once(
    work: Path, board: Board, params: Mapping[str, int], at: Clock, *, seed: int, timeout: float | None
) -> Routed:
    """One round: the board's top with this clock, nextpnr, the packer."""
    began = time.perf_counter()
    hertz = round(at.mhz * 1e6)
    baud = min(board.baud, hertz // CLOCKS_A_BIT)
    map_shell(work, board, {**params, "ClockHz": hertz, "Baud": baud, **at.params}, timeout)
    mapped = time.perf_counter()
    place_and_route(work, board, at.mhz, seed, timeout)
    report = json.loads((work / "report.json").read_text())
    fmax = min((c["achieved"] for c in report["fmax"].values()), default=0.0)
    used = {k: (v["used"], v["available"]) for k, v in report["utilization"].items() if v["used"]}
    end = time.perf_counter()
    return Routed(
        at,
        baud,
        fmax,
        used,
        end - began,
        describe_critical_path(report),
        {"shell": mapped - began, "nextpnr": end - mapped},
    )


def map_shell(work: Path, board: Board, params: Mapping[str, int | str], timeout: float | None) -> None:
    """`board.json`: the board's top mapped around the mapped core, which is not worked on again."""
    names = [shutil.copyfile(path, work / path.name).name for path in shell_sources(board.family)]
    command = yosys.command(board.family, core=False, device=board.device)
    improved = route_of(board).improved
    yosys.run_script(
        [
            "read_rtlil core.il",
            "blackbox *",
            *yosys.read_sources(board.family, names),
            f"chparam {chparam_options({**params, 'Family': pll_of(board.family)})} {TOP}",
            f"{command} -top {TOP}",
            "read_rtlil -overwrite core.il",
            f"hierarchy -check -top {TOP}",
            *(FLATTEN if improved else ()),
            "write_json board.json",
        ],
        work,
        "board",
        timeout,
    )
    if improved:
        improve_netlist(work / "board.json")


def shell_sources(family: str) -> list[Path]:
    """The files of a board with a serial line, all but the network's own; of the PLLs, the one of `family`."""
    return [f for f in sources([TOP]) if not f.stem.startswith("pll_") or f.stem == f"pll_{pll_of(family)}"]


def pll_of(family: str) -> str:
    """The name of a family's PLL module, which board_serial goes by; RecipeError where there is none."""
    pll = family_of(family).pll
    if pll is None:
        raise RecipeError(f"{family}: has no PLL module, so no board of its own; take a board of another family")
    return pll.name


def chparam_options(params: Mapping[str, int | str]) -> str:
    """Parameters as Yosys' `chparam` takes them."""
    return " ".join(f"-set {k} {json.dumps(v) if isinstance(v, str) else v}" for k, v in params.items())


def place_and_route(work: Path, board: Board, mhz: float, seed: int, timeout: float | None) -> None:
    """Constraints, place and route, bitstream, as the board's family has them."""
    route = route_of(board)
    (work / route.constraints).write_text(route.constrain(board))
    # the target is for Gowin, whose place and route does not look through the PLL
    common = ["--report", "report.json", "--freq", f"{mhz:.2f}", "--seed", str(seed), "--timing-allow-fail"]
    tools.run(route.tool, [*route.arguments(board), *common], cwd=work, log=work / "nextpnr.log", timeout=timeout)
    packer, arguments = route.pack(board)
    tools.run(packer, arguments, cwd=work, log=work / "pack.log")


def route_of(board: Board) -> PlaceAndRoute:
    """The open place and route of a board's family; RecipeError where there is none."""
    route = family_of(board.family).route
    if board.flow != "open" or route is None:
        raise RecipeError(
            f"{board.name}: has no open place and route; use Vivado with the project that `hwflow deploy` writes"
        )
    return route


def save_bitstream(work: Path, board: Board) -> None:
    """Set aside the bitstream of a round that closed; `bitstream` finds it."""
    name = route_of(board).bitstream
    shutil.copyfile(work / name, work / f"best_{name}")


def bitstream(work: Path, board: Board) -> Path:
    """The bitstream of the best round that closed."""
    return work / f"best_{route_of(board).bitstream}"


def versions(board: Board) -> dict[str, Any]:
    """The tools of a board's flow and their versions, as they say them."""
    return {
        "yosys": yosys.version(),
        route_of(board).tool: tools.run(route_of(board).tool, ["--version"], cwd=Path.cwd()).strip().splitlines()[-1],
    }
