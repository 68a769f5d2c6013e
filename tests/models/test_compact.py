"""The papers' compact architectures, narrow: trained for one step, and equal in every engine down to RTL with stalls."""

import model_zoo
import pytest

from hwflow import flow, tools
from hwflow.train import load_recipe
from hwflow.verify import verify


@pytest.mark.slow
@pytest.mark.skipif(tools.find("g++") is None or tools.find("verilator") is None, reason="needs g++ and verilator")
@pytest.mark.parametrize("name", ["mobilenet-joined", pytest.param("efficientnet", marks=pytest.mark.long), "darts"])
def test_every_engine_answers_as_the_exported_network_does(name, tmp_path):
    sample = model_zoo.make(name, tmp_path)
    build = flow.compile_model(str(sample.path), tmp_path / "build", input=sample.recipe.input)
    proof = verify(build, sample.x[:3], engines=("qonnx", "graph", "numpy", "c", "hls", "rtl", "rtl-stalls"))
    assert proof.exact and all(rung.images == 3 for rung in proof.rungs)


@pytest.mark.parametrize(("spec", "share"), [("efficientnet", 0.8), ("darts", 0.95)])
def test_most_weights_of_the_whole_network_have_one_bit(spec, share):
    recipe = load_recipe(spec)
    model = recipe.network(recipe.method)
    layers = [m for m in model.modules() if hasattr(m, "weight_bits")]
    bits = {b: sum(m.weight.numel() for m in layers if m.weight_bits == b) for b in (1, 8)}
    assert bits[1] / sum(bits.values()) > share
