"""Files are whole or absent, folders change in one step, locks exclude, and what lies is refused before memory is taken."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hwflow import files
from hwflow.board import read_board
from hwflow.bridges.qkeras_file import layers_of
from hwflow.driver import LinkError
from hwflow.driver_line import read_design
from hwflow.errors import ModelError, RecipeError, ToolError
from hwflow.inputs import Takes, load
from hwflow.places import cache
from hwflow.qonnx.model import parse


def left(folder):
    """What lies in a folder beside what was meant to: parts of unfinished writing."""
    return sorted(p.name for p in folder.rglob("*") if files.PART in p.name)


def test_a_file_is_replaced_whole_and_an_error_leaves_the_old_one(tmp_path):
    path = tmp_path / "a" / "x.json"
    files.write_json(path, {"n": np.int64(3), "at": Path("p"), "row": np.arange(2)})
    assert json.loads(path.read_text()) == {"n": 3, "at": "p", "row": [0, 1]}
    with pytest.raises(TypeError):
        files.write_json(path, {"n": object()})
    assert json.loads(path.read_text())["n"] == 3 and left(tmp_path) == []


def test_arrays_come_back_and_give_the_same_bytes_whenever_they_are_written(tmp_path, monkeypatch):
    x = np.arange(12, dtype=np.int16).reshape(3, 4)
    files.write_arrays(tmp_path / "a.npz", x=x, flags=x > 5, none=np.zeros((0, 2)))
    monkeypatch.setattr(time, "time", lambda: 2e9)
    files.write_arrays(tmp_path / "b.npz", x=x, flags=x > 5, none=np.zeros((0, 2)))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = files.read_arrays(tmp_path / "a.npz", "again")
    assert all(np.array_equal(back[k], v) for k, v in {"x": x, "flags": x > 5, "none": np.zeros((0, 2))}.items())
    assert np.array_equal(np.load(tmp_path / "a.npz")["x"], x)


def test_a_folder_is_rewritten_in_one_step(tmp_path):
    folder = tmp_path / "build"
    (folder / "deep").mkdir(parents=True)
    for name in ("keep", "old", "deep/er"):
        (folder / name).write_text(name)
    with files.rewritten(folder, lambda name: name == "old") as part:
        assert sorted(p.name for p in part.iterdir()) == ["deep", "keep"]
        files.write_text(part / "new", "new")
        files.write_text(part / "keep", "changed")
        assert (folder / "old").read_text() == "old" and (folder / "keep").read_text() == "keep"
    assert sorted(p.name for p in folder.iterdir()) == ["deep", "keep", "new"]
    assert (folder / "keep").read_text() == "changed" and (folder / "deep" / "er").read_text() == "deep/er"
    assert left(tmp_path) == []


def test_an_error_while_rewriting_leaves_the_folder_and_nothing_else(tmp_path):
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / "a").write_text("a")
    with pytest.raises(ZeroDivisionError), files.rewritten(folder) as part:
        files.write_text(part / "b", "b")
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.rglob("*")] == ["build", "a"]
    with pytest.raises(ZeroDivisionError), files.rewritten(tmp_path / "fresh"):
        raise ZeroDivisionError
    assert not (tmp_path / "fresh").exists()


def test_what_a_killed_process_left_is_swept_up_and_what_a_live_one_writes_is_not(tmp_path):
    folder = tmp_path / "b*d"
    folder.mkdir()
    dead = tmp_path / f".b*d{files.PART}1-dead"
    dead.mkdir()
    other = tmp_path / f".bxd{files.PART}1-other"
    other.mkdir()
    with files.rewritten(folder) as live:
        files._sweep(folder)
        assert live.is_dir()
    assert not dead.exists() and other.is_dir()


def test_threads_wait_for_the_folder_they_write(tmp_path):
    inside, most, said = [0], [0], []

    def work(k):
        with files.locked(tmp_path / "build", said.append), files.rewritten(tmp_path / "build") as part:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            files.write_text(part / f"{k}", str(k))
            time.sleep(0.01)
            inside[0] -= 1

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert most == [1] and any("another hwflow" in line for line in said)
    assert sorted(p.name for p in (tmp_path / "build").iterdir()) == [str(k) for k in range(8)]


def _append(folder, times):
    for _ in range(times):
        with files.rewritten(folder) as part:
            count = int((part / "n").read_text()) if (part / "n").is_file() else 0
            files.write_text(part / "n", str(count + 1))


def test_processes_wait_for_the_folder_they_write(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_append, args=(tmp_path / "build", 15)) for _ in range(3)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(60)
    assert (tmp_path / "build" / "n").read_text() == "45"
    assert left(tmp_path) == []


WRITER = """
import sys, itertools
from pathlib import Path
from hwflow import files
folder = Path(sys.argv[1])
for k in itertools.count(int(sys.argv[2])):
    with files.rewritten(folder) as part:
        for name in "abcdef":
            files.write_text(part / name, str(k))
    print(k, flush=True)
