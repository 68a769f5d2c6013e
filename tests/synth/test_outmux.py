"""Flip-flops behind a choice between words of ECP5's block RAMs move into the blocks, and nothing computes another thing."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from hwflow.synth.outmux import move_registers

CLOCK, ENABLE, OTHER = 2, 3, 4
SELECT, AGAIN = 5, 6  # what the choices look at beside the words
CHOICE = "1100101011001010"  # by C: A where it is low, else B


def ram(number: int, bits: list[int], **change: Any) -> dict[str, Any]:
    """A block of which each bit of `bits` leaves by port A."""
    pins = {f"DOA{i}": [bit] for i, bit in enumerate(bits)}
    return {
        "type": "DP16KD", "parameters": {"DATA_WIDTH_B": f"{18:032b}", "REGMODE_A": "NOREG", "REGMODE_B": "NOREG"},
        "connections": {"CLKA": [change.get("clock", CLOCK)], "OCEA": ["1"], "ADA0": [f"{number}"], **pins},
        "port_directions": {**dict.fromkeys(("CLKA", "OCEA", "ADA0"), "input"), **dict.fromkeys(pins, "output")},
    }  # fmt: skip


def lut(a: int, b: int, c: int | str, z: int) -> dict[str, Any]:
    at = {"A": [a], "B": [b], "C": [c], "D": ["0"], "Z": [z]}
    ways = {pin: "output" if pin == "Z" else "input" for pin in at}
    return {"type": "LUT4", "parameters": {"INIT": CHOICE}, "connections": at, "port_directions": ways}


def flipflop(d: int, q: int, **change: Any) -> dict[str, Any]:
    at = {"CLK": [CLOCK], "CE": [change.get("enable", ENABLE)], "LSR": [change.get("reset", "0")], "DI": [d], "Q": [q]}
    ways = {pin: "output" if pin == "Q" else "input" for pin in at}
    how = {"CEMUX": "CE", "CLKMUX": change.get("clkmux", "CLK")}
    return {"type": "TRELLIS_FF", "parameters": how, "connections": at, "port_directions": ways}


def design(**change: Any) -> dict[str, Any]:
    """Three blocks of two bits; of each bit SELECT takes the first block or what AGAIN takes of the others."""
    cells = {
        "ram0": ram(0, [10, 11], **{k: v for k, v in change.items() if k == "clock"}),
        "ram1": ram(1, [12, 13]), "ram2": ram(2, [14, 15]),
        "inner0": lut(12, 14, AGAIN, 20), "inner1": lut(13, 15, AGAIN, 21),
        "outer0": lut(10, 20, SELECT, 30), "outer1": lut(11, 21, SELECT, 31),
        "ff0": flipflop(30, 40), "ff1": flipflop(31, 41, **change),
    }  # fmt: skip
    ports = {
        "out": {"direction": "output", "bits": [40, 41]},
        "in": {"direction": "input", "bits": [ENABLE, SELECT, AGAIN]},
    }
    return {"cells": cells, "ports": ports, "netnames": {}}


def outputs(module: dict[str, Any], cycles: int) -> list[tuple[int, ...]]:
    """What leaves in each cycle while random words leave the blocks; registers begin with 0."""
    rng, out = np.random.default_rng(3), list[tuple[int, ...]]()
    cells = module["cells"]
    state: dict[Any, int] = {c["connections"]["Q"][0]: 0 for c in cells.values() if c["type"] == "TRELLIS_FF"}
    for _ in range(cycles):
        now: dict[Any, int] = {"0": 0, "1": 1, CLOCK: 0, **state}
        now |= {bit: int(v) for bit, v in zip((ENABLE, SELECT, AGAIN), rng.integers(0, 2, 3), strict=True)}
        late = {}
        for name in ("ram0", "ram1", "ram2"):
            at = cells[name]["connections"]
            words = dict(zip((p for p in at if p[:2] == "DO"), rng.integers(0, 2, 2), strict=True))
            if cells[name]["parameters"]["REGMODE_A"] == "OUTREG":
                assert at["OCEA"] == [ENABLE]
                late |= {at[p][0]: int(v) for p, v in words.items() if now[ENABLE]}
                now |= {at[p][0]: state.get(at[p][0], 0) for p in words}
            else:
                now |= {at[p][0]: int(v) for p, v in words.items()}
        waiting = [c["connections"] for c in cells.values() if c["type"] == "LUT4"]
        for at in [*waiting, *waiting]:  # the outer ones look at the inner ones
            a, b, c = (now.get(at[p][0], 0) for p in "ABC")
            now[at["Z"][0]] = int(CHOICE[15 - (a + 2 * b + 4 * c)])
        out.append(tuple(now.get(bit, 0) for bit in (40, 41)))
        for cell in cells.values():
            if cell["type"] == "TRELLIS_FF" and now[ENABLE]:
                late[cell["connections"]["Q"][0]] = now[cell["connections"]["DI"][0]]
        state |= late
    return out


def test_the_registers_of_a_choice_move_before_it_and_nothing_else_is_computed() -> None:
    before = design()
    after = copy.deepcopy(before)
    assert move_registers(after) == 2
    kept = [c for c in after["cells"].values() if c["type"] == "TRELLIS_FF"]
    assert sorted(c["connections"]["DI"][0] for c in kept) == [SELECT, AGAIN]
    assert {after["cells"][f"ram{i}"]["parameters"]["REGMODE_A"] for i in range(3)} == {"OUTREG"}
    told = outputs(before, 400)
    assert outputs(after, 400) == told and len(set(told)) == 4
    assert move_registers(after) == 0


@pytest.mark.parametrize("change", [{"clock": OTHER}, {"enable": OTHER}, {"reset": OTHER}, {"clkmux": "INV"}])
def test_a_choice_stays_whole_where_one_register_or_block_is_of_another_kind(change: dict[str, Any]) -> None:
    module = design(**change)
    assert move_registers(module) == 0
    assert module == design(**change)


@pytest.mark.parametrize("seen", [10, 14, 20, 30])
def test_a_choice_stays_where_its_words_or_results_are_also_read_elsewhere(seen: int) -> None:
    module = design()
    module["ports"]["also"] = {"direction": "output", "bits": [seen]}
    again = copy.deepcopy(module)
    assert move_registers(module) == 0
    assert module == again


def test_a_choice_that_looks_at_many_other_bits_stays() -> None:
    module = design()
    for i in range(17):  # a chain of cells behind the choice, each of which looks at a bit of its own
        module["cells"][f"more{i}"] = lut(30 if i == 0 else 100 + i, 200 + i, "1", 101 + i)
    module["cells"]["ff0"] = flipflop(117, 40)
    assert move_registers(module) == 0
