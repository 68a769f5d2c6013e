"""Quantizers of a file as steps: QONNX Quant, BipolarQuant and Trunc, FINN thresholds, ONNX quantise and dequantise.

Stands on elementwise. Each takes the order of float32 operations that the reference execution takes.
"""

from __future__ import annotations

import numpy as np

from hwflow.bits import Array
from hwflow.qonnx.elementwise import along, chain, shown, step
from hwflow.qonnx.model import Call
from hwflow.qonnx.reader import Handler, Reader, Refused
from hwflow.qonnx.values import Const, Ref, Value
from hwflow.real import Step
from hwflow.real.steps import STEPS, limits, quantizer

MOST_BITS = 8
ROUNDING = {
    "ROUND": "round", "HALF_EVEN": "round", "CEIL": "ceil", "FLOOR": "floor", "UP": "away", "DOWN": "fix",
    "HALF_UP": "half_away", "HALF_DOWN": "half_to_zero",
}  # fmt: skip


def _scale(reader: Reader, call: Call, i: int) -> Array:
    scale = reader.const(call, i).value.astype(np.float32)
    if (scale <= 0).any():
        raise Refused(
            "scale",
            f"a quantizer's scale must be positive, not {scale.min():g}",
            "retrain or export with positive scales",
        )
    return scale


def quant(reader: Reader, call: Call) -> Value:
    """QONNX Quant and IntQuant."""
    scale, zero = _scale(reader, call, 1), reader.const(call, 2).value.astype(np.float32)
    bits = reader.number(call, 3)
    signed, narrow = bool(call.attrs.get("signed", 1)), bool(call.attrs.get("narrow", 0))
    mode = str(call.attrs.get("rounding_mode", "ROUND")).upper()
    if mode not in ROUNDING:
        reader.unsupported(call, "rounding_mode", mode, f"use one of {', '.join(ROUNDING)}")
    value = reader.value(call, 0)
    most = 32 if isinstance(value, Const) else MOST_BITS
    _check_bits(bits, most)
    if isinstance(value, Const):
        return _constant_quant(reader.const(call, 0).value, scale, zero, bits, signed, narrow, ROUNDING[mode])
    ref = reader.ref(call, 0)
    if (zero != np.rint(zero)).any():
        raise Refused(
            "zero_point", f"a zero point of {zero.flat[0]:g} is not an integer", "export with integer zero points"
        )
    return chain(
        reader,
        call,
        ref,
        *((s.op, s.value) for s in _shaped_quantizer(scale, zero, bits, signed, narrow, ROUNDING[mode])),
    )


def _check_bits(bits: float, most: int) -> None:
    if bits != int(bits):
        raise Refused("bit_width", f"a width of {bits:g} bits is not an integer", "export with whole bit widths")
    if not 1 <= bits <= most:
        raise Refused(
            "bit_width",
            f"{bits:g} bits; activations and weights have 1 to {MOST_BITS}",
            f"retrain with at most {MOST_BITS} bits",
        )


class _Shaped:
    """A step whose constant keeps the shape the file gave it."""

    def __init__(self, op: str, value: Array):
        self.op, self.value = op, value


def _shaped_quantizer(
    scale: Array, zero: Array, bits: float, signed: bool, narrow: bool, rounding: str
) -> list[_Shaped]:
    """The steps of a quantizer with scale and zero point in the file's own shapes."""
    one = np.ones(1, np.float32)
    by_role = {"div": scale, "mul": scale, "add": zero, "sub": zero}
    plain = quantizer(one * 2, one, bits, signed, narrow, rounding)
    return [_Shaped(s.op, np.asarray(by_role.get(s.op, s.value))) for s in plain]


def _constant_quant(
    x: Array, scale: Array, zero: Array, bits: float, signed: bool, narrow: bool, rounding: str
) -> Const:
    """A constant through a quantizer: values, and the integers they are made of."""
    y = x.astype(np.float32)
    for one in _shaped_quantizer(scale, zero, bits, signed, narrow, rounding)[:-1]:
        y = STEPS[one.op](y, one.value)
    return Const((y * scale).astype(np.float32), y if (y == np.rint(y)).all() else None, scale)


def bipolar_quant(reader: Reader, call: Call) -> Value:
    """QONNX BipolarQuant: plus or minus a scale, plus at zero."""
    scale = _scale(reader, call, 1)
    if isinstance(reader.value(call, 0), Const):
        x = reader.const(call, 0).value
        ints = STEPS["sign"](x, scale)
        return Const((ints * scale).astype(np.float32), ints, scale)
    return chain(reader, call, reader.ref(call, 0), ("sign", 0), ("mul", scale))


