"""Activations, comparisons and choices of a file as steps on one value.

Stands on elementwise. A comparison gives 0 or 1; two chains of one value that meet again are one function of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwflow.qonnx.elementwise import chain, step
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import ANY, Refused, operator
from hwflow.qonnx.reader import Reader
from hwflow.qonnx.values import Const, Ref, Value

SIMPLE = {
    "Erf": "erf", "Softplus": "softplus", "Softsign": "softsign", "Exp": "exp", "Mish": "mish", "Abs": "abs",
}  # fmt: skip


@operator(*SIMPLE, versions=(6, 9, 13, 18, 22, 1))
def simple(reader: Reader, call: Call) -> Value:
    """Thresholds that count up, less thresholds that count down, in front of a quantizer."""
    return chain(reader, call, reader.ref(call, 0), (SIMPLE[call.op], 0))


def squashed(reader: Reader, call: Call) -> Value:
    """Sigmoid and Tanh in front of a quantizer."""
    return chain(reader, call, reader.ref(call, 0), (call.op.lower(), 0))


@operator("Elu", "Celu", versions=(6, 12, 22), attributes={"alpha": ANY})
def elu(reader: Reader, call: Call) -> Value:
    """Thresholds in front of a quantizer."""
    alpha = float(call.attrs.get("alpha", 1.0))
    if not alpha > 0:
        raise Refused("alpha", f"must be positive, not {alpha:g}", "train with a positive alpha")
    return chain(reader, call, reader.ref(call, 0), (call.op.lower(), alpha))


@operator("ThresholdedRelu", versions=(10, 22), attributes={"alpha": ANY})
def thresholded(reader: Reader, call: Call) -> Value:
    """Thresholds in front of a quantizer."""
    return chain(reader, call, reader.ref(call, 0), ("above", float(call.attrs.get("alpha", 1.0))))


@operator("HardSigmoid", versions=(6, 22), attributes={"alpha": ANY, "beta": ANY})
def hard_sigmoid(reader: Reader, call: Call) -> Value:
    """A scale, an offset and a clip, folded into the quantizer behind it."""
    alpha, beta = (np.float32(call.attrs.get(k, v)) for k, v in (("alpha", 0.2), ("beta", 0.5)))
    return chain(reader, call, reader.ref(call, 0), ("mul", alpha), ("add", beta), ("min", 1), ("max", 0))


@operator("HardSwish", versions=(14, 22))
def hard_swish(reader: Reader, call: Call) -> Value:
    """x * max(0, min(1, x / 6 + 1/2)): thresholds up and down in front of a quantizer."""
    ref = reader.ref(call, 0)
    gate = chain(reader, call, ref, ("mul", np.float32(1 / 6)), ("add", 0.5), ("min", 1), ("max", 0))
    return reader.meet(call, "mul", ref, gate)


@operator("Gelu", versions=(20,), attributes={"approximate": ("none", "tanh")})
def gelu(reader: Reader, call: Call) -> Value:
    """Thresholds up and down in front of a quantizer, exact or by tanh."""
    kind = "gelu_tanh" if call.attrs.get("approximate", "none") == "tanh" else "gelu"
    return chain(reader, call, reader.ref(call, 0), (kind, 0))


@operator("Swish", versions=(24,), attributes={"alpha": ANY})
def swish(reader: Reader, call: Call) -> Value:
    """Thresholds up and down in front of a quantizer."""
    return chain(reader, call, reader.ref(call, 0), ("swish", float(call.attrs.get("alpha", 1.0))))


@operator("Pow", versions=(7, 12, 13, 15))
def power(reader: Reader, call: Call) -> Value:
    """A square, x * x: thresholds up and down in front of a quantizer."""
    ref = reader.ref(call, 0)
    if not isinstance(reader.value(call, 1), Const) or reader.number(call, 1) != 2:
        raise Refused("input", "only squares are supported", "write the power as products, or keep it outside")
    return reader.meet(call, "mul", ref, ref)


# -- comparisons ------------------------------------------------------------------------------------------------------

FLIPPED = {"Greater": "Less", "Less": "Greater", "GreaterOrEqual": "LessOrEqual", "LessOrEqual": "GreaterOrEqual"}


@operator(*FLIPPED, versions=(7, 9, 12, 13, 16))
def comparison(reader: Reader, call: Call) -> Value:
    """One threshold, at the constant or the float32 number behind it; its value is 0 or 1."""
    op, at = call.op, 0
    if isinstance(reader.value(call, 0), Const):
        op, at = FLIPPED[op], 1
    if isinstance(reader.value(call, 1 - at), Ref):
        raise Refused("input", f"{call.op} of two values that depend on the input", "compare with a constant")
    limit = reader.const(call, 1 - at).value.astype(np.float32)
    if op in ("Greater", "LessOrEqual"):
        limit = np.nextafter(limit, np.float32(np.inf))
    more: tuple[tuple[str, float], ...] = (("mul", -1), ("add", 1)) if op.startswith("Less") else ()
    ref, counted = step(reader, call, reader.ref(call, at), "max", limit)
    count = replace(counted, op="count", value=counted.value.reshape(-1, 1))
    out = reader.pointwise(call, ref, count)
    return replace(chain(reader, call, out, *more), kind="bool")


@operator("Not", versions=(1,), types=("bool",))
def negation(reader: Reader, call: Call) -> Value:
    """1 - x, folded into the threshold before it."""
    return chain(reader, call, reader.ref(call, 0), ("mul", -1), ("add", 1))


@operator("Where", versions=(9, 16), types=("float32", "bool"))
def where(reader: Reader, call: Call) -> Value:
    """One of two constants, or of two chains of one value, by a comparison of it."""
    condition = reader.ref(call, 0)
    yes, no = reader.value(call, 1), reader.value(call, 2)
    if isinstance(yes, Const) and isinstance(no, Const):
        a, b = reader.const(call, 1).value, reader.const(call, 2).value
        apart = a - b
        if ((apart + b) != a).any():
            raise Refused("input", "chooses between numbers whose float32 difference is rounded", "use other constants")
        return replace(chain(reader, call, condition, ("mul", apart), ("add", b)), kind="float32")
    parts = []
    for i, value in ((1, yes), (2, no)):
        gate = condition if i == 1 else chain(reader, call, condition, ("mul", -1), ("add", 1))
        if isinstance(value, Const):
            parts.append(chain(reader, call, gate, ("mul", reader.const(call, i).value)))
        else:
            parts.append(reader.meet(call, "mul", gate, reader.ref(call, i)))
    return replace(reader.meet(call, "add", *parts), kind="float32")
