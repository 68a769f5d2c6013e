"""Every estimator's value, gradient and schedule against float64 formulas written from the papers."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hwflow.errors import RecipeError
from hwflow.recipe import ESTIMATORS, Method
from hwflow.train import load_recipe
from hwflow.train.estimators import KEEP, Dte, Ede, estimator
from hwflow.train.loop import measure

# where curves bend and where they end, beside plain values
POINTS = np.array(
    [-3.0, -1.0001, -1.0, -0.75, -0.4001, -0.4, -0.3, -1e-3, -0.0, 0.0, 1e-3, 0.3, 0.4, 0.4001, 0.75, 1.0, 1.0001, 3.0]
)


def slopes(name: str, x: np.ndarray, t: float) -> np.ndarray:
    """The papers' formulas in float64."""
    a = np.abs(x)
    match name:
        case "ste":
            return np.where(a <= 1, 1.0, 0.0)
        case "poly":
            return np.where(a < 1, 2 - 2 * a, 0.0)
        case "fourier":
            return 4 * 0.1 / np.pi * sum(np.cos((2 * i + 1) * 0.1 * x) for i in range(10))
        case "identity":
            return np.ones_like(a)
        case "longtail":
            return np.where(a <= 0.4, 2 - 4 * a, np.where(a <= 1, 0.4, 0.0))
    k = max(1 / t, 1)
    return k * t * (1 - np.tanh(t * x) ** 2)


def gradient(estimate, x: np.ndarray) -> np.ndarray:
    """What backward gives for sum(3 sign(x)), divided by 3."""
    v = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (3 * estimate(v)).sum().backward()
    return v.grad.numpy() / 3


@pytest.mark.parametrize("name", ESTIMATORS)
def test_forward_is_sign_with_plus_one_at_zero(name):
    y = estimator(Method(estimator=name)).eval()(torch.tensor(POINTS))
    assert np.array_equal(y.numpy(), np.where(POINTS >= 0, 1.0, -1.0))


