"""The pool and reduce units' SystemVerilog equals its reference at every shape, one word a cycle."""

import numpy as np
import pytest
from conftest import SHAPES
from rtl_check import check

from hwflow.bits import BIPOLAR, Ints
from hwflow.ops import MaxPool, Port, SumPool
from hwflow.units import pool
from hwflow.units.kit.streams import divisors
from hwflow.units.pool import Pool
from hwflow.units.reduce import Reduce
from hwflow.units.window import Window

INTS = (
    BIPOLAR,
    BIPOLAR,
    Ints(0, 3),
    Ints(0, 255),
    Ints(-1, 1),
    Ints(-4, 3),
    Ints(-128, 127),
    Ints(5, 9),
    Ints(-700, -3),
)


def minima(rng, channels):
    return rng.random(channels) < rng.choice((0.0, 0.5, 1.0))


def random_pool(rng, name):
    h, w = (int(v) for v in rng.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 13), 2))
    channels = int(rng.choice((1, 1, 2, 3, 4, 5, 6, 8, 63)))
    kernel = tuple(int(rng.integers(1, min(n, 5) + 1)) for n in (h, w))
    kernel = (h, w) if rng.random() < 0.2 else kernel
    unit = Pool(
        name=name, inputs=("input",), x=Port((h, w, channels), INTS[rng.integers(len(INTS))]), kernel=kernel,
        kind=pool.KINDS[rng.integers(2)], minimum=minima(rng, channels), pe=int(rng.choice(divisors(channels))),
    )  # fmt: skip
    several = [f for f in unit.foldings() if f["pe"] > channels]
    return unit.folded(**several[rng.integers(len(several))]) if several and rng.random() < 0.5 else unit


def random_reduce(rng, name):
    taps, channels = int(rng.choice((1, 2, 3, 4, 6, 9, 25))), int(rng.choice((1, 1, 2, 3, 4, 5, 6, 12, 63)))
    shape = (*(int(v) for v in rng.integers(1, 4, 2)), taps * channels)
    return Reduce(
        name=name, inputs=("input",), x=Port(shape, INTS[rng.integers(len(INTS))]), kind=pool.KINDS[rng.integers(2)],
        minimum=minima(rng, channels), pe=int(rng.choice(divisors(channels))),
    )  # fmt: skip


def pools(seed, count):
    rng = np.random.default_rng(seed)
    return [random_pool(rng, f"p{i}") for i in range(count)]


def reduces(seed, count):
    rng = np.random.default_rng(seed)
    return [random_reduce(rng, f"r{i}") for i in range(count)]


def test_a_pool_means_what_the_network_means():
    rng = np.random.default_rng(5)
    for unit in pools(6, 60):
        x = rng.integers(unit.x.ints.lo, unit.x.ints.hi + 1, (3, *unit.x.shape))
        if unit.kind == "max":
            op = MaxPool(name="m", inputs=("x",), kernel=unit.kernel, stride=unit.kernel, minimum=unit.minimum)
        else:
            op = SumPool(name="s", inputs=("x",), kernel=unit.kernel, stride=unit.kernel)
        assert np.array_equal(unit.run(x)[0], op.run(x))
        assert unit.outs[0].port == op.port(unit.x)


def test_a_window_and_a_reduce_make_a_padded_overlapping_pool():
    rng = np.random.default_rng(7)
    port, least = Port((7, 6, 4), Ints(-9, 20)), np.array([True, False, True, False])
    x = rng.integers(-9, 21, (3, *port.shape))
    op = MaxPool(name="m", inputs=("x",), kernel=(3, 3), stride=(2, 2), minimum=least, pads=(1, 1, 0, 1))
    shape = {"kernel": (3, 3), "stride": (2, 2), "pads": (1, 1, 0, 1), "order": "depthwise", "simd": 2}
    window = Window(name="w", inputs=("input",), x=port, pad=np.where(least, 20, -9), **shape)
    unit = Reduce(name="r", inputs=("w",), x=window.outs[0].port, minimum=least, pe=2)
    assert np.array_equal(unit.run(*window.run(x))[0], op.run(x))
    total = SumPool(name="s", inputs=("x",), kernel=(3, 3), stride=(2, 2), pads=(1, 1, 0, 1))
    window = Window(name="w", inputs=("input",), x=port, **shape)
    unit = Reduce(name="r", inputs=("w",), x=window.outs[0].port, minimum=np.zeros(4, bool), kind="sum", pe=2)
    assert np.array_equal(unit.run(*window.run(x))[0], total.run(x))


@pytest.mark.slow
@pytest.mark.parametrize("make", [pools, reduces])
def test_two_hundred_units_equal_their_reference_at_the_cycles_they_claim(make):
    units = make(100, SHAPES)
    check(units, seed=1, images=6)
    check(units, seed=2, images=3, stalls=1)
    check(units, seed=3, images=2, stalls=5, reset_at=23)
