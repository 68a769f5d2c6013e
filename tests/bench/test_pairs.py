"""LUT6 sites: two functions share one where their inputs are at most five, and a function of six stands alone."""

from __future__ import annotations

import pytest

from hwflow.bench.pairs import count_sites, sites, sites_saved


@pytest.mark.parametrize(
    ("luts", "expected"),
    [
        (["abcde", "abcde"], 1),
        (["abcde", "abcdf"], 2),
        (["abcdef", "a"], 2),
        (["abc", "de"], 1),
        (["abc", "def"], 2),
        (["abc", "cde"], 1),
        (["abcd", "abcd", "abcd"], 2),
        (["abc", "abd", "xy", "xyzw"], 2),
        ([], 0),
    ],
)
def test_functions_share_a_site_when_their_inputs_fit(luts: list[str], expected: int) -> None:
    assert sites([frozenset(inputs) for inputs in luts]) == expected


def test_every_instance_of_a_module_counts() -> None:
    lut = {"type": "LUT2", "connections": {"I0": [2], "I1": [3], "O": [4]}}
    wide = {"type": "LUT5", "connections": {**{f"I{i}": [5 + i] for i in range(5)}, "O": [11]}}
    unit = {"cells": {"a": lut, "b": wide, "c": wide}, "attributes": {}}
    top = {
        "cells": {"u0": {"type": "unit", "connections": {}}, "u1": {"type": "unit", "connections": {}}},
        "attributes": {},
    }
    netlist = {"modules": {"top": top, "unit": unit}}
    assert count_sites(netlist, "top") == 4
    assert sites_saved(netlist, "top") == 5 - 4  # Yosys counts LUT2 in halves
