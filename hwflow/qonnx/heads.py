"""What a network does last and the host does instead: Softmax, LogSoftmax, Sigmoid and Tanh keep the order of scores.

Stands on reader. The integers in front of a head are the answer; `Answer.real` applies the head again.
"""

from __future__ import annotations

from hwflow.qonnx.activations import squashed
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import ANY, Refused, operator
from hwflow.qonnx.reader import BEHIND_HEADS, Reader
from hwflow.qonnx.values import Ref, Value

HEADS = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid", "Tanh": "tanh"}
LABELS = ("ArgMax", "TopK")
MOVES = tuple(op for op in BEHIND_HEADS if op not in LABELS)


@operator("Softmax", "LogSoftmax", versions=(1, 11, 13), attributes={"axis": ANY})
def softmax(reader: Reader, call: Call) -> Value:
    """Softmax over the classes, at the end or in front of an ArgMax, whose choice it leaves alone."""
    ref = reader.ref(call, 0)
    # up to opset 12 an axis meant: this and all behind it together
    axis = int(call.attrs.get("axis", -1 if call.opset >= 13 else 1)) % len(ref.dims)
    over = (axis,) if call.opset >= 13 else tuple(range(axis, len(ref.dims)))
    letters = [a for i in over for a in ref.dims[i]]
    others = [ref.axes[i] for i in range(1, len(ref.dims)) if i not in over and ref.axes[i] > 1]
    if "N" in letters or (set(letters) - {"C"} and others):
        raise Refused("axis", f"{call.op} over axis {axis} of {ref.axes[1:]}", "put it over the classes")
    channels = ref.shape[-1] if others else 0
    return _strip(reader, call, ref, channels, (*MOVES, *LABELS))


@operator("Sigmoid", "Tanh", versions=(1, 6, 13))
def squash(reader: Reader, call: Call) -> Value:
    """Sigmoid and Tanh at the end, each score alone; in front of a quantizer they are activations."""
    ref = reader.ref(call, 0)
    if _later(reader, call, MOVES):
        return squashed(reader, call)
    return _strip(reader, call, ref, ref.shape[-1] if len(ref.shape) == 3 else 0, MOVES)


def _strip(reader: Reader, call: Call, ref: Ref, channels: int, behind: tuple[str, ...]) -> Ref:
    """The value in front of a head, which the reader notes down; refused where more than moves comes behind it."""
    if later := _later(reader, call, behind):
        raise Refused(
            "",
            f"{call.op} in the middle of the network, in front of {later.op}",
            "move it to the end, or replace it by ReLU and a quantizer",
        )
    reader.take_head(call, HEADS[call.op], channels)
    return ref


def _later(reader: Reader, call: Call, behind: tuple[str, ...]) -> Call | None:
    """The first call behind this one that is none of `behind`."""
    outs = {call.outputs[0]}
    for later in reader.file.calls:
        if outs & set(later.inputs):
            if later.op not in behind or later.domain not in ("", "ai.onnx"):
                return later
            outs |= set(later.outputs)
    return None
