"""Activations as functions of one value: computed in float64 and rounded once to float32, with bounds of what they give.

Stands on numpy alone. No library's float32 is monotone to the last bit, so folding looks at every integer behind them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwflow.bits import Array

# how far another library's function may be from these, in float32 steps of the result or of 1 (onnxruntime 1.31: 5 of
# tanh, 8 of gelu; its sigmoid stops at -18, so its swish of -140 is -140 times 1.5e-8)
ULPS = 8
# Scores that differ by more keep their order in any library's float32 Softmax and LogSoftmax. With x - max near 0, exp may be
# off by ULPS * 2^-23 for each of two classes and the division rounds by 2^-24 each: 17 * 2^-23 in all. LogSoftmax rounds
# x - max - log(sum), of magnitude below 16 for fewer than 8 million classes, by 2^-21 each, which is less.
MERGED = 2.0**-18
EXACT = ("abs", "nonzero", "above")  # what no library rounds


@dataclass(frozen=True)
class Function:
    """`of` (x, value) in float64; `ends` (low, high, value) gives bounds of the result between two ends of x.

    `gates`: the result is x times a function that libraries compute to some float32 steps of 1.
    """

    of: Callable[[Array, Array], Array]
    ends: Callable[[Array, Array, Array], tuple[Array, Array]]
    gates: bool = False

    def off(self, x: Array, y: Array) -> Array:
        """How far another library's float32 result may be from `y`, that of `x`."""
        size = np.maximum(np.abs(y), np.abs(x) * np.float32(self.gates))
        return ULPS * np.spacing(np.maximum(size, np.float32(1))).astype(np.float64)

    def run(self, x: Array, value: Array) -> Array:
        with np.errstate(over="ignore"):  # an exponential of a large value is infinite, as it should be
            return self.of(x.astype(np.float64), value.astype(np.float64)).astype(np.float32)


def _between(low: float, high: float) -> Callable[[Array, Array, Array], tuple[Array, Array]]:
    return lambda a, b, _: (np.full(a.shape, np.float32(low)), np.full(b.shape, np.float32(high)))


def _bound_gated(a: Array, b: Array, _: Array) -> tuple[Array, Array]:
    """Bounds of x times something between 0 and 1."""
    return np.minimum(a, 0), np.maximum(b, 0)


def _leaning(a: Array, b: Array, v: Array) -> tuple[Array, Array]:
    """Bounds of x above zero, and of at least -|alpha| below."""
    return np.minimum(a, 0) * 0 - np.abs(v).max(), np.maximum(b, 0)


_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x: Array) -> Array:
    return np.asarray(_erf(x), np.float64)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


FUNCTIONS: dict[str, Function] = {
    "sigmoid": Function(lambda x, _: sigmoid(x), _between(0, 1)),
    "tanh": Function(lambda x, _: np.tanh(x), _between(-1, 1)),
    "erf": Function(lambda x, _: erf(x), _between(-1, 1)),
    "softsign": Function(lambda x, _: x / (1 + np.abs(x)), _between(-1, 1)),
    "exp": Function(lambda x, _: np.exp(x), lambda a, b, _: (0 * a, np.exp(b.astype(np.float64)).astype(np.float32) * np.float32(1.0001))),
    "softplus": Function(lambda x, _: softplus(x), lambda a, b, _: (0 * a, np.maximum(b, 0) + 1)),
    "elu": Function(lambda x, alpha: np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0))), _leaning),
    "celu": Function(lambda x, alpha: np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(np.minimum(x, 0) / alpha)), _leaning),
    "gelu": Function(lambda x, _: 0.5 * x * (1 + erf(x / math.sqrt(2))), _bound_gated, gates=True),
    "gelu_tanh": Function(lambda x, _: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), _bound_gated, gates=True),
    "swish": Function(lambda x, alpha: x * sigmoid(alpha * x), _bound_gated, gates=True),
    "mish": Function(lambda x, _: x * np.tanh(softplus(x)), _bound_gated, gates=True),
    "abs": Function(lambda x, _: np.abs(x), lambda a, b, _: (0 * a, np.maximum(np.abs(a), np.abs(b)))),
    "nonzero": Function(lambda x, _: (x != 0).astype(np.float64), _between(0, 1)),
    "above": Function(lambda x, least: np.where(x > least, x, 0), _bound_gated),
}  # fmt: skip
