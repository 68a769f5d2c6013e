"""Nodes whose inputs are all constants: evaluated by onnx's reference evaluator, custom ones by qonnx, never by rules of ours.

Stands on operators and values. Sizes are bounded before anything runs. Beside each value stands where its integers
came from, where a quantizer, a rounding or a sign made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from hwflow.bits import Array
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import DOMAINS, Refused, operator_of, schema_of
from hwflow.qonnx.values import BATCH, MOST_FORMS, Const, Integers

if TYPE_CHECKING:
    from hwflow.qonnx.reader import Reader

MOST_ELEMENTS = 1 << 26  # of one result
MOST_PRODUCTS = 1 << 32  # of one matrix product
MOST_WINDOWS = 1 << 26  # products of one convolution, which the reference evaluates slowly
# their results may be larger than all that goes in, by numbers that only shape inference knows
GROWING = ("Expand", "Tile", "ConstantOfShape", "Pad", "Resize", "Upsample", "Range", "OneHot", "EyeLike", "Einsum")
# the reference evaluator begins with this opset, which means the same for the older inputs and attributes
EVALUATED_FROM = {"DequantizeLinear": 19}
RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")
# these move numbers about, so the size of an open batch may pass through them, and integers with their scales
MOVES = ("Identity", "Dropout", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather", "Expand")
CARRIES = (*MOVES, "Concat", "Cast", "Split")
INTEGRAL = ("Round", "Floor", "Ceil", "Sign")


def evaluate(reader: Reader, call: Call) -> tuple[Const, ...]:
    """The constants a node writes, from those it reads."""
    consts = [reader.values[name] if name else None for name in call.inputs]
    inputs = [c.value if isinstance(c, Const) else None for c in consts]
    open_ = any(isinstance(c, Const) and c.value.dtype == np.int64 and (c.value == BATCH).any() for c in consts)
    if open_ and (call.op not in CARRIES or (call.op == "Cast" and call.attrs.get("to") != TensorProto.INT64)):
        raise Refused(
            "input", f"{call.op} computes with the size of the batch, which is open", "export with a fixed batch of 1"
        )
    trained = call.op == "Dropout" and len(inputs) > 2 and inputs[2] is not None and inputs[2].any()
    if call.op in RANDOM or trained:
        raise Refused("", f"{call.op} is another number in every run", "export with model.eval()")
    if DOMAINS[call.domain] == "":
        outs = _by_onnx(call, inputs)
    else:
        op = operator_of(call)
        if op is None:
            raise Refused(
                "", f"operator {call.op} of domain {call.domain} is not supported", "replace it by supported operators"
            )
        _check_declared(op, call)
        outs = _by_qonnx(call, inputs)
    made = tuple(Const(np.asarray(y)) for y in outs)
    own = _integers(call, [c for c in consts if isinstance(c, Const)], made[0])
    return (Const(made[0].value, own), *made[1:])


def _check_declared(op: Any, call: Call) -> None:
    for name in call.attrs:
        if name not in op.attributes:
            raise Refused(name, f"{call.op} with {name} = {call.attrs[name]} is not supported", "export without it")


def _by_onnx(call: Call, inputs: list[Array | None]) -> tuple[Array, ...]:
    schema_of(call)
    node, feed = _alone(call, inputs, call.domain)
    _check_size(node, feed, call)
    from onnx.reference import ReferenceEvaluator

    opset = max(call.opset, EVALUATED_FROM.get(call.op, 0))
    try:
        with np.errstate(all="ignore"):
            outs = ReferenceEvaluator(_model(node, feed, (), opset)).run(None, feed)
    except Exception as e:  # numpy, onnx and its operators each raise their own kinds
        raise _refuse(call, e) from None
    for y in outs:
        if not isinstance(y, np.ndarray | np.generic):
            raise Refused("output", f"{call.op} writes no tensor", "keep it outside the exported network")
    return tuple(np.asarray(y) for y in outs)


def _by_qonnx(call: Call, inputs: list[Array | None]) -> tuple[Array, ...]:
    from qonnx.core.execute_custom_node import execute_custom_node

    domain = {"quant": "qonnx.custom_op.general", "last": "qonnx.custom_op.channels_last"}[DOMAINS[call.domain]]
    op = {"IntQuant": "Quant"}.get(call.op, call.op)
    node, feed = _alone(call, inputs, domain, op)
    context: dict[str, Any] = dict(feed)
    try:
        with np.errstate(all="ignore"):
            execute_custom_node(node, context, None, onnx_opset_version=max(call.opset, 1))
    except Exception as e:  # qonnx raises whatever its operators do
        raise _refuse(call, e) from None
    return tuple(np.asarray(context[name]) for name in node.output)


def _refuse(call: Call, error: Exception) -> Refused:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    return Refused("", f"{call.op} of constants cannot be evaluated ({text})", "fold it before the export")


def _alone(
    call: Call, inputs: list[Array | None], domain: str, op: str | None = None
) -> tuple[onnx.NodeProto, dict[str, Array]]:
    """The node by itself, with names of its own, and what it reads."""
    assert call.proto is not None
    if any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in call.proto.attribute):
        raise Refused(
            "", f"operator {call.op} with a graph inside is not supported", "export with constant control flow"
        )
    names = [f"i{k}" if x is not None else "" for k, x in enumerate(inputs)]
    outs = [f"o{k}" if name else "" for k, name in enumerate(call.outputs)]
    node = helper.make_node(op or call.op, names, outs, call.name, domain="" if domain == "ai.onnx" else domain)
    node.attribute.extend(call.proto.attribute)
    return node, {n: x for n, x in zip(names, inputs, strict=True) if x is not None}


def _check_size(node: onnx.NodeProto, feed: dict[str, Array], call: Call) -> None:
    """Refused where a result would be larger, or a product longer, than a network's constants are."""
    values = list(feed.values())
    if call.op in GROWING:
        size = _infer_size(node, feed, call.opset)
    elif call.op in ("MatMul", "Gemm", "Conv", "ConvTranspose") and len(values) >= 2:
        rows = values[0].size // max(values[0].shape[-1] if values[0].ndim else 1, 1)
        size = rows * values[1].size // max(values[1].shape[0] if values[1].ndim else 1, 1)
        if values[0].size * values[1].size > (MOST_WINDOWS if "Conv" in call.op else MOST_PRODUCTS) * 64:
            raise Refused(
                "input",
                f"{call.op} of constants with {values[0].size} and {values[1].size} elements",
                "fold it before the export",
            )
    elif call.op in ("Gather", "GatherElements", "GatherND"):
        size = values[0].size * max(values[1].size, 1)
    else:
        try:
            size = int(np.prod(np.broadcast_shapes(*(v.shape for v in values)), dtype=np.float64))
        except ValueError:
            size = sum(v.size for v in values)
    if size is None or size > MOST_ELEMENTS:
        shown = "an unknown number of" if size is None else size
        raise Refused(
            "input", f"{call.op} of constants gives {shown} elements, too large to hold", "fold it before the export"
        )


