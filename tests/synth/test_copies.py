"""Flip-flops that many cells listen to get copies, and every cell goes on to hear what it heard."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hwflow.synth.copies import copy_drivers

CLOCK, D, Q, ENABLE, RESET = 2, 3, 4, 5, 6


def flipflop(d: int, q: int, enable: int | str = ENABLE, clock: int = CLOCK) -> dict[str, Any]:
    at = {"CLK": [clock], "CE": [enable], "LSR": [RESET], "DI": [d], "Q": [q]}
    ways = {pin: "output" if pin == "Q" else "input" for pin in at}
    return {"type": "TRELLIS_FF", "parameters": {"CEMUX": "CE"}, "connections": at, "port_directions": ways}


def netlist(lanes: int, **more: Any) -> dict[str, Any]:
    """One flip-flop that enables `lanes` others, each with a wire of its own, and drives a port."""
    cells = {"go": flipflop(D, Q), **{f"row[{k}].ff": flipflop(100 + k, 200 + k, Q) for k in range(lanes)}, **more}
    ports = {"y": {"direction": "output", "bits": [Q]}, "x": {"direction": "input", "bits": [300]}}
    return {"modules": {"top": {"ports": ports, "cells": cells, "netnames": {}}}}


def heard(module: dict[str, Any], cell: str, pin: str) -> dict[str, Any]:
    """What drives a pin: the cell, without the name of its own output."""
    bit = module["cells"][cell]["connections"][pin][0]
    drivers = [c for c in module["cells"].values() if c["type"] == "TRELLIS_FF" and c["connections"]["Q"] == [bit]]
    assert len(drivers) == 1, f"{cell}.{pin} is driven by {len(drivers)}"
    return {**drivers[0], "connections": {k: v for k, v in drivers[0]["connections"].items() if k != "Q"}}


@pytest.mark.parametrize("most", [1, 3, 4, 11, 12])
def test_every_cell_hears_an_equal_flip_flop_that_drives_no_more_than_is_allowed(most):
    lanes = 12
    before, after = netlist(lanes)["modules"]["top"], netlist(lanes)
    made = copy_drivers(after, most)
    top = after["modules"]["top"]
    assert made == -(-lanes // most) - 1
    assert len(top["cells"]) == len(before["cells"]) + made
    for k in range(lanes):
        for pin in ("CE", "CLK", "DI", "LSR"):
            if pin == "CE":
                assert heard(top, f"row[{k}].ff", pin) == heard(before, f"row[{k}].ff", pin)
            else:
                assert (
                    top["cells"][f"row[{k}].ff"]["connections"][pin]
                    == before["cells"][f"row[{k}].ff"]["connections"][pin]
                )
    used = [top["cells"][f"row[{k}].ff"]["connections"]["CE"][0] for k in range(lanes)]
    assert max(used.count(bit) for bit in used) <= most
    assert used == [bit for bit in dict.fromkeys(used) for _ in range(used.count(bit))], (
        "lane 9 and lane 10 are neighbours"
    )
    assert top["ports"]["y"]["bits"] == [Q]
    fresh = set(used) - {Q}
    assert not fresh & {2, 3, 5, 6, *range(100, 112), *range(200, 212), 300}, "a new wire is no old one"


def test_few_pins_and_clocks_are_left_alone():
    divided = {f"slow{k}": flipflop(400 + k, 500 + k, clock=Q) for k in range(9)}
    for one, most in ((netlist(12), 12), (netlist(2, **divided), 4)):
        before = copy.deepcopy(one)
        assert copy_drivers(one, most) == 0
        assert one == before


def test_modules_are_looked_at_one_by_one():
    two = netlist(6)
    two["modules"]["other"] = copy.deepcopy(two["modules"]["top"])
    two["modules"]["empty"] = {"ports": {}, "cells": {}, "netnames": {}}
    assert copy_drivers(two, 2) == 4
