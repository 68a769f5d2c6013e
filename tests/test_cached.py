"""What is compiled is kept by content: found again, made again where it is damaged, by any number of threads and processes."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from hwflow import cached, places
from hwflow.cached import clear, kept_file, loading, shown
from hwflow.cli import main
from hwflow.errors import RecipeError, ToolError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def writing(text, made):
    def make(folder):
        made.append(text)
        (folder / "made.so").write_text(text)
        (folder / "g++.log").write_text("said")

    return make


def test_a_file_is_made_once_for_the_same_parts_and_anew_for_others():
    made = []
    first = kept_file("c", ["source", b"flags"], "made.so", writing("one", made))
    assert kept_file("c", ["source", b"flags"], "made.so", writing("two", made)) == first and made == ["one"]
    assert first.read_text() == "one" and (first.parent / "g++.log").read_text() == "said"
    # where one part ends and the next begins is a part of the key
    assert kept_file("c", ["sourceflags"], "made.so", writing("two", made)).read_text() == "two"
    assert kept_file("hls", ["source", b"flags"], "made.so", writing("three", made)) != first
    assert made == ["one", "two", "three"] and not list(first.parent.glob("building-*"))


@pytest.mark.parametrize("damage", [b"", b"on", b"one more", None])
def test_a_damaged_entry_is_made_again(damage):
    made = []
    file = kept_file("c", ["x"], "made.so", writing("one", made))
    file.unlink() if damage is None else file.write_bytes(damage)
    assert shown()[0].damaged == (damage is not None)
    again = kept_file("c", ["x"], "made.so", writing("one", made))
    assert again.read_text() == "one" and made == ["one", "one"]
    assert [f.name for f in again.parent.iterdir() if f.suffix == ".so"] == [again.name]


def test_a_failure_leaves_nothing_but_its_log_which_the_message_names():
    def fails(folder):
        (folder / "g++.log").write_text("why")
        (folder / "made.so").write_text("half")
        raise ToolError(f"g++ failed, log {folder / 'g++.log'}")

    with pytest.raises(ToolError) as caught:
        kept_file("c", ["x"], "made.so", fails)
    log = str(caught.value).rpartition("log ")[2]
    assert open(log).read() == "why"  # noqa: PTH123, SIM115
    assert kept_file("c", ["x"], "made.so", writing("one", [])).read_text() == "one"


def test_fifty_races_of_four_threads_on_one_entry_make_it_once_and_whole():
    rng, last = np.random.default_rng(0), None
    for race in range(50):
        made, got, start = [], [], threading.Barrier(4)

        def make(folder, race=race, made=made):
            made.append(race)
            (folder / "made.so").write_text("a")
            time.sleep(float(rng.random()) * 0.002)
            (folder / "made.so").write_text(f"whole {race}")

        def ask(race=race, start=start, got=got, make=make):
            start.wait()
            got.append(kept_file("c", [str(race // 2)], "made.so", make))

        if race % 2:  # the entry of the race before, damaged meanwhile
            last.write_text("damaged")  # type: ignore[attr-defined]
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [race] and len(set(got)) == 1 and got[0].read_text() == f"whole {race}"
        last = got[0]


PROCESS = """
import sys, time
from pathlib import Path
from hwflow.cached import kept_file
def make(folder):
    (folder / "made.so").write_text("a")
    time.sleep(0.05)
    (folder / "made.so").write_text("whole")
print(kept_file("c", ["x"], "made.so", make).read_text())
"""


def test_processes_that_want_one_entry_all_get_it_whole(home):
    asked = [subprocess.Popen([sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [p.communicate(timeout=60)[0] for p in asked] == ["whole\n"] * 3
    assert len(list((home / "c").glob("*/*"))) == 1


def test_a_crash_while_loading_makes_the_file_anew_and_then_refuses_it():
    made = []
    for crash in range(3):
        if crash == 2:
            with pytest.raises(ToolError, match=r"ended 2 processes that loaded it.* hwflow doctor --cache --clear c"):
                kept_file("c", ["x"], "made.so", writing("one", made))
            break
        file = kept_file("c", ["x"], "made.so", writing("one", made))
        if (child := os.fork()) == 0:
            with loading(file):
                os._exit(9)  # as a broken library would end it
        os.waitpid(child, 0)
        assert len(made) == crash + 1
    clear("c")
    file = kept_file("c", ["x"], "made.so", writing("one", made))
    with loading(file):
        assert list(file.parent.glob("loading-*"))
        kept_file("c", ["x"], "made.so", writing("one", made))  # another one is loading it right now
    assert [f.name for f in file.parent.iterdir() if f.suffix != ".log"] == [file.name] and len(made) == 3


def test_a_load_that_succeeds_forgives_the_crash_before_it():
    made = []
    file = kept_file("c", ["x"], "made.so", writing("one", made))
    for _ in range(2 * cached.MOST_CRASHES):
        (file.parent / f"loading-{cached._HOST}-{2**22 + 1}-ab").touch()  # no process has this number
        file = kept_file("c", ["x"], "made.so", writing("one", made))
        with loading(file):
            pass
    assert len(made) == 1 + 2 * cached.MOST_CRASHES


def test_a_damaged_measurement_is_measured_again(home):
    asked = []

    def measure():
        asked.append(1)
        return {"lut": len(asked)}

    assert places.measure_once(["a", b"b"], measure) == {"lut": 1} == places.measure_once(["a", b"b"], measure)
    (file,) = (home / "bench").iterdir()
    for damage in (b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000):
        file.write_bytes(damage)
        assert places.recall(["a", b"b"]) is None
        assert places.measure_once(["a", b"b"], measure) == {"lut": len(asked)} == places.recall(["a", b"b"])
    assert len(asked) == 6 and len(list((home / "bench").iterdir())) == 1


def test_the_cache_is_shown_and_cleared(capsys, monkeypatch):
    for kind in ("c", "rtl"):
        kept_file(kind, ["x"], "made.so", writing("one" * 1000, []))
    places.measure_once(["a"], dict)
    kept = {k.kind: k for k in shown()}
    assert (kept["c"].entries, kept["rtl"].bytes, kept["hls"].entries, kept["bench"].entries) == (1, 3004, 0, 1)

    def hwflow(*words):
        monkeypatch.setattr(sys, "argv", ["hwflow", "doctor", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, capsys.readouterr()

    code, said = hwflow("--cache", "--json")
    assert code == 0 and '"rtl"' in said.out
    assert hwflow("--cache", "--clear", "rtl")[0] == 0 and {k.kind: k.entries for k in shown()}["rtl"] == 0
    assert hwflow("--clear", "bench")[0] != 0
    with pytest.raises(RecipeError, match="--clear takes compiled or one of c, hls"):
        clear("bench")
    assert clear("compiled") == 3004 and {k.kind: k.entries for k in shown()}["bench"] == 1
