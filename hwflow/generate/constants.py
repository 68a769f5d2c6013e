"""Constants that a file computes from other constants: each expression gives the same values, exactly.

Stands on numpy and onnx; `d` is the file in the making.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from hwflow.bits import Array

if TYPE_CHECKING:
    from hwflow.generate.drawing import Drawing

Disguise = Callable[["Drawing", Array], "str | None"]


def disguised(d: Drawing, v: Array) -> str:
    """The tensor of an expression whose value is `v` to the last bit."""
    options = FLOAT if v.dtype == np.float32 else ANY if v.dtype in (np.int64, np.int32) else (plain,)
    for _ in range(8):
        name = d.pick(options)(d, v)
        if name is not None:
            return name
    return plain(d, v)


def plain(d: Drawing, v: Any) -> str:
    return d.b.const(v, v.dtype)


def axes(d: Drawing, values: list[int], *, since: int = 13) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Axes as the opset has them: an attribute before `since`, an input from then on."""
    return ({"axes": values}, ()) if d.opset < since else ({}, (plain(d, np.array(values, np.int64)),))


def identity(d: Drawing, v: Array) -> str:
    return d.node("Identity", plain(d, v))


def double_cast(d: Drawing, v: Array) -> str:
    back = {np.dtype(np.float32): 1, np.dtype(np.int64): 7, np.dtype(np.int32): 6}[v.dtype]
    return d.node("Cast", d.node("Cast", plain(d, v), to=11), to=back)


def negated_twice(d: Drawing, v: Array) -> str:
    return d.node("Neg", d.node("Neg", plain(d, v)))


def transposed(d: Drawing, v: Array) -> str | None:
    if v.ndim == 0:
        return None
    perm = [int(p) for p in d.rng.permutation(v.ndim)]
    back = [perm.index(i) for i in range(v.ndim)]
    return d.node("Transpose", plain(d, np.transpose(v, perm)), perm=back)


def reshaped(d: Drawing, v: Array) -> str:
    sizes = list(v.shape)
    if sizes and d.chance(50) and v.size:
        sizes[d.choose(0, len(sizes) - 1)] = -1
    return d.node("Reshape", plain(d, v.reshape(-1)), plain(d, np.array(sizes, np.int64)))


def flattened(d: Drawing, v: Array) -> str | None:
    if v.ndim != 2 or v.size == 0:
        return None
    return d.node("Flatten", plain(d, v.reshape(v.shape[0], 1, v.shape[1])), axis=1)


def unsqueezed(d: Drawing, v: Array) -> str:
    at = d.choose(0, v.ndim)
    attrs, more = axes(d, [at])
    return d.node("Squeeze", plain(d, np.expand_dims(v, at)), *more, **attrs)


def squeezed(d: Drawing, v: Array) -> str | None:
    ones = [i for i, s in enumerate(v.shape) if s == 1]
    if not ones:
        return None
    at = d.pick(ones)
    attrs, more = axes(d, [at])
    return d.node("Unsqueeze", plain(d, np.squeeze(v, at)), *more, **attrs)


def joined(d: Drawing, v: Array) -> str | None:
    if v.ndim == 0 or v.shape[0] < 2:
        return None
    cut = d.choose(1, v.shape[0] - 1)
    return d.node("Concat", plain(d, v[:cut]), plain(d, v[cut:]), axis=0)


def gathered(d: Drawing, v: Array) -> str | None:
    if v.ndim == 0 or v.shape[0] < 1:
        return None
    order = d.rng.permutation(v.shape[0])
    return d.node("Gather", plain(d, v[order]), plain(d, np.argsort(order)), axis=0)


def sliced(d: Drawing, v: Array) -> str | None:
    if v.ndim == 0 or v.size == 0:
        return None
    axis = d.choose(0, v.ndim - 1)
    wide = np.concatenate([np.take(v, [0], axis), v, np.take(v, [-1], axis)], axis)
    start, end = [1], [v.shape[axis] + 1]
    if d.opset < 10:
        return d.node("Slice", plain(d, wide), starts=start, ends=end, axes=[axis])
    return d.node("Slice", plain(d, wide), *(plain(d, np.array(a, np.int64)) for a in (start, end, [axis])))


def expanded(d: Drawing, v: Array) -> str | None:
    if v.ndim == 0 or v.size == 0 or not (v == v.flat[0]).all():
        return None
    return d.node("Expand", plain(d, v.reshape(-1)[:1]), plain(d, np.array(v.shape, np.int64)))


def filled(d: Drawing, v: Array) -> str | None:
    import onnx

    if v.ndim == 0 or v.size == 0 or not (v == v.flat[0]).all():
        return None
    shape = plain(d, np.array(v.shape, np.int64))
    return d.node("ConstantOfShape", shape, value=onnx.numpy_helper.from_array(v.reshape(-1)[:1].copy()))


def measured(d: Drawing, v: Array) -> str | None:
    """Integers as the shape of a tensor."""
    if v.dtype != np.int64 or v.ndim != 1 or v.size == 0 or v.min() < 1 or np.prod(v, dtype=np.float64) > 4096:
        return None
    return d.node("Shape", plain(d, np.zeros(v, np.float32)))


