"""Estimates that are said to be estimates: the clock a design closes at, the power its core draws, and where both come from."""

from dataclasses import replace

import numpy as np
import pytest

from hwflow.bench import measure as room
from hwflow.bench.speed import errors, fit
from hwflow.board import load_board
from hwflow.errors import ToolError
from hwflow.families import FAMILIES, clock_table
from hwflow.generate import nets as drawn_nets
from hwflow.generate.nets import random_folding, random_net
from hwflow.lower import lower
from hwflow.plan import explain
from hwflow.plan.clock import estimate_clock
from hwflow.plan.power import SOURCE_TEXT, TYPICAL, estimate_activity, estimate_power, scale_coefficient
from hwflow.synth import list_routable
from hwflow.units.kit.base import SOURCE, Dataflow


def design(seed: int) -> Dataflow:
    net = random_net(seed)
    return lower(net, random_folding(net, seed))


def words(dataflow: Dataflow) -> dict[str, int]:
    """Bits that pass on each stream in an image, by edge name."""
    edges = [SOURCE, *(f"{u.name}:{i}" if i else u.name for u in dataflow.units for i in range(len(u.outs)))]
    return {e: dataflow.stream(e).bits * dataflow.stream(e).words for e in edges}


def test_the_clock_table_says_what_was_routed_with_what():
    models = {name: clock_table(name) for name in FAMILIES}
    assert {name for name, facts in models.items() if facts} <= set(list_routable())
    for facts in filter(None, models.values()):
        assert len(facts["date"]) == 10
        assert load_board(facts["board"]).title
        assert "nextpnr" in facts["tool"]
        assert facts["designs"] >= 4
        assert set(facts["error_percent"]) == {"median", "p95"}


def test_a_family_without_place_and_route_is_said_to_have_none():
    said = estimate_clock(design(3), "xc7")
    assert said["error_percent"] is None
    assert "not a measurement" in said["source"]


def test_the_model_of_one_chip_is_not_used_for_another_without_saying_so():
    own, same, other = (load_board(n) for n in ("ulx3s_85f", "ulx3s_12f", "tangnano9k"))
    measured = estimate_clock(design(3), "ecp5", own)
    assert measured["error_percent"] and own.title in measured["source"]
    said = estimate_clock(design(3), "ecp5", same)
    assert said["mhz"] == measured["mhz"] and "not on this board, whose chip is the same silicon" in said["source"]
    said = estimate_clock(design(3), "gowin", other)
    assert (said["mhz"], said["error_percent"]) == (other.clock_mhz, None)
    assert "no design was placed and routed on GW1N-9C" in said["source"]
    assert "holds for GW2A-18C alone" in said["source"]


@pytest.mark.parametrize("family", ["ecp5", "gowin", "ice40"])
def test_longer_paths_are_slower(family: str):
    tfc = drawn_nets.tfc()
    narrow, wide = (lower(tfc, {"dense0": {"pe": p, "simd": s}}) for p, s in ((1, 1), (16, 49)))
    assert estimate_clock(wide, family)["mhz"] <= estimate_clock(narrow, family)["mhz"]
    assert 5 < estimate_clock(wide, family)["mhz"] < 500


def test_the_clock_fit_finds_the_nanoseconds_of_exact_data():
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(30):
        paths = {
            "one": 1.0,
            "size": rng.uniform(6, 12),
            "carry": rng.uniform(4, 20),
            "product": rng.choice((0.0, 12.0)),
        }
        rows.append(
            {"paths": paths, "mhz": 1000 / (3 + 0.4 * paths["size"] + 0.2 * paths["carry"] + 0.5 * paths["product"])}
        )
    assert errors(rows, "ecp5")["p95"] < 5
    assert fit(rows, "ecp5")["product"] == pytest.approx(0.5, abs=0.06)


def test_power_grows_with_the_clock_and_with_what_toggles():
    dataflow = design(3)
    bits = words(dataflow)
    still, some, much = (
        estimate_power(dataflow, "ecp5", 50, {e: share * b for e, b in bits.items()}) for share in (0.0, 0.2, 0.4)
    )
    assert 0 < still["mw"] < some["mw"] < much["mw"]
    assert much["mw"] - some["mw"] == pytest.approx(some["mw"] - still["mw"], abs=0.03)
    assert estimate_power(dataflow, "ecp5", 100)["mw"] == pytest.approx(
        2 * estimate_power(dataflow, "ecp5", 50)["mw"], abs=0.02
    )
    assert estimate_power(dataflow, "ecp5", 100)["uj_per_image"] == pytest.approx(
        estimate_power(dataflow, "ecp5", 50)["uj_per_image"], abs=1e-4
    )