@pytest.mark.parametrize("name", ["ste", "poly", "longtail", "identity", "fourier"])
def test_gradients_without_a_schedule_follow_their_formula(name):
    assert np.allclose(gradient(estimator(Method(estimator=name)), POINTS), slopes(name, POINTS, 0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_scale_of_a_channel_multiplies_value_and_gradient(name, bounded):
    scale = torch.tensor([[0.5], [1.0], [4.0]], dtype=torch.float64)  # powers of two, so that products are exact
    found = []
    for factor in (torch.ones_like(scale), scale):
        estimate = estimator(Method(estimator=name)).eval()
        estimate.bounded = bounded
        v = torch.tensor(np.tile(POINTS, (3, 1)), requires_grad=True)
        y = estimate(v, factor)
        y.sum().backward()
        found.append((y.detach(), v.grad))
    (signs, one), (values, all_) = found
    assert torch.equal(values, scale * signs) and torch.equal(all_, scale * one)
    inside = np.abs(POINTS) < 1
    assert (one[:, ~inside] == 0).all() or not bounded
    assert (one[:, inside] != 0).all()


@pytest.mark.parametrize("epoch", [0, 1, 7, 19])
@pytest.mark.parametrize("ends", [(0.1, 10.0), (1e-3, 10.0)])
def test_ede_follows_its_curve_and_its_schedule(epoch, ends):
    estimate = estimator(Method(estimator="ede", t_min=ends[0], t_max=ends[1]))
    estimate.advance(epoch / 20)
    t = 10 ** (math.log10(ends[0]) + (math.log10(ends[1]) - math.log10(ends[0])) * epoch / 20)
    assert math.isclose(estimate.t, t, rel_tol=1e-12)
    assert np.allclose(gradient(estimate, POINTS), slopes("ede", POINTS, t), rtol=1e-12, atol=1e-12)


def test_ede_keeps_a_slope_of_one_at_zero_until_t_is_one_and_of_t_after():
    estimate = Ede(0.1, 10.0)
    for progress in np.linspace(0, 1, 21):
        estimate.advance(progress)
        assert math.isclose(float(estimate.slope(torch.zeros(1, dtype=torch.float64))), max(1.0, estimate.t))


@pytest.mark.parametrize("share", [0.1, 0.3])
@pytest.mark.parametrize("spread", [0.05, 1.0, 30.0])
def test_dte_works_in_the_tensors_unit_and_keeps_its_share_updatable(spread, share):
    x = torch.tensor(np.random.default_rng(1).normal(0, spread, (50, 64)), dtype=torch.float64)
    ordered = np.sort(np.abs(x.numpy()).ravel().astype(np.float32))
    few, most = (float(ordered[math.ceil(p * ordered.size) - 1]) for p in (share, 1 - share))
    for progress in (0.0, 0.5, 1.0):
        estimate = Dte(0.1, 10.0, share)
        estimate.advance(progress)
        estimate.measure(x)
        t = min(0.1 * 100**progress / most, KEEP / few)
        assert math.isclose(float(estimate.sharpness), t, rel_tol=1e-5)
        slope = gradient(estimate.eval(), x.numpy())
        assert np.allclose(slope, slopes("dte", x.numpy(), float(estimate.sharpness)), rtol=1e-9, atol=1e-12)
        assert (slope >= 0.1 * max(1.0, t) * (1 - 1e-5)).mean() >= share


def test_the_cap_of_dte_binds_where_values_crowd_away_from_zero():
    dice = np.random.default_rng(4)
    x = torch.tensor(dice.choice([-1.0, 1.0], 4000) + dice.normal(0, 0.1, 4000)).view(40, 100)
    estimate = Dte(0.1, 10.0, 0.1)
    estimate.advance(1.0)
    estimate.measure(x)
    assert float(estimate.sharpness) == pytest.approx(KEEP / float(estimate.quantiles[0]), rel=1e-6)
    assert float(estimate.sharpness) < 0.3 * 10 / float(estimate.quantiles[1])


def test_dte_is_ede_until_it_has_measured():
    x = np.random.default_rng(2).normal(0, 0.5, (40, 7))
    dte, ede = Dte(0.1, 10.0, 0.1).eval(), Ede(0.1, 10.0)
    for estimate in (dte, ede):
        estimate.advance(0.2)
    assert np.allclose(gradient(dte, x), gradient(ede, x), rtol=1e-6)


def test_dte_measures_while_training_only_and_on_the_steps_it_says():
    estimate, x = Dte(0.1, 10.0, 0.1), torch.ones(4, 3, requires_grad=True)
    estimate.eval()(x)
    assert estimate.quantiles.tolist() == [0, 0]
    estimate.train()
    for step in range(2 * Dte.EVERY):
        before = estimate.quantiles.tolist()
        estimate.advance(step / 100, step)
        estimate(x * (step + 1))
        estimate(x * (step + 2))  # a second pass of the same step, as the restriction of information makes
        assert (estimate.quantiles.tolist() != before) == (step % Dte.EVERY == 0)


@pytest.mark.slow
def test_the_t_of_dte_differs_from_edes_by_a_tenth_in_half_of_the_layers():
    recipe = load_recipe("mlp:digits")
    training = replace(recipe.training, epochs=12, evaluate_every=12)
    history = measure(replace(recipe, method=Method(), training=training))["history"]
    steps = 1437 // training.batch * training.epochs
    for epoch, row in enumerate(history, 1):
        ede = 0.1 * 100 ** ((epoch * 1437 // training.batch - 1) / steps)
        differ = [abs(layer["sharpness"] / ede - 1) > 0.1 for layer in row["layers"]]
        assert sum(differ) >= len(differ) / 2, (epoch, row["layers"])


def test_a_dte_of_zeros_stays_finite():
    estimate = Dte(0.1, 10.0, 0.1)
    estimate.advance(1.0)
    estimate.measure(torch.zeros(5, 5))
    assert np.isfinite(gradient(estimate, np.zeros(3))).all()


def test_an_unknown_method_is_refused_with_the_names_there_are():
    with pytest.raises(
        RecipeError, match="estimator: must be one of ste, poly, ede, dte, longtail, identity, fourier, not 'magic'"
    ):
        Method(estimator="magic")
    with pytest.raises(RecipeError, match=r"act_bits must be 1 .. 8, not 9"):
        Method(act_bits=9)
    with pytest.raises(RecipeError, match=r"0 < t_min <= t_max"):
        Method(t_min=2, t_max=1)


def test_dte_blends_what_it_measures_with_what_it_knew():
    first, second = (torch.linspace(-width, width, 640).view(1, -1) for width in (1.0, 5.0))
    fresh = []
    for x in (first, second):
        alone = Dte(0.1, 10.0, 0.1)
        alone.measure(x)
        fresh.append(alone.quantiles.clone())
    both = Dte(0.1, 10.0, 0.1)
    both.measure(first)
    both.measure(second)
    assert torch.allclose(both.quantiles, (fresh[0] + fresh[1]) / 2) and (fresh[1] > 2 * fresh[0]).all()
