"""Activations of wide sums that nothing quantises, and channels of one value: exact, and found without a search."""

import numpy as np
import pytest
from networks import Build

from hwflow.fold import fold
from hwflow.proof import exported
from hwflow.qonnx import read
from hwflow.real.grids import scaled
from hwflow.real.rationals import exact


@pytest.mark.parametrize("activation", ["Relu", "Clip", "Neg", "Sub"])
def test_a_clip_of_a_wide_sum_feeds_the_next_layer_exactly(activation, tmp_path):
    rng = np.random.default_rng(3)
    b = Build(("N", 40))
    w = rng.integers(-127, 128, (40, 30))
    w[:, 4] = 0  # a channel of one value
    y = b.node("MatMul", "x", b.const(w))
    if activation == "Clip":
        y = b.node("Clip", y, b.const(-700.0), b.const(9000.0))
    elif activation == "Neg":
        y = b.node("Neg", b.node("Relu", y))
    elif activation == "Sub":
        y = b.node("Relu", b.node("Sub", b.const(33.0), y))
    else:
        y = b.node("Relu", y)
    y = b.node("MatMul", y, b.const(rng.choice((-1, 1), (30, 5))))
    graph = read(b.save(tmp_path, y), "u8")
    net = fold(graph)
    x = rng.integers(0, 256, (40, 40))
    x[0], x[1] = 0, 255
    assert np.array_equal(net.scores(net.run(x)), exported(graph, x))


def test_a_channel_of_one_value_is_its_integer_however_coarse_float32_is():
    lo, hi = np.array([-5, -5]), np.array([-5, 5])
    grid = scaled(lo, hi, exact(np.full(2, 2.0**-26)), exact(np.array([-0.3466544, 0.0])))
    assert not grid.moving[0] and 2 * grid.error[0] > abs(grid.scale[0])
    assert grid.integers(grid.values(lo)).tolist() == [-5, -5]
    assert grid.integers(grid.values(hi)).tolist() == [-5, 5]
    assert grid.nearest(np.zeros(2, np.float32)).tolist()[1] == 0
