"""Recurrent layers in an exported file: a Scan of any length, whose body is one step.

Stands on torch, Brevitas and onnx. While the network is traced each layer leaves a placeholder; behind it the cell is
exported by itself and put there as the body of a Scan.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

if TYPE_CHECKING:
    from hwflow.train.recurrent import Recurrent

DOMAIN, PLACEHOLDER = "hwflow.train", "Recurrent"
TIME = 2  # the axis of (batch, channels, time)
Export = Callable[[nn.Module, Sequence[Tensor], Sequence[str], Sequence[str]], onnx.ModelProto]


class _Placed(torch.autograd.Function):
    """A node of the file that stands for a recurrent layer; its value has the right shape and nothing else."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor | None, key: int, states: int, every: bool) -> Tensor:  # noqa: ARG004
        return x.new_zeros((len(x), states, x.shape[2], 1) if every else (len(x), states))

    @staticmethod
    def symbolic(g: Any, x: Any, mask: Any, key: int, states: int, every: bool) -> Any:
        sizes = x.type().sizes()
        shape = [sizes[0], states, sizes[2], 1] if every else [sizes[0], states]
        read = [x] if mask is None or mask.node().mustBeNone() else [x, mask]
        return g.op(f"{DOMAIN}::{PLACEHOLDER}", *read, key_i=key).setType(x.type().with_sizes(shape))


def placed(layer: Recurrent, x: Tensor, mask: Tensor | None) -> Tensor:
    """The layer's value while it is traced."""
    return _Placed.apply(x, mask, layer.key, layer.cell.states, layer.every)  # type: ignore[no-any-return]


def with_scans(model: onnx.ModelProto, layers: Sequence[Recurrent], export: Export) -> onnx.ModelProto:
    """The model with every placeholder replaced by the Scan of its layer."""
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        if (node.domain, node.op_type) != (DOMAIN, PLACEHOLDER):
            model.graph.node.append(node)
            continue
        key = helper.get_node_attr_value(node, "key")
        model.graph.node.extend(_scan(model, node, layers[key], f"scan{key}", export))
    kept = [o for o in model.opset_import if o.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model


def _scan(
    model: onnx.ModelProto, node: onnx.NodeProto, layer: Recurrent, name: str, export: Export
) -> list[onnx.NodeProto]:
    """Squeeze, Scan, Unsqueeze around one step, and the constants they read."""
    cell = layer.cell
    example = (torch.zeros(1, cell.inputs), torch.full((1, cell.states), cell.start))
    step = export(copy.deepcopy(cell), example, ("x", "h"), ("new",))
    for opset in step.opset_import:
        if opset.domain not in {o.domain for o in model.opset_import}:
            model.opset_import.append(opset)
    start, last = f"{name}_start", np.array([3], np.int64)
    model.graph.initializer.extend(
        [numpy_helper.from_array(example[1].numpy(), start), numpy_helper.from_array(last, f"{name}_axis")]
    )
    flat, end, each = [f"{name}_{what}" for what in ("x", "mask")[: len(node.input)]], f"{name}_last", f"{name}_each"
    scan = helper.make_node(
        "Scan", [start, *flat], [end, each] if layer.every else [node.output[0]], name,
        body=_body(step.graph, name, layer.every, len(flat) == 2), num_scan_inputs=len(flat), scan_input_axes=[TIME] * len(flat),
        **({"scan_output_axes": [TIME]} if layer.every else {}),
    )  # fmt: skip
    out = [
        helper.make_node("Squeeze", [given, f"{name}_axis"], [to], f"{to}_squeeze")
        for given, to in zip(node.input, flat, strict=True)
    ]
    out.append(scan)
    if layer.every:
        out.append(helper.make_node("Unsqueeze", [each, f"{name}_axis"], [node.output[0]], f"{name}_unsqueeze"))
    return out


def _body(graph: onnx.GraphProto, prefix: str, every: bool, masked: bool) -> onnx.GraphProto:
    """One step as the body of a Scan: the state first, then the step's input, then its mask; names that nothing outside has."""

    def own(name: str) -> str:
        return f"{prefix}_step_{name}" if name else ""

    nodes = []
    for node in graph.node:
        new = onnx.NodeProto()
        new.CopyFrom(node)
        new.name = own(node.name)
        new.input[:], new.output[:] = map(own, node.input), map(own, node.output)
        nodes.append(new)
    constants = []
    for tensor in graph.initializer:
        constants.append(onnx.TensorProto())
        constants[-1].CopyFrom(tensor)
        constants[-1].name = own(tensor.name)
    x, h = graph.input[0], graph.input[1]

    def value(name: str, like: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(
            name, TensorProto.FLOAT, [d.dim_value for d in like.type.tensor_type.shape.dim]
        )

    new, inputs = own(graph.output[0].name), [value(own(h.name), h), value(own(x.name), x)]
    if masked:
        mask, zero, above, kept = (own(what) for what in ("mask", "zero", "above", "kept"))
        inputs.append(helper.make_tensor_value_info(mask, TensorProto.FLOAT, [1, 1]))
        constants.append(numpy_helper.from_array(np.float32(0), zero))
        nodes.append(helper.make_node("Greater", [mask, zero], [above], own("compare")))
        nodes.append(helper.make_node("Where", [above, new, own(h.name)], [kept], own("keep")))
        new = kept
    outputs = [value(new, h)]
    if every:
        nodes.append(helper.make_node("Identity", [new], [own("each")], own("copy")))
        outputs.append(value(own("each"), h))
    return helper.make_graph(nodes, f"{prefix}_step", inputs, outputs, constants)
