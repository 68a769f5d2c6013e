"""Weights from outside: whose, how fast, and what is said where they do not fit a board."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwflow.bits import BIPOLAR
from hwflow.board import load_board
from hwflow.errors import RecipeError
from hwflow.net import Net
from hwflow.ops import Conv, Dense, Flatten, Port, Threshold
from hwflow.plan import plan
from hwflow.plan.explain import explain
from hwflow.plan.streaming import bandwidth

ZYNQ = load_board("pynq_z1")
SMALL, TINY = replace(ZYNQ, lut=4000, bram=6), replace(ZYNQ, lut=1600, bram=2)


def net() -> Net:
    """Two convolutions, read 64 and 16 times an image, and two dense layers; the third has most weights."""
    rng = np.random.default_rng(0)

    def step(name: str, source: str, n: int) -> Threshold:
        at = rng.integers(-4, 5, (n, 1))
        return Threshold(name=name, inputs=(source,), thresholds=at, falling=np.zeros(n, bool), bipolar=True)

    def signs(*shape: int) -> np.ndarray:
        return rng.choice((-1, 1), shape)

    ops = (
        Conv(name="c1", inputs=("input",), weights=signs(64, 3, 3, 16), pads=(1, 1, 1, 1)),
        step("s1", "c1", 64),
        Conv(name="c2", inputs=("s1",), weights=signs(64, 3, 3, 64), stride=(2, 2), pads=(1, 1, 1, 1)),
        step("s2", "c2", 64),
        Flatten(name="f", inputs=("s2",)),
        Dense(name="d1", inputs=("f",), weights=signs(128, 64 * 16)),
        step("s3", "d1", 128),
        Dense(name="d2", inputs=("s3",), weights=signs(10, 128)),
    )
    return Net("mid", Port((8, 8, 16), BIPOLAR), ops)


def test_a_network_that_does_not_fit_is_told_which_weights_to_stream_and_then_it_fits():
    with pytest.raises(RecipeError, match=r"stream weights from memory: --stream-weights d1$"):
        plan(net(), board=SMALL)
    streamed = plan(net(), board=SMALL, stream=("d1",))
    assert list(streamed.feeds) == ["d1"]
    assert streamed.cost("xc7").bram <= 0.8 * SMALL.bram
    assert streamed.by_name["d1"].style == "stream"
    assert all(u.style != "stream" for u in streamed.units if u.name in ("c1", "c2", "d2"))


def test_auto_streams_as_few_as_let_it_fit_and_those_first_that_are_read_least_often():
    assert not plan(net(), board=ZYNQ, stream=("auto",)).feeds, "all of it fits"
    assert list(plan(net(), board=SMALL, stream=("auto",)).feeds) == ["d1"]
    assert sorted(plan(net(), board=TINY, stream=("auto",)).feeds) == ["c2", "d1"], (
        "d2 is read as rarely, but spares nothing"
    )


def test_a_serial_board_is_offered_no_streamed_weights():
    board = replace(load_board("arty_a7_35t"), lut=4000, bram=6)
    with pytest.raises(RecipeError, match=r"take a larger board or a smaller network$"):
        plan(net(), board=board)


def test_the_bandwidth_is_a_word_for_every_step_and_is_compared_with_the_boards():
    flow = plan(net(), board=SMALL, stream=("d1",), folding={"d1": {"pe": 1, "simd": 10 + 6}})
    found = bandwidth(flow, 100, SMALL)
    assert found["units"]["d1"] == {"words": 8192, "word_bits": 16, "times": 1, "image_bytes": 16384, "peak_mb_s": 200}
    assert found["mb_s"] == round(16384 * 100 / flow.cycles, 1)
    assert found["board_mb_s"] == 800
    assert (
        f"16384 bytes an image, {found['mb_s']:.0f} MB/s at this rate. Digilent PYNQ-Z1 reads 800 MB/s: enough."
        in explain(flow, SMALL)["text"]
    )
    both = plan(net(), board=TINY, stream=("auto",))
    want = bandwidth(both, 100, TINY)
    assert want["image_bytes"] == 16384 + 16 * 64 * 576 // 8
    assert want["fps_at_most"] == pytest.approx(800e6 / want["image_bytes"])
    assert f"so {want['fps_at_most']:.0f} images/s at most" in explain(both, TINY)["text"]
    assert bandwidth(plan(net()), 100) is None


def test_no_hardware_is_spent_on_a_pace_that_memory_cannot_feed():
    bits = 16 * 64 * 576 + 128 * 1024  # c2 for 16 pixels, d1
    needed = plan(net(), board=ZYNQ, stream=("c2", "d1"), fps=100e6 / (bits // 64))  # 8 bytes a cycle
    for ask in ({}, {"fit": True}):
        flow = plan(net(), board=ZYNQ, stream=("c2", "d1"), **ask)
        assert (flow.cycles, flow.cost("xc7")) == (needed.cycles, needed.cost("xc7")), ask
    free = plan(net(), board=ZYNQ, fit=True)
    assert free.cycles < flow.cycles / 4, "weights inside are read at any pace"


def test_a_rate_that_wants_more_weights_than_memory_gives_is_refused_with_what_it_allows():
    with pytest.raises(RecipeError, match=r"want 901 MB/s of streamed weights; .* reads 800 MB/s\. Reachable: 8877"):
        plan(net(), board=replace(ZYNQ, lut=53200), fps=10000, stream=("c2", "d1"))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"stream": ("d9",)}, "d9: is no unit of this network; those that can are c1, c2, d1, d2"),
        ({"stream": ("c1_window",)}, "c1_window: is a window, whose weights cannot be streamed; those that can are c1"),
        ({"stream": ("d1",), "folding": {"d1": {"style": "block"}}}, "d1: its folding says style block"),
        ({"stream": ("d1",), "reload": True}, "so none are loaded; leave out --reload"),
        ({"stream": ("auto",)}, "name one with --board, or name layers"),
        ({"stream": ("auto", "d1"), "board": ZYNQ}, "names or auto, not both"),
    ],
)  # fmt: skip
def test_what_cannot_be_streamed_is_refused_with_the_reason(more, text):
    with pytest.raises(RecipeError, match=text):
        plan(net(), **more)
