"""The depthwise unit's SystemVerilog equals its reference for every kind of weight and input, one word a cycle."""

import numpy as np
import pytest
from conftest import SHAPES
from rtl_check import check

from hwflow.bits import BIPOLAR, Ints
from hwflow.ops import Conv, Port, Threshold, row_ranges
from hwflow.units.kit.base import ALONE
from hwflow.units.kit.streams import divisors
from hwflow.units.vvu import Vvu
from hwflow.units.window import Window

INTS = (BIPOLAR, Ints(-1, 1), Ints(0, 3), Ints(0, 255), Ints(-4, 3), Ints(-128, 127), Ints(0, 1))
WEIGHTS = ((-1, 1, 2), (-1, 1, 2), (-1, 1, 1), (0, 3, 1), (-2, 1, 1), (-8, 7, 1), (-128, 127, 1), (0, 0, 1))


def random_vvu(rng, name):
    taps, channels = int(rng.choice((1, 2, 3, 4, 9, 9, 25))), int(rng.choice((1, 1, 2, 3, 4, 5, 6, 12, 63)))
    lo, hi, step = WEIGHTS[rng.integers(len(WEIGHTS))]
    weights = rng.integers(0, (hi - lo) // step + 1, (channels, taps)) * step + lo
    ints = INTS[rng.integers(len(INTS))]
    levels = int(rng.choice((0, 1, 1, 1, 2, 3, 7, 15)))
    least, most = row_ranges(weights, ints)
    thresholds = np.sort(rng.integers(least.min() - 1, most.max() + 2, (channels, levels)), 1) if levels else None
    return Vvu(
        name=name, inputs=("input",), x=Port((*(int(v) for v in rng.integers(1, 4, 2)), taps * channels), ints), weights=weights,
        thresholds=thresholds, bipolar=levels == 1 and bool(rng.random() < 0.7), base=int(rng.integers(-9, 5)), pe=int(rng.choice(divisors(channels))), mult=str(rng.choice(ALONE)),
    )  # fmt: skip


def many(seed, count):
    rng = np.random.default_rng(seed)
    return [random_vvu(rng, f"v{i}") for i in range(count)]


def test_a_window_and_a_vvu_make_a_depthwise_convolution_with_exact_zero_padding():
    rng = np.random.default_rng(1)
    port = Port((6, 5, 12), BIPOLAR)
    x = rng.choice((-1, 1), (3, *port.shape))
    weights, t = rng.choice((-1, 1), (12, 3, 3)), rng.integers(-4, 5, (12, 1))
    conv = Conv(name="c", inputs=("x",), weights=weights[..., None], stride=(2, 1), pads=(1, 1, 1, 1), groups=12)
    sign = Threshold(name="t", inputs=("c",), thresholds=t, falling=np.zeros(12, bool), bipolar=True)
    for simd in divisors(12):
        window = Window(
            name="w",
            inputs=("input",),
            x=port,
            kernel=(3, 3),
            stride=(2, 1),
            pads=(1, 1, 1, 1),
            order="depthwise",
            simd=simd,
        )
        unit = Vvu(
            name="v",
            inputs=("w",),
            x=window.outs[0].port,
            weights=weights.reshape(12, 9),
            thresholds=t,
            bipolar=True,
            pe=simd,
        )
        assert np.array_equal(unit.run(*window.run(x))[0], sign.run(conv.run(x)))


@pytest.mark.slow
def test_two_hundred_units_equal_their_reference_at_the_cycles_they_claim():
    units = many(100, SHAPES)
    check(units, seed=1, images=6)
    check(units, seed=2, images=3, stalls=1)
    check(units, seed=3, images=2, stalls=5, reset_at=23)
