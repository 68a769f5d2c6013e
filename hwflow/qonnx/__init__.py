"""QONNX files: read one as a Graph, check one, execute one as its authors mean it, save stages for viewers.

Stands on real; the only room that imports onnx and qonnx.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwflow.bits import Array
from hwflow.errors import Finding, ModelError
from hwflow.qonnx import elementwise, products, quantizers, shapes, windows  # noqa: F401  they declare their operators
from hwflow.qonnx.model import File, load
from hwflow.qonnx.reader import Reader, raster_order
from hwflow.qonnx.reference import execute
from hwflow.qonnx.rounding import Rounding, rounding
from hwflow.qonnx.stages import save_stage
from hwflow.qonnx.takes import input_of
from hwflow.qonnx.values import Ref
from hwflow.real import INPUT, Graph

__all__ = ["check", "explained", "read", "reference", "rounding", "save_stage"]


def read(path: Path | str, input: str | None = None) -> Graph:
    """The network of a file; ModelError with every finding at once. `input` is TYPE[/DENOMINATOR]."""
    graph, findings = _read(load(path), input)
    if graph is None or findings:
        raise ModelError(*findings)
    return graph


def check(path: Path | str, input: str | None = None) -> tuple[Finding, ...]:
    """Every reason why a file is refused; none when it is supported."""
    try:
        return _read(load(path), input)[1]
    except ModelError as e:
        return e.findings


def reference(path: Path | str, x: Array, input: str | None = None) -> Array:
    """The file's own answer, float32 (n, outputs) in the order of `Graph.run`, for hardware integers (n, *shape)."""
    reader, _ = _readable(path, input)
    last = reader.values[reader.file.output]
    assert isinstance(last, Ref)
    y = _executed(path, x, input, reader, ())[reader.file.output].reshape(len(x), -1).astype(np.float32)
    order = raster_order(last)
    return y[:, order] if len(order) == y.shape[1] else y


def explained(path: Path | str, x: Array, input: str | None = None) -> tuple[Rounding, ...]:
    """Node by node, given the reference's own inputs: what it computes differently from the graph, and whether float32 sums explain it."""
    reader, graph = _readable(path, input)
    refs = {
        v.name: (k, v) for k, v in reader.values.items() if isinstance(v, Ref) and v.border is None and v.order is None
    }
    names = {tensor for tensor, _ in refs.values() if tensor != reader.file.input}
    raw = _executed(path, x, input, reader, tuple(names))
    values = {INPUT: graph.takes.real(np.asarray(x).reshape(len(x), *graph.input.shape))}
    for name, (tensor, ref) in refs.items():
        if tensor in raw and name in graph.by_name and raw[tensor].size == len(x) * int(np.prod(ref.shape)):
            values[name] = (
                raw[tensor].reshape(len(x), -1)[:, raster_order(ref)].reshape(len(x), *ref.shape).astype(np.float32)
            )
    return rounding(graph, values)


def _readable(path: Path | str, input: str | None) -> tuple[Reader, Graph]:
    reader = _reader(load(path), input)
    graph = reader.read()
    if graph is None:
        raise ModelError(*reader.findings)
    return reader, graph


def _executed(
    path: Path | str, x: Array, input: str | None, reader: Reader, wanted: tuple[str, ...]
) -> dict[str, Array]:
    first = reader.values[reader.file.input]
    assert isinstance(first, Ref)
    return execute(path, x, input, "".join(d[0] for d in first.dims), reader.input_shape, wanted)


def _read(file: File, text: str | None) -> tuple[Graph | None, tuple[Finding, ...]]:
    reader = _reader(file, text)
    graph = reader.read()
    findings = (*reader.findings, *(graph.findings if graph else ()))
    return graph, tuple({str(f): f for f in findings}.values())


def _reader(file: File, text: str | None) -> Reader:
    takes, notes = input_of(file, text)
    reader = Reader(file, takes)
    reader.notes += notes
    return reader
