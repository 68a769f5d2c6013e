"""Two products in one DSP block: right for every input there is, half as many blocks, refused where they do not fit."""

import itertools
import shutil

import numpy as np
import pytest
from rtl_check import check

from hwflow import tools
from hwflow.bench.measure import measure
from hwflow.bits import Ints
from hwflow.errors import RecipeError
from hwflow.families import FAMILIES, family_of
from hwflow.ops import Port
from hwflow.places import HLS
from hwflow.plan.search import list_options
from hwflow.simulate.verilate import compile_cpp, runtime
from hwflow.units import Mvu, Vvu
from hwflow.units.kit.pairs import pair_factors

SIGNED, UNSIGNED = Ints(-128, 127), Ints(0, 255)
NUMBERS = (1, 2)  # kinds: unsigned, two's complement
SMALL = [
    (*bits, *kinds)
    for bits in ((1, 1), (2, 1), (1, 3), (3, 2), (4, 4))
    for kinds in itertools.product(NUMBERS, NUMBERS)
]
BYTES = [(8, 8, *kinds) for kinds in itertools.product(NUMBERS, NUMBERS)]

# dot_pair's adder tree has one term, so its sums are the products of product_pair
CASE = """
  logic [1:0][{s}:0] y{n};
  dot_pair #(.Simd(1), .XBits({x}), .WBits({w}), .XKind({xk}), .WKind({wk})) u{n} (
    .clk_i(clk_i), .en_i(1'b1), .x_i(v_i[0+:{x}]), .w_i({{v_i[{x}+{w}+:{w}], v_i[{x}+:{w}]}}), .sum_o(y{n})
  );
  int x{n}, a{n}, b{n};
  assign x{n} = 32'({xs}(v_i[0+:{x}])), a{n} = 32'({ws}(v_i[{x}+:{w}])), b{n} = 32'({ws}(v_i[{x}+{w}+:{w}]));
  always_ff @(posedge clk_i) want{n} <= {{{s1}'(x{n} * b{n}), {s1}'(x{n} * a{n})}};
  logic [1:0][{s}:0] want{n};
  assign right[{n}] = y{n} == want{n};"""

MAIN = """
#include "Vt.h"
#include <cstdio>
#include "verilated.h"
int main() {
  Vt t;
  for (unsigned v = 0; v < COMBINATIONS; v++) {
    t.v_i = v;
    t.clk_i = 0, t.eval();
    t.clk_i = 1, t.eval();
    if (!t.right_o) return printf("wrong for %06x\\n", v), 0;
  }
  puts("right for all");
}
"""


def said_of_all(cases, bits, folder):
    """What a simulation of all inputs of so many bits says of each of the cases at once."""
    texts = [
        CASE.format(
            n=n, x=x, w=w, xk=xk, wk=wk, s=x + w, s1=x + w + 1, xs="$signed" if xk == 2 else "$unsigned",
            ws="$signed" if wk == 2 else "$unsigned",
        )
        for n, (x, w, xk, wk) in enumerate(cases)
    ]  # fmt: skip
    (folder / "t.sv").write_text(
        f"module t (input logic clk_i, input logic [{bits - 1}:0] v_i, output logic right_o);\n"
        f"  logic [{len(cases) - 1}:0] right;\n  assign right_o = &right;{''.join(texts)}\nendmodule\n"
    )
    (folder / "main.cpp").write_text(MAIN.replace("COMBINATIONS", f"{1 << bits}u"))
    for name in ("product_pair", "dot_pair", "adder_tree", "delay"):
        shutil.copyfile(HLS / "parts" / f"{name}.sv", folder / f"{name}.sv")
    tools.run(
        "verilator",
        ["--cc", "-O3", "--no-timing", "-Wno-fatal", "-Wno-lint", "--top-module", "t", "--Mdir", "obj", "t.sv",
         "dot_pair.sv", "product_pair.sv", "adder_tree.sv", "delay.sv"],
        cwd=folder, env=tools.verilator_env(), log=folder / "verilator.log",
    )  # fmt: skip
    made = [folder / "main.cpp", *sorted((folder / "obj").glob("*.cpp"))]
    (folder / "all.cpp").write_text("".join(f'#include "{f}"\n' for f in made))
    compile_cpp(folder / "all.cpp", folder / "all.o", "-O2", "", [folder / "obj"])
    tools.run("g++", ["-o", "all", "all.o", runtime(""), "-pthread"], cwd=folder)
    return tools.run_program(folder / "all", [], cwd=folder).strip()


@pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")
def test_two_products_are_right_for_all_numbers_of_few_bits(tmp_path):
    assert said_of_all(SMALL, 12, tmp_path) == "right for all"


@pytest.mark.slow
@pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")
def test_two_products_are_right_for_all_bytes(tmp_path):
    assert said_of_all(BYTES, 24, tmp_path) == "right for all"


