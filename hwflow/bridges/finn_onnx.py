"""The integer network as ONNX in FINN's vocabulary: MatMul, Conv and MultiThreshold with annotated integer types.

Stands on net; onnx and qonnx live here and in the other bridges only.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from typing_extensions import assert_never

from hwflow.bits import Array, Ints, ints_of
from hwflow.errors import Finding, ModelError, ToolError
from hwflow.net import INPUT, Net
from hwflow.ops import (
    Add,
    Concat,
    Conv,
    Dense,
    Flatten,
    Maximum,
    MaxPool,
    Multiply,
    Op,
    Pad,
    Recurrent,
    Rescale,
    Reshape,
    SumPool,
    Threshold,
    TopK,
    Upsample,
)

OPSET = 13
GENERAL = "qonnx.custom_op.general"
OURS = "keep this network in hwflow's own hardware"
INT32 = Ints(-(1 << 31), (1 << 31) - 1)


def build(net: Net, batch: int) -> Any:
    """qonnx's ModelWrapper of a network for `batch` images; ModelError with every operation FINN has no layer for."""
    for name in ("onnx", "qonnx"):
        if importlib.util.find_spec(name) is None:
            raise ToolError(f"the bridge to FINN needs {name}: pip install {name}")
    writer = _Writer(net, batch)
    for op in net.ops:
        writer.add(op)
    if writer.findings:
        raise ModelError(*writer.findings)
    return writer.model()


def execute(onnx: Any, net: Net, x: Array) -> Array:
    """The model's answers (n, outputs) as int64 for input integers (n, *shape), by qonnx."""
    from qonnx.core.onnx_exec import execute_onnx

    images = x.transpose(0, 3, 1, 2) if x.ndim == 4 else x
    name = onnx.graph.output[0].name
    y = execute_onnx(onnx, {onnx.graph.input[0].name: images.astype(np.float32)})[name]
    y = np.asarray(y)
    y = y.transpose(0, 2, 3, 1) if y.ndim == 4 else y
    return np.rint(y).astype(np.int64).reshape(len(x), net.output.size)


