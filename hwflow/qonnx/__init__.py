"""QONNX files: read one as a Graph, check one, execute one as its authors mean it, save stages for viewers.

Stands on real; the only room that imports onnx and qonnx.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwflow.answers import Answers
from hwflow.bits import Array
from hwflow.errors import Finding, ModelError
from hwflow.qonnx import (  # noqa: F401  they declare their operators
    activations,
    borders,
    elementwise,
    heads,
    products,
    quantizers,
    recurrent,
    reductions,
    resizing,
    shapes,
    windows,
)
from hwflow.qonnx.model import File, load
from hwflow.qonnx.operators import OPERATORS
from hwflow.qonnx.reader import Reader
from hwflow.qonnx.reference import Asked, execute_parts, joined, save_whole
from hwflow.qonnx.rounding import Rounding, rounding
from hwflow.qonnx.stages import save_stage
from hwflow.qonnx.takes import input_of
from hwflow.qonnx.values import Ref, Value, dims_of, raster_order
from hwflow.real import INPUT, Graph

__all__ = [
    "OPERATORS", "Execution", "Reading", "Rounding", "check", "executions", "explained", "read", "reading", "reference",
    "rounding", "save_stage", "save_whole",
]  # fmt: skip


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


def reference(path: Path | str, x: Array, input: str | None = None, *, head: bool = False) -> Array:
    """The file's own answer, float32 (n, outputs) in the order of `Graph.run`, for hardware integers (n, *shape).

    In front of the Softmax, Sigmoid or Tanh it ends in, which `Graph.run` leaves out, unless `head` asks for it.
    """
    reader, graph = _readable(path, input)
    ends = _ends(reader, graph, head)
    raw = _execute(path, x, input, reader, Asked(tuple(end.tensor for end in ends), axes=_axes(reader.values)))
    return np.concatenate([_raster(raw[end.tensor], end.layout) for end in ends], 1)


@dataclass(frozen=True, eq=False)
class Execution:
    """What one execution gave for some images: answers (n, outputs) float32, and the tensors (n, ...) they came from.

    Tensors are by node of the graph, in its layout; of an engine that shows none, none.
    """

    answers: Array
    tensors: Mapping[str, Array]


def executions(path: Path | str, x: Array, input: str | None, most: int) -> Iterator[Execution]:
    """`reference` part by part, each of at most `most` images, with every tensor of the same execution."""
    reader, graph = _readable(path, input)
    refs, ends = _refs(reader, graph), _ends(reader, graph)
    asked = Asked(tuple(end.tensor for end in ends), _inner(reader, refs), _axes(reader.values))
    for raw in execute_parts(path, x, input, *_layout(reader), asked, most):
        answers = np.concatenate([_raster(raw[end.tensor], end.layout) for end in ends], 1)
        yield Execution(answers, _tensors(graph, refs, raw, len(answers)))


def explained(path: Path | str, x: Array, input: str | None = None) -> tuple[Rounding, ...]:
    """Node by node, given the reference's own inputs: what it computes differently from the graph, and whether float32 sums explain it."""
    reader, graph = _readable(path, input)
    refs = _refs(reader, graph)
    raw = _execute(path, x, input, reader, Asked(more=_inner(reader, refs), axes=_axes(reader.values)))
    return _explain(graph, refs, x, raw)


def _inner(reader: Reader, refs: Mapping[str, tuple[str, Ref]]) -> tuple[str, ...]:
    """The tensors of nodes, less the input."""
    return tuple(dict.fromkeys(tensor for tensor, _ in refs.values() if tensor != reader.file.input))


def _axes(values: Mapping[str, Value]) -> dict[str, int]:
    """Where the batch is in tensors that do not begin with it, such as (time, batch, channels)."""
    dims = {name: value.dims for name, value in values.items() if isinstance(value, Ref)}
    return {name: axes.index(("N",)) for name, axes in dims.items() if ("N",) in axes and axes[0] != ("N",)}


def _refs(reader: Reader, graph: Graph) -> dict[str, tuple[str, Ref]]:
    """Each node's tensor in the file and its layout; the outputs are always among them."""
    refs = {
        v.name: (k, v)
        for k, v in reversed(reader.values.items())  # the first tensor of a node: a later one may be its Softmax
        if isinstance(v, Ref) and v.border is None and v.order is None and v.view is None
    }
    return refs | {end.node: (end.tensor, end.layout) for end in _ends(reader, graph)}


def _explain(
    graph: Graph, refs: Mapping[str, tuple[str, Ref]], x: Array, raw: Mapping[str, Array]
) -> tuple[Rounding, ...]:
    first = graph.takes.real(np.asarray(x).reshape(len(x), *graph.input.shape))
    return rounding(graph, {**_tensors(graph, refs, raw, len(x)), INPUT: first})


def _tensors(graph: Graph, refs: Mapping[str, tuple[str, Ref]], raw: Mapping[str, Array], n: int) -> dict[str, Array]:
    """Tensors of `n` images by node of the graph, out of the file's by name."""
    return {
        name: _raster(raw[tensor].reshape(n, -1), ref).reshape(n, *graph.shapes[name])
        for name, (tensor, ref) in refs.items()
        if tensor in raw and name in graph.by_name and raw[tensor].size == n * int(np.prod(ref.shape))
    }


