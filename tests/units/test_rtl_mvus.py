"""Matrix units side by side equal their reference, in the cycles of one word a cycle."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import SHAPES
from rtl_check import check

from hwflow.bits import BIPOLAR, Ints
from hwflow.errors import RecipeError
from hwflow.ops import Port
from hwflow.units import Mvu, Mvus


def random_mvus(rng, name):
    """Two or four vectors a word, of any kind of numbers, with any thresholds."""
    x = (BIPOLAR, BIPOLAR, Ints(-1, 1), Ints(0, 3), Ints(-8, 7))[rng.integers(5)]
    n, rows, cols = int(rng.choice((2, 4))), int(rng.choice((1, 2, 3, 5))), int(rng.choice((1, 2, 7, 9, 31)))
    most = int(rng.choice((0, 0, 1, 3)))
    weights = rng.integers(-most, most + 1, (rows, cols)) if most else rng.choice((-1, 1), (rows, cols))
    levels = int(rng.choice((0, 1, 1, 3)))
    low = np.sort(rng.integers(-cols, cols + 1, (rows, levels)), 1) if levels else None
    port = Port((int(rng.integers(1, 4)), n * int(rng.integers(1, 5)), cols), x)
    unit = Mvu(name=name, inputs=("input",), x=port, weights=weights, thresholds=low, bipolar=levels == 1)
    return unit.folded(pe=n * rows, simd=n * cols, style=("auto", "lut")[rng.integers(2)])


def test_several_vectors_are_the_widest_foldings_and_another_kind_of_unit():
    one = Mvu(name="m", inputs=("input",), x=Port((3, 4, 6), BIPOLAR), weights=np.ones((2, 6), int))
    wide = [f for f in one.foldings() if isinstance(one.folded(**f), Mvus)]
    assert wide == [{"pe": 4, "simd": 12}, {"pe": 8, "simd": 24}]
    two = one.folded(**wide[0])
    assert (two.pixels, two.cycles, two.ins[0].par, two.outs[0].par) == (2, 6, 12, 4)
    assert type(two.folded(pe=1, simd=6)) is Mvu
    odd = replace(one, x=Port((4, 3, 6), BIPOLAR)).folded(**wide[0])  # every row begins with a word of its own
    assert (odd.cycles, odd.hurries, two.hurries) == (8, True, False)
    for bad, text in (
        ({"pe": 4, "simd": 6}, "pe must divide 2, not 4"),
        ({"pe": 10, "simd": 30}, "pe must divide 2, not 10"),
        ({"pe": 4, "simd": 12, "style": "const"}, "constant weights need pe=2 and simd=6"),
    ):
        with pytest.raises(RecipeError, match=text):
            one.folded(**bad)


def test_units_side_by_side_cost_so_many_times_one():
    one = Mvu(
        name="m", inputs=("i",), x=Port((4, 9), Ints(0, 255)), weights=np.arange(-9, 9).reshape(2, 9), pe=2, simd=9
    )
    four = one.folded(pe=8, simd=36)
    for family in ("xc7", "ice40"):
        a, b = one.cost(family), four.cost(family)
        assert (b.lut, b.dsp) == (pytest.approx(4 * a.lut, abs=1), 4 * a.dsp)


@pytest.mark.slow
def test_random_units_side_by_side_equal_their_reference_at_the_cycles_they_claim():
    rng = np.random.default_rng(500)
    units = [random_mvus(rng, f"m{k}") for k in range(SHAPES // 5)]
    check(units, images=6)
    check(units, images=3, stalls=1, reset_at=61)
