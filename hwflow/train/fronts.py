"""What a method puts in front of the sign of activations: one entry of BEFORE for each name of hwflow.recipe.ACTS.

Stands on torch and estimators. All of it but the dynamic offset folds into thresholds where a sign follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hwflow.train.estimators import within


class Affine(nn.Module):
    """y = x a + b for each channel, as exported."""

    def __init__(self, a: Tensor, b: Tensor):
        super().__init__()
        self.register_buffer("a", a.detach().clone())
        self.register_buffer("b", b.detach().clone())

    @staticmethod
    def apply_to(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        shape = (-1, *([1] * (x.ndim - 2)))
        return x * a.view(shape) + b.view(shape)

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_to(x, self.a, self.b)


class Offset(nn.Module):
    """SD-BNN's activation self-distribution, static form: a' = a + sigmoid(beta_c). It folds into thresholds."""

    def __init__(self, channels: int):
        super().__init__()
        self.beta = nn.Parameter(torch.zeros(channels))

    def value(self) -> Tensor:
        return torch.sigmoid(self.beta)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.value().view(-1, *([1] * (x.ndim - 2)))

    def frozen(self) -> nn.Module:
        return Plus(self.value())


class Plus(nn.Module):
    """x + constant for each channel, as exported."""

    def __init__(self, values: Tensor):
        super().__init__()
        self.register_buffer("values", values.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.values.view(-1, *([1] * (x.ndim - 2)))


class DynamicOffset(nn.Module):
    """SD-BNN's ASD: a' = a + sigmoid(W2 relu(W1 GAP(a))), no biases, hidden = channels / 16.

    The offset depends on the whole image, so it is no threshold: it trains, and the compiler refuses it (use "asd").
    """

    def __init__(self, channels: int):
        super().__init__()
        hidden = max(1, channels // 16)
        self.down, self.up = nn.Linear(channels, hidden, bias=False), nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3)) if x.ndim == 4 else x
        y = torch.sigmoid(self.up(torch.relu(self.down(mean))))
        return x + y.view(*y.shape, *([1] * (x.ndim - 2)))


class Deviation(nn.Module):
    """ReCU's activations: while training each image is divided by its standard deviation, which moves no sign."""

    MORE = 1e-5  # added to the variance, as the published code does

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x * torch.rsqrt(x.var(tuple(range(1, x.ndim)), keepdim=True) + self.MORE)


class React(nn.Module):
    """ReActNet's RPReLU and RSign: a' = prelu(a - gamma_c) + zeta_c + beta_c, all learned (Liu et al. 2020).

    A slope for each channel, 0.25 at first; the three shifts start at 0. Where only a sign follows, all of it folds into
    thresholds.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.gamma, self.zeta, self.beta = (nn.Parameter(torch.zeros(channels)) for _ in range(3))
        self.slope = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, *([1] * (x.ndim - 2)))
        return self.slope(x - self.gamma.view(shape)) + (self.zeta + self.beta).view(shape)

    def frozen(self) -> nn.Module:
        return nn.Sequential(Plus(-self.gamma), self.slope, Plus(self.zeta + self.beta))


class Adaptive(nn.Module):
    """AdaBin's activations: a' = (a - beta) / |alpha|, both learned, one for each layer (Tu et al. 2022).

    The paper's two values are alpha (sign(a') + beta); what stands behind the sign is a factor and an offset that the
    norm behind the next layer takes away again, so the sign alone is left.
    """

    def __init__(self) -> None:
        super().__init__()
        self.alpha, self.beta = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

    def pair(self) -> tuple[Tensor, Tensor]:
        """Factor and offset in front of the sign."""
        a = 1 / self.alpha.abs()
        return a, -self.beta * a

    def forward(self, x: Tensor) -> Tensor:
        return Affine.apply_to(x, *self.pair())

    def frozen(self) -> nn.Module:
        return Affine(*self.pair())


class Bound(nn.Module):
    """Hardtanh's gradient without its forward: passes x, and no gradient where |x| >= 1. Nothing of it is exported."""

    def forward(self, x: Tensor) -> Tensor:
        return _Bound.apply(x) if torch.is_grad_enabled() and x.requires_grad else x


class _Bound(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return within(ctx.saved_tensors[0], grad)


class Clipped(nn.Hardtanh):
    """Hardtanh while training, nothing outside: what follows reads signs only."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else x


@dataclass(frozen=True)
class Before:
    """What one method puts in front of the sign of activations, and which Hardtanh stands before that."""

    part: Callable[[int], nn.Module]
    hardtanh: Callable[[], nn.Module] = Bound


# one entry for each name of hwflow.recipe.ACTS; None is the sign alone, whose estimator bounds the gradient itself
BEFORE: dict[str, Before | None] = {
    "sign": None,
    "asd": Before(Offset),
    # the mean over the image is that of bounded values, so this Hardtanh is exported too
    "asd-dynamic": Before(DynamicOffset, nn.Hardtanh),
    "deviation": Before(lambda _: Deviation(), Clipped),
    "react": Before(React),
    "adabin": Before(lambda _: Adaptive()),
}
