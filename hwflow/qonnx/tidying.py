"""What qonnx does to a model, in one pass where qonnx takes one for every node: constants folded, tensors named, nodes run.

Stands on onnx and qonnx. Every value is what qonnx's own executor makes of a node; it scans the whole graph for each of
them, which this does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hwflow.bits import Array

IR = 10
FOUR_BITS = {helper.tensor_dtype_to_np_dtype(t) for t in (onnx.TensorProto.UINT4, onnx.TensorProto.INT4)}


def fold_constants(model: Any, kept: Iterable[str] = ()) -> Any:
    """A ModelWrapper with every shape inferred, without the nodes that read constants alone, but for operators in `kept`.

    What is given may be changed; its nodes must be sorted, as every transformation of qonnx leaves them.
    """
    from qonnx.transformation.infer_shapes import InferShapes

    while True:
        # a shape may be known only once the constants in front of it are
        model, _ = InferShapes().apply(model)
        if not _fold_constants(model, set(kept)):
            return model.cleanup()


def _fold_constants(model: Any, kept: set[str]) -> bool:
    """True where nodes of constants were replaced by what they give, in place."""
    graph, runner = model.graph, Runner(model)
    known = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    answers = {v.name for v in graph.output}  # a constant one keeps the node that gives it
    made: dict[str, Array] = {}
    rest = []
    for node in graph.node:
        constant = all(i in known for i in node.input)
        sized = node.op_type == "Shape" and node.input[0] in runner.infos
        stays = node.op_type in kept or not answers.isdisjoint(node.output)
        if stays or not (constant or sized) or not runner.knows(node.output):
            rest.append(node)
            continue
        read = {i: known[i] if i in known else _zeros(runner.infos[i]) for i in node.input}
        found = runner.run(node, read)
        known |= found
        made |= found
    if not made:
        return False
    del graph.node[:]
    graph.node.extend(rest)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in made.items())
    infos = [v for v in graph.value_info if v.name not in made]
    infos += [_info(name, value) for name, value in made.items()]
    del graph.value_info[:]
    graph.value_info.extend(infos)
    return True


class Runner:
    """Runs the nodes of a ModelWrapper whose shapes are inferred, one at a time, as qonnx does."""

    def __init__(self, model: Any):
        self.model, self.graph = model, model.graph
        self.opsets = model.get_opset_imports()
        self.infos = {v.name: v for v in (*self.graph.value_info, *self.graph.input, *self.graph.output)}
        # values that an annotation says are integers are rounded to them
        self.annotated = {a.tensor_name for a in self.graph.quantization_annotation}

    def knows(self, names: Iterable[str]) -> bool:
        """True where the shapes of these tensors are known."""
        return all(name in self.infos for name in names if name)

    def run(self, node: onnx.NodeProto, read: Mapping[str, Array]) -> dict[str, Array]:
        """What a node writes, by name, given what it reads; its shapes must be known."""
        from qonnx.core.onnx_exec import execute_node
        from qonnx.util.basic import get_preferred_qonnx_opset

        if not node.domain and (value := square(node.op_type, [read[i] for i in node.input if i])) is not None:
            return {node.output[0]: value}
        written = [name for name in node.output if name]
        opset = self.opsets.get(node.domain, get_preferred_qonnx_opset())
        kinds = {np.asarray(x).dtype for x in read.values()}
        kinds |= {helper.tensor_dtype_to_np_dtype(self.infos[name].type.tensor_type.elem_type) for name in written}
        if not node.domain and kinds & FOUR_BITS:
            return dict(zip(written, by_reference(node, [read.get(i) for i in node.input], opset), strict=True))
        context = {**read, "": None, **{name: _zeros(self.infos[name]) for name in written}}
        around: Any = self.graph
        if not node.domain and not any(a.type == onnx.AttributeProto.GRAPH for a in node.attribute):
            inputs = [_info(name, np.asarray(read[name])) for name in dict.fromkeys(node.input) if name]
            around = SimpleNamespace(input=inputs, output=[self.infos[name] for name in written], value_info=[])
        self._sanitise(context, node.input)
        execute_node(node, context, around, opset)
        self._sanitise(context, node.output)
        return {name: np.asarray(context[name]) for name in written}

    def _sanitise(self, context: dict[str, Any], names: Iterable[str]) -> None:
        from qonnx.util.basic import get_sanitize_quant_tensors, sanitize_quant_values

        if (own := [name for name in names if name in self.annotated]) and get_sanitize_quant_tensors():
            sanitize_quant_values(self.model, own, context)


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
    """What a node writes, by onnx's reference evaluator: integers of 4 bits, which onnxruntime does not take from Python."""
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


def run(model: Any, feed: Mapping[str, Array], wanted: Iterable[str]) -> dict[str, Array]:
    """The tensors `wanted` of a ModelWrapper whose shapes are inferred, for inputs by name; ValueError where one does not fit."""
    runner = Runner(model)
    values = {t.name: numpy_helper.to_array(t) for t in runner.graph.initializer}
    for name, value in feed.items():
        if name in runner.infos and (shape := _shape(runner.infos[name])) != value.shape:
            raise ValueError(f"{name} has shape {value.shape}, and the graph takes {shape}")
        values[name] = value
    last = {i: k for k, node in enumerate(runner.graph.node) for i in node.input}
    out = set(wanted)
    for k, node in enumerate(runner.graph.node):
        if not runner.knows(node.output):
            raise ValueError(f"{node.name} writes {', '.join(node.output)}, whose shapes are not known")
        values |= runner.run(node, {i: values[i] for i in node.input if i})
        for i in node.input:
            if last[i] == k and i not in out:
                values.pop(i, None)
    return {name: values[name] for name in out}


def name_tensors(model: Any) -> Any:
    """The ModelWrapper with tensors named after their nodes as qonnx' GiveReadableTensorNames does, in place."""
    graph = model.graph
    known = {t.name for t in graph.initializer}
    names: dict[str, str] = {"": ""}
    for node in graph.node:
        names |= {tensor: f"{node.name}_out{k}" for k, tensor in enumerate(node.output) if tensor}
        names |= {tensor: f"{node.name}_param{k}" for k, tensor in enumerate(i for i in node.input if i in known)}
    for word, ends in (("global_in", graph.input), ("global_out", graph.output)):
        names |= {value.name: f"{word}_{k}" if k else word for k, value in enumerate(ends)}
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)
    for annotation in graph.quantization_annotation:
        annotation.tensor_name = names.get(annotation.tensor_name, annotation.tensor_name)
    for node in graph.node:
        node.input[:] = [names.get(i, i) for i in node.input]
        node.output[:] = [names.get(o, o) for o in node.output]
    return model


def _shape(info: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(d.dim_value for d in info.type.tensor_type.shape.dim)


def _zeros(info: onnx.ValueInfoProto) -> Array:
    """A tensor of the shape and type that is known of it."""
    return np.zeros(_shape(info), helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type))


def _info(name: str, value: Array) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
