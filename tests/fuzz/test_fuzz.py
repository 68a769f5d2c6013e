"""Fuzzing keeps its time, keeps what it finds, sees planted faults and shrinks them; what once failed does no more."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from hwflow.fuzz import fuzz
from hwflow.fuzz import judge as judging
from hwflow.fuzz.judge import judge
from hwflow.fuzz.shrink import shrink
from hwflow.generate import Build, RandomFile, random_file
from hwflow.lower import cores
from hwflow.qonnx.executor import Executor

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.onnx"))
EXECUTOR = Executor()


def of_model(model, exact=True, takes=None):
    ends = {node.op_type for node in model.graph.node}
    return RandomFile(model, takes, exact, bool(ends & {"ArgMax", "TopK"}), None, False)


@pytest.mark.parametrize("path", CORPUS, ids=lambda p: p.stem)
def test_a_file_that_once_failed_is_right_or_refused(path, tmp_path):
    model = onnx.load(path)
    meta = {p.key: p.value for p in model.metadata_props}
    for seed in range(5):
        verdict = judge(of_model(model, meta.get("exact") == "True"), EXECUTOR, tmp_path, seed)
        if verdict.net is not None and not verdict.fault:
            cores(verdict.net)  # hardware refuses nothing that folding took
        assert verdict.kind in ("accepted", "rounded", "refused"), verdict.text


def test_a_hundred_files_are_judged_and_most_are_accepted(tmp_path):
    kinds = [judge(random_file(seed), EXECUTOR, tmp_path, seed).kind for seed in range(9000, 9100)]
    assert not set(kinds) & {"difference", "traceback", "hang", "invalid"}
    assert kinds.count("accepted") >= 50


def small():
    b = Build((1, 6), 13)
    y = b.node("MatMul", b.quant("x", 0.25, 4), b.quant(b.const(np.ones((6, 3))), 0.5, 3))
    return of_model(b.model(b.node("Relu", b.node("Add", y, b.const(0.375)))), takes="i4/4")


def test_a_weight_changed_behind_the_reader_is_a_difference(tmp_path, monkeypatch):
    true = judging.fold

    def spoilt(graph):
        net = true(graph)
        first = next(op for op in net.ops if hasattr(op, "weights"))
        weights = first.weights.copy()
        weights[0, 0] += 1
        object.__setattr__(first, "weights", weights)
        return replace(net)

    assert judge(small(), EXECUTOR, tmp_path).kind == "accepted"
    monkeypatch.setattr(judging, "fold", spoilt)
    verdict = judge(small(), EXECUTOR, tmp_path)
    assert verdict.kind == "difference" and "must be" in verdict.text


@pytest.mark.parametrize(
    ("raised", "kind"), [(KeyError("x"), "traceback"), (ZeroDivisionError(), "traceback")], ids=["key", "zero"]
)
def test_an_error_that_is_no_refusal_is_a_fault(raised, kind, tmp_path, monkeypatch):
    def broken(_):
        raise raised

    monkeypatch.setattr(judging, "fold", broken)
    verdict = judge(small(), EXECUTOR, tmp_path)
    assert verdict.kind == kind and type(raised).__name__ in verdict.key


def test_a_loop_without_end_is_a_hang(tmp_path, monkeypatch):
    def endless(_):
        while True:
            pass

    monkeypatch.setattr(judging, "fold", endless)
    assert judge(small(), EXECUTOR, tmp_path, seconds=0.2).kind == "hang"


def test_a_fault_is_shrunk_to_the_node_that_makes_it(tmp_path, monkeypatch):
    true = judging.fold

    def broken(graph):
        if any("Concat" in node.name for node in graph.nodes):
            raise IndexError("concat")
        return true(graph)

    monkeypatch.setattr(judging, "fold", broken)
    files = ((s, random_file(s)) for s in range(500))
    seed, file = next(
        (s, f) for s, f in files if len(f.model.graph.node) > 9 and judge(f, EXECUTOR, tmp_path, s).kind == "traceback"
    )
    verdict = judge(file, EXECUTOR, tmp_path, seed)
    less, found = shrink(file, verdict, lambda f: judge(f, EXECUTOR, tmp_path, seed), 15)
    assert found.key == verdict.key
    assert len(less.model.graph.node) <= 6
    assert "Concat" in {node.op_type for node in less.model.graph.node}


@pytest.mark.slow
def test_a_run_ends_on_time_and_counts_every_operator(tmp_path):
    started = time.monotonic()
    facts = fuzz(minutes=0.15, seed=7000, folder=tmp_path)
    assert 8.9 < time.monotonic() - started < 11.5
    assert 0 < facts["accepted"] + facts["refused"] <= facts["files"]
    assert {"Conv", "Quant", "MatMul", "MaxPoolNHWC", "BatchNormalization (channels last)"} <= set(facts["operators"])


@pytest.mark.slow
def test_networks_go_through_c_hls_and_stalled_rtl(tmp_path):
    facts = fuzz(minutes=8, files=40, seed=7100, c=16, rtl=2, folder=tmp_path)
    assert facts["through"] == {"C": 16, "HLS": 2, "RTL": 2} and not facts["faults"]


@pytest.mark.slow
def test_a_run_in_the_background_that_is_interrupted_says_what_it_found(tmp_path):
    """A shell starts what runs in its background deaf to Ctrl-C."""
    command = [
        sys.executable,
        "-m",
        "hwflow",
        "fuzz",
        "--minutes",
        "5",
        "--seed",
        "7200",
        "--json",
        "-o",
        str(tmp_path),
    ]
    deaf = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which a process started now inherits
    try:
        started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, deaf)
    with started as run:
        assert run.stderr is not None
        for line in run.stderr:  # the first files are through
            if " files in " in line and not line.split(" files in ")[0].endswith(" 0"):
                break
        os.kill(run.pid, signal.SIGINT)
        facts = json.loads(run.communicate(timeout=30)[0])
    assert facts["files"] > 0 and run.returncode == 0
