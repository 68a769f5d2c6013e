"""A module of a JSON netlist answers who reads a bit and who drives it, and numbers of new bits are in use nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from hwflow.synth import improve, netlist
from hwflow.synth.netlist import Netlist, Pin, is_constant


def module() -> dict[str, Any]:
    """Two bits of a port into a cell, one of them and a constant into another, whose result leaves; 9 has a name alone."""
    ways = {"A": "input", "B": "input", "Y": "output"}
    one = {"type": "AND", "connections": {"A": [2, 3], "B": ["1"], "Y": [4]}, "port_directions": ways}
    two = {"type": "AND", "connections": {"A": [4], "B": [2], "Y": [5]}, "port_directions": ways}
    ports = {"in": {"direction": "input", "bits": [2, 3]}, "out": {"direction": "output", "bits": [5]}}
    return {"cells": {"one": one, "two": two}, "ports": ports, "netnames": {"loose": {"hide_name": 0, "bits": [9]}}}


def test_a_bit_is_read_by_pins_of_cells_and_then_by_ports() -> None:
    net = Netlist(module())
    assert net.users[2] == [Pin("one", "A", 0), Pin("two", "B", 0), Pin("", "in", 0)]
    assert net.users[3] == [Pin("one", "A", 1), Pin("", "in", 1)]
    assert (net.users[4], net.users[5], net.users["1"]) == ([Pin("two", "A")], [Pin("", "out")], [Pin("one", "B")])


def test_a_bit_is_driven_by_a_cell_alone() -> None:
    assert Netlist(module()).driver == {4: Pin("one", "Y"), 5: Pin("two", "Y")}


def test_a_cell_names_the_bits_that_it_reads_and_drives() -> None:
    net = Netlist(module())
    assert (net.bits("one", "input"), net.bits("one", "output")) == ([2, 3, "1"], [4])


@pytest.mark.parametrize("where", ["cells", "ports", "netnames"])
def test_a_new_bit_is_above_all_that_are_in_use_and_has_a_name(where: str) -> None:
    one = module()
    match where:
        case "cells":
            one["cells"]["two"]["connections"]["Y"] = [20]
        case "ports":
            one["ports"]["in"]["bits"] = [2, 20]
        case "netnames":
            one["netnames"]["loose"]["bits"] = ["x", 20]
    net = Netlist(one)
    assert (net.new_bit("$a"), net.new_bit("b", hidden=False)) == (21, 22)
    assert one["netnames"]["$a"] == {"hide_name": 1, "bits": [21], "attributes": {}}
    assert one["netnames"]["b"] == {"hide_name": 0, "bits": [22], "attributes": {}}
    assert Netlist(one).last == 22


def test_numbers_of_a_module_without_wires_begin_where_yosys_begins() -> None:
    assert Netlist({"cells": {}, "ports": {}, "netnames": {}}).new_bit("a") == 2


def test_constants_are_letters() -> None:
    assert [bit for bit in (2, "0", "1", "x") if is_constant(bit)] == ["0", "1", "x"]


def test_what_was_placed_depends_on_the_text_of_every_pass_and_of_what_they_stand_on() -> None:
    stems = ("netlist", "outreg", "outmux", "copies")
    folder = improve.Path(netlist.__file__).parent
    assert improve.texts() == [(folder / f"{stem}.py").read_bytes() for stem in stems]
