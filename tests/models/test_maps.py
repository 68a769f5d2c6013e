"""Networks that answer maps, from training to hardware: a segmenter whose pixels are decided on chip, a detector of four outputs."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from hwflow import flow, tools
from hwflow.train import load_recipe, train
from hwflow.train.kept import keep
from hwflow.verify import verify

SMALL = {"unet": {"channels": (3, 4, 5)}, "detector": {"channels": (3, 4, 5, 6)}}


@pytest.fixture(scope="module", params=SMALL)
def run(request, tmp_path_factory):
    """A narrow network of the models room after one short epoch."""
    name = request.param
    recipe = load_recipe(f"models/{name}.py:{name}-digits")
    plan = replace(recipe.training, epochs=1, limit=64, batch=32, amp=False)
    folder = tmp_path_factory.mktemp(name) / name
    train(replace(recipe, network=partial(recipe.network, **SMALL[name]), training=plan), folder, progress=False)
    return name, folder


@pytest.mark.slow
def test_integers_are_as_good_as_pytorch_on_the_whole_split(run, tmp_path, monkeypatch):
    name, folder = run
    module = load_recipe(f"models/{name}.py:{name}-digits")
    # the checkpoint is of the narrow network
    narrow = replace(module, network=partial(module.network, **SMALL[name]))
    monkeypatch.setattr("hwflow.train.checkpoint.load_recipe", lambda _: narrow)
    monkeypatch.setattr("hwflow.train.kept.command_of", lambda _: "")
    kept = keep(folder, tmp_path / "kept")
    assert kept["net"]["accuracy"] == kept["accuracy"] and kept["net"]["images"] == 600
    assert kept["measure"] == {"unet": "mean IoU", "detector": "mAP@0.5"}[name]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(tools.find("g++") is None or tools.find("verilator") is None, reason="needs g++ and verilator")
def test_every_engine_answers_a_map_as_the_exported_network_does(run):
    name, folder = run
    build = flow.compile_model(str(folder), answer="labels" if name == "unet" else "scores")
    x = np.asarray(build.images()[0][:3])
    proof = verify(build, x, engines=("qonnx", "graph", "numpy", "c", "hls", "rtl", "rtl-stalls"))
    assert proof.exact and all(rung.images == 3 for rung in proof.rungs)
    if name == "detector":
        assert [part.name for part in build.net.outputs] == ["classes4", "sides4", "classes8", "sides8"]
    else:
        assert build.net.output.size == 40 * 40 and build.net.gives_labels
