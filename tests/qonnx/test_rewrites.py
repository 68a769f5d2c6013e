"""One network written in other ways is one network: names, orders, forms of constants, idle nodes, functions, unread branches."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwflow.errors import ModelError
from hwflow.fold import fold
from hwflow.generate import Build, random_file
from hwflow.generate.nets import random_images
from hwflow.qonnx import check, read
from hwflow.qonnx.takes import input_of

NAMES = ["a b", "ä/ö:1", "input", "outputs", "0", "table", "module", "scores", "label", "_", "reg", "a" * 300, "'\"", "\t", "-1"]  # fmt: skip
SEEDS = (3, 6, 11, 15, 17, 30, 38, 102)


def constants_are_inputs_too(model, _):
    more = [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in model.graph.initializer]
    ins = [*more, *model.graph.input]
    del model.graph.input[:]
    model.graph.input.extend(ins)


def tensors_have_strange_names(model, rng):
    names, known = list(rng.permutation(NAMES)), {"": ""}

    def new(name):
        if name not in known:
            known[name] = names.pop() if names and rng.random() < 0.7 else f"v{len(known)}"
        return known[name]

    for value in (*model.graph.input, *model.graph.initializer, *model.graph.output):
        value.name = new(value.name)
    for node in model.graph.node:
        for names_of in (node.input, node.output):
            for k, name in enumerate(names_of):
                names_of[k] = new(name)


def nodes_share_a_name(model, rng):
    for node in model.graph.node:
        node.name = str(rng.choice(["", "same", "wire", "a b"]))


def the_domain_is_written_out(model, _):
    for node in model.graph.node:
        node.domain = node.domain or "ai.onnx"


def opsets_are_named_twice(model, _):
    model.opset_import.append(model.opset_import[0])
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def nodes_are_in_any_order(model, rng):
    nodes = [model.graph.node[int(k)] for k in rng.permutation(len(model.graph.node))]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def shapes_are_noted_wrongly(model, _):
    for node in model.graph.node:
        model.graph.value_info.append(helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, [7, 7]))


def branches_that_nothing_reads(model, _):
    x = model.graph.input[0].name
    model.graph.node.append(helper.make_node("LSTM", [x, x, x], ["dead"], "dead", hidden_size=3))
    model.graph.node.append(helper.make_node("Foo", [x], ["dead_2"], "dead_2", domain="my.own"))
    model.graph.initializer.append(numpy_helper.from_array(np.full(3, np.nan, np.float32), "dead_3"))


def constants_are_nodes(model, _):
    made = [helper.make_node("Constant", [], [t.name], f"made_{k}", value=t) for k, t in enumerate(model.graph.initializer)]  # fmt: skip
    nodes = [*made, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend(nodes)


def numbers_are_no_bytes(model, _):
    for t in model.graph.initializer:
        if t.data_type in (TensorProto.FLOAT, TensorProto.INT64):
            values = numpy_helper.to_array(t).ravel().tolist()
            t.ClearField("raw_data")
            (t.float_data if t.data_type == TensorProto.FLOAT else t.int64_data).extend(values)


def idle_nodes_everywhere(model, rng):
    nodes = list(model.graph.node)
    idle = [helper.make_node("Identity", [f"{t.name}_raw"], [t.name]) for t in model.graph.initializer]
    for t in model.graph.initializer:
        t.name += "_raw"
    for node in nodes:
        if node.op_type in ("Conv", "MatMul", "Gemm", "Quant", "BipolarQuant", "BatchNormalization", "Relu", "MaxPool"):
            name = node.output[0]
            node.output[0] = f"{name}_raw"
            idle.append(helper.make_node(str(rng.choice(["Identity", "Dropout"])), [f"{name}_raw"], [name]))
        idle.append(node)
    del model.graph.node[:]
    model.graph.node.extend(idle)


def operators_are_functions(model, _):
    opset = next(o.version for o in model.opset_import if o.domain == "")
    for op in {node.op_type for node in model.graph.node} & {"Relu", "Neg", "Floor", "Abs", "MaxPool", "Flatten"}:
        for node in model.graph.node:
            if node.op_type == op and not node.domain and not node.attribute:
                node.op_type, node.domain = f"My{op}", "local"
        inside = helper.make_node(op, ["a"], ["b"])
        model.functions.append(helper.make_function("local", f"My{op}", ["a"], ["b"], [inside], [helper.make_opsetid("", opset)]))  # fmt: skip
    model.opset_import.append(helper.make_opsetid("local", 1))


REWRITES = (
    constants_are_inputs_too, tensors_have_strange_names, nodes_share_a_name, the_domain_is_written_out, opsets_are_named_twice,
    nodes_are_in_any_order, shapes_are_noted_wrongly, branches_that_nothing_reads, constants_are_nodes, numbers_are_no_bytes,
    idle_nodes_everywhere, operators_are_functions,
)  # fmt: skip


def folded(path, takes):
    try:
        return fold(read(path, takes))
    except ModelError:
        return None


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda f: f.__name__)
def test_a_network_written_in_another_way_is_the_same_network(rewrite, tmp_path):
    path, taken = tmp_path / "net.onnx", 0
    for seed in SEEDS:
        file, rng = random_file(seed), np.random.default_rng(seed)
        onnx.save(file.model, path)
        net = folded(path, file.input)
        rewrite(file.model, rng)
        onnx.save(file.model, path)
        other = folded(path, file.input)
        assert (net is None) == (other is None), f"seed {seed}: {check(path, file.input)}"
        if net is not None:
            x = random_images(net, 6, seed, ends=True)
            mine, theirs = net.run(x), other.run(x)
            if not net.gives_labels and all(out.answer.head != "top_k" for out in net.outputs):
                mine, theirs = net.scores(mine), other.scores(theirs)
            assert np.array_equal(mine, theirs), f"seed {seed}"
            taken += 1
    assert taken >= len(SEEDS) // 2


@pytest.mark.parametrize("perm", [None, [1, 0, 2, 3], [2, 1, 0, 3]])
@pytest.mark.parametrize("batch", [1, "N"])
def test_an_answer_without_the_batch_in_front_is_refused(perm, batch, tmp_path):
    b = Build((batch, 3, 5, 4))
    y = b.node("Transpose", b.sign("x"), **({"perm": perm} if perm else {}))
    assert "has the batch at axis" in str(check(b.save(tmp_path, y), "i4")[0])


def test_a_batch_that_comes_back_to_the_front_is_read(tmp_path):
    b = Build((1, 3, 5, 4))
    y = b.node("Transpose", b.node("Transpose", b.sign("x")))
    assert check(b.save(tmp_path, y), "i4") == ()


def test_dropout_that_drops_is_no_constant(tmp_path):
    b = Build((1, 4))
    w = b.node("Dropout", b.const(np.ones((4, 3))), b.const(0.5), b.const(True, bool))
    path = b.save(tmp_path, b.node("MatMul", b.sign("x"), w))
    assert "another number in every run" in str(check(path, "i4")[0])


def test_the_first_quantizer_says_the_input_behind_nodes_that_move(tmp_path):
    from hwflow.qonnx.model import load

    b = Build((1, 2, 3, 4))
    x = b.node("Reshape", b.node("Dropout", "x"), b.const([1, 24], np.int64))
    y = b.node("Quant", x, b.node("Identity", b.const(0.125)), b.const(0.0), b.const(4.0), domain="qonnx.custom_op.general", signed=1, narrow=0, rounding_mode="ROUND")  # fmt: skip
    assert str(input_of(load(b.save(tmp_path, y)), None)[0]) == "i4/8"
