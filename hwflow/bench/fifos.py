"""Fifos that hold no word too many: with them the rate is the bottleneck's, with a word less in any of them it is not.

Those that cut a long chain of handshakes are there for the clock, not for the rate, and are left out.
Stands on plan and simulate. `hwflow bench fifos` takes a word from every fifo of CNV and ResNet-20 in turn in the event
model, and from some of ResNet-20's in the RTL itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hwflow.errors import ToolError
from hwflow.generate import nets as drawn_nets
from hwflow.lower import folding_of, lower
from hwflow.lower.handshakes import cutting_fifos
from hwflow.lower.join import join, unjoin
from hwflow.net import Net
from hwflow.plan import events, plan
from hwflow.plan.fifos import unbounded_depths
from hwflow.simulate import rtl
from hwflow.units.kit.base import Dataflow, Unit

ASKED = (("cnv", 9132), ("cnv", 32768), ("resnet20", 6144), ("resnet20", 36864))  # networks and cycles an image
IN_RTL = ("resnet20", 6144)
CLOCK = 100.0  # MHz
IMAGES = 12  # a loss of few words an image shows late
EACH = 6  # fifos looked at in the RTL, from the shallowest to the deepest

Row = dict[str, Any]


def rows(say: Callable[[str], None]) -> list[Row]:
    """For every network one row for the design as it is sized and one for a word less in each fifo; for some in the RTL."""
    out = []
    for name, pace in ASKED:
        say(f"planning {name} at {pace} cycles an image")
        net = drawn_nets.NETS[name](0)
        dataflow = plan(net, fps=CLOCK * 1e6 / pace, clock_mhz=CLOCK)
        say(f"{name}: a word less, fifo by fifo, in the event model")
        out += in_model(name, dataflow)
        if (name, pace) == IN_RTL:
            out += in_rtl(name, net, dataflow, say)
    return out


def in_model(name: str, dataflow: Dataflow) -> list[Row]:
    """The design as it is sized, and what a word less in each of the fifos that its rate needs does."""
    units = unjoin(dataflow)
    depths = {u.name: u.capacity for u in dataflow.fifos}
    model = events.EventModel(join(dataflow.name, dataflow.input.port, units, unbounded_depths(units)))
    whole = model.run(IMAGES, depths, listen=())
    slower = halts = 0
    paced = {n: d for n, d in depths.items() if n not in cutting_fifos(dataflow)}
    for fifo, depth in paced.items():
        rest = {k: v for k, v in depths.items() if k != fifo}
        trace = model.run(IMAGES, rest if depth == 2 else {**rest, fifo: depth - 1}, listen=())
        halts += trace is None
        slower += trace is not None and trace.interval > dataflow.cycles
    about = {"network": name, "fifos": len(paced), "slowest unit": dataflow.bottleneck.cycles}
    said = f"{slower} slower, {halts} halt, {len(paced) - slower - halts} as fast"
    return [
        {**about, "a word less": "none", "event model": whole.interval if whole else "halts"},
        {**about, "a word less": "each in turn", "event model": said},
    ]


def in_rtl(name: str, net: Net, dataflow: Dataflow, say: Callable[[str], None]) -> list[Row]:
    """The design in Verilator beside the event model, as it is sized and with a word less in some of its fifos."""
    out = []
    for fifo in (None, *chosen(dataflow)):
        taken = f"{fifo.name}, {fifo.capacity} words" if fifo else "none"
        say(f"{name}: a word less in the RTL: {taken}")
        tried = less(net, dataflow, fifo.name) if fifo else dataflow
        trace = events.simulate(tried, IMAGES)
        out.append({
            "network": name, "fifos": len(dataflow.fifos) - len(cutting_fifos(dataflow)), "slowest unit": dataflow.bottleneck.cycles,
            "a word less": taken, "event model": trace.interval if trace else "halts", "RTL": cycles(net, tried) or "halts",
        })  # fmt: skip
    return out


def chosen(dataflow: Dataflow, n: int = EACH) -> Sequence[Unit]:
    """Some fifos that the rate needs, evenly from the shallowest to the deepest."""
    cuts = cutting_fifos(dataflow)
    every = sorted((f for f in dataflow.fifos if f.name not in cuts), key=lambda f: f.capacity)
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
            return rtl.run(dataflow, Path(folder), drawn_nets.random_images(net, IMAGES)).cycles_per_image
        except ToolError as e:
            if "is stuck" not in str(e):
                raise
            return None
