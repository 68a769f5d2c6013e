"""Keras models with layers of QKeras, larq and Keras 3: stored files against what each library predicted.

The files and predictions come from tests/kit/golden/make_keras.py; reading them needs h5py only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import GOLDEN
from typer.testing import CliRunner

from hwflow import tools
from hwflow.answers import Answers, parts
from hwflow.bits import Array
from hwflow.bridges import keras_larq, qkeras, qkeras_file
from hwflow.bridges.keras_layers import HANDLERS
from hwflow.bridges.qkeras_file import Function
from hwflow.cli import app
from hwflow.errors import ModelError
from hwflow.fold import fold
from hwflow.real import Graph
from hwflow.simulate import c, hls, rtl

pytest.importorskip("h5py", reason="reading Keras files needs h5py: pip install h5py")
MODELS = {
    "signal": ("h5", "u8/256"),
    "folded": ("keras", "u8/256"),
    "larq": ("h5", "u8/255"),
    "keras3": ("keras", "u8/256"),
}


def golden(name: str) -> tuple[Graph, Array, list[Array]]:
    """A stored model, its inputs in the hardware's shape, and what its library predicted."""
    end, takes = MODELS[name]
    graph = qkeras.read(GOLDEN / f"keras_{name}.{end}", takes)
    with np.load(GOLDEN / f"keras_{name}.npz") as kept:
        said = [kept[k] for k in sorted(k for k in kept.files if k.startswith("predict"))]
        return graph, kept["x"].astype(np.int64).reshape(-1, *graph.input.shape), said


@pytest.mark.parametrize("name", MODELS)
def test_the_integers_predict_what_the_library_predicts(name: str):
    graph, x, said = golden(name)
    net = fold(graph)
    answers = net.run(x)
    assert np.array_equal(net.scores(answers), graph.run(graph.takes.real(x)))
    mine = list(parts(net.real(answers)).values())
    assert len(mine) == len(said)
    for right in said:
        (own,) = [y for y in mine if y.shape == right.shape]
        np.testing.assert_allclose(own, right, rtol=1e-6, atol=1e-6)  # float32 sums and exponentials of another order
        assert np.array_equal(own.argmax(1), right.argmax(1)) and len(np.unique(right.argmax(1))) > 1
        assert len(np.unique(own)) > 3


def test_outputs_keep_their_names():
    net = fold(golden("folded")[0])
    assert isinstance(net.answer, Answers) and {p.name for p in net.outputs} == {"likely", "boxes"}
    assert {p.name: p.answer.head for p in net.outputs} == {"likely": "softmax", "boxes": ""}


@pytest.mark.slow
@pytest.mark.skipif(tools.find("verilator") is None or tools.find("g++") is None, reason="no verilator or no g++")
@pytest.mark.parametrize("name", ["signal", "folded", "larq"])
def test_every_engine_answers_alike(name: str, tmp_path: Path):
    from hwflow.emit.rtl import emit
    from hwflow.plan import plan

    graph, x, _ = golden(name)
    net = fold(graph)
    x, flow = x[:24], plan(net)
    want = net.run(x)
    assert np.array_equal(c.load(net, None).run(x), want)
    assert np.array_equal(hls.run(flow, tmp_path / "hls", x).outputs, want)
    emit(flow, tmp_path / "rtl")
    for stalls in (None, 7):
        assert np.array_equal(rtl.run(flow, tmp_path / "rtl", x, stalls=stalls).outputs, want)


@pytest.mark.parametrize("name", MODELS)
def test_check_and_quicklook_take_keras_files(name: str):
    end, takes = MODELS[name]
    for verb in ("check", "quicklook"):
        done = CliRunner().invoke(app, [verb, str(GOLDEN / f"keras_{name}.{end}"), "--input", takes])
        assert done.exit_code == 0, f"{verb}: {done.output} {done.exception}"


def layer(
    kind: str, name: str, source: str, arrays: dict[str, Any] | None = None, **config: object
) -> qkeras_file.Layer:
    return qkeras_file.Layer(kind, name, {"name": name, "activation": "linear", **config}, (source,), arrays or {})


def of(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], *layers: qkeras_file.Layer) -> Graph:
    """The graph of layers in front of an image, a signal or a vector."""
    first = qkeras_file.Layer("InputLayer", "in", {"name": "in", "batch_shape": [None, *shape]}, (), {})
    monkeypatch.setattr(qkeras, "layers_of", lambda _: ("net", (first, *layers)))
    return qkeras.read(Path("net.h5"), "i4/8")


@pytest.mark.parametrize("dims", [(1, 2, 3), (2, 1, 3), (3, 1, 2), (3, 2, 1), (1, 3, 2), (2, 3, 1)])
def test_a_permutation_moves_what_numpy_moves(dims: tuple[int, ...], monkeypatch: pytest.MonkeyPatch):
    shape = (2, 3, 4)
    graph = of(monkeypatch, shape, layer("Permute", "turn", "in", dims=list(dims)))
    x = np.arange(24).reshape(1, *shape) % 16 - 8
    net = fold(graph)
    assert np.array_equal(net.real(net.run(x))[0], (x[0] / 8).transpose([d - 1 for d in dims]))


