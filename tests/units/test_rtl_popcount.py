"""Counting in AMD's own cells: every cell proved, small counts proved whole, larger ones simulated in matrix units."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rtl_check import check

from hwflow.bits import BIPOLAR, Ints
from hwflow.families import family_of
from hwflow.ops import Port
from hwflow.places import HLS
from hwflow.synth import yosys
from hwflow.units import Mvu
from hwflow.units.kit.weighted import TERNARY

SLICES = ("xc7", "xcup")
PARTS = ("carry_chain", "counter7", "equal_adder", "heap_sum", "heap_level", "popcount_heap")
WIRE = """module delay #(parameter Bits = 1, parameter Cycles = 1) (
  input logic clk_i, input logic en_i, input logic [Bits-1:0] d_i, output logic [Bits-1:0] q_o
);
  assign q_o = d_i;
endmodule
"""
COUNTS = "module t (input logic [{n}:0] a, b, output logic right);\n  {body}\nendmodule\n"


def holds(body: str, bits: int, folder: Path, family: str) -> bool:
    """Whether `right` of a module with this body is 1 for all a and b, by SAT on Yosys' models of a family's cells."""
    made = family_of(family).synthesis
    texts = {n: (HLS / "parts" / f"{n}.sv").read_text() for n in PARTS} | {"delay": WIRE}
    for name, text in texts.items():
        (folder / f"{name}.sv").write_text(text)
    (folder / "t.sv").write_text(COUNTS.format(n=bits - 1, body=body))
    (folder / "out").unlink(missing_ok=True)
    log = yosys.run_script(
        [
            f"read_verilog +/{made.models}",
            f"read_verilog -sv {' '.join(f'-D {d}' for d in made.defines)} {' '.join(f'{n}.sv' for n in (*texts, 't'))}",
            "hierarchy -check -top t", "proc", "flatten", "opt -full", "sat -prove right 1 -set-def-inputs t",
        ],
        folder, "prove", 300,
    )  # fmt: skip
    assert ("SAT proof finished - no model found: SUCCESS!" in log) != (
        "SAT proof finished - model found: FAIL!" in log
    )
    return "no model found: SUCCESS!" in log


def total(bits: str, n: int, first: int = 0) -> str:
    """The number of ones of n bits of a signal, the first of them on, written out."""
    return " + ".join(f"8'({bits}[{i}])" for i in range(first, first + n))


CELLS = {
    "chain_of_9": "logic [8:0] s, c; carry_chain #(.Places(9)) u (.carry_i(a[9]), .s_i(a[8:0] ^ b[8:0]), .d_i(a[8:0]), .sum_o(s), "
    ".carry_o(c)); assign right = {c[8], s} == 10'(a[8:0]) + 10'(b[8:0]) + 10'(a[9]);",
    "chains_of_2": "logic [5:0] s, c; carry_chain #(.Places(2), .Chains(3)) u (.carry_i(b[8:6]), .s_i(a[5:0] ^ b[5:0]), "
    ".d_i(a[5:0]), .sum_o(s), .carry_o(c)); assign right = "
    + " && ".join(
        f"{{c[{k + 1}], s[{k + 1}:{k}]}} == 3'(a[{k + 1}:{k}]) + 3'(b[{k + 1}:{k}]) + 3'(b[{6 + k // 2}])"
        for k in (0, 2, 4)
    )
    + ";",
    "counter7": "logic [2:0] n; counter7 c (.x_i(a[6:0]), .count_o(n)); assign right = 8'(n) == " + total("a", 7) + ";",
    "counters": "logic [8:0] n; counter7 #(.Counters(3)) c (.x_i(a), .count_o(n)); assign right = "
    + " && ".join(f"8'(n[{3 * c}+:3]) == {total('a', 7, 7 * c)}" for c in range(3))
    + ";",
    "equal_adder": "logic s, c; equal_adder u (.a_i(a[1:0]), .b_i(b[1:0]), .c_i(a[2]), .sum_o(s), .carry_o(c)); "
    "assign right = 2'({c, s}) == 2'(a[0] == b[0]) + 2'(a[1] == b[1]) + 2'(a[2]);",
    "heap_sum": "logic [4:0] s; logic [14:0] v; assign v = {b[6:0], a[7:0]}; heap_sum #(.Bits(5)) u (.x_i(v), .sum_o(s)); "
    "assign right = s == v[4:0] + v[9:5] + v[14:10];",
}


@pytest.mark.parametrize("family", SLICES)
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_counts_right_for_all_its_inputs(name, family, tmp_path):
    assert holds(CELLS[name], 21, tmp_path, family)


def count(n: int, compared: int) -> str:
    side = "b" if compared else "'1"
    return (
        f"logic [{n.bit_length() - 1}:0] q; popcount_heap #(.N({n}), .Compared({compared}), .Cuts(1)) p "
        f"(.clk_i(1'b0), .en_i(1'b1), .a_i(a), .b_i({side}), .count_o(q)); "
        f"logic [{n - 1}:0] same; assign same = ~(a ^ {side}); assign right = 8'(q) == {total('same', n)};"
    )


@pytest.mark.parametrize(("n", "compared"), [(24, 0), (10, 1), (11, 1), (24, 1)])
@pytest.mark.parametrize("family", SLICES)
def test_a_small_count_is_right_for_all_its_inputs(n, compared, family, tmp_path):
    assert holds(count(n, compared), n, tmp_path, family)


def counting(n: int, rng: np.random.Generator) -> list[Mvu]:
    """Matrix units that count n bits: with weights in block RAM, in small tables and fixed, and with zeros on either side."""

    def unit(name: str, rows: int, x: Ints, most: int = 0, **folding: Any) -> Mvu:
        w = rng.integers(-most, most + 1, (rows, n)) if most else rng.choice((-1, 1), (rows, n))
        return Mvu(name=f"{name}_{n}", inputs=("input",), x=Port((n,), x), weights=w, simd=n, **folding)

    return [
        unit("block", 6, BIPOLAR, pe=2, style="block"), unit("table", 6, BIPOLAR, pe=2), unit("fixed", 2, BIPOLAR, pe=2),
        unit("inputs", 4, TERNARY, pe=2, style="block"), unit("both", 4, TERNARY, 1, pe=2),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("family", SLICES)
def test_units_of_amds_cells_compute_what_they_mean_in_the_cycles_they_claim(family):
    rng = np.random.default_rng(3)
    units = [*counting(27, rng), *counting(64, rng)[:2]]
    check(units, images=9, family=family)
    check(units, images=4, stalls=1, family=family)
