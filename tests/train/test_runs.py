"""The list of runs: how far each is, whether it lives, how long it takes still; and the options of `hwflow train`."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading

import pytest
from train_worker import small

from hwflow.cli import main
from hwflow.errors import RecipeError
from hwflow.files import locked
from hwflow.recipe import METHODS, changed
from hwflow.runs import NOTE, list_runs, write_note
from hwflow.train import load_recipe, loop, train

VALUES = {
    "name": "n",
    "source": "mlp:n",
    "epochs": 8,
    "seconds": 30.0,
    "loss": 0.5,
    "accuracy": None,
    "finished": False,
}


def test_a_run_tells_how_far_it_is_while_it_is_stopped_and_when_it_is_done(tmp_path):
    train(small(), tmp_path / "a" / "b", progress=False, stop_after=1)
    ((where, note),) = list_runs(tmp_path)
    assert where == tmp_path / "a" / "b"
    assert (note.progress, note.epochs, note.finished, note.state) == (0.25, 4, False, "running")
    assert note.left == pytest.approx(3 * note.seconds)
    train(small(), where, progress=False, resume=True)
    ((_, note),) = list_runs(tmp_path)
    assert (note.progress, note.state, note.left) == (1.0, "done", 0)
    assert note.accuracy == json.loads((where / "metrics.json").read_text())["accuracy"]


def test_a_run_whose_process_is_gone_is_stopped_and_one_of_another_host_is_elsewhere(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write_note(tmp_path, progress=0.0, **VALUES)
    kept = json.loads((tmp_path / NOTE).read_text())
    assert kept["process"] == os.getpid()
    for changes, state in (
        ({}, "running"),
        ({"process": gone.pid}, "stopped"),
        ({"host": socket.gethostname() + "x"}, "elsewhere"),
    ):
        (tmp_path / NOTE).write_text(json.dumps(kept | changes))
        ((_, note),) = list_runs(tmp_path)
        assert (note.state, note.left) == (state, None)
    (tmp_path / NOTE).write_text("{")
    assert list_runs(tmp_path) == []


@pytest.mark.slow
def test_a_training_that_waited_for_its_folder_goes_on_from_what_it_finds_then(tmp_path):
    first = train(small(epochs=2), tmp_path / "a", progress=False, stop_after=1)
    second = []
    with locked(tmp_path / "b"):
        waits = threading.Thread(
            target=lambda: second.append(train(small(epochs=2), tmp_path / "b", progress=False, resume=True))
        )
        waits.start()
        waits.join(0.2)
        shutil.copy(tmp_path / "a" / "checkpoint.pt", tmp_path / "b")
    waits.join()
    assert second[0]["history"][0] == first["history"][0] and len(second[0]["history"]) == 2


@pytest.mark.slow
def test_ctrl_c_says_what_is_kept_and_it_is_true(tmp_path, monkeypatch, capsys):
    epoch = loop.Run.epoch

    def interrupted(after, save_every):
        """The line that `hwflow train --resume` ends with when Ctrl-C comes in the epoch behind so many."""
        left = [after]

        def stops(run, pause=lambda: False):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return epoch(run, pause)

        monkeypatch.setattr(loop.Run, "epoch", stops)
        monkeypatch.setattr(loop, "SAVE_EVERY", save_every)
        line = [
            "hwflow",
            "train",
            "mlp:digits",
            "--epochs",
            "3",
            "--threads",
            "1",
            "--resume",
            "-o",
            str(tmp_path / "r"),
        ]
        monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as ended:
            main()
        said = "".join(line for line in capsys.readouterr().err.splitlines() if "stopped" in line)
        return ended.value.code, said.replace(str(tmp_path), "TMP")

    assert interrupted(0, 1e9) == (
        130, "stopped before the first checkpoint: TMP/r is as it was; the same command begins again",
    )  # fmt: skip
    assert not (tmp_path / "r").exists()
    code, said = interrupted(1, 0.0)
    assert code == 130 and said.startswith("stopped; TMP/r/checkpoint.pt holds ")
    assert (
        said.endswith(" of 3 epochs: the same command with --resume goes on from there") or " steps: the same" in said
    )
    ((_, note),) = list_runs(tmp_path)
    assert note.progress > 0.3 or " 0 of 3 epochs and" in said
    assert interrupted(0, 1e9) == (130, said)  # what the checkpoint held before
    monkeypatch.setattr(loop.Run, "epoch", epoch)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0 and len(json.loads((tmp_path / "r" / "metrics.json").read_text())["history"]) == 3


def test_options_change_the_plan_and_the_method_and_keep_the_sharpness_of_the_recipe():
    recipe = load_recipe("resnet20")
    other = changed(recipe, "ir2-net", epochs=3, lr=0.5, seed=None)
    assert (other.training.epochs, other.training.lr, other.training.seed) == (3, 0.5, recipe.training.seed)
    assert (other.method.weights, other.method.act_estimator, other.method.t_min) == ("sign", "poly", 1e-3)
    with pytest.raises(RecipeError, match=f"method: must be one of {', '.join(METHODS)}, not 'magic'"):
        changed(recipe, "magic")
    with pytest.raises(RecipeError, match="lr must be above 0, not 0"):
        changed(recipe, lr=0)


@pytest.mark.slow
def test_the_command_line_trains_with_its_options_stops_and_lists(tmp_path):
    def hwflow(*args):
        done = subprocess.run(
            [sys.executable, "-m", "hwflow", *args],
            cwd=tmp_path,
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    options = ("--epochs", "2", "--lr", "0.02", "--seed", "3", "--method", "recu", "--threads", "1", "--json")
    hwflow("train", "mlp:digits", *options, "--minutes", "0")
    (run,) = hwflow("runs", "--json")
    assert (run["state"], run["epochs"]) == ("stopped", 2)
    assert 0 < run["progress"] < 0.5
    metrics = hwflow("train", "mlp:digits", *options, "--resume")
    assert (metrics["training"]["lr"], metrics["training"]["seed"], metrics["method"]["weights"]) == (0.02, 3, "recu")
    assert hwflow("runs", "--json")[0]["state"] == "done"


@pytest.mark.parametrize(
    ("change", "listed"),
    [
        ({"process": 1 << 70, "host": None}, True), ({"process": -1, "host": None}, True), ({"written": "x"}, False),
        ({"progress": None}, False), ({"epochs": []}, False), ({"more": 1}, False), ({"loss": float("nan")}, False),
    ],
)  # fmt: skip
def test_a_note_of_other_values_is_left_out_and_no_process_of_its_own_lives(
    tmp_path, change, listed, capsys, monkeypatch
):
    (tmp_path / "a").mkdir()
    write_note(tmp_path / "a", **VALUES, progress=0.5)
    values = json.loads((tmp_path / "a" / NOTE).read_text())
    changed = {k: socket.gethostname() if v is None and k == "host" else v for k, v in change.items()}
    (tmp_path / "a" / NOTE).write_text(json.dumps(values | changed))
    assert [note.state for _, note in list_runs(tmp_path)] == ["stopped"] * listed
    monkeypatch.setattr(sys, "argv", ["hwflow", "runs", str(tmp_path)])
    with pytest.raises(SystemExit) as done:
        main()
    assert not done.value.code and "Traceback" not in capsys.readouterr().err


def test_a_pipe_called_as_a_note_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / NOTE)
    assert list_runs(tmp_path) == []
