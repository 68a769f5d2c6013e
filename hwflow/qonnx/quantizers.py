"""Quantizers of a file as steps: QONNX Quant, BipolarQuant and Trunc, FINN thresholds, ONNX quantise and dequantise.

Stands on elementwise. Each takes the order of float32 operations that the reference execution takes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwflow.bits import Array
from hwflow.qonnx.elementwise import along, chain, step
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import ANY, BYTES, Refused, operator
from hwflow.qonnx.reader import Reader
from hwflow.qonnx.values import Const, Value, shown
from hwflow.real import Step
from hwflow.real.steps import limits, quantizer

MOST_BITS = 16
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


QUANT = {"signed": (0, 1), "narrow": (0, 1), "rounding_mode": ANY}


@operator("Quant", "IntQuant", domain="quant", attributes=QUANT)
def quant(reader: Reader, call: Call) -> Value:
    """QONNX Quant and IntQuant."""
    scale, zero = _scale(reader, call, 1), reader.const(call, 2).value.astype(np.float32)
    bits = reader.number(call, 3)
    signed, narrow = bool(call.attrs.get("signed", 1)), bool(call.attrs.get("narrow", 0))
    mode = str(call.attrs.get("rounding_mode", "ROUND")).upper()
    if mode not in ROUNDING:
        reader.unsupported(call, "rounding_mode", mode, f"use one of {', '.join(ROUNDING)}")
    _check_bits(bits, MOST_BITS)
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


@operator("BipolarQuant", domain="quant")
def bipolar_quant(reader: Reader, call: Call) -> Value:
    """QONNX BipolarQuant: plus or minus a scale, plus at zero."""
    return chain(reader, call, reader.ref(call, 0), ("sign", 0), ("mul", _scale(reader, call, 1)))


@operator("Trunc", domain="quant", attributes=QUANT)
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


@operator(
    "MultiThreshold",
    domain="quant",
    attributes={
        "out_scale": ANY,
        "out_bias": ANY,
        "out_dtype": ANY,
        "data_layout": ("", "NC", "NCHW", "NHWC", "NCW", "NWC"),
    },
)
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


# of ONNX's integer types: their codes, least and largest integers
LEVELS = {
    "uint8": (0, 255), "int8": (-128, 127), "uint4": (0, 15), "int4": (-8, 7), "uint2": (0, 3), "int2": (-2, 1),
    "uint16": (0, (1 << 16) - 1), "int16": (-(1 << 15), (1 << 15) - 1),
}  # fmt: skip
INT32 = np.array([[-(2.0**31), 2.0**31]], np.float32)  # the least integer and the one behind the largest
CODES = {2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 21: "uint4", 22: "int4", 25: "uint2", 26: "int2"}


def _linear(reader: Reader, call: Call) -> tuple[Array, Array]:
    """Scale and zero point of QuantizeLinear or DequantizeLinear in the shape of the tensor."""
    rank = len(reader.ref(call, 0).dims)
    scale = _scale(reader, call, 1)
    zero = reader.const(call, 2).value if reader.has(call, 2) else np.zeros((), np.float32)
    axis = int(call.attrs.get("axis", 1))

    def laid(v: Array) -> Array:
        v = v.astype(np.float32)
        if v.size == 1:
            return v.reshape(())
        if v.ndim != 1 or not -rank <= axis < rank:
            raise Refused(
                "axis",
                f"{axis} with scales of shape {v.shape} for {rank} axes",
                "use one scale, or one for each channel",
            )
        return v.reshape((1,) * (axis % rank) + (-1,) + (1,) * (rank - axis % rank - 1))

    return laid(scale), laid(zero)


LINEAR = (10, 13, 19, 21, 23, 24, 25)


@operator(
    "QuantizeLinear",
    versions=LINEAR,
    attributes={"axis": ANY, "block_size": (0,), "output_dtype": (0, *CODES), "saturate": ANY, "precision": (0, 1)},
)
def quantize_linear(reader: Reader, call: Call) -> Value:
    """ONNX QuantizeLinear; its value is the integer. The type is the zero point's, else that of `output_dtype`, else uint8."""
    scale, zero = _linear(reader, call)
    named = CODES.get(int(call.attrs.get("output_dtype", 0)), "")
    kind = reader.const(call, 2).value.dtype.name if reader.has(call, 2) else named or "uint8"
    if named and named != kind:
        raise Refused("output_dtype", f"is {named}, the zero point is {kind}", "export with one type")
    if kind not in LEVELS:
        reader.unsupported(call, "zero_point", kind, "use 16 bits or fewer")
    lo, hi = LEVELS[kind]
    ref = reader.ref(call, 0)
    # onnxruntime and onnx go through 32 bits to integers of fewer than 8, and what does not fit becomes the least one
    narrow = [("cast", INT32)] if hi - lo < 255 else []
    out = chain(reader, call, ref, ("div", scale), ("round", 0), *narrow, ("add", zero), ("min", hi), ("max", lo))
    return replace(out, kind=kind)


@operator(
    "DequantizeLinear",
    versions=LINEAR,
    attributes={"axis": ANY, "block_size": (0,), "output_dtype": (0, 1)},
    types=(*BYTES, *LEVELS),
)
def dequantize_linear(reader: Reader, call: Call) -> Value:
    """ONNX DequantizeLinear: (integer - zero point) * scale."""
    scale, zero = _linear(reader, call)
    return replace(chain(reader, call, reader.ref(call, 0), ("sub", zero), ("mul", scale)), kind="float32")
