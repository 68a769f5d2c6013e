"""Where float32 sums make a file ambiguous: each difference is shown to be a tie, and a real defect is not taken for one."""

from dataclasses import replace

import numpy as np
import pytest
from builds import build_of
from networks import Build

from hwflow.fold import fold
from hwflow.qonnx import explained, read, reference, rounding
from hwflow.verify import verify

TAKES = "i5/10"


def network(folder):
    """A residual network whose every second sum of 0.1 times 0.25 lies on a boundary of a quantizer of step 0.05."""
    rng = np.random.default_rng(4)
    b = Build((1, 3, 6, 6))
    x = b.quant("x", 0.1, 5)
    w = b.quant(b.const(rng.normal(0, 1, (3, 3, 3, 3))), 0.25, 3)
    y = b.quant(b.conv(x, w, (1, 1, 1, 1), bias=[0.0, 0.025, -0.05]), 0.05, 8)
    z = b.node("AveragePool", b.quant(b.node("Add", y, x), 0.12, 7), kernel_shape=[3, 3], strides=[3, 3])
    last = b.quant(b.const(rng.normal(0, 1, (12, 4))), 0.7, 3)
    return b.save(folder, b.node("MatMul", b.node("Flatten", b.quant(z, 0.08, 7), axis=1), last), "model.onnx")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = network(tmp_path_factory.mktemp("ties"))
    return path, np.random.default_rng(0).integers(-16, 16, (40, 6, 6, 3))


def test_differences_are_counted_and_each_is_a_tie(made):
    path, x = made
    net = fold(read(path, TAKES))
    assert (net.scores(net.run(x)) != reference(path, x, TAKES)).any(), "nothing to explain"
    nodes = explained(path, x, TAKES)
    assert all(node.explained for node in nodes)
    assert sum(node.ties for node in nodes) > 0
    assert {node.name for node in nodes if node.ties} < {node.name for node in nodes}


def test_every_tensor_of_the_file_is_compared(made):
    path, x = made
    graph = read(path, TAKES)
    without = {n.name for n in graph.nodes} - {node.name for node in explained(path, x[:2], TAKES)}
    # the file has no tensor in front of a bias and inside an average; its flattened image has another order
    assert sorted(type(graph.by_name[name]).__name__ for name in without) == ["Conv", "Flatten", "SumPool"]


def test_weights_of_another_network_are_no_ties(made):
    path, x = made
    graph = read(path, TAKES)
    values = {"input": graph.takes.real(x)}
    graph.run(values["input"], values.__setitem__)
    assert all(node.explained for node in rounding(graph, values))
    conv = next(n for n in graph.nodes if type(n).__name__ == "Conv")
    ints = conv.weights.ints.copy()
    ints[0, 0, 0, 0] += 1
    wrong = replace(conv, weights=replace(conv.weights, ints=ints))
    other = replace(graph, nodes=tuple(wrong if n is conv else n for n in graph.nodes))
    assert not all(node.explained for node in rounding(other, values))


def test_verify_counts_ties_apart_from_differences(made, tmp_path):
    path, x = made
    net = fold(read(path, TAKES))
    done = verify(build_of(tmp_path / "build", net, model=path, input=TAKES), x, engines=("qonnx", "graph", "numpy"))
    rung = done.rungs[0]
    assert (rung.a, rung.b, rung.differing) == ("qonnx", "graph", 0) and rung.rounded > 0
    assert "another order" in rung.first and done.exact


def test_a_mean_over_pixels_and_channels_is_a_sum_of_sums(tmp_path):
    b = Build((1, 7, 6, 2))
    path = b.save(tmp_path, b.node("ReduceMean", "x", axes=[1, 2], keepdims=0))
    x = np.random.default_rng(0).integers(0, 16, (20, 6, 2, 7))
    graph = read(path, "u4/15")
    assert (graph.run(graph.takes.real(x)) != reference(path, x, "u4/15")).any(), "nothing to explain"
    nodes = explained(path, x, "u4/15")
    assert all(node.explained for node in nodes) and max(node.worst for node in nodes) > 0
