"""Many single units through one simulated bench, held to their own claims.

Stands on hwflow.simulate.rtl; used by the tests of the convolution and residual units.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import jinja2
import numpy as np

from hwflow import tools
from hwflow.bits import Ints
from hwflow.emit.rtl import instance, sources, write_memories
from hwflow.families import family_of
from hwflow.simulate import rtl
from hwflow.synth.gates import find_models
from hwflow.units.kit.base import Unit
from hwflow.units.kit.streams import Stream


def values(stream: Stream, n: int, rng: np.random.Generator) -> np.ndarray:
    """Random images (n, *shape) of a stream; now and then all at one end of the range."""
    ints = stream.ints
    x = rng.integers(0, (ints.hi - ints.lo) // ints.step + 1, (n, *stream.port.shape)) * ints.step + ints.lo
    x[0] = ints.lo if rng.random() < 0.3 else x[0]
    x[-1] = ints.hi if rng.random() < 0.3 else x[-1]
    return x


def check(
    units: Sequence[Unit],
    *,
    seed: int = 0,
    images: int = 5,
    stalls: int | None = None,
    reset_at: int = 0,
    family: str = "",
) -> None:
    """Every unit's RTL equals its `run`; without stalls it takes the cycles and the latency it claims, to the cycle.

    With a `family` it is made of that family's own cells, as far as our sources choose them.
    """
    rng = np.random.default_rng(seed)
    xs = [tuple(values(s, images, rng) for s in u.ins) for u in units]
    run = partial(run_cells, family=family) if family else rtl.run_units
    wrong = []
    for unit, x, runs in zip(units, xs, run(units, xs, stalls=stalls, reset_at=reset_at), strict=True):
        for y, one in zip(unit.run(*x), runs, strict=True):
            differ = int((one.outputs != y.reshape(images, -1)).sum())
            if differ:
                wrong.append(f"{unit}: {differ} of {y.size} elements differ")
            ends = np.diff(np.array(one.log["image_ends"]))
            # the first images fill what the unit holds
            if stalls is None and not reset_at and images >= 4 and set(ends[images // 2 - 1 :]) != {unit.cycles}:
                wrong.append(f"{unit}: claims {unit.cycles} cycles an image, takes {ends.tolist()}")
            first = max(int(str(one.log["first_word"])), 0)
            if stalls is None and not reset_at and first != unit.latency:
                wrong.append(f"{unit}: claims a latency of {unit.latency} cycles, takes {first}")
    assert not wrong, "\n".join(wrong)


def run_cells(
    units: Sequence[Unit],
    xs: Sequence[tuple[np.ndarray, ...]],
    *,
    family: str,
    stalls: int | None = None,
    reset_at: int = 0,
) -> list[tuple[rtl.Run, ...]]:
    """As rtl.run_units, with a family's defines and Yosys' models of the cells that its sources instantiate."""
    made = family_of(family).synthesis
    with tempfile.TemporaryDirectory() as scratch:
        folder, designs, count = Path(scratch), list[rtl.Design](), 0
        for k, unit in enumerate(units):
            write_memories(unit, folder, f"u{k}_")
            designs.append(rtl.of_unit(unit, f"u{k}", first=count))
            count += len(designs[-1].ends)
        files = sources({d.module for d in designs})
        used = set(re.findall(r"^\s*([A-Z]\w+) (?:#\(|\w+ \()", "".join(f.read_text() for f in files), re.MULTILINE))
        models = find_models(family).read_text()
        known = re.finditer(r"^module (\w+).*?^endmodule$", models, re.MULTILINE | re.DOTALL)
        cells = [m[0] for m in known if m[1] in used]
        first = folder / "cells.v"  # what it defines holds for the files behind it
        first.write_text("\n".join([*(f"`define {d}" for d in made.defines), *cells, ""]))
        program = rtl._build(designs, [first, *files], by_word=False)
        return rtl._simulate(designs, xs, program, folder, stalls, reset_at=reset_at)[0]


def lint(units: Sequence[Unit]) -> None:
    """Verilator -Wall says nothing about any of the units with its parameters."""
    for unit in units:
        with tempfile.TemporaryDirectory() as folder:
            write_memories(unit, Path(folder))
            made = instance(unit)
            numbers = [f"-G{name}={value}" for name, value in made.params]
            files = sources([made.module])
            said = tools.run(
                "verilator",
                ["--lint-only", "-Wall", "--quiet", "--top-module", made.module, *numbers, *files],
                cwd=Path(folder),
                env=tools.verilator_env(),
            )
            assert "%" not in said, said


WRAP = jinja2.Template(
    """module {{ name }} (
  input logic clk_i, input logic rst_ni,
  input logic [{{ n_in - 1 }}:0] x_valid_i, output logic [{{ n_in - 1 }}:0] x_ready_o, input logic [{{ d.in_bits - 1 }}:0] x_data_i,
  output logic [{{ n_out - 1 }}:0] y_valid_o, input logic [{{ n_out - 1 }}:0] y_ready_i, output logic [{{ d.out_bits - 1 }}:0] y_data_o
);
  {{ d.module }} #({% for k, v in d.params %}.{{ k }}({{ v }}){{ ", " if not loop.last }}{% endfor %}) unit (
    .clk_i(clk_i), .rst_ni(rst_ni), .x_valid_i(x_valid_i), .x_ready_o(x_ready_o), .x_data_i(x_data_i),
    .y_valid_o(y_valid_o), .y_ready_i(y_ready_i), .y_data_o(y_data_o)
{%- if d.load_i %}, .load_i('0){% endif %}
{%- if d.load_o %}, .load_o(){% endif %}
  );
