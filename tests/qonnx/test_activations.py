"""Activations in front of a quantizer, comparisons and choices: the integers are those of the reference."""

from importlib import import_module

import numpy as np
import pytest
from conftest import shared
from networks import Build
from reading import classify, kinds, signs

from hwflow.emit.c_program import make_program
from hwflow.fold import fold
from hwflow.lower import cores
from hwflow.qonnx import explained, read, reference


def silu(b, x):
    return b.node("Mul", x, b.node("Sigmoid", x))


def gelu_of_parts(b, x):
    erf = b.node("Erf", b.node("Div", x, b.const(np.sqrt(2))))
    return b.node("Mul", b.node("Mul", x, b.node("Add", erf, b.const(1.0))), b.const(0.5))


def hardswish_of_parts(b, x):
    six = b.node("Clip", b.node("Add", x, b.const(3.0)), b.const(0.0), b.const(6.0))
    return b.node("Div", b.node("Mul", x, six), b.const(6.0))


def mish_of_parts(b, x):
    return b.node("Mul", x, b.node("Tanh", b.node("Softplus", x)))


def prelu(b, x):
    return b.node("PRelu", x, b.const(np.array([-0.5, 0.25, -0.125, 2.0]).reshape(-1, 1, 1)))


def where_positive(b, x):
    return b.node("Where", b.node("Greater", x, b.const(0.0)), x, b.node("Mul", x, b.const(-0.25)))


