"""Copies of flip-flops that very many cells listen to, each for its share of them: the enable of a whole pipeline, say.

Stands on Yosys' JSON netlist. One such flip-flop lies far from most of its cells wherever it is placed: without any logic
the wire alone took 12.7 ns in a CNV on an ECP5. Yosys makes one of equal flip-flops, so the copies come behind it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from math import ceil
from typing import Any

MOST = 320  # pins that one flip-flop may drive
FLIPFLOP = "TRELLIS_FF"
OUTPUT = "Q"
CLOCKS = frozenset({"CLK"})

Module = dict[str, Any]


def copy_drivers(netlist: dict[str, Any], most: int = MOST) -> int:
    """Copy, in place, flip-flops that drive more than `most` pins of their module's cells; how many copies were made.

    Neighbours by name share a copy: they are lanes of one unit and are placed near each other. Ports of the module stay
    with the first.
    """
    return sum(_copy_in_module(module, most) for module in netlist["modules"].values())


def _copy_in_module(module: Module, most: int) -> int:
    cells = module["cells"]
    drivers = {c["connections"][OUTPUT][0]: name for name, c in cells.items() if c["type"] == FLIPFLOP}
    if not drivers:
        return 0
    users: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
    fresh = 2
    for name, cell in cells.items():
        for pin, bits in cell["connections"].items():
            for at, bit in enumerate(bits):
                if isinstance(bit, int):
                    fresh = max(fresh, bit + 1)
                    if bit in drivers and cell["port_directions"][pin] == "input":
                        users[bit].append((name, pin, at))
    for net in (*module["ports"].values(), *module["netnames"].values()):
        fresh = max(fresh, 1 + max((b for b in net["bits"] if isinstance(b, int)), default=0))
    made = 0
    for bit, pins in users.items():
        if len(pins) <= most or any(pin in CLOCKS for _, pin, _ in pins):
            continue
        pins.sort(key=lambda user: _natural(user[0]))
        share = ceil(len(pins) / ceil(len(pins) / most))
        for start in range(share, len(pins), share):
            name = f"{drivers[bit]}_copy{start // share}"
            driver = cells[drivers[bit]]
            cells[name] = {**driver, "connections": {**driver["connections"], OUTPUT: [fresh]}}
            module["netnames"][name] = {"hide_name": 0, "bits": [fresh], "attributes": {}}
            for cell, pin, at in pins[start : start + share]:
                cells[cell]["connections"][pin] = [*cells[cell]["connections"][pin]]
                cells[cell]["connections"][pin][at] = fresh
            fresh += 1
            made += 1
    return made


def _natural(name: str) -> list[tuple[int, str]]:
    """A name as its numbers count: lane 9 comes before lane 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
