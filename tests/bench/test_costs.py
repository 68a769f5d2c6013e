"""Cost models: every module is known on every family, and measurements are explained by what they counted."""

import numpy as np
import pytest

from hwflow.bench.fit import chosen, coefficients, nonnegative, rare
from hwflow.bench.fit_units import units
from hwflow.bench.measure import measure
from hwflow.bits import Ints
from hwflow.errors import RecipeError
from hwflow.families import FAMILIES, cost_table, family_of, fitted
from hwflow.generate.nets import random_folding, random_net
from hwflow.lower import lower
from hwflow.ops import Port
from hwflow.units import UNITS, Mvu, RescaleUnit, Vvu, samples
from hwflow.units.kit import costs
from hwflow.units.kit.base import Cost, Unit
from hwflow.units.kit.costs import Bill, doubt, dsps, estimate
from hwflow.units.kit.stores import Store, blocks, distinct, in_block
from hwflow.units.kit.trees import adder_tree, popcount


def test_the_table_says_where_it_comes_from():
    for family in FAMILIES:
        table = cost_table(family)
        assert table["tool"].startswith("Yosys 0.")
        assert len(table["date"]) == 10
        assert table["from"] in (None, *FAMILIES)
        assert table["from"] or family in fitted(), "what was not measured names another family's coefficients"


