"""Fifos that hold no word too many, in the RTL itself: with them the rate is the bottleneck's, with a word less it is not.

Stands on plan and simulate. `hwflow bench fifos` prints ResNet-20's rows; the event model says the same of every fifo.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hwflow import bench_nets
from hwflow.errors import ToolError
from hwflow.lower import folding_of, lower
from hwflow.net import Net
from hwflow.plan import events, plan
from hwflow.simulate import rtl
from hwflow.units import Fifo
from hwflow.units.base import Dataflow

CYCLES, CLOCK = 6144, 100.0  # of ResNet-20 an image, and MHz
IMAGES = 5
EACH = 6  # fifos looked at, from the shallowest to the deepest

Row = dict[str, Any]


def rows(say: Callable[[str], None]) -> list[Row]:
    """One row for the design as it is sized and one for each of some fifos with a word less."""
    say("planning ResNet-20")
    net = bench_nets.resnet20()
    dataflow = plan(net, fps=CLOCK * 1e6 / CYCLES, clock_mhz=CLOCK)
    out = [row("none", net, dataflow, dataflow, say)]
    for fifo in chosen(dataflow):
        out.append(row(f"{fifo.name}, {fifo.depth} words", net, less(net, dataflow, fifo.name), dataflow, say))
    return out


def row(name: str, net: Net, dataflow: Dataflow, whole: Dataflow, say: Callable[[str], None]) -> Row:
    """A design beside the whole one: cycles an image by the event model and in the RTL, words where nothing moves any more."""
    say(f"a word less: {name}")
    trace = events.simulate(dataflow, IMAGES)
    return {
        "a word less": name, "fifos": sum(isinstance(u, Fifo) for u in whole.units), "slowest unit": whole.bottleneck.cycles,
        "event model": trace.interval if trace else "halts", "RTL": cycles(net, dataflow) or "halts",
    }  # fmt: skip


def chosen(dataflow: Dataflow, n: int = EACH) -> Sequence[Fifo]:
    """Some fifos, evenly from the shallowest to the deepest."""
    every = sorted((u for u in dataflow.units if isinstance(u, Fifo)), key=lambda f: f.depth)
    return [every[round(k * (len(every) - 1) / max(n - 1, 1))] for k in range(min(n, len(every)))]


def less(net: Net, dataflow: Dataflow, name: str) -> Dataflow:
    """The same hardware with one word less in one fifo; without it where it has two."""
    folding = folding_of(dataflow)
    depth = int(folding.pop(name)["depth"])
    return lower(net, {**folding, name: {"depth": depth - 1}} if depth > 2 else folding)


def cycles(net: Net, dataflow: Dataflow) -> int | None:
    """Cycles an image in Verilator; None where the design comes to a halt."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return rtl.run(dataflow, Path(folder), bench_nets.images(net, IMAGES)).cycles_per_image
        except ToolError as e:
            if "is stuck" not in str(e):
                raise
            return None
