"""Every weight view, gain and quantizer against float64 formulas written from the papers; Brevitas sees the same."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hwflow.errors import RecipeError
from hwflow.recipe import ACTS, WEIGHTS, Method
from hwflow.recipe import ESTIMATORS as NAMES
from hwflow.train import quantizers as q
from hwflow.train import views
from hwflow.train.diagnostics import entropy, updatable
from hwflow.train.estimators import ESTIMATORS, Estimator, estimator, ste
from hwflow.train.export import freeze
from hwflow.train.fronts import BEFORE, DynamicOffset, Offset, React
from hwflow.train.layers import (
    Norm,
    Recovery,
    Scale,
    Tap,
    act,
    conv,
    dense,
    fixed,
)
from hwflow.train.schedule import Schedule

SHAPES = [(3, 7), (4, 17), (5, 3, 3, 3), (1, 2)]


def weights(shape, seed=0):
    return np.random.default_rng(seed).normal(0.02, 0.05, shape)


def standardise(w):
    flat = w.reshape(len(w), -1)
    hat = flat - flat.mean(1, keepdims=True)
    return (hat / hat.std(1, ddof=1, keepdims=True)).reshape(w.shape)


def wide64(module):
    return module.double()


@pytest.mark.parametrize("shape", SHAPES)
def test_balance_centres_and_standardises_each_channel(shape):
    w = weights(shape)
    got = views.Balance()(torch.tensor(w)).numpy()
    assert np.allclose(got, standardise(w), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("more", [0.0, 1e-3])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_pass_through_mean_and_deviation(shape, more):
    w = torch.tensor(weights(shape), requires_grad=True)
    assert torch.autograd.gradcheck(views.standardised, (w, more))


def test_a_channel_of_equal_weights_and_one_of_a_single_weight_stay_finite():
    assert np.array_equal(views.standardised(torch.full((2, 5), 0.3)).numpy(), np.zeros((2, 5)))
    assert np.array_equal(
        views.standardised(torch.tensor([[0.3], [-2.0]])).numpy(), np.array([[0.3], [-2.0]], np.float32)
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_imb_writes_sign_times_a_power_of_two(shape):
    w = weights(shape, 3)
    v = standardise(w)
    value, scale, zero, bits = q.BinaryWeight(Estimator(ste), True)(views.Balance()(torch.tensor(w)))
    s = np.round(np.log2(np.abs(v.reshape(len(v), -1)).mean(1)))
    want = np.where(v >= 0, 1.0, -1.0) * 2.0 ** s.reshape(views.per_row(torch.tensor(v)))
    assert np.array_equal(value.numpy(), want)
    assert np.array_equal(scale.numpy().ravel(), 2.0**s)
    assert (float(zero), float(bits)) == (0.0, 1.0)


def test_imb_on_gaussian_weights_is_balanced_with_shift_zero_or_minus_one():
    w = torch.tensor(np.random.default_rng(5).normal(0.3, 2.0, (512, 1152)))
    v = views.Balance()(w)
    positive = (v >= 0).double().mean(1)
    assert abs(float(positive.mean()) - 0.5) < 0.01
    assert float((positive - 0.5).abs().mean()) < 0.02
    assert float((w >= 0).double().mean()) > 0.55, "the raw weights must not be balanced already"
    assert set(q.shift_of(v).ravel().tolist()) <= {1.0, 0.5}
    heavy = torch.tensor(np.random.default_rng(6).laplace(0, 1, (512, 144)))
    assert set(q.shift_of(views.Balance()(heavy)).ravel().tolist()) == {1.0, 0.5}


def test_shifts_are_exact_powers_of_two_over_the_whole_range():
    s = np.arange(-40, 41)
    w = torch.tensor(2.0**s, dtype=torch.float32).view(-1, 1)
    assert np.array_equal(q.shift_of(w).numpy().ravel(), (2.0**s).astype(np.float32))
    assert float(q.shift_of(torch.zeros(1, 4))) == 1.0


def test_wsd_adds_a_hundredth_of_the_mean_weighed_by_a_learned_sigmoid():
    w, alpha = weights((4, 2, 3, 3), 7), np.array([-2.0, 0.0, 1.0, 30.0])
    view = wide64(views.Shift(4))
    view.alpha.data.copy_(torch.tensor(alpha))
    mean = w.reshape(4, -1).mean(1)
    want = w + (1 / (1 + np.exp(-alpha)) * 0.01 * mean).reshape(4, 1, 1, 1)
    t = torch.tensor(w, requires_grad=True)
    y = view(t)
    assert np.allclose(y.detach().numpy(), want, rtol=1e-12)
    y.sum().backward()
    assert np.array_equal(t.grad.numpy(), np.ones_like(w)), "the mean is detached"
    sigmoid = 1 / (1 + np.exp(-alpha))
    assert np.allclose(view.alpha.grad.numpy(), 18 * 0.01 * mean * sigmoid * (1 - sigmoid), rtol=1e-9)


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_recu_clamps_standardised_weights_at_q_of_tau_of_the_whole_layer(progress):
    w, view = weights((6, 50), 8), views.Rectify()
    view.advance(progress)
    a = (0.99 - 0.85) / (math.e - 1)
    tau = a * math.exp(progress) + 0.85 - a
    assert math.isclose(view.tau, tau)
    hat = w - w.mean(1, keepdims=True)
    w1 = hat / np.sqrt(hat.var(1, ddof=1, keepdims=True) + 1e-5) * 2 * math.sqrt(2)
    limit = -np.abs(w1).mean() * math.log(2 - 2 * tau)
    assert np.allclose(view(torch.tensor(w)).numpy(), np.clip(w1, -limit, limit), rtol=1e-10)
    assert math.isclose({0.0: 0.85, 1.0: 0.99}.get(progress, view.tau), view.tau, rel_tol=1e-12)


def test_xnor_scales_each_channel_by_its_mean_magnitude_after_the_sum():
    layer = dense(Method(weights="xnor", estimator="ste"), 5, 3)
    x = np.random.default_rng(9).choice([-1.0, 1.0], (4, 5)).astype(np.float32)
    w = layer.weight.detach().numpy()
    want = (x @ np.where(w >= 0, 1, -1).T) * np.abs(w).mean(1)
    assert np.allclose(layer(torch.tensor(x)).detach().numpy(), want, rtol=1e-6)


def test_trained_scales_learn_and_are_penalised():
    layer = dense(Method(weights="trained", estimator="longtail"), 5, 3)
    layer.gain.alpha.data.copy_(torch.tensor([0.5, -2.0, 3.0]))
    layer.gain.beta.data.fill_(0.25)
    x = torch.sign(torch.randn(6, 5))
    signs = torch.where(layer.weight >= 0, 1.0, -1.0)
    y = layer(x)
    assert torch.equal(y, (x @ signs.T) * (torch.tensor([0.5, -2.0, 3.0]) * 0.25))
    y.sum().backward()
    assert torch.allclose(layer.gain.alpha.grad, (x @ signs.T).sum(0) * 0.25)
    assert float(layer.gain.penalty()) == 0.25 + 4 + 9


@pytest.mark.parametrize("bits", range(2, 9))
def test_fixed_point_saturates_and_rounds_half_to_even(bits):
    step, half = 2.0**-3, 1 << (bits - 1)
    x = np.arange(-3 * half, 3 * half + 1) * step / 2
    t = torch.tensor(x, requires_grad=True)
    value, scale, _, width = q.FixedPoint(bits, step)(t)
    assert np.array_equal(value.detach().numpy(), np.clip(np.rint(x / step), -half, half - 1) * step)
    assert (float(scale), float(width)) == (step, bits)
    value.sum().backward()
    inside = (x / step >= -half - 0.5) & (x / step <= half - 0.5)
    assert np.array_equal(t.grad.numpy(), inside.astype(float))


def test_fixed_point_can_round_down():
    x = torch.tensor([-0.26, -0.25, -0.01, 0.0, 0.249, 0.25, 0.99])
    assert q.FixedPoint(8, 0.25, down=True)(x)[0].tolist() == [-0.5, -0.25, -0.25, 0.0, 0.0, 0.25, 0.75]


@pytest.mark.parametrize("bits", range(3, 9))
def test_few_bit_weights_use_the_least_power_of_two_that_holds_the_largest(bits):
    w = weights((7, 11), bits)
    value, scale, _, width = q.FixedPointWeight(bits)(torch.tensor(w))
    top = 2 ** (bits - 1) - 1
    step = 2.0 ** math.ceil(math.log2(np.abs(w).max() / top))
    assert (float(scale), float(width)) == (step, bits)
    assert np.array_equal(value.numpy(), np.clip(np.rint(w / step), -top, top) * step)
    assert np.abs(value.numpy() / step).max() > top / 2 - 1


@pytest.mark.parametrize("size", [1, 63, 4000])
@pytest.mark.parametrize("spread", [0.001, 0.05, 3.0])
def test_weights_of_two_bits_are_zero_below_the_threshold_of_ternary_networks_rounded_to_a_power_of_two(size, spread):
    w = spread * torch.randn(size, generator=torch.Generator().manual_seed(size))
    value, scale, _, width = q.FixedPointWeight(2)(w)
    step, wanted = float(scale), 1.4 * float(w.abs().mean())
    assert math.frexp(step)[0] == 0.5 and abs(math.log2(step / wanted)) <= 0.5 + 1e-6 and float(width) == 2
    assert torch.equal(value, torch.sign(w) * (w.abs() > step / 2) * step)
    assert size == 1 or 0.4 < float((value != 0).float().mean()) < 0.85


def test_layers_of_two_bits_learn_where_a_step_as_large_as_the_largest_weight_would_not():
    w = torch.full((1000,), 0.1, requires_grad=True)
    with torch.no_grad():
        w[0] = 5.0
    value, *_ = q.FixedPointWeight(2)(w)
    assert float((value != 0).float().mean()) == 1
    value.sum().backward()
    assert torch.equal(w.grad, torch.ones(1000)), "a weight that is clamped moves too"
    assert float(q.FixedPointWeight(2)(torch.zeros(3))[0].abs().max()) == 0


def test_biper_takes_the_sign_of_a_sine_and_scales_the_sums():
    layer = dense(Method(weights="biper", estimator="identity"), 50, 4)
    latent = layer.parametrizations.weight.original
    x = torch.sign(torch.randn(6, 50))
    signs = torch.where(torch.sin(20 * latent) >= 0, 1.0, -1.0)
    assert torch.equal(layer(x), (x @ signs.T) * layer.gain.alpha)
    assert not torch.equal(signs, torch.where(latent >= 0, 1.0, -1.0))
    layer(x).sum().backward()
    want = (x.sum(0) * layer.gain.alpha.detach()[:, None]) * 20 * torch.cos(20 * latent.detach())
    assert torch.allclose(latent.grad, want, atol=1e-4)


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 4, 2)])
def test_reacts_shifts_and_slope_are_those_of_the_paper(shape):
    part = React(3).double()
    for value in (part.gamma, part.zeta, part.beta, part.slope.weight):
        value.data.normal_()
    x = torch.randn(shape, dtype=torch.float64)
    g, z, b, s = (
        v.detach().view(-1, *([1] * (x.ndim - 2))) for v in (part.gamma, part.zeta, part.beta, part.slope.weight)
    )
    want = torch.where(x > g, x - g, s * (x - g)) + z + b
    assert torch.allclose(part(x), want)
    assert torch.equal(part.frozen()(x), part(x))


def test_static_and_dynamic_activation_shifts_follow_sd_bnn():
    x = torch.randn(3, 32, 4, 5, dtype=torch.float64)
    static = wide64(Offset(32))
    static.beta.data.normal_()
    assert torch.allclose(static(x), x + (1 / (1 + torch.exp(-static.beta))).view(1, 32, 1, 1))
    dynamic = wide64(DynamicOffset(32))
    assert dynamic.down.weight.shape == (2, 32)
    hidden = np.maximum(x.numpy().mean((2, 3)) @ dynamic.down.weight.detach().numpy().T, 0)
    y = 1 / (1 + np.exp(-hidden @ dynamic.up.weight.detach().numpy().T))
    assert np.allclose(dynamic(x).detach().numpy(), x.numpy() + y[:, :, None, None])


@pytest.mark.parametrize("kind", WEIGHTS)
def test_freezing_changes_no_bit_and_leaves_the_model_trainable(kind):
    method = Method(weights=kind, acts="asd")
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        conv(method, 2, 9), Norm(9), act(method, 9), conv(method, 9, 4, 1, padding=0), Norm(4), Scale(0.3)
    )
    for norm in (model[1], model[4]):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.1, 3)
    x = torch.randn(3, 2, 6, 6)
    model.eval()
    frozen = freeze(model)
    assert torch.equal(frozen(x), model(x))
    assert not any(hasattr(m, "parametrizations") for m in frozen.modules())
    model.train()(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("bits", [1, 4])
@pytest.mark.parametrize("kind", WEIGHTS)
def test_training_takes_the_values_that_brevitas_gives_outside(kind, bits):
    torch.manual_seed(2)
    method = Method(weights=kind, estimator="ede", weight_bits=bits, act_bits=bits)
    parts = [
        act(method, 6),
        conv(method, 6, 9),
        fixed(method, 4, 2.0**-3),
        conv(method, 9, 9, groups=3, stride=2),
        torch.nn.Flatten(),
        dense(method, 144, 5),
    ]
    x = torch.randn(3, 6, 7, 8)
    for part in parts:
        y = part.train()(x)
        assert torch.equal(part.eval()(x), y) and type(y) is torch.Tensor and len(y.unique()) > 1
        x = y


def test_norm_is_batchnorm_in_training_and_two_operations_outside():
    ours, theirs = Norm(5), torch.nn.BatchNorm1d(5)
    x = torch.randn(40, 5) * 3 + 1
    assert torch.equal(ours(x), theirs(x))
    ours.weight.data.normal_()
    ours.eval()
    a = ours.weight * torch.rsqrt(ours.running_var + ours.eps)
    assert torch.equal(ours(x), x * a + (ours.bias - ours.running_mean * a))


def test_taps_and_recovery_stay_on_the_grid_of_the_stream():
    x = fixed(Method())(torch.rand(2, 8, 8, 8) * 2 - 1)
    tapped = Tap(Method(), 4)(x)
    assert torch.equal(tapped, torch.floor(torch.nn.functional.avg_pool2d(x, 4) * 128) / 128)
    y = Recovery(Method(), 8, 12, 4)(tapped)
    assert y.shape == (2, 12, 2, 2)
    assert torch.equal(y * 128, torch.round(y * 128))


def test_one_schedule_advances_every_quantizer_with_every_step():
    method = Method(weights="recu", estimator="ede", act_estimator="dte")
    model = torch.nn.Sequential(dense(method, 4, 4), act(method, 4), dense(method, 4, 2))
    schedule = Schedule(model, 1000)
    sharp = []
    for step in (500, 501):
        schedule.advance(step)
        sharp.append(model[0].weight_quant.tensor_quant.estimate.t)
        assert model[1].act_quant.fused_activation_quant_proxy.tensor_quant.estimate.t == sharp[-1]
        assert model[2].parametrizations.weight[0].tau > 0.85
    assert math.isclose(sharp[0], 1.0)
    assert math.isclose(sharp[1], 100**0.001)


def test_every_name_of_a_method_has_its_entry_and_an_unknown_one_is_refused():
    assert tuple(views.FORMS) == WEIGHTS
    assert tuple(BEFORE) == ACTS
    assert set(ESTIMATORS) == set(NAMES)
    wrong = Method()
    for field, build in (("estimator", lambda m: estimator(m)), ("weights", views.form), ("acts", lambda m: act(m, 3))):
        object.__setattr__(wrong, field, "magic")
        with pytest.raises(RecipeError, match=f"{field}: must be one of .*, not 'magic'"):
            build(wrong)
        object.__setattr__(wrong, field, getattr(Method(), field))


def test_the_mask_of_hardtanh_stands_before_the_offset_and_exports_nothing():
    x = torch.tensor([[-1.2, -0.9, 0.0, 0.9, 1.2]], requires_grad=True)
    bare = torch.autograd.grad(act(Method(acts="asd", estimator="ede", hardtanh=False), 5)(x).sum(), x)[0]
    masked = torch.autograd.grad(act(Method(acts="asd", estimator="ede"), 5)(x).sum(), x)[0]
    assert torch.equal(masked, torch.where(x.detach().abs() < 1, bare, 0))
    assert bare.abs().min() > 0
    plain = act(Method(estimator="ede"), 5)
    assert torch.autograd.grad(plain(x).sum(), x)[0][0, [0, 4]].tolist() == [0, 0]
    for acts in ("sign", "asd"):
        values = [act(Method(acts=acts, hardtanh=on), 5)(x).tolist() for on in (False, True)]
        assert values[0] == values[1]


def test_layers_start_as_kaiming_says_and_few_bit_weights_stay_alive():
    torch.manual_seed(0)
    for method in (Method(), Method(full=True), Method(weight_bits=8)):
        w = conv(method, 32, 64).state_dict()
        (values,) = (v for k, v in w.items() if k.endswith(("weight", "original")) and v.ndim == 4)
        assert math.isclose(float(values.std()), (2 / 288) ** 0.5, rel_tol=0.02)
        assert float(values.abs().max()) > 3 * float(values.std()), "a normal has tails"
    few = dense(Method(weight_bits=3), 300, 40)
    alive = (few.quant_weight().value != 0).float().mean()
    torch.nn.init.kaiming_normal_(few.weight)
    assert alive > 0.5 > (few.quant_weight().value != 0).float().mean()
    assert (dense(Method(weight_bits=2), 300, 40).quant_weight().value != 0).float().mean() > 0.4


def test_entropy_and_updatable_shares_are_what_they_say():
    p = torch.tensor([0.0, 0.25, 0.5, 1.0])
    assert np.allclose(entropy(p).numpy(), [0, 0.8112781244591328, 1, 0])
    x = torch.tensor([0.0, 0.5, -1.0, 1.5, 2.0])
    assert math.isclose(updatable(Estimator(ste), x), 0.6, rel_tol=1e-6)


def test_weights_stay_real_for_the_share_that_the_method_says_and_are_evaluated_as_bits():
    layer = dense(Method(weights="xnor", estimator="ste", real_until=0.5), 7, 3)
    schedule = Schedule(layer, 10)
    x = torch.eye(7)
    real = (x @ layer.weight.T) * views.Xnor()(layer.weight)
    bits = (x @ torch.copysign(torch.ones(()), layer.weight).T) * views.Xnor()(layer.weight)
    for step in range(10):
        schedule.advance(step)
        torch.testing.assert_close(layer.train()(x), real if step < 5 else bits)
        torch.testing.assert_close(layer.eval()(x), bits)
    with pytest.raises(RecipeError, match="real_until must be at least 0 and below 1, not 1"):
        Method(real_until=1)


def test_while_weights_are_real_their_gradient_is_that_of_the_product():
    layer = dense(Method(weights="sign", estimator="ste", real_until=0.5), 4, 2).train()
    Schedule(layer, 2).advance(0)
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    layer(x).sum().backward()
    torch.testing.assert_close(layer.weight.grad, x.sum(0).expand(2, 4))


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_activations_of_few_bits_cover_minus_one_to_one(bits):
    y = act(replace(Method(), act_bits=bits), 1)(torch.linspace(-2, 2, 4001).view(1, -1))
    y = y.value if hasattr(y, "value") else y
    step = 2.0 ** (1 - bits)
    assert torch.equal(y.unique(), torch.arange(-(2 ** (bits - 1)), 2 ** (bits - 1)) * step)
