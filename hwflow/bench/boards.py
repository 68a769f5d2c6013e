"""The table of boards: networks made into bitstreams here and now, with the time each took and the rate each reaches.

Stands on deploy's `package`, plan and the nets of generate. Nothing in it has touched hardware.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwflow.board import Board, load_board
from hwflow.deploy import package
from hwflow.driver import Accelerator
from hwflow.emit.rtl import emit
from hwflow.errors import HwflowError, RecipeError
from hwflow.generate import nets as drawn_nets
from hwflow.lower import folding_of, lower
from hwflow.net import Net
from hwflow.places import contents, measure_once
from hwflow.plan import plan
from hwflow.synth import TIMEOUT, yosys
from hwflow.units.kit.base import Dataflow

Say = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """One line of the table: a network on a board."""

    network: str
    board: str
    fps: float | None = None  # None: the smallest design
    clock_mhz: float | None = None  # what the rate is planned for, and place and route aims at; else the board's own
    rounds: int = 3  # of place and route
    folding: dict[str, dict[str, Any]] = field(default_factory=dict)  # by hand, over what the plan found


# CNV in 21,600 cycles. The plan would hold more weights in LUTs, which the part has plenty of and its routing has not.
CNV = {
    name: {"pe": pe, "simd": simd, "style": "block"}
    for name, pe, simd in (
        ("conv0", 8, 9), ("conv1", 16, 96), ("conv2", 8, 64), ("conv3", 8, 96), ("conv4", 4, 36), ("conv5", 4, 9),
        ("dense0", 2, 4), ("dense1", 2, 8), ("dense2", 1, 2),
    )
}  # fmt: skip
TARGETS = (
    Target("tfc", "icebreaker"),
    Target("tfc", "tangnano9k"),
    Target("tfc", "ulx3s_85f"),
    Target("cnv", "ulx3s_85f", 3100, 72.0, 1, CNV),
    Target("resnet20", "ulx3s_85f", 100, 60.0, 1),
)
DEEP = 16  # words of weights from which block RAM is asked for: LUT memories congest the routing
SIMULATED = Target("tfc", "sim", folding={"dense0": {"pe": 4, "simd": 28}})
SIMULATED_IMAGES = 1000


def bench_rows(say: Say, *, out: Path | None = None, only: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """One row for each of TARGETS, or of the networks and boards `only` names: what was used, the clock, images/s at it,
    seconds; or the reason nothing came of it."""
    chosen = choose((*TARGETS, SIMULATED), only)
    with tempfile.TemporaryDirectory() as scratch:
        home = out or Path(scratch)
        for target in chosen:
            say(f"{target.network} on {target.board}")
            folder = home / f"{target.network}_{target.board}"
            yield simulate(target, folder) if target == SIMULATED else row(target, folder, say)


def choose(targets: Sequence[Target], only: Sequence[str]) -> tuple[Target, ...]:
    """The targets of the networks or boards `only` names, all where it names none; RecipeError where no target has a name."""
    names = {name for t in targets for name in (t.network, t.board)}
    if unknown := [name for name in only if name not in names]:
        raise RecipeError(f"--only {unknown[0]}: no row is of it; choose of {', '.join(sorted(names))}")
    return tuple(t for t in targets if not only or {t.network, t.board} & {*only})


def row(target: Target, folder: Path, say: Say) -> dict[str, Any]:
    """A network made into a bitstream for a board, as one line of the table."""
    net, board = drawn_nets.NETS[target.network](1), load_board(target.board)
    head = {"network": net.name, "board": board.name, "part": board.part}
    try:
        dataflow = size_design(net, board, target)
        rtl = emit(dataflow, folder / "rtl")
        facts = measure_once(
            ["board", repr(target), repr(board), yosys.version(), *contents(rtl)],
            lambda: build(net, dataflow, rtl, board, target, folder, say),
        )
        return {**head, **facts}
    except HwflowError as e:
        return {**head, "result": str(e).splitlines()[0]}


def build(
    net: Net, dataflow: Dataflow, rtl: Path, board: Board, target: Target, folder: Path, say: Say
) -> dict[str, Any]:
    """What the bitstream of a design takes and gives."""
    facts = package(
        net, dataflow, rtl, board, folder / "deploy", drawn_nets.random_images(net, 4),
        clock_mhz=target.clock_mhz, rounds=target.rounds, timeout=TIMEOUT, say=say,
    )  # fmt: skip
    return {
        "cycles_per_image": dataflow.cycles, "lut": facts["lut"], "ff": facts["ff"], "bram": facts["bram"], "dsp": facts["dsp"],
        "utilisation": max(v for k, v in facts["utilisation"].items() if k in MAIN), "fmax_mhz": facts["fmax_mhz"],
        "clock_mhz": facts["clock_mhz"], "images_per_s": round(facts["clock_mhz"] * 1e6 / dataflow.cycles),
        "bitstream_bytes": (folder / "deploy" / facts["bitstream"]).stat().st_size, "seconds": facts["seconds"],
        "result": "bitstream written",
    }  # fmt: skip


def simulate(target: Target, folder: Path) -> dict[str, Any]:
    """Images over the simulated board's pseudo-terminal, serial line and accelerator, compared with the integers."""
    net = drawn_nets.NETS[target.network](1)
    began = time.perf_counter()
    dataflow = lower(net, target.folding)
    x = drawn_nets.random_images(net, SIMULATED_IMAGES)
    package(net, dataflow, emit(dataflow, folder / "rtl"), None, folder / "deploy", x[:4])
    with Accelerator("sim", folder / "deploy" / "design.json") as board:
        differing = int((board.infer(x).reshape(len(x), -1) != net.run(x).reshape(len(x), -1)).any(1).sum())
    return {
        "network": net.name,
        "board": "sim",
        "cycles_per_image": dataflow.cycles,
        "seconds": round(time.perf_counter() - began, 1),
        "result": f"{differing} of {len(x)} answers differ",
    }


# what nextpnr calls the resources that fill up
MAIN = {
    "TRELLIS_COMB",
    "DP16KD",
    "MULT18X18D",
    "ICESTORM_LC",
    "ICESTORM_RAM",
    "ICESTORM_DSP",
    "LUT4",
    "DFF",
    "BSRAM",
    "RAM16SDP4",
}


def size_design(net: Net, board: Board, target: Target) -> Dataflow:
    """The cheapest design for a rate with its weights in block RAM, or the smallest one."""
    if target.fps is None:
        return lower(net, target.folding)
    first = plan(net, board=board, clock_mhz=target.clock_mhz, fps=target.fps, folding=target.folding)
    folding: dict[str, dict[str, Any]] = {k: dict(v) for k, v in folding_of(first).items()}
    for unit in first.units:
        chosen = folding.get(unit.name)
        if chosen and "style" in chosen and max((len(m.words) for m in unit.memories().values()), default=0) > DEEP:
            chosen["style"] = "block"
    return lower(net, folding)
