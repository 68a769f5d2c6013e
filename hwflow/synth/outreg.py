"""Moves flip-flops behind ECP5's block RAMs into the output registers of the blocks, which Yosys does not do.

Stands on outmux and Yosys' JSON netlist. Without that register a word leaves the block 5.6 ns after the clock (speed 6),
which alone is 178 MHz before any wire.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hwflow.synth.outmux import move_registers

WIDE = 36  # bits of a word that leaves through the data pins of both ports, on the clock of B
Module = dict[str, Any]


def absorb_registers(netlist: dict[str, Any]) -> int:
    """Replace, in place, flip-flops behind block RAMs by the blocks' own registers; how many flip-flops moved.

    A port's register is taken when every bit that leaves through it goes to one flip-flop and nowhere else, all of the
    port's own clock, of one enable and without reset. A word of 36 bits takes both ports' registers. Where a choice between
    words lies in between, outmux moves it behind them.
    """
    return sum(_absorb_in_module(module) + move_registers(module, WIDE) for module in netlist["modules"].values())


def _absorb_in_module(module: Module) -> int:
    cells, gone = module["cells"], 0
    rams = [c for c in cells.values() if c["type"] == "DP16KD"]
    if not rams:
        return 0
    users: dict[int | str, list[tuple[str, str]]] = defaultdict(list)
    for name, cell in cells.items():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] == "input":
                for bit in bits:
                    users[bit].append((name, pin))
    for port in module["ports"].values():
        for bit in port["bits"]:
            users[bit].append(("", ""))
    for ram in rams:
        wide = int(ram["parameters"]["DATA_WIDTH_B"], 2) == WIDE
        for outs, port in ((("DOA", "DOB"), "B"),) if wide else ((("DOA",), "A"), (("DOB",), "B")):
            found = _flipflops_behind(ram, outs, port, users, cells)
            if not found:
                continue
            enable = _enable_net(module, cells[next(iter(found.values()))])
            for pin, name in found.items():
                ram["connections"][pin] = cells.pop(name)["connections"]["Q"]
            for each in ("A", "B") if wide else (port,):
                ram["parameters"][f"REGMODE_{each}"] = "OUTREG"
                ram["connections"][f"OCE{each}"] = enable
            gone += len(found)
    return gone


def _flipflops_behind(
    ram: Module,
    outs: tuple[str, ...],
    port: str,
    users: dict[int | str, list[tuple[str, str]]],
    cells: dict[str, Module],
) -> dict[str, str]:
    """The flip-flop behind each output pin in use, by pin; empty where they are not what the block's register is."""
    found, kinds = {}, set()
    for pin, bits in ram["connections"].items():
        if pin[:3] not in outs or not bits or not users[bits[0]]:
            continue
        (name, to), *more = users[bits[0]]
        cell = cells.get(name, {"type": ""})
        if more or cell["type"] != "TRELLIS_FF" or to != "DI":
            return {}
        found[pin] = name
        at, how = cell["connections"], cell["parameters"]
        kinds.add((at["CLK"][0], at.get("CE", [""])[0], at["LSR"][0], how.get("CEMUX"), how.get("CLKMUX")))
    if len(kinds) != 1 or ram["parameters"].get(f"REGMODE_{port}") != "NOREG":
        return {}
    clock, enable, reset, enabled, edge = kinds.pop()
    plain = clock == ram["connections"][f"CLK{port}"][0] and enable != "" and reset == "0"
    return found if plain and enabled in ("CE", "INV") and edge == "CLK" else {}


def _enable_net(module: Module, flipflop: Module) -> list[int | str]:
    """The net that is high when a flip-flop takes its input; a block's enable cannot be inverted, so a LUT may be new."""
    wire: list[int | str] = flipflop["connections"]["CE"]
    if flipflop["parameters"]["CEMUX"] == "CE":
        return wire
    name = f"$outreg_not_{wire[0]}"
    if name not in module["cells"]:
        used = (b for c in module["cells"].values() for bits in c["connections"].values() for b in bits)
        named = (b for n in module["netnames"].values() for b in n["bits"])
        bit = 1 + max(b for b in (*used, *named) if isinstance(b, int))
        module["netnames"][f"{name}_z"] = {"hide_name": 1, "bits": [bit], "attributes": {}}
        module["cells"][name] = {
            "hide_name": 1,
            "type": "LUT4",
            "parameters": {"INIT": "0101" * 4},
            "attributes": {},
            "port_directions": {"A": "input", "B": "input", "C": "input", "D": "input", "Z": "output"},
            "connections": {"A": wire, "B": ["0"], "C": ["0"], "D": ["0"], "Z": [bit]},
        }
    return list(module["cells"][name]["connections"]["Z"])
