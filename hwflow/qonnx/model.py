"""An ONNX file in memory, whole and harmless: parsed, bounded, its constants checked, its nodes in order.

Stands on onnx. Never runs anything the file names, never reads outside the file's folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
from onnx import numpy_helper

from hwflow.bits import Array
from hwflow.errors import Finding, ModelError

MOST_BYTES = 1 << 31  # of a file, and of one constant
MOST_NODES = 100_000


@dataclass(frozen=True, eq=False)
class Call:
    """One node of the file: its name, operation, the tensors it reads and writes, its attributes."""

    name: str
    domain: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: dict[str, Any]
    opset: int = 0
    proto: onnx.NodeProto | None = None


@dataclass(frozen=True, eq=False)
class File:
    """A checked file: its calls in topological order, constants by name, the one input and the outputs."""

    name: str
    calls: tuple[Call, ...]
    constants: dict[str, Array]
    input: str
    input_dims: tuple[int | None, ...]
    outputs: tuple[str, ...]
    input_type: str = "float32"
    meta: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def load(path: Path | str) -> File:
    """The file as data; ModelError when it is not a readable ONNX model of one input."""
    proto = parse(Path(path))
    findings: list[Finding] = []
    constants = dict(_constants(proto.graph, Path(path).parent, findings))
    calls = _order(list(_calls(proto, constants, Path(path).parent, findings)), constants, proto, findings)
    inputs = [i for i in proto.graph.input if text(i.name) not in constants]
    if len(inputs) != 1:
        names = ", ".join(text(i.name) for i in inputs) or "none"
        raise ModelError(
            Finding("graph", "input", f"has {len(inputs)} inputs ({names})", "export a network with exactly one input")
        )
    outputs = tuple(text(o.name) for o in proto.graph.output)
    if not outputs or len(set(outputs)) < len(outputs):
        named = "has no outputs" if not outputs else f"names one output twice ({', '.join(outputs)})"
        raise ModelError(Finding("graph", "output", named, "export the network again"))
    kind = inputs[0].type.tensor_type
    if not inputs[0].type.HasField("tensor_type") or not kind.HasField("shape"):
        raise ModelError(
            Finding("graph", "input", f"{text(inputs[0].name)} has no shape", "export with a fixed input shape")
        )
    dims = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    return File(
        name=Path(path).stem, calls=_read(calls, outputs), constants=constants, input=text(inputs[0].name), input_dims=dims,
        outputs=outputs, meta={text(p.key): text(p.value) for p in proto.metadata_props},
        annotations=_annotations(proto.graph), findings=tuple(findings), input_type=_type_name(kind.elem_type),
    )  # fmt: skip


def _read(calls: list[Call], outputs: tuple[str, ...]) -> tuple[Call, ...]:
    """The calls that an output depends on; what nothing reads is never computed."""
    wanted, kept = set(outputs), []
    for call in reversed(calls):
        if wanted & set(call.outputs):
            wanted |= set(call.inputs)
            kept.append(call)
    return tuple(reversed(kept))


@dataclass(frozen=True, eq=False)
class Body:
    """A graph inside a call: its calls in topological order, constants by name, inputs and outputs in order."""

    calls: tuple[Call, ...]
    constants: dict[str, Array]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    findings: tuple[Finding, ...]
    outside: tuple[str, ...]  # what it reads and nothing inside makes


def body_of(call: Call, known: Mapping[str, Array]) -> Body | None:
    """The graph that a call holds as its attribute `body`; `known` are constants of the graph around it. None without one."""
    found = [a.g for a in call.proto.attribute if a.name == "body"] if call.proto is not None else []
    if len(found) != 1 or not found[0].node:
        return None
    graph = found[0]
    proto = onnx.ModelProto(graph=graph)
    for domain in {node.domain for node in graph.node} | {""}:
        proto.opset_import.add(domain=domain, version=call.opset if domain in ("", "ai.onnx") else 1)
    findings: list[Finding] = []
    constants = dict(_constants(graph, Path(), findings))
    calls = list(_calls(proto, constants, Path(), findings))
    made = set(constants) | {text(i.name) for i in graph.input} | {o for c in calls for o in c.outputs} | {""}
    outputs = tuple(text(o.name) for o in graph.output)
    read = dict.fromkeys(i for names in (*(c.inputs for c in calls), outputs) for i in names if i not in made)
    constants |= {name: known[name] for name in read if name in known}
    outside = tuple(name for name in read if name not in known)
    order = [] if outside else _order(calls, constants, proto, findings)
    inputs = tuple(text(i.name) for i in graph.input if text(i.name) not in constants)
    return Body(tuple(order), constants, inputs, outputs, tuple(findings), outside)


def _type_name(code: int) -> str:
    """The name of an element type, as numpy has it."""
    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(code).name)
    except KeyError:
        return "unknown"


def parse(path: Path) -> onnx.ModelProto:
    """The protobuf of a file, without external data; ModelError where it is not one."""
    if not path.is_file():
        raise ModelError(Finding(str(path), "", "is not a file", "give the path of an ONNX model"))
    if path.stat().st_size > MOST_BYTES:
        raise ModelError(Finding(str(path), "", f"has {path.stat().st_size} bytes", "hwflow reads models up to 2 GB"))
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except Exception as e:  # protobuf, onnx and the C++ parser each raise their own kinds
        raise ModelError(
            Finding(
                str(path),
                "",
                f"is not an ONNX model ({_first_line(e)})",
                "export the network again; a truncated copy reads like this",
            )
        ) from None
    if not proto.graph.node:
        raise ModelError(Finding(str(path), "", "holds no nodes", "export the network to ONNX again"))
    if len(proto.graph.node) > MOST_NODES:
        raise ModelError(
            Finding(str(path), "", f"holds {len(proto.graph.node)} nodes", f"hwflow reads up to {MOST_NODES}")
        )
    if proto.functions:
        try:
            proto = onnx.inliner.inline_local_functions(proto)
        except Exception as e:  # same three kinds
            raise ModelError(
                Finding(
                    str(path),
                    "",
                    f"its local functions cannot be inlined ({_first_line(e)})",
                    "export without local functions",
                )
            ) from None
    return proto


def text(value: str | bytes) -> str:
    """A name of the file as text; protobuf hands over bytes where it is not UTF-8."""
    return value if isinstance(value, str) else value.decode(errors="replace")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def _constants(graph: onnx.GraphProto, folder: Path, findings: list[Finding]) -> Iterator[tuple[str, Array]]:
    for tensor in graph.initializer:
        value = read_tensor(tensor, folder, text(tensor.name), findings)
        if value is not None:
            yield text(tensor.name), value


def read_tensor(tensor: onnx.TensorProto, folder: Path, node: str, findings: list[Finding]) -> Array | None:
    """A constant as an array, or None with a finding."""
    try:
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        count = 1
        for d in tensor.dims:
            count *= int(d)
            if d < 0 or count > MOST_BYTES:
                raise ValueError(f"has dims {list(tensor.dims)[:6]}, too large to hold")
        if count * kind.itemsize > MOST_BYTES:
            raise ValueError(f"needs {count * kind.itemsize} bytes, too large to hold")
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            return _external(tensor, folder, kind, count)
        if (
            tensor.HasField("raw_data")
            and len(tensor.raw_data) * 8 < count * kind.itemsize * (8 if kind.itemsize > 1 else 1) // 2
        ):
            raise ValueError(f"has {len(tensor.raw_data)} bytes for dims {list(tensor.dims)[:6]}")
        return np.asarray(numpy_helper.to_array(tensor))
    except Exception as e:  # a malformed tensor raises anything from ValueError to AttributeError
        findings.append(
            Finding(
                node,
                "initializer",
                f"cannot be read: {_first_line(e)}",
                "export the network again with all constants inside the file",
            )
        )
        return None


def _external(tensor: onnx.TensorProto, folder: Path, kind: np.dtype, count: int) -> Array:
    entries = {e.key: e.value for e in tensor.external_data}
    root = folder.resolve()
    path = Path(os.path.realpath(root / entries.get("location", "")))
    if root not in path.parents:
        raise ValueError(f"its data lie in {entries.get('location')!r}, outside the folder of the model")
    if not path.is_file():
        raise ValueError(f"its data file {entries.get('location')!r} is absent")
    offset, size = int(entries.get("offset") or 0), count * kind.itemsize
    if offset < 0 or offset + size > path.stat().st_size:
        raise ValueError(f"its data file {entries.get('location')!r} is too short")
    with path.open("rb") as file:
        file.seek(offset)
        return np.frombuffer(file.read(size), kind).reshape(tuple(tensor.dims))


def _calls(
    proto: onnx.ModelProto, constants: dict[str, Array], folder: Path, findings: list[Finding]
) -> Iterator[Call]:
    """Every node as a Call; `Constant` nodes become constants on the way."""
    opsets = {o.domain if o.domain != "ai.onnx" else "": o.version for o in proto.opset_import}
    for i, node in enumerate(proto.graph.node):
        op, given = text(node.op_type), text(node.domain)
        name = text(node.name) or f"{op}_{i}"
        attrs: dict[str, Any] = {}
        for a in node.attribute:
            if a.type == onnx.AttributeProto.TENSOR:
                attrs[text(a.name)] = read_tensor(a.t, folder, name, findings)
            elif a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
                attrs[text(a.name)] = None
            else:
                value = onnx.helper.get_attribute_value(a)
                attrs[text(a.name)] = value.decode(errors="replace") if isinstance(value, bytes) else value
        domain = "" if given == "ai.onnx" else given
        if (domain, op) == ("", "Constant") and len(node.output) == 1:
            found = _constant(attrs)
            if found is not None:
                constants[text(node.output[0])] = found
                continue
            findings.append(Finding(name, "value", "is no constant of numbers", "export the network again"))
        inputs, outputs = (tuple(text(t) for t in names) for names in (node.input, node.output))
        yield Call(name, domain, op, inputs, outputs, attrs, opsets.get(domain, 0), node)


def _constant(attrs: dict[str, Any]) -> Array | None:
    if isinstance(attrs.get("value"), np.ndarray):
        return attrs["value"]
    for key, kind in (
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
    ):
        if key in attrs:
            return np.asarray(attrs[key], kind)
    return None


def _order(
    calls: list[Call], constants: dict[str, Array], proto: onnx.ModelProto, findings: list[Finding]
) -> list[Call]:
    """Calls after the calls they read; findings for cycles, for names written twice and for names nobody writes."""
    writer: dict[str, Call] = {}
    for call in calls:
        for out in call.outputs:
            if out and (out in writer or out in constants):
                findings.append(
                    Finding(
                        call.name,
                        "output",
                        f"writes {out!r}, which has a value already",
                        "give every tensor one producer",
                    )
                )
            writer[out] = call
    known = set(constants) | {text(i.name) for i in proto.graph.input} | {""}
    order: list[Call] = []
    done: set[int] = set()
    waiting = calls
    while waiting:
        ready = []
        for call in waiting:
            if all(i in known or (i in writer and id(writer[i]) in done) or i not in writer for i in call.inputs):
                ready.append(call)
                done.add(id(call))
        if not ready:
            names = ", ".join(c.name for c in waiting[:3])
            findings.append(
                Finding(waiting[0].name, "input", f"is part of a cycle ({names})", "export a network without loops")
            )
            break
        order += ready
        waiting = [c for c in waiting if id(c) not in done]
    for call in order:
        for i in call.inputs:
            if i not in known and i not in writer:
                findings.append(
                    Finding(
                        call.name,
                        "input",
                        f"reads {i!r}, which nothing produces",
                        "export the network again with all initialisers inside the file",
                    )
                )
                known.add(i)
    return order


def _annotations(graph: onnx.GraphProto) -> dict[str, str]:
    """The integer type names that QONNX keeps beside tensors."""
    out = {}
    for a in graph.quantization_annotation:
        for p in a.quant_parameter_tensor_names:
            if p.key == "finn_datatype":
                out[a.tensor_name] = p.value
    return out
