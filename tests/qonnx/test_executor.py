"""The fast execution of a file is that of qonnx itself, node by node, to the last bit."""

import numpy as np
import onnx
import pytest

from hwflow.fuzz.judge import executed, images, judge
from hwflow.generate import random_file
from hwflow.qonnx import executions, reading
from hwflow.qonnx.executor import NARROW, Executor

SEEDS = range(5000, 5060)


def by_qonnx(model, x):
    """The output of a file by qonnx's own execution, one image at a time."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    for node in copy.graph.node:  # qonnx has two names for the domain
        node.domain = node.domain.replace("finn.custom_op", "qonnx.custom_op")
    for opset in copy.opset_import:
        opset.domain = opset.domain.replace("finn.custom_op", "qonnx.custom_op")
    wrapped = ModelWrapper(copy).transform(InferShapes())
    name = copy.graph.output[0].name
    return [execute_onnx(wrapped, {"x": x[i : i + 1]})[name] for i in range(len(x))]


def takes(model):
    """What keeps qonnx from executing a file itself, or nothing: integers of 4 bits, which onnxruntime's Python lacks."""
    kinds = {onnx.helper.tensor_dtype_to_np_dtype(t.data_type) for t in model.graph.initializer}
    return not kinds & NARROW


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_it_computes_what_qonnx_computes(tmp_path):
    executor, equal = Executor(), 0
    for seed in SEEDS:
        file = random_file(seed)
        verdict = judge(file, executor, tmp_path, seed)
        if verdict.net is None or not takes(file.model):
            continue
        read = reading(tmp_path / "net.onnx", file.input)
        x = images(verdict.net, seed, 3)
        name = file.model.graph.output[0].name
        got = np.asarray(executed(file.model, read, executor, x)[name], np.float32).reshape(-1)
        try:
            want = by_qonnx(file.model, read.arranged(x))
        except Exception:  # qonnx infers no shape for some of its own operators
            continue
        want = np.concatenate([np.asarray(w, np.float32).reshape(-1) for w in want])
        if file.exact:
            np.testing.assert_array_equal(got, want, err_msg=f"seed {seed}")
        else:  # sums of many images at once may be made in another order
            np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3, err_msg=f"seed {seed}")
        equal += 1
    assert equal > len(SEEDS) // 3


def test_the_square_of_one_element_is_that_of_many():
    # onnxruntime takes powf for one element: 0x3c6c4b6b, where x * x is 0x3c6c4b6a
    x = np.array([0x3DF5F335], np.uint32).view(np.float32)
    node = onnx.helper.make_node("Pow", ["x", "two"], ["y"])
    two = onnx.numpy_helper.from_array(np.float32(2), "two")
    ends = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [None, 1]) for n in "xy"]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "square", [ends[0]], [ends[1]], [two]))
    alone = Executor().run(model, {"x": x.reshape(1, 1)})["y"]
    many = Executor().run(model, {"x": np.tile(x, 16).reshape(16, 1)})["y"]
    assert alone.view(np.uint32).tolist() == [[0x3C6C4B6A]] and (many == alone).all()


def test_integers_of_four_bits_that_an_attribute_names_are_executed():
    node = onnx.helper.make_node("QuantizeLinear", ["x", "s"], ["y"], output_dtype=onnx.TensorProto.INT4)
    ends = [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 3])]
    ends += [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.INT4, [None, 3])]
    half = onnx.numpy_helper.from_array(np.float32(0.5), "s")
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "four", ends[:1], ends[1:], [half]),
        opset_imports=[onnx.helper.make_opsetid("", 21)],
    )
    y = Executor().run(model, {"x": np.array([[-9, 0.5, 1.2]], np.float32)})["y"]
    assert y.dtype in NARROW and y.astype(int).tolist() == [[-8, 1, 2]]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_file_that_is_read_is_executed_several_images_at_a_time(tmp_path):
    executor, seen = Executor(), 0
    for seed in range(81000080, 81000150):  # qonnx infers no shapes for a dozen of these
        file = random_file(seed)
        verdict = judge(file, executor, tmp_path, seed)
        if verdict.net is None:
            continue
        path, x = tmp_path / "net.onnx", images(verdict.net, seed, 3)
        got = np.concatenate([part.answers for part in executions(path, x, file.input, 2)])
        read = reading(path, file.input)
        want = read.answers(executed(file.model, read, executor, x), 3)
        if file.exact:
            np.testing.assert_array_equal(got, want, err_msg=f"seed {seed}")
        assert got.shape == want.shape
        seen += 1
    assert seen > 40
