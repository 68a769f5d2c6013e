"""Matrix units whose weights come from outside: the same answers, at the same pace, whatever either stream does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from random_mvu import random_unit
from rtl_check import check

from hwflow import tools
from hwflow.bits import BIPOLAR, Ints
from hwflow.emit.rtl import emit, feed_file, write_memories
from hwflow.errors import RecipeError
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.ops import Conv, Port
from hwflow.synth import synth
from hwflow.units import Mvu, Mvus

SEEDS = (1, 4, 6, 7, 8, 12, 17)


def fed(seed: int) -> Mvu:
    """A random matrix unit of any kind of numbers, without a memory of weights."""
    return replace(random_unit(seed), name=f"fed{seed}", style="stream")


def units() -> list[Mvu]:
    """Random ones, and the awkward ends: all of a vector at once, one word of weights, a vector that is replayed."""
    rng = np.random.default_rng(0)

    def make(name: str, shape: tuple[int, ...], ints: Ints, rows: int, **folding: int) -> Mvu:
        weights = rng.choice((-1, 1), (rows, shape[-1]))
        return Mvu(name=name, inputs=("input",), x=Port(shape, ints), weights=weights, style="stream", **folding)

    return [
        *(fed(seed) for seed in SEEDS),
        make("word", (5, 4), BIPOLAR, 3, pe=3, simd=4),
        make("passes", (3, 7), Ints(0, 3), 6, pe=2, simd=7),
        make("replayed", (2, 9), BIPOLAR, 4, pe=1, simd=3),
        make("groups", (2, 12), BIPOLAR, 5, pe=5, simd=2),
    ]


@pytest.mark.slow
@pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")
def test_weights_that_come_from_outside_in_time_cost_no_cycle_and_late_ones_no_answer():
    check(units(), seed=1)
    for stalls in (1, 2):
        check(units(), seed=stalls + 1, stalls=stalls)
    check(units(), seed=9, stalls=4, reset_at=37)


def test_the_file_of_streamed_weights_is_the_memory_that_the_unit_would_have(tmp_path):
    for unit in units():
        write_memories(unit, tmp_path)
        memory = replace(unit, style="lut").memories()[f"{unit.name}_weights.mem"]
        size = -(-memory.bits // 8)
        data = (tmp_path / feed_file(unit.name)).read_bytes()
        assert [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)] == list(memory.words)
        assert unit.feed.stream.words == unit.steps
        assert unit.feed.times * unit.steps == unit.cycles, "a word in every cycle"
        assert unit.feed.image_bytes == unit.cycles * size


def test_streamed_weights_are_neither_loaded_nor_those_of_several_pixels_at_once():
    unit = units()[-1]
    with pytest.raises(RecipeError, match="streamed weights come anew for every image"):
        unit.reloadable()
    pixels = Port((2, 4, 3), BIPOLAR)
    one = Mvu(name="m", inputs=("input",), x=pixels, weights=np.ones((2, 3)), style="stream")
    assert all(f["pe"] <= 2 for f in one.foldings())
    with pytest.raises(RecipeError, match="streamed weights need one pixel a cycle"):
        Mvus(name="m", inputs=("input",), x=pixels, weights=np.ones((2, 3)), pe=4, simd=6, style="stream")


def test_a_layer_of_resnet18_needs_no_block_ram_when_its_weights_are_streamed():
    rng = np.random.default_rng(0)
    layer = Mvu(
        name="deep", inputs=("input",), x=Port((7, 7, 9 * 512), BIPOLAR), weights=rng.choice((-1, 1), (512, 9 * 512)),
        thresholds=np.zeros((512, 1)), bipolar=True, pe=8, simd=64, style="block",
    )  # fmt: skip
    assert layer.cost("xc7").bram >= 64, "2.36 million bits"
    streamed = layer.streamed()
    assert streamed.cost("xc7").bram == 2, "the vector that is replayed"
    assert streamed.cost("xc7").lut < layer.cost("xc7").lut + 1200
    assert (streamed.cycles, streamed.feed.image_bytes) == (49 * 4608, 49 * 512 * 9 * 512 // 8)


@pytest.mark.slow
@pytest.mark.skipif(tools.find("yosys") is None, reason="no yosys")
def test_yosys_makes_no_memory_of_the_weights_that_are_streamed(tmp_path):
    rng = np.random.default_rng(0)
    net = Net(
        "deep",
        Port((7, 7, 9 * 512), BIPOLAR),
        (Conv(name="deep", inputs=("input",), weights=rng.choice((-1, 1), (512, 1, 1, 9 * 512))),),
    )
    flow = lower(net, {"deep": {"pe": 2, "simd": 16, "style": "stream"}})
    made = synth(emit(flow, tmp_path / "rtl"), "xc7", out=tmp_path / "synth")
    # 2.36 million bits of weights would be 64 blocks of 36,864; what is left is the vector that is replayed
    assert made["bram"] == flow.cost("xc7").bram <= 2
    assert made["lut"] == pytest.approx(flow.cost("xc7").lut, rel=0.25)