@pytest.mark.slow
def test_deep_tables_of_amd_are_a_lut6_for_each_64_words_and_blocks_from_where_yosys_takes_them(tmp_path):
    rng = np.random.default_rng(3)

    def rescale(channels: int, bits: int) -> RescaleUnit:
        mul = rng.integers(1 << (bits - 1), 1 << bits, channels)
        add = rng.integers(-(1 << (bits + 2)), 1 << (bits + 2), channels)
        return RescaleUnit(name="r", inputs=("i",), x=Port((1, 1, channels), Ints(-8, 7)), mul=mul, add=add, shift=bits, lo=-128, hi=127, pe=1, mult="lut")  # fmt: skip

    made = [rescale(60, 30), rescale(256, 12), rescale(256, 14), rescale(256, 16)]
    tables = [u.bill(u.structure()[1]).stores[0] for u in made]
    found = measure(made, "xc7", tmp_path)
    assert [f["bram"] for f in found] == [u.cost("xc7").bram for u in made] == [0, 0, 0, 1]
    for table, unit, facts in zip(tables, made, found, strict=True):
        words = 0 if facts["bram"] else table.bits * -(-table.depth // 64)
        assert words <= facts["lut"] <= 1.3 * words + 170, unit.params()
        assert 0.7 < unit.cost("xc7").lut / facts["lut"] < 1.5


def test_every_coefficient_says_how_many_measurements_are_behind_it():
    for family in FAMILIES:
        rows = [row for counts in cost_table(family)["modules"].values() for row in counts.values()]
        assert all(lut >= 0 and ff >= 0 and n >= 0 for lut, ff, n in rows)
        guesses = sum(n == 0 for *_, n in rows)
        assert guesses < (0.3 if family in fitted() else 1.01) * len(rows)


def test_a_table_has_the_roms_that_its_family_counts_and_no_others():
    for family, names in (("xc7", {"rom1", "rom2", "rom_whole", "rom_deep"}), ("ecp5", {f"rom{n}" for n in (1, 2, *range(5, 10))} | {"rom_whole"})):  # fmt: skip
        assert {name for name in rare("rescale", family) if name.startswith("rom")} == names
    for family in FAMILIES:
        for module, counts in cost_table(family)["modules"].items():
            roms = {name for name in counts if name.startswith("rom")}
            assert roms in (set(), {name for name in rare(module, family) if name.startswith("rom")}), (family, module)


def test_a_cost_that_is_not_known_is_an_error_and_never_zero():
    with pytest.raises(
        RecipeError,
        match=r"add: what its 'wires' costs on ecp5 is not known; run `python -m hwflow.bench.fit only add`",
    ):
        estimate("add", Bill({"wires": 3}), family_of("ecp5"))
    with pytest.raises(RecipeError, match="subtract: what its 'one' costs on xc7 is not known"):
        estimate("subtract", Bill({"one": 1}), family_of("xc7"))
    assert estimate("add", Bill({"wires": 0}), family_of("ecp5")) == Cost()


def test_what_rests_on_first_guesses_is_said(monkeypatch):
    measured = estimate("add", Bill({"one": 1}), family_of("ecp5"))
    never = next(k for k, (lut, _, n) in cost_table("xc7")["modules"]["mvu"].items() if lut and not n)
    guessed = estimate("mvu", Bill({never: 100}), family_of("xc7"))
    assert (measured.guess, doubt(measured, "ecp5")) == (0, "")
    assert guessed.guess == guessed.lut > 0
    assert doubt(guessed + measured, "xc7").endswith("% of the LUTs estimated rest on first guesses")
    table = {"from": "xc7", "modules": {"add": {"one": (2.0, 1.0, 0)}}}
    monkeypatch.setattr(costs, "cost_table", {"xcup": table}.__getitem__)
    other = estimate("add", Bill({"one": 1}), family_of("xcup"))
    assert doubt(other, "xcup") == "100 % of the LUTs estimated rest on xc7's coefficients, not on measurements of xcup"


def test_every_module_has_a_bill_of_materials():
    every = [u for u in samples() for u in (u, *(u.folded(**f) for f in u.foldings()))]
    assert {type(u) for u in every} == set(UNITS)
    for unit in every:
        module, params = unit.structure()
        assert min(unit.bill(params).counts.values(), default=0) >= 0, module
        assert all(length >= 0 for length in unit.critical_path(params).values()), module


@pytest.mark.parametrize("family", FAMILIES)
def test_a_unit_costs_something_and_never_less_than_nothing(family):
    for unit in samples():
        cost = unit.cost(family)
        assert min(cost.lut, cost.ff, cost.bram, cost.dsp) >= 0
        if unit.module == "mvu":
            assert cost.lut > 0.5
            assert cost.ff > 1


@pytest.mark.parametrize("family", FAMILIES)
def test_six_times_the_lanes_cost_more(family):
    mvu = next(u for u in samples() if u.name == "mvu_bin")
    one, six = (mvu.folded(pe=pe, simd=9, style="block").cost(family).lut for pe in (1, 6))
    assert six > 1.5 * one


@pytest.mark.parametrize("family", FAMILIES)
def test_no_kind_of_matrix_unit_is_free_when_it_is_parallel(family):
    """Kinds that few random units have cost something too: the planner would choose what is free."""
    for unit in samples():
        if unit.module == "mvu":
            wide = unit.folded(pe=unit.rows, simd=unit.cols).cost(family)
            assert wide.lut + 20 * wide.dsp > 0.3 * unit.rows * unit.cols, (unit.name, wide)


def test_trees_are_counted_as_they_are_built():
    # 63 bits: 21 leaves of three would leave no carries, so 16 leaves, and the other 15 bits are carries
    assert popcount(63, 3)[:2] == (16, 8 * 3 + 4 * 4 + 2 * 5 + 6)
    assert adder_tree(4, 8, 99)[0] == 9 + 9 + 10
    assert adder_tree(4, 8, 9)[0] == 9 + 9 + 9


def test_equal_bits_of_a_table_are_made_once():
    # of a bit's four tables of two words two are constants; eight rows that meet the same input share all four
    assert distinct(1000, 1, 0) == pytest.approx(0)
    assert distinct(1000, 2, 0) == pytest.approx(2)
    assert distinct(8 * 50, 1, 50) == pytest.approx(2 * 50, rel=0.02)
    assert distinct(64, 32, 0) == pytest.approx(64)


def test_multipliers_are_counted_as_the_tool_splits_them():
    # what Yosys 0.70 made of these products: 17 bits are one block of 16 on iCE40 and a bit in LUTs
    assert dsps(((1, 17, 3, 19),), family_of("ice40")) == 1
    assert dsps(((1, 31, 12, 43),), family_of("ice40")) == 2
    assert dsps(((4, 8, 8, 16),), family_of("gowin")) == 2
    assert dsps(((4, 3, 3, 6),), family_of("gowin")) == 0


def test_a_block_with_an_adder_takes_products_of_any_size_that_a_tree_adds():
    # terms, bits of both factors: what Yosys 0.70 made, in 18x18 multipliers of Lattice Nexus
    found = {
        (2, 8, 8): 1.5, (3, 8, 8): 2.5, (3, 8, 2): 2, (2, 4, 3): 1, (4, 4, 3): 2, (4, 10, 3): 3, (5, 12, 8): 5, (7, 9, 8): 4.5,
        (9, 9, 8): 7, (9, 3, 3): 5, (13, 11, 5): 13, (16, 9, 5): 8, (36, 9, 8): 28, (40, 3, 2): 24, (2, 19, 8): 2, (2, 26, 8): 3,
        (2, 24, 11): 4, (2, 30, 6): 4,
    }  # fmt: skip
    nexus = family_of("nexus")
    assert {(n, a, b): dsps(((n, a, b, a + b),), nexus, terms=n) for n, a, b in found} == found
    assert dsps(((2, 3, 3, 7),), nexus) == 2, "a register behind it is in the block as well"
    assert products()[0].folded(mult="dsp").cost("nexus").dsp == 5, "two rows of three products"


def test_constant_weights_cost_the_adders_they_share():
    mvu = next(u for u in samples() if u.name == "mvu_const")
    module, params = mvu.structure()
    assert (module, params["AdderBits"]) == ("mvu_net", mvu.network.adder_bits)
    assert mvu.cost("xc7").lut < mvu.folded(style="lut").cost("xc7").lut
    assert mvu.cost("xc7").lut == pytest.approx(mvu.network.adder_bits, rel=0.5)


def test_block_memories_are_counted_in_the_blocks_own_shapes():
    # what Yosys 0.70 made of these memories; those that are written lose the bits that fill up their last byte
    for family, rom, found in (
        ("ecp5", True, {(1536, 24): 43, (512, 144): 15, (768, 192): 22, (36, 16384): 32, (1, 5120): 1}),
        ("xc7", True, {(64, 512): 2, (32, 8192): 15, (40, 3000): 7, (24, 4096): 6, (16, 8192): 8, (192, 3072): 32}),
        ("ice40", True, {(1, 50176): 13, (32, 2048): 16, (20, 700): 4, (5, 4096): 5}),
        ("ice40", False, {(40, 599): 8, (5, 2380): 4, (13, 224): 1, (13, 2921): 10}),
    ):
        assert {m: blocks(Store(*m, rom=rom), family_of(family)) for m in found} == found


def test_bits_of_a_memory_that_never_change_take_no_block():
    rng = np.random.default_rng(0)
    w = np.zeros((24, 12, 18), np.int64)  # rows, groups of columns; two groups of rows see every other one alone
    w[:12, ::2], w[12:, 1::2] = rng.integers(-1, 2, (2, 12, 6, 18))
    t = rng.integers(33, 62, (24, 1))
    unit = Mvu(
        name="m",
        inputs=("i",),
        x=Port((2, 216), Ints(-200, 100)),
        weights=w.reshape(24, 216),
        thresholds=t,
        bipolar=True,
        pe=2,
        simd=6,
    )
    _, params = unit.structure()
    for name, same in (("m_weights.mem", "SameWeights"), ("m_thresh.mem", "SameThresholds")):
        memory = unit.memories()[name]
        both, either = (1 << memory.bits) - 1, 0
        for word in memory.words:
            both, either = both & int(word), either | int(word)
        assert params[same] == memory.bits - (both ^ either).bit_count()
    assert params["SameThresholds"] > 0


def test_the_tool_chooses_block_memory_where_it_was_seen_to():
    for family, bits, depth, rom, block in (
        ("ecp5", 22, 128, True, True), ("ecp5", 80, 16, True, False), ("ecp5", 32, 252, False, True), ("ecp5", 8, 112, False, False),
        ("ecp5", 36, 64, False, True), ("ice40", 1, 64, False, False), ("ice40", 1, 784, False, True), ("ecp5", 9, 9, True, False),
        ("xc7", 16, 147, False, True), ("xc7", 13, 188, False, False), ("xc7", 15, 188, False, True), ("xc7", 6, 444, False, True),
        ("xc7", 1, 512, False, False), ("xc7", 1, 513, False, True), ("xc7", 1, 1148, False, True), ("xc7", 21, 124, False, False), ("xc7", 24, 124, False, True), ("xc7", 8, 316, False, False),
    ):  # fmt: skip
        assert in_block(Store(bits, depth, rom=rom), family_of(family)) == block, (family, bits, depth)
    assert in_block(Store(1, 4, "block"), family_of("xc7"))
    assert not in_block(Store(64, 4096, "lut"), family_of("xc7"))


def test_a_dataflow_costs_what_its_units_cost():
    net = random_net(3)
    dataflow = lower(net, random_folding(net, 3))
    total = sum(u.cost("xc7").lut for u in dataflow.units)
    assert dataflow.cost("xc7").lut == pytest.approx(total)


def test_what_is_measured_covers_every_module():
    assert {u.structure()[0] for u in units(1)} >= {u.structure()[0] for u in samples()} - {"recode"}


def test_the_fit_finds_coefficients_that_explain_exact_data():
    rng = np.random.default_rng(0)
    a, true = rng.random((40, 5)), np.array([1.0, 0.0, 2.5, 0.3, 0.0])
    assert np.allclose(nonnegative(a, a @ true, np.ones(5)), true, atol=1e-6)
    assert (nonnegative(a, -(a @ true), np.ones(5)) == 0).all()


def test_a_part_is_fitted_anew_while_the_rest_costs_what_it_did():
    rng = np.random.default_rng(1)
    bills = [Bill({"one": 1, "word": int(w), "tree": int(t)}) for w, t in rng.integers(0, 400, (30, 2))]
    rows = [
        {"module": "add", "bill": b, "measured": {"lut": 5 + b.counts["word"] + 2.5 * b.counts["tree"], "ff": 0}}
        for b in bills
    ]
    fixed = {"one": [5.0, 0.0, 30], "word": [1.0, 0.0, 30]}
    found = coefficients(rows, "xc7", fixed=fixed)["add"]
    assert found["tree"][0] == pytest.approx(2.5, rel=0.01)
    assert found["tree"][2] == 30
    assert not {"one", "word"} & set(found)
    wrong = coefficients(rows, "xc7", fixed={**fixed, "word": [0.0, 0.0, 30]})["add"]
    assert wrong["tree"][0] > 2.6, "what is fixed explains its part of the data, and no other"
    # what a coefficient was before is its first guess, and few measurements move it part of the way
    near, far = (
        coefficients(rows[:1], "xc7", {"add": {"tree": [g, 0.0, 9]}}, fixed)["add"]["tree"][0] for g in (2.0, 9.0)
    )
    assert 2.0 < near < 2.5 < far < 9.0
    assert chosen(["one", "tree_select"], ["tree*"])
    assert not chosen(["one", "subtree"], ["tree*", "two"])


def products() -> list[Unit]:
    """Units that multiply numbers: wide ones, one constant for all, a factor of -1, 0 or +1."""
    rng = np.random.default_rng(5)
    x = Port((12,), Ints(-128, 127))
    return [
        Mvu(name="m", inputs=("input",), x=x, weights=rng.integers(-99, 100, (4, 12)), pe=2, simd=3),
        Mvu(name="t", inputs=("input",), x=x, weights=rng.integers(-1, 2, (4, 12)), pe=2, simd=3),
        Vvu(name="v", inputs=("input",), x=x, weights=rng.integers(-99, 100, (4, 3)), pe=2),
        RescaleUnit(name="c", inputs=("input",), x=x, mul=rng.integers(99, 300, 12), add=np.zeros(12), shift=8, lo=-128, hi=127, pe=3),
        RescaleUnit(name="r", inputs=("input",), x=x, mul=np.full(12, -1237), add=np.zeros(12), shift=8, lo=-128, hi=127, pe=3),
    ]  # fmt: skip


def test_products_are_in_luts_or_in_dsp_blocks_as_asked():
    for unit in products():
        assert unit.multiplies
        for family in FAMILIES:
            lut, dsp, auto = (unit.folded(mult=m).cost(family) for m in ("lut", "dsp", "auto"))
            assert lut.dsp == 0
            assert dsp == auto
            assert dsp.dsp == 0 or lut.lut > dsp.lut, (unit.name, family)
    with pytest.raises(RecipeError, match="m: mult must be one of auto, lut, dsp, pair, not block"):
        products()[0].folded(mult="block")


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_yosys_makes_products_of_what_is_asked(family, tmp_path):
    made = [u.folded(mult=m) for u in products() for m in ("lut", "dsp")]
    for unit, facts in zip(made, measure(made, family, tmp_path), strict=True):
        assert facts["dsp"] == unit.cost(family).dsp, (unit.name, unit.mult)
        assert unit.mult == "dsp" or facts["dsp"] == 0