ACTIVATIONS = {
    "Sigmoid": lambda b, x: b.node("Sigmoid", x), "Tanh": lambda b, x: b.node("Tanh", x),
    "Elu": lambda b, x: b.node("Elu", x, alpha=0.5), "Celu": lambda b, x: b.node("Celu", x, alpha=2.0),
    "Softplus": lambda b, x: b.node("Softplus", x), "Softsign": lambda b, x: b.node("Softsign", x),
    "HardSigmoid": lambda b, x: b.node("HardSigmoid", x, alpha=0.25, beta=0.5),
    "LeakyRelu": lambda b, x: b.node("LeakyRelu", x, alpha=-0.5), "PRelu": prelu, "Abs": lambda b, x: b.node("Abs", x),
    "square": lambda b, x: b.node("Pow", x, b.const(2.0)), "x * x": lambda b, x: b.node("Mul", x, x),
    "SiLU": silu, "GELU of parts": gelu_of_parts, "Hardswish of parts": hardswish_of_parts, "Mish of parts": mish_of_parts,
    "HardSwish": lambda b, x: b.node("HardSwish", x), "Mish": lambda b, x: b.node("Mish", x),
    "Gelu": lambda b, x: b.node("Gelu", x, approximate="tanh"), "Where": where_positive,
    "ThresholdedRelu": lambda b, x: b.node("ThresholdedRelu", x, alpha=0.75),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_in_front_of_a_quantizer_is_exact(name, tmp_path):
    rng = np.random.default_rng(len(name))
    h, w, k = (int(v) for v in rng.integers(1, 5, 3))
    b = Build((1, 2, h + k - 1, w + k - 1), 20)
    x = b.conv("x", signs(b, 4, 2, k, k))
    x = b.norm(x, rng.choice([-2, 0.5, 1], 4), rng.integers(-8, 9, 4) / 8, rng.integers(-4, 5, 4), [1.0] * 4)
    x = ACTIVATIONS[name](b, x)
    x = b.sign(x) if name == "Tanh" else b.quant(x, 0.25, int(rng.integers(2, 7)), int(rng.integers(0, 2)))
    graph = read(b.save(tmp_path, classify(b, x, 4 * h * w)), "i5/8")
    net = fold(graph)
    x = rng.integers(-16, 16, (60, *graph.input.shape))
    want = reference(tmp_path / "net.onnx", x, "i5/8")
    assert np.array_equal(net.scores(net.run(x)), want) and len(np.unique(want)) > 1
    make_program(net)
    cores(net)


@pytest.mark.parametrize("name", ["Sigmoid", "Tanh", "SiLU", "Abs", "LeakyRelu"])
@pytest.mark.parametrize("pooled", [False, True])
def test_a_quantizer_in_front_of_an_activation_is_one_of_its_own_where_integers_are_wide(
    name, pooled, tmp_path, monkeypatch
):
    # of 4 channels: the accumulators have 511 integers each
    monkeypatch.setattr(import_module("hwflow.fold.levels"), "MOST_SEEN", 100)
    rng = np.random.default_rng(len(name) + pooled)
    b = Build((1, 2, 6, 6), 20)
    x = b.conv("x", signs(b, 4, 2, 2, 2))
    x = b.norm(x, [-2, 0.5, 1, 0.25], rng.integers(-8, 9, 4) / 8, rng.integers(-4, 5, 4), [1.0] * 4)
    x = b.quant(x, 0.5, 4, 1)
    if pooled:
        x = b.node("MaxPool", x, kernel_shape=[5, 5], strides=[1, 1])
    x = ACTIVATIONS[name](b, x)
    graph = read(b.save(tmp_path, classify(b, b.quant(x, 0.25, 4, 1), 4 if pooled else 100)), "i5/8")
    net = fold(graph)
    x = rng.integers(-16, 16, (60, *graph.input.shape))
    want = reference(tmp_path / "net.onnx", x, "i5/8")
    assert np.array_equal(net.scores(net.run(x)), want) and len(np.unique(want)) > 1
    make_program(net)
    cores(net)


def test_a_maximum_behind_a_function_that_turns_is_taken_of_its_levels(tmp_path):
    rng = np.random.default_rng(1)
    b = Build((1, 2, 6, 6))
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    before = b.quant(silu(b, b.node("MaxPool", b.conv("x", signs(b, 3, 2, 3, 3)), **pool)), 0.25, 4)
    behind = b.node("MaxPool", b.quant(silu(b, b.conv("x", signs(b, 3, 2, 3, 3))), 0.25, 4), **pool)
    graph = read(b.save(tmp_path, classify(b, b.node("Add", before, behind), 12)), "i4/8")
    net = fold(graph)
    x = rng.integers(-8, 8, (80, *graph.input.shape))
    assert np.array_equal(net.scores(net.run(x)), reference(tmp_path / "net.onnx", x, "i4/8"))


@pytest.mark.parametrize(
    "form", ["greater", "greater or equal", "less", "less or equal", "constant first", "not", "cast", "bool"]
)
@pytest.mark.parametrize("per_channel", [False, True])
def test_a_home_made_sign_is_a_threshold(form, per_channel, tmp_path):
    rng = np.random.default_rng(len(form))
    b = Build((1, 5))
    x = b.node("MatMul", "x", signs(b, 5, 6))
    limit = b.const(rng.integers(-4, 5, 6) / 2 if per_channel else 0.0)
    op = {"greater or equal": "GreaterOrEqual", "less": "Less", "less or equal": "LessOrEqual"}.get(form, "Greater")
    c = b.node(op, limit, x) if form == "constant first" else b.node(op, x, limit)
    if form == "not":
        c = b.node("Not", c)
    if form in ("cast", "bool"):
        c = b.node("Cast", b.node("Cast", c, to=1), to=9) if form == "bool" else c
        y = b.node("Sub", b.node("Mul", b.node("Cast", c, to=1), b.const(2.0)), b.const(1.0))
    else:
        y = b.node("Where", c, b.const(1.0), b.const(-1.0))
    graph = read(b.save(tmp_path, b.node("MatMul", y, signs(b, 6, 3))), "i4/2")
    net = fold(graph)
    assert form == "bool" or (
        kinds(net) == ["Dense", "Threshold", "Dense"] and net.ports[net.ops[1].name].ints.is_bipolar
    )
    x = rng.integers(-8, 8, (80, 5))
    assert np.array_equal(net.scores(net.run(x)), reference(tmp_path / "net.onnx", x, "i4/2"))


@pytest.mark.parametrize(
    "name", ["act_Hardsigmoid", "act_QuantSigmoid", "act_SiLU", "act_PReLUneg", "sign_where_ge", "sign_gt_type", "sign_not_lt", "ir_ir_False", "ir_xnor_False", "ir_dorefa_False"]
)  # fmt: skip
def test_a_public_network_is_exact_but_for_the_order_of_float32_sums(name):
    path = shared(f"cases/refused/{name}.onnx")
    case = np.load(path.with_suffix(".npz"))
    takes = str(case["spec"])
    graph = read(path, takes)
    net = fold(graph)
    x = case["x"].transpose(0, 2, 3, 1) if case["x"].ndim == 4 else case["x"]
    nodes = explained(path, x, takes)
    assert all(node.explained for node in nodes)
    assert sum(node.ties for node in nodes if node.name != graph.output) == 0, "a level differs"
    assert np.array_equal(net.scores(net.run(x)), graph.run(graph.takes.real(x)))
