"""Moves flip-flops from behind the choice between words of ECP5's block RAMs to before it: into the blocks themselves.

Stands on nothing but Yosys' JSON netlist. Yosys stores several words of a deep memory in one of a block, or in several
blocks, and chooses between them behind the blocks: 5.6 ns of the block, the choice and two long wires in one cycle. With
the block's own register in between, the choice has the next cycle. Whatever else the choice looks at is kept as long.
"""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

Module = dict[str, Any]
Bit = int | str
LOGIC = ("LUT4", "PFUMX", "L6MUX21")
SIDE = 16  # bits that a choice may look at beside the words: they cost flip-flops of their own
LARGE = 4000  # cells of a choice beyond which it is none


@dataclass
class Choice:
    """Logic between block RAMs and flip-flops that nothing else looks into."""

    ports: set[tuple[str, str]] = field(default_factory=set)  # a block and one of its ports
    logic: set[str] = field(default_factory=set)
    registers: set[str] = field(default_factory=set)


class Netlist:
    """A module's cells, who reads a bit, and who drives it."""

    def __init__(self, module: Module, wide: int):
        self.module, self.cells, self.wide = module, module["cells"], wide
        self.users: dict[Bit, list[tuple[str, str]]] = defaultdict(list)
        self.driver: dict[Bit, tuple[str, str]] = {}
        for name, cell in self.cells.items():
            for pin, bits in cell["connections"].items():
                for bit in bits:
                    if cell["port_directions"][pin] == "input":
                        self.users[bit].append((name, pin))
                    else:
                        self.driver[bit] = (name, pin)
        for port in module["ports"].values():
            for bit in port["bits"]:
                self.users[bit].append(("", ""))
        named = (b for n in module["netnames"].values() for b in n["bits"])
        self.words = self._words()
        self.next = 1 + max((b for b in (*self.users, *self.driver, *named) if isinstance(b, int)), default=1)

    def _words(self) -> set[Bit]:
        """The bits that leave blocks, and what logic makes of them without a register."""
        new = [b for b, (name, _) in self.driver.items() if self.cells[name]["type"] == "DP16KD"]
        found = set(new)
        while new:
            for name, _ in self.users[new.pop()]:
                if name and self.cells[name]["type"] in LOGIC:
                    more = [b for b in self._bits(name, "output") if b not in found]
                    found.update(more)
                    new += more
        return found

    def new_bit(self) -> int:
        self.next += 1
        self.module["netnames"][f"$outmux_{self.next}"] = {"hide_name": 1, "bits": [self.next], "attributes": {}}
        return self.next

    def is_wide(self, ram: str) -> bool:
        """True for a block whose word takes the pins of both ports."""
        return int(self.cells[ram]["parameters"]["DATA_WIDTH_B"], 2) == self.wide

    def port_of(self, ram: str, pin: str) -> str:
        """The port whose clock a block's output pin goes by: a word as wide as both ports' pins goes by B's."""
        return "B" if self.is_wide(ram) else pin[2]

    def outputs(self, ram: str, port: str) -> list[Bit]:
        """The bits in use that leave a block by a port."""
        at = self.cells[ram]["connections"]
        pins = (p for p in at if p[:2] == "DO" and at[p] and self.port_of(ram, p) == port)
        return [at[p][0] for p in pins if self.users[at[p][0]]]

    def find(self, ram: str, port: str) -> Choice | None:
        """The choice that all words of a block's port go into; None where something else reads them too."""
        found, new = Choice({(ram, port)}), self.outputs(ram, port)
        while new:
            for name, pin in self.users[new.pop()]:
                cell = self.cells.get(name, {"type": ""})
                if cell["type"] == "TRELLIS_FF" and pin == "DI":
                    found.registers.add(name)
                elif cell["type"] not in LOGIC or len(found.logic) > LARGE:
                    return None
                else:
                    new += self._join(name, found)
        return found if found.logic and self._same_register(found) else None

    def _join(self, name: str, found: Choice) -> list[Bit]:
        """What a cell new to the choice drives, and the words of other blocks that it looks at, through others too."""
        new, waiting = list[Bit](), [name]
        while waiting:
            name = waiting.pop()
            if name in found.logic:
                continue
            found.logic.add(name)
            new += self._bits(name, "output")
            for bit in self._bits(name, "input"):
                other, pin = self.driver.get(bit, ("", ""))
                if bit not in self.words:
                    continue
                if self.cells[other]["type"] != "DP16KD":
                    waiting.append(other)
                elif (at := (other, self.port_of(other, pin))) not in found.ports:
                    found.ports.add(at)
                    new += self.outputs(*at)
        return new

    def _same_register(self, found: Choice) -> bool:
        """True where all the flip-flops are what the blocks' registers are, and each result has one alone."""
        kinds = set()
        for name in found.registers:
            at, how = self.cells[name]["connections"], self.cells[name]["parameters"]
            if len(self.users[at["DI"][0]]) != 1 or self.driver[at["DI"][0]][0] not in found.logic:
                return False
            kinds.add((at["CLK"][0], at.get("CE", [""])[0], at["LSR"][0], how.get("CEMUX"), how.get("CLKMUX")))
        if len(kinds) != 1:
            return False
        clock, enable, reset, enabled, edge = kinds.pop()
        plain = enable != "" and reset == "0" and enabled == "CE" and edge == "CLK"
        rams = [(self.cells[ram], port) for ram, port in found.ports]
        return plain and all(
            r["connections"][f"CLK{port}"][0] == clock and r["parameters"].get(f"REGMODE_{port}") == "NOREG"
            for r, port in rams
        )

    def move(self, found: Choice) -> int:
        """Put the registers before the choice; how many there were behind it."""
        words = {bit for ram, port in found.ports for bit in self.outputs(ram, port)}
        inside = {b for n in found.logic for b in self._bits(n, "output")}
        beside = {b for n in found.logic for b in self._bits(n, "input") if isinstance(b, int)} - words - inside
        if len(beside) > SIDE:
            return 0
        one = self.cells[next(iter(sorted(found.registers)))]
        renamed: dict[Bit, Bit] = {}
        for bit in sorted(beside, key=str):
            kept = deepcopy(one)
            renamed[bit] = self.new_bit()
            kept["connections"] |= {"DI": [bit], "Q": [renamed[bit]]}
            self.cells[f"$outmux_ff_{renamed[bit]}"] = kept
        for name in found.registers:
            at = self.cells.pop(name)["connections"]
            renamed[at["DI"][0]] = at["Q"][0]
        for name in found.logic:
            at = self.cells[name]["connections"]
            self.cells[name]["connections"] = {p: [renamed.get(b, b) for b in bits] for p, bits in at.items()}
        for ram, port in found.ports:
            block = self.cells[ram]
            for each in ("A", "B") if self.is_wide(ram) else (port,):
                block["parameters"][f"REGMODE_{each}"] = "OUTREG"
                block["connections"][f"OCE{each}"] = one["connections"]["CE"]
        return len(found.registers)

    def _bits(self, name: str, direction: str) -> list[Bit]:
        cell = self.cells[name]
        return [b for p, bits in cell["connections"].items() if cell["port_directions"][p] == direction for b in bits]


def move_registers(module: Module, wide: int) -> int:
    """Move, in place, flip-flops behind choices between words of block RAMs into the blocks; how many.

    `wide`: bits of a word that leaves through the pins of both ports. A choice is moved whole or not at all: where nothing
    else looks at its words or at what it chose, and all its flip-flops have the blocks' clock, one enable and no reset.
    """
    rams = [name for name, cell in module["cells"].items() if cell["type"] == "DP16KD"]
    if not rams:
        return 0
    gone, seen, netlist = 0, set[tuple[str, str]](), Netlist(module, wide)
    for at in ((ram, port) for ram in rams for port in ("A", "B")):
        found = netlist.find(*at) if at not in seen and netlist.outputs(*at) else None
        if found:
            seen |= found.ports
            gone += netlist.move(found)
            netlist = Netlist(module, wide)
    return gone
