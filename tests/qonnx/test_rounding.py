"""What explains a difference from a reference: bounds of float32 sums and of a Softmax's choice, and nothing wider."""

import numpy as np
import pytest
from networks import Build

from hwflow.errors import ModelError
from hwflow.fold import fold
from hwflow.qonnx import read, reading
from hwflow.qonnx.rounding import _pick
from hwflow.real.functions import FUNCTIONS, ULPS

SCALE = 0.1000123


def graph_of(tmp_path, b, y, takes="i8/100"):
    """The graph, and its tensors in the file's own arithmetic for random inputs."""
    from hwflow.qonnx.executor import Executor

    path = b.save(tmp_path, y)
    found = reading(path, takes)
    x = np.random.default_rng(1).integers(0, 128, (8, *found.graph.input.shape))
    import onnx

    return found, x, Executor().run(onnx.load(path), {"x": found.arranged(x)})


def test_a_sum_may_begin_at_its_bias(tmp_path):
    b = Build((None, 20), 13)
    y = b.node("Gemm", "x", b.const(np.full((20, 2), -SCALE)), b.const([-104.0, 104.0]))
    found, x, values = graph_of(tmp_path, b, y)
    assert all(n.explained for n in found.explained(x, values))
    for by, explained in ((2e-5, True), (3e-4, False)):  # eps * 24 terms * 104 = 1.5e-4
        moved = values | {y: (values[y] + np.float32(by)).astype(np.float32)}
        assert all(n.explained for n in found.explained(x, moved)) is explained


def test_a_value_beyond_the_range_of_its_channel_goes_through_as_it_is(tmp_path):
    """A sum that cancels has either sign in float32, where the integers know it to be 0 and its sign to be +1."""
    b = Build((None, 4), 13)
    w = np.tile([[SCALE], [-SCALE], [SCALE], [-SCALE]], (1, 3))  # of inputs that are never negative
    z = b.node("MatMul", b.sign("x", 1.0), b.const(w))
    s = b.node("BipolarQuant", z, b.const([[0.6272131, 0.47795963, 0.26642427]]), domain="qonnx.custom_op.general")
    y = b.node("MatMul", s, b.const(np.ones((3, 2))))
    found, x, values = graph_of(tmp_path, b, y, "u8/255")
    turned = values | {z: values[z].copy(), s: values[s].copy()}
    turned[z][:, 0], turned[s][:, 0] = np.float32(-1e-9), -values[s][:, 0]
    turned[y] = (turned[s] @ np.ones((3, 2), np.float32)).astype(np.float32)
    assert not fold(found.graph).run(x).var(0).any(), "every channel holds one value"
    assert all(n.explained for n in found.explained(x, turned))
    wrong = turned | {y: turned[y] + np.float32(1e-5)}
    assert not all(n.explained for n in found.explained(x, wrong))


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize(("exponent", "accepted"), [(-30, False), (-19, False), (-18, True), (0, True)])
def test_scores_that_a_softmax_merges_are_refused_in_front_of_a_choice(op, exponent, accepted, tmp_path):
    b = Build((None, 6), 13)
    w = np.random.default_rng(0).choice([-1.0, 1.0], (6, 4)) * 2.0**exponent
    y = b.node("ArgMax", b.node(op, b.node("MatMul", b.sign("x"), b.const(w)), axis=1), axis=1)
    path = b.save(tmp_path, y)
    if accepted:
        assert fold(read(path, "i4")).run(np.ones((1, 6), np.int64)).shape == (1, 1)
        return
    with pytest.raises(ModelError, match="cannot tell apart in float32; choose in front of the"):
        read(path, "i4")


def test_a_choice_needs_the_room_by_which_it_is_not_the_largest():
    scores = np.array([[1.0, 3.0, 3.0, 2.5]])
    none, some = np.zeros(1), np.full(1, 0.25)
    assert _pick(scores, none, np.array([[1]])) == 0 and _pick(scores, none, np.array([[1, 2, 3]])) == 0
    assert _pick(scores, none, np.array([[2]])) == np.inf, "of equal scores the first"
    assert 0 < _pick(scores, some, np.array([[2]])) <= 1
    assert _pick(scores, some, np.array([[3]])) == 1 and _pick(scores, some, np.array([[0]])) == 4
    assert _pick(scores, some, np.array([[1, 0]])) == 4 and _pick(scores, some, np.array([[4]])) == np.inf


@pytest.mark.parametrize("op", ["Swish", "Gelu", "Mish"])
def test_a_gate_is_as_far_off_as_its_factor_times_the_value(op):
    """onnxruntime's sigmoid stops at -18, so x times it is off by x times 1.5e-8."""
    name = {"Swish": "swish", "Gelu": "gelu", "Mish": "mish"}[op]
    x = np.float32([-140, -17.5, 0, 3])
    y = FUNCTIONS[name].run(x, np.ones(1, np.float32))
    off = FUNCTIONS[name].off(x, y)
    assert off[0] >= 140 * 1.6e-8 and off[2] == off[3] / 2 == ULPS * 2.0**-23
    assert FUNCTIONS["tanh"].off(x, np.tanh(x)).max() == ULPS * 2.0**-23
