"""Backward passes of sign: what stands for its derivative, one slope function and one entry of ESTIMATORS for each.

Stands on torch. Forward is always sign with sign(0) = +1; only the slope differs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed import all_gather, get_world_size, is_initialized

from hwflow.errors import RecipeError
from hwflow.recipe import Method

Slope = Callable[[Tensor], Tensor]


def ste(x: Tensor) -> Tensor:
    """Straight-through estimator, clipped: dQ/dx = 1 where |x| <= 1, else 0 (Hubara et al. 2016)."""
    return (x.abs() <= 1).to(x.dtype)


def poly(x: Tensor) -> Tensor:
    """Bi-Real polynomial: dQ/dx = 2 - 2|x| where |x| < 1, else 0 (Liu et al. 2018; IR2Net's activations)."""
    return x.abs().mul_(-2).add_(2).clamp_(min=0)


def long_tail(x: Tensor) -> Tensor:
    """Long-tailed estimator: dQ/dx = 2 - 4|x| for |x| <= 0.4, 0.4 for 0.4 < |x| <= 1, else 0 (Xu & Cheung 2019)."""
    a = x.abs()
    return (2 - 4 * a).clamp_(min=0.4) * (a <= 1)


def identity(x: Tensor) -> Tensor:
    """Straight-through everywhere: dQ/dx = 1 (ReCU's weights, which are clamped before; Xu et al. 2021)."""
    return torch.ones_like(x)


TERMS, OMEGA = 10, 0.1


def fourier(x: Tensor) -> Tensor:
    """The first TERMS of sign's Fourier series, differentiated: dQ/dx = 4 w / pi sum_i cos((2 i + 1) w x), w = OMEGA.

    After FDA-BNN (Xu et al. 2021), OUR READING: without its noise adaptation module. The sum is sin(2 n w x) / (2 sin(w x)).
    """
    angle = x * OMEGA
    low = torch.sin(angle)
    small = low.abs() < 1e-6  # where numerator and denominator vanish together, every cosine is 1
    total = torch.where(small, float(TERMS), torch.sin(2 * TERMS * angle) / torch.where(small, 1.0, 2 * low))
    return total.mul_(4 * OMEGA / math.pi)


def ede(x: Tensor, t: float | Tensor) -> Tensor:
    """Error decay estimator: dQ/dx = k t (1 - tanh^2(t x)), k = max(1/t, 1) (IR-Net, Qin et al. 2020, eq. 9).

    While t < 1 the slope at 0 is 1 and the window narrows; from t = 1 on it is t and the curve nears sign.
    """
    # 1 - tanh^2(u) = 4 s (1 - s) with s = sigmoid(2u), which is several times cheaper on a CPU
    s = (x * (2 * t)).sigmoid_()
    return torch.addcmul(s, s, s, value=-1).mul_(4 * at_zero(t))


def at_zero(t: float | Tensor) -> float | Tensor:
    """k t = max(1, t), the slope of EDE at 0."""
    return t.clamp(min=1) if isinstance(t, Tensor) else max(t, 1.0)


class _Sign(torch.autograd.Function):
    """scale sign(x) with sign(0) = +1 forward, scale slope(x) backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, estimate: Estimator) -> Tensor:
        ctx.save_for_backward(x, scale)
        ctx.estimate = estimate
        return torch.copysign(scale, x + 0.0)  # adding zero makes -0.0 into 0.0, whose sign is plus

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        x, scale = ctx.saved_tensors
        return ctx.estimate.pull(x, grad, scale), None, None


class Estimator(nn.Module):
    """sign forward, an estimate of its derivative backward; `advance` moves it along the schedule.

    With `bounded` nothing passes where |x| >= 1: the Hardtanh that the references put in front of every sign.
    """

    bounded = False

    def __init__(self, slope: Slope):
        super().__init__()
        self._slope = slope

    def curve(self, x: Tensor) -> Tensor:
        """The estimator's own stand-in derivative at every element of x, now."""
        return self._slope(x)

    def slope(self, x: Tensor) -> Tensor:
        """What a gradient is multiplied by at every element of x, now."""
        return within(x, self.curve(x)) if self.bounded else self.curve(x)

    def pull(self, x: Tensor, grad: Tensor, scale: Tensor) -> Tensor:
        """scale slope(x) grad, what backward passes on."""
        if self.bounded and self._slope in (ste, identity):
            return within(x, grad).mul_(scale)
        return self.slope(x).mul_(grad).mul_(scale)

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """scale sign(x); the positive `scale` (1 if None) broadcasts and gets no gradient."""
        return _Sign.apply(x, x.new_ones(()) if scale is None else scale, self)

    def advance(self, progress: float, step: int = 0) -> None:
        """Set the state for step `step`, `progress` = step / steps in [0, 1]; nothing without a schedule."""


def within(x: Tensor, grad: Tensor, lo: float = -1.0, hi: float = 1.0) -> Tensor:
    """`grad` where lo < x < hi, else 0, in the memory layout of x: how a gradient passes Hardtanh."""
    return torch.ops.aten.hardtanh_backward(laid_as(x, grad), x, lo, hi)  # type: ignore[no-any-return]


def laid_as(x: Tensor, grad: Tensor) -> Tensor:
    """`grad` in the memory layout of x; one stray layout costs a copy in every layer that the gradient still meets."""
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        return grad.contiguous(memory_format=torch.channels_last)
    return grad


class Ede(Estimator):
    """IR-Net's estimator: t = t_min (t_max / t_min)^progress, see `ede`."""

    def __init__(self, t_min: float, t_max: float):
        super().__init__(ste)
        self.t_min, self.t_max, self.t = t_min, t_max, t_min

    @property
    def sharp(self) -> float | Tensor:
        """The t in use."""
        return self.t

    def advance(self, progress: float, step: int = 0) -> None:  # noqa: ARG002  one signature for all that moves
        self.t = self.t_min * (self.t_max / self.t_min) ** progress

    def curve(self, x: Tensor) -> Tensor:
        return ede(x, self.sharp)

    def pull(self, x: Tensor, grad: Tensor, scale: Tensor) -> Tensor:
        # the same product as the base class's in fewer passes: the factors at zero and `scale` go together
        grad = within(x, grad) if self.bounded else laid_as(x, grad)
        s = (x * (2 * self.sharp)).sigmoid_()
        return torch.ops.aten.sigmoid_backward(grad, s).mul_(scale * (4 * at_zero(self.sharp)))  # type: ignore[no-any-return]


# tanh^2(t x) = 0.9 at t |x| = KEEP: there the slope is a tenth of its peak, the least we call useful
KEEP = math.atanh(math.sqrt(0.9))


class Dte(Ede):
    """Distribution-sensitive two-stage estimator, OUR READING of DIR-Net (its body could not be obtained).

    EDE's curve and schedule in each tensor's own unit, and never so sharp that too few elements move:
        t = min(t_EDE / q_{1-epsilon}, KEEP / q_epsilon),  q_p = the p-quantile of |x| in this tensor.
    The first stage so covers the bulk of the tensor whatever its spread (t_min and t_max are scaled by the same
    quantile); in the second at least the share `epsilon` keeps a slope of a tenth of the peak or more.
    The quantiles are measured on a sample of the tensor every `EVERY` steps and averaged, on the same sample for any
    number of processes; until they are measured, t is EDE's.
    """

    EVERY, SAMPLE, BLEND = 32, 64, 0.5

    def __init__(self, t_min: float, t_max: float, epsilon: float):
        super().__init__(t_min, t_max)
        self.epsilon = epsilon
        self.register_buffer("quantiles", torch.zeros(2))  # of epsilon and 1 - epsilon; 0: not measured yet
        self.sharpness: float | Tensor = t_min
        self._due = True

    def advance(self, progress: float, step: int = 0) -> None:
        super().advance(progress)
        self._due = step % self.EVERY == 0
        self._sharpen()

    @property
    def sharp(self) -> float | Tensor:
        return self.sharpness

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        if self._due and self.training and torch.is_grad_enabled():
            self._due = False
            self.measure(x.detach())
        return super().forward(x, scale)

    @torch.no_grad()
    def measure(self, x: Tensor) -> None:
        """Blend the quantiles of |x| into their averages and set the sharpness."""
        rows = x.flatten(1) if x.ndim > 1 else x.view(1, -1)
        sample = rows[:, :: max(1, rows.shape[1] // self.SAMPLE)].abs().float().flatten()
        if self.shared and is_initialized() and get_world_size() > 1:
            parts = [torch.empty_like(sample) for _ in range(get_world_size())]
            all_gather(parts, sample)
            sample = torch.cat(parts)
        ordered = sample.sort().values
        ranks = [max(1, math.ceil(share * len(ordered))) - 1 for share in (self.epsilon, 1 - self.epsilon)]
        q = ordered[ranks]
        old = torch.where(self.quantiles > 0, self.quantiles, q)
        self.quantiles.copy_(old + self.BLEND * (q - old))
        self._sharpen()

    shared = False  # True for activations: each process sees its own part of the batch

    def _sharpen(self) -> None:
        few, most = self.quantiles
        unit = torch.where(most > 0, most, 1)
        # 1e-6 keeps the cap finite where most elements are zero, and leaves t alone until the quantiles are measured
        self.sharpness = torch.minimum(self.t / unit, KEEP / few.clamp(min=1e-6))


# one entry for each name of hwflow.recipe.ESTIMATORS
ESTIMATORS: dict[str, Callable[[Method], Estimator]] = {
    "ste": lambda _: Estimator(ste),
    "poly": lambda _: Estimator(poly),
    "longtail": lambda _: Estimator(long_tail),
    "identity": lambda _: Estimator(identity),
    "fourier": lambda _: Estimator(fourier),
    "ede": lambda method: Ede(method.t_min, method.t_max),
    "dte": lambda method: Dte(method.t_min, method.t_max, method.epsilon),
}


def estimator(method: Method, acts: bool = False) -> Estimator:
    """The estimator `method` names, for weights or for activations; a RecipeError for a name that has no entry."""
    name = method.for_acts if acts else method.estimator
    if name not in ESTIMATORS:
        raise RecipeError(f"estimator: must be one of {', '.join(ESTIMATORS)}, not {name!r}")
    out = ESTIMATORS[name](method)
    if acts:
        out.bounded = method.hardtanh
        if isinstance(out, Dte):
            out.shared = True
    return out
