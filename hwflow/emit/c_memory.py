"""How much working memory the C engine of a network needs, by the path that runs it.

Stands on c_program. `c.py` writes these numbers into net.h; `engine/run.c` says what each of them holds.
"""

from __future__ import annotations

from hwflow.emit.c_program import Program
from hwflow.ops import Conv, Dense, MaxPool, SumPool


def plain_scratch(program: Program) -> int:
    """Bytes of working memory of a plain build that works on one pixel at a time."""
    return -(-program.scratch // 64) * 64 + 4 * line_channels(program) + 3 * row_bytes(program) + 4 * 64


def line_channels(program: Program) -> int:
    """Channels of the longest line, in whole vectors of 16."""
    return max((-(-step.shape[2] // 16) * 16 for step in program.steps if step.stages), default=16)


def row_bytes(program: Program) -> int:
    """Bytes of the longest gathered row, in whole cache lines."""
    rows = [64]
    for step in program.steps:
        if step.routine == "gemm":
            win, depth = window(step.op), program.tensors[step.reads[0]].shape[2] // getattr(step.op, "groups", 1)
            taps, row = win[0] * win[1], step.options["row"]
            rows.append(taps * (-(-depth // 8) if row == "BIT" else depth * (2 if row == "I16" else 4)))
        if step.routine == "recurrent":  # the states, and the next ones
            rows.append(8 * step.shape[2])
    return -(-max(rows) // 64) * 64


def spread_bytes(program: Program) -> int:
    """Bytes of the largest image with its border as a vector path wants it, and one pixel of border more.

    Packed bits take one byte for four channels, other data a byte or two for each.
    """
    images = [0]
    for step in program.steps:
        if step.routine == "gemm" and step.options["row"] != "I32":
            kh, kw, sh, sw, dh, dw = window(step.op)[:6]
            rows, cols = (step.shape[0] - 1) * sh + (kh - 1) * dh + 1, (step.shape[1] - 1) * sw + (kw - 1) * dw + 1
            channels = program.tensors[step.reads[0]].shape[2]
            if step.options["row"] == "BIT":  # columns of a stride lie apart
                images.append((rows * -(-cols // sw) * sw + 1) * 2 * -(-channels // 8) + 64)
            else:
                images.append((rows * cols + 1) * 2 * channels + 64)
    return -(-max(images) // 64) * 64


def window(op: object) -> tuple[int, ...]:
    """Kernel, stride, dilation, and what lies above and left: the fields of hw_window."""
    if isinstance(op, Dense):
        return (1, 1, 1, 1, 1, 1, 0, 0)
    assert isinstance(op, (Conv, MaxPool, SumPool))
    dilation = (1, 1) if isinstance(op, SumPool) else op.dilation
    return (*op.kernel, *op.stride, *dilation, *op.pads[:2])