def trunc(reader: Reader, call: Call) -> Value:
    """QONNX Trunc, both versions: round to the input's integers, divide by a power of two, round down."""
    ref, scale, zero = reader.ref(call, 0), _scale(reader, call, 1), reader.const(call, 2).value.astype(np.float32)
    bits_in = reader.number(call, 3)
    mode = str(call.attrs.get("rounding_mode", "FLOOR")).upper()
    if mode not in ROUNDING:
        reader.unsupported(call, "rounding_mode", mode, f"use one of {', '.join(ROUNDING)}")
    start: list[tuple[str, Array | float]] = [("div", scale), ("add", zero), ("round", 0)]
    if len(call.inputs) == 5:
        by = 2.0 ** (bits_in - reader.number(call, 4))
        return chain(reader, call, ref, *start, ("div", by), (ROUNDING[mode], 0), ("sub", zero), ("mul", scale))
    out_scale, bits = _scale(reader, call, 4), reader.number(call, 5)
    _check_bits(bits, MOST_BITS)
    by_array = np.float32(2) ** np.rint(np.log2(out_scale / scale))
    lo, hi = limits(bits, bool(call.attrs.get("signed", 1)), bool(call.attrs.get("narrow", 0)))
    return chain(
        reader, call, ref, *start, ("div", by_array), ("min", hi), ("max", lo), (ROUNDING[mode], 0),
        ("sub", zero / by_array), ("mul", out_scale),
    )  # fmt: skip


def multi_threshold(reader: Reader, call: Call) -> Value:
    """FINN MultiThreshold: how many thresholds a value reaches, times a scale, plus a bias."""
    ref = reader.ref(call, 0)
    value = reader.value(call, 1)
    if not isinstance(value, Const) or value.value.ndim != 2:
        raise Refused("thresholds", "must be a constant of shape (channels, steps)", "export the network again")
    table = value.value.astype(np.float32)
    if np.isnan(table).any():
        raise Refused("thresholds", "hold NaN", "export the network again")
    if not 1 <= table.shape[1] <= 255:
        raise Refused("thresholds", f"{table.shape[1]} steps; 1 to 255 are supported", "retrain with at most 8 bits")
    layout = call.attrs.get("data_layout") or {2: "NC", 3: "NWC", 4: "NCHW"}.get(len(ref.dims), "NC")
    axis = layout.index("C") if "C" in layout else 1
    if len(table) == 1:
        ref, count = ref, Step("count", table)
    else:
        # the thresholds of a channel travel as its number, so that they follow any layout
        ref, which = step(reader, call, ref, "add", along(np.arange(1, len(table) + 1), axis, ref))
        if len(which.value) == 1:
            raise Refused(
                "thresholds", f"has {len(table)} rows, which fit no axis of {shown(ref)}", "export the network again"
            )
        count = Step("count", table[which.value.astype(np.int64) - 1])
    scale, bias = np.float32(call.attrs.get("out_scale", 1.0)), np.float32(call.attrs.get("out_bias", 0.0))
    if not scale > 0:
        raise Refused("out_scale", f"must be positive, not {scale:g}", "export with a positive scale")
    return reader.pointwise(call, ref, count, Step("mul", scale.reshape(1)), Step("add", bias.reshape(1)))


LEVELS = {"uint8": (0, 255), "int8": (-128, 127), "uint4": (0, 15), "int4": (-8, 7), "uint2": (0, 3), "int2": (-2, 1)}


def _linear(reader: Reader, call: Call) -> tuple[Array, Array, str]:
    """Scale and zero point of QuantizeLinear or DequantizeLinear in the shape of the tensor, and the integer type."""
    x = reader.value(call, 0)
    rank = len(x.dims) if isinstance(x, Ref) else x.value.ndim if isinstance(x, Const) else 0
    scale = _scale(reader, call, 1)
    zero = reader.const(call, 2).value if reader.has(call, 2) else np.zeros((), np.uint8)
    if call.attrs.get("block_size"):
        reader.unsupported(call, "block_size", call.attrs["block_size"], "use one scale, or one for each channel")
    axis = int(call.attrs.get("axis", 1))

    def laid(v: Array) -> Array:
        v = v.astype(np.float32)
        return (
            v.reshape(()) if v.size == 1 else v.reshape((1,) * (axis % rank) + (-1,) + (1,) * (rank - axis % rank - 1))
        )

    return laid(scale), laid(zero), zero.dtype.name


def quantize_linear(reader: Reader, call: Call) -> Value:
    """ONNX QuantizeLinear; its value is the integer."""
    scale, zero, kind = _linear(reader, call)
    if kind not in LEVELS:
        reader.unsupported(call, "zero_point", kind, "use 8 bits or fewer")
    lo, hi = LEVELS[kind]
    if isinstance(reader.value(call, 0), Const):
        y = np.clip(np.rint(reader.const(call, 0).value / scale) + zero, lo, hi).astype(np.float32)
        return Const(y, y, np.ones((), np.float32))
    ref = reader.ref(call, 0)
    return chain(reader, call, ref, ("div", scale), ("round", 0), ("add", zero), ("min", hi), ("max", lo))


def dequantize_linear(reader: Reader, call: Call) -> Value:
    """ONNX DequantizeLinear: (integer - zero point) * scale."""
    scale, zero, _ = _linear(reader, call)
    if isinstance(reader.value(call, 0), Const):
        ints = reader.const(call, 0).value.astype(np.float32) - zero
        return Const((ints * scale).astype(np.float32), ints, scale)
    return chain(reader, call, reader.ref(call, 0), ("sub", zero), ("mul", scale))


HANDLERS: dict[tuple[str, str], Handler] = {
    ("quant", "Quant"): quant, ("quant", "IntQuant"): quant, ("quant", "BipolarQuant"): bipolar_quant,
    ("quant", "Trunc"): trunc, ("quant", "MultiThreshold"): multi_threshold,
    ("", "QuantizeLinear"): quantize_linear, ("", "DequantizeLinear"): dequantize_linear,
}  # fmt: skip
