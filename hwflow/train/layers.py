"""The layers networks are made of: dense and convolution with few-bit weights, signs, norms, residual streams.

Stands on torch, Brevitas and quantizers. Outside training every layer computes the float32 operations that its export
writes, in the same order, so PyTorch and the exported file agree to the last bit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from torch import Tensor, nn
from torch.distributed import all_reduce, get_world_size, is_initialized
from torch.nn.utils import parametrize

from hwflow.errors import RecipeError
from hwflow.recipe import Method
from hwflow.train.depthwise import convolve_depthwise, has_fast_kernel
from hwflow.train.fronts import BEFORE, Affine
from hwflow.train.quantizers import act_quantizer, fixed_quantizer, weight_quantizer
from hwflow.train.views import form, latent

RESIDUAL_BITS, RESIDUAL_STEP = 8, 2.0**-7  # Hardtanh bounds a shortcut to [-1, 1)
BRANCH_STEP = 2 * RESIDUAL_STEP  # of a branch before it is added: twice the range of the stream


class _Gained:
    """A Brevitas layer whose method may do more to the sums: y = gain_r (sum q(w)_r x + middle_r sum x)."""

    gain: nn.Module | None
    middle: nn.Module | None

    def forward(self, x: Tensor) -> Tensor:
        y, w = self.sums(x), latent(self)  # type: ignore[arg-type]
        if self.middle is not None:
            y = y + self.spread(x, self.middle(w))
        if self.gain is None:
            return y
        return y * self.gain(w).view(-1, *([1] * (y.ndim - 2)))

    def sums(self, x: Tensor) -> Tensor:
        """The products with quantised weights; while training by the quantizer itself, without what Brevitas wraps around it."""
        if not self.training:  # type: ignore[attr-defined]
            return super().forward(x)  # type: ignore[misc, no-any-return]
        return self.inner_forward_impl(x, self.weight_quant.tensor_quant(self.weight)[0], None)  # type: ignore[attr-defined, no-any-return]

    def spread(self, x: Tensor, share: Tensor) -> Tensor:
        """share[r] times the sum of the inputs that row r reads."""
        raise NotImplementedError


class Dense(_Gained, QuantLinear):
    """y[r] = sum_c q(w)[r, c] x[c], without bias."""

    def spread(self, x: Tensor, share: Tensor) -> Tensor:
        return F.linear(F.linear(x, x.new_ones(1, self.in_features)), share.view(-1, 1))


class Conv(_Gained, QuantConv2d):
    """A 2-D convolution with quantised weights, without bias; padding adds zeros after the sign."""

    def inner_forward_impl(self, x: Tensor, quant_weight: Tensor, quant_bias: Tensor | None) -> Tensor:
        (k, d), same = (self.kernel_size[0], self.dilation[0]), len({*self.kernel_size}) == 1
        if self.training and same and self.padding == (d * (k // 2),) * 2 and has_fast_kernel(x, self.groups):
            return convolve_depthwise(x, quant_weight, self.stride[0], d)
        return super().inner_forward_impl(x, quant_weight, quant_bias)  # type: ignore[no-any-return]

    def spread(self, x: Tensor, share: Tensor) -> Tensor:
        ones = x.new_ones(self.groups, self.in_channels // self.groups, *self.kernel_size)
        sums = F.conv2d(x, ones, None, self.stride, self.padding, self.dilation, self.groups)
        return F.conv2d(sums, share.view(-1, 1, 1, 1), groups=self.groups)


def dense(method: Method, inputs: int, outputs: int, shift: bool = True) -> nn.Module:
    """A fully connected layer of `method`; without `shift` all its rows share the scale 1."""
    if method.full:
        return _start(nn.Linear(inputs, outputs, bias=False))
    quant = weight_quantizer(method, shift)
    return _view(Dense(inputs, outputs, bias=False, weight_quant=quant), method, outputs, shift)


def conv(
    method: Method, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int = 1, groups: int = 1,
    dilation: int = 1,
) -> nn.Module:  # fmt: skip
    """A convolution of `method`, `kernel` x `kernel`, zero padding of `padding`."""
    shape: dict[str, Any] = {
        "kernel_size": kernel, "stride": stride, "padding": padding, "groups": groups, "dilation": dilation, "bias": False,
    }  # fmt: skip
    if method.full:
        return _start(nn.Conv2d(inputs, outputs, **shape))
    layer = Conv(inputs, outputs, weight_quant=weight_quantizer(method), **shape)
    return _view(layer, method, outputs, True)


def conv_over_time(method: Method, inputs: int, outputs: int, kernel: int = 3, dilation: int = 1) -> nn.Module:
    """A convolution of `method` over the height of (n, inputs, time, 1), padded so that the time stays; odd kernels."""
    shape: dict[str, Any] = {
        "kernel_size": (kernel, 1),
        "padding": (dilation * (kernel // 2), 0),
        "dilation": (dilation, 1),
        "bias": False,
    }
    if method.full:
        return _start(nn.Conv2d(inputs, outputs, **shape))
    layer = Conv(inputs, outputs, weight_quant=weight_quantizer(method), **shape)
    return _view(layer, method, outputs, True)


def _start(layer: nn.Module, bits: int = 1) -> nn.Module:
    """`layer` with weights of variance 2 / inputs of a row, normal: Kaiming's start, which the references take everywhere.

    Weights of 3 to 7 bits start uniform: their step holds the largest, so a normal's tail would round most of them to 0.
    """
    start = nn.init.kaiming_uniform_ if 2 < bits < 8 else nn.init.kaiming_normal_
    start(layer.weight)  # type: ignore[arg-type]
    return layer


def _view(layer: nn.Module, method: Method, rows: int, gained: bool) -> nn.Module:
    _start(layer, method.weight_bits)
    layer.weight_bits = method.weight_bits  # type: ignore[assignment]
    layer.gain = layer.middle = None  # type: ignore[assignment]
    if method.weight_bits > 1:
        return layer
    how = form(method)
    if how.view is not None:
        parametrize.register_parametrization(layer, "weight", how.view(rows))
    if how.gain is not None and gained:
        layer.gain = how.gain(rows)
    if how.middle is not None and gained:
        layer.middle = how.middle(rows)
    return layer


def wide(method: Method, bits: int = 8) -> Method:
    """`method` with weights of `bits` bits: first layers, last layers, shortcuts."""
    return replace(method, weight_bits=bits)


class Quantized(QuantIdentity):
    """A Brevitas activation quantizer; while training the quantizer itself, without what Brevitas wraps around it."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)  # type: ignore[no-any-return]
        return self.act_quant.fused_activation_quant_proxy.tensor_quant(x)[0]  # type: ignore[no-any-return]


