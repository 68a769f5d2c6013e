"""How real weights and activations become few-bit integers: Brevitas quantizers, weight views, channel gains.

Stands on torch, Brevitas and estimators. What Brevitas exports is what PyTorch used: everything done to a weight
before its sign is a parametrization (so `layer.weight` is what the sign sees), every factor that is not a power of
two is applied after the layer, and sign(0) is +1.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from brevitas.inject import ExtendedInjector
from brevitas.inject.enum import FloatToIntImplType, QuantType
from brevitas.proxy import ActQuantProxyFromInjector, WeightQuantProxyFromInjector
from torch import Tensor, nn

from hwflow.recipe import Method
from hwflow.train.estimators import Estimator, estimator

Quantized = tuple[Tensor, Tensor, Tensor, Tensor]  # value, scale, zero point, bit width: what Brevitas passes around


def per_row(w: Tensor) -> tuple[int, ...]:
    """The shape of one number for each output channel of w, ready to broadcast."""
    return (-1, *([1] * (w.ndim - 1)))


# --- what happens to a weight before its sign -------------------------------------------------------------------


class Balance(nn.Module):
    """Libra-PB / IMB: w_hat = w - mean(w), w_std = w_hat / std(w_hat), for each output channel (IR-Net eq. 5, 6).

    The standard deviation is the unbiased one, and gradients pass through both, as in the published code.
    """

    def forward(self, w: Tensor) -> Tensor:
        return standardised(w)


class Shift(nn.Module):
    """SD-BNN's weight self-distribution: w' = w + 0.01 sigmoid(alpha_c) mean_c(w), alpha learned, mean detached."""

    def __init__(self, rows: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(rows))

    def forward(self, w: Tensor) -> Tensor:
        mean = w.detach().flatten(1).mean(1)
        return w + (0.01 * torch.sigmoid(self.alpha) * mean).view(per_row(w))


class Rectify(nn.Module):
    """ReCU: w1 = standardise(w) 2 sqrt(2), w2 = clamp(w1, -Q, Q), Q = -E|w1| ln(2 - 2 tau) (Xu et al. 2021).

    tau grows as A e^p + B from 0.85 to 0.99 over training, p = epoch / epochs: dead weights are pulled back first.
    """

    FIRST, LAST = 0.85, 0.99

    def __init__(self) -> None:
        super().__init__()
        self.tau = self.FIRST

    def advance(self, progress: float) -> None:
        a = (self.LAST - self.FIRST) / (math.e - 1)
        self.tau = a * math.exp(progress) + self.FIRST - a

    def forward(self, w: Tensor) -> Tensor:
        w1 = standardised(w) * (2 * math.sqrt(2))
        q = -w1.detach().abs().flatten(1).mean(1).view(per_row(w)) * math.log(2 - 2 * self.tau)
        return torch.minimum(torch.maximum(w1, -q), q)


class _Standardise(torch.autograd.Function):
    """v = (w - mean) / std along dimension 1, std unbiased; one pass each way where autograd would take many.

    With n columns and r = 1 / std: dL/dw = r (g - mean(g) - v sum(g v) / (n - 1)).
    """

    @staticmethod
    def forward(ctx: Any, w: Tensor) -> Tensor:
        v = w - w.mean(1, keepdim=True)
        # the floor only matters for a channel of equal weights, which has no standard deviation to divide by
        r = (
            torch.linalg.vector_norm(v, dim=1, keepdim=True)
            .div_(math.sqrt(w.shape[1] - 1))
            .clamp_min_(1e-12)
            .reciprocal_()
        )
        v.mul_(r)
        ctx.save_for_backward(v, r)
        return v

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        v, r = ctx.saved_tensors
        along = torch.linalg.vecdot(g, v, dim=1).unsqueeze(1).div_(v.shape[1] - 1)
        return torch.addcmul(g - g.mean(1, keepdim=True), v, along, value=-1).mul_(r)


def standardised(w: Tensor) -> Tensor:
    """w with mean 0 and unbiased standard deviation 1 in each output channel; single weights stay as they are."""
    flat = w.flatten(1)
    return w if flat.shape[1] == 1 else _Standardise.apply(flat).view_as(w)


def views(method: Method, rows: int) -> nn.Module | None:
    """The parametrization `method` puts before the sign of weights with `rows` output channels."""
    match method.weights:
        case "imb":
            return Balance()
        case "wsd":
            return Shift(rows)
        case "recu":
            return Rectify()
    return None


# --- factors after the layer: elementwise, so that sums stay sums of integers ------------------------------------


class Xnor(nn.Module):
    """XNOR-Net: alpha_c = mean |w_c|, applied to the sums (Rastegari et al. 2016, eq. 6)."""

    def forward(self, w: Tensor) -> Tensor:
        return w.abs().flatten(1).mean(1)


class Trained(nn.Module):
    """Trained binarization: alpha_c beta, both learned by gradient (Xu & Cheung 2019; our reading of the granularity).

    alpha, one for each output channel, scales the weights; beta, one for the layer, scales the signs that come in. Both
    commute with the sum, so both stand after it. `penalty` is sum alpha^2, the L2 term on weight scales.
    """

    def __init__(self, rows: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(rows))
        self.beta = nn.Parameter(torch.ones(()))

    def forward(self, w: Tensor) -> Tensor:  # noqa: ARG002  one signature for all gains
        return self.alpha * self.beta

    def penalty(self) -> Tensor:
        return self.alpha.square().sum()


class Fixed(nn.Module):
    """A gain that no longer moves, as exported."""

    def __init__(self, values: Tensor):
        super().__init__()
        self.register_buffer("values", values.detach().clone())

    def forward(self, w: Tensor) -> Tensor:  # noqa: ARG002
        return self.values


def gain(method: Method, rows: int) -> nn.Module | None:
    """The factor `method` puts after a layer with `rows` output channels; None where it is 1."""
    match method.weights:
        case "xnor":
            return Xnor()
        case "trained":
            return Trained(rows)
    return None


# --- the quantizers themselves -----------------------------------------------------------------------------------


class BinaryWeight(nn.Module):
    """sign(w) 2^s for each output channel, s = round(log2(mean |w|)) if `shift`, else 0; s passes no gradient.

    IR-Net eq. 7: the scale is a shift, so every sum of products stays exact in float32.
    """

    def __init__(self, estimate: Estimator, shift: bool):
        super().__init__()
        self.estimate, self.shift = estimate, shift

    def forward(self, w: Tensor) -> Quantized:
        one = w.new_ones(())
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
    """clamp(round(x / step), lo, hi) * step; the gradient passes inside the clamp. Half goes to even, or all down."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, lo: int, hi: int, down: bool) -> Tensor:
        n = x / step
        ctx.save_for_backward((n >= lo - 0.5) & (n <= hi + 0.5))
        return (n.floor() if down else n.round()).clamp_(lo, hi).mul_(step)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        return grad * ctx.saved_tensors[0], None, None, None, None


