"""The two ends of a network: what enters, what the answer means, and the names between."""

import numpy as np
import pytest
from networks import Build
from onnx import TensorProto
from reading import RNG, classify, same, signs

from hwflow.fold import fold
from hwflow.qonnx import read, reference
from hwflow.real.graph import INPUT


def test_a_tensor_norm_at_the_end_stays_with_the_host(tmp_path):
    b = Build((1, 8))
    x = classify(b, b.sign("x"), 8)
    x = b.node("Div", b.node("Sub", x, b.const([0.4488643])), b.node("Pow", b.const([318.19666]), b.const(0.5)))
    net = same(b.save(tmp_path, b.node("Add", b.node("Mul", x, b.const([0.734])), b.const([-1.1436]))), "i3")
    assert [s.op for s in net.finish] == ["sub", "div", "mul", "add"]


@pytest.mark.parametrize("op", ["ArgMax", "TopK"])
@pytest.mark.parametrize("bias", [False, True])
def test_labels_at_the_end(op, bias, tmp_path):
    b = Build((1, 9))
    x = classify(b, b.sign("x"), 9, 6)
    x = b.node("Add", x, b.const(RNG.integers(-1, 2, 6))) if bias else b.node("Mul", x, b.const(0.5))
    if op == "ArgMax":
        y = b.node("ArgMax", x, axis=1, keepdims=0)
    else:
        values = b.node("TopK", x, b.const([1], np.int64), outputs=2)
        y = f"{values}_1"
    path = b.save(tmp_path, y, kind=TensorProto.INT64)
    graph = read(path, "i3")
    net = fold(graph)
    x = RNG.integers(-4, 4, (300, 9))
    want = reference(path, x, "i3")[:, 0]
    assert np.array_equal(graph.run(graph.takes.real(x))[:, 0], want)
    assert np.array_equal(net.labels(net.run(x)), want)
    assert net.gives_labels, "a bias of each class is in the integers that are compared"


def test_a_softmax_at_the_end_leaves_the_scores(tmp_path):
    b = Build((1, 8))
    graph = read(b.save(tmp_path, b.node("Softmax", classify(b, b.sign("x"), 8), axis=1)), "i3")
    assert "Softmax" in graph.notes[0]
    assert fold(graph).finish == ()


def test_the_input_is_found_in_metadata_quantizer_or_annotation(tmp_path):
    b = Build((1, 4))
    path = b.save(tmp_path, classify(b, b.quant("x", 1 / 64, 6), 4), "a.onnx")
    assert str(read(path).takes) == "i6/64"
    b = Build((1, 4))
    y = classify(b, b.node("Mul", "x", b.const(2.0)), 4)
    assert str(read(b.save(tmp_path, y, "b.onnx")).takes) == "u8/255"
    assert "because the file does not say" in read(b.save(tmp_path, y, "b.onnx")).notes[0]
    assert str(read(b.save(tmp_path, y, "c.onnx", meta={"hwflow.input": "i16/1024"})).takes) == "i16/1024"
    assert read(b.save(tmp_path, y, "c.onnx", meta={"hwflow.input": "i16/1024"})).notes == ()
    model = b.model(y)
    note = model.graph.quantization_annotation.add()
    note.tensor_name = "x"
    note.quant_parameter_tensor_names.add(key="finn_datatype", value="BIPOLAR")
    (tmp_path / "d.onnx").write_bytes(model.SerializeToString())
    assert str(read(tmp_path / "d.onnx").takes) == "bipolar"
    assert str(read(tmp_path / "d.onnx", "u4/3").takes) == "u4/3"


def test_names_are_fit_for_every_language(tmp_path):
    b = Build((1, 4))
    y = classify(b, b.sign("x"), 4)
    for node, name in zip(b.nodes, ("/features/0/sign", "input", "", "7-layer!"), strict=True):
        node.name = name
    names = [n.name for n in read(b.save(tmp_path, y), "i3").nodes]
    assert all(n.isidentifier() and n.isascii() and n != INPUT for n in names), names


@pytest.mark.parametrize("last", ["norm", "quantizer", "leaky"])
def test_labels_behind_scores_that_classes_scale_differently(last, tmp_path):
    b = Build((1, 9))
    x = classify(b, b.sign("x"), 9, 4)
    x = b.norm(x, [1, -1, 2, 0.5], [0, 1, 0.5, 0], [1, 2, 3, 4], [1, 2, 3, 4])
    if last == "quantizer":
        x = b.quant(x, 0.25, 6)
    y = b.node(
        "ArgMax", x if last != "leaky" else b.quant(b.node("LeakyRelu", x, alpha=0.25), 0.5, 5), axis=1, keepdims=0
    )
    path = b.save(tmp_path, y, kind=TensorProto.INT64)
    net = fold(read(path, "i3"))
    x = RNG.integers(-4, 4, (300, 9))
    assert np.array_equal(net.labels(net.run(x)), reference(path, x, "i3")[:, 0])


def test_up_to_opset_12_a_softmax_without_an_axis_is_over_all_but_the_batch(tmp_path):
    for opset, over in ((11, 12), (13, 3)):
        b = Build((1, 2, 2, 3), opset)
        x = b.conv(b.sign("x"), signs(b, 2, 2, 1, 1)) if opset == 11 else classify(b, b.sign("x"), 12)
        net = fold(read(b.save(tmp_path, b.node("Softmax", x)), "i3"))
        images = np.random.default_rng(0).integers(-4, 4, (20, 2, 3, 2))
        answers = net.real(net.run(images)).reshape(20, -1)
        assert answers.shape[1] == over and np.allclose(answers.sum(1), 1)
