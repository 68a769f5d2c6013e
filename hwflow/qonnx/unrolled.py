"""A model whose Scans are written out step by step, for executors that run node by node.

Stands on onnx and qonnx. Every step is a copy of the body; the tensors that the Scan wrote keep their names.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hwflow.errors import Finding, ModelError


def has_scan(model: onnx.ModelProto) -> bool:
    return any(node.op_type == "Scan" for node in model.graph.node)


def unrolled(model: onnx.ModelProto, batch: int) -> onnx.ModelProto:
    """The model for `batch` images with every Scan of one state written out; itself where it has none."""
    if not has_scan(model):
        return model
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    while has_scan(model):
        wrapped = ModelWrapper(model).transform(InferShapes())
        model = wrapped.model
        place = next(i for i, node in enumerate(model.graph.node) if node.op_type == "Scan")
        node = model.graph.node[place]
        scanned = helper.get_node_attr_value(node, "num_scan_inputs")
        shape = wrapped.get_tensor_shape(node.input[1])
        if shape is None or len(node.input) != 1 + scanned:
            raise ModelError(Finding(node.name, "input", "scans a tensor of unknown shape", "export with fixed sizes"))
        made = _write_out(model.graph, node, shape, batch)
        after = list(model.graph.node)[place + 1 :]
        del model.graph.node[place:]
        model.graph.node.extend([*made, *after])
    return model


def _write_out(graph: onnx.GraphProto, node: onnx.NodeProto, shape: list[int], batch: int) -> list[onnx.NodeProto]:
    """The nodes that stand for a Scan; constants go into the graph."""
    attrs = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    axes_in = [a % len(shape) for a in attrs.get("scan_input_axes") or [0] * (len(node.input) - 1)]
    out_axis = (attrs.get("scan_output_axes") or [0])[0]
    body, name = attrs["body"], node.name or node.output[0]

    def constant(values: np.ndarray, wanted: str) -> str:
        graph.initializer.append(numpy_helper.from_array(values, f"{name}/{wanted}"))
        return f"{name}/{wanted}"

    inside = (
        {i.name for i in body.input} | {o for n in body.node for o in n.output} | {t.name for t in body.initializer}
    )
    for tensor in body.initializer:
        copied = graph.initializer.add()
        copied.CopyFrom(tensor)
        copied.name = f"{name}/{tensor.name}"
    shared = {t.name for t in body.initializer}
    state, nodes, each = _first(graph, node.input[0], batch, constant), [], []
    for t in range(shape[axes_in[0]]):
        at = f"{name}/{t}"
        index = constant(np.array(t, np.int64), f"{t}")
        names = {body.input[0].name: state, "": ""}
        for k, (tensor, axis) in enumerate(zip(node.input[1:], axes_in, strict=True)):
            given = names[body.input[1 + k].name] = f"{at}/{body.input[1 + k].name}"
            nodes.append(helper.make_node("Gather", [tensor, index], [given], f"{at}/gather_{k}", axis=axis))
        for inner in body.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(inner)
            copy.name = f"{at}/{inner.name or inner.output[0]}"
            for tensor in (*inner.input, *inner.output):
                if tensor not in names:
                    own = f"{name}/{tensor}" if tensor in shared else f"{at}/{tensor}"
                    names[tensor] = own if tensor in inside else tensor
            copy.input[:] = [names[i] for i in inner.input]
            copy.output[:] = [names[o] for o in inner.output]
            nodes.append(copy)
        state = names[body.output[0].name]
        each.append(names[body.output[1].name] if len(body.output) > 1 else "")
    if node.output[0]:
        nodes.append(helper.make_node("Identity", [state], [node.output[0]], f"{name}/last"))
    if len(node.output) > 1 and node.output[1]:
        axes = constant(np.array([out_axis], np.int64), "axes")
        for t, tensor in enumerate(each):
            nodes.append(helper.make_node("Unsqueeze", [tensor, axes], [f"{name}/each/{t}"], f"{name}/unsqueeze/{t}"))
        stacked = [f"{name}/each/{t}" for t in range(len(each))]
        nodes.append(helper.make_node("Concat", stacked, [node.output[1]], f"{name}/stack", axis=out_axis))
    return nodes


def _first(graph: onnx.GraphProto, name: str, batch: int, constant) -> str:  # type: ignore[no-untyped-def]
    """The first state, once for each image of the batch."""
    found = next((t for t in graph.initializer if t.name == name), None)
    if found is None:
        return name
    values = numpy_helper.to_array(found)
    if values.ndim != 2 or values.shape[0] == batch:
        return name
    return str(constant(np.repeat(values[:1], batch, 0), "first"))
