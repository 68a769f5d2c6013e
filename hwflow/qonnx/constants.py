"""Operators on constants, in numpy: what shape arithmetic and frozen weights of a file need.

Stands on values. Every one computes what ONNX defines, in the type ONNX defines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from hwflow.bits import Array
from hwflow.qonnx.model import MOST_BYTES, Call
from hwflow.qonnx.values import Const

if TYPE_CHECKING:
    from hwflow.qonnx.reader import Reader


def axes_of(reader: Reader, call: Call, default: Any = None) -> list[int] | None:
    """The axes of a call: an attribute in old opsets, an input in new ones."""
    if "axes" in call.attrs:
        return [int(a) for a in call.attrs["axes"]]
    if reader.has(call, 1):
        return [int(a) for a in reader.const(call, 1).value.reshape(-1)]
    return default


def unsqueeze(x: Array, axes: list[int]) -> Array:
    rank = x.ndim + len(axes)
    for a in sorted(a % rank for a in axes):
        x = np.expand_dims(x, a)
    return x


def squeeze(x: Array, axes: list[int] | None) -> Array:
    return np.squeeze(x, tuple(axes) if axes is not None else None)


def gather(x: Array, indices: Array, axis: int) -> Array:
    return np.take(x, indices.astype(np.int64), axis)


def slice_(reader: Reader, call: Call, x: Array) -> Array:
    """Slice of a constant."""
    starts: Any
    ends: Any
    axes: Any
    steps: Any
    if "starts" in call.attrs:
        starts, ends = call.attrs["starts"], call.attrs["ends"]
        axes, steps = call.attrs.get("axes"), None
    else:
        parts = [reader.const(call, i).value.reshape(-1) if reader.has(call, i) else None for i in range(1, 5)]
        starts, ends, axes, steps = parts
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    cut = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        stop = None if int(step) < 0 and int(end) < -x.shape[int(axis)] else int(end)
        cut[int(axis)] = slice(int(start), stop, int(step))
    return x[tuple(cut)]


def power(x: Array, y: Array) -> Array:
    """x ** y rounded once, which is what a good library gives."""
    return np.power(x.astype(np.float64), y.astype(np.float64)).astype(x.dtype)


def expand(x: Array, shape: Array) -> Array:
    wanted = np.broadcast_shapes(x.shape, tuple(int(s) for s in shape))
    if int(np.prod(wanted, dtype=np.float64)) * x.itemsize > MOST_BYTES:
        raise ValueError(f"expands to {wanted}")
    return np.broadcast_to(x, wanted)


def cast(x: Array, to: int) -> Array:
    kinds = {
        1: np.float32,
        2: np.uint8,
        3: np.int8,
        5: np.int16,
        6: np.int32,
        7: np.int64,
        9: np.bool_,
        10: np.float16,
        11: np.float64,
    }
    return x.astype(kinds[to])


UNARY: dict[str, Callable[[Array], Array]] = {
    "Neg": np.negative, "Sqrt": np.sqrt, "Abs": np.abs, "Round": np.rint, "Floor": np.floor, "Ceil": np.ceil,
    "Sign": np.sign, "Identity": lambda x: x, "Relu": lambda x: np.maximum(x, 0), "Exp": np.exp, "Log": np.log,
    "Reciprocal": lambda x: (1 / x).astype(x.dtype),
}  # fmt: skip
BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Pow": power, "Max": np.maximum, "Min": np.minimum,
    "Equal": np.equal,
    "Div": lambda a, b: (a // b if a.dtype.kind in "iu" else a / b).astype(a.dtype),
}  # fmt: skip


def unary(op: str, x: Const) -> Const:
    """A unary operator of a constant; minus keeps the integers of a quantizer."""
    with np.errstate(all="ignore"):
        y = np.asarray(UNARY[op](x.value), x.value.dtype)
    if op == "Neg" and x.ints is not None:
        return Const(y, -x.ints, x.scale)
    return Const(y, x.ints, x.scale) if op == "Identity" else Const(y)


def binary(op: str, a: Const, b: Const) -> Const:
    """A binary operator of constants; a scale on either side of quantized integers stays a scale."""
    with np.errstate(all="ignore"):
        y = np.asarray(BINARY[op](a.value, b.value))
    if op == "Mul" and a.scale is None and b.scale is not None:
        a, b = b, a
    if op in ("Mul", "Div") and a.scale is not None and a.ints is not None and np.asarray(b.value).all():
        with np.errstate(all="ignore"):
            scale = a.scale * b.value if op == "Mul" else a.scale / b.value
        if np.broadcast_shapes(a.ints.shape, scale.shape) == y.shape:
            return Const(y, np.broadcast_to(a.ints, y.shape), scale)
    return Const(y)


def moved(x: Const, change: Callable[[Array], Array]) -> Const:
    """A constant moved about (transposed, reshaped, ..), its integers and scales with it."""
    if x.ints is None or x.scale is None:
        return Const(change(x.value))
    scale = x.scale if x.scale.size == 1 else change(np.broadcast_to(x.scale, x.value.shape))
    scale = scale.reshape(()) if scale.size == 1 else scale
    return Const(change(x.value), change(np.broadcast_to(x.ints, x.value.shape)), scale)
