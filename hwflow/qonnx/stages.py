"""Stages of a network as ONNX files for a viewer: one readable node for each operation, weights beside it.

Stands on onnx. The files are to be looked at (Netron), not to be executed: their domain is `hwflow`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

from hwflow.bits import Array, Ints, ints_of
from hwflow.net import INPUT, Net
from hwflow.ops import Port
from hwflow.real import Graph, Step, Weights

DOMAIN = "hwflow"


def save_stage(stage: Graph | Net, path: Path | str) -> None:
    """Write a Graph or a Net as an ONNX file whose nodes have the operations' own names, shapes and ranges."""
    made: list[Any] = []
    constants: list[Any] = []
    shown = []
    if isinstance(stage, Net):
        operations: Sequence[Any] = stage.ops
        for op in operations:
            shown.append(_value(op.name, stage.ports[op.name].shape, stage.ports[op.name].ints))
    else:
        operations = stage.nodes
        for node in operations:
            shown.append(helper.make_tensor_value_info(node.name, TensorProto.FLOAT, ["n", *stage.shapes[node.name]]))
    for op in operations:
        attributes, extra = _attributes(op)
        names = [f"{op.name}.{key}" for key, _ in extra]
        constants += [
            numpy_helper.from_array(np.ascontiguousarray(v), n) for n, (_, v) in zip(names, extra, strict=True)
        ]
        if isinstance(stage, Net):
            attributes["range"] = _range(stage.ports[op.name].ints)
        made.append(
            helper.make_node(type(op).__name__, [*op.inputs, *names], [op.name], op.name, domain=DOMAIN, **attributes)
        )
    graph = helper.make_graph(
        made,
        stage.name,
        [_value(INPUT, stage.input.shape, stage.input.ints)],
        [shown[-1]],
        constants,
        value_info=shown[:-1],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid(DOMAIN, 1)], producer_name="hwflow"
    )
    model.ir_version = 8
    about = {"input": _range(stage.input.ints), "denominator": str(stage.denominator)}
    if isinstance(stage, Net):
        for output in stage.outputs:
            key = f"finish of {output.name}" if output.name else "finish"
            about[key] = "; ".join(f"{s.op} {_short(s.value)}" for s in output.answer.finish)
    helper.set_model_props(model, about)
    part = Path(path).with_name(Path(path).name + ".part")
    save(model, part)
    part.replace(path)


def _attributes(op: Any) -> tuple[dict[str, Any], list[tuple[str, Array]]]:
    """What a viewer shows in words, and what it shows as constants."""
    words: dict[str, Any] = {}
    arrays: list[tuple[str, Array]] = []
    for field in fields(op):
        value = getattr(op, field.name)
        if field.name in ("name", "inputs"):
            continue
        if isinstance(value, Weights):
            arrays += [("ints", _least(value.ints)), ("scale", value.scale.astype(np.float32))]
        elif isinstance(value, np.ndarray):
            arrays.append((field.name, _least(value)))
        elif isinstance(value, tuple) and value and isinstance(value[0], Step):
            words[field.name] = [f"{s.op} {_short(s.value)}" for s in value]
        elif isinstance(value, bool):
            words[field.name] = int(value)
        elif value != ():
            words[field.name] = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else value
    return words, arrays


def _least(values: Array) -> Array:
    """The array in a type that shows its width: one byte for small integers."""
    if values.dtype == bool:
        return values.astype(np.int8)
    if values.dtype.kind == "i":
        bits = ints_of(values).bits
        return values.astype(np.int8 if bits <= 8 else np.int16 if bits <= 16 else np.int32 if bits <= 32 else np.int64)
    return values


def _range(ints: Ints) -> str:
    return "-1 or +1" if ints.is_bipolar else f"{ints.lo} .. {ints.hi} ({ints.bits} bits)"


def _short(values: Array) -> str:
    flat = values.ravel()
    return f"{flat[0]:.6g}" if flat.size == 1 else f"{flat.min():.4g} .. {flat.max():.4g} ({flat.size} channels)"


def _value(name: str, shape: Sequence[int], ints: Ints) -> Any:
    """A tensor with the narrowest standard type that holds its range."""
    kinds = {
        8: (TensorProto.UINT8, TensorProto.INT8),
        16: (TensorProto.UINT16, TensorProto.INT16),
        32: (TensorProto.UINT32, TensorProto.INT32),
    }
    width = next((w for w in kinds if ints.bits + ints.is_bipolar <= w), 64)
    kind = TensorProto.INT64 if width == 64 else kinds[width][ints.lo < 0]
    return helper.make_tensor_value_info(name, kind, ["n", *Port(tuple(shape), ints).shape])
