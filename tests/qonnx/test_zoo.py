"""Whole networks nobody wrote for this test: FINN's zoo files, Brevitas' own models, and every family of `models/`."""

import numpy as np
import pytest
from conftest import IMAGES, shared

from hwflow.bench.compiler import AT_ONCE, BREVITAS, QCDQ, RECIPES, ROUNDS
from hwflow.fold import fold
from hwflow.generate.nets import random_images
from hwflow.qonnx import explained, read, reference, save_stage
from hwflow.real import parse_input


def equal(path, n, takes=None):
    """The Net of a file, whose every answer on n random images is the reference's and the Graph's."""
    graph = read(path, takes)
    net = fold(graph)
    for part in np.array_split(random_images(net, n), -(-n // AT_ONCE)):
        want = reference(path, part, takes)
        assert np.array_equal(net.scores(net.run(part)), want)
        assert np.array_equal(graph.run(graph.takes.real(part)), want)
    return net


@pytest.mark.slow
@pytest.mark.parametrize(("name", "accuracy"), [("TFC_1W1A", 0.9296), ("TFC_1W2A", 0.9474)])
def test_finns_zoo_files_on_ten_thousand_digits(name, accuracy, mnist_test):
    path = shared(f"models/{name}.onnx")
    x, labels = mnist_test
    net = fold(read(path, "u8/255"))
    answer = net.run(x)
    want = reference(path, x, "u8/255")
    assert np.array_equal(net.scores(answer), want)
    assert np.array_equal(net.labels(answer), want.argmax(1))
    assert (net.labels(answer) == labels).mean() == accuracy


@pytest.fixture(scope="module")
def zoo():
    """The room that writes networks; it needs torch and Brevitas."""
    pytest.importorskip("torch")
    pytest.importorskip("brevitas")
    from hwflow.bench import zoo

    return zoo


@pytest.mark.slow
@pytest.mark.parametrize("hard", [False, True], ids=["random", "hard"])
@pytest.mark.parametrize("name", [name for name in BREVITAS if name not in ("TFC_1W1A", "TFC_1W2A")])
def test_brevitas_own_models(name, hard, zoo, tmp_path):
    equal(zoo.of_brevitas(name, tmp_path, hard), IMAGES or 5, "u8/255")


@pytest.mark.slow
@pytest.mark.parametrize("name", QCDQ)
def test_brevitas_own_models_as_quantize_and_dequantize_pairs(name, zoo, tmp_path):
    net = equal(zoo.of_brevitas(name, tmp_path, qcdq=True), IMAGES or 10, "u8/255")
    assert any(type(op).__name__ == "Threshold" and op.levels > 1 for op in net.ops)


@pytest.mark.slow
def test_a_network_that_qonnx_turned_into_quantize_and_dequantize_pairs(zoo, tmp_path):
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.qonnx_to_qcdq import QuantToQCDQ

    path = zoo.of_brevitas("TFC_2W2A", tmp_path)
    ModelWrapper(str(path)).transform(QuantToQCDQ()).save(str(tmp_path / "qcdq.onnx"))
    turned = equal(tmp_path / "qcdq.onnx", IMAGES or 10, "u8/255")
    x = np.random.default_rng(1).integers(0, 256, (20, *turned.input.shape))
    assert np.array_equal(turned.run(x), fold(read(path, "u8/255")).run(x))


@pytest.mark.slow
def test_a_dynamo_export_with_external_data_reads_the_same(zoo, tmp_path):
    net = equal(zoo.of_brevitas("CNV_1W2A", tmp_path, dynamo=True), 3, "u8/255")
    assert [type(op).__name__ for op in net.ops].count("Conv") == 6


@pytest.mark.slow
def test_a_residual_network_of_arbitrary_scales_differs_only_where_float_sums_round(zoo, tmp_path):
    path = zoo.of_brevitas(ROUNDS, tmp_path, hard=False)
    graph = read(path, "u8/255")
    net = fold(graph)
    x = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3))
    assert np.array_equal(net.scores(net.run(x)), graph.run(graph.takes.real(x)))
    nodes = explained(path, x, "u8/255")
    assert len(nodes) > 100 and all(node.explained for node in nodes)
    names, exact = {n.name for n in nodes}, {n.name for n in nodes if not n.differing}
    alone = {n.name for n in graph.nodes if type(n).__name__ == "Pointwise" and n.inputs[0] in names}
    assert len(alone) > 50 and alone <= exact, "steps behind a tensor of the file agree to the last bit"


LONG = ("efficientnet:efficientnet", "darts:darts")


@pytest.mark.slow
@pytest.mark.parametrize("which", [pytest.param(r, marks=pytest.mark.long) if r in LONG else r for r in RECIPES])
def test_networks_of_the_papers(which, zoo, tmp_path):
    family = which.partition(":")[0]
    net = equal(zoo.of_recipe(which, tmp_path), IMAGES or {"mlp": 50, "resnet": 2, "vgg": 3}.get(family, 5))
    assert net.input.ints in (parse_input("u8").ints, parse_input("u8/16").ints)


def test_stages_are_files_that_a_viewer_opens(tmp_path):
    import onnx

    graph = read(shared("models/TFC_1W1A.onnx"), "u8/255")
    net = fold(graph)
    for stage, name in ((graph, "graph.onnx"), (net, "net.onnx")):
        save_stage(stage, tmp_path / name)
        shown = onnx.load(tmp_path / name)
        ops = stage.ops if name == "net.onnx" else stage.nodes
        assert [n.name for n in shown.graph.node] == [op.name for op in ops]
        assert [n.op_type for n in shown.graph.node] == [type(op).__name__ for op in ops]
    first = next(n for n in shown.graph.node if n.op_type == "Dense")
    assert next(a.s for a in first.attribute if a.name == "range") == b"-784 .. 784 (11 bits)"


def test_a_committed_lfc_is_small(tmp_path):
    from networks import Build

    rng = np.random.default_rng(0)
    b = Build((1, 784))
    x = b.node("Sub", b.node("Mul", "x", b.const(2.0)), b.const(1.0))
    for cols, rows in ((784, 1024), (1024, 1024), (1024, 1024), (1024, 10)):
        w = b.sign(b.const(rng.normal(0, 1, (rows, cols))))
        x = b.node("MatMul", b.sign(x), b.node("Transpose", w, perm=[1, 0]))
        if rows > 10:
            x = b.norm(x, rng.normal(0, 1, rows), rng.normal(0, 1, rows), rng.normal(0, 9, rows), rng.random(rows) + 1)
    net = fold(read(b.save(tmp_path, x), "u8/255"))
    net.save(tmp_path / "net.npz")
    assert (tmp_path / "net.npz").stat().st_size < 500_000
