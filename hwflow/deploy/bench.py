"""The table of boards: networks made into bitstreams here and now, with the time each took and the rate each reaches.

Stands on deploy's `package`, plan and the nets of bench_nets. Nothing in it has touched hardware.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwflow import bench_nets
from hwflow.board import Board, load_board
from hwflow.deploy import package
from hwflow.emit.rtl import emit
from hwflow.errors import HwflowError
from hwflow.lower import folding_of, lower
from hwflow.net import Net
from hwflow.plan import plan
from hwflow.units.base import Dataflow

# network, board, images/s asked for (None: the smallest design), clock it is planned for
RECIPES = (
    ("tfc", "icebreaker", None, None),
    ("tfc", "tangnano9k", None, None),
    ("tfc", "ulx3s_85f", None, None),
    ("cnv", "ulx3s_85f", 3100, 72.0),
    ("resnet20", "ulx3s_85f", 30, 60.0),
)
DEEP = 16  # words of weights from which block RAM is asked for: LUT memories congest the routing
TIMEOUT = 3600.0  # seconds of one run of one tool


def bench_rows(say: Callable[[str], None], *, out: Path | None = None) -> list[dict[str, Any]]:
    """One row for each of RECIPES: what was used, the clock, images/s at it, seconds; or the reason nothing came of it."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, board, fps, clock in RECIPES:
            say(f"{name} on {board}")
            rows.append(
                row(
                    bench_nets.NETS[name](1),
                    load_board(board),
                    fps,
                    clock,
                    (out or Path(scratch)) / f"{name}_{board}",
                    say,
                )
            )
    return rows


def row(
    net: Net, board: Board, fps: float | None, clock: float | None, folder: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """A network made into a bitstream for a board, as one line of the table."""
    head = {"network": net.name, "board": board.name, "part": board.part}
    try:
        dataflow = sized(net, board, fps, clock)
        rtl = emit(dataflow, folder / "rtl")
        made = package(
            net, dataflow, rtl, board, folder / "deploy", bench_nets.images(net, 4), rounds=2, timeout=TIMEOUT, say=say
        )
    except HwflowError as e:
        return {**head, "result": str(e).splitlines()[0]}
    size = (folder / "deploy" / made["bitstream"]).stat().st_size
    return {
        **head, "cycles_per_image": dataflow.cycles, "lut": made["lut"], "ff": made["ff"], "bram": made["bram"], "dsp": made["dsp"],
        "utilisation": max(v for k, v in made["utilisation"].items() if k in MAIN), "fmax_mhz": made["fmax_mhz"], "clock_mhz": made["clock_mhz"],
        "images_per_s": round(made["clock_mhz"] * 1e6 / dataflow.cycles), "bitstream_bytes": size, "seconds": made["seconds"],
        "result": "bitstream written",
    }  # fmt: skip


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


def sized(net: Net, board: Board, fps: float | None, clock: float | None) -> Dataflow:
    """The cheapest design for a rate with its weights in block RAM, or the smallest one."""
    if fps is None or clock is None:
        return lower(net)
    first = plan(net, board=board, clock_mhz=clock, fps=fps)
    folding: dict[str, dict[str, Any]] = {k: dict(v) for k, v in folding_of(first).items()}
    for unit in first.units:
        chosen = folding.get(unit.name)
        if chosen and "style" in chosen and max((len(m.words) for m in unit.memories().values()), default=0) > DEEP:
            chosen["style"] = "block"
    return plan(net, board=board, clock_mhz=clock, folding=folding)