@dataclass(frozen=True, eq=False)
class End:
    """Where the file has an output of the graph: its node, the tensor, and that tensor's layout."""

    node: str
    tensor: str
    layout: Ref


def _ends(reader: Reader, graph: Graph, head: bool = False) -> tuple[End, ...]:
    """The outputs in the order of the graph's answer; in front of their heads unless `head` asks for what is behind."""
    names = [o.name for o in graph.answer.outputs] if isinstance(graph.answer, Answers) else reader.file.outputs
    answers = [o.answer for o in graph.answer.outputs] if isinstance(graph.answer, Answers) else [graph.answer]
    out = []
    for node, name, answer in zip(graph.ends, names, answers, strict=True):
        found = reader.head_of(name)
        tensor = found[0] if answer.head and found and not head else name
        value = reader.values[tensor]
        assert isinstance(value, Ref)
        if value.view is not None:  # the graph has it in order
            size = int(np.prod(graph.shapes[node]))
            places = answer.places if len(answer.places) else np.arange(size)
            out.append(End(node, tensor, Ref(node, (size,), dims_of("NC"), order=places)))
        else:
            out.append(End(node, tensor, reader.settled(value)))
    return tuple(out)


def _raster(tensor: Array, ref: Ref) -> Array:
    """A tensor of the file as float32 (n, elements) in raster order."""
    flat = tensor.reshape(len(tensor), -1).astype(np.float32)
    order = raster_order(ref) if ref.order is None else ref.order
    return flat[:, order] if len(order) == flat.shape[1] else flat


def _readable(path: Path | str, input: str | None) -> tuple[Reader, Graph]:
    reader = _reader(load(path), input)
    graph = reader.read()
    if graph is None:
        raise ModelError(*reader.findings)
    return reader, graph


def _execute(path: Path | str, x: Array, input: str | None, reader: Reader, asked: Asked) -> dict[str, Array]:
    return joined(execute_parts(path, x, input, *_layout(reader), asked))


def _layout(reader: Reader) -> tuple[str, tuple[int, ...]]:
    """The order of the input's axes in the file, and the shape of an image of hardware integers."""
    first = reader.values[reader.file.input]
    assert isinstance(first, Ref)
    return "".join(d[0] for d in first.dims), reader.input_shape


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


@dataclass(frozen=True, eq=False)
class Reading:
    """A graph beside its file, for whoever executes the file and compares: where the file has what the graph has."""

    graph: Graph
    first: Ref  # the input's layout
    dims: tuple[int, ...]  # of one image in that layout
    ends: tuple[End, ...]  # the outputs, in front of their heads
    refs: dict[str, tuple[str, Ref]]  # by node of the graph: its tensor and its layout

    def arranged(self, x: Array) -> Array:
        """Real values of hardware integers (n, *shape) in the file's own layout, float32."""
        real = self.graph.takes.real(np.asarray(x).reshape(len(x), *self.graph.input.shape))
        letters = [d[0] for d in self.first.dims]
        if len(letters) == 4:
            real = real.transpose(0, *("NHWC".index(a) for a in letters[1:]))
        elif len(letters) == 3:
            real = real[:, 0].transpose(0, *("NWC".index(a) for a in letters[1:]))
        return np.ascontiguousarray(real.reshape(len(x), *self.dims))

    def batched(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Tensors of the file by name, whoever computed them, with the images in their first axis."""
        axes = _axes(dict([*self.refs.values(), *((end.tensor, end.layout) for end in self.ends)]))
        return {
            k: np.moveaxis(v, axes[k], 0) if axes.get(k, 0) < v.ndim and k in axes else v for k, v in values.items()
        }

    def answers(self, values: Mapping[str, Array], n: int) -> Array:
        """The file's answers (n, outputs) float32 in the graph's order, out of its tensors by name."""
        rows = [_raster(np.asarray(values[end.tensor]).reshape(n, -1), end.layout) for end in self.ends]
        return np.concatenate(rows, 1)

    def explained(self, x: Array, values: Mapping[str, Array]) -> tuple[Rounding, ...]:
        """`explained` for tensors of the file by name, whoever computed them."""
        return _explain(self.graph, self.refs, x, values)

    def execution(self, values: Mapping[str, Array], n: int) -> Execution:
        """Tensors of the file by name, of `n` images, as `executions` has them."""
        return Execution(self.answers(values, n), _tensors(self.graph, self.refs, values, n))


def reading(path: Path | str, input: str | None = None) -> Reading:
    """`read`, with the layouts that compare the graph with its file; ModelError as `read` has it."""
    reader = _reader(load(path), input)
    graph = reader.read()
    findings = (*reader.findings, *(graph.findings if graph else ()))
    if graph is None or findings:
        raise ModelError(*{str(f): f for f in findings}.values())
    first = reader.values[reader.file.input]
    assert isinstance(first, Ref)
    dims = tuple(d or 0 for d in reader.file.input_dims[1:])
    return Reading(graph, first, dims, _ends(reader, graph), _refs(reader, graph))
