"""AdaBin against its formulas, written a second time with everything that stands behind the signs."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwflow.recipe import METHODS
from hwflow.train.export import freeze
from hwflow.train.layers import Norm, act, conv, dense
from hwflow.train.schedule import Schedule
from hwflow.train.views import Evened, Middle, Spread

ADABIN = METHODS["adabin"]


def through(value: Tensor, surrogate: Tensor) -> Tensor:
    """`value` forward, the gradient of `surrogate` backward."""
    return value.detach() + (surrogate - surrogate.detach())


def signs(x: Tensor) -> Tensor:
    return torch.where(x >= 0, 1.0, -1.0).to(x)


def reference(a: Tensor, w: Tensor, alpha: Tensor, beta: Tensor, t: float, product) -> Tensor:
    """The published layer and the norm behind it: weights mean +- std, activations alpha (+-1 + beta)."""
    z = (a - beta) / alpha
    rising = z.clamp(-1, 1)
    ab = alpha * (through(signs(z), 2 * rising - rising * rising.abs()) + beta)
    n = w[0].numel()
    mean = (w.flatten(1).sum(1) / n).view(-1, *([1] * (w.ndim - 1)))
    std = (((w - mean) ** 2).flatten(1).sum(1) / n).sqrt().view_as(mean)
    v = (w - mean) / std
    wb = std * through(signs(v), max(1 / t, 1) * torch.tanh(t * v)) + mean
    y = product(ab, wb)
    axes = [0, *range(2, y.ndim)]
    return (y - y.mean(axes, keepdim=True)) / y.var(axes, unbiased=False, keepdim=True).sqrt()


@pytest.mark.parametrize("progress", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_adabin_is_the_published_layer_in_front_of_a_norm(kind, progress, monkeypatch):
    monkeypatch.setattr(Middle, "STEP", 2.0**-40)  # the rounding of the middle is looked at below
    torch.manual_seed(3)
    layer, shape = (
        (dense(ADABIN, 31, 7), (20, 31)) if kind == "dense" else (conv(ADABIN, 3, 7, padding=0), (9, 3, 5, 6))
    )
    model = nn.Sequential(act(ADABIN, shape[1]), layer, Norm(7, eps=1e-30)).double()
    adaptive, weight = model[0][0], layer.parametrizations.weight.original
    adaptive.alpha.data.fill_(1.7)
    adaptive.beta.data.fill_(-0.3)
    weight.data += torch.linspace(-0.4, 0.4, 7, dtype=torch.float64).view(-1, *([1] * (weight.ndim - 1)))
    Schedule(model, 10).advance(round(10 * progress))
    a = (2 * torch.randn(shape, dtype=torch.float64)).requires_grad_()
    given = (a, weight, adaptive.alpha, adaptive.beta)
    t = 0.1 * 100**progress
    want = reference(*given, t, F.linear if kind == "dense" else F.conv2d)
    got = model(a)
    assert torch.allclose(got, want, rtol=0, atol=1e-9)
    along = torch.randn_like(want)
    for mine, theirs in zip(
        torch.autograd.grad(got, given, along), torch.autograd.grad(want, given, along), strict=True
    ):
        assert float((mine - theirs).abs().max()) < 1e-6 * float(theirs.abs().max())
        assert float(theirs.abs().max()) > 0


def test_the_middle_of_a_row_is_its_mean_in_deviations_on_a_grid_that_float32_sums_exactly():
    w = np.random.default_rng(1).normal(0.2, 1, (50, 4, 3, 3))
    w[0] += 9  # beyond the largest
    flat = w.reshape(50, -1)
    middle = flat.mean(1) / flat.std(1)
    t = torch.tensor(w, requires_grad=True)
    got = Middle()(t)
    assert np.array_equal(got.detach().numpy(), np.clip(np.rint(64 * middle), -127, 127) / 64)
    assert float(got[0].detach()) == 127 / 64 < middle[0]
    assert np.allclose(Spread()(t).detach().numpy(), flat.std(1))
    assert np.allclose(
        Evened()(t).detach().numpy(), ((flat - flat.mean(1)[:, None]) / flat.std(1)[:, None]).reshape(w.shape)
    )
    (slope,) = torch.autograd.grad(got[1:].sum(), t)
    (exact,) = torch.autograd.grad((t.flatten(1).mean(1) / t.flatten(1).std(1, unbiased=False))[1:].sum(), t)
    assert torch.allclose(slope, exact)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("padding", [0, 1])
def test_a_rows_two_weights_are_the_middle_and_a_bit_to_the_last_bit(groups, padding):
    torch.manual_seed(groups)
    layer = conv(ADABIN, 6, 9, stride=2, padding=padding, groups=groups)
    layer.parametrizations.weight.original.data += torch.linspace(-0.5, 0.5, 9).view(-1, 1, 1, 1)
    x = signs(torch.randn(4, 6, 7, 8))
    w = layer.parametrizations.weight.original.detach()
    middle = Middle()(w).view(-1, 1, 1, 1)
    assert len(middle.unique()) > 5
    wb = signs(w - w.flatten(1).mean(1).view(-1, 1, 1, 1)) + middle
    sums = F.conv2d(x.double(), wb.double(), stride=2, padding=padding, groups=groups)
    want = sums.float() * Spread()(w).view(-1, 1, 1)
    assert torch.equal(layer(x), want)
    assert torch.equal(freeze(nn.Sequential(layer))(x), want)


def test_rows_of_equal_weights_and_layers_of_one_scale_stay_finite():
    layer = dense(ADABIN, 5, 3)
    layer.parametrizations.weight.original.data.fill_(0.25)
    y = layer(torch.ones(2, 5))
    y.sum().backward()
    assert y.isfinite().all() and layer.parametrizations.weight.original.grad.isfinite().all()
    assert dense(ADABIN, 5, 3, shift=False).middle is None
    assert math.isclose(float(act(ADABIN, 4)[0].pair()[0]), 1.0)
