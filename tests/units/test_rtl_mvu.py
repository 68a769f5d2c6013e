"""The matrix-vector unit's SystemVerilog against its own meaning: shapes, kinds of number, stalls, claims."""

from __future__ import annotations

import numpy as np
import pytest
from random_mvu import random_unit
from rtl_check import check, values

from hwflow import tools
from hwflow.bits import BIPOLAR
from hwflow.errors import RecipeError
from hwflow.ops import Port
from hwflow.simulate import rtl
from hwflow.units import Mvu
from hwflow.units.kit.stores import DEEP_WEIGHTS, registers_behind
from hwflow.units.kit.weighted import TERNARY

pytestmark = pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")


def signs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.choice((-1, 1), shape)


@pytest.mark.slow
@pytest.mark.parametrize("folding", [{}, {"pe": 4, "simd": 63, "style": "const"}], ids=["folded", "constant"])
def test_a_row_that_never_fires_stays_at_the_least_and_one_that_always_fires_at_the_most(folding):
    weights = signs(np.random.default_rng(3), 4, 63)
    thresholds = np.array([[64], [63], [-63], [-64]])
    unit = Mvu(
        name="ends", inputs=("input",), x=Port((63,), BIPOLAR), weights=weights, thresholds=thresholds, bipolar=True, **folding
    )  # fmt: skip
    x = np.concatenate([weights, -weights, values(unit.ins[0], 9, np.random.default_rng(4))])
    ((run,),) = rtl.run_units([unit], [(x,)])
    assert np.array_equal(run.outputs, unit.run(x)[0])
    assert (run.outputs[:, 0] == -1).all(), "a threshold above the largest sum fired"
    assert (run.outputs[:, 3] == 1).all(), "a threshold at the least sum did not fire"
    assert run.outputs[1, 1] == 1, "the largest sum does not reach its own threshold"


def test_a_sum_reaches_the_threshold_that_it_equals_and_no_larger_one():
    """Every input of five bits, on rows and their opposites, with every threshold that such sums can have, and pairs of them."""
    rows = np.repeat([[1, 1, -1, 1, -1], [-1, -1, 1, -1, 1], [1, 1, 1, 1, 1]], 12, 0)
    one = np.tile(np.arange(-5, 7), 3)[:, None]
    x = (np.arange(32)[:, None] >> np.arange(5) & 1) * 2 - 1
    units = [
        Mvu(
            name=f"ties{levels}{style}", inputs=("input",), x=Port((5,), BIPOLAR), weights=rows, bipolar=levels == 1,
            thresholds=one + np.arange(levels), style=style, pe=36 if style == "const" else 4, simd=5,
        )
        for levels in (1, 2) for style in ("auto", "const")
    ]  # fmt: skip
    for unit, (run,) in zip(units, rtl.run_units(units, [(x,)] * 4), strict=True):
        assert np.array_equal(run.outputs, unit.run(x)[0].reshape(32, -1)), unit.name


@pytest.mark.slow
def test_zeros_of_inputs_and_of_weights_both_count_for_nothing():
    rng = np.random.default_rng(5)
    units = [
        Mvu(name=name, inputs=("input",), x=Port((3 * simd,), TERNARY), weights=weights, pe=2, simd=simd)
        for name, simd, weights in (
            ("both", 7, rng.integers(-1, 2, (6, 21))),
            ("inputs", 7, signs(rng, 6, 21)),
            ("leaf", 6, signs(rng, 6, 18)),  # counted in one cycle less where no register stands in front of the count
        )
    ]
    assert units[0].weight_ints == TERNARY and units[1].weight_ints.is_bipolar
    check(units, seed=6, images=9)


@pytest.mark.slow
def test_deep_weights_have_two_registers_behind_them():
    rng = np.random.default_rng(8)
    units = [
        Mvu(
            name=f"deep{cols}{style}",
            inputs=("input",),
            x=Port((cols,), BIPOLAR),
            weights=signs(rng, rows, cols),
            style=style,
        )
        for cols, rows, style in ((64, 32, "auto"), (683, 3, "auto"), (683, 3, "lut"), (8, 2, "block"))
    ]
    assert [registers_behind(u.style, u.steps) for u in units] == [1, 2, 0, 2]
    assert [u.steps - DEEP_WEIGHTS for u in units] == [0, 1, 1, 16 - DEEP_WEIGHTS], (
        "about the size from which they are in block RAM"
    )
    check(units, seed=9, images=2)


def test_weights_go_to_memory_row_group_by_row_group():
    unit = Mvu(name="m", inputs=("input",), x=Port((4,), BIPOLAR), weights=[[1, -1, -1, -1], [-1, 1, 1, 1]], simd=2)
    memory = unit.memories()["m_weights.mem"]
    assert (memory.bits, memory.words) == (2, (0b01, 0b00, 0b10, 0b11))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("pe", 3, "pe must divide 4, not 3"),
        ("simd", 0, "simd must divide 6, not 0"),
        ("style", "rom", "style must be one of"),
    ],
)
def test_an_illegal_folding_says_what_it_must_be(field, value, said):
    unit = Mvu(name="m", inputs=("input",), x=Port((6,), BIPOLAR), weights=np.ones((4, 6)))
    with pytest.raises(RecipeError, match=said):
        unit.folded(**{field: value})


def test_every_folding_it_offers_is_legal_and_costs_what_it_says_in_cycles():
    unit = Mvu(name="m", inputs=("input",), x=Port((3, 12), BIPOLAR), weights=np.ones((8, 12)))
    for folding in unit.foldings():
        folded = unit.folded(**folding)
        assert folded.cycles * folding["pe"] * folding["simd"] == 3 * 8 * 12


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(4))
def test_two_hundred_random_units_equal_their_meaning_with_and_without_stalls(batch):
    units = [random_unit(1000 * batch + k) for k in range(52)]
    check(units, seed=batch)
    check(units, seed=batch + 10, stalls=batch)
    check(units, seed=batch + 20, images=4, stalls=batch + 9, reset_at=40 + 7 * batch)


@pytest.mark.slow
def test_the_tree_of_adders_counts_what_a_simulator_counts_by_words():
    rng = np.random.default_rng(8)
    units = [
        Mvu(name=f"n{n}", inputs=("input",), x=Port((n,), BIPOLAR), weights=signs(rng, 1, n), simd=n)
        for n in (*range(1, 36), 62, 63, 64, 65, 127, 128, 129, 255, 256, 257)
    ]
    xs = [(np.concatenate([values(u.ins[0], 30, rng), u.weights, -u.weights]),) for u in units]
    for by_word in (False, True):
        for unit, x, (run,) in zip(units, xs, rtl.run_units(units, xs, by_word=by_word), strict=True):
            assert np.array_equal(run.outputs, unit.run(*x)[0]), (unit.name, by_word)


@pytest.mark.slow
def test_a_thousand_images_with_random_stalls_never_stop():
    units = [random_unit(k) for k in (11, 13, 17, 18)]
    check(units, seed=5, images=1000, stalls=3)
