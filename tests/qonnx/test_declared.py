"""What a handler does not declare is refused by its name: attributes, their values, opsets, types and numbers of inputs."""

import numpy as np
import onnx
import pytest
from networks import Build

import hwflow.qonnx  # noqa: F401  its import declares every operator
from hwflow.errors import ModelError, RecipeError
from hwflow.qonnx import read, reference
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import ANY, OPERATORS, Refused, check

STANDARD = sorted(name for domain, name in OPERATORS if domain == "")
SCHEMAS = {}
for schema in onnx.defs.get_all_schemas_with_history():
    if schema.domain == "":
        SCHEMAS.setdefault(schema.name, {})[schema.since_version] = schema


def call_of(name, opset, attrs):
    schema = onnx.defs.get_schema(name, opset, "")
    inputs = tuple(f"i{k}" for k in range(max(schema.min_input, 1)))
    return Call(name, "", name, inputs, ("y",), attrs, opset), [""] * len(inputs)


@pytest.mark.parametrize("name", STANDARD)
def test_a_declaration_names_opsets_and_attributes_that_onnx_has(name):
    op = OPERATORS["", name]
    assert op.versions & set(SCHEMAS[name]), "none of its opsets exist"
    known = {a for s in SCHEMAS[name].values() for a in s.attributes}
    shared = {a for other in OPERATORS.values() if other.handler is op.handler for a in other.attributes}
    assert set(op.attributes) <= known | shared


@pytest.mark.parametrize("name", STANDARD)
def test_an_opset_that_changed_the_operator_is_refused_unless_declared(name):
    op = OPERATORS["", name]
    for version, schema in SCHEMAS[name].items():
        if version in op.versions or schema.deprecated:
            continue
        with pytest.raises(Refused) as caught:
            check(op, *call_of(name, version, {}))
        assert caught.value.attribute == "opset" and str(version) in caught.value.reason


@pytest.mark.parametrize("name", STANDARD)
def test_every_attribute_of_onnx_is_declared_or_refused_by_name(name):
    op = OPERATORS["", name]
    for version in sorted(op.versions & set(SCHEMAS[name])):
        for attribute in SCHEMAS[name][version].attributes:
            understood = op.attributes.get(attribute, ())
            if understood is ANY:
                continue
            with pytest.raises(Refused) as caught:
                check(op, *call_of(name, version, {attribute: "a value that nobody knows"}))
            assert caught.value.attribute == attribute
        with pytest.raises(Refused) as caught:
            check(op, *call_of(name, version, {"invented": 1}))
        assert caught.value.attribute == "invented"


@pytest.mark.parametrize("name", STANDARD)
def test_double_and_half_precision_are_refused(name):
    op = OPERATORS["", name]
    for kind in ("float64", "float16", "bfloat16"):
        version = max(op.versions & set(SCHEMAS[name]))
        call, types = call_of(name, version, {})
        with pytest.raises(Refused, match=kind):
            check(op, call, [kind, *types[1:]])


def test_a_file_of_doubles_is_refused_by_the_type_of_its_constant(tmp_path):
    b = Build((1, 4))
    path = b.save(tmp_path, b.node("MatMul", "x", b.const(np.ones((4, 3)), np.float64)))
    with pytest.raises(ModelError, match="MatMul of float32 and float64"):
        read(path, "i8")


@pytest.mark.parametrize("domain", ["qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general"])
def test_an_attribute_of_a_quantizer_that_nobody_knows_is_refused(domain, tmp_path):
    b = Build((1, 4))
    q = b.node("Quant", "x", b.const(1.0), b.const(0.0), b.const(4.0), domain=domain, signed=1, half_even=1)
    with pytest.raises(ModelError, match="half_even"):
        read(b.save(tmp_path, q), "i8")


def test_resize_keeps_no_aspect_ratio_silently(tmp_path):
    b = Build((1, 1, 4, 6), 18)
    y = b.node("Resize", "x", "", "", b.const([8, 18], np.int64), mode="nearest", axes=[2, 3], keep_aspect_ratio_policy="not_larger", coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    with pytest.raises(ModelError, match="keep_aspect_ratio_policy = not_larger is not supported"):
        read(b.save(tmp_path, y), "i4")


def test_a_file_of_bytes_takes_bytes(tmp_path):
    b = Build((1, 4))
    y = b.node("MatMul", b.node("Cast", "x", to=1), b.const(np.ones((4, 2))))
    model = b.model(y)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    onnx.save(model, tmp_path / "net.onnx")
    graph = read(tmp_path / "net.onnx")
    assert (str(graph.takes), graph.denominator) == ("u8", 1)
    x = np.random.default_rng(0).integers(0, 256, (9, 4))
    assert np.array_equal(graph.run(graph.takes.real(x)), reference(tmp_path / "net.onnx", x))
    with pytest.raises(RecipeError, match="takes uint8 itself"):
        read(tmp_path / "net.onnx", "u8/255")
