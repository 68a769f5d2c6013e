"""Every sample of every unit in SystemVerilog: its meaning, at the cycles and the latency it claims, without a warning."""

import os

import pytest
from conftest import IMAGES
from rtl_check import check, lint

from hwflow import tools
from hwflow.units import UNITS
from hwflow.units import samples as every_sample

pytestmark = pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")


ONLY = os.environ.get(
    "HWFLOW_UNITS", ""
)  # modules or samples that alone are looked at, such as add,mvu_u8; all where empty


def samples():
    return tuple(u for u in every_sample() if not ONLY or {u.module, u.name} & {*ONLY.split(",")})


# one program for all of them: compiling it is most of the time
@pytest.mark.slow
def test_every_sample_equals_its_meaning_at_the_cycles_and_the_latency_it_claims():
    check(samples(), seed=1)


@pytest.mark.slow
def test_every_sample_survives_stalls_and_a_reset_in_mid_image():
    check(samples(), seed=2, stalls=1)
    check(samples(), seed=3, stalls=2, reset_at=41)


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.module)
def test_the_samples_of_a_unit_are_clean_of_lint(unit):
    lint(unit.samples())


@pytest.mark.slow
def test_many_images_pass_under_random_backpressure():
    check(samples(), seed=5, images=1000 if IMAGES else 250, stalls=3)
