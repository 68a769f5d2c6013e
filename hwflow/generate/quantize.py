"""Quantizers of random files: QONNX Quant, IntQuant, BipolarQuant and Trunc, FINN MultiThreshold, ONNX's pair.

Stands on drawing. Each leaves a tensor whose values lie on a grid.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.generate.drawing import Drawing, Grid, grid_of, plus, product

MODES = ("ROUND", "ROUND", "ROUND", "HALF_EVEN", "FLOOR", "CEIL", "HALF_UP", "HALF_DOWN", "UP", "DOWN")


def quantize(d: Drawing) -> None:
    """Any quantizer behind the last tensor."""
    d.pick((bipolar, bipolar, quant, quant, quant, thresholds, linear, trunc))(d)


def ready(d: Drawing, most_bits: int = 12) -> Grid:
    """The grid of the last tensor, which is quantized first where a sum of it could round or hwflow refuses it."""
    grid = d.at.grid
    if grid is None or (d.dyadic and not grid.exact) or grid.levels > 1 << most_bits:
        d.pick((bipolar, quant, quant))(d)
    assert d.at.grid is not None
    return d.at.grid


def scales(d: Drawing) -> tuple[str, Array]:
    """A scale for the whole tensor, or one for each channel, as a constant."""
    if d.chance(15):
        v = d.scale(d.at.size("C"))
        if d.wild or d.chance(20):
            return d.vector(v), v
        v = np.full(len(v), v[0])  # the same for all channels, in the shape of many
        return d.vector(v), v
    v = d.scale()
    return d.const(np.reshape(v, d.beside())), v


def on(scale: Array, most: float, dyadic: bool) -> Grid:
    return Grid(float(scale.min()), float(scale.max()) * most, dyadic)


def bipolar(d: Drawing) -> None:
    name, scale = scales(d)
    d.to(d.node("BipolarQuant", d.at.name, name, domain=d.general), on(scale, 1, d.dyadic))


def quant(d: Drawing) -> None:
    name, scale = scales(d)
    bits = d.choose(1, 8) if not d.wild or d.chance(95) else d.pick((9, 12, 16, 2.5, 0))
    signed = d.choose(0, 1)
    narrow = d.choose(0, 1) if bits > 1 and d.chance(30) else 0
    zero = 0.0
    if d.chance(10):
        zero = float(d.choose(-3, 3)) if not d.wild or d.chance(80) else 0.5
    mode = d.pick(MODES)
    mode = mode if d.chance(95) else mode.lower()
    attrs: dict[str, Any] = {"signed": signed, "narrow": narrow}
    if mode != "ROUND" or d.chance(70):
        attrs["rounding_mode"] = mode
    op = "IntQuant" if d.chance(15) else "Quant"
    domain = "qonnx.custom_op.general" if op == "IntQuant" else d.general
    ends = (
        d.const(np.reshape(np.float32(zero), d.beside())),
        d.const(np.reshape(np.float32(bits), d.pick(((), (), (1,))))),
    )
    grid = on(scale, 2.0 ** (bits - signed) + abs(zero), d.dyadic and zero == int(zero))
    d.to(d.node(op, d.at.name, name, *ends, domain=domain, **attrs), grid)


def thresholds(d: Drawing) -> None:
    at = d.at
    rows = d.pick((1, at.size("C")))
    table = np.sort(d.number((rows, d.choose(1, d.pick((1, 3, 7, 15))))), 1)
    if at.grid is not None and d.chance(40):  # exact ties with values of the tensor
        table = np.sort(np.rint(table / at.grid.step) * at.grid.step, 1).astype(np.float32)
    scale = float(d.scale()) if d.chance(50) else d.pick((1.0, 2.0))
    bias = d.pick((0.0, -scale, -1.0, float(d.number((), True))))
    layout: str | None = at.letters
    if at.letters.replace("1", "") != at.letters or "N" not in at.letters:
        return quant(d)
    if (at.letters in ("NC", "NCHW") and d.chance(40)) or layout == "NCW":
        layout = None if at.letters != "NCW" else "NCW"
    out = d.node(
        "MultiThreshold", at.name, d.const(table), domain=d.general, out_dtype=d.pick(("INT8", "UINT8", "FLOAT32")),
        out_scale=scale if scale != 1 or d.chance(50) else None, out_bias=bias if bias or d.chance(50) else None,
        data_layout=layout,
    )  # fmt: skip
    levels = table.shape[1]
    grid = Grid(scale, scale * levels, d.dyadic)
    d.to(out, plus(grid, grid_of(np.float32(bias))) if bias else grid)
    return None


KINDS: dict[str, tuple[int, int, int]] = {
    "uint8": (0, 255, 10),
    "int8": (-128, 127, 10),
    "uint4": (0, 15, 21),
    "int4": (-8, 7, 21),
}


def linear(d: Drawing) -> None:
    """ONNX QuantizeLinear and DequantizeLinear, clipped to fewer bits in between or behind."""
    import onnx

    if d.opset < 10:
        return quant(d)
    kind = d.pick([k for k, (_, _, since) in KINDS.items() if since <= d.opset])
    lo, hi, _ = KINDS[kind]
    at = d.at
    zero = d.pick((0, 0, 0, d.choose(max(lo, -5), min(hi, 5))))
    if d.opset >= 13 and d.chance(20):
        v = d.scale(at.size("C"))
        v = v if d.wild else np.full_like(v, v[0])
        zeros = np.full(len(v), zero)
        attrs: dict[str, Any] = {"axis": at.axis if d.chance(50) else at.axis - len(at.shape)}
    else:
        v, zeros, attrs = d.scale(), np.array(zero), {}
    if kind in ("uint4", "int4"):
        elem = onnx.TensorProto.UINT4 if kind == "uint4" else onnx.TensorProto.INT4
        made = onnx.helper.make_tensor(f"c{len(d.b.constants)}", elem, zeros.shape, [int(z) for z in zeros.reshape(-1)])
        d.b.constants.append(made)
        by: tuple[str, ...] = (d.const(v), made.name)
    else:
        by = (d.const(v), d.const(zeros, np.dtype(kind)))
        if kind == "uint8" and zero == 0 and d.chance(20):
            by = by[:1]
    more: dict[str, Any] = {}
    if d.wild and d.opset >= 19 and d.chance(10):
        more = {"saturate": 1}
    named = d.wild and d.opset >= 21 and d.chance(20)
    if named:
        more = {"output_dtype": getattr(onnx.TensorProto, kind.upper())}
    to = by[:1] if named and not zeros.any() and d.chance(50) else by  # the attribute alone says the type
    q = d.node("QuantizeLinear", at.name, *to, **attrs, **more)
    if d.wild and d.chance(10) and at.letters == "NCHW" and d.opset >= 12:
        q = d.node("Transpose", d.node("Transpose", q, perm=[0, 2, 3, 1]), perm=[0, 3, 1, 2])
    y = d.node("DequantizeLinear", q, *by, **attrs)
    grid = on(v, hi - lo + abs(zero), d.dyadic)
    d.to(y, grid)
    if d.chance(70):  # to fewer bits, as quantized exports of less than 8 bits do
        ends = sorted(int(e) for e in d.rng.integers(-8, 9, 2))
        step = np.float32(v.reshape(-1)[0])
        low, high = np.float32(min(ends[0], 0) * step), np.float32(max(ends[1], 1) * step)
        clip(d, low, high)
    return None


def clip(d: Drawing, low: Any, high: Any) -> None:
    """A Clip with either end, as the opset has it."""
    grid = d.at.grid
    if d.opset < 11:
        attrs: dict[str, Any] = {k: None if v is None else float(v) for k, v in (("min", low), ("max", high))}
        d.to(d.node("Clip", d.at.name, **attrs), grid)
    else:
        ends = ["" if v is None else d.const(np.float32(v)) for v in (low, high)]
        while ends and not ends[-1]:
            ends.pop()
        d.to(d.node("Clip", d.at.name, *ends), grid)
    if grid is None:
        return
    for end in (low, high):
        if end is not None and d.at.grid is not None:
            whole = float(end) / grid.step == int(float(end) / grid.step)
            grid = grid if whole else plus(grid, grid_of(np.float32(end)))
    if low is not None and high is not None:
        grid = Grid(grid.step, min(grid.most, max(abs(float(low)), abs(float(high)))), grid.dyadic)
    d.to(d.at.name, grid)


def trunc(d: Drawing) -> None:
    """QONNX Trunc, in the form of five inputs or of six, of integers the tensor has."""
    at = d.at
    if at.grid is None or not at.grid.dyadic or at.grid.levels > 1 << 16:
        return quant(d)
    step = np.float32(at.grid.step)
    bits_in = d.choose(2, 8)
    bits = d.choose(1, bits_in)
    zero = d.const(np.float32(0))
    mode = d.pick(("FLOOR", "FLOOR", "ROUND", "CEIL", "DOWN"))
    scale = d.const(step)
    width = d.const(np.float32(bits_in)), d.const(np.float32(bits))
    if d.trunc == 1:
        out = d.node("Trunc", at.name, scale, zero, *width, domain="qonnx.custom_op.general", rounding_mode=mode)
        d.to(out, at.grid)
    else:
        d.b.versions["qonnx.custom_op.general"] = 2
        by = 2.0 ** d.choose(0, 3)
        out = d.node(
            "Trunc", at.name, scale, zero, width[0], d.const(np.float32(step * by)), width[1],
            domain="qonnx.custom_op.general", rounding_mode=mode, signed=d.pick((0, 1, 1)), narrow=d.pick((0, 0, 1)),
        )  # fmt: skip
        d.to(out, Grid(float(step * by), float(step * by) * 2.0**bits, True))
    return None


# -- weights -----------------------------------------------------------------------------------------------------


def weights(d: Drawing, shape: tuple[int, ...], rows: int) -> tuple[str, Grid]:
    """Weights with their rows (outputs) along axis `rows`: floats, or behind a quantizer with a scale for all or for each."""
    count = shape[rows]
    each = tuple(count if i == rows else 1 for i in range(len(shape)))
    scale = d.scale(each if d.chance(40) else ())
    raw = d.rng.normal(0, 1, shape)
    if d.chance(15):
        raw = np.rint(raw * 4) / 4  # exact ties
    if d.chance(10):
        raw[tuple(0 if i == rows else slice(None) for i in range(len(shape)))] = 0
    kind = d.choose(0, 9)
    if kind <= 1:
        v = np.sign(raw) + (raw == 0) if kind == 0 else d.rng.integers(-3, 4, shape)
        v = np.asarray(v * scale, np.float32)
        return d.const(v), Grid(float(scale.min()), float(np.abs(v).max(initial=0)), d.dyadic)
    if kind == 2 and d.opset >= 13:
        bits = 127 if d.chance(30) else 7
        by = np.asarray(scale, np.float32).reshape(-1)
        v = np.clip(np.rint(raw * bits / 2), -bits, bits)
        ints, s = d.const(v, np.int8), d.const(by if by.size > 1 else by.reshape(()))
        zero = (d.const(np.zeros(by.shape if by.size > 1 else ()), np.int8),) if d.chance(60) else ()
        attrs: dict[str, Any] = {"axis": rows} if by.size > 1 else {}
        return d.node("DequantizeLinear", ints, s, *zero, **attrs), on(by, bits, d.dyadic)
    if kind <= 6:
        return d.node("BipolarQuant", d.const(raw), d.const(scale), domain=d.general), on(scale, 1, d.dyadic)
    bits = d.pick((1, 2, 2, 3, 4, 8))
    name = d.node(
        "Quant", d.const(raw * 2), d.const(scale), d.const(np.float32(0)), d.const(np.float32(bits)), domain=d.general,
        signed=1, narrow=int(bits > 1 and d.chance(50)), rounding_mode="ROUND",
    )  # fmt: skip
    return name, on(scale, 2.0 ** (bits - 1), d.dyadic)


def weighted(d: Drawing, grid: Grid, w: Grid, terms: int, bias: Array | None = None) -> Grid:
    """The grid behind a product with weights, noted as a float32 sum."""
    out = product(grid, w, terms)
    if bias is not None:
        out = plus(out, grid_of(bias))
    return d.summed(out)