class FixedPoint(nn.Module):
    """Signed fixed point of `bits` bits and a power-of-two `step`: the integers -2^(bits-1) .. 2^(bits-1) - 1."""

    def __init__(self, bits: int, step: float, down: bool = False):
        super().__init__()
        assert math.frexp(step)[0] == 0.5, f"step must be a power of two, not {step}"
        self.bits, self.step, self.down = bits, step, down

    def forward(self, x: Tensor) -> Quantized:
        step, half = x.new_full((), self.step), 1 << (self.bits - 1)
        y = _Round.apply(x, step, -half, half - 1, self.down)
        return y, step, x.new_zeros(()), x.new_full((), float(self.bits))


class FixedPointWeight(nn.Module):
    """Symmetric weights of `bits` bits, one power-of-two step for the whole tensor, the least that holds max |w|."""

    def __init__(self, bits: int):
        super().__init__()
        self.bits = bits

    def forward(self, w: Tensor) -> Quantized:
        top = (1 << (self.bits - 1)) - 1
        with torch.no_grad():
            s = (w.detach().abs().max().clamp_min(1e-12) / top).log2().ceil()
            step = torch.ldexp(torch.ones_like(s), s)
        y = _Round.apply(w, step, -top, top, False)
        return y, step, w.new_zeros(()), w.new_full((), float(self.bits))


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
    quant = BinaryWeight(estimator(method), shift and method.weights == "imb")
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
