"""The smallest file with the same fault: nodes cut away, attributes dropped, constants made plain, one change at a time.

Stands on onnx. A change stays where the fault is of the same kind and cause afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hwflow.bits import Array
from hwflow.fuzz.judge import Verdict
from hwflow.generate import RandomFile

SECONDS = 20.0

Change = Callable[[onnx.ModelProto], None]


def shrink(
    file: RandomFile, verdict: Verdict, judge: Callable[[RandomFile], Verdict], seconds: float = SECONDS
) -> tuple[RandomFile, Verdict]:
    """The smallest file found in the time given, and the verdict on it."""
    end = time.monotonic() + seconds
    # a smaller file may have sums that round; where the fault is there in any case, take it for such a file
    loose = replace(file, exact=False)
    found = judge(loose)
    if (found.kind, found.key) == (verdict.kind, verdict.key):
        file = loose
    changed = True
    while changed and time.monotonic() < end:
        changed = False
        for change in _changes(file):
            if time.monotonic() > end:
                break
            try:
                smaller = _with(file, change)
                found = judge(smaller)
            except Exception:  # a change may leave no file at all, or one that nothing executes
                continue
            if (found.kind, found.key) == (verdict.kind, verdict.key):
                file, verdict, changed = smaller, found, True
                break
    return file, verdict


def _changes(file: RandomFile) -> Iterator[Change]:
    """Ways to make the file one change smaller, the largest changes first."""
    graph = file.model.graph
    if len(graph.output) > 1:
        for k in range(len(graph.output)):
            yield partial(_without, k=k)
    for name in _ends(graph):
        yield partial(_cut, name=name)
    known = _constants(graph)
    for k, node in enumerate(graph.node):
        for name in [i for i in node.input if i and i not in known] or node.input[:1]:
            yield partial(_bypass, k=k, name=name)
    for k, node in enumerate(graph.node):
        if node.op_type != "Constant" and all(i in known for i in node.input if i):
            yield partial(_computed, k=k)
    for k, node in enumerate(graph.node):
        for a in node.attribute:
            yield partial(_drop, k=k, name=a.name)
    for k, tensor in enumerate(graph.initializer):
        value = numpy_helper.to_array(tensor)
        for plain in _plainer(value):
            yield partial(_set, k=k, value=plain)


def _with(file: RandomFile, change: Change) -> RandomFile:
    model = onnx.ModelProto()
    model.CopyFrom(file.model)
    change(model)
    _prune(model.graph)
    used = {node.op_type for node in model.graph.node}
    more: dict[str, object] = {}
    if file.stripped and not used & {"Softmax", "LogSoftmax"}:
        more["stripped"] = None
    if file.labels and not used & {"ArgMax", "TopK"}:
        more["labels"] = False
    return replace(file, model=model, **more)  # type: ignore[arg-type]


def _ends(graph: onnx.GraphProto) -> list[str]:
    """Tensors that depend on the input, the first ones first."""
    live = {graph.input[0].name}
    out = []
    for node in graph.node:
        if live & set(node.input):
            live |= set(node.output)
            out.append(node.output[0])
    return out[:-1]


def _without(model: onnx.ModelProto, k: int) -> None:
    del model.graph.output[k]


def _cut(model: onnx.ModelProto, name: str) -> None:
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))


def _bypass(model: onnx.ModelProto, k: int, name: str) -> None:
    """The readers of node `k` read its input."""
    gone = model.graph.node[k].output[0]
    del model.graph.node[k]
    for node in model.graph.node:
        for i, tensor in enumerate(node.input):
            if tensor == gone:
                node.input[i] = name
    for value in model.graph.output:
        if value.name == gone:
            value.CopyFrom(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))


def _computed(model: onnx.ModelProto, k: int) -> None:
    """The first result of a node of constants as a constant of its own."""
    from hwflow.qonnx.executor import Executor

    node = model.graph.node[k]
    context = Executor().run(model, _zeros(model))
    made = numpy_helper.from_array(np.asarray(context[node.output[0]]), node.output[0])
    del model.graph.node[k]
    model.graph.initializer.append(made)


def _zeros(model: onnx.ModelProto) -> dict[str, Array]:
    value = model.graph.input[0]
    dims = [d.dim_value or 1 for d in value.type.tensor_type.shape.dim]
    return {value.name: np.zeros(dims, np.float32)}


def _constants(graph: onnx.GraphProto) -> set[str]:
    """Initializers and Constant nodes by name."""
    return {t.name for t in graph.initializer} | {n.output[0] for n in graph.node if n.op_type == "Constant"}


def _drop(model: onnx.ModelProto, k: int, name: str) -> None:
    attributes = model.graph.node[k].attribute
    for i, a in enumerate(attributes):
        if a.name == name:
            del attributes[i]
            return


def _plainer(value: Array) -> Iterator[Array]:
    """The same shape with simpler numbers."""
    if value.dtype != np.float32 or value.size == 0:
        return
    options = [np.zeros_like(value), np.ones_like(value), np.rint(value)]
    if value.size > 1:
        options += [np.full_like(value, value.flat[0])]
    for plain in options:
        # a change must make it simpler, or changes would go round in circles
        if _weight(plain) < _weight(value):
            yield plain


def _weight(value: Array) -> tuple[int, int, float]:
    distinct = np.unique(value)
    return len(distinct), int((distinct != np.rint(distinct)).sum()), float(np.abs(distinct).sum())


def _set(model: onnx.ModelProto, k: int, value: Array) -> None:
    tensor = model.graph.initializer[k]
    tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))


def _prune(graph: onnx.GraphProto) -> None:
    """Leave out what the output does not need."""
    wanted = {value.name for value in graph.output}
    for k in range(len(graph.node) - 1, -1, -1):
        node = graph.node[k]
        if wanted & set(node.output):
            wanted |= set(node.input)
        else:
            del graph.node[k]
    for k in range(len(graph.initializer) - 1, -1, -1):
        if graph.initializer[k].name not in wanted:
            del graph.initializer[k]
