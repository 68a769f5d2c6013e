"""A mapped design on a board: the board's top around it, nextpnr, the highest clock that closes, the bitstream.

Stands on yosys, pll and tools. Every file lies in one folder, because the wheels of the tools see little else.
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
from hwflow.synth import outreg, yosys
from hwflow.synth.pll import Clock, clock

TOP = "board_serial"
BITSTREAMS = {"ecp5": "design.bit", "gowin": "design.fs", "ice40": "design.bin"}
# Popcounts are dense: packed as tightly as nextpnr likes, CNV (17,000 LUTs) did not finish routing. With at most 0.6 of any
# region filled and the router that negotiates over all nets at once, its routing took 108 s.
SPREAD = ("--router", "router2", "--placer-heap-beta", "0.6")
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
    if board.flow != "open":
        raise RecipeError(
            f"{board.name}: has no open place and route; use Vivado with the project that `hwflow deploy` writes"
        )
    aim, best = clock_mhz or board.clock_mhz, None
    for attempt in range(rounds):
        if best and clock(board, aim).mhz < WORTH_IT * best.clock.mhz:
            break
        try:
            routed = route_once(work, board, params, clock(board, aim), seed=1 + attempt, timeout=timeout)
        except ToolError:  # a faster clock that takes too long costs nothing that closed before
            if best is None:
                raise
            break
        say(f"routed for {routed.clock.mhz:.2f} MHz, closes at {routed.fmax_mhz:.2f} MHz ({routed.seconds:.0f} s)")
        if routed.closes and (best is None or routed.clock.mhz > best.clock.mhz):
            best = routed
            keep(work, board)
        # another clock is another placement: after one that closed worth a try, after one that did not a little worse
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
    shell(work, board, {**params, "ClockHz": hertz, "Baud": baud, **at.params}, timeout)
    mapped = time.perf_counter()
    NEXTPNR[board.family](work, board, at.mhz, seed, timeout)
    report = json.loads((work / "report.json").read_text())
    fmax = min((c["achieved"] for c in report["fmax"].values()), default=0.0)
    used = {k: (v["used"], v["available"]) for k, v in report["utilization"].items() if v["used"]}
    end = time.perf_counter()
    return Routed(at, baud, fmax, used, end - began, {"shell": mapped - began, "nextpnr": end - mapped})


def shell(work: Path, board: Board, params: Mapping[str, int | str], timeout: float | None) -> None:
    """`board.json`: the board's top mapped around the mapped core, which is not worked on again."""
    names = [shutil.copyfile(path, work / path.name).name for path in shell_sources(board.family)]
    command = yosys.COMMANDS[board.family].replace(" -noiopads", "") + yosys.gowin_family(board.family, board.device)
    yosys.run_script(
        [
            "read_rtlil core.il",
            "blackbox *",
            *(f"read_verilog -defer -sv {n}" for n in names),
            f"chparam {values({**params, 'Family': board.family})} {TOP}",
            f"{command} -top {TOP}",
            "read_rtlil -overwrite core.il",
            f"hierarchy -check -top {TOP}",
            "write_json board.json",
        ],
        work, "board", timeout,
    )  # fmt: skip
    if board.family == "ecp5":
        netlist = yosys.read_netlist(work / "board.json")
        if outreg.absorb(netlist):
            (work / "board.json").write_text(json.dumps(netlist))


def shell_sources(family: str) -> list[Path]:
    """The files of a board with a serial line, all but the network's own; of the PLLs, the one of `family`."""
    return [f for f in sources([TOP]) if not f.stem.startswith("pll_") or f.stem == f"pll_{family}"]


def values(params: Mapping[str, int | str]) -> str:
    """Parameters as Yosys' `chparam` takes them."""
    return " ".join(f"-set {k} {json.dumps(v) if isinstance(v, str) else v}" for k, v in params.items())


