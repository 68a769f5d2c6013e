"""What a file computes, node by node, in its authors' own arithmetic: onnxruntime for ONNX, qonnx for its operators.

Stands on onnx, onnxruntime and qonnx. It equals qonnx's own execution (a test runs both), takes the files whose shapes
qonnx cannot infer, and is hundreds of times faster, because sessions of single nodes are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hwflow.bits import Array

QUANT = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
IR = 10
NARROW_TYPES = (onnx.TensorProto.UINT4, onnx.TensorProto.INT4, onnx.TensorProto.UINT2, onnx.TensorProto.INT2)
NARROW = {helper.tensor_dtype_to_np_dtype(t) for t in NARROW_TYPES}
LAST = "qonnx.custom_op.channels_last"
MOST_SESSIONS = 6000
SIZED = ("Resize", "Upsample")  # whose checks want to know how many sizes and scales there are


class Executor:
    """Executes models; sessions of equal nodes are shared between all of them."""

    def __init__(self) -> None:
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = self.options.inter_op_num_threads = 1
        self.options.log_severity_level = 4
        self.sessions: dict[tuple[Any, ...], Any] = {}
        self.prepared: tuple[onnx.ModelProto | None, Any] = (None, None)

    def run(
        self, model: onnx.ModelProto, inputs: Mapping[str, Array], wanted: Iterable[str] | None = None
    ) -> dict[str, Array]:
        """Tensors of one execution by name: all, or those `wanted`, which keeps no others longer than their readers."""
        constants, steps, opsets = self._prepare(model)
        context = dict(constants) | dict(inputs)
        kept = None if wanted is None else set(wanted)
        last = {name: k for k, step in enumerate(steps) for name in (*step.inputs, *step.outputs)}
        for k, step in enumerate(steps):
            self._node(step, context, opsets)
            if kept is not None:
                for name in {*step.inputs, *step.outputs}:
                    if last[name] == k and name not in kept:
                        context.pop(name, None)
        return context if kept is None else {name: context[name] for name in kept if name in context}

    def node(self, node: onnx.NodeProto, read: Mapping[str, Array], opsets: Mapping[str, int]) -> dict[str, Array]:
        """What a node writes, by name, given what it reads."""
        step, context = _Prepared(node), dict(read)
        self._node(step, context, opsets)
        return {name: np.asarray(context[name]) for name in step.outputs if name}

    def _prepare(self, model: onnx.ModelProto) -> tuple[dict[str, Array], list[_Prepared], dict[str, int]]:
        """Constants, those that nodes compute included, and the other nodes in order; kept for the next images."""
        if self.prepared[0] is model:
            return self.prepared[1]
        opsets = {o.domain: o.version for o in model.opset_import}
        constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        known = set(constants)
        steps = []
        for node in model.graph.node:
            step = _Prepared(node)
            if all(not i or i in known for i in step.inputs):
                self._node(step, constants, opsets)
                known |= set(step.outputs)
            else:
                steps.append(step)
        self.prepared = (model, (constants, steps, opsets))
        return self.prepared[1]

    def _node(self, step: _Prepared, context: dict[str, Array], opsets: Mapping[str, int]) -> None:
        xs = [context[i] if i else None for i in step.inputs]
        if step.op == "Scan":
            ys = self._scan(step, xs, opsets)
        elif step.domain == LAST:
            ys = [self._channels_last(step, xs, opsets.get("", 13))]
        elif step.domain in QUANT:
            ys = [self._custom(step, xs, opsets)]
        else:
            ys = self._onnx(step, xs, opsets.get("", 13))
        context.update({name: y for name, y in zip(step.outputs, ys, strict=False) if name})

    def _scan(self, step: _Prepared, xs: list[Array | None], opsets: Mapping[str, int]) -> list[Array]:
        """A Scan of one state: its body, step after step, for every image the same first state."""
        state, *scanned = [x for x in xs if x is not None]
        body: onnx.GraphProto = _attribute(step.node, "body")
        axes = _attribute(step.node, "scan_input_axes") or [0] * len(scanned)
        steps, each = [_Prepared(node) for node in body.node], []
        context = {t.name: numpy_helper.to_array(t) for t in body.initializer}
        for given in zip(*(np.moveaxis(x, axis, 0) for x, axis in zip(scanned, axes, strict=True)), strict=True):
            context[body.input[0].name] = np.broadcast_to(state, (len(given[0]), state.shape[-1])).copy()
            context |= {i.name: np.ascontiguousarray(x) for i, x in zip(body.input[1:], given, strict=True)}
            for inner in steps:
                self._node(inner, context, opsets)
            state = context[body.output[0].name]
            each.append(context[body.output[-1].name])
        return [state, np.stack(each, (_attribute(step.node, "scan_output_axes") or [0])[0])]

    def _onnx(self, step: _Prepared, xs: list[Array | None], opset: int) -> list[Array]:
        """A node of ONNX itself by onnxruntime; values that are only moved, by numpy."""
        if step.op == "Constant":
            return [_constant(step.node)]
        if step.op in MOVES:
            return [MOVES[step.op](step.node, opset, *xs)]
        if (value := square(step.op, xs)) is not None:
            return [value]
        if step.writes_narrow or any(x is not None and x.dtype in NARROW for x in xs):
            return by_reference(step.node, xs, opset)
        sized = step.op in SIZED
        key = (
            step.key,
            since(step.op, opset),
            *(None if x is None else (x.dtype, x.shape if sized else x.ndim) for x in xs),
        )
        session = self.sessions.get(key)
        if session is None:
            if len(self.sessions) > MOST_SESSIONS:
                self.sessions.clear()
            session = self.sessions[key] = self._session(step.node, xs, opset)
        return session.run(None, {f"i{k}": x for k, x in enumerate(xs) if x is not None})

    def _session(self, node: onnx.NodeProto, xs: list[Array | None], opset: int) -> Any:
        import onnxruntime

        return onnxruntime.InferenceSession(
            alone(node, xs, opset, node.op_type in SIZED).SerializeToString(),
            self.options,
            providers=["CPUExecutionProvider"],
        )

    def _custom(self, step: _Prepared, xs: list[Array | None], opsets: Mapping[str, int]) -> Array:
        """An operator of qonnx by its own class; those that wrap an ONNX node around a transpose by that node."""
        from qonnx.custom_op.registry import getCustomOp

        x = xs[0]
        assert x is not None
        if step.op == "MaxPoolNHWC":
            return np.moveaxis(self._onnx(step.inner("MaxPool"), [np.moveaxis(x, -1, 1)], opsets.get("", 13))[0], 1, -1)
        if step.custom is None:
            known = step.inner(step.op).node
            known.domain = QUANT[0]
            step.custom = getCustomOp(known, onnx_opset_version=opsets.get(step.domain, 1))
        if step.op == "QuantAvgPool2d":
            return self._quant_average(step.custom, x)
        context = {name: value for name, value in zip(step.inputs, xs, strict=True) if name and value is not None}
        step.custom.execute_node(context, None)
        return np.asarray(context[step.outputs[0]])

    def _channels_last(self, step: _Prepared, xs: list[Array | None], opset: int) -> Array:
        """What qonnx's channels-last wrapper does: the ONNX node between transposes, Conv's weights transposed too."""
        first = [x if x is None or k > (step.op == "Conv") else np.moveaxis(x, -1, 1) for k, x in enumerate(xs)]
        return np.moveaxis(self._onnx(step, first, opset)[0], 1, -1)

    def _quant_average(self, custom: Any, x: Array) -> Array:
        """qonnx's QuantAvgPool2d: the average times its taps, rounded, shifted right."""
        last = custom.get_nodeattr("data_layout") == "NHWC"
        k, s = custom.get_nodeattr("kernel"), custom.get_nodeattr("stride")
        inner = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[k, k], strides=[s, s])
        y = self._onnx(_Prepared(inner), [np.moveaxis(x, -1, 1) if last else x], 11)[0]
        y = np.right_shift(np.round(y * (k * k)).astype(int), custom.get_shifts()).astype(np.float32)
        return np.moveaxis(y, 1, -1) if last else y


