"""Weights without a negative one are stored as bytes without a sign; every path reads them as such."""

import numpy as np
import pytest

from hwflow.bits import Ints
from hwflow.net import Net
from hwflow.ops import Concat, Dense, Port
from hwflow.simulate import c


@pytest.mark.slow
@pytest.mark.parametrize("ints", [Ints(0, 3), Ints(-8, 7), Ints(-70000, 70000)], ids=str)
def test_weights_at_or_above_zero_answer_like_the_net(ints, tmp_path):
    rng = np.random.default_rng(0)
    tables = [np.zeros((1, 14)), np.eye(3, 14), rng.integers(0, 200, (5, 14))]
    layers = [Dense(name=f"d{k}", inputs=("input",), weights=w.astype(int)) for k, w in enumerate(tables)]
    together = Concat(name="all", inputs=tuple(layer.name for layer in layers), scales=(1,) * len(layers))
    net = Net("unsigned", Port((14,), ints), (*layers, together))
    x = rng.integers(ints.lo, ints.hi + 1, (8, 14))
    for path in ("plain", None):  # one program holds every path
        np.testing.assert_array_equal(c.load(net, tmp_path, path).run(x), net.run(x))
