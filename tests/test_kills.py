"""A few kills of each command in the suite; `python tests/kit/kills.py` takes as many as are asked for."""

import threading

import disks
import kills
import numpy as np
import pytest
from builds import build_of

from hwflow import flow
from hwflow.errors import RecipeError
from hwflow.generate.nets import random_net


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, times", [("compile", 6), ("verify", 6), ("deploy", 4), ("bench", 3), ("race", 6), ("threads", 2)]
)
def test_a_killed_command_leaves_the_old_result_or_the_new(name, times, tmp_path):
    found = kills.LIFE[name](times, tmp_path, 7)
    assert sum(found.values()) == times


@pytest.mark.slow
def test_a_killed_synthesis_leaves_the_old_result_or_the_new(tmp_path):
    assert sum(kills.synths(5, tmp_path, 7, fake=True).values()) == 5


@pytest.mark.slow
def test_a_killed_training_leaves_the_old_result_or_the_new(tmp_path):
    assert sum(kills.trains(3, tmp_path, 7).values()) == 3


def test_a_mixture_would_be_seen(tmp_path):
    def write(text):
        def work():
            (tmp_path / "f").mkdir(exist_ok=True)
            for k in range(40):
                (tmp_path / "f" / str(k)).write_text(text)
                threading.Event().wait(0.002)

        return work

    with pytest.raises(AssertionError, match="a mixture"):
        kills.trials(6, tmp_path / "f", write("old"), write("new"), lambda: None)


def test_a_compilation_that_fails_leaves_the_build_that_was_there(tmp_path, monkeypatch):
    build = build_of(tmp_path / "build", random_net(3))
    before = kills.contents(build.folder)
    (tmp_path / "b").mkdir()
    random_net(8).save(tmp_path / "b" / "net.npz")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(flow.emit, "hls", full)
    with pytest.raises(OSError, match="No space left"):
        flow.compile_model(str(tmp_path / "b" / "net.npz"), build.folder)
    assert kills.contents(build.folder) == before
    with pytest.raises(RecipeError):
        flow.compile_model(str(tmp_path / "b" / "net.npz"), tmp_path / "new", flow.Target(fps=1e12))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "build"]


@pytest.mark.slow
def test_a_disk_that_fills_up_at_any_moment_leaves_the_old_build_and_no_parts(tmp_path):
    import os
    import resource
    import signal

    for name, seed in (("a", 3), ("b", 8)):
        (tmp_path / name).mkdir()
        random_net(seed).save(tmp_path / name / "m.npz")

    def compile_(name):
        return flow.compile_model(str(tmp_path / name / "m.npz"), tmp_path / "build")

    fresh = kills.contents(compile_("b").folder)
    before = kills.contents(compile_("a").folder)
    codes = []
    for most in np.geomspace(100, 1e6, 12).astype(int).tolist():
        child = os.fork()
        if child == 0:
            code = 1
            try:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # no file may be larger: the write fails
                compile_("b")
                code = 0
            except OSError:
                code = 3
            finally:
                os._exit(code)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        left = kills.contents(tmp_path / "build")
        assert left == (fresh if codes[-1] == 0 else before)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "build"]
        compile_("a")
    assert set(codes) == {0, 3}, "some sizes were enough and some were not"


@pytest.mark.skipif(not disks.may_mount(), reason="no disk of its own: needs root")
@pytest.mark.parametrize("kind", ["full", "readonly"])
def test_a_disk_that_is_full_or_read_only_leaves_the_old_result_or_the_new(kind):
    assert sum(disks.run(kind, 3, "compile", 5).values()) == 3
    assert sum(disks.run(kind, 2, "deploy", 5).values()) == 2