"""


def test_a_folder_is_old_or_new_whenever_its_writer_is_killed(tmp_path):
    folder, rng, seen = tmp_path / "build", np.random.default_rng(5), 0
    for _ in range(8):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(seen)], stdout=subprocess.PIPE)
        assert child.stdout
        child.stdout.readline()
        time.sleep(rng.random() * 0.05)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        values = {p.name: p.read_text() for p in folder.iterdir()}
        assert sorted(values) == list("abcdef") and len(set(values.values())) == 1
        seen = int(values["a"]) + 1
    with files.rewritten(folder):
        pass
    assert left(tmp_path) == []


# -- what lies


@pytest.mark.slow
def test_an_archive_that_would_fill_the_memory_is_refused_unread(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle, bundle.open("x.npy", "w", force_zip64=True) as f:
        np.lib.format.write_array_header_1_0(f, {"descr": "|u1", "fortran_order": False, "shape": (75 << 23,)})
        for _ in range(75):
            f.write(bytes(1 << 23))
    assert path.stat().st_size < 3 << 20
    with pytest.raises(RecipeError, match=r"would take \d+ bytes of memory"):
        files.read_arrays(path, "again")


def header(shape, descr="<i8"):
    import io

    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue()


LIES = {
    "a header that says more than there is": {"x.npy": header((1 << 40,))},
    "a header with a negative length": {"x.npy": header((-4,)) + bytes(64)},
    "a product that overflows": {"x.npy": header((1 << 62, 8)) + bytes(64)},
    "more than its shape": {"x.npy": header((1,)) + bytes(64)},
    "pickled objects": {"x.npy": header((1,), "|O") + bytes(64)},
    "no array": {"x.npy": b"hello"},
    "nothing": {"x.npy": b""},
    "another name": {"y.npy": header((1,)) + bytes(8)},
}


@pytest.mark.parametrize("name", LIES)
def test_an_archive_that_lies_is_one_line(name, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as bundle:
        for entry, data in LIES[name].items():
            bundle.writestr(entry, data)
    with pytest.raises(ModelError) as caught:
        files.read_arrays(tmp_path / "x.npz", "compile again", ModelError, names=("x",))
    assert len(str(caught.value).splitlines()) == 1 and "compile again" in str(caught.value)
    if name in ("a header that says more than there is", "a product that overflows"):
        assert "its entry has" in str(caught.value)  # said by the header, before memory is taken for it


@pytest.mark.parametrize("seed", range(4))
def test_damaged_archives_are_one_line_or_whole(seed, tmp_path):
    files.write_arrays(tmp_path / "good.npz", x=np.arange(300), y=np.arange(7) > 3)
    good = (tmp_path / "good.npz").read_bytes()
    rng = np.random.default_rng(seed)
    for k in range(60):
        bad = bytearray(good[: rng.integers(len(good))] if k % 3 == 0 else good)
        for at in rng.integers(0, max(len(bad), 1), 3):
            if bad:
                bad[at] = rng.integers(256)
        (tmp_path / "bad.npz").write_bytes(bad)
        try:
            files.read_arrays(tmp_path / "bad.npz", "again")
        except RecipeError as e:
            assert "again" in str(e)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": 1e999999', "\x00", "nul", '{"a":\xff}'])
def test_what_is_no_json_is_one_line(text, tmp_path):
    (tmp_path / "x.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RecipeError, match=r"is not JSON .*; again"):
        files.read_json(tmp_path / "x.json", "again")
    with pytest.raises(RecipeError, match="cannot be read"):
        files.read_json(tmp_path / "absent.json", "again")


def test_answers_appear_whole_and_a_folder_is_no_name_for_them(tmp_path, monkeypatch):
    y, other = np.arange(6).reshape(2, 3), np.zeros((4, 3), int)
    files.write_answers(tmp_path / "y.npy", y)
    files.write_answers(tmp_path / "plain", y)
    assert np.array_equal(np.load(tmp_path / "y.npy"), y) and np.array_equal(np.load(tmp_path / "plain.npy"), y)

    def full(file, _):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space"):
        files.write_answers(tmp_path / "y.npy", other)
    assert np.array_equal(np.load(tmp_path / "y.npy"), y)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plain.npy", "y.npy"]
    with pytest.raises(RecipeError, match="is a folder; give the name of a file"):
        files.check_answers_path(tmp_path, ["scores"], "--outputs")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop of links"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "x"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to(path)
    takes = Takes((4,), 0, 15)
    readers = {
        "json": lambda: files.read_json(path, "r"),
        "npz": lambda: files.read_arrays(path, "r"),
        "npy": lambda: load(path, takes),
        "board": lambda: read_board(path),
        "design": lambda: read_design(path),
        "onnx": lambda: parse(path),
        "keras": lambda: layers_of(path),
    }
    for name, read in readers.items():
        with pytest.raises((RecipeError, ModelError, LinkError, ToolError)) as refused:
            read()
        assert str(path) in str(refused.value) or refused.type is ToolError, name
    with pytest.raises(OSError, match=r"regular|folder|links|directory"):
        files.digest(path)


def test_a_cache_that_cannot_be_made_says_which_variable_names_another(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OSError, match="HWFLOW_CACHE may name another folder"):
        cache()


def test_a_device_or_a_pipe_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "null").symlink_to(os.devnull)
    for path in (tmp_path / "pipe.npy", tmp_path / "null", tmp_path):
        with pytest.raises(OSError, match="it is"):
            files.write_bytes(path, b"x")
    with pytest.raises(OSError, match="it is no regular file"):
        files.write_answers(tmp_path / "pipe.npy", np.zeros(2))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["null", "pipe.npy"]
    assert (tmp_path / "pipe.npy").is_fifo()


@pytest.mark.parametrize("inside", ["", "a", "a/b"])
def test_the_folder_that_a_command_runs_in_is_not_taken_from_under_it(tmp_path, monkeypatch, inside):
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / inside)
    with pytest.raises(RecipeError, match="is the folder this runs in"), files.rewritten(tmp_path):
        pass
    assert (
        Path.cwd() == tmp_path / inside
        and (tmp_path / "a" / "b").is_dir()
        and not list(tmp_path.parent.glob(f".{tmp_path.name}*"))
    )
    with files.rewritten(tmp_path / "a" / "c"):
        pass
