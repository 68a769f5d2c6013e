"""The networks kept in models/trained: one bit where it counts, small, and as accurate as their metrics say."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hwflow.errors import ModelError, RecipeError
from hwflow.net import INPUT, Net
from hwflow.ops import Dense
from hwflow.recipe import changed, method_of, training_of
from hwflow.train import kept as keeping
from hwflow.train import load_recipe, torch_answers, train
from hwflow.train.data import found
from hwflow.train.kept import TRAINED, answers_of, held_out, keep

# network: width, what FINN's zoo reaches with the same network, what ours must reach
MLPS = {"tfc": (64, 0.9317, 0.955), "sfc": (256, 0.9781, 0.983), "lfc": (1024, 0.9888, 0.989)}


def kept(name: str) -> tuple[Net, dict]:
    return Net.load(TRAINED / name / "net.npz"), json.loads((TRAINED / name / "metrics.json").read_text())


@pytest.mark.parametrize("name", MLPS)
def test_a_kept_network_is_binary_small_and_of_finns_shape(name):
    net, metrics = kept(name)
    width = MLPS[name][0]
    layers = [op for op in net.ops if isinstance(op, Dense)]
    assert [op.weights.shape for op in layers] == [(width, 784), (width, width), (width, width), (10, width)]
    assert all(set(np.unique(op.weights)) == {-1, 1} for op in layers)
    assert all(net.ports[op.inputs[0]].ints.hi == 1 for op in layers), "every layer reads bits"
    assert net.ports[INPUT].shape == (784,)
    assert (TRAINED / name / "net.npz").stat().st_size == metrics["net"]["bytes"] < 500_000


@pytest.mark.parametrize("name", MLPS)
def test_the_metrics_of_a_kept_network_come_from_the_recipe_it_names(name):
    _, metrics = kept(name)
    recipe = load_recipe(metrics["source"])
    assert all(recipe.spec()[key] == metrics[key] for key in ("name", "data", "input", "source"))
    assert (recipe.method, recipe.training) == (method_of(metrics), training_of(metrics))
    assert metrics["command"] == f"hwflow train models/mlp.py:{name}"
    assert metrics["epochs"] == recipe.training.epochs == len(metrics["history"])
    assert metrics["accuracy"] == metrics["net"]["accuracy"] == metrics["history"][-1]["accuracy"]
    assert metrics["net"]["differing_from_torch"] == 0


@pytest.mark.parametrize("name", MLPS)
def test_a_kept_network_beats_finns_zoo_on_mnist(name):
    if found("mnist/t10k-images-idx3-ubyte.gz") is None or found("mnist/train-images-idx3-ubyte.gz") is None:
        pytest.skip("MNIST is in no data folder: name one that holds mnist/ in HWFLOW_DATA")
    net, metrics = kept(name)
    x, labels = held_out("mnist", net)
    accuracy = float((net.labels(answers_of(net, x)) == labels).mean())
    assert len(x) == 10_000
    assert accuracy == metrics["net"]["accuracy"] >= MLPS[name][2] > MLPS[name][1]


def test_a_run_is_kept_as_integers_and_refused_where_they_differ(tmp_path, monkeypatch):
    recipe = load_recipe("mlp:digits")
    run, out = tmp_path / "run", tmp_path / "out"
    train(replace(recipe, training=replace(recipe.training, epochs=2, evaluate_every=2)), run, progress=False)
    metrics = keep(run, out, note="two epochs")
    assert metrics == json.loads((out / "metrics.json").read_text())
    assert (metrics["note"], metrics["command"]) == ("two epochs", "hwflow train models/mlp.py:digits --epochs 2")
    assert metrics["net"]["accuracy"] == metrics["accuracy"]
    assert ["layers" in row for row in metrics["history"]] == [False, True]
    net = Net.load(out / "net.npz")
    x, labels = held_out("digits", net)
    assert float((net.labels(answers_of(net, x, chunk=77)) == labels).mean()) == metrics["accuracy"]
    (honest,) = torch_answers(run, x)
    honest[3] += 1
    monkeypatch.setattr(keeping, "torch_answers", lambda *_: [honest])
    with pytest.raises(ModelError, match="the scores of 1 of 360 images differ"):
        keep(run, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_command_of_a_run_repeats_it_or_is_refused():
    recipe = load_recipe("mlp:tfc")
    assert keeping.command_of(recipe.spec()) == "hwflow train models/mlp.py:tfc"
    other = changed(recipe, "recu", epochs=3, lr=0.25, seed=7)
    assert (
        keeping.command_of(other.spec()) == "hwflow train models/mlp.py:tfc --epochs 3 --lr 0.25 --seed 7 --method recu"
    )
    later = {**other.spec(), "start": {"recipe": recipe.spec(), "epochs": 2, "seconds": 1.0}}
    assert keeping.command_of(later).endswith(" --method recu --start build/tfc")
    with pytest.raises(RecipeError, match="was trained with values or a method that mlp:tfc has not"):
        keeping.command_of(replace(recipe, training=replace(recipe.training, momentum=0.5)).spec())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["keywords", "rnn-tones"])
def test_the_kept_networks_of_sounds_tell_those_apart_that_follow_from_a_seed(name):
    net, metrics = kept(name)
    x, labels = held_out("tones:", net)
    assert float((net.labels(answers_of(net, x)) == labels).mean()) == metrics["accuracy"] >= 0.95
    assert metrics["net"]["differing_from_torch"] == 0


@pytest.mark.parametrize("name", ["tcn-rows", "rnn-rows"])
def test_the_kept_networks_of_rows_read_mnist_step_by_step(name):
    net, metrics = kept(name)
    assert net.ports[INPUT].shape == (28, 1, 28)
    assert metrics["accuracy"] == metrics["net"]["accuracy"] >= 0.95 and metrics["net"]["images"] == 10_000
