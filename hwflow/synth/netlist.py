"""A module of Yosys' JSON netlist as the passes behind Yosys ask for it: who reads a bit, who drives it, and new bits.

Stands on nothing but the JSON itself.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple, TypeGuard

Module = dict[str, Any]
Cell = dict[str, Any]
Bit = int | str  # the number of a wire, or a constant by its letter: "0", "1", "x"


class Pin(NamedTuple):
    """One bit of a cell's pin; where `cell` is empty, of a port of the module."""

    cell: str
    name: str
    at: int = 0


class Netlist:
    """A module's cells, the pins that read each bit, and the pin that drives it.

    `users` holds the pins of cells in the order of the cells and then all ports of the module, inputs too: a bit that the
    world outside knows is never a cell's alone. `driver` holds pins of cells. Constants have users, and Yosys lets nothing
    drive them. Users and drivers are those of the moment in which the Netlist is made: a pass that has rewired cells
    makes a new one before it asks about them again.
    """

    def __init__(self, module: Module):
        self.module: Module = module
        self.cells: dict[str, Cell] = module["cells"]
        self.users: dict[Bit, list[Pin]] = defaultdict(list)
        self.driver: dict[Bit, Pin] = {}
        for name, cell in self.cells.items():
            for pin, bits in cell["connections"].items():
                if cell["port_directions"][pin] == "input":
                    for at, bit in enumerate(bits):
                        self.users[bit].append(Pin(name, pin, at))
                else:
                    self.driver.update((bit, Pin(name, pin, at)) for at, bit in enumerate(bits))
        for name, port in module["ports"].items():
            for at, bit in enumerate(port["bits"]):
                self.users[bit].append(Pin("", name, at))
        named = (bit for net in module["netnames"].values() for bit in net["bits"])
        self.last: int = max((b for b in (*self.users, *self.driver, *named) if not is_constant(b)), default=1)

    def new_bit(self, name: str, hidden: bool = True) -> int:
        """The number of a new wire, which gets a name; `hidden` as Yosys has it of names that it made itself."""
        self.last += 1
        self.module["netnames"][name] = {"hide_name": int(hidden), "bits": [self.last], "attributes": {}}
        return self.last

    def bits(self, cell: str, direction: str) -> list[Bit]:
        """What a cell reads, "input", or drives, "output"."""
        ways, at = self.cells[cell]["port_directions"], self.cells[cell]["connections"]
        return [bit for pin, bits in at.items() if ways[pin] == direction for bit in bits]


def is_constant(bit: Bit) -> TypeGuard[str]:
    """True for "0", "1" and "x", which are no wires."""
    return isinstance(bit, str)
