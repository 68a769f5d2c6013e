"""Where the command line prints to: an old encoding, a closed stream, a full disk, and memory that does not suffice."""

import os
import subprocess
import sys

import numpy as np
import pytest
from builds import build_of

from hwflow import inputs
from hwflow.cli import main
from hwflow.generate.nets import random_net


def said(words: str, redirect: str = "", **env: str) -> subprocess.CompletedProcess:
    command = f"{sys.executable} -m hwflow {words} {redirect}"
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=os.environ | env, timeout=60)


def test_a_table_goes_to_a_stream_of_another_encoding():
    done = said("boards", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and not done.stderr and "ulx3s_85f" in done.stdout and "?" in done.stdout


@pytest.mark.parametrize(("redirect", "code"), [(">&-", 0), (">&- 2>&-", 0), (">/dev/full", 1)])
def test_a_stream_that_takes_nothing_is_no_traceback(redirect, code):
    done = said("boards", redirect)
    assert done.returncode == code and "Traceback" not in done.stderr


def test_a_link_to_itself_is_no_traceback(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    random_net(3).save(tmp_path / "net.npz")
    done = said(f"compile {tmp_path}/net.npz -o {tmp_path}/loop")
    assert done.returncode == 1 and "ToolError" in done.stderr and "Traceback" not in done.stderr


def test_too_many_images_for_the_memory_are_said_so(tmp_path, monkeypatch, capsys):
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    build, x = build_of(tmp_path / "b", random_net(3)), tmp_path / "x.npy"
    np.save(x, build.images(2)[0])
    monkeypatch.setattr(inputs, "integers", full)
    monkeypatch.setattr(sys, "argv", ["hwflow", "simulate", str(build.folder), "--engine", "numpy", "--inputs", str(x)])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 1 and "not enough memory" in capsys.readouterr().err
