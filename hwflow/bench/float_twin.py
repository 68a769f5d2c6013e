"""The float32 network of the same shapes as an integer one, as ONNX: what a binary network is compared with.

Stands on net and onnx. Normalisations are folded away and activations are ReLU, so it is as fast as such a network gets.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hwflow.errors import ModelError
from hwflow.net import INPUT, Net
from hwflow.ops import Add, Conv, Dense, Flatten, MaxPool, Op, Pad, Rescale, SumPool, Threshold


def float_twin(net: Net, seed: int = 0) -> bytes:
    """A serialised ONNX model (batch first, NCHW images, float32) with random weights of the same shapes."""
    random = np.random.default_rng(seed)
    nodes, weights, names = [], [], {INPUT: INPUT}
    for op in net.ops:
        reads = [names[i] for i in op.inputs]
        kind, values = _layer(op, net)
        if kind is None:
            names[op.name] = reads[0]
            continue
        if isinstance(op, (Conv, Dense)):
            w = op.weights.transpose(0, 3, 1, 2) if isinstance(op, Conv) else op.weights
            data = random.normal(0, (2 / w[0].size) ** 0.5, w.shape).astype(np.float32)
            weights += [
                numpy_helper.from_array(data, f"{op.name}.w"),
                numpy_helper.from_array(np.zeros(len(w), np.float32), f"{op.name}.b"),
            ]
            reads += [f"{op.name}.w", f"{op.name}.b"]
        elif isinstance(op, Pad):
            t, left, b, r = op.pads
            weights.append(
                numpy_helper.from_array(np.array([0, op.channels[0], t, left, 0, op.channels[1], b, r]), f"{op.name}.p")
            )
            reads.append(f"{op.name}.p")
        nodes.append(helper.make_node(kind, reads, [op.name], **values))
        names[op.name] = op.name
    shape = net.input.shape if len(net.input.shape) == 1 else (net.input.shape[2], *net.input.shape[:2])
    graph = helper.make_graph(
        nodes,
        "twin",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info(names[net.ops[-1].name], TensorProto.FLOAT, ["n", *map(str, net.output.shape)])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _layer(op: Op, net: Net) -> tuple[str | None, dict[str, object]]:
    """The ONNX operator and attributes of an operation; None where a float network has nothing there."""
    match op:
        case Conv():
            return "Conv", {
                "kernel_shape": op.kernel,
                "strides": op.stride,
                "pads": op.pads,
                "dilations": op.dilation,
                "group": op.groups,
            }
        case Dense():
            return "Gemm", {"transB": 1}
        case MaxPool():
            return "MaxPool", {"kernel_shape": op.kernel, "strides": op.stride, "pads": op.pads}
        case SumPool():
            return "AveragePool", {"kernel_shape": op.kernel, "strides": op.stride, "pads": op.pads}
        case Threshold() | Rescale():
            return ("Relu", {}) if activates(op, net) else (None, {})
        case Add() | Pad() | Flatten():
            return type(op).__name__, {}
        case _:
            raise ModelError(
                f"{op.name}: a float network has no {type(op).__name__} to compare with; compare a network without it"
            )


def activates(op: Op, net: Net) -> bool:
    """True where the float network has its ReLU: after a layer, and after the sum of a residual block."""
    if op.inputs[0] == INPUT:
        return False
    before = net.nodes[op.inputs[0]]
    return isinstance(before, Add) if isinstance(op, Rescale) else isinstance(before, (Conv, Dense, MaxPool))
