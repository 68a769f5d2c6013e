"""How real weights and activations become few-bit integers: Brevitas quantizers.

Stands on torch, Brevitas, estimators and views. What Brevitas exports is what PyTorch used: everything done to a weight
before its sign is a parametrization (so `layer.weight` is what the sign sees), every factor that is not a power of
two is applied after the layer, and sign(0) is +1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from brevitas.inject import ExtendedInjector
from brevitas.inject.enum import FloatToIntImplType, QuantType
from brevitas.proxy import ActQuantProxyFromInjector, WeightQuantProxyFromInjector
from torch import Tensor, nn

from hwflow.recipe import Method
from hwflow.train.estimators import Estimator, estimator, within
from hwflow.train.views import form, per_row

Quantized = tuple[Tensor, Tensor, Tensor, Tensor]  # value, scale, zero point, bit width: what Brevitas passes around


class BinaryWeight(nn.Module):
    """sign(w) 2^s for each output channel, s = round(log2(mean |w|)) if `shift`, else 0; s passes no gradient.

    IR-Net eq. 7: the scale is a shift, so every sum of products stays exact in float32. While training has not come
    to the share `real_until`, its steps take w itself; what is evaluated and exported is always the sign.
    """

    def __init__(self, estimate: Estimator, shift: bool, real_until: float = 0.0):
        super().__init__()
        self.estimate, self.shift, self.real_until = estimate, shift, real_until
        self.real = False

    def advance(self, progress: float, step: int = 0) -> None:  # noqa: ARG002  one signature for all that moves
        self.real = progress < self.real_until

    def forward(self, w: Tensor) -> Quantized:
        one = w.new_ones(())
        if self.real and self.training:
            return w, one, w.new_zeros(()), one
        scale = shift_of(w) if self.shift else one
        return self.estimate(w, scale), scale, w.new_zeros(()), one


@torch.no_grad()
def shift_of(w: Tensor) -> Tensor:
    """2^round(log2(mean |w|)) for each output channel, exactly a power of two; 1 where all weights are zero."""
    mean = w.detach().abs().flatten(1).mean(1)
    s = torch.where(mean > 0, mean, 1).log2().round()
    return torch.ldexp(torch.ones_like(s), s).view(per_row(w))


class BinaryAct(nn.Module):
    """sign(x), scale 1."""

    def __init__(self, estimate: Estimator):
        super().__init__()
        self.estimate = estimate

    def forward(self, x: Tensor) -> Quantized:
        one = x.new_ones(())
        return self.estimate(x), one, x.new_zeros(()), one


class _Round(torch.autograd.Function):
    """clamp(round(x / step), lo, hi) * step, step a power of two; half goes to even, or all down.

    The gradient passes where lo - 1/2 <= x / step <= hi + 1/2, in one pass over the tensor.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: float, lo: int, hi: int, down: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.ends = step, lo, hi
        n = x * (1 / step)
        return (n.floor_() if down else n.round_()).clamp_(lo, hi).mul_(step)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        (x,), (step, lo, hi) = ctx.saved_tensors, ctx.ends
        return within(x, grad, _beyond((lo - 0.5) * step), _beyond((hi + 0.5) * step)), None, None, None, None


def _beyond(end: float) -> float:
    """The float32 next to `end` away from zero: `within` leaves its ends out."""
    return float(np.nextafter(np.float32(end), np.float32(math.copysign(math.inf, end))))


class FixedPoint(nn.Module):
    """Signed fixed point of `bits` bits and a power-of-two `step`: the integers -2^(bits-1) .. 2^(bits-1) - 1."""

    def __init__(self, bits: int, step: float, down: bool = False):
        super().__init__()
        assert math.frexp(step)[0] == 0.5, f"step must be a power of two, not {step}"
        self.bits, self.step, self.down = bits, step, down

    def forward(self, x: Tensor) -> Quantized:
        half = 1 << (self.bits - 1)
        y = _Round.apply(x, self.step, -half, half - 1, self.down)
        return y, x.new_full((), self.step), x.new_zeros(()), x.new_full((), float(self.bits))