def test_a_shape_may_leave_one_size_open_and_signals_are_signals(monkeypatch: pytest.MonkeyPatch):
    x = np.arange(24).reshape(1, 24) % 16 - 8
    graph = of(
        monkeypatch, (24,), layer("Reshape", "image", "in", target_shape=[2, -1, 4]),
        layer("Reshape", "signal", "image", target_shape=[6, 4]), layer("MaxPooling1D", "most", "signal", pool_size=[2], strides=None, padding="valid"),
    )  # fmt: skip
    net = fold(graph)
    assert np.array_equal(net.real(net.run(x))[0], (x / 8).reshape(3, 2, 4).max(1))


def test_a_leaky_relu_and_a_rescaling_are_what_keras_computes(monkeypatch: pytest.MonkeyPatch):
    x = np.arange(-8, 8).reshape(1, 16)
    graph = of(
        monkeypatch, (16,), layer("Rescaling", "scaled", "in", scale=4.0, offset=0.5), layer("LeakyReLU", "a", "scaled", alpha=0.25),
        layer("ReLU", "b", "a", max_value=2.0, negative_slope=0.5, threshold=0.0), layer("QActivation", "c", "b", activation="quantized_bits(6,2,alpha=1)"),
    )  # fmt: skip
    net = fold(graph)
    y = x * np.float32(0.5) + np.float32(0.5)
    y = np.where(y < 0, y * np.float32(0.25), y)
    y = np.minimum(np.where(y < 0, y * np.float32(0.5), y), 2)
    assert np.array_equal(net.real(net.run(x)), np.clip(np.rint(y * 8), -32, 31) / 8)


def test_weights_without_a_quantizer_must_be_integers_as_they_stand(monkeypatch: pytest.MonkeyPatch):
    whole = np.array([[0.25, -3.0], [-0.25, 1.5], [0.0, 4.5]], np.float32)
    net = fold(of(monkeypatch, (3,), layer("Dense", "d", "in", {"kernel": whole})))
    x = np.eye(3, dtype=int)
    assert np.array_equal(net.scores(net.run(x)), (x / np.float32(8)) @ whole)
    odd = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    with pytest.raises(ModelError, match="its weights are not quantised"):
        of(monkeypatch, (200,), layer("Dense", "d", "in", {"kernel": odd}))


@pytest.mark.parametrize(
    ("call", "want"),
    [
        (Function("ste_sign", {}), lambda x: np.where(x >= 0, 1, -1)),
        (Function("SwishSign", {"beta": 5.0}), lambda x: np.where(x >= 0, 1, -1)),
        (Function("SteTern", {"threshold_value": 0.25}), lambda x: np.sign(np.sign(x + 0.25) + np.sign(x - 0.25))),
        (Function("ste_heaviside", {}), lambda x: (x > 0).astype(float)),
        (Function("DoReFa", {"k_bit": 2, "mode": "activations"}), lambda x: np.rint(np.clip(x, 0, 1) * np.float32(3)) / np.float32(3)),
    ],
)  # fmt: skip
def test_an_activation_of_larq_is_what_its_source_says_at_every_boundary(call: Function, want: Any):
    x = np.concatenate([np.arange(-64, 65) / 32, [0.25, -0.25, 1e-30, -1e-30, 0.5, 1 / 6]]).astype(np.float32)
    y = x
    for step in keras_larq.activation(call):
        y = step.run(y)
    np.testing.assert_array_equal(y, want(x).astype(np.float32))


def test_kernels_of_larq_are_integers_times_a_scale():
    w = np.random.default_rng(0).uniform(-1, 1, (3, 3, 4, 5)).astype(np.float32)
    ints, scale = keras_larq.weights(Function("MagnitudeAwareSign", {}), w)
    assert set(np.unique(ints)) == {-1, 1} and np.allclose(scale, np.abs(w).mean((0, 1, 2)), rtol=1e-6)
    ints, scale = keras_larq.weights(Function("SteTern", {"ternary_weight_networks": True}), w)
    assert np.array_equal(ints, np.where(np.abs(w) > 0.7 * np.abs(w).mean(), np.sign(w), 0)) and scale == 1
    ints, scale = keras_larq.weights(Function("dorefa_quantizer", {"k_bit": 2, "mode": "weights"}), w)
    half = np.tanh(w) / np.abs(np.tanh(w)).max() / 2 + 0.5
    assert set(np.unique(ints)) <= {-3, -1, 1, 3} and np.allclose(ints * scale, 2 * np.rint(half * 3) / 3 - 1)


def test_every_layer_has_a_handler_that_says_what_it_refuses(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ModelError, match="layers of class LSTM are not supported") as e:
        of(monkeypatch, (4, 3), layer("LSTM", "l", "in"))
    assert all(name in str(e.value) for name in HANDLERS)
    with pytest.raises(ModelError, match="it moves 4096 elements"):
        of(monkeypatch, (16, 16, 16), layer("Permute", "p", "in", dims=[3, 1, 2]))
    with pytest.raises(ModelError, match="a ReLU with a threshold"):
        of(monkeypatch, (4,), layer("ReLU", "r", "in", threshold=0.5))
    with pytest.raises(ModelError, match="weights by NoOp have no integers"):
        of(monkeypatch, (4,), layer("QuantDense", "d", "in", {"kernel": np.ones((4, 2))}, kernel_quantizer="NoOp"))
