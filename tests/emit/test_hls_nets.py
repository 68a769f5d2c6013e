"""Whole networks in HLS C++ against the integer network, and the project a user gets.

Random integers in the published shapes; AMD's own ap_uint where hls4ml brings its headers.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import IMAGES

from hwflow import tools
from hwflow.bits import BIPOLAR, Ints
from hwflow.emit.hls import emit
from hwflow.emit.names import signal
from hwflow.generate.nets import NETS, random_images
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.ops import Dense, Port, Threshold, TopK
from hwflow.places import hardware
from hwflow.simulate import hls
from hwflow.units.kit.base import Dataflow

pytestmark = pytest.mark.skipif(tools.find("g++") is None, reason="g++ is not on PATH")


def folded(net: Net, most: int) -> Dataflow:
    """A dataflow whose units each take the most parallel folding of at most `most` elements a cycle."""
    folding = {}
    for unit in lower(net).units:
        choices = [f for f in unit.foldings() if f and np.prod(list(f.values())) <= most]
        if choices:
            folding[unit.name] = max(choices, key=lambda f: (np.prod(list(f.values())), min(f.values())))
    return lower(net, folding)


def small() -> Net:
    """Three byte inputs, one hidden layer, the index of the largest score."""
    rng = np.random.default_rng(5)
    return Net(
        name="small",
        input=Port((30,), Ints(0, 255)),
        ops=(
            Dense(name="a", inputs=("input",), weights=rng.choice((-1, 1), (12, 30))),
            Threshold(name="b", inputs=("a",), thresholds=rng.integers(-99, 99, (12, 1)), falling=np.zeros(12, bool), bipolar=True),
            Dense(name="c", inputs=("b",), weights=rng.choice((-1, 1), (5, 12))),
            TopK(name="top", inputs=("c",)),
        ),
    )  # fmt: skip


def check(net: Net, dataflow: Dataflow, folder: Path, n: int, ap_types: Path | None = None) -> None:
    x = random_images(net, n)
    run = hls.run(dataflow, folder, x, ap_types=ap_types)
    np.testing.assert_array_equal(run.outputs, net.run(x))
    assert (Path(str(run.log["program"])).parent / "g++.log").read_text() == ""


def test_tfc_equals_the_net_on_a_thousand_images(tmp_path: Path) -> None:
    net = NETS["tfc"](1)
    check(net, folded(net, 64), tmp_path, 1000)


def test_an_answer_of_labels_equals_the_net(tmp_path: Path) -> None:
    net = small()
    check(net, lower(net), tmp_path, 100)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sfc", "cnv", "resnet20", "depthwise"])
def test_a_network_of_published_shape_equals_the_net(name: str, tmp_path: Path) -> None:
    net = NETS[name](2)
    check(net, folded(net, 64), tmp_path, 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tfc", "depthwise", *(("sfc", "cnv", "resnet20") if IMAGES else ())])
def test_a_network_equals_the_net_with_ap_uint(name: str, tmp_path: Path) -> None:
    found = importlib.util.find_spec("hls4ml")
    if found is None or found.origin is None:
        pytest.skip("ap_int.h is not here: pip install hls4ml")
    net = NETS[name](3)
    check(net, folded(net, 64), tmp_path, 2, Path(found.origin).parent / "templates" / "vivado" / "ap_types")


def test_the_project_carries_a_check_of_its_own(tmp_path: Path) -> None:
    folder = emit(lower(small()), tmp_path)
    program = hls.build(folder)
    check = [program, folder / "input.bin", "--check", folder / "expected.bin"]
    done = subprocess.run(check, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "PASS: 4 images equal\n")
    wrong = bytearray((folder / "expected.bin").read_bytes())
    wrong[2] ^= 1
    (folder / "expected.bin").write_bytes(wrong)
    done = subprocess.run(check, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout.startswith("FAIL: image 2, word 0")


def test_an_image_cut_short_is_refused(tmp_path: Path) -> None:
    folder = emit(lower(small()), tmp_path)
    (folder / "input.bin").write_bytes(b"abc")
    done = subprocess.run(
        [hls.build(folder), "input.bin", "--write", "out.bin"], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and "not a whole number of images" in done.stderr


def test_generated_files_hold_instances_and_numbers_only(tmp_path: Path) -> None:
    folder = emit(lower(small()), tmp_path)
    top = re.sub(r"/\*.*?\*/|//.*|#.*", "", (folder / "top.cpp").read_text())
    assert not re.search(r"\b(for|if|while|switch|return)\b", top)
    for copied in folder.glob("*.hpp"):
        if copied.name not in ("top.hpp", "memories.hpp"):
            assert copied.read_text() == (hardware(copied.name)).read_text()
    assert "open_project -reset" in (folder / "run_hls.tcl").read_text()
    assert "set part" in (folder / "project.tcl").read_text()


def test_emitting_twice_writes_the_same_files(tmp_path: Path) -> None:
    first = {p.name: p.read_bytes() for p in emit(lower(small()), tmp_path / "a").iterdir()}
    assert first == {p.name: p.read_bytes() for p in emit(lower(small()), tmp_path / "b").iterdir()}


def test_edges_have_distinct_names_in_cpp() -> None:
    assert signal("fork:1") != signal("fork:0") == signal("fork")
    assert Port((1,), BIPOLAR).size == 1 and signal("a.b:2").isidentifier()


def test_the_tcl_asks_vitis_for_simulation_synthesis_and_an_ip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tkinter = pytest.importorskip("tkinter", reason="Python was built without Tcl")
    monkeypatch.chdir(tmp_path)
    folder = emit(lower(small()), tmp_path, part="xc7a35ticsg324-1L", clock_mhz=125)

    def asked() -> list[str]:
        tcl = tkinter.Tcl()
        tcl.eval("proc unknown {args} {lappend ::seen $args}; proc exit {args} {}")
        tcl.eval(f"source {{{folder / 'run_hls.tcl'}}}")
        return [" ".join(tcl.splitlist(line)) for line in tcl.splitlist(tcl.eval("set seen"))]

    commands = asked()
    assert [c.split()[0] for c in commands] == [
        "open_project", "set_top", "add_files", "add_files", "open_solution", "set_part", "create_clock",
        "csim_design", "csynth_design", "export_design",
    ]  # fmt: skip
    assert "set_part xc7a35ticsg324-1L" in commands and "create_clock -period 8.0 -name default" in commands
    assert f"csim_design -argv {folder / 'input.bin'} --check {folder / 'expected.bin'}" in commands
    monkeypatch.setenv("HLS_STEPS", "csim")
    assert asked()[-1].startswith("csim_design")
    monkeypatch.setenv("HLS_STEPS", "fly")
    with pytest.raises(tkinter.TclError, match="choose from csim csynth cosim export"):
        asked()
