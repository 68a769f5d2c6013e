"""The maximum of two branches on one grid, from the file to every engine."""

import numpy as np
import pytest
from networks import Build
from reading import classify, kinds, same, signs

from hwflow import tools
from hwflow.bits import BIPOLAR, Ints
from hwflow.errors import ModelError
from hwflow.fold import fold
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.ops import Dense, Maximum, Port, Rescale, Threshold
from hwflow.plan import plan
from hwflow.plan.events import simulate
from hwflow.qonnx import read
from hwflow.simulate import c, hls, rtl


def file(tmp_path, first, second, op="Max"):
    """Two convolutions of one image, each quantised its own way, and `op` of both."""
    b = Build((1, 2, 4, 4))
    left, right = (quantised(b, b.conv(b.x, signs(b, 3, 2, 3, 3), pads=(1,) * 4)) for quantised in (first, second))
    return b.save(tmp_path, classify(b, b.node(op, left, right), 3 * 16))


def four_bits(b, x):
    return b.quant(x, 0.5, 4)


def two_bits(b, x):
    return b.quant(x, 0.5, 2)


def other_scale(b, x):
    return b.quant(x, 0.3, 4)


def bits(b, x):
    return b.sign(x)


@pytest.mark.parametrize("pair", [(four_bits, four_bits), (four_bits, two_bits), (bits, bits)])
def test_two_branches_on_one_grid_compare_as_their_integers_do(tmp_path, pair):
    net = same(file(tmp_path, *pair), "u8")
    assert "Maximum" in kinds(net)


def test_branches_of_different_scales_are_compared_and_quotients_refused(tmp_path):
    net = fold(read(file(tmp_path, four_bits, other_scale), "u8"))
    assert "Maximum" in kinds(net)
    with pytest.raises(ModelError, match="sums, products, maxima and minima of branches are supported"):
        fold(read(file(tmp_path, four_bits, four_bits, "Div"), "u8"))


def branches(ints: tuple[Ints, ...], size=(3, 2, 5)) -> Net:
    """The maximum of the input and of rescaled copies of it in other ranges, and a dense layer behind a threshold."""
    rng = np.random.default_rng(5)
    channels = size[-1]
    made = [
        Rescale(name=f"r{k}", inputs=("input",), mul=rng.integers(-3, 4, channels), add=rng.integers(-9, 9, channels), shift=1, lo=i.lo, hi=i.hi)
        for k, i in enumerate(ints)
    ]  # fmt: skip
    limits = rng.integers(-3, 9, (channels, 1))
    end = Threshold(name="t", inputs=("m",), thresholds=limits, falling=rng.random(channels) < 0.5, bipolar=True)
    most = Maximum(name="m", inputs=("input", *(op.name for op in made)))
    return Net("maxima", Port(size, Ints(-8, 7)), (*made, most, end))


@pytest.mark.parametrize("ints", [(Ints(-4, 20),), (Ints(0, 3), Ints(-100, 100))])
def test_the_hardware_answers_as_the_network_does_at_any_width(ints):
    net = branches(ints)
    x = np.random.default_rng(1).integers(-8, 8, (20, *net.input.shape))
    for folding in ({}, {"m": {"pe": 5}}):
        assert np.array_equal(lower(net, folding).run(x), net.run(x))
    flow = plan(net, fps=1e6)
    assert simulate(flow).interval == flow.cycles
    assert flow.cost("xc7").lut > 0


@pytest.mark.slow
@pytest.mark.skipif(tools.find("verilator") is None or tools.find("g++") is None, reason="no verilator or no g++")
def test_every_engine_gives_the_same_integers(tmp_path):
    net = branches((Ints(-4, 20), Ints(0, 3)))
    x = np.random.default_rng(2).integers(-8, 8, (40, *net.input.shape))
    flow, want = plan(net), net.run(x)
    run = rtl.run(flow, tmp_path / "rtl", x, stalls=1)
    assert np.array_equal(run.outputs, want)
    assert np.array_equal(hls.run(flow, tmp_path / "hls", x).outputs, want)
    for path in ("plain", "avx2", "avx512"):
        try:
            engine = c.load(net, None, path)
        except LookupError:  # this machine has no such instructions
            continue
        assert np.array_equal(engine.run(x), want), path


def test_the_maximum_of_bits_is_an_or():
    net = Net("bits", Port((4,), BIPOLAR), (
        Dense(name="d", inputs=("input",), weights=np.array([[1, 1, 1, -1]] * 4)),
        Threshold(name="t", inputs=("d",), thresholds=np.zeros((4, 1)), falling=np.zeros(4, bool), bipolar=True),
        Maximum(name="m", inputs=("t", "input")),
    ))  # fmt: skip
    assert net.ports["m"].ints == BIPOLAR
    x = np.array([[1, -1, -1, 1], [-1, -1, -1, -1]])
    assert np.array_equal(lower(net).run(x), net.run(x))
