"""Functions that fall and rise, folded: also those that never rise have hardware."""

import numpy as np

from hwflow.fold import fold
from hwflow.generate import Build
from hwflow.lower import lower
from hwflow.qonnx import read, reference


def test_the_square_of_a_sign_is_a_constant_that_every_unit_can_be_built_for(tmp_path):
    b = Build((1, 5), 13)
    s = b.sign("x", 0.5)
    y = b.quant(b.node("Mul", s, s), 0.25, 3)
    path = b.save(tmp_path, b.node("MatMul", y, b.const(np.ones((5, 2)))))
    net = fold(read(path, "i4/8"))
    x = np.random.default_rng(0).integers(-8, 8, (9, 5))
    assert np.array_equal(net.scores(net.run(x)), reference(path, x, "i4/8"))
    for unit in lower(net).units:
        assert unit.params()