def _ecp5(work: Path, board: Board, mhz: float, seed: int, timeout: float | None) -> None:
    pins = [
        f'LOCATE COMP "{port}" SITE "{pin}";\nIOBUF PORT "{port}" IO_TYPE={board.io};'
        for port, pin in (("clk_i", board.clock_pin), ("rx_i", board.rx_pin), ("tx_o", board.tx_pin))
    ]
    (work / "board.lpf").write_text("\n".join([*pins, f'FREQUENCY PORT "clk_i" {board.oscillator_mhz:g} MHZ;']) + "\n")
    tools.run(
        "nextpnr-ecp5",
        [f"--{board.device}", "--package", board.package, "--speed", board.speed, "--json", "board.json", "--lpf", "board.lpf",
         "--textcfg", "board.config", *SPREAD, *_common(mhz, seed)],
        cwd=work, log=work / "nextpnr.log", timeout=timeout,
    )  # fmt: skip
    tools.run("ecppack", ["--compress", "board.config", "design.bit"], cwd=work, log=work / "pack.log")


def _ice40(work: Path, board: Board, mhz: float, seed: int, timeout: float | None) -> None:
    pins = [
        f"set_io {p} {pin}" for p, pin in (("clk_i", board.clock_pin), ("rx_i", board.rx_pin), ("tx_o", board.tx_pin))
    ]
    (work / "board.pcf").write_text("\n".join([*pins, f"set_frequency clk_i {board.oscillator_mhz:g}"]) + "\n")
    tools.run(
        "nextpnr-ice40",
        [f"--{board.device}", "--package", board.package, "--json", "board.json", "--pcf", "board.pcf", "--asc", "board.asc", *_common(mhz, seed)],
        cwd=work, log=work / "nextpnr.log", timeout=timeout,
    )  # fmt: skip
    tools.run("icepack", ["board.asc", "design.bin"], cwd=work, log=work / "pack.log")


def _gowin(work: Path, board: Board, mhz: float, seed: int, timeout: float | None) -> None:
    pins = [
        f'IO_LOC "{port}" {pin};\nIO_PORT "{port}" IO_TYPE={board.io};'
        for port, pin in (("clk_i", board.clock_pin), ("rx_i", board.rx_pin), ("tx_o", board.tx_pin))
    ]
    (work / "board.cst").write_text("\n".join(pins) + "\n")
    tools.run(
        "nextpnr-gowin",
        ["--device", board.part, "--vopt", f"family={board.device}", "--vopt", "cst=board.cst", "--json", "board.json", "--write", "routed.json",
         *_common(mhz, seed)],
        cwd=work, log=work / "nextpnr.log", timeout=timeout,
    )  # fmt: skip
    tools.run("gowin_pack", ["-d", board.device, "-o", "design.fs", "routed.json"], cwd=work, log=work / "pack.log")


def _common(mhz: float, seed: int) -> list[str]:
    # the target is for Gowin, whose place and route does not look through the PLL
    return ["--report", "report.json", "--freq", f"{mhz:.2f}", "--seed", str(seed), "--timing-allow-fail"]


NEXTPNR: dict[str, Callable[[Path, Board, float, int, float | None], None]] = {
    "ecp5": _ecp5,
    "ice40": _ice40,
    "gowin": _gowin,
}


def keep(work: Path, board: Board) -> None:
    """Set aside the bitstream of a round that closed; `bitstream` finds it."""
    name = BITSTREAMS[board.family]
    shutil.copyfile(work / name, work / f"best_{name}")


def bitstream(work: Path, board: Board) -> Path:
    """The bitstream of the best round that closed."""
    return work / f"best_{BITSTREAMS[board.family]}"


def versions(board: Board) -> dict[str, Any]:
    """The tools of a board's flow and their versions, as they say them."""
    return {
        "yosys": yosys.version(),
        f"nextpnr-{board.family}": tools.run(f"nextpnr-{board.family}", ["--version"], cwd=Path.cwd())
        .strip()
        .splitlines()[-1],
    }