@cache
def since(op: str, opset: int) -> int:
    """The opset that gave an operator the meaning it has in `opset`."""
    return int(onnx.defs.get_schema(op, opset, "").since_version)


def alone(node: onnx.NodeProto, xs: Sequence[Array | None], opset: int, sized: bool = False) -> onnx.ModelProto:
    """A model of one node, for inputs i0, i1 .. of these types and ranks, or with `sized` of these shapes."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.domain = ""
    del copy.input[:], copy.output[:]
    copy.input.extend("" if x is None else f"i{k}" for k, x in enumerate(xs))
    copy.output.extend(f"o{k}" if name else "" for k, name in enumerate(node.output))
    ins = [
        helper.make_tensor_value_info(
            f"i{k}", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape if sized else [None] * x.ndim
        )
        for k, x in enumerate(xs)
        if x is not None
    ]
    outs = [onnx.ValueInfoProto(name=name) for name in copy.output if name]
    model = helper.make_model(
        helper.make_graph([copy], "one", ins, outs), opset_imports=[helper.make_opsetid("", opset)]
    )
    model.ir_version = IR
    return model


def by_reference(node: onnx.NodeProto, xs: Sequence[Array | None], opset: int) -> list[Array]:
    """What a node writes, by onnx's reference evaluator: integers of 4 and 2 bits, which onnxruntime does not take from Python."""
    from onnx.reference import ReferenceEvaluator

    named = {f"i{k}": x for k, x in enumerate(xs) if x is not None}
    return [np.asarray(y) for y in ReferenceEvaluator(alone(node, xs, opset)).run(None, named)]


