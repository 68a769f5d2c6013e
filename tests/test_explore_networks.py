"""Exploring bits and widths: of a network with several outputs, of one with a state, of one with long skips."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from hwflow import flow, sources
from hwflow.board import load_board
from hwflow.cli import app
from hwflow.explore import Point, Score, cheapest_designs, explore, point
from hwflow.train import load_recipe
from hwflow.train.export import export

RUNNER = pytest.importorskip("typer.testing").CliRunner()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "shape"),
    [("detector:detector-digits", (16, 16, 1)), ("rnn:rnn-digits", (8, 1, 8)), ("unet:unet-digits", (16, 16, 1))],
)
def test_bits_and_widths_of_every_kind_of_network_have_their_cost(spec, shape, tmp_path):
    nets, scores, images = [], {}, np.random.default_rng(0).integers(0, 17, (2, *shape)).astype(np.uint8)
    for score, suffix in ((0.5, "-b1-w12"), (0.75, "-b2-w25")):
        recipe = load_recipe(spec + suffix)
        export(recipe.network(recipe.method), recipe, images, tmp_path / "model.onnx")
        nets.append(replace(flow.integers_of(str(tmp_path / "model.onnx")), name=recipe.name))
        scores[recipe.name] = Score("measured", score)
    if spec.startswith("detector"):
        assert len(nets[0].outputs) == 4
    board = load_board("ulx3s_85f")
    found = [point(net, board, 10.0, 0.8) for net in nets]
    points = [replace(p, score=scores[p.net].value) for p in found if p is not None]
    assert len(points) == len(nets)
    assert all(p.fps >= 10 for p in points) and point(nets[0], board, 1e12, 0.8) is None
    small, large = cheapest_designs(points)
    assert (small.net, small.score) == (nets[0].name, 0.5)
    assert small.percent < large.percent, "twice the bits and width cost more"


def test_a_variant_has_the_bits_and_widths_of_its_name():
    for spec, wide in (("unet:unet-digits-b2-w50", 8), ("detector:detector-digits-w50", 8), ("mlp:tfc-b4-w200", 128)):
        recipe = load_recipe(spec)
        assert recipe.source == spec
        network = recipe.network(recipe.method)
        first = next(m for m in network.modules() if m.__class__.__name__ in ("Dense", "Conv"))
        assert len(first.weight) == wide
    assert (recipe.method.weight_bits, recipe.method.act_bits) == (4, 4)
    assert load_recipe("tfc-b4-w200").name == "tfc-b4-w200"
    cell = load_recipe("rnn:rnn-digits-b2").network(load_recipe("rnn:rnn-digits-b2").method).body.cell
    assert (cell.bits, cell.states) == (2, 32)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("mlp:tfc-b9", "weight_bits must be 1 .. 8, not 9"),
        ("mlp:tfc-w0", "a width must be 1 to 10000 percent of the recipe's own, not 0"),
        ("resnet:resnet20-w50", "its network has no parameter channels, width or states with a default"),
        ("mlp:tfc-x2", "has no recipe 'tfc-x2'"),
    ],
)
def test_a_variant_that_cannot_be_is_refused(spec, text):
    with pytest.raises(Exception, match=text):
        load_recipe(spec)


def design(net, fps, percent, board="b"):
    return Point(net, board, None, fps, 1.0, 1, 1, 1, 1, 1, percent, "lut")


def test_the_front_of_scores_joins_all_networks_of_a_board(monkeypatch):
    given = [design("good", 100, 50), design("small", 100, 20), design("beaten", 90, 30), design("fast", 500, 30)]
    given += [design("beaten", 90, 30, "other board"), design("unknown", 1e9, 1)]
    monkeypatch.setattr("hwflow.explore.machines.each", lambda *_, **__: given)
    known = {"good": 0.9, "small": 0.8, "beaten": 0.7, "fast": 0.7}
    points = explore((), (), scores={net: Score("accuracy", value) for net, value in known.items()})
    assert {(p.net, p.board) for p in points if p.front} == {
        ("good", "b"), ("small", "b"), ("fast", "b"), ("beaten", "other board"),
    }  # fmt: skip
    assert {p.net: p.score for p in points} == known | {"unknown": None}
    assert not any(p.front for p in explore((), ())), "without scores there is no such front"


@pytest.mark.slow
def test_a_recipe_is_trained_in_every_combination_and_only_once(tmp_path):
    command = ["explore", "mlp:digits", "--bits", "1,2", "--widths", "25", "--epochs", "1", "--rates", "1000",
               "--boards", "ulx3s_12f", "--jobs", "1", "-o", str(tmp_path / "out")]  # fmt: skip
    first = RUNNER.invoke(app, command)
    assert first.exit_code == 0, first.output
    for name in ("digits-b1-w25", "digits-b2-w25"):
        assert f"train {name}" in first.output and (tmp_path / "out" / name / "model.onnx").is_file()
    with (tmp_path / "out" / "explore.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["net"] for row in rows} == {"digits-b1-w25", "digits-b2-w25"}
    assert all(row["measure"] == "accuracy" and 0.2 < float(row["score"]) < 1 for row in rows)
    assert (tmp_path / "out" / "scores.png").stat().st_size > 5000
    again = RUNNER.invoke(app, command)
    assert again.exit_code == 0 and "train digits" not in again.output
    other = RUNNER.invoke(app, [*command, "--epochs", "2"])
    assert other.exit_code != 0 and "was trained for 1 epochs, not 2" in str(other.exception or other.output)
    source = sources.find(str(tmp_path / "out" / "digits-b1-w25"), None, lambda *_: None)
    assert source.says == "mlp:digits-b1-w25"