class _Nearest(torch.autograd.Function):
    """clamp(round(w / step), -top, top) * step; the gradient passes everywhere, also where a weight of 2 bits is clamped."""

    @staticmethod
    def forward(ctx: Any, w: Tensor, step: Tensor, top: int) -> Tensor:  # noqa: ARG004
        return (w / step).round_().clamp_(-top, top).mul_(step)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # noqa: ARG004
        return grad, None, None


TERNARY = 2 * 0.7  # steps of ternary weights in mean |w|: zero is what lies below 0.7 of it (Li et al. 2016, eq. 6)


@torch.no_grad()
def step_of(w: Tensor, bits: int) -> Tensor:
    """The power of two that is the step of weights of `bits` bits, one for the whole tensor.

    The least that holds max |w| in 2^(bits-1) - 1 steps. Two bits are three levels, and a step as large as the largest
    weight would round nearly all others to zero: there it is that of ternary weight networks, rounded to a power of two.
    """
    size = w.detach().abs()
    if bits == 2:
        s = (TERNARY * size.mean()).clamp_min(1e-12).log2().round()
    else:
        s = (size.max().clamp_min(1e-12) / ((1 << (bits - 1)) - 1)).log2().ceil()
    return torch.ldexp(torch.ones_like(s), s)  # on the device: reading the step back would halt a GPU


class FixedPointWeight(nn.Module):
    """Symmetric weights of `bits` bits in steps of `step_of`, beyond whose ends they are clamped."""

    def __init__(self, bits: int):
        super().__init__()
        self.bits = bits

    def forward(self, w: Tensor) -> Quantized:
        top, step = (1 << (self.bits - 1)) - 1, step_of(w, self.bits)
        return _Nearest.apply(w, step, top), step, w.new_zeros(()), w.new_full((), float(self.bits))


class _WeightQuant(ExtendedInjector):
    proxy_class = WeightQuantProxyFromInjector
    quant_type = QuantType.INT
    float_to_int_impl_type = FloatToIntImplType.ROUND
    signed = True
    narrow_range = True


class _ActQuant(ExtendedInjector):
    proxy_class = ActQuantProxyFromInjector
    quant_type = QuantType.INT
    float_to_int_impl_type = FloatToIntImplType.ROUND
    signed = True
    narrow_range = False


def weight_quantizer(method: Method, shift: bool = True) -> type[ExtendedInjector]:
    """The Brevitas weight quantizer of `method`; without `shift` its scale is 1 for the whole tensor."""
    if method.weight_bits > 1:
        return _WeightQuant.let(tensor_quant=FixedPointWeight(method.weight_bits))
    quant = BinaryWeight(estimator(method), shift and form(method).shift, method.real_until)
    return _WeightQuant.let(tensor_quant=quant, quant_type=QuantType.BINARY)


def act_quantizer(method: Method) -> type[ExtendedInjector]:
    """The Brevitas activation quantizer of `method`: a sign, or `act_bits` bits over [-1, 1)."""
    if method.act_bits > 1:
        return _ActQuant.let(tensor_quant=FixedPoint(method.act_bits, 2.0 ** (1 - method.act_bits)))
    return _ActQuant.let(tensor_quant=BinaryAct(estimator(method, acts=True)), quant_type=QuantType.BINARY)


def fixed_quantizer(bits: int, step: float, down: bool = False) -> type[ExtendedInjector]:
    """A Brevitas activation quantizer: signed fixed point of `bits` bits; `down` rounds towards minus infinity."""
    kind = FloatToIntImplType.FLOOR if down else FloatToIntImplType.ROUND
    return _ActQuant.let(tensor_quant=FixedPoint(bits, step, down), float_to_int_impl_type=kind)
