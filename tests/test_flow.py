"""The life of one network from training to report: each stage restarts from the file before it."""

import json
import shutil

import pytest

from hwflow import flow
from hwflow.build import Build
from hwflow.errors import RecipeError, ToolError
from hwflow.simulate import simulate
from hwflow.verify import ENGINES, verify


@pytest.mark.slow
def test_every_engine_gives_the_same_integers_on_the_whole_test_split(digits):
    images = len(digits.images()[0])
    done = verify(digits, n=images)
    assert not done.skipped
    assert [r.a for r in done.rungs] + [done.rungs[-1].b] == list(ENGINES)
    assert [(r.images, r.differing) for r in done.rungs] == [(images, 0)] * (len(ENGINES) - 1)
    assert done.accuracy >= 0.94
    assert done.measured["cycles_per_image"] == digits.dataflow.cycles


@pytest.mark.slow
def test_a_wrong_weight_is_found_and_named(digits, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(digits.folder, folder)
    memory = next((folder / "rtl").glob("*.mem"))
    lines = memory.read_text().split()
    memory.write_text("\n".join(f"{0:x}" for _ in lines) + "\n")
    done = verify(Build.load(folder), n=20, engines=("numpy", "rtl"))
    assert not done.exact
    assert done.rungs[0].differing > 0
    assert "rtl" in done.rungs[0].first


def test_a_build_comes_back_from_its_files(digits):
    again = Build.load(digits.folder)
    x = again.images(10)[0]
    assert (again.dataflow.run(x) == digits.net.run(x)).all()
    assert again.dataflow.cycles == digits.dataflow.cycles
    assert (simulate(again, x, "numpy").outputs == digits.net.run(x)).all()


@pytest.mark.slow
def test_a_folding_changes_cycles_as_the_simulation_says(digits, tmp_path):
    slow = flow.compile_model(str(digits.folder / "model.onnx"), tmp_path / "slow", flow.Target(fps=20_000))
    fast = flow.compile_model(str(digits.folder / "model.onnx"), tmp_path / "fast", flow.Target(fps=2_000_000))
    assert fast.dataflow.cycles < slow.dataflow.cycles
    x = digits.images(12)[0]
    for build in (slow, fast):
        run = simulate(build, x, "rtl")
        assert (run.outputs == digits.net.run(x)).all()
        assert run.cycles_per_image == build.dataflow.cycles
        assert build.clock_mhz * 1e6 / build.dataflow.cycles >= build.ask["fps"]


def test_a_folding_that_does_not_divide_is_refused(digits, tmp_path):
    folding = json.loads((digits.folder / "folding.json").read_text())
    name = next(u.name for u in digits.dataflow.units if u.module == "mvu")
    folding[name]["simd"] = 5
    (tmp_path / "f.json").write_text(json.dumps(folding))
    with pytest.raises(RecipeError, match=f"{name}: simd must divide"):
        flow.compile_model(str(digits.folder), tmp_path / "out", flow.Target(folding=tmp_path / "f.json"))


def test_an_absent_tool_says_how_to_get_it(digits, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path / "cache"))
    for engine in ("c", "hls", "rtl"):
        with pytest.raises(ToolError, match=r"is not on PATH; .* needs it: "):
            simulate(digits, digits.images(2)[0], engine)
    done = verify(digits, n=2)
    assert {"c", "hls", "rtl", "rtl-stalls"} <= done.skipped.keys()


def test_targets_mix_and_a_fit_needs_a_board():
    mixed = flow.Target(fps=1, latency_us=1)
    assert (mixed.fps, mixed.latency_us) == (1, 1)
    with pytest.raises(RecipeError, match="--fit needs a board"):
        flow.Target(fit=True)
