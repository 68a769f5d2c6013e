"""Bad input ends in one clear line and a non-zero exit, never in a traceback."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from conftest import shared
from networks import Build
from onnx import helper
from typer.testing import CliRunner

from hwflow.cli import app


def hwflow(*args, cwd):
    """Run the command line as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "hwflow", *map(str, args)],
        cwd=cwd,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def refused(done, *texts):
    assert done.returncode not in (0, None), done.stdout
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    for text in texts:
        assert text in " ".join(said.split()), said


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(range(256)) * 20])
def test_a_file_that_is_not_onnx_is_refused(tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    refused(hwflow("compile", "m.onnx", "-o", "b", cwd=tmp_path), "ModelError", "m.onnx")
    assert not (tmp_path / "b" / "net.npz").exists()


def test_a_truncated_model_is_refused(tmp_path):
    whole = shared("models/TFC_1W1A.onnx").read_bytes()
    for part in (100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "m.onnx").write_bytes(whole[:part])
        refused(hwflow("compile", "m.onnx", "-o", "b", cwd=tmp_path), "ModelError", "m.onnx")


def test_an_unsupported_operator_is_named_with_its_remedy(tmp_path):
    x, y = (helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 4]) for n in ("x", "y"))
    node = helper.make_node("Erf", ["x"], ["y"], name="squash")
    onnx.save(helper.make_model(helper.make_graph([node], "g", [x], [y])), tmp_path / "m.onnx")
    done = hwflow("check", "m.onnx", "--json", cwd=tmp_path)
    refused(done)
    findings = json.loads(done.stdout)["findings"]
    assert any(f["node"] == "squash" and f["remedy"] for f in findings), findings
    refused(hwflow("compile", "m.onnx", cwd=tmp_path), "ModelError", "squash")


def test_an_absent_model_says_where(tmp_path):
    refused(hwflow("compile", "gone.onnx", cwd=tmp_path), "gone.onnx: no such file")
    refused(hwflow("check", "gone.onnx", cwd=tmp_path), "gone.onnx: no such file")


def test_an_absent_build_says_how_to_make_one(tmp_path):
    for verb in ("simulate", "verify", "synth", "report"):
        refused(hwflow(verb, "nowhere", cwd=tmp_path), "RecipeError", "hwflow compile MODEL -o nowhere")


@pytest.mark.slow
def test_an_unknown_recipe_lists_those_that_exist(tmp_path):
    refused(hwflow("train", "models/nothing.py", cwd=tmp_path), "RecipeError", "mlp")


def test_an_unknown_board_lists_those_that_exist(tmp_path):
    refused(hwflow("compile", "gone.onnx", "--fit", cwd=tmp_path), "--fit needs a board")