def unit(x: Ints, w: Ints, *, rows: int = 4, mult: str = "pair", **folding: object) -> Mvu:
    """Rows of six weights, the least and the largest among them."""
    weights = np.random.default_rng(2).integers(w.lo, w.hi + 1, (rows, 6))
    weights[0, :2] = w.lo, w.hi
    return Mvu(
        name="m", inputs=("input",), x=Port((6,), x), weights=weights, mult=mult, **{"pe": 2, "simd": 2, **folding}
    )


@pytest.mark.slow
@pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")
def test_rows_in_pairs_and_an_odd_last_one_are_exact_to_the_cycle():
    units = [
        unit(x, w, rows=6, pe=pe, simd=simd)
        for x in (SIGNED, UNSIGNED, Ints(0, 1), Ints(-2, 1)) for w in (SIGNED, Ints(-2, 1), Ints(0, 7))
        for pe, simd in ((2, 1), (3, 6), (6, 3))
    ]  # fmt: skip
    check([*units, unit(SIGNED, SIGNED, pe=4, simd=6, style="const")], seed=3, stalls=1)


@pytest.mark.parametrize(
    ("x", "w", "factors"),
    [
        (SIGNED, SIGNED, (25, 8)), (UNSIGNED, SIGNED, (25, 9)), (UNSIGNED, UNSIGNED, (26, 9)), (Ints(0, 15), Ints(-8, 7), (13, 5)),
        (UNSIGNED, Ints(-64, 63), (23, 9)), (SIGNED, Ints(0, 127), (23, 8)),
    ],
)  # fmt: skip
def test_the_factors_of_a_block_hold_the_least_and_the_largest_weights_and_are_no_wider(x, w, factors):
    wide, narrow = pair_factors(x.bits, x.kind, w.bits, w.kind)
    assert (wide, narrow) == factors
    low = x.bits + w.bits + (x.kind == w.kind == 1)
    packed = [a * 2**low + b for a in (w.lo, w.hi) for b in (w.lo, w.hi)]
    assert Ints(min(*packed, -1), max(packed)).bits == wide
    products = [a * b for a in (x.lo, x.hi) for b in (w.lo, w.hi)]
    assert -(2 ** (low - 1)) <= min(products) and max(products) < 2 ** (low - 1)
    assert Ints(min(x.lo, -1), x.hi).bits == narrow


def test_pairs_are_refused_where_rows_numbers_or_blocks_do_not_allow_them():
    too_wide = "m: mult pair makes two products of 8 by 10 bits in a DSP block of 29 x 8, which no family has"
    for x, w, pe, why in (
        (SIGNED, SIGNED, 1, "m: mult pair needs two rows at once, not 1; take a larger pe or mult dsp"),
        (Ints(-1, 1), SIGNED, 2, "m: mult pair is for numbers, not for -1, 0 and \\+1; take mult auto, lut or dsp"),
        (SIGNED, Ints(-512, 511), 2, too_wide),
    ):
        with pytest.raises(RecipeError, match=why):
            unit(x, w, pe=pe)
    with pytest.raises(RecipeError, match="v: mult must be one of auto, lut, dsp, not pair"):
        Vvu(name="v", inputs=("input",), x=Port((4,), SIGNED), weights=np.full((2, 2), 9), pe=2, mult="pair")


def test_the_planner_pairs_products_where_one_block_of_the_family_takes_both():
    bytes_, nibbles = unit(SIGNED, SIGNED, mult="auto"), unit(Ints(0, 15), Ints(-8, 7), mult="auto")
    takers = {u.x.ints.bits: {f for f in FAMILIES if "pair" in u.products(family_of(f))} for u in (bytes_, nibbles)}
    assert takers == {8: {"xc7", "xcup"}, 4: {"xc7", "xcup", "ecp5", "ice40"}}
    assert "pair" not in bytes_.folded(pe=1).products(family_of("xc7")), "one row"
    options = list_options(bytes_, "xc7", {})
    assert {"lut", "dsp", "pair"} == {f["mult"] for f in options.foldings}
    paired = list_options(bytes_, "xc7", {"mult": "pair"})
    assert {f["pe"] for f in paired.foldings} == {2, 4} and {f["mult"] for f in paired.foldings} == {"pair"}
    with pytest.raises(
        RecipeError, match=r"m: a DSP block of ecp5 \(18 x 18\) makes no two products of its numbers at once"
    ):
        list_options(bytes_, "ecp5", {"mult": "pair"})
    with pytest.raises(RecipeError, match="m: mult pair needs two rows at once, not 1"):
        list_options(bytes_, "xc7", {"mult": "pair", "pe": 1})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "x", "w"),
    [
        ("xc7", SIGNED, SIGNED),
        ("xc7", SIGNED, UNSIGNED),
        ("xcup", UNSIGNED, UNSIGNED),
        ("ecp5", Ints(0, 15), Ints(-8, 7)),
    ],
)
def test_yosys_makes_half_as_many_blocks_of_pairs(family, x, w, tmp_path):
    made = [unit(x, w, mult="dsp", pe=4), unit(x, w, pe=4), unit(x, w, rows=3, pe=3)]
    found = measure(made, family, tmp_path)
    assert [f["dsp"] for f in found] == [u.cost(family).dsp for u in made] == [8, 4, 4]
