"""Moves flip-flops behind ECP5's block RAMs into the output registers of the blocks, which Yosys does not do.

Stands on netlist and outmux. Without that register a word leaves the block 5.6 ns after the clock (speed 6),
which alone is 178 MHz before any wire.
"""

from __future__ import annotations

from typing import Any

from hwflow.synth.netlist import Bit, Cell, Module, Netlist
from hwflow.synth.outmux import is_wide, kind_of, move_registers, use_register


def absorb_registers(netlist: dict[str, Any]) -> int:
    """Replace, in place, flip-flops behind block RAMs by the blocks' own registers; how many flip-flops moved.

    A port's register is taken when every bit that leaves through it goes to one flip-flop and nowhere else, all of the
    port's own clock, of one enable and without reset. A word of 36 bits takes both ports' registers. Where a choice between
    words lies in between, outmux moves it behind them.
    """
    return sum(_absorb_in_module(module) + move_registers(module) for module in netlist["modules"].values())


def _absorb_in_module(module: Module) -> int:
    rams = [c for c in module["cells"].values() if c["type"] == "DP16KD"]
    if not rams:
        return 0
    net, gone = Netlist(module), 0
    for ram in rams:
        for outs, port in ((("DOA", "DOB"), "B"),) if is_wide(ram) else ((("DOA",), "A"), (("DOB",), "B")):
            found = _flipflops_behind(net, ram, outs, port)
            if not found:
                continue
            enable = _enable_net(net, net.cells[next(iter(found.values()))])
            for pin, name in found.items():
                ram["connections"][pin] = net.cells.pop(name)["connections"]["Q"]
            use_register(ram, port, enable)
            gone += len(found)
    return gone


def _flipflops_behind(net: Netlist, ram: Cell, outs: tuple[str, ...], port: str) -> dict[str, str]:
    """The flip-flop behind each output pin in use, by pin; empty where they are not what the block's register is."""
    found, kinds = {}, set()
    for pin, bits in ram["connections"].items():
        if pin[:3] not in outs or not bits or not net.users[bits[0]]:
            continue
        to, *more = net.users[bits[0]]
        cell = net.cells.get(to.cell, {"type": ""})
        if more or cell["type"] != "TRELLIS_FF" or to.name != "DI":
            return {}
        found[pin] = to.cell
        kinds.add(kind_of(cell))
    if len(kinds) != 1 or ram["parameters"].get(f"REGMODE_{port}") != "NOREG":
        return {}
    kind = kinds.pop()
    plain = kind.clock == ram["connections"][f"CLK{port}"][0] and kind.enable != "" and kind.reset == "0"
    return found if plain and kind.enabled in ("CE", "INV") and kind.edge == "CLK" else {}


def _enable_net(net: Netlist, flipflop: Cell) -> list[Bit]:
    """The net that is high when a flip-flop takes its input; a block's enable cannot be inverted, so a LUT may be new."""
    wire: list[Bit] = flipflop["connections"]["CE"]
    if flipflop["parameters"]["CEMUX"] == "CE":
        return wire
    name = f"$outreg_not_{wire[0]}"
    if name not in net.cells:
        net.cells[name] = {
            "hide_name": 1,
            "type": "LUT4",
            "parameters": {"INIT": "0101" * 4},
            "attributes": {},
            "port_directions": {"A": "input", "B": "input", "C": "input", "D": "input", "Z": "output"},
            "connections": {"A": wire, "B": ["0"], "C": ["0"], "D": ["0"], "Z": [net.new_bit(f"{name}_z")]},
        }
    return list(net.cells[name]["connections"]["Z"])
