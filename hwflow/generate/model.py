"""A builder of small ONNX files, node by node, as exporters write them.

Stands on onnx and numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Q = "qonnx.custom_op.general"


class Build:
    """Nodes, constants and one input of a file to be. Every method takes and gives tensor names."""

    def __init__(self, shape: Sequence[int | str], opset: int = 13):
        self.shape, self.opset = shape, opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.shapes: list[onnx.ValueInfoProto] = []
        self.versions: dict[str, int] = {}  # of custom domains, where they are not 1
        self.ir = 8
        self.x = "x"

    def shaped(self, name: str, *shape: int) -> str:
        """Note the shape of a tensor, as cleaned files do."""
        self.shapes.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def const(self, value: Any, dtype: Any = np.float32, name: str | None = None) -> str:
        name = name or f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attrs: Any) -> str:
        outs = [f"t{len(self.nodes)}_{i}" if i else f"t{len(self.nodes)}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), outs, f"{op}_{len(self.nodes)}", domain=domain, **attrs))
        return outs[0]

    def quant(
        self,
        x: str,
        scale: Any,
        bits: float,
        signed: int = 1,
        narrow: int = 0,
        zero: Any = 0.0,
        mode: str = "ROUND",
        domain: str = Q,
    ) -> str:
        return self.node(
            "Quant",
            x,
            self.const(scale),
            self.const(zero),
            self.const(bits),
            domain=domain,
            signed=signed,
            narrow=narrow,
            rounding_mode=mode,
        )

    def sign(self, x: str, scale: Any = 1.0, domain: str = Q) -> str:
        return self.node("BipolarQuant", x, self.const(scale), domain=domain)

    def norm(self, x: str, gamma: Any, beta: Any, mean: Any, var: Any) -> str:
        return self.node("BatchNormalization", x, *(self.const(v) for v in (gamma, beta, mean, var)), epsilon=1e-5)

    def conv(
        self,
        x: str,
        w: str,
        pads: Sequence[int] = (0, 0, 0, 0),
        strides: Sequence[int] = (1, 1),
        dilations: Sequence[int] = (1, 1),
        group: int = 1,
        bias: Any = None,
    ) -> str:
        more = () if bias is None else (self.const(bias),)
        return self.node(
            "Conv", x, w, *more, pads=list(pads), strides=list(strides), dilations=list(dilations), group=group
        )

    def model(
        self, y: str | Mapping[str, int], kind: int = TensorProto.FLOAT, meta: dict[str, str] | None = None
    ) -> onnx.ModelProto:
        """The file with the output `y` of element type `kind`, or with several, of a type each."""
        outputs = {y: kind} if isinstance(y, str) else y
        graph = helper.make_graph(
            self.nodes, "net", [helper.make_tensor_value_info(self.x, TensorProto.FLOAT, list(self.shape))],
            [helper.make_tensor_value_info(name, of, None) for name, of in outputs.items()], self.constants,
            value_info=self.shapes,
        )  # fmt: skip
        inside = [n for node in self.nodes for a in node.attribute for n in a.g.node]  # of a Scan's step
        domains = {n.domain for n in (*self.nodes, *inside)} - {""}
        model = helper.make_model(
            graph,
            opset_imports=[
                helper.make_opsetid("", self.opset),
                *(helper.make_opsetid(d, self._version(d)) for d in sorted(domains)),
            ],
        )
        model.ir_version = self.ir
        if meta:
            helper.set_model_props(model, meta)
        return model

    def _version(self, domain: str) -> int:
        return self.versions.get(domain, self.opset if domain.endswith("channels_last") else 1)

    def save(self, folder: Path, y: str | Mapping[str, int], name: str = "net.onnx", **more: Any) -> Path:
        path = folder / name
        onnx.save(self.model(y, **more), path)
        return path
