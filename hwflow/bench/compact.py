"""The table of compact architectures: networks trained for the same minutes as a ResNet-20, scored and proven in every engine.

Stands on bench's trained and tasks. What they cost on two boards is estimated, and placed or synthesised beside it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hwflow.bench import tasks
from hwflow.bench.trained import row as scored
from hwflow.board import Board, load_board
from hwflow.emit.rtl import emit
from hwflow.net import Net
from hwflow.plan import plan
from hwflow.train import load_recipe
from hwflow.train.checkpoint import METRICS
from hwflow.train.kept import NET, TRAINED
from hwflow.units.kit.base import Dataflow

BASE = "resnet20-minutes"  # what the others are compared with; the names are those of recipes and of kept networks
NAMES = (BASE, "mobilenet-minutes", "efficientnet-minutes", "darts-minutes")
# images a second that both boards are planned for: tasks.ROUTED at tasks.CLOCK MHz, which is simulated too
RATE = 100.0

Say = Callable[[str], None]


def rows(say: Say) -> Iterator[dict[str, Any]]:
    """One row for each kept network of NAMES, when it is done."""
    base = None
    for name in NAMES:
        if not (TRAINED / name / NET).exists():
            continue
        score = scored(TRAINED / name, say)
        base = float(score["accuracy [%]"]) if name == BASE else base
        yield row(TRAINED / name, score, base, say)


def row(folder: Path, score: dict[str, Any], base: float | None, say: Say) -> dict[str, Any]:
    """A kept network with its `score` beside an accuracy of `base` percent: training, engines that differ, its cost."""
    metrics, net = json.loads((folder / METRICS).read_text()), Net.load(folder / NET)
    gain = "" if base is None else f"{float(score['accuracy [%]']) - base:+.2f}"
    out = {
        "network": folder.name, "accuracy [%]": score["accuracy [%]"], f"points over {BASE}": gain,
        "training [s]": score["training [s]"], "epochs": score["epochs"], **count_weights(metrics["source"]),
        "held-out images": score["held-out images"], "scores that differ from PyTorch": metrics["net"]["differing_from_torch"],
    }  # fmt: skip
    say(f"{folder.name}: every engine on {tasks.IMAGES} images")
    with tempfile.TemporaryDirectory() as scratch:
        home, board, other = Path(scratch), load_board(tasks.ROUTED), load_board(tasks.SYNTHESISED)
        flow = plan(net, board=board, clock_mhz=tasks.CLOCK, fps=RATE)
        rtl = emit(flow, home / "rtl")
        out |= tasks.prove(net, flow, rtl, metrics["data"], home)
        say(f"{folder.name}: {board.name}")
        out |= estimate(flow, board) | tasks.placed(flow, rtl, board, home / "placed", say)
        say(f"{folder.name}: {other.name}")
        flow = plan(net, board=other, fps=RATE)
        return out | estimate(flow, other) | tasks.synthesised(flow, other, home)


def count_weights(spec: str) -> dict[str, Any]:
    """How many weights the network of a recipe has, and how many of a hundred are of one bit."""
    recipe = load_recipe(spec)
    layers = [m for m in recipe.network(recipe.method).modules() if hasattr(m, "weight_bits")]
    bits = {b: sum(m.weight.numel() for m in layers if m.weight_bits == b) for b in {m.weight_bits for m in layers}}
    return {"weights": sum(bits.values()), "of one bit [%]": round(100 * bits.get(1, 0) / sum(bits.values()), 1)}


def estimate(flow: Dataflow, board: Board) -> dict[str, Any]:
    """Rate and cells of a design on its board, by the cost model."""
    cost = flow.cost(board.family)
    kinds = {"lut": round(cost.lut), "bram": float(cost.bram), "dsp": int(cost.dsp)}
    return {f"{board.name}_{kind}_estimated": number for kind, number in kinds.items()}
