"""A file executed as its authors mean it, node by node, many images at a time where the graph allows.

Stands on model, executor and the list of known domains; qonnx imports the module that a domain names, so only known ones pass.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx

from hwflow.bits import Array
from hwflow.errors import Finding, ModelError
from hwflow.qonnx.executor import Executor
from hwflow.qonnx.model import File, load, parse
from hwflow.qonnx.operators import DOMAINS
from hwflow.qonnx.takes import input_of

BATCH = 1000
MOST_VALUES = 1 << 24  # float32 values of the widest tensor in one batch


@dataclass(frozen=True)
class Asked:
    """Tensors beside the outputs: those that are `wanted`, and `more` where the images of a batch lie apart in them.

    `axes`: where in a tensor they do; in the first axis of those that are not named.
    """

    wanted: Sequence[str] = ()
    more: Sequence[str] = ()
    axes: Mapping[str, int] = field(default_factory=dict)


def execute(
    path: Path | str, x: Array, input: str | None, layout: str, shape: tuple[int, ...], wanted: Sequence[str] = ()
) -> dict[str, Array]:
    """Raw float32 tensors (n, ...) by name for hardware integers (n, *shape): the outputs, and those `wanted`.

    `layout` is the file's order of axes.
    """
    return joined(execute_parts(path, x, input, layout, shape, Asked(wanted)))


def execute_parts(
    path: Path | str,
    x: Array,
    input: str | None,
    layout: str,
    shape: tuple[int, ...],
    asked: Asked,
    most: int = BATCH,
) -> Iterator[dict[str, Array]]:
    """`execute` part by part, each of at most `most` images; the images lie in the first axis of every tensor."""
    file = load(path)
    strange = {c.domain for c in file.calls} - set(DOMAINS)
    if strange:
        raise ModelError(
            *(
                Finding("graph", "domain", f"operators of domain {d!r} are unknown", "remove them from the network")
                for d in sorted(strange)
            )
        )
    takes, _ = input_of(file, input)
    real = takes.real(np.asarray(x).reshape(len(x), *shape))
    if len(layout) == 4:
        real = real.transpose(0, *("NHWC".index(a) for a in layout[1:]))
    elif len(layout) == 3:
        real = real[:, 0].transpose(0, *("NWC".index(a) for a in layout[1:]))
    real = real.reshape(len(x), *(d or 0 for d in file.input_dims[1:]))
    return _execute(Path(path), file, real, asked, most)


def execute_real(path: Path | str, real: Array) -> dict[str, Array]:
    """The raw float32 outputs (n, ...) of a file by name, for real inputs (n, ...) in the file's own order of axes."""
    return joined(_execute(Path(path), load(path), real, Asked()))


def _execute(path: Path, file: File, real: Array, asked: Asked, most: int = BATCH) -> Iterator[dict[str, Array]]:
    """Tensors of many images at a time where the graph allows, else of one."""
    real = np.ascontiguousarray(real.astype(file.input_type))
    proto, executor = _whole(path, file), Executor()
    size = max(1, min(most, MOST_VALUES // max(int(np.prod(real.shape[1:])) * 16, 1)))
    model, ready, at = proto, _batch_of(proto), 0
    while at < len(real):
        part = real[at : at + size]
        try:
            if len(part) != ready and ready is not None:
                model, ready = _batch(proto, len(part)), len(part)
            found = _run(executor, model, file, part, asked)
        except Exception as e:  # qonnx, onnx and onnxruntime each raise their own kinds where a batch does not fit
            if len(part) == 1:
                raise ModelError(
                    Finding("graph", "nodes", f"the file was not executed ({type(e).__name__}: {' '.join(str(e).split())})",
                            "execute it with its own tools first, and correct what they say")
                ) from e  # fmt: skip
            logging.getLogger(__name__).debug("one image at a time: %s", e)
            size, model, ready = 1, proto, _batch_of(proto)
            continue
        at += len(part)
        yield found


def joined(parts: Iterator[dict[str, Array]]) -> dict[str, Array]:
    """Tensors of all parts one behind the other."""
    every = list(parts)
    shared = [name for name in every[0] if all(name in part for part in every)]
    return {name: np.concatenate([part[name] for part in every]) for name in shared}


def save_whole(path: Path | str, out: Path | str) -> None:
    """A copy of a file with the weights that lie beside it inside; byte for byte where none do. Never half-written."""
    source = Path(path)
    proto, part = parse(source), Path(out).with_name(Path(out).name + ".part")
    if any(t.data_location == onnx.TensorProto.EXTERNAL for t in proto.graph.initializer):
        file = load(source)
        if file.findings:
            raise ModelError(*file.findings)
        part.write_bytes(_whole(source, file).SerializeToString(deterministic=True))
    else:
        part.write_bytes(source.read_bytes())
    part.replace(out)


def _whole(path: Path, file: File) -> onnx.ModelProto:
    """The model with every constant inside."""
    proto = parse(path)
    for tensor in proto.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.array(file.constants[tensor.name]), tensor.name))
    return proto


def _run(executor: Executor, model: onnx.ModelProto, file: File, real: Array, asked: Asked) -> dict[str, Array]:
    """The outputs of a model for a batch, and the tensors asked for."""
    names, n, out = (*file.outputs, *asked.wanted, *asked.more), len(real), {}
    context = executor.run(model, {file.input: real}, names)
    for name in names:
        y, axis = np.asarray(context[name]), asked.axes.get(name, 0)
        y = np.moveaxis(y, axis, 0) if axis < y.ndim else y
        if n == 1 or y.shape[:1] == (n,):
            out[name] = y.reshape(n, *(y.shape[1:] if y.shape[:1] == (n,) and y.ndim > 1 else (-1,)))
        elif name not in asked.more:
            raise ValueError(f"{name} has shape {y.shape} for {n} images")
    return out


def _batch_of(proto: onnx.ModelProto) -> int | None:
    """The number of images that a file is written for; None where it takes any."""
    made = {t.name for t in proto.graph.initializer}
    first = next(value for value in proto.graph.input if value.name not in made)
    dim = first.type.tensor_type.shape.dim[0]
    return dim.dim_value if dim.HasField("dim_value") else None


def _batch(proto: onnx.ModelProto, n: int) -> onnx.ModelProto:
    """A copy for batches of `n`: the sizes of reshapes and resizes that repeat the file's own batch of one.

    ValueError where nodes compute such sizes: what they mean for several images is not known.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    graph, at = copy.graph, {"Reshape": 1, "Resize": 3}
    given = (node.input[at[node.op_type] :][:1] for node in graph.node if node.op_type in at)
    sizes = {name for names in given for name in names if name}
    known = {t.name: t for t in graph.initializer if t.name in sizes}
    if n > 1 and sizes - set(known):
        raise ValueError(f"nodes compute the sizes {', '.join(sorted(sizes - set(known)))}")
    for name, tensor in known.items():
        value = onnx.numpy_helper.to_array(tensor).copy()
        if value.size > 1 and value.dtype == np.int64 and value.flat[0] == 1:
            value.flat[0] = n
            tensor.CopyFrom(onnx.numpy_helper.from_array(value, name))
    return copy
