"""From a build to a board: a folder that is complete on its own, and running images on it.

Stands on build, synth, driver and the board tops in hls/.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwflow import tools
from hwflow.bits import Array
from hwflow.board import Board, load_board
from hwflow.build import Build
from hwflow.deploy import design as designs
from hwflow.deploy import vivado
from hwflow.deploy.sim import uart_board
from hwflow.driver import Accelerator, LinkError, Stats
from hwflow.errors import RecipeError, ToolError
from hwflow.files import read_json, rewritten, write_json
from hwflow.lower.reload import load_bytes, refill
from hwflow.net import Net
from hwflow.synth import route, synth, yosys
from hwflow.units.kit.base import Dataflow

EXAMPLES = 16  # images a deploy folder carries
Say = Callable[[str], None]


def _silent(_: str) -> None:
    pass


def deploy(
    folder: Path,
    board: str = designs.SIM,
    *,
    out: Path | None = None,
    rounds: int = 3,
    timeout: float | None = None,
    say: Say = _silent,
) -> dict[str, Any]:
    """Make `deploy/` of the build in `folder` for a board, or for the simulated one ("sim"); what was made, as plain data.

    Boards of the open flow get a bitstream at the highest clock that closes within `rounds` of place and route (each
    may take `timeout` seconds); AMD boards get a Vivado project. Kept in `deploy.json` there.
    """
    build = Build.load(folder)
    target = None if board == designs.SIM else load_board(board)
    inputs, _ = build.images(EXAMPLES)
    planned = Path(build.ask.get("board") or "").stem  # a name, or the path of a board's file
    if target is not None and planned != target.name:
        what = f"for {planned}" if planned else "without a board"
        say(
            f"this build was planned {what}; its foldings may not suit {target.name}: hwflow compile {folder} --board {board}"
        )
    return package(
        build.net,
        build.dataflow,
        build.stage("rtl"),
        target,
        out or folder / "deploy",
        inputs,
        rounds=rounds,
        timeout=timeout,
        say=say,
        build=build.hash,
    )


def package(
    net: Net,
    dataflow: Dataflow,
    rtl: Path,
    board: Board | None,
    out: Path,
    inputs: Array,
    *,
    clock_mhz: float | None = None,
    rounds: int = 3,
    timeout: float | None = None,
    say: Say = _silent,
    build: str = "",
) -> dict[str, Any]:
    """A deploy folder of an emitted design, complete on its own; `board` None makes the simulated board.

    `clock_mhz` is what the first round of place and route aims at, else the board's own. `build` is the hash of the build
    it is of. The folder appears whole, in place of an earlier one.
    """
    began = time.perf_counter()
    held = {p.name for p in out.iterdir()} if out.is_dir() else set()
    # the simulated board alone is what `run --port sim` leaves
    if not held & {"driver.py", "build"} and not held <= {designs.SIM}:
        raise RecipeError(f"{out}: holds other files; give a folder that is empty or an earlier deploy")
    with rewritten(out, lambda _: True) as part:
        facts = _package(net, dataflow, rtl, board, part, inputs, clock_mhz, rounds, timeout, say)
        facts = {"build": build, "folder": str(out), **facts, "seconds": round(time.perf_counter() - began, 1)}
        write_json(part / "deploy.json", facts)
    return facts


def _package(
    net: Net, dataflow: Dataflow, rtl: Path, board: Board | None, out: Path, inputs: Array,
    clock_mhz: float | None, rounds: int, timeout: float | None, say: Say,
) -> dict[str, Any]:  # fmt: skip
    """Everything of a deploy folder but deploy.json, in the empty folder `out`."""
    if board and board.flow == "plan":
        raise RecipeError(
            f"{board.name}: hwflow plans for it and makes no bitstream or project for it; take --board sim, or instantiate "
            "the top of rtl/ in a design of your own"
        )
    if dataflow.feeds and (board is None or board.link != "dma"):
        raise RecipeError(
            f"{', '.join(dataflow.feeds)}: weights are streamed, and a serial link brings none; take a board with a DMA, put the "
            "top of rtl/ into a design of your own, or compile without --stream-weights"
        )
    yosys.sources(rtl)
    params = designs.parameters(dataflow, rtl)
    if board is None:
        say("compile the simulated board")
        made, how = (
            _simulate(params, rtl, out),
            "a simulated board, `board_sim`, which selftest.py and driver.py start by themselves.",
        )
    elif board.flow == "open":
        made = _route(board, params, rtl, out, clock_mhz, rounds, timeout, say)
        how = f"load it with `openFPGALoader -b {board.loader} {made['bitstream']}`."
    else:
        made = vivado.project(board, params, rtl, out, net.name, dataflow)
        script = next(out.glob("vivado_*.tcl")).name
        load = (
            f"then `openFPGALoader -b {board.loader} design.bit`."
            if board.loader
            else "then copy this folder to the board."
        )
        how = f"build it with `vivado -mode batch -source {script}`, {load}"
    design = designs.describe(net, dataflow, rtl, board, made)
    designs.write(out, net, design, inputs, how)
    return {"board": design["board"], **made}


def _simulate(params: dict[str, int], rtl: Path, out: Path) -> dict[str, Any]:
    shutil.copy2(uart_board(params, rtl), out / "board_sim")
    for memory in rtl.glob("*.mem"):
        shutil.copyfile(memory, out / memory.name)
    return {"clock_mhz": 0.0}


def _route(
    board: Board,
    params: dict[str, int],
    rtl: Path,
    out: Path,
    clock_mhz: float | None,
    rounds: int,
    timeout: float | None,
    say: Say,
) -> dict[str, Any]:
    """Synthesise, place, route and pack in `out`/build; the bitstream lands in `out`."""
    work = out / "build"
    say(f"synthesise for {board.name}")
    measured = synth(rtl, board, out=work, timeout=timeout)
    say("place and route")
    routed = route.route(work, board, params, clock_mhz=clock_mhz, rounds=rounds, timeout=timeout, say=say)
    name = route.route_of(board).bitstream
    shutil.copyfile(route.bitstream(work, board), out / name)
    shutil.copyfile(work / "nextpnr.log", out / "nextpnr.log")
    shutil.rmtree(work)
    return {
        "bitstream": name, "clock_mhz": routed.clock.mhz, "fmax_mhz": round(routed.fmax_mhz, 2), "critical_path": routed.critical_path, "baud": routed.baud,
        "used": {k: v[0] for k, v in routed.used.items()}, "utilisation": routed.utilisation,
        **{k: measured[k] for k in ("lut", "ff", "bram", "dsp")}, "tools": route.versions(board),
    }  # fmt: skip


def flash(folder: Path, board: Board) -> str:
    """Load the bitstream of a deploy folder into a board with openFPGALoader; what it printed.

    RecipeError where the folder holds no bitstream of this board yet, ToolError where the loader is missing or fails.
    """
    facts = read_json(folder / "deploy.json", f"deploy again for {board.name}")
    name = facts.get("bitstream", "design.bit") if isinstance(facts, dict) else ""
    if not board.loader:
        raise RecipeError(f"{board.name}: is not loaded over a cable; copy {folder} to the board")
    if not (folder / name).is_file():
        raise RecipeError(f"{folder}: has no {name} yet; build it first, as {folder / 'README.md'} says")
    return tools.run("openFPGALoader", ["-b", board.loader, name], cwd=folder)


def run(
    folder: Path,
    port: str,
    x: Array,
    *,
    weights: Net | None = None,
    progress: bool | Callable[[int, int], None] = False,
) -> tuple[Array, Stats]:
    """Answers (n, outputs) of the board at `port` for the build in `folder`, and what the run took.

    `port` "sim" runs the simulated board, which is made when the deploy folder is another board's. `weights`: another
    network of the same structure, which is loaded first; without one, the build's own are loaded where others are inside.
    """
    home = folder / "deploy"
    if port == designs.SIM and not (home / "board_sim").is_file():
        home = home / designs.SIM
        if not (home / "board_sim").is_file():
            deploy(folder, designs.SIM, out=home)
    if not (home / "design.json").is_file():
        raise RecipeError(f"{folder}: has no deploy folder; make one: hwflow deploy {folder} --board BOARD")
    _same_build(folder, home / "deploy.json")
    try:
        with Accelerator(port, home / "design.json") as board:
            if weights is not None or board.design.get("load_bytes"):
                build = Build.load(folder)
                flow = build.dataflow if weights is None else refill(build.net, build.dataflow, weights)
                board.load(load_bytes(flow))
            return board.infer(x, progress), board.stats
    except LinkError as e:
        raise ToolError(f"{port}: {e}") from e


def _same_build(folder: Path, facts: Path) -> None:
    """RecipeError where a deploy folder is of another build than the one in `folder` by now."""
    again = f"deploy again: hwflow deploy {folder}"
    known = read_json(facts, again) if facts.is_file() else {}
    of = known.get("build") if isinstance(known, dict) else None
    if of and Build.load(folder).hash != of:
        raise RecipeError(f"{facts.parent}: is of another build than build.json; {again}")