def _model(node: onnx.NodeProto, feed: dict[str, Array], known: Sequence[str], opset: int) -> onnx.ModelProto:
    """A model of one node; the inputs `known` are constants of it."""
    constants = [onnx.numpy_helper.from_array(feed[k], k) for k in known]
    inputs = [
        helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in feed.items()
    ]
    outs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = helper.make_graph([node], "one", inputs, outs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def _infer_size(node: onnx.NodeProto, feed: dict[str, Array], opset: int) -> int | None:
    """How many elements ONNX's shape inference says a node writes."""
    model = _model(node, feed, [k for k, v in feed.items() if v.size <= 64], opset)
    shape = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output[0].type.tensor_type
    if not shape.HasField("shape") or any(not d.HasField("dim_value") for d in shape.shape.dim):
        return None
    return int(np.prod([float(d.dim_value) for d in shape.shape.dim]))


# -- where integers come from ------------------------------------------------------------------------------------------


def _integers(call: Call, consts: list[Const], out: Const) -> Integers | None:
    """The integers and scales behind a result, where they are known and give its value."""
    if out.value.dtype != np.float32 or out.value.size == 0 or not np.isfinite(out.value).all():
        return None
    kind = DOMAINS[call.domain]
    if kind == "quant" and call.op in ("Quant", "IntQuant", "BipolarQuant"):
        return _of_scale(out.value, consts[1].value)
    if call.op == "DequantizeLinear":
        scale = consts[1].value
        if scale.ndim == 1 and scale.size > 1:
            axis = int(call.attrs.get("axis", 1)) % out.value.ndim
            scale = scale.reshape((1,) * axis + (-1,) + (1,) * (out.value.ndim - axis - 1))
        return _of_scale(out.value, scale)
    if call.op in INTEGRAL or (call.op == "Cast" and consts[0].value.dtype.kind in "iub"):
        return Integers.plain(out.value)
    own = consts[0].integers
    if call.op in MOVES and own is not None:
        return _move(call, consts, own)
    if call.op == "Neg" and own is not None:
        return _check(own.affine("Mul", np.array(-1.0)), out.value)
    if call.op in ("Mul", "Div", "Add", "Sub") and len(consts) == 2:
        a, b = consts
        if own is not None:
            return _check(own.affine(call.op, b.value), out.value)
        if b.integers is not None and call.op in ("Mul", "Add"):
            return _check(b.integers.affine(call.op, a.value), out.value)
    return None


def _of_scale(value: Array, scale: Array) -> Integers | None:
    """The integers of value = float32(integer * scale), equal to the last bit."""
    with np.errstate(all="ignore"):
        ints = np.rint(value.astype(np.float64) / scale)
    try:
        if not (np.isfinite(ints).all() and (ints.astype(np.float32) * scale.astype(np.float32) == value).all()):
            return None
    except ValueError:
        return None
    table, index = np.unique(scale, return_inverse=True)
    if len(table) > MOST_FORMS:
        return None
    forms = tuple((Fraction(float(s)), Fraction(0)) for s in table)
    shape = (1,) * (value.ndim - scale.ndim) + scale.shape if scale.size > 1 else ()
    return Integers(ints.astype(np.int64), index.astype(np.int64).reshape(shape), forms)


def _move(call: Call, consts: list[Const], own: Integers) -> Integers | None:
    rest = [c.value for c in consts[1:]]
    ints = _by_onnx(call, [own.ints, *rest])[0]
    if own.index.size == 1:
        return Integers(ints, own.index.reshape(()), own.forms)
    return Integers(ints, _by_onnx(call, [np.broadcast_to(own.index, own.ints.shape).copy(), *rest])[0], own.forms)


def _check(found: Integers | None, value: Array) -> Integers | None:
    """The integers, where the value tells every one of them from its neighbours."""
    if found is None or found.ints.shape != value.shape:
        return None
    scale, offset = (np.array([float(f[i]) for f in found.forms])[found.index] for i in (0, 1))
    with np.errstate(all="ignore"):
        return found if (np.rint((value.astype(np.float64) - offset) / scale) == found.ints).all() else None
