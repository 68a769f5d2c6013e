"""Whole networks whose weights come from outside: exact, at the pace claimed, and with both streams stalling."""

from __future__ import annotations

import numpy as np
import pytest
from builds import build_of
from small_nets import conv, dense

from hwflow import tools
from hwflow.build import Build
from hwflow.deploy import deploy
from hwflow.errors import RecipeError
from hwflow.flow import measure
from hwflow.plan import plan
from hwflow.simulate import rtl, simulate
from hwflow.verify import verify

needs_verilator = pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")
# one layer of several, and every layer, of words that fill no byte
CASES = {
    "mlp": (dense, ("table", "logic"), {"table": {"pe": 4, "simd": 3}, "logic": {"pe": 5, "simd": 4}}),
    "cnn": (conv, ("conv",), {"conv": {"pe": 2, "simd": 6}}),
}


def built(folder, case: str) -> Build:
    net, stream, folding = CASES[case]
    made = net()
    return build_of(folder, made, plan(made, stream=stream, folding=folding))


def images(build: Build, n: int) -> np.ndarray:
    ints = build.net.input.ints
    return np.random.default_rng(5).integers(ints.lo, ints.hi + 1, (n, *build.net.input.shape))


@pytest.mark.slow
@needs_verilator
@pytest.mark.parametrize("case", CASES)
def test_a_network_fed_from_its_files_is_exact_at_its_pace_and_under_stalls_of_both_streams(tmp_path, case):
    build = built(tmp_path / "b", case)
    x = images(build, 12)
    want = build.net.run(x)
    run = simulate(build, x, "rtl")
    assert np.array_equal(run.outputs, want)
    assert run.cycles_per_image == build.dataflow.cycles
    for seed in (1, 2, 3):
        stalled = simulate(build, x, "rtl", stalls=seed)
        assert np.array_equal(stalled.outputs, want), seed
        assert stalled.cycles > run.cycles
    again = rtl.run(build.dataflow, build.stage("rtl"), x, stalls=4, reset_at=150)
    assert np.array_equal(again.outputs, want), "after a reset the weights begin with the first word"


@pytest.mark.slow
@needs_verilator
def test_what_is_in_the_file_is_what_the_network_computes_with(tmp_path):
    build = built(tmp_path / "b", "mlp")
    file = build.stage("rtl") / "logic_weights.bin"
    data = bytearray(file.read_bytes())
    data[0] ^= 1
    file.write_bytes(data)
    x = images(build, 12)
    wrong = simulate(build, x, "rtl").outputs != build.net.run(x)
    assert wrong[:, 0].all() and not wrong[:, 1:].any(), "one weight of the first row is turned"


@pytest.mark.slow
@needs_verilator
def test_verify_leaves_hls_out_and_says_why(tmp_path):
    build = built(tmp_path / "b", "mlp")
    done = verify(build, n=6)
    assert done.exact
    assert done.skipped["hls"] == "weights of table, logic are streamed, and units in HLS C++ hold theirs in memories"
    assert not (build.folder / "hls").exists()
    with pytest.raises(RecipeError, match="has no hls/: weights of table, logic are streamed"):
        simulate(build, images(build, 1), "hls")


def test_what_brings_no_weights_is_refused_before_work_starts(tmp_path):
    build = built(tmp_path / "b", "mlp")
    with pytest.raises(
        RecipeError, match="table, logic: weights are streamed, and a serial link brings none; take a board with a DMA"
    ):
        deploy(build.folder)
    assert not (build.folder / "deploy").exists()
    with pytest.raises(RecipeError, match="--place routes a design behind its serial link, which brings no weights"):
        measure(build, "ecp5", place=True)
