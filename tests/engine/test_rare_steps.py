"""Steps of the C engine that few networks reach: each on its smallest network, all of them in one compilation."""

import numpy as np
import pytest
from c_paths import PATHS

from hwflow import tools
from hwflow.bits import BIPOLAR, Ints
from hwflow.fuzz.engines import NetsInC
from hwflow.generate.nets import random_images
from hwflow.net import Net
from hwflow.ops import Add, Conv, Dense, Flatten, MaxPool, Port, Rescale, Threshold

pytestmark = pytest.mark.skipif(tools.find("g++") is None, reason="no C++ compiler")

RNG = np.random.default_rng(0)


def minimum_of_bits():
    """Nine channels, packed: one byte beyond whole ones, some channels' least and others' largest."""
    pool = MaxPool(name="p", inputs=("input",), kernel=(2, 2), stride=(1, 2), minimum=np.arange(9) % 2 == 0)
    return Net("bits", Port((4, 5, 9), BIPOLAR), (pool, Flatten(name="f", inputs=("p",))))


def sums_beyond_32_bits():
    """A rescale whose sum takes 64 bits, with constants added of more than 32."""
    dense = Dense(name="d", inputs=("input",), weights=RNG.integers(-30000, 30001, (3, 7)))
    add = np.array([5, -3, 1]) * (1 << 34)
    rescale = Rescale(name="r", inputs=("d",), mul=np.full(3, 70001), add=add, shift=30, lo=-128, hi=127)
    return Net("wide", Port((7,), Ints(-128, 127)), (dense, rescale))


def nine_signs():
    """Nine bits: the second byte holds one."""
    dense = Dense(name="d", inputs=("input",), weights=RNG.integers(0, 2, (9, 33)) * 2 - 1)
    sign = Threshold(
        name="s", inputs=("d",), thresholds=RNG.integers(-5, 6, (9, 1)), falling=np.arange(9) % 4 == 3, bipolar=True
    )
    again = Dense(name="a", inputs=("s",), weights=RNG.integers(0, 2, (5, 9)) * 2 - 1)
    return Net("nine", Port((33,), BIPOLAR), (dense, sign, again))


def carries():
    """A residual stream in 16 bits whose rescale shifts by 16: a sum of 65535 stays below the carry, of 65536 makes it."""
    port = Port((8, 16, 16), Ints(-128, 127))
    sign = Threshold(name="s", inputs=("input",), thresholds=np.zeros((16, 1), int), falling=np.zeros(16, bool), bipolar=True)  # fmt: skip
    conv = Conv(name="c", inputs=("s",), weights=RNG.integers(0, 2, (16, 3, 3, 16)) * 2 - 1, pads=(1, 1, 1, 1), pad=np.ones(1, int))  # fmt: skip
    add = 65535 - 2 * np.arange(-8, 8)  # an accumulator of twice that number adds up to 65535
    rescale = Rescale(name="r", inputs=("c",), mul=np.ones(16, int), add=add, shift=16, lo=-128, hi=127)
    both = Add(name="b", inputs=("r", "input"), scales=(1, 1))
    clip = Rescale(name="k", inputs=("b",), mul=np.ones(16, int), add=np.zeros(16, int), shift=0, lo=-128, hi=127)
    return Net("carries", port, (sign, conv, rescale, both, clip, Flatten(name="f", inputs=("k",))))


def padded(ints):
    """Bytes with few-bit weights and a border of their own values."""
    weights = RNG.integers(-60, 61, (17, 3, 3, 3))
    conv = Conv(name="c", inputs=("input",), weights=weights, pads=(1, 0, 2, 1), pad=np.array([ints.lo, 3, ints.hi]))
    return Net(f"padded_{ints.lo}", Port((5, 6, 3), ints), (conv, Flatten(name="f", inputs=("c",))))


NETS = (
    minimum_of_bits(),
    sums_beyond_32_bits(),
    nine_signs(),
    carries(),
    padded(Ints(-128, 127)),
    padded(Ints(0, 255)),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return NetsInC(NETS, tmp_path_factory.mktemp("rare"), "-O0")


@pytest.mark.parametrize("k", range(len(NETS)), ids=[net.name for net in NETS])
def test_a_rare_step_equals_the_network_on_every_path(k, made):
    x = random_images(NETS[k], 40, ends=True)
    want, ran = NETS[k].run(x), []
    for path in PATHS:
        try:
            got = made.run(k, x, path)
        except LookupError:
            continue
        assert (got == want).all(), (path, np.argwhere(got != want)[:4].tolist())
        ran.append(path)
    assert "plain" in ran
