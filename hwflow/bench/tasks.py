"""The table of tasks: kept detectors, segmenters and sequence networks, scored, proven in every engine, and built for two boards.

Stands on bench's trained and placing, the simulators and synth. Steps that take long are measured once for the same texts, and
a row that is done is given at once, so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hwflow.bench.placing import made_from, place
from hwflow.bench.trained import row as scored
from hwflow.board import Board, load_board
from hwflow.emit.rtl import emit
from hwflow.errors import HwflowError
from hwflow.net import Net
from hwflow.places import contents, measure_once
from hwflow.plan import plan
from hwflow.simulate import c, hls, rtl, verilate
from hwflow.synth import TIMEOUT, synth, yosys
from hwflow.train.checkpoint import METRICS
from hwflow.train.kept import NET, TRAINED, held_out
from hwflow.train.tasks import task_of
from hwflow.units.kit.base import Dataflow

# Rates that are asked of a ULX3S at CLOCK MHz; what takes longest comes last. Faster designs fit the part, but routing them
# takes nextpnr hours: products of 8 by 8 bits in LUTs lie too densely.
RATES = {"rnn-rows": 1000, "rnn-tones": 1000, "keywords": 1000, "tcn-rows": 1000, "unet": 100, "detector": 100}
CLOCK = 50.0
IMAGES = 3  # held-out images that run through HLS C++ and the simulated RTL
STALLS = 7
ROUTED, SYNTHESISED = "ulx3s_85f", "pynq_z2"

Say = Callable[[str], None]


def rows(say: Say) -> Iterator[dict[str, Any]]:
    """One row for each kept network of RATES, when it is done."""
    for name in RATES:
        if (TRAINED / name / NET).exists():
            yield row(TRAINED / name, say)


def row(folder: Path, say: Say) -> dict[str, Any]:
    """A kept network: its score on all held-out images, what differs between engines, cycles, what it takes on two boards."""
    metrics, net = json.loads((folder / METRICS).read_text()), Net.load(folder / NET)
    score = scored(folder, say)
    head = {
        "network": folder.name, "measure": task_of(metrics.get("task", "classify")).measure, "score [%]": score["accuracy [%]"],
        "held-out images": score["held-out images"], "scores that differ from PyTorch": metrics["net"]["differing_from_torch"],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        home, board, other = Path(scratch), load_board(ROUTED), load_board(SYNTHESISED)
        flow = plan(net, board=board, clock_mhz=CLOCK, fps=RATES[folder.name])
        folder_rtl = emit(flow, home / "rtl")
        say(f"{folder.name}: every engine on {IMAGES} images")
        head |= prove(net, flow, folder_rtl, metrics["data"], home)
        say(f"{folder.name}: {ROUTED}")
        head |= placed(flow, folder_rtl, board, home / "placed", say)
        say(f"{folder.name}: {other.name}")
        head |= synthesised(plan(net, board=other), other, home)
    return head


def prove(net: Net, flow: Dataflow, folder: Path, data: str, scratch: Path) -> dict[str, Any]:
    """Answers of C, HLS C++, RTL and RTL with stalls that differ from the network's integers; cycles claimed and simulated."""
    x = held_out(data, net)[0][:IMAGES]
    want = net.run(x)

    def measure() -> dict[str, Any]:
        runs = [rtl.run(flow, folder, x, stalls=s) for s in (None, STALLS)]
        found = [c.load(net, None).run(x), hls.run(flow, scratch / "hls", x).outputs, *(run.outputs for run in runs)]
        return {
            "images": IMAGES,
            "differing": sum(int((y.reshape(want.shape) != want).sum()) for y in found),
            "cycles_claimed": flow.cycles,
            "cycles_simulated": runs[0].cycles_per_image,
        }

    return measure_once(["tasks", verilate.version(), x.tobytes(), want.tobytes(), *contents(folder)], measure)


def placed(flow: Dataflow, folder: Path, board: Board, work: Path, say: Say) -> dict[str, Any]:
    """LUTs, block RAMs and clock of the whole design, placed and routed; or the reason why not."""

    def measure() -> dict[str, Any]:
        cells, (run,) = place(flow, folder, board, work, (1,), say, CLOCK)
        return {
            f"{board.name}_lut": cells["lut"], f"{board.name}_bram": cells["bram"], "fmax_mhz": round(run.fmax_mhz, 1),
            "images_per_s": round(run.fmax_mhz * 1e6 / flow.cycles),
        }  # fmt: skip

    try:
        return measure_once(["tasks", *made_from(folder, board, f"{CLOCK:g} MHz")], measure)
    except HwflowError as e:
        return {"result": str(e).splitlines()[0]}


def synthesised(flow: Dataflow, board: Board, scratch: Path) -> dict[str, Any]:
    """LUTs and block RAMs of a network planned for `board`, as Yosys counts them."""
    folder = emit(flow, scratch / board.name)

    def measure() -> dict[str, Any]:
        cells = synth(folder, board, out=scratch / f"{board.name}_synth", timeout=TIMEOUT)
        return {f"{board.name}_{what}": cells[what] for what in ("lut", "bram", "dsp")}

    return measure_once(["tasks", repr(board), yosys.version(), *contents(folder)], measure)