def act(method: Method, channels: int) -> nn.Module:
    """The activation quantizer of `method` for `channels` channels; a RecipeError for a name that has no entry."""
    if method.acts not in BEFORE:
        raise RecipeError(f"acts: must be one of {', '.join(BEFORE)}, not {method.acts!r}")
    if method.full:
        return nn.Hardtanh()
    before = BEFORE[method.acts] if method.act_bits == 1 else None
    if before is None:
        return Quantized(act_quant=act_quantizer(method))
    quant = Quantized(act_quant=act_quantizer(replace(method, hardtanh=False)))
    return nn.Sequential(*([before.hardtanh()] if method.hardtanh else []), before.part(channels), quant)


def fixed(method: Method, bits: int = RESIDUAL_BITS, step: float = RESIDUAL_STEP, down: bool = False) -> nn.Module:
    """Signed fixed point: an 8-bit residual stream of step 2^-7 unless told otherwise; its range alone where `method` is full."""
    if method.full:
        half = 1 << (bits - 1)
        return nn.Hardtanh(-half * step, (half - 1) * step)
    return Quantized(act_quant=fixed_quantizer(bits, step, down))


class _Total(torch.autograd.Function):
    """The sum of a tensor over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        out = x.clone()
        all_reduce(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        out = grad.contiguous().clone()
        all_reduce(out)
        return out


class Norm(nn.BatchNorm2d):
    """BatchNorm over channels of (n, c) or (n, c, h, w). Outside training: y = x a + b, two float32 operations.

    a = gamma / sqrt(var + eps) and b = beta - mean a, so the exported Mul and Add are what PyTorch computes. With
    several processes the statistics are those of the whole batch.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        assert x.ndim in (2, 4), f"Norm takes (n, c) or (n, c, h, w), not {tuple(x.shape)}"

    def affine_pair(self) -> tuple[Tensor, Tensor]:
        """a and b, one for each channel."""
        a = self.weight * torch.rsqrt(self.running_var + self.eps)  # type: ignore[operator]
        return a, self.bias - self.running_mean * a

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return Affine.apply_to(x, *self.affine_pair())
        if is_initialized() and get_world_size() > 1:
            return self._over_processes(x)
        return super().forward(x)

    def _over_processes(self, x: Tensor) -> Tensor:
        dims = [0, *range(2, x.ndim)]
        count = x.numel() // x.shape[1] * get_world_size()
        mean = _Total.apply(x.sum(dims)) / count
        shape = (1, -1, *([1] * (x.ndim - 2)))
        centred = x - mean.view(shape)
        var = _Total.apply(centred.square().sum(dims)) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)  # type: ignore[union-attr, arg-type]
            self.running_var.lerp_(var * count / (count - 1), self.momentum)  # type: ignore[union-attr, arg-type]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        y = centred * torch.rsqrt(var + self.eps).view(shape)
        return y * self.weight.view(shape) + self.bias.view(shape)

    def frozen(self) -> nn.Module:
        return Affine(*self.affine_pair())


