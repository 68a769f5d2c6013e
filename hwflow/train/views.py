"""What happens to a weight before its sign and what is done to the sums after it: one entry of FORMS for each method.

Stands on torch. A view is a parametrization, so `layer.weight` is what the sign sees. A middle and a gain are computed of
the latent weights and applied after the layer, so that sums stay sums of integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hwflow.errors import RecipeError
from hwflow.recipe import Method


def per_row(w: Tensor) -> tuple[int, ...]:
    """The shape of one number for each output channel of w, ready to broadcast."""
    return (-1, *([1] * (w.ndim - 1)))


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

    The mean of Q is over the whole layer and the variance takes 1e-5 more, as in the published code. tau grows as
    A e^p + B from 0.85 to 0.99 over training, p = step / steps: dead weights are pulled back first.
    """

    FIRST, LAST, MORE = 0.85, 0.99, 1e-5

    def __init__(self) -> None:
        super().__init__()
        self.tau = self.FIRST

    def advance(self, progress: float, step: int = 0) -> None:  # noqa: ARG002  one signature for all that moves
        a = (self.LAST - self.FIRST) / (math.e - 1)
        self.tau = a * math.exp(progress) + self.FIRST - a

    def forward(self, w: Tensor) -> Tensor:
        w1 = standardised(w, self.MORE) * (2 * math.sqrt(2))
        q = -w1.detach().abs().mean() * math.log(2 - 2 * self.tau)
        return torch.minimum(torch.maximum(w1, -q), q)


class Periodic(nn.Module):
    """BiPer: the sign of sin(20 w), so that a weight can change sign many times as it moves (Vargas et al. 2024)."""

    FREQUENCY = 20.0

    def forward(self, w: Tensor) -> Tensor:
        return torch.sin(self.FREQUENCY * w)


class Evened(nn.Module):
    """AdaBin: (w - mean) / std for each output channel, std of the channel itself (n, not n - 1; Tu et al. 2022)."""

    def forward(self, w: Tensor) -> Tensor:
        return (w - _mean(w)) / _deviation(w)


class Middle(nn.Module):
    """AdaBin: what the two values of a row's weights lie around, mean / std, in steps of STEP within +-LARGEST.

    A row's weights are std (sign + middle). The step makes the sum of inputs times the middle exact in float32; rounding
    passes the gradient on.
    """

    STEP, LARGEST = 2.0**-6, 127 * 2.0**-6

    def forward(self, w: Tensor) -> Tensor:
        exact = (_mean(w) / _deviation(w)).flatten()
        near = (exact.detach() / self.STEP).round() * self.STEP
        return (exact + (near - exact.detach())).clamp(-self.LARGEST, self.LARGEST)


class Spread(nn.Module):
    """AdaBin: half the distance of the two values of a row's weights, the standard deviation of the row."""

    def forward(self, w: Tensor) -> Tensor:
        return _deviation(w).flatten()


def _mean(w: Tensor) -> Tensor:
    """The mean of each output channel, ready to broadcast."""
    return w.flatten(1).mean(1).view(per_row(w))


def _deviation(w: Tensor) -> Tensor:
    """The standard deviation of each output channel, ready to broadcast; never 0."""
    return (w - _mean(w)).square().flatten(1).mean(1).clamp(min=1e-24).sqrt().view(per_row(w))


class _Standardise(torch.autograd.Function):
    """v = (w - mean) / std along dimension 1, std unbiased; one pass each way where autograd would take many.

    With n columns and r = 1 / sqrt(variance + more): dL/dw = r (g - mean(g) - v sum(g v) / (n - 1)).
    """

    @staticmethod
    def forward(ctx: Any, w: Tensor, more: float) -> Tensor:
        v = w - w.mean(1, keepdim=True)
        # the floor only matters for a channel of equal weights, which has no standard deviation to divide by
        deviation = torch.linalg.vector_norm(v, dim=1, keepdim=True).div_(math.sqrt(w.shape[1] - 1)).clamp_min_(1e-12)
        r = (deviation.square_().add_(more).sqrt_() if more else deviation).reciprocal_()
        v.mul_(r)
        ctx.save_for_backward(v, r)
        return v

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        v, r = ctx.saved_tensors
        along = torch.linalg.vecdot(g, v, dim=1).unsqueeze(1).div_(v.shape[1] - 1)
        return torch.addcmul(g - g.mean(1, keepdim=True), v, along, value=-1).mul_(r), None


def standardised(w: Tensor, more: float = 0.0) -> Tensor:
    """w with mean 0 and unbiased standard deviation 1 in each row (output channel, image); single values stay.

    `more` is added to the variance, as some published code does.
    """
    flat = w.flatten(1)
    return w if flat.shape[1] == 1 else _Standardise.apply(flat, more).view_as(w)


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


class Learned(nn.Module):
    """alpha_c, learned by gradient from a random start in [0, 1) (ReCU; Xu et al. 2021, and BiPer)."""

    def __init__(self, rows: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.rand(rows))

    def forward(self, w: Tensor) -> Tensor:  # noqa: ARG002  one signature for all gains
        return self.alpha


class Fixed(nn.Module):
    """A gain that no longer moves, as exported."""

    def __init__(self, values: Tensor):
        super().__init__()
        self.register_buffer("values", values.detach().clone())

    def forward(self, w: Tensor) -> Tensor:  # noqa: ARG002
        return self.values


Part = Callable[[int], nn.Module]  # makes a module for a layer of so many output channels


@dataclass(frozen=True)
class Form:
    """How one method forms binary weights: its view, its gain, and whether the sign is scaled by a power of two.

    `middle`: what the two values of a row lie around where that is not 0, in units of half their distance.
    """

    view: Part | None = None
    gain: Part | None = None
    middle: Part | None = None
    shift: bool = False


# one entry for each name of hwflow.recipe.WEIGHTS
FORMS: dict[str, Form] = {
    "sign": Form(),
    "imb": Form(view=lambda _: Balance(), shift=True),
    "wsd": Form(view=Shift),
    "xnor": Form(gain=lambda _: Xnor()),
    "trained": Form(gain=Trained),
    "recu": Form(view=lambda _: Rectify(), gain=Learned),
    "biper": Form(view=lambda _: Periodic(), gain=Learned),
    "adabin": Form(view=lambda _: Evened(), gain=lambda _: Spread(), middle=lambda _: Middle()),
}


def latent(layer: nn.Module) -> Tensor:
    """The weights that training moves, before any view."""
    held = getattr(layer, "parametrizations", None)
    return layer.weight if held is None else held.weight.original  # type: ignore[union-attr, return-value]


def form(method: Method) -> Form:
    """How `method` forms binary weights; a RecipeError for a name that has no entry."""
    if method.weights not in FORMS:
        raise RecipeError(f"weights: must be one of {', '.join(FORMS)}, not {method.weights!r}")
    return FORMS[method.weights]
