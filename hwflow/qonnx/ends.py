"""The ends of a file: which outputs it has, what they mean, and the graph that the calls in front of them became.

Stands on real and views; `Reader.read` calls `finish` behind the last call.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hwflow.answers import Answer, Answers
from hwflow.errors import Finding, RecipeError
from hwflow.ops import Port
from hwflow.passes import needed
from hwflow.qonnx.operators import Refused
from hwflow.qonnx.values import Const, Ref, raster_order
from hwflow.qonnx.views import ended
from hwflow.real import INPUT, Concat, Graph, Pointwise, RealOp, Reshape, TopK
from hwflow.real.graph import together
from hwflow.real.spread import spread

if TYPE_CHECKING:
    from hwflow.qonnx.reader import Reader


def finish(reader: Reader) -> Graph | None:
    """The graph of everything that was read, or None with the reader's `findings`."""
    leave_constants(reader)
    ends = [end for name in reader.file.outputs if (end := end_of(reader, name)) is not None]
    if reader.findings or len(ends) < len(reader.file.outputs):
        return None
    takes = reader.takes
    for key, given in (("mean", takes.mean), ("std", takes.std)):
        if len(given) not in (0, 1, reader.input_shape[-1]):
            raise RecipeError(f"{key} has {len(given)} numbers, the input {reader.input_shape[-1]} channels")
    last, answer = join_ends(reader, ends)
    port = Port(reader.input_shape, takes.ints)
    nodes, notes = nodes_of(reader, last), tuple(reader.notes)
    return spread(Graph(reader.file.name, port, nodes, takes.denominator, notes, answer, takes.mean, takes.std))


def leave_constants(reader: Reader) -> None:
    """Leave out the outputs that are constants beside others: the scale and bit width of a quantised tensor, say."""
    outputs = reader.file.outputs
    still = [name for name in outputs if isinstance(reader.values.get(name), Const)]
    if 0 < len(still) < len(outputs):
        reader.notes.append(f"outputs {', '.join(still)} are constants, which the host knows; they are left out")
        reader.file = replace(reader.file, outputs=tuple(o for o in outputs if o not in still))


def end_of(reader: Reader, name: str) -> tuple[str, Ref] | None:
    """An output of the file and its value, in order; None with a finding where there is no such thing."""
    out = reader.values.get(name)
    if out is None or isinstance(out, Const):
        reason = f"nothing produces {name!r}" if out is None else "is a constant that does not depend on the input"
        reader.findings.append(Finding("graph", "output", reason, "export the network again"))
    if reader.findings or not isinstance(out, Ref):
        return None
    out = reader.settled(out)
    if out.view is not None:
        try:
            out = ended(reader, reader.maker(name) or reader.file.calls[-1], out)
        except Refused as r:
            reader.findings.append(Finding("graph", "output", r.reason, r.remedy))
            return None
    if "N" not in out.dims[0]:
        reason = f"{name!r} has the batch at axis {next(i for i, d in enumerate(out.dims) if 'N' in d)}"
        reader.findings.append(Finding("graph", "output", reason, "keep the batch first"))
        return None
    if out.view is None and len(out.shape) == 3 and not out.laid("NHWC") and sum(n > 1 for n in out.shape) > 1:
        reader.notes.append("the answer is an image; it is given in (height, width, channel) order")
    return name, replace(out, name=source_of(reader, out.name))


def source_of(reader: Reader, name: str) -> str:
    """The values side by side that an answer is another shape of: each keeps its own scale there."""
    source = name
    while isinstance(node := reader.nodes.get(source), Reshape):
        source = node.inputs[0]
    return source if isinstance(reader.nodes.get(source), Concat) else name


def join_ends(reader: Reader, ends: list[tuple[str, Ref]]) -> tuple[str, Answer | Answers]:
    """The last node and what its value means; several outputs are joined by one more node."""
    if len(ends) == 1:
        return ends[0][1].name, answer_of(reader, *ends[0])
    found = [(name, ref.name, answer_of(reader, name, ref)) for name, ref in ends]
    node, answer = together(reader.nodes, reader.shapes, found, reader.fresh("outputs"))
    reader.add(node)
    return node.name, answer


def answer_of(reader: Reader, name: str, out: Ref) -> Answer:
    """The head that is left to the host, and how the file gives the answer: its shape, and where each element is."""
    _, head, channels = reader.head_of(name) or ("", "", 0)
    if isinstance(reader.nodes.get(out.name), TopK):
        head, channels = "", 0
    elif not head and out.view is None and len(out.shape) == 3 and out.shape[:2] != (1, 1):
        channels = out.shape[-1]  # each pixel has scores of its own; a head says what it is over
    if out.order is not None:
        places = out.order
    else:
        places = raster_order(out) if out.view is None else np.argsort(out.view, None)
    shape = tuple(n for n, d in zip(out.axes, out.dims, strict=True) if "N" not in d)
    plain = bool((places == np.arange(len(places))).all())
    return Answer(head=head, channels=channels, shape=shape, places=places[:0] if plain else places)


def nodes_of(reader: Reader, last: str) -> tuple[RealOp, ...]:
    """The nodes the answer depends on, in order."""
    if last == INPUT:
        reader.nodes["identity"] = Pointwise(name="identity", inputs=(INPUT,), steps=())
        last = "identity"
    return needed(reader.nodes.values(), last)
