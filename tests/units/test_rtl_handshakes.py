"""Which ways of a unit's handshake have no register: what its class says is what Verilator finds in its RTL."""

import re

import pytest

from hwflow import tools
from hwflow.emit.rtl import instance, sources, write_memories
from hwflow.units import UNITS, Width

pytestmark = pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")

SAMPLES = 2  # of a unit, and one of each number of inputs
# what a way is tied back to, so that it becomes a loop of logic where no register stands in it: valid in, ready out
WAYS = {
    "ready_through": ("free", "free && xr{n}[0]"),
    "valid_through": ("free && yv{n}[0]", "free"),
    "ready_awaits": ("free && |xr{n}", "free"),
}


@pytest.fixture(scope="module")
def loops(tmp_path_factory):
    """By way, the modules in which tying it back makes a loop of logic, in one run of Verilator for all of them."""
    folder = tmp_path_factory.mktemp("loops")
    tied, lines = [], []
    for unit in UNITS:
        # a converter between words of one size is wires, and nobody places one
        every = [s for s in unit.samples() if not isinstance(s, Width) or s.par_in != s.par_out]
        some = every[:: -(-len(every) // SAMPLES)]
        for sample in {*some, *{len(s.inputs): s for s in every}.values()}:
            write_memories(sample, folder)
            tied += [(sample, way) for way in WAYS]
    for n, (sample, way) in enumerate(tied):
        made, valid, ready = instance(sample), *(end.format(n=n) for end in WAYS[way])
        ins, outs = len(sample.ins), len(sample.outs)
        bits = sum(s.bits for s in sample.ins), sum(s.bits for s in sample.outs)
        load = ", .load_i('0), .load_o()" if sample.load_ports else ""
        lines.append(
            f"logic [{ins - 1}:0] xr{n}; logic [{outs - 1}:0] yv{n}; logic [{bits[1] - 1}:0] y{n};\n"
            f"{made.module} #({', '.join(f'.{k}({v})' for k, v in made.params)}) u{n} (.clk_i(clk_i), .rst_ni(rst_ni), "
            f".x_valid_i({{{ins}{{{valid}}}}}), .x_ready_o(xr{n}), .x_data_i({bits[0]}'(x)), "
            f".y_valid_o(yv{n}), .y_ready_i({{{outs}{{{ready}}}}}), .y_data_o(y{n}){load});\n"
            f"assign seen[{n}] = ^{{xr{n}, yv{n}, y{n}}};"
        )
    ports = f"input logic clk_i, rst_ni, free, input logic [4095:0] x, output logic [{len(tied) - 1}:0] seen"
    (folder / "tied.sv").write_text(f"module tied({ports});\n" + "\n".join(lines) + "\nendmodule\n")
    files = sources(sorted({instance(sample).module for sample, _ in tied}))
    said = tools.run(
        "verilator",
        ["--lint-only", "-Wno-fatal", "-Wno-lint", "-Wwarn-UNOPTFLAT", "--top-module", "tied", "tied.sv", *files],
        cwd=folder,
        env=tools.verilator_env(),
    )
    found = {way: set() for way in WAYS}
    for n in re.findall(r"UNOPTFLAT.*'tied\.(?:__Vcellinp__)?(?:u|xr|yv)(\d+)(?!\d)", said):
        sample, way = tied[int(n)]
        found[way].add(sample.module)
    return found


@pytest.mark.parametrize("way", WAYS)
def test_a_handshake_passes_through_the_units_that_say_so_and_no_others(loops, way):
    assert loops[way] == {unit.module for unit in UNITS if getattr(unit, way)}
