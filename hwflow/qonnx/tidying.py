"""What qonnx does to a model, in one pass where qonnx takes one for every node: constants folded, tensors named.

Stands on onnx, qonnx and executor.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hwflow.bits import Array
from hwflow.qonnx.executor import Executor


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
    graph, executor, opsets = model.graph, Executor(), model.get_opset_imports()
    infos = {v.name: v for v in (*graph.value_info, *graph.input, *graph.output)}
    known = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    answers = {v.name for v in graph.output}  # a constant one keeps the node that gives it
    made: dict[str, Array] = {}
    rest = []
    for node in graph.node:
        constant = all(i in known for i in node.input)
        sized = node.op_type == "Shape" and node.input[0] in infos
        stays = node.op_type in kept or not answers.isdisjoint(node.output)
        if stays or not (constant or sized) or not all(name in infos for name in node.output if name):
            rest.append(node)
            continue
        read = {i: known[i] if i in known else _zeros(infos[i]) for i in node.input}
        found = executor.node(node, read, opsets)
        known |= found
        made |= found
    if not made:
        return False
    del graph.node[:]
    graph.node.extend(rest)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in made.items())
    rest_infos = [v for v in graph.value_info if v.name not in made]
    rest_infos += [_info(name, value) for name, value in made.items()]
    del graph.value_info[:]
    graph.value_info.extend(rest_infos)
    return True


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