class Scale(nn.Module):
    """y = g x with one learned g > 0 for all scores: integers on the hardware keep the order of real scores."""

    def __init__(self, first: float):
        super().__init__()
        self.log = nn.Parameter(torch.tensor(first).log())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.log.exp()

    def frozen(self) -> nn.Module:
        return Times(self.log.exp())


class Times(nn.Module):
    """x times one constant, as exported."""

    def __init__(self, value: Tensor):
        super().__init__()
        self.register_buffer("value", value.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.value


class Centre(nn.Module):
    """x - offset: where the zero of the input's sign lies, in the real units of the input."""

    def __init__(self, offset: float):
        super().__init__()
        self.register_buffer("offset", torch.tensor(offset))

    def forward(self, x: Tensor) -> Tensor:
        return x - self.offset


class Tap(nn.Module):
    """The mean of `side` x `side` windows of an 8-bit stream, cut to its step again (towards minus infinity: a shift)."""

    def __init__(self, method: Method, side: int):
        super().__init__()
        self.pool = nn.AvgPool2d(side) if side > 1 else None
        self.cut = fixed(method, down=True)

    def forward(self, x: Tensor) -> Tensor:
        return x if self.pool is None else self.cut(self.pool(x))


class Recovery(nn.Module):
    """IR2Net's compact information recovery (CIRec): joined taps of `inputs` channels become `outputs` channels.

    A 1 x 1 convolution to outputs / ratio channels, and a grouped 3 x 3 convolution that makes (ratio - 1) more of
    each, both with 8-bit weights, norm and 8-bit fixed point; joined. `ratio` must divide `outputs`, so nothing is cut off.
    """

    def __init__(self, method: Method, inputs: int, outputs: int, ratio: int):
        super().__init__()
        if outputs % ratio:
            raise RecipeError(f"recovery: ratio must divide {outputs}, not {ratio}")
        some, eight = outputs // ratio, wide(method)
        self.primary = nn.Sequential(conv(eight, inputs, some, 1, padding=0), Norm(some), fixed(method))
        more = some * (ratio - 1)
        self.cheap = nn.Sequential(conv(eight, some, more, groups=some), Norm(more), fixed(method))

    def forward(self, x: Tensor) -> Tensor:
        y = self.primary(x)
        return torch.cat([y, self.cheap(y)], 1)