def test_doctor_reports_as_json(tmp_path):
    done = hwflow("doctor", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {"g++", "verilator", "yosys"} <= {r["name"] for r in rows}


def test_usage_errors_are_not_tracebacks(tmp_path):
    refused(hwflow("compile", cwd=tmp_path), "issing argument")
    refused(hwflow("simulate", "x", "--engine", cwd=tmp_path))


@pytest.mark.slow
def test_names_of_a_file_are_text_and_nothing_else(tmp_path):
    """Node, graph and file names with markup, comment ends, quotes, newlines and shell syntax change nothing."""
    evil = '[/x] */ "; $(touch pwned) `touch pwned`\n[bold]'
    net = Build((1, 8))
    y = net.node("MatMul", net.sign("x"), net.sign(net.const(np.where(np.arange(32).reshape(8, 4) % 3, 0.5, -0.5))))
    model = net.model(y)
    model.graph.name = evil
    for i, node in enumerate(model.graph.node):
        node.name = f"{evil}{i}"
    folder = tmp_path / "my $(touch pwned) [bold]; x"
    folder.mkdir()
    onnx.save(model, folder / "[red]m.onnx")
    for args in (
        ("check", "[red]m.onnx"),
        ("compile", "[red]m.onnx", "--input", "i8", "-o", "b c"),
        ("verify", "b c", "-n", "2"),
        ("quicklook", "b c"),
        ("report", "b c"),
    ):
        done = hwflow(*args, cwd=folder)
        assert done.returncode == 0, (args, done.stdout + done.stderr)
    assert not list(tmp_path.rglob("pwned"))
    model.graph.node[0].op_type = "LSTM"
    onnx.save(model, folder / "bad.onnx")
    refused(hwflow("check", "bad.onnx", cwd=folder), "[/x]")


@pytest.mark.parametrize(
    "args",
    [("verify", "b", "-n", "0"), ("simulate", "b", "--engine", "c", "-n", "-1"), ("split", "m.onnx", "-n", "0"), ("fuzz", "--workers", "0"), ("fuzz", "--files", "0")],
)  # fmt: skip
def test_no_images_and_no_workers_are_refused(args):
    """Nothing proven is no proof, and a search without workers would never end."""
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 2 and "greater than or equal to 1" in " ".join(done.output.split()), done.output


@pytest.mark.slow
def test_labels_are_one_whole_number_for_each_image(tmp_path):
    rng = np.random.default_rng(0)
    net = Build((1, 6))
    w = net.const(np.where(rng.random((6, 3)) < 0.5, 1.0, -1.0))
    onnx.save(net.model(net.node("MatMul", net.sign("x"), w)), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", x := rng.integers(-8, 8, (9, 6)))
    assert hwflow("compile", "m.onnx", "--input", "i4/4", "-o", "b", cwd=tmp_path).returncode == 0
    right = (np.where(x >= 0, 1, -1) @ np.where(np.random.default_rng(0).random((6, 3)) < 0.5, 1, -1)).argmax(1)
    right[0] += 1
    verify = ("verify", "b", "--engines", "numpy,dataflow", "--inputs", "x.npy", "--labels", "y.npy", "--json")
    np.save(tmp_path / "y.npy", right)
    done = hwflow(*verify, cwd=tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["accuracy"] == 8 / 9, done.stderr
    np.save(tmp_path / "y.npy", np.stack([right, right], 1))
    refused(hwflow(*verify, cwd=tmp_path), "answers (9,) labels, not (9, 2)")
    np.save(tmp_path / "y.npy", right[:8])
    refused(hwflow(*verify, cwd=tmp_path), "RecipeError", "holds 8 labels for 9 images")
    refused(hwflow("verify", "b", "--labels", "y.npy", cwd=tmp_path), "--labels are those of --inputs X.npy")


def test_scores_and_labels_are_saved_in_the_files_own_order(tmp_path):
    net = Build((1, 3, 4, 5))
    w = net.const(np.where(np.arange(54).reshape(2, 3, 3, 3) % 3, 1.0, -1.0))
    y = net.node("Sigmoid", net.node("Mul", net.conv(net.sign("x"), w, bias=[0.5, -1.0]), net.const(0.25)))
    onnx.save(net.model(y), tmp_path / "m.onnx")
    x = np.random.default_rng(0).integers(-8, 8, (6, 4, 5, 3))
    np.save(tmp_path / "x.npy", x.transpose(0, 3, 1, 2))
    done = hwflow("compile", "m.onnx", "--input", "i4/4", "-o", "b", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = ("simulate", "b", "--engine", "numpy", "--inputs", "x.npy", "--outputs", "y.npy", "--scores", "s.npy")
    refused(hwflow(*run, cwd=tmp_path), "(3, 4, 5)", "(4, 5, 3)", "--layout nchw")
    done = hwflow(*run, "--layout", "nchw", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answers, scores = np.load(tmp_path / "y.npy"), np.load(tmp_path / "s.npy")
    assert answers.shape == (6, 12) and answers.dtype == np.int64
    assert scores.shape == (6, 2, 2, 3) and scores.dtype == np.float32
    order = np.argsort(scores.transpose(0, 2, 3, 1), axis=None, kind="stable")
    assert (np.diff(answers.ravel()[order]) >= 0).all(), "integers sort as the scores do"
