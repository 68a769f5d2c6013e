"""The command line teaches itself: every verb has a group, an example that runs, and one suggestion for a slip."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from hwflow.board import load_board
from hwflow.cli import app  # registers every verb
from hwflow.cli.common import EXAMPLES, GROUPS, START
from hwflow.errors import RecipeError

SLOW = {
    "demo",
    "deploy",
    "run",
    "synth",
    "hls",
    "bridge",
    "train",
    "explore",
    "fuzz",
    "bench",
    "go",
    "simulate",
    "split",
    "verify",
    "recipes",
    "publish",
}


def run(command, cwd):
    beside = str(Path(sys.executable).parent)
    env = {**os.environ, "PATH": beside + os.pathsep + os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(["bash", "-euc", command], cwd=cwd, env=env, capture_output=True, text=True, timeout=900)


def test_every_verb_has_a_group_and_an_example():
    assert (
        {c.name for c in app.registered_commands} == EXAMPLES.keys() <= {v for verbs in GROUPS.values() for v in verbs}
    )


@pytest.mark.parametrize("verb", [pytest.param(v, marks=[pytest.mark.slow] * (v in SLOW)) for v in EXAMPLES])
def test_the_example_of_a_verb_runs(verb, digits, tmp_path):
    shutil.copytree(digits.folder, tmp_path / "build" / "digits")
    before = [EXAMPLES["deploy"]] if verb == "run" else []
    for command in (*before, EXAMPLES[verb]):
        done = run(command, tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_a_verb_s_help_shows_its_arguments_and_its_example(tmp_path):
    done = run("hwflow compile --help", tmp_path)
    assert "MODEL.onnx" in done.stdout and "Example: hwflow compile" in done.stdout


def test_bare_hwflow_teaches_the_flow_in_ten_lines(tmp_path):
    done = run("hwflow", tmp_path)
    assert done.returncode == 0 and done.stdout == START
    assert len([line for line in START.splitlines() if line]) <= 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "meant"),
    [("hwflow chekc x", "check"), ("hwflow train models/mpl.py", "mlp"), ("hwflow bench board", "boards")],
)
def test_a_slip_gets_one_suggestion(command, meant, tmp_path):
    done = run(command, tmp_path)
    said = (done.stdout + done.stderr).lower()
    assert done.returncode != 0 and "traceback" not in said
    assert said.count("did you mean") == 1 and meant in said.split("did you mean")[1]


def test_a_board_s_name_with_a_slip_is_suggested():
    with pytest.raises(RecipeError, match=r"did you mean ulx3s_85f\?"):
        load_board("ulx3s_85")


def test_importing_hwflow_imports_no_heavy_package():
    code = (
        "import sys, hwflow; print(sorted({'torch', 'onnx', 'numpy', 'matplotlib', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("code", "most"), [("import hwflow", 0.3), ("from hwflow.cli import app; app(['--help'])", 0.5)]
)
def test_importing_and_helping_take_a_fraction_of_a_second(code, most):
    """Seconds of processor time, the least of three: a busy machine stretches the time on the clock alone."""
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < most, taken


def test_a_stage_is_its_function_whatever_was_imported_before():
    code = "import hwflow.fold, hwflow.verify, hwflow; print(callable(hwflow.fold), callable(hwflow.verify), callable(hwflow.lower))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == ["True"] * 3


@pytest.mark.slow
def test_the_demo_without_training_needs_neither_torch_nor_synthesis(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('not here')\n")
    done = run("PYTHONPATH=$PWD:$PYTHONPATH hwflow demo --no-train", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every engine agrees to the last bit" in done.stdout
    assert (tmp_path / "build" / "digits" / "report.html").is_file()
