"""What Yosys reads is what Verilator reads: every unit's netlist computes its reference, in two simulators.

Icarus is the second one: it reads little of the language itself, but all of what Yosys writes.
"""

import shutil

import pytest
from rtl_check import check_icarus, check_netlists

from hwflow.units import samples


@pytest.mark.slow
@pytest.mark.long
def test_the_netlists_of_every_unit_equal_its_reference(tmp_path):
    check_netlists(samples(), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("iverilog"), reason="Icarus Verilog (iverilog) is not on PATH")
def test_the_netlists_of_every_unit_equal_its_reference_under_icarus(tmp_path):
    check_icarus(samples(), tmp_path)
