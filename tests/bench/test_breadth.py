"""Networks as users of Brevitas export them: supported, and the same in every engine."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from hwflow import proof, tools
from hwflow.bench.breadth import export, prove, read_exported
from hwflow.bench.breadth_nets import NETWORKS
from hwflow.fold import fold

pytestmark = pytest.mark.skipif(importlib.util.find_spec("brevitas") is None, reason="Brevitas is not installed")
ENGINES = ("file", "numpy", "c", "hls", "rtl", "rtl_stalls")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if "MobileNet" in n else n for n in NETWORKS])
def test_a_network_of_brevitas_is_what_its_file_computes(name: str, tmp_path: Path):
    path, network = tmp_path / "net.onnx", NETWORKS[name]
    export(name, path)
    graph, x = read_exported(name, path, 6)
    net = fold(graph)
    assert {part.name for part in net.outputs} in (set(network.outputs), {""})
    own, answers = proof.exported(graph, x), net.run(x)
    assert not proof.differing(net, graph, own, answers).any() and len(np.unique(answers, axis=0)) == len(x)
    assert not proof.judged(graph, x, own, proof.of_file(path, graph, x, network.input)).wrong.any()


# every engine of one network takes half a minute to compile: `make test-all` has the others
CHOSEN = [name for name in NETWORKS if "HWFLOW_IMAGES" in os.environ or name.startswith("Keywords")]


@pytest.mark.slow
@pytest.mark.skipif(tools.find("verilator") is None or tools.find("g++") is None, reason="no verilator or no g++")
@pytest.mark.parametrize("name", CHOSEN)
def test_a_network_of_brevitas_is_the_same_in_every_engine(name: str, tmp_path: Path):
    export(name, tmp_path / "net.onnx")
    row = prove(name, tmp_path / "net.onnx", tmp_path)
    assert {engine: row[engine] for engine in ENGINES} == dict.fromkeys(ENGINES, 0)
