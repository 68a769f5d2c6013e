"""The speed of training is measured on steps that give the same weights, whichever way they are written."""

import pytest
import torch

from hwflow.bench import training
from hwflow.train import estimators, load_recipe, quantizers
from hwflow.train.estimators import Ede


def test_products_are_those_of_the_papers():
    x = torch.rand(1, 3, 32, 32)
    binary, stem = 40_108_032, 442_368
    assert training.forward_products(load_recipe("resnet20"), x) == binary + stem + 640
    assert training.forward_products(load_recipe("tfc"), torch.rand(1, 784)) == 784 * 64 + 2 * 64 * 64 + 640


@pytest.mark.slow
def test_the_plain_way_and_ours_move_the_weights_alike(monkeypatch):
    ends = []
    optimizers = []
    make = torch.optim.SGD
    monkeypatch.setattr(torch.optim, "SGD", lambda *a, **k: optimizers.append(make(*a, **k)) or optimizers[-1])
    x, labels, recipe = torch.rand(8, 3, 32, 32), torch.arange(8), load_recipe("resnet20")
    for plain in (True, False):
        step = training._whole_step(recipe, x, labels, amp=False)
        (training._plainly(step) if plain else step)()
        ends.append(torch.cat([p.detach().flatten() for p in optimizers[-1].param_groups[0]["params"]]))
    assert torch.allclose(*ends, rtol=1e-3, atol=1e-5)
    assert estimators.within is quantizers.within
    assert Ede.pull.__module__ == "hwflow.train.estimators"


@pytest.mark.slow
def test_rates_are_measured_for_both_networks_in_turns():
    for row in training.image_rates(rounds=1, batch=8):
        assert row["plain [images/s]"] > 0
        assert row["now / plain"] > 0.7, row  # the number itself is `hwflow bench train`
        assert 0 < row["share of peak [%]"] < 110, row


@pytest.mark.slow
def test_the_cost_of_a_step_is_measured_beside_plain_brevitas():
    for row in training.step_cost(rounds=6):
        assert row["imb_dte_s"] > 0 and row["brevitas_s"] > 0, row
        assert row["ratio"] < 4, row  # a band that only a broken step leaves; the number itself is `hwflow bench steps`
