"""Networks as users of Brevitas export them: supported, and the same in every engine."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from hwflow import proof, tools
from hwflow.bench.breadth import INPUT, NETWORKS, export, prove
from hwflow.fold import fold
from hwflow.qonnx import explained, read, reference

pytestmark = pytest.mark.skipif(importlib.util.find_spec("brevitas") is None, reason="Brevitas is not installed")
ENGINES = ("file", "numpy", "c", "hls", "rtl", "rtl_stalls")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_brevitas_is_what_its_file_computes(name: str, tmp_path: Path):
    path = tmp_path / "net.onnx"
    export(name, path)
    graph = read(path, INPUT)
    net = fold(graph)
    assert {part.name for part in net.outputs} == set(NETWORKS[name][2])
    x = np.random.default_rng(0).integers(0, 256, (6, *net.input.shape))
    own, answers = proof.exported(graph, x), net.run(x)
    assert not proof.differing(net, graph, own, answers).any() and len(np.unique(answers)) > 100
    nodes = proof.of_reference(lambda part: explained(path, part, INPUT))
    assert not proof.judged(graph, x, reference(path, x, INPUT), own, nodes).wrong.any()


@pytest.mark.slow
@pytest.mark.skipif(tools.find("verilator") is None or tools.find("g++") is None, reason="no verilator or no g++")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_brevitas_is_the_same_in_every_engine(name: str, tmp_path: Path):
    export(name, tmp_path / "net.onnx")
    row = prove(tmp_path / "net.onnx", tmp_path)
    assert {engine: row[engine] for engine in ENGINES} == dict.fromkeys(ENGINES, 0)
