"""Copies of flip-flops that very many cells listen to, each for its share of them: the enable of a whole pipeline, say.

Stands on netlist. One such flip-flop lies far from most of its cells wherever it is placed: without any logic
the wire alone took 12.7 ns in a CNV on an ECP5. Yosys makes one of equal flip-flops, so the copies come behind it.
"""

from __future__ import annotations

import re
from math import ceil
from typing import Any

from hwflow.synth.netlist import Module, Netlist

MOST = 320  # pins that one flip-flop may drive
FLIPFLOP = "TRELLIS_FF"
OUTPUT = "Q"
CLOCKS = frozenset({"CLK"})


def copy_drivers(netlist: dict[str, Any], most: int = MOST) -> int:
    """Copy, in place, flip-flops that drive more than `most` pins of their module's cells; how many copies were made.

    Neighbours by name share a copy: they are lanes of one unit and are placed near each other. Ports of the module stay
    with the first.
    """
    return sum(_copy_in_module(module, most) for module in netlist["modules"].values())


def _copy_in_module(module: Module, most: int) -> int:
    net, made = Netlist(module), 0
    for bit, users in net.users.items():
        at = net.driver.get(bit)
        if at is None or net.cells[at.cell]["type"] != FLIPFLOP or at.name != OUTPUT:
            continue
        pins = [user for user in users if user.cell]
        if len(pins) <= most or any(pin.name in CLOCKS for pin in pins):
            continue
        pins.sort(key=lambda user: _natural(user.cell))
        share = ceil(len(pins) / ceil(len(pins) / most))
        for start in range(share, len(pins), share):
            name, driver = f"{at.cell}_copy{start // share}", net.cells[at.cell]
            copied = net.new_bit(name, hidden=False)
            net.cells[name] = {**driver, "connections": {**driver["connections"], OUTPUT: [copied]}}
            for pin in pins[start : start + share]:
                to = net.cells[pin.cell]["connections"]
                to[pin.name] = [*to[pin.name]]
                to[pin.name][pin.at] = copied
            made += 1
    return made


def _natural(name: str) -> list[tuple[int, str]]:
    """A name as its numbers count: lane 9 comes before lane 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