endmodule
"""
)


def check_netlists(units: Sequence[Unit], folder: Path, *, seed: int = 0, images: int = 3) -> None:
    """What Yosys reads is what Verilator reads: its netlists, simulated with stalls, equal every unit's `run`."""
    designs = netlists(units, folder)
    rng = np.random.default_rng(seed)
    xs = [tuple(values(s, images, rng) for s in u.ins) for u in units]
    program = rtl._build(designs, sorted(folder.glob("net_*.v")))
    runs, _ = rtl._simulate(designs, xs, program, folder, 1)
    for unit, x, outs in zip(units, xs, runs, strict=True):
        for y, run in zip(unit.run(*x), outs, strict=True):
            assert np.array_equal(run.outputs, y.reshape(images, -1)), unit


def netlists(units: Sequence[Unit], folder: Path) -> list[rtl.Design]:
    """Yosys' reading of every unit as plain Verilog, `net_<k>.v` in `folder`; the designs to simulate them as."""
    designs, script, count = [], [], 0
    for k, unit in enumerate(units):
        write_memories(unit, folder, f"u{k}_")
        design = rtl.of_unit(unit, f"u{k}", first=count)
        count += len(design.ends)
        name = f"net_{k}"
        text = WRAP.render(name=name, d=design, n_in=len(design.ins), n_out=len(design.outs))
        (folder / f"wrap_{k}.sv").write_text(text)
        files = sources([design.module])
        for f in files:
            (folder / f.name).write_text(f.read_text())
        script += [
            "design -reset", f"read_verilog -sv {' '.join(f.name for f in files)} wrap_{k}.sv", f"hierarchy -check -top {name}",
            "proc", "check -assert", "flatten", "opt -full", "memory -nomap", "opt_clean", f"write_verilog -noattr {name}.v",
        ]  # fmt: skip
        designs.append(replace(design, module=name, params=[], load_i=False, load_o=False))
    (folder / "read.ys").write_text("\n".join(script) + "\n")
    tools.run("yosys", ["-q", "read.ys"], cwd=folder)
    return designs


