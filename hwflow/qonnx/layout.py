"""What the axes of a file's input mean: images, sequences or vectors, channels first or last.

Stands on model and values. The first reader of the input that knows channels or time decides.
"""

from __future__ import annotations

import numpy as np

from hwflow.errors import Finding, ModelError
from hwflow.net import MOST_ELEMENTS
from hwflow.qonnx.model import Call, File
from hwflow.qonnx.values import Ref, dims_of
from hwflow.real import INPUT

# what may stand in front of the first operator that knows channels
ELEMENTWISE = frozenset(
    [
        "Quant",
        "IntQuant",
        "BipolarQuant",
        "QuantizeLinear",
        "DequantizeLinear",
        "MultiThreshold",
        "Mul",
        "Div",
        "Add",
        "Sub",
        "Neg",
        "Identity",
        "Dropout",
        "Cast",
        "Clip",
        "Relu",
        "Round",
        "Floor",
    ]
)


def input_of(file: File) -> Ref:
    """The file's input as a value; a ModelError where it has no fixed size or none that is an image, a sequence or a vector."""
    dims = file.input_dims
    if len(dims) not in (2, 3, 4) or any(d is None or d < 1 for d in dims[1:]):
        shown = ", ".join("?" if d is None else str(d) for d in dims)
        remedy = "export with (batch, channels, height, width) or (batch, features), all but the batch fixed"
        raise ModelError(Finding("graph", "input", f"{file.input} has shape ({shown})", remedy))
    sizes = [int(d or 0) for d in dims]
    if int(np.prod(sizes[1:], dtype=np.float64)) > MOST_ELEMENTS:
        reason = f"{file.input} has shape {tuple(sizes)}, too large for a stream"
        raise ModelError(Finding("graph", "input", reason, "export with the real input size"))
    letters = {2: "NC", 3: "NCW", 4: "NCHW"}[len(dims)]
    if len(dims) > 2 and _channels_last(file, len(dims)):
        letters = {3: "NWC", 4: "NHWC"}[len(dims)]
    if len(dims) == 3:
        size = {"H": 1} | dict(zip(letters, sizes, strict=True))
    else:
        size = dict(zip(letters, sizes, strict=True))
    shape = (size["C"],) if len(dims) == 2 else (size["H"], size["W"], size["C"])
    return Ref(INPUT, shape, dims_of(letters), kind=file.input_type)


def _channels_last(file: File, rank: int) -> bool:
    """True where the file's input is (N, H, W, C) or (N, T, C): its first reader that knows channels says so."""
    here = {file.input}
    for call in file.calls:
        if not here & set(call.inputs):
            continue
        if call.domain == "qonnx.custom_op.channels_last" or call.attrs.get("data_layout") == "NHWC":
            return True
        if (time := _scanned_axis(file, call)) is not None:
            return time == 1
        # the batch behind time, as attention has it
        if call.op == "Transpose" and tuple(call.attrs.get("perm", ())) == (1, 0, 2):
            here |= set(call.outputs)
            continue
        if call.op == "Transpose":
            return list(call.attrs.get("perm", ())) == [0, *((3, 1, 2) if rank == 4 else (2, 1))]
        if call.op in ("MatMul", "Gemm"):
            return True
        if call.op in ELEMENTWISE:
            here |= set(call.outputs)
        elif call.op in ("Conv", "Flatten", "Reshape", "BatchNormalization", "MaxPool"):
            return False
    return False


def _scanned_axis(file: File, call: Call) -> int | None:
    """The axis of a call's three-axis input that a Scan steps over, at once or behind this transposition."""
    if call.op == "Scan":
        return int((call.attrs.get("scan_input_axes") or [0])[0]) % 3
    if call.op != "Transpose":
        return None
    behind = (c for c in file.calls if c.op == "Scan" and call.outputs[0] in c.inputs)
    axes = [_scanned_axis(file, c) for c in behind]
    perm = list(call.attrs.get("perm") or (2, 1, 0))
    return perm[axes[0]] if axes and axes[0] is not None and len(perm) == 3 else None
