"""What QKeras' quantizers mean, in numpy: weights as integers times a scale, activations as chains of steps.

Stands on real. Float32 in QKeras' own order; its straight-through sums x + (q - x) stand for q.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwflow.bits import Array, sign
from hwflow.bridges.qkeras_file import Function
from hwflow.errors import Refusal
from hwflow.real import Step

F = np.float32
EPSILON = F(1e-7)  # tf.keras.backend.epsilon
POSITIONS = {
    "quantized_bits": ("bits", "integer", "symmetric", "keep_negative", "alpha"),
    "quantized_relu": ("bits", "integer", "use_sigmoid", "negative_slope"),
    "binary": ("use_01", "alpha"),
    "ternary": ("alpha", "threshold"),
    "stochastic_binary": ("alpha",),
    "stochastic_ternary": ("alpha", "threshold"),
    "quantized_tanh": ("bits", "use_stochastic_rounding", "symmetric", "use_real_tanh"),
    "quantized_po2": ("bits", "max_value"),
    "quantized_relu_po2": ("bits", "max_value", "negative_slope"),
}


def weights(call: Function | None, w: Array) -> tuple[Array, Array]:
    """Integers in the shape of `w`, and their scale, which broadcasts against them (last axis: output channels)."""
    w = np.asarray(w, F)
    if call is None:
        raise Refusal("its weights are not quantised", "give the layer a kernel_quantizer such as binary(alpha=1)")
    a = call.args
    match call.name:
        case "binary" | "stochastic_binary":
            if a.get("use_01"):
                raise Refusal("binary with use_01 makes weights of 0 and 1", "use binary(alpha=1): -1 and +1")
            ints = sign(w).astype(F)
            return ints, _scale(_weight_alpha(a), w, ints)
        case "ternary" | "stochastic_ternary":
            return _ternary(w, a)
        case "quantized_bits":
            return _fixed_point(w, a)
        case "quantized_po2":
            return as_integers(_power(w, a))
    raise Refusal(f"weights by {call.name} have no integers", "use binary, ternary, quantized_bits or quantized_po2")


def values(call: Function | None, v: Array) -> Array:
    """The float32 values a quantizer makes of an array of parameters (a bias, a norm's constants)."""
    v = np.asarray(v, F)
    if call is None:
        return v
    match call.name:
        case "quantized_po2":
            return _power(v, call.args)
        case "quantized_relu_po2":
            return _power_relu(v, call.args)
        case "quantized_bits" if not isinstance(call.args.get("alpha"), str):
            x = v
            for step in activation(call):
                x = step.run(x)
            return x.astype(F)
    ints, scale = weights(call, v)
    return (ints * scale).astype(F)


def activation(call: Function) -> tuple[Step, ...]:
    """The steps of an activation; `Refusal` for one whose scale follows its data."""
    a = call.args
    if isinstance(a.get("alpha"), str):
        raise Refusal(
            f"{call.name} scales its values by their own data", "give the activation's quantizer a number as alpha"
        )
    match call.name:
        case "binary" | "stochastic_binary":
            halves = (_step("add", 1), _step("div", 2)) if a.get("use_01") else ()
            return (Step("sign"), *halves, *_times(a))
        case "ternary" | "stochastic_ternary":
            t = F(0.33 if a.get("threshold") is None else a["threshold"])
            if t <= 0:
                return (Step("signum"), *_times(a))
            above = np.array([[np.nextafter(-t, F(np.inf)), t]], F)  # above -t, and at or above t
            return (Step("count", above), _step("sub", 1), *_times(a))
        case "quantized_bits":
            return _fixed_point_steps(a)
        case "quantized_relu":
            return _relu_steps(a)
        case "quantized_tanh":
            return _tanh_steps(a)
        case "relu" | "ReLU":
            return (_step("max", 0),)
        case "hard_tanh":
            return (
                _step("mul", 0.5),
                _step("add", 0.5),
                _step("max", 0),
                _step("min", 1),
                _step("mul", 2),
                _step("sub", 1),
            )
    raise Refusal(
        f"activation {call.name} is not a staircase of its input",
        "use binary, ternary, quantized_bits, quantized_relu or quantized_tanh",
    )


def input_bits(call: Function) -> str | None:
    """The TYPE/DENOMINATOR of what a first quantizer lets through; None where it is no plain fixed point."""
    a = call.args
    match call.name:
        case "binary" if not a.get("use_01") and a.get("alpha") in (None, 1, 1.0):
            return "bipolar"
        case "quantized_bits" if a.get("alpha") in (None, 1, 1.0):
            signed, bits, integer = bool(a.get("keep_negative", True)), int(a.get("bits", 8)), int(a.get("integer", 0))
            places = bits - signed - integer
            return f"{'i' if signed else 'u'}{bits}/{1 << places}" if places >= 0 and bits - signed > 0 else None
        case "quantized_relu" if not a.get("negative_slope") and not a.get("use_sigmoid"):
            places = int(a.get("bits", 8)) - int(a.get("integer", 0))
            return f"u{int(a.get('bits', 8))}/{1 << places}" if places >= 0 else None
    return None


def _step(op: str, value: float) -> Step:
    return Step(op, np.array([value], F))


def _times(a: dict[str, Any]) -> tuple[Step, ...]:
    alpha = a.get("alpha")
    return () if alpha is None or alpha == 1 else (_step("mul", float(alpha)),)


def _fixed_point_steps(a: dict[str, Any]) -> tuple[Step, ...]:
    bits, integer, keep = int(a.get("bits", 8)), int(a.get("integer", 0)), bool(a.get("keep_negative", True))
    unsigned = bits - keep
    if unsigned <= 0:
        halves = () if keep else (_step("add", 1), _step("div", 2))
        return (Step("sign"), *halves, *_times(a))
    m, unit = 2.0**unsigned, 2.0**integer
    low = keep * (-m + bool(a.get("symmetric", 0)))
    return (
        _step("mul", m), _step("div", unit), Step("round"), _step("max", low), _step("min", m - 1),
        _step("mul", unit), _step("div", m), *_times(a),
    )  # fmt: skip


def _relu_steps(a: dict[str, Any]) -> tuple[Step, ...]:
    if a.get("negative_slope") or a.get("use_sigmoid"):
        raise Refusal(
            "quantized_relu with a negative slope or a sigmoid is not supported", "use quantized_relu(bits, integer)"
        )
    m, unit = 2.0 ** int(a.get("bits", 8)), 2.0 ** int(a.get("integer", 0))
    return (
        _step("mul", m),
        _step("div", unit),
        Step("round"),
        _step("div", m),
        _step("max", 0),
        _step("min", 1 - 1 / m),
        _step("mul", unit),
    )


def _tanh_steps(a: dict[str, Any]) -> tuple[Step, ...]:
    if a.get("use_real_tanh"):
        raise Refusal("quantized_tanh with the real tanh is not supported", "leave use_real_tanh at its default")
    m = 2.0 ** (int(a.get("bits", 8)) - 1)
    return (
        _step("mul", 0.5), _step("add", 0.5), _step("max", 0), _step("min", 1), _step("mul", 2), _step("sub", 1),
        _step("mul", m), Step("round"), _step("div", m), _step("max", -1 + bool(a.get("symmetric", 0)) / m), _step("min", 1 - 1 / m),
    )  # fmt: skip


def _weight_alpha(a: dict[str, Any]) -> Any:
    """A kernel's quantizer without alpha learns its scale: QKeras makes it a power of two."""
    return "auto_po2" if a.get("alpha") is None else a["alpha"]


def _scale(alpha: Any, x: Array, q: Array) -> Array:
    """The scale of each output channel (last axis): least squares where alpha is auto, else alpha itself."""
    if not isinstance(alpha, str):
        return np.asarray(alpha, F)
    if x.ndim > 1:
        axes = tuple(range(x.ndim - 1))
        qx, qq = (x * q).mean(axes, keepdims=True, dtype=F), (q * q).mean(axes, keepdims=True, dtype=F)
    else:
        qx, qq = x * q, q * q
    scale = qx / (qq + EPSILON)
    return _nearest_power(scale) if alpha == "auto_po2" else scale


def _nearest_power(scale: Array) -> Array:
    return np.exp2(np.rint(np.log((scale + EPSILON).astype(F)) / F(np.log(2.0)))).astype(F)


def _ternary(w: Array, a: dict[str, Any]) -> tuple[Array, Array]:
    alpha = _weight_alpha(a)
    if not isinstance(alpha, str):
        t = F(0.33 if a.get("threshold") is None else a["threshold"])
        return (np.abs(w) >= t) * np.sign(w), np.asarray(alpha, F)
    axes = tuple(range(w.ndim - 1)) if w.ndim > 1 else None
    scale = (2 * np.abs(w).max(axes, keepdims=True) / F(3)).astype(F)
    if "po2" in alpha:
        scale = _nearest_power(scale)
    q = w
    for _ in range(int(a.get("number_of_unrolls", 5))):
        v = scale * np.rint(w / scale)
        q = (np.abs(v) >= scale / 2) * np.sign(w)
        scale = _scale(alpha, w, q)
    return q, scale


def _fixed_point(w: Array, a: dict[str, Any]) -> tuple[Array, Array]:
    bits, integer, keep = int(a.get("bits", 8)), int(a.get("integer", 0)), bool(a.get("keep_negative", True))
    m, unit, alpha = F(2.0 ** (bits - keep)), F(2.0**integer), _weight_alpha(a)
    if not isinstance(alpha, str):
        if bits - keep <= 0:
            return sign(w), np.asarray(alpha, F)
        low = keep * (-m + bool(a.get("symmetric", 0)))
        return np.clip(np.rint(w * m / unit), low, m - 1), np.asarray(alpha, F) * unit / m
    axes = tuple(range(w.ndim - 1)) if w.ndim > 1 else (0,)
    x, levels = w / unit, (2 ** (bits - 1) - 1) * 2
    scale = (np.abs(x).max(axes, keepdims=True) * 2 / F(levels)).astype(F)
    scale = _nearest_power(scale) if "po2" in alpha else scale
    for _ in range(5 if "po2" in alpha else 1):
        v = np.floor(np.abs(x) / scale + F(0.5))
        z = np.sign(x) * np.where(v < levels / 2, v, F(levels / 2))
        if "po2" in alpha:
            scale = _scale("auto_po2", x, z)
    return z, scale * unit


def _power(v: Array, a: dict[str, Any]) -> Array:
    """quantized_po2: the sign times the nearest power of two within the exponents of its bits."""
    top = a.get("max_value")
    signed = int(top is None or top > 1)
    least, most = -(2 ** (int(a.get("bits", 8)) - 1 - signed)), 2 ** (int(a.get("bits", 8)) - 1 - signed) - 1
    if a.get("quadratic_approximation"):
        most = 2 * (most // 2)
    return np.where(v >= 0, F(1), F(-1)) * np.exp2(_exponent(np.abs(v), least, most, a))


def _power_relu(v: Array, a: dict[str, Any]) -> Array:
    """quantized_relu_po2: the nearest power of two of what is positive, the least power for the rest."""
    if a.get("negative_slope"):
        raise Refusal("quantized_relu_po2 with a negative slope is not supported", "leave negative_slope at 0")
    top = a.get("max_value")
    span = 2 ** (int(a.get("bits", 8)) - int(top is None or top > 1))
    most = 2 * ((span - 1) // 2) if a.get("quadratic_approximation") else span - 1
    return np.exp2(_exponent(np.maximum(v, F(0)), -span, most, a))


def _exponent(v: Array, least: int, most: int, a: dict[str, Any]) -> Array:
    top, factor = a.get("max_value"), F(2 if a.get("quadratic_approximation") else 1)
    kept = np.where(v < EPSILON, EPSILON, v)
    kept = kept if top is None else np.minimum(kept, F(top))
    log2 = np.log(np.sqrt(kept) if factor == 2 else kept) / F(np.log(2.0))
    log2 = np.floor(log2) if a.get("log2_rounding") == "floor" else np.rint(log2)
    return np.where(v < EPSILON, F(least), factor * np.clip(log2, least, most)).astype(F)


def as_integers(v: Array) -> tuple[Array, Array]:
    """Powers of two as integers times the least of them."""
    least = np.abs(v).min(keepdims=True).astype(F)
    return v / least, least
