"""Moves flip-flops from behind the choice between words of ECP5's block RAMs to before it: into the blocks themselves.

Stands on netlist. Yosys stores several words of a deep memory in one of a block, or in several blocks, and chooses
between them behind the blocks: 5.6 ns of the block, the choice and two long wires in one cycle. With the block's own
register in between, the choice has the next cycle. Whatever else the choice looks at is kept as long.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

from hwflow.synth.netlist import Bit, Cell, Module, Netlist, is_constant

WIDE = 36  # bits of a word that leaves through the data pins of both ports, on the clock of B
LOGIC = ("LUT4", "PFUMX", "L6MUX21")
SIDE = 16  # bits that a choice may look at beside the words: they cost flip-flops of their own
LARGE = 4000  # cells of a choice beyond which it is none


@dataclass
class Choice:
    """Logic between block RAMs and flip-flops that nothing else looks into."""

    ports: set[tuple[str, str]] = field(default_factory=set)  # a block and one of its ports
    logic: set[str] = field(default_factory=set)
    registers: set[str] = field(default_factory=set)


class Kind(NamedTuple):
    """What the flip-flops of one of a block's registers have in common."""

    clock: Bit
    enable: Bit
    reset: Bit
    enabled: str | None  # CE, or INV where the enable is low
    edge: str | None


class Blocks(Netlist):
    """A module with block RAMs, and the bits that are words of theirs."""

    def __init__(self, module: Module):
        super().__init__(module)
        self.last += 1  # names hold numbers, and nextpnr's placement depends on names: what was placed stays as it is
        self.words = self._words()

    def _words(self) -> set[Bit]:
        """The bits that leave blocks, and what logic makes of them without a register."""
        new = [b for b, (name, *_) in self.driver.items() if self.cells[name]["type"] == "DP16KD"]
        found = set(new)
        while new:
            for name, *_ in self.users[new.pop()]:
                if name and self.cells[name]["type"] in LOGIC:
                    more = [b for b in self.bits(name, "output") if b not in found]
                    found.update(more)
                    new += more
        return found

    def port_of(self, ram: str, pin: str) -> str:
        """The port whose clock a block's output pin goes by: a word as wide as both ports' pins goes by B's."""
        return "B" if is_wide(self.cells[ram]) else pin[2]

    def outputs(self, ram: str, port: str) -> list[Bit]:
        """The bits in use that leave a block by a port."""
        at = self.cells[ram]["connections"]
        pins = (p for p in at if p[:2] == "DO" and at[p] and self.port_of(ram, p) == port)
        return [at[p][0] for p in pins if self.users[at[p][0]]]

    def find(self, ram: str, port: str) -> Choice | None:
        """The choice that all words of a block's port go into; None where something else reads them too."""
        found, new = Choice({(ram, port)}), self.outputs(ram, port)
        while new:
            for name, pin, _ in self.users[new.pop()]:
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
            new += self.bits(name, "output")
            for bit in self.bits(name, "input"):
                if bit not in self.words:
                    continue
                other, pin, _ = self.driver[bit]
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
            result = self.cells[name]["connections"]["DI"][0]
            if len(self.users[result]) != 1 or self.driver[result].cell not in found.logic:
                return False
            kinds.add(kind_of(self.cells[name]))
        if len(kinds) != 1:
            return False
        kind = kinds.pop()
        plain = kind.enable != "" and kind.reset == "0" and kind.enabled == "CE" and kind.edge == "CLK"
        rams = [(self.cells[ram], port) for ram, port in found.ports]
        return plain and all(
            r["connections"][f"CLK{port}"][0] == kind.clock and r["parameters"].get(f"REGMODE_{port}") == "NOREG"
            for r, port in rams
        )

    def move(self, found: Choice) -> int:
        """Put the registers before the choice; how many there were behind it."""
        words = {bit for ram, port in found.ports for bit in self.outputs(ram, port)}
        inside = {b for n in found.logic for b in self.bits(n, "output")}
        beside = {b for n in found.logic for b in self.bits(n, "input") if not is_constant(b)} - words - inside
        if len(beside) > SIDE:
            return 0
        one = self.cells[next(iter(sorted(found.registers)))]
        renamed: dict[Bit, Bit] = {}
        for bit in sorted(beside, key=str):
            kept = deepcopy(one)
            renamed[bit] = self.new_bit(f"$outmux_{self.last + 1}")
            kept["connections"] |= {"DI": [bit], "Q": [renamed[bit]]}
            self.cells[f"$outmux_ff_{renamed[bit]}"] = kept
        for name in found.registers:
            at = self.cells.pop(name)["connections"]
            renamed[at["DI"][0]] = at["Q"][0]
        for name in found.logic:
            at = self.cells[name]["connections"]
            self.cells[name]["connections"] = {p: [renamed.get(b, b) for b in bits] for p, bits in at.items()}
        for ram, port in found.ports:
            use_register(self.cells[ram], port, one["connections"]["CE"])
        return len(found.registers)


def is_wide(ram: Cell) -> bool:
    """True for a block whose word takes the pins of both ports."""
    return int(ram["parameters"]["DATA_WIDTH_B"], 2) == WIDE


def kind_of(flipflop: Cell) -> Kind:
    """What must be the same of two flip-flops, and of a block's register, for one to stand for the other."""
    at, how = flipflop["connections"], flipflop["parameters"]
    return Kind(at["CLK"][0], at.get("CE", [""])[0], at["LSR"][0], how.get("CEMUX"), how.get("CLKMUX"))


def use_register(ram: Cell, port: str, enable: list[Bit]) -> None:
    """Turn on, in place, the register of a block's port; those of both ports where a word takes both."""
    for each in ("A", "B") if is_wide(ram) else (port,):
        ram["parameters"][f"REGMODE_{each}"] = "OUTREG"
        ram["connections"][f"OCE{each}"] = enable


def move_registers(module: Module) -> int:
    """Move, in place, flip-flops behind choices between words of block RAMs into the blocks; how many.

    A choice is moved whole or not at all: where nothing
    else looks at its words or at what it chose, and all its flip-flops have the blocks' clock, one enable and no reset.
    """
    rams = [name for name, cell in module["cells"].items() if cell["type"] == "DP16KD"]
    if not rams:
        return 0
    gone, seen, netlist = 0, set[tuple[str, str]](), Blocks(module)
    for at in ((ram, port) for ram in rams for port in ("A", "B")):
        found = netlist.find(*at) if at not in seen and netlist.outputs(*at) else None
        if found:
            seen |= found.ports
            gone += netlist.move(found)
            netlist = Blocks(module)
    return gone