ICARUS = jinja2.Template(
    """module bench;
  reg clk = 0, rst_n = 0;
  reg [{{ n_in - 1 }}:0] x_valid = 0;
  wire [{{ n_in - 1 }}:0] x_ready;
  reg [{{ d.in_bits - 1 }}:0] x_data;
  wire [{{ n_out - 1 }}:0] y_valid;
  reg [{{ n_out - 1 }}:0] y_ready = 0;
  wire [{{ d.out_bits - 1 }}:0] y_data;
  integer left = {{ ends | sum(attribute="words") }}, quiet = 0;
  {{ d.module }} dut (
    .clk_i(clk), .rst_ni(rst_n), .x_valid_i(x_valid), .x_ready_o(x_ready), .x_data_i(x_data),
    .y_valid_o(y_valid), .y_ready_i(y_ready), .y_data_o(y_data)
  );
  always #1 clk = ~clk;
  initial begin
    repeat (4) @(negedge clk);
    rst_n = 1;
  end
  always @(negedge clk) if (rst_n) begin
    y_ready = $random;
    quiet = quiet + 1;
    if (left == 0 || quiet == 20000) $finish;
  end
{%- for e in starts %}
  reg [{{ e.bits - 1 }}:0] words{{ loop.index0 }} [0:{{ e.words - 1 }}];
  integer next{{ loop.index0 }} = 0;
  initial $readmemh("{{ e.file }}", words{{ loop.index0 }});
  always @(posedge clk) if (rst_n) begin
    if (x_valid[{{ loop.index0 }}] && x_ready[{{ loop.index0 }}]) begin
      quiet = 0;
      x_valid[{{ loop.index0 }}] <= 0;
    end
    if (!x_valid[{{ loop.index0 }}] || x_ready[{{ loop.index0 }}]) if (next{{ loop.index0 }} < {{ e.words }} && $random % 4 != 0) begin
      x_valid[{{ loop.index0 }}] <= 1;
      x_data[{{ e.low }}+:{{ e.bits }}] <= words{{ loop.index0 }}[next{{ loop.index0 }}];
      next{{ loop.index0 }} = next{{ loop.index0 }} + 1;
    end
  end
{%- endfor %}
{%- for e in ends %}
  always @(posedge clk) if (rst_n && y_valid[{{ loop.index0 }}] && y_ready[{{ loop.index0 }}]) begin
    $display("{{ loop.index0 }} %b", y_data[{{ e.low }}+:{{ e.bits }}]);
    left = left - 1;
    quiet = 0;
  end
{%- endfor %}
endmodule
"""
)


def check_icarus(units: Sequence[Unit], folder: Path, *, seed: int = 0, images: int = 3) -> None:
    """A second simulator says the same: Icarus runs Yosys' netlists, with stalls, to every unit's `run`."""
    rng = np.random.default_rng(seed)
    for k, (unit, design) in enumerate(zip(units, netlists(units, folder), strict=True)):
        x = tuple(values(s, images, rng) for s in unit.ins)
        fed = [np.tile(e.feed.values, (images * e.feed.times, 1)) for e in design.feeds]
        starts = [
            stream(e, folder, f"x{k}_{i}", a) for i, (e, a) in enumerate(zip(design.ins, (*x, *fed), strict=True))
        ]
        ends = [
            stream(e, folder, f"y{k}_{i}", y) for i, (e, y) in enumerate(zip(design.outs, unit.run(*x), strict=True))
        ]
        text = ICARUS.render(d=design, n_in=len(starts), n_out=len(ends), starts=starts, ends=ends)
        (folder / f"bench_{k}.v").write_text(text)
        for command in (
            ["iverilog", "-g2005-sv", "-o", f"bench_{k}", f"bench_{k}.v", f"net_{k}.v"],
            ["vvp", "-n", f"bench_{k}"],
        ):
            said = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=True).stdout
        heard = [line.split() for line in said.splitlines() if line[:1].isdigit()]
        for i, (end, y) in enumerate(zip(design.outs, unit.run(*x), strict=True)):
            got = [word for number, word in heard if number == str(i)]
            used = replace(end.stream, port=replace(end.stream.port, ints=Ints(0, (1 << end.stream.ints.bits) - 1)))
            # places that a word by row leaves over hold anything
            masks = words_of(rtl.pack(np.zeros_like(y), used), end.bits)
            want = words_of(rtl.pack(y, end.stream), end.bits)
            assert len(got) == len(want)
            for word, value, spare in zip(got, want, masks, strict=True):
                bits = f"{value:0{end.bits}b}"
                kept = [j for j, s in enumerate(f"{spare:0{end.bits}b}") if s == "0"]
                assert [word[j] for j in kept] == [bits[j] for j in kept], f"{unit}: output {i} under Icarus"


def stream(end: rtl.End, folder: Path, name: str, x: np.ndarray) -> dict[str, int | str]:
    """Images as a file of hexadecimal words, and what a bench needs to know of it."""
    words = words_of(rtl.pack(x, end.stream), end.bits)
    (folder / name).write_text("".join(f"{w:0{-(-end.bits // 4)}x}\n" for w in words))
    return {"file": name, "bits": end.bits, "low": end.low, "words": len(words)}


def words_of(raw: bytes, bits: int) -> list[int]:
    """Numbers of a file of words, each rounded up to 32 bits."""
    size = -(-bits // 32) * 4
    return [int.from_bytes(raw[i : i + size], "little") for i in range(0, len(raw), size)]