class _Writer:
    """Nodes and constants in the making. Images are NCHW; `order` says which raster place each element of a vector has."""

    def __init__(self, net: Net, batch: int):
        self.net, self.batch = net, batch
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.types: dict[str, str] = {INPUT: type_name(net.input.ints)}
        self.order: dict[str, Array] = {}
        self.findings: list[Finding] = []
        self.padded = {i for op in net.ops if isinstance(op, Conv) and op.padded for i in op.inputs}

    def add(self, op: Op) -> None:
        match op:
            case Dense():
                self._dense(op)
            case Conv():
                self._conv(op)
            case Threshold():
                self._threshold(op)
            case MaxPool():
                self._pool(op)
            case Flatten():
                self._flatten(op)
            case TopK():
                self._topk(op)
            case (
                Add()
                | Maximum()
                | Multiply()
                | Concat()
                | Rescale()
                | SumPool()
                | Upsample()
                | Pad()
                | Reshape()
                | Recurrent()
            ):
                self._refuse(op, "", f"FINN's standard build has no step for {type(op).__name__}", OURS)
            case _:
                assert_never(op)
        self.types.setdefault(op.name, type_name(self.net.ports[op.name].ints))

    def _refuse(self, op: Op, attribute: str, reason: str, remedy: str) -> None:
        self.findings.append(Finding(op.name, attribute, reason, remedy))

    def _node(
        self,
        kind: str,
        op: Op,
        inputs: tuple[str, ...],
        domain: str = "",
        outputs: tuple[str, ...] = (),
        **attributes: Any,
    ) -> None:
        from onnx import helper

        self.nodes.append(
            helper.make_node(
                kind, list(inputs), list(outputs or (op.name,)), name=f"{kind}_{op.name}", domain=domain, **attributes
            )
        )

    def _constant(self, name: str, values: Array, ints: Ints | None = None) -> str:
        self.constants[name] = np.asarray(values)
        if ints is not None:
            self.types[name] = type_name(ints)
        return name

    def _places(self, name: str) -> Array:
        """The raster place of each element of a vector."""
        return self.order.get(name, np.arange(self.net.ports[name].size))

    def _dense(self, op: Dense) -> None:
        weights = op.weights[:, self._places(op.inputs[0])].T
        self._node(
            "MatMul",
            op,
            (op.inputs[0], self._constant(f"{op.name}_weights", weights.astype(np.float32), ints_of(op.weights))),
        )

    def _conv(self, op: Conv) -> None:
        if op.padded and (op.pad != 0).any():
            self._refuse(op, "pad", "FINN pads with zeros only", "pad with 0 in training")
        if op.groups != 1:
            self._refuse(op, "groups", "FINN's standard build has no step for grouped convolutions", OURS)
        weights = op.weights.transpose(0, 3, 1, 2).astype(np.float32)
        self._node(
            "Conv", op, (op.inputs[0], self._constant(f"{op.name}_weights", weights, ints_of(op.weights))),
            kernel_shape=list(op.kernel), strides=list(op.stride), pads=list(op.pads), dilations=list(op.dilation), group=op.groups,
        )  # fmt: skip

    def _threshold(self, op: Threshold) -> None:
        if op.falling.any():
            self._refuse(
                op,
                "falling",
                f"{int(op.falling.sum())} channels fall and MultiThreshold only rises",
                "give the norm in front of it positive scales",
            )
        port = self.net.ports[op.name]
        t = op.thresholds if len(port.shape) == 3 else op.thresholds[self._places(op.inputs[0])]
        scale, bias = (2.0, -1.0) if op.bipolar else (1.0, float(op.base))
        self.types[op.name] = type_name(port.ints)
        if op.bipolar and op.name in self.padded:
            # zeros beside -1/+1 need two bits: a pair of equal thresholds counts 0 or 2, and FINN pads a signed stream
            self.types[op.name], t, scale = "INT2", np.repeat(t, 2, 1), 1.0
        self._node(
            "MultiThreshold",
            op,
            (op.inputs[0], self._constant(f"{op.name}_thresholds", t.astype(np.float32), INT32)),
            domain=GENERAL,
            out_dtype=self.types[op.name],
            out_scale=scale,
            out_bias=bias,
            data_layout="NCHW" if len(port.shape) == 3 else "NC",
        )
        self.order[op.name] = self._places(op.inputs[0]) if len(port.shape) == 1 else np.arange(port.size)

    def _pool(self, op: MaxPool) -> None:
        if op.minimum.any():
            self._refuse(
                op,
                "minimum",
                f"{int(op.minimum.sum())} channels take the least and MaxPool the largest",
                "put the pool behind the activation, or give the norm positive scales",
            )
        x = self.net.ports[op.inputs[0]].shape
        if op.kernel != op.stride or any(n % k for n, k in zip(x, op.kernel, strict=False)):
            self._refuse(
                op, "kernel", f"FINN's pool tiles its image, {op.kernel} by {op.stride} does not tile {x[:2]}", OURS
            )
        if any(op.pads):
            self._refuse(op, "pads", "FINN's pool has no padding", "pool without padding")
        self.types[op.name] = self.types[op.inputs[0]]
        self._node(
            "MaxPool", op, op.inputs, kernel_shape=list(op.kernel), strides=list(op.stride), dilations=list(op.dilation)
        )

    def _flatten(self, op: Flatten) -> None:
        shape = self.net.ports[op.inputs[0]].shape
        self.types[op.name] = self.types[op.inputs[0]]
        size = self._constant(f"{op.name}_shape", np.array([self.batch, int(np.prod(shape))], np.int64))
        self._node("Reshape", op, (op.inputs[0], size))
        raster = np.arange(int(np.prod(shape))).reshape(shape)
        self.order[op.name] = (raster.transpose(2, 0, 1) if len(shape) == 3 else raster).reshape(-1)

    def _topk(self, op: TopK) -> None:
        if (self._places(op.inputs[0]) != np.arange(self.net.ports[op.inputs[0]].size)).any():
            self._refuse(op, "", "it ranks the elements of a flattened image", "put a dense layer in front of it")
        k = self._constant(f"{op.name}_k", np.array([op.k], np.int64))
        self._node("TopK", op, (op.inputs[0], k), outputs=(f"{op.name}_values", op.name), axis=-1, largest=1, sorted=1)

    def model(self) -> Any:
        from onnx import TensorProto, helper, numpy_helper
        from qonnx.core.datatype import DataType
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.transformation.general import GiveUniqueNodeNames
        from qonnx.transformation.infer_shapes import InferShapes

        last = self.net.ops[-1]
        kind = TensorProto.INT64 if isinstance(last, TopK) else TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes,
            self.net.name,
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, self._shape(INPUT))],
            [helper.make_tensor_value_info(last.name, kind, self._shape(last.name))],
            initializer=[numpy_helper.from_array(v, n) for n, v in self.constants.items()],
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(GENERAL, 1)]
        onnx = ModelWrapper(helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="hwflow"))
        for tensor, name in self.types.items():
            onnx.set_tensor_datatype(tensor, DataType[name])
        return onnx.transform(InferShapes()).transform(GiveUniqueNodeNames())

    def _shape(self, name: str) -> list[int]:
        shape = self.net.ports[name].shape
        return [self.batch, *((shape[2], shape[0], shape[1]) if len(shape) == 3 else shape)]


def type_name(ints: Ints) -> str:
    """The name of the narrowest qonnx type that holds a range."""
    if ints.is_bipolar:
        return "BIPOLAR"
    if ints == Ints(-1, 1):
        return "TERNARY"
    if ints == Ints(0, 1):
        return "BINARY"
    return f"{'INT' if ints.signed else 'UINT'}{ints.bits}"