def test_the_power_estimate_names_its_source_and_its_activity():
    said = estimate_power(design(3), "xc7", 100)
    assert said["source"] == SOURCE_TEXT
    assert (said["kind"], said["of"]) == ("estimated", "dynamic power of the core")
    assert "assumed" in said["activity_from"]
    assert said["activity"] == TYPICAL
    # 5.9 uW/MHz of eight cells at 1.5 V and 150 nm
    assert scale_coefficient("xc7") == pytest.approx(5.9 / 8 * (1.0 / 1.5) ** 2 * 28 / 150)


def test_a_unit_that_is_always_busy_moves_as_its_input_does():
    dataflow = design(6)
    found = estimate_activity(dataflow, {e: 0.5 * b for e, b in words(dataflow).items()})
    slow = dataflow.bottleneck
    assert found[slow.name] == pytest.approx(0.5)
    assert all(0 <= a <= 0.5 + 1e-9 for a in found.values())


def test_a_unit_that_waits_half_of_the_time_moves_half_as_often():
    dataflow = design(6)
    found = estimate_activity(dataflow, {e: 0.5 * b for e, b in words(dataflow).items()})
    idle = [u for u in dataflow.units if u.cycles < dataflow.cycles]
    assert idle
    for unit in idle:
        assert found[unit.name] == pytest.approx(0.5 * unit.cycles / dataflow.cycles)


@pytest.mark.slow
def test_the_toggles_of_the_rtl_are_those_of_the_streams():
    from hwflow.generate.nets import random_images
    from hwflow.simulate.rtl import run_many

    nets = [random_net(seed) for seed in (3, 6)]
    flows = [design(seed) for seed in (3, 6)]
    xs = [random_images(n, 3) for n in nets]
    for dataflow, x, run in zip(flows, xs, run_many(flows, xs), strict=True):
        for edge, value in dataflow.values(x).items():
            stream = dataflow.stream(edge)
            codes = stream.ints.encode(value.reshape(-1, stream.par))
            flags = (codes[..., None] >> np.arange(stream.ints.bits, dtype=np.uint64)) & np.uint64(1)
            before = np.concatenate([np.zeros_like(flags[:1]), flags[:-1]])
            assert run.toggles[edge] * len(x) == pytest.approx(int((flags != before).sum())), (dataflow.name, edge)


def test_the_explanation_tells_clock_and_power():
    board = load_board("ulx3s_85f")
    said = explain(design(3), board)
    assert f"{said['fmax']['mhz']:.0f} MHz" in said["text"]
    assert "mW" in said["text"]


def test_a_unit_is_measured_once_and_a_batch_too_slow_is_halved(tmp_path, monkeypatch):
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path))
    monkeypatch.setattr(room, "_version", lambda: "Yosys test")
    calls = []

    def slow(units, family, folder, timeout, paired):  # noqa: ARG001
        calls.append([u.module for u in units])
        if len(units) > 1 or units[0].module == "topk":
            raise ToolError("yosys did not finish in 1 s: ...; allow more time")
        return [{"lut": 1.0, "ff": 2.0, "bram": 0.0, "dsp": 0.0}]

    monkeypatch.setattr(room, "measure", slow)
    units = [u for u in design(7).units if u.module in ("mvu", "topk")] or list(design(7).units)
    first = room.measure_units(units, "ecp5")
    assert all(
        f == (None if u.module == "topk" else {"lut": 1.0, "ff": 2.0, "bram": 0.0, "dsp": 0.0})
        for u, f in zip(units, first, strict=True)
    )
    made = len(calls)
    assert room.measure_units(units, "ecp5") == first
    assert len(calls) == made


def test_a_units_key_follows_its_numbers_and_not_its_name():
    unit = next(u for u in design(3).units if u.module == "mvu")
    assert room.key(replace(unit, name="other"), "ecp5") == room.key(unit, "ecp5")
    assert room.key(unit, "xc7") != room.key(unit, "ecp5")
    if unit.levels:
        assert room.key(replace(unit, thresholds=unit.thresholds + 1), "ecp5") != room.key(unit, "ecp5")