def with_one(d: Drawing, v: Array) -> str:
    op = d.pick(("Mul", "Div"))
    return d.node(op, plain(d, v), plain(d, np.ones((), v.dtype)))


def with_zero(d: Drawing, v: Array) -> str:
    op = d.pick(("Add", "Sub", "Sum") if v.dtype == np.float32 else ("Add", "Sub"))
    return d.node(op, plain(d, v), plain(d, np.zeros((), v.dtype)))


def largest(d: Drawing, v: Array) -> str:
    op, by = d.pick((("Max", -1), ("Min", 1)))
    return d.node(op, plain(d, v), plain(d, v + np.asarray(by, v.dtype)))


def power(d: Drawing, v: Array) -> str:
    return d.node("Pow", plain(d, v), plain(d, np.ones((), np.float32)))


def root(d: Drawing, v: Array) -> str | None:
    with np.errstate(all="ignore"):
        square = v * v
        if (v < 0).any() or not np.isfinite(square).all() or (np.sqrt(square) != v).any():
            return None
        if (square.astype(np.float64) != v.astype(np.float64) ** 2).any():
            return None
    return d.node("Sqrt", plain(d, square))


def reciprocal(d: Drawing, v: Array) -> str | None:
    mantissa, _ = np.frexp(v)
    with np.errstate(all="ignore"):
        if not (np.abs(mantissa) == 0.5).all() or not np.isfinite(1 / v).all() or (np.abs(v) < 2.0**-100).any():
            return None
    return d.node("Reciprocal", plain(d, 1 / v))


def not_negative(d: Drawing, v: Array) -> str | None:
    if (v < 0).any():
        return None
    return d.node("Relu", plain(d, v)) if d.chance(50) else d.node("Abs", plain(d, -v))


def clipped(d: Drawing, v: Array) -> str:
    if d.opset < 11:
        return d.node("Clip", plain(d, v), min=-1e30, max=1e30)
    return d.node("Clip", plain(d, v), plain(d, np.float32(-1e30)), plain(d, np.float32(1e30)))


def rounded(d: Drawing, v: Array) -> str | None:
    if (v != np.rint(v)).any():
        return None
    ops = ("Floor", "Ceil", "Round") if d.opset >= 11 else ("Floor", "Ceil")
    return d.node(d.pick(ops), plain(d, v))


def dequantized(d: Drawing, v: Array) -> str | None:
    if (v != np.rint(v)).any() or np.abs(v).max(initial=0) > 127 or d.opset < 10:
        return None
    return d.node("DequantizeLinear", plain(d, v.astype(np.int8)), plain(d, np.float32(1)), plain(d, np.int8(0)))


def quantized(d: Drawing, v: Array) -> str | None:
    """Small integers through a pair of ONNX quantizers."""
    if (v != np.rint(v)).any() or np.abs(v).max(initial=0) > 127 or d.opset < 10:
        return None
    by = (plain(d, np.float32(1)), plain(d, np.int8(0)))
    return d.node("DequantizeLinear", d.node("QuantizeLinear", plain(d, v), *by), *by)


def signs(d: Drawing, v: Array) -> str | None:
    if not np.isin(v, (-1, 0, 1)).all():
        return None
    return d.node("Sign", plain(d, v * np.float32(0.25)))


def exponential(d: Drawing, v: Array) -> str | None:
    if (v == 1).all():
        return d.node("Exp", plain(d, np.zeros_like(v)))
    return d.node("Log", plain(d, np.ones_like(v))) if (v == 0).all() else None


def compared(d: Drawing, v: Array) -> str | None:
    if not np.isin(v, (0, 1)).all() or d.opset < 11:
        return None
    return d.node("Cast", d.node("Equal", plain(d, v), plain(d, np.ones((), np.float32))), to=1)


def dropped(d: Drawing, v: Array) -> str:
    return d.node("Dropout", plain(d, v))


def padded(d: Drawing, v: Array) -> str | None:
    """The middle of a tensor whose border is zero."""
    if v.ndim != 1 or len(v) < 3 or v[0] != 0 or v[-1] != 0:
        return None
    if d.opset < 11:
        return d.node("Pad", plain(d, v[1:-1]), pads=[1, 1])
    return d.node("Pad", plain(d, v[1:-1]), plain(d, np.array([1, 1], np.int64)))


def multiplied(d: Drawing, v: Array) -> str | None:
    if v.ndim != 2 or v.size == 0 or max(v.shape) > 16:
        return None
    return d.node("MatMul", plain(d, v), plain(d, np.eye(v.shape[1], dtype=np.float32)))


ANY: tuple[Disguise, ...] = (
    identity, double_cast, transposed, reshaped, unsqueezed, squeezed, joined, gathered, sliced, expanded, filled,
    measured, measured, with_one, with_zero,
)  # fmt: skip
FLOAT: tuple[Disguise, ...] = (
    *ANY, negated_twice, flattened, largest, power, root, reciprocal, not_negative, clipped, rounded, dequantized,
    quantized, signs, exponential, exponential, compared, dropped, padded, multiplied,
)  # fmt: skip
