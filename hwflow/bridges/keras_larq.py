"""What larq's quantizers mean, in numpy: kernels as integers times a scale, activations as chains of steps.

Stands on real. A sign of larq is +1 at zero, as everywhere here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwflow.bits import Array, sign
from hwflow.bridges.qkeras_file import Function
from hwflow.errors import Refusal
from hwflow.real import Step

F = np.float32
# larq's classes and the aliases that configurations name them by
NAMES = {
    "SteSign": "sign", "ste_sign": "sign", "ApproxSign": "sign", "approx_sign": "sign", "SwishSign": "sign",
    "swish_sign": "sign", "MagnitudeAwareSign": "scaled", "magnitude_aware_sign": "scaled", "SteTern": "ternary",
    "ste_tern": "ternary", "SteHeaviside": "heaviside", "ste_heaviside": "heaviside", "DoReFa": "dorefa",
    "DoReFaQuantizer": "dorefa", "dorefa_quantizer": "dorefa", "NoOp": "none", "NoOpQuantizer": "none",
    "leaky_tanh": "leaky_tanh",
}  # fmt: skip


def weights(call: Function, w: Array) -> tuple[Array, Array]:
    """Integers in the shape of `w`, and their scale, which broadcasts against them (last axis: output channels)."""
    w, a = np.asarray(w, F), call.args
    match NAMES[call.name]:
        case "sign":
            return sign(w).astype(F), np.ones(1, F)
        case "scaled":
            return sign(w).astype(F), np.abs(w).mean(tuple(range(w.ndim - 1)), dtype=F)
        case "ternary":
            t = F(0.7) * np.abs(w).sum(dtype=F) / F(w.size) if a.get("ternary_weight_networks") else F(_threshold(a))
            return np.sign(np.sign(w + t) + np.sign(w - t)), np.ones(1, F)
        case "heaviside":
            return (w > 0).astype(F), np.ones(1, F)
        case "dorefa" if a.get("mode") == "weights":
            n, limited = _levels(a), np.tanh(w)
            half = limited / np.abs(limited).max() / F(2) + F(0.5)
            return 2 * np.rint(half * n) - n, np.asarray(1 / float(n))
    raise Refusal(
        f"weights by {call.name} have no integers", "use ste_sign, ste_tern or dorefa_quantizer in weights mode"
    )


def activation(call: Function) -> tuple[Step, ...]:
    """The steps of a quantizer of activations."""
    a = call.args
    match NAMES.get(call.name):
        case "sign":
            return (Step("sign"),)
        case "ternary" if not a.get("ternary_weight_networks"):
            t = F(_threshold(a))
            above = np.array([[np.nextafter(-t, F(np.inf)), t]], F)  # above -t, and at or above t
            return (Step("count", above), Step("sub", np.ones(1, F)))
        case "heaviside":
            return (Step("count", np.array([[np.nextafter(F(0), F(1))]], F)),)
        case "dorefa" if a.get("mode", "activations") == "activations":
            n = np.array([_levels(a)], F)
            return (
                Step("max", np.zeros(1, F)),
                Step("min", np.ones(1, F)),
                Step("mul", n),
                Step("round"),
                Step("div", n),
            )
    raise Refusal(
        f"activation {call.name} is not a staircase of its input",
        "use ste_sign, ste_tern, ste_heaviside or dorefa_quantizer",
    )


def _threshold(a: dict[str, Any]) -> float:
    value = a.get("threshold_value")
    return 0.05 if value is None else float(value)


def _levels(a: dict[str, Any]) -> np.float32:
    return F(2 ** int(a.get("k_bit", 2)) - 1)
