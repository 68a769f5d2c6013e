"""Sums of two branches whose scales have nothing in common, in front of a quantizer: exact on every pair, or refused."""

import numpy as np
import pytest
from networks import Build
from reading import classify, signs

from hwflow.emit.c_program import make_program
from hwflow.fold import fold, pairs
from hwflow.lower import cores
from hwflow.qonnx import explained, read, reference


def branches(b, rng, bits, scales):
    c = int(rng.integers(1, 5))
    left = b.quant(b.conv("x", signs(b, c, 2, 1, 1)), scales[0], bits[0], int(rng.integers(0, 2)))
    right = b.conv("x", signs(b, c, 2, 1, 1))
    right = b.sign(right, scales[1]) if bits[1] == 1 else b.quant(right, scales[1], bits[1])
    return c, b.node("Add", left, right)


@pytest.mark.parametrize("seed", range(12))
def test_a_residual_sum_of_any_scales_is_exact(seed, tmp_path):
    rng = np.random.default_rng(seed)
    b = Build((1, 2, 4, 6))
    bits = int(rng.integers(2, 6)), int(rng.integers(1, 5))
    c, x = branches(b, rng, bits, np.abs(rng.normal(0.4, 0.2, 2)) + 0.05)
    size = 24
    if seed % 3 == 0:
        x = b.norm(x, rng.normal(0, 1, c), rng.normal(0, 1, c), rng.normal(0, 1, c), np.abs(rng.normal(1, 0.3, c)))
    if seed % 2:
        x, size = b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), 6
    x = b.node("Relu", x) if seed % 4 == 0 else x
    x = b.sign(x) if seed % 5 == 0 else b.quant(x, 0.5, int(rng.integers(2, 5)))
    graph = read(b.save(tmp_path, classify(b, x, c * size)), "i4/4")
    net = fold(graph)
    x = rng.integers(-8, 8, (100, *graph.input.shape))
    want = reference(tmp_path / "net.onnx", x, "i4/4")
    assert np.array_equal(net.scores(net.run(x)), want) and len(np.unique(want)) > 1
    assert not any((n.name in graph.sums) for n in graph.nodes if type(n).__name__ == "Add")
    make_program(net)
    cores(net)


def test_a_sum_of_unrelated_scales_without_a_quantizer_is_in_fixed_point(tmp_path):
    rng = np.random.default_rng(0)
    b = Build((1, 2, 4, 4))
    _, x = branches(b, rng, (4, 4), (0.3, 0.37111))
    graph = read(b.save(tmp_path, x), "i4/4")
    net = fold(graph)
    x = rng.integers(-8, 8, (50, *graph.input.shape))
    assert np.array_equal(net.scores(net.run(x)), graph.run(graph.takes.real(x)))
    assert all(node.explained for node in explained(tmp_path / "net.onnx", x, "i4/4"))
    assert not net.answer.ordered


@pytest.mark.parametrize("scales", [(0.3137, 0.7351), (-0.3137, 0.7351), (0.3137, -0.7351), (-0.7351, -0.3137)])
def test_factors_sort_what_float32_sorts_or_there_are_none(scales):
    a, b = np.arange(-8, 8), np.arange(16)
    real = a[:, None] * scales[0] + b[None] * scales[1]
    levels = np.clip(np.floor(real) + 4, 0, 7).astype(np.int64)[..., None]
    found = pairs.sort(levels, a, b, scales)
    sums = found.factors[0] * a[:, None] + found.factors[1] * b[None]
    assert np.array_equal((sums[..., None] >= found.thresholds[0]).sum(-1), levels[..., 0])
    spoilt = levels.copy()
    spoilt[8, 8] = 7 - spoilt[8, 8]  # a level that no sum explains
    assert pairs.sort(spoilt, a, b, scales) is None
