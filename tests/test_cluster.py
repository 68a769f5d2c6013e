"""Work on a cluster of two workers gives the rows that one process gives; what cannot be reached is said."""

import warnings

import pytest
from typer.testing import CliRunner

from hwflow import cluster
from hwflow.bench import bench, fits
from hwflow.board import load_board
from hwflow.cli import app
from hwflow.errors import RecipeError, ToolError
from hwflow.explore import explore
from hwflow.fuzz import fuzz, spread

TIMES = {"seconds", "files_per_minute"}


@pytest.fixture(scope="module")
def two():
    """The address of a scheduler on this machine with two workers, each a process of its own."""
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install 'hwflow[cluster]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as found:
            yield found.scheduler_address


def process_of(_):
    import os
    import time

    time.sleep(0.2)
    return os.getpid()


def broken(_):
    raise RecipeError("1: is odd")


@pytest.mark.slow
def test_both_workers_work_and_answers_keep_their_order(two):
    import os

    found = cluster.each(process_of, [(k,) for k in range(4)], cluster=two)
    assert len(set(found)) == 2 and os.getpid() not in found
    assert cluster.each(divmod, [(7, 2), (9, 4), (7, 2)], cluster=two) == [(3, 1), (2, 1), (3, 1)]
    with pytest.raises(RecipeError, match="1: is odd"):
        cluster.each(broken, [(1,)], cluster=two)


@pytest.mark.slow
def test_explore_gives_the_same_rows(two, digits):
    boards = [load_board("tangnano9k"), load_board("icebreaker")]
    here = explore(digits.net, boards, rates=(1e4, 1e5), jobs=1)
    assert len(here) > 3 and explore(digits.net, boards, rates=(1e4, 1e5), cluster=two) == here


@pytest.mark.slow
def test_bench_fits_gives_the_same_rows(two):
    few = (
        ("cnv", "resnet20"),
        [load_board("icebreaker")],
    )  # neither fits, so nothing is synthesised and it takes seconds
    here = fits.rows(lambda _: None, None, *few)
    assert [row["network"] for row in here] == ["cnv", "resnet20"] and fits.rows(lambda _: None, two, *few) == here


@pytest.mark.slow
def test_fuzz_counts_the_same(two, tmp_path):
    here = fuzz(None, 12, 500, folder=tmp_path / "here")
    there = spread.fuzz(two, None, 12, 500, 0, 0, tmp_path / "there", lambda _: None)
    assert {k: v for k, v in there.items() if k not in TIMES} == {k: v for k, v in here.items() if k not in TIMES}
    assert here["files"] == 12


@pytest.mark.parametrize(("count", "parts"), [(25, 2), (1, 3), (0, 2), (12, 5)])
def test_shares_add_up(count, parts):
    assert sum(spread.share(count, k, parts) for k in range(parts)) == count


@pytest.mark.slow
def test_workers_with_another_hwflow_are_refused(two, monkeypatch):
    monkeypatch.setattr(cluster, "VERSION", "9.9")
    with pytest.raises(RecipeError, match=r"this is hwflow 9\.9, but tcp:.*: 0\..*install the same"):
        cluster.slots(two)


def test_an_address_where_nobody_answers_is_said(monkeypatch, digits):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    done = CliRunner().invoke(app, ["explore", str(digits.folder), "--cluster", "tcp://127.0.0.1:9"])
    assert isinstance(done.exception, RecipeError) and "dask scheduler" in str(done.exception)


def test_without_dask_its_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ToolError, match=r"hwflow\[cluster\]"):
        cluster.slots("tcp://127.0.0.1:9")


def test_a_part_that_times_this_machine_is_not_spread():
    with pytest.raises(RecipeError, match="cpu measures this machine"):
        bench("cpu", print, "tcp://127.0.0.1:9")