def square(op: str, xs: Sequence[Array | None]) -> Array | None:
    """x * x where a node is Pow(x, 2) of float32 numbers, else None.

    onnxruntime multiplies too, but for a tensor of one element takes powf, which is now and then one ulp beside it: one
    image alone would have other values than the same image among others.
    """
    if op != "Pow" or len(xs) != 2 or (x := xs[0]) is None or (exponent := xs[1]) is None:
        return None
    return x * x if x.dtype == np.float32 and exponent.size == 1 and exponent.item() == 2 else None


class _Prepared:
    """A node taken apart once: what tells it from others, and qonnx's object for it."""

    def __init__(self, node: onnx.NodeProto):
        self.node, self.op, self.domain = node, node.op_type, node.domain
        self.inputs, self.outputs = tuple(node.input), tuple(node.output)
        attributes = tuple(sorted(a.SerializeToString() for a in node.attribute))
        self.key = (self.op, attributes, tuple(bool(o) for o in self.outputs))
        self.writes_narrow = _attribute(node, "output_dtype") in NARROW_TYPES
        self.custom: Any = None

    def inner(self, op: str) -> _Prepared:
        """The same node as another operator of ONNX itself."""
        node = onnx.NodeProto()
        node.CopyFrom(self.node)
        node.op_type, node.domain = op, ""
        return _Prepared(node)


def _attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def _reshape(node: onnx.NodeProto, _: int, x: Array, sizes: Array) -> Array:
    keep = not _attribute(node, "allowzero", 0)
    return x.reshape([x.shape[i] if s == 0 and keep else int(s) for i, s in enumerate(sizes)])


def _flatten(node: onnx.NodeProto, _: int, x: Array) -> Array:
    axis = _attribute(node, "axis", 1)
    return x.reshape(int(np.prod(x.shape[: axis if axis >= 0 else axis + x.ndim])), -1)


def _squeeze(node: onnx.NodeProto, _: int, x: Array, axes: Array | None = None) -> Array:
    given = _attribute(node, "axes") if axes is None else axes
    return np.squeeze(x, None if given is None else tuple(int(a) for a in given))


def _unsqueeze(node: onnx.NodeProto, _: int, x: Array, axes: Array | None = None) -> Array:
    given = _attribute(node, "axes") if axes is None else axes
    return np.expand_dims(x, tuple(int(a) for a in given))


MOVES: dict[str, Callable[..., Array]] = {
    "Identity": lambda _node, _opset, x: x,
    "Transpose": lambda node, _opset, x: np.ascontiguousarray(np.transpose(x, _attribute(node, "perm"))),
    "Concat": lambda node, _opset, *xs: np.concatenate(xs, _attribute(node, "axis")),
    "Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
}  # fmt: skip


def _constant(node: onnx.NodeProto) -> Array:
    attribute = node.attribute[0]
    value = helper.get_attribute_value(attribute)
    match attribute.name:
        case "value":
            return numpy_helper.to_array(value)
        case "value_float" | "value_floats":
            return np.asarray(value, np.float32)
        case "value_int" | "value_ints":
            return np.asarray(value, np.int64)
    raise ValueError(f"Constant with {attribute.name}")
