"""Layers that are float get integer weights and inputs by request: the error is said, and from there on all is exact."""

import json

import numpy as np
import onnx
import pytest
from conftest import shared
from networks import Build
from typer.testing import CliRunner

import hwflow
from hwflow import tools
from hwflow.cli import app
from hwflow.errors import RecipeError
from hwflow.flow import Calibration, compile_model
from hwflow.fold import fold
from hwflow.qonnx import check, read
from hwflow.qonnx.quantise import quantise_float
from hwflow.verify import verify

TAKES = "u8/255"


def float_file(seed: int, folder):
    """A float convolution, a float ReLU in front of a float dense layer with a bias, and a sign between in every second."""
    rng = np.random.default_rng(seed)
    b = Build((1, 3, 6, 5))
    rows = int(rng.integers(2, 6))
    x = b.conv("x", b.const(rng.normal(0, 0.3, (rows, 3, 3, 3))), pads=(1, 1, 1, 1), bias=rng.normal(0, 0.1, rows))
    x = b.sign(x) if seed % 2 else b.node("Relu", x)
    x = b.node("Flatten", x, axis=1)
    weights = rng.normal(0, 0.2, (4, 30 * rows)) * rng.uniform(0.1, 1, (4, 1))
    if seed % 3:
        x = b.node("Gemm", x, b.const(weights), b.const(rng.normal(0, 1, 4)), transB=1)
    else:
        x = b.node("MatMul", x, b.const(weights.T))
    return b.save(folder, b.node("Softmax", x, axis=1) if seed == 3 else x)


def images(n: int = 40):
    return np.random.default_rng(1).integers(0, 256, (n, 6, 5, 3))


@pytest.mark.parametrize("seed", range(6))
def test_a_float_file_becomes_one_of_integers_and_its_error_is_what_was_said(seed: int, tmp_path):
    path, out, x = float_file(seed, tmp_path), tmp_path / "q.onnx", images()
    assert check(path, TAKES)
    made = quantise_float(path, out, x, 8, TAKES)
    assert not check(out, TAKES)
    graph = read(out, TAKES)
    net = fold(graph)
    assert np.array_equal(net.scores(net.run(x)), graph.run(graph.takes.real(x)))
    answers, right = net.real(net.run(x)), reference_of_float(path, x)
    (name,) = made.error
    assert made.error[name] == pytest.approx(np.abs(answers - right).max(), rel=1e-3, abs=1e-6)
    assert made.agreement[name] == (answers.argmax(1) == right.argmax(1)).mean() >= 0.9
    assert bool(made.inputs) == (seed % 2 == 0), "the input behind a float ReLU needs a range"
    if seed % 2:
        assert net.answer.ordered, (
            "scales of a last layer are multiples of one, so that sums of signs sort as scores do"
        )
    assert f"{len(x)} calibration images" in str(made)


def reference_of_float(path, x):
    import onnxruntime

    real = np.moveaxis(x, -1, 1).astype(np.float32) / np.float32(255)
    model = onnx.load(path)
    if any(node.domain for node in model.graph.node):  # onnxruntime knows no BipolarQuant: it is a sign here
        for node in model.graph.node:
            if node.op_type == "BipolarQuant":
                at = list(model.graph.node).index(node)
                zero, one, low = "zero_", "one_", "low_"
                for n, v in ((zero, 0.0), (one, 1.0), (low, -1.0)):
                    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(v), n))
                made = [
                    onnx.helper.make_node("GreaterOrEqual", [node.input[0], zero], ["ge_"]),
                    onnx.helper.make_node("Where", ["ge_", one, low], list(node.output)),
                ]
                del model.graph.node[at]
                for k, m in enumerate(made):
                    model.graph.node.insert(at + k, m)
                break
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"x": real[i : i + 1]})[0] for i in range(len(real))])


def test_fewer_bits_make_a_larger_error_and_wrong_requests_are_refused(tmp_path):
    path, x = float_file(2, tmp_path), images()
    errors = [max(quantise_float(path, tmp_path / "q.onnx", x, bits, TAKES).error.values()) for bits in (3, 8, 12)]
    assert errors[0] > 4 * errors[1] > 16 * errors[2] > 0
    with pytest.raises(RecipeError, match="must be 2 to 16 bits"):
        quantise_float(path, tmp_path / "q.onnx", x, 17, TAKES)
    with pytest.raises(RecipeError, match="no layer has float weights"):
        quantise_float(tmp_path / "q.onnx", tmp_path / "r.onnx", x, 8, TAKES)
    with pytest.raises(RecipeError, match="at least one calibration image"):
        quantise_float(path, tmp_path / "q.onnx", x[:0], 8, TAKES)


@pytest.mark.skipif(tools.find("verilator") is None or tools.find("g++") is None, reason="no verilator or no g++")
@pytest.mark.slow
def test_the_public_network_with_a_float_first_layer_is_exact_in_every_engine_behind_its_quantizer(tmp_path):
    path = shared("cases/refused/op_floatfirst.onnx")
    with np.load(path.with_suffix(".npz")) as kept:
        x, takes, right = np.moveaxis(kept["x"], 1, -1).astype(int), str(kept["spec"]), kept["y"]
    build = compile_model(str(path), tmp_path / "b", input=takes, calibration=Calibration(8, x))
    assert "/0/Conv" in build.ask["quantised"] and "scores differ by" in build.ask["quantised"]
    answers = build.net.run(x)
    assert len(np.unique(answers)) > 1 and np.abs(build.net.real(answers).reshape(len(x), -1) - right).max() < 0.25
    proof = verify(build, x, n=24)  # its other layer has the scale 0.1: float32 rounds its sums
    assert proof.exact and {"c", "hls", "rtl", "rtl-stalls"} <= {r.b for r in proof.rungs}
    again = compile_model(str(build.folder), build.folder, input=takes)
    assert again.ask["quantised"] == build.ask["quantised"] and again.net.hash == build.net.hash


def test_the_command_line_and_python_quantise_too(tmp_path):
    path, x = float_file(2, tmp_path), images()
    np.save(tmp_path / "x.npy", x)
    asked = ["check", str(path), "--input", TAKES, "--json"]
    assert CliRunner().invoke(app, asked).exit_code == 1
    done = CliRunner().invoke(app, [*asked, "--quantise-float", "8", "--calibrate", str(tmp_path / "x.npy")])
    assert done.exit_code == 0 and json.loads(done.stdout)["supported"]
    alone = CliRunner().invoke(app, [*asked, "--quantise-float", "8"])
    assert alone.exit_code != 0 and "belong together" in str(alone.exception or alone.output)
    made = hwflow.compile(path, x, input=TAKES, quantise_float=8, folder=tmp_path / "b")
    assert "the inputs of" in made.build.ask["quantised"]
