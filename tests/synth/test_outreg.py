"""Flip-flops behind ECP5's block RAMs move into the blocks, where and only where the block's register is the same."""

from __future__ import annotations

from typing import Any

import pytest

from hwflow.synth.outreg import absorb_registers

CLOCK, ENABLE, OTHER = 2, 3, 4


def flipflop(d: int, q: int, **change: Any) -> dict[str, Any]:
    at = {
        "CLK": [change.get("clock", CLOCK)],
        "CE": [change.get("enable", ENABLE)],
        "LSR": [change.get("reset", "0")],
        "DI": [d],
        "Q": [q],
    }
    return {
        "type": "TRELLIS_FF",
        "parameters": {"CEMUX": change.get("cemux", "CE"), "CLKMUX": change.get("clkmux", "CLK")},
        "connections": at,
        "port_directions": {k: "output" if k == "Q" else "input" for k in at},
    }


def netlist(width: int = 18, **change: Any) -> dict[str, Any]:
    """A block whose bits 10 and 11 leave by port B (a wide one: one bit by each port's pins) into flip-flops 20 and 21."""
    pins = {"DOA0" if width == 36 else "DOB1": [10], "DOB0": [11]}
    ram = {
        "type": "DP16KD", "parameters": {"DATA_WIDTH_B": f"{width:032b}", "REGMODE_A": "NOREG", "REGMODE_B": "NOREG"},
        "connections": {"CLKA": ["0"], "CLKB": [CLOCK], "OCEA": ["0"], "OCEB": ["1"], **pins},
        "port_directions": {**dict.fromkeys(("CLKA", "CLKB", "OCEA", "OCEB"), "input"), **dict.fromkeys(pins, "output")},
    }  # fmt: skip
    cells = {"ram": ram, "ff0": flipflop(10, 20), "ff1": flipflop(11, 21, **change)}
    ports = {"out": {"direction": "output", "bits": [20, 21]}}
    return {"modules": {"top": {"cells": cells, "ports": ports, "netnames": {}}}}


@pytest.mark.parametrize("width", [18, 36])
def test_a_register_behind_a_block_moves_into_it(width: int) -> None:
    design = netlist(width)
    assert absorb_registers(design) == 2
    cells = design["modules"]["top"]["cells"]
    assert list(cells) == ["ram"]
    at, how = cells["ram"]["connections"], cells["ram"]["parameters"]
    assert (at["DOA0" if width == 36 else "DOB1"], at["DOB0"], at["OCEB"]) == ([20], [21], [ENABLE])
    assert (how["REGMODE_A"], how["REGMODE_B"]) == ("OUTREG" if width == 36 else "NOREG", "OUTREG")
    assert absorb_registers(design) == 0


@pytest.mark.parametrize(
    "change", [{"clock": OTHER}, {"enable": OTHER}, {"reset": OTHER}, {"clkmux": "INV"}, {"cemux": "INV"}]
)
def test_a_register_of_another_kind_stays(change: dict[str, Any]) -> None:
    design = netlist(**change)
    assert absorb_registers(design) == 0
    assert design == netlist(**change)


def test_a_word_that_is_also_read_elsewhere_keeps_its_flipflops() -> None:
    design = netlist()
    design["modules"]["top"]["ports"]["also"] = {"direction": "output", "bits": [10]}
    assert absorb_registers(design) == 0
    design = netlist()
    design["modules"]["top"]["cells"]["more"] = flipflop(11, 30)
    assert absorb_registers(design) == 0


def test_an_inverted_enable_gets_one_lut() -> None:
    design = netlist(cemux="INV")
    top = design["modules"]["top"]
    top["cells"]["ff0"] = flipflop(10, 20, cemux="INV")
    assert absorb_registers(design) == 2
    (lut,) = (c for c in top["cells"].values() if c["type"] == "LUT4")
    assert lut["connections"]["A"] == [ENABLE]
    assert lut["connections"]["Z"] == top["cells"]["ram"]["connections"]["OCEB"] != [ENABLE]
    assert int(lut["parameters"]["INIT"], 2) & 3 == 1  # high where A is low
