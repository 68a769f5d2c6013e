"""Whole networks nobody wrote for this test: FINN's zoo files, Brevitas' own models, and every family of `models/`."""

import importlib.util
import time
import warnings

import numpy as np
import pytest
from conftest import shared

from hwflow.fold import fold
from hwflow.places import MODELS
from hwflow.qonnx import explained, read, reference, save_stage
from hwflow.real import parse_input

IMAGES = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3), "digits": (8, 8, 1)}
PYNQ = ["CNV_1W1A", "CNV_1W2A", "CNV_2W2A", "TFC_2W2A"]


def equal(path, n, takes=None):
    """Net == Graph == reference on every element of n random images; the Net, and the seconds it took to make."""
    start = time.process_time()
    graph = read(path, takes)
    net = fold(graph)
    seconds = time.process_time() - start
    ints = graph.input.ints
    x = np.random.default_rng(0).integers(ints.lo, ints.hi + 1, (n, *graph.input.shape))
    want = reference(path, x, takes)
    assert np.array_equal(net.scores(net.run(x)), want)
    assert np.array_equal(graph.run(graph.takes.real(x)), want)
    return net, seconds


@pytest.mark.parametrize(("name", "accuracy"), [("TFC_1W1A", 0.9296), ("TFC_1W2A", 0.9474)])
def test_finns_zoo_files_on_ten_thousand_digits(name, accuracy, mnist_test):
    path = shared(f"models/{name}.onnx")
    x, labels = mnist_test
    net = fold(read(path, "u8/255"))
    answer = net.run(x)
    want = reference(path, x.reshape(-1, 28, 28, 1), "u8/255")
    assert np.array_equal(net.scores(answer), want)
    assert np.array_equal(net.labels(answer), want.argmax(1))
    assert (net.labels(answer) == labels).mean() == accuracy


def perturb(torch, model, seed, hard=True):
    """Statistics of norms as training might leave them: negative, zero and tiny gains among them."""
    g = torch.Generator().manual_seed(seed)
    for m in model.modules():
        if isinstance(m, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            with torch.no_grad():
                m.running_mean.copy_(torch.randn(m.running_mean.shape, generator=g) * 3)
                m.running_var.copy_(torch.rand(m.running_var.shape, generator=g) * 50 + 0.1)
                m.bias.copy_(torch.randn(m.bias.shape, generator=g))
                if hard:
                    m.weight.copy_(torch.randn(m.weight.shape, generator=g))
                    m.weight[:3] = torch.tensor([0.0, 1e-20, -1e-20])
    return model.eval()


def pynq(folder, name, hard, dynamo=False):
    """One of Brevitas' own models as its own exporter writes it."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("brevitas")
    from brevitas.export import export_qonnx
    from brevitas_examples.bnn_pynq.models import get_model_cfg, model_impl

    cfg = get_model_cfg(name)
    torch.manual_seed(0)
    model = perturb(torch, model_impl[cfg.get("MODEL", "ARCH")](cfg), 1, hard)
    path = folder / f"{name}.onnx"
    x = torch.rand(1, 1, 28, 28) if "FC" in name else torch.rand(1, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_qonnx(model, args=x, export_path=str(path), **({} if dynamo else {"opset_version": 13, "dynamo": False}))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("hard", [False, True], ids=["random", "perturbed"])
@pytest.mark.parametrize("name", PYNQ)
def test_brevitas_own_models(name, hard, tmp_path):
    equal(pynq(tmp_path, name, hard), 5, "u8/255")


@pytest.mark.slow
def test_a_dynamo_export_with_external_data_reads_the_same(tmp_path):
    net, _ = equal(pynq(tmp_path, "CNV_1W2A", True, dynamo=True), 3, "u8/255")
    assert [type(op).__name__ for op in net.ops].count("Conv") == 6


@pytest.mark.slow
def test_a_residual_network_of_arbitrary_scales_differs_only_where_float_sums_round(tmp_path):
    path = pynq(tmp_path, "RESNET18_4W4A", False)
    graph = read(path, "u8/255")
    net = fold(graph)
    x = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3))
    assert np.array_equal(net.scores(net.run(x)), graph.run(graph.takes.real(x)))
    nodes = explained(path, x, "u8/255")
    assert len(nodes) > 100 and all(node.explained for node in nodes)
    assert {n.name for n in nodes if n.differing} <= set(graph.plans), "elementwise arithmetic agrees to the last bit"


def recipes():
    """Every recipe of `models/`, by name, without importing torch."""
    return [
        "mlp:digits",
        "mlp:tfc",
        "cnv:cnv",
        "vgg:vgg-small",
        "vgg:vgg-small-ir2",
        "resnet:resnet20",
        "resnet:resnet20-ir2",
        "resnet:resnet18",
        "mobilenet:mobilenet",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("which", recipes())
def test_networks_of_the_papers(which, tmp_path):
    torch = pytest.importorskip("torch")
    from hwflow.train.export import freeze, real_input, write

    family, _, name = which.partition(":")
    spec = importlib.util.spec_from_file_location(family, MODELS / f"{family}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    recipe = module.RECIPES[name]
    torch.manual_seed(0)
    model = perturb(torch, recipe.network(recipe.method), 2)
    shape = IMAGES[recipe.data]
    example = (
        np.zeros((1, int(np.prod(shape))) if recipe.flat else (1, *shape), int) + parse_input(recipe.input).ints.hi
    )
    path = tmp_path / f"{name}.onnx"
    write(freeze(model), real_input(recipe, example), recipe, path)
    net, seconds = equal(path, {"mlp": 50, "resnet": 2, "vgg": 3}.get(family, 5))
    assert seconds < {"cnv": 5}.get(family, 20), "seconds of one core, from file to integers"
    assert net.input.ints == parse_input(recipe.input).ints


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
