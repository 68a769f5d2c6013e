"""Recurrent layers: the steps of training are those of evaluation, and those of the exported file."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hwflow.errors import RecipeError
from hwflow.fold import fold
from hwflow.ops import Recurrent as Step
from hwflow.qonnx import read
from hwflow.recipe import METHODS, Method
from hwflow.train.data import load
from hwflow.train.export import answers, export, export_module
from hwflow.train.layers import conv_over_time, fixed, wide
from hwflow.train.recipes import load_recipe
from hwflow.train.recurrent import Cell, Masked, Recurrent
from hwflow.train.sequences import with_mask

POLY = Method(act_estimator="poly")


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("bits", [1, 4])
def test_training_steps_a_cell_through_the_values_of_its_evaluation(bits, gated):
    torch.manual_seed(bits)
    layer = Recurrent(Cell(POLY, 5, 7, bits, gated), every=True)
    x = fixed(POLY, 4, 2.0**-3)(torch.randn(3, 5, 11, 1))
    trained = layer.train()(x)
    assert torch.equal(layer.eval()(x), trained) and trained.shape == (3, 7, 11, 1)
    assert len(trained.unique()) > 1
    trained.square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_cell_refuses_weights_that_lie_around_a_middle():
    with pytest.raises(
        RecipeError, match=r"recurrent cell: a step is one product, and adabin adds .*; use other weights"
    ):
        Cell(METHODS["adabin"], 3, 4)
    assert Cell(replace(METHODS["adabin"], full=True), 3, 4)


@pytest.mark.parametrize("method", [Method(full=True), Method(weight_bits=4, act_bits=4)], ids=["full", "4 bits"])
def test_a_gate_is_evaluated_as_it_was_trained_whatever_the_bits(method):
    torch.manual_seed(0)
    cell = Cell(method, 16, 24)
    layer, x = Recurrent(cell, every=True), torch.rand(50, 16, 6, 1) * 2 - 1
    assert torch.allclose(layer.eval()(x), layer.train()(x), atol=1e-6)
    assert (len(layer(x).unique()) > 16) == method.full, "real numbers, or the levels of four bits"
    sums = cell.slope(cell.candidate(torch.rand(200, 40) * 2 - 1))
    assert 0.4 < float(sums.detach().std()) < 0.8, "near the spread of the inputs, 1 / sqrt(3)"


def test_the_file_of_a_recurrent_network_computes_what_torch_does(tmp_path):
    recipe = load_recipe("rnn:rnn-digits")
    torch.manual_seed(1)
    model, x = recipe.network(recipe.method), load(recipe.data)[1].x[:60]
    model(torch.rand(64, 8, 8, 1))  # statistics of the stem's norm
    path = tmp_path / "rnn.onnx"
    export(model, recipe, x, path)  # which compares them
    net = fold(read(path))
    (want,) = answers(model, recipe, x)
    assert np.array_equal(net.real(net.run(x)), want)
    step = next(op for op in net.ops if isinstance(op, Step))
    assert step.gated and not step.every and len(step.start) == 32


@pytest.mark.parametrize(("bits", "gated"), [(1, True), (4, False)])
def test_the_states_of_every_step_can_be_answered(tmp_path, bits, gated):
    torch.manual_seed(2)
    network = nn.Sequential(
        fixed(POLY, 4, 2.0**-3), Recurrent(Cell(POLY, 3, 6, bits, gated), every=True), conv_over_time(wide(POLY), 6, 2, 1), nn.Flatten(),
    )  # fmt: skip
    x = np.random.default_rng(0).integers(-8, 8, (9, 4, 1, 3))
    path = tmp_path / "every.onnx"
    export_module(network, x / 8, path)
    net = fold(read(path, "i4/8"))
    want = network.eval()(torch.tensor(x / 8).float().permute(0, 3, 1, 2)).detach().numpy()
    assert np.array_equal(net.real(net.run(x)).reshape(want.shape), want)
    assert next(op for op in net.ops if isinstance(op, Step)).every


@pytest.mark.parametrize(("bits", "gated", "every"), [(1, True, False), (4, False, True), (4, True, False)])
def test_padded_sequences_end_as_each_would_by_itself(tmp_path, bits, gated, every):
    torch.manual_seed(bits)
    layer = Recurrent(Cell(POLY, 5, 6, bits, gated), every)
    network = Masked(fixed(POLY, 4, 2.0**-3), layer)
    rng = np.random.default_rng(bits)
    lengths = rng.integers(1, 10, 12)
    x = with_mask(rng.integers(-8, 8, (12, 9, 1, 5)), lengths)  # with anything behind the ends
    real = torch.tensor(x / 8).float().permute(0, 3, 1, 2)
    padded = network.eval()(real)
    for one, length, found in zip(real[:, :-1], lengths, padded, strict=True):
        alone = layer(network.stem(one[None, :, :length]))[0]
        end = alone[:, -1:] if every else alone
        assert torch.equal(found[:, :length] if every else found, alone)
        assert not every or torch.equal(found[:, length:], end.expand(-1, 9 - length, -1))
    assert torch.equal(network.train()(real), padded)
    path = tmp_path / "masked.onnx"
    export_module(network, x / 8, path)
    net = fold(read(path, "i4/8"))
    assert np.array_equal(net.real(net.run(x)).reshape(padded.shape), padded.detach().numpy())
    assert len(next(op for op in net.ops if isinstance(op, Step)).inputs) == 2
