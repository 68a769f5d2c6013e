"""Weights without a negative one are stored as bytes without a sign; every path reads them as such."""

import numpy as np
import pytest

from hwflow.bits import Ints
from hwflow.net import Net
from hwflow.ops import Dense, Port
from hwflow.simulate import c


@pytest.mark.parametrize("path", ["plain", None])
@pytest.mark.parametrize("ints", [Ints(0, 3), Ints(-8, 7), Ints(-70000, 70000)], ids=str)
def test_weights_at_or_above_zero_answer_like_the_net(ints, path, tmp_path):
    rng = np.random.default_rng(0)
    layers = [np.zeros((1, 14)), np.eye(3, 14), rng.integers(0, 200, (5, 14))]
    for k, weights in enumerate(layers):
        net = Net("unsigned", Port((14,), ints), (Dense(name="a", inputs=("input",), weights=weights.astype(int)),))
        x = rng.integers(ints.lo, ints.hi + 1, (8, 14))
        engine = c.load(net, tmp_path / str(k), path)
        np.testing.assert_array_equal(engine.run(x), net.run(x))
