"""The table of clocks: what whole designs, link included, reach on open boards; the median of three seeds of the placer.

Stands on bench's boards and placing. One seed of the placer differs from the next by some percent, so that a change of
the hardware can be told from luck only in the median.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from hwflow.bench.boards import CNV, Target, choose, size_design
from hwflow.bench.placing import made_from, place
from hwflow.board import Board, load_board
from hwflow.emit.rtl import emit
from hwflow.errors import HwflowError
from hwflow.generate import nets as drawn_nets
from hwflow.places import measure_once
from hwflow.units.kit.base import Dataflow

SEEDS = (1, 2, 3)
# nextpnr stops improving where the clock that it is asked for is reached
TARGETS = (
    Target("tfc", "icebreaker", clock_mhz=34.0),
    # words of several bits, so that no multiplexer stands behind a block RAM
    Target("tfc", "tangnano9k", 16_000, 112.0),
    Target("tfc", "ulx3s_85f", 165_000, 140.0),  # 784 cycles an image
    Target("cnv", "ulx3s_85f", 4_400, 96.0, folding=CNV),  # 21,600 cycles
    # 589,824 cycles; the products of numbers in the multipliers, which the part has plenty of
    Target("resnet20", "ulx3s_85f", 160, 96.0, folding={"conv0": {"mult": "dsp"}, "dense0": {"mult": "dsp"}}),
)


def rows(say: Callable[[str], None], only: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """One row for each of TARGETS, or of the networks and boards `only` names: the clock asked for, what each seed reached,
    the median, its critical path."""
    return (row(target, say) for target in choose(TARGETS, only))


def row(target: Target, say: Callable[[str], None]) -> dict[str, Any]:
    """A network placed and routed for a board with each of SEEDS, all aiming at the target's clock."""
    net, board = drawn_nets.NETS[target.network](1), load_board(target.board)
    dataflow = size_design(net, board, target)
    head = {"network": net.name, "board": board.name, "part": board.part, "cycles_per_image": dataflow.cycles}
    with tempfile.TemporaryDirectory() as folder:
        rtl = emit(dataflow, Path(folder) / "rtl")
        try:
            facts = measure_once(
                ["clocks", repr(target), *made_from(rtl, board, repr(SEEDS))],
                lambda: clocks(dataflow, rtl, board, target, Path(folder) / "work", say),
            )
        except HwflowError as e:
            return {**head, "result": str(e).splitlines()[0]}
    return {**head, **facts}


def clocks(
    dataflow: Dataflow, rtl: Path, board: Board, target: Target, work: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """MHz of each seed, their median, and the critical path of the seed that reached it."""
    say(f"{target.network} on {board.name}: synthesise")
    cells, runs = place(dataflow, rtl, board, work, SEEDS, say, target.clock_mhz)
    runs.sort(key=lambda run: run.fmax_mhz)
    middle = runs[len(runs) // 2]
    return {
        "lut": cells["lut"], "ff": cells["ff"], "asked_mhz": round(middle.clock.mhz, 2),
        "seeds_mhz": ", ".join(f"{run.fmax_mhz:.1f}" for run in runs),
        "median_mhz": round(median(run.fmax_mhz for run in runs), 1), "critical_path": middle.critical_path,
        "result": "placed and routed",
    }  # fmt: skip
