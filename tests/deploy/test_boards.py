"""What a deploy folder holds for real boards: tops that elaborate, Vivado projects without a name that does not exist."""

import dataclasses
import re
import shutil
import xml.etree.ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path

import deployed
import pytest
from deployed import FOLDING, Emitted, images, mlp, tclsh

from hwflow.bits import BIPOLAR
from hwflow.board import Board, boards, load_board
from hwflow.deploy import design as designs
from hwflow.deploy import package
from hwflow.driver import REGISTERS
from hwflow.emit.c import emit as emit_c
from hwflow.emit.hls import emit as emit_hls
from hwflow.emit.names import plain
from hwflow.emit.rtl import emit
from hwflow.errors import RecipeError, ToolError
from hwflow.lower import lower
from hwflow.synth import route, yosys
from hwflow.synth.pll import pick_clock


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    return Emitted(deployed.digits(), tmp_path_factory.mktemp("digits"), FOLDING)


MODELS = {
    "ecp5": "+/ecp5/cells_sim.v +/ecp5/cells_bb.v",
    "gowin": "+/gowin/cells_sim.v +/gowin/cells_xtra_gw1n.v",
    "ice40": "+/ice40/cells_sim.v",
    "xc7": "+/xilinx/cells_sim.v +/xilinx/cells_xtra.v",
}


def elaborate(
    targets: Sequence[Board], made: Emitted, folder: Path, change: Mapping[str, int | str] | None = None
) -> str:
    """Yosys' word on the tops of these boards around a design, each with its own PLL, clock and baud rate."""
    names = yosys.copy_sources(made.rtl, folder)
    shell = {family: [f for f in route.shell_sources(family) if f.name not in names] for family in MODELS}
    for file in {f for files in shell.values() for f in files}:
        shutil.copyfile(file, folder / file.name)
    lines = []
    for board in targets:
        at = pick_clock(board, board.clock_mhz)
        own = {"Family": board.family, "ClockHz": round(at.mhz * 1e6), "Baud": board.baud, **at.params}
        params = {**designs.parameters(made.dataflow, made.rtl), **own, **(change or {})}
        lines += [
            "design -reset",
            f"read_verilog -lib {MODELS[board.family]}",
            *(f"read_verilog -defer -sv {n}" for n in (*names, *(f.name for f in shell[board.family]))),
            f"chparam {route.chparam_options(params)} {route.TOP}",
            f"hierarchy -check -top {route.TOP}",
            "check -assert",
        ]
    return yosys.run_script(lines, folder, "elaborate", 300)


HOSTILE = 'x*/\n`include "/etc/passwd"\n} ; exec touch pwned\n"; int main; \\'


def test_the_name_of_a_network_ends_no_comment_string_or_line(tmp_path: Path):
    made = {}
    for name in ("x", HOSTILE):
        net = dataclasses.replace(mlp(BIPOLAR, (8, 4, 2)), name=name)
        out = tmp_path / str(len(made))
        dataflow = lower(net)
        emit(dataflow, out / "rtl")
        emit_hls(dataflow, out / "hls", images=0)
        emit_c(net, out / "c")
        design = designs.describe(net, dataflow, out / "rtl", None, {"clock_mhz": 0.0})
        designs.write(out, net, design, images(net, 1), "load it")
        files = [f for f in out.rglob("*") if f.is_file() and f.suffix not in (".npy", ".npz", ".json")]
        made[name] = {
            f.relative_to(out): f.read_text().replace(plain(name), "x").replace(net.hash, "hash") for f in files
        }
    assert not set('\n\\"*/{}`;$[]') & set(plain(HOSTILE))
    assert made["x"] == made[HOSTILE] and len(made["x"]) > 20


SERIAL = [b for b in boards() if b.link == "uart"]


@pytest.mark.slow
def test_every_board_with_a_serial_line_elaborates_with_its_own_pll(digits: Emitted, tmp_path: Path):
    assert {b.family for b in SERIAL} == set(MODELS) and len(SERIAL) == 8
    elaborate(SERIAL, digits, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "text"),
    [({"Family": "cyclone"}, "Family must be ecp5, gowin, ice40 or xc7"), ({"Divisor": 3}, "Divisor")],
)
def test_a_board_top_with_a_wrong_parameter_does_not_elaborate(
    change: dict[str, int | str], text: str, digits: Emitted, tmp_path: Path
):
    with pytest.raises(ToolError, match=text):
        elaborate(SERIAL[:1], digits, tmp_path, change)


def vivado(name: str, made: Emitted, folder: Path) -> Path:
    """The deploy folder of an AMD board."""
    package(made.net, made.dataflow, made.rtl, load_board(name), folder / name, images(made.net, 3))
    return folder / name


def test_a_board_that_is_only_planned_for_is_refused_with_what_to_do(digits: Emitted, tmp_path: Path):
    with pytest.raises(RecipeError, match=r"vcu118: hwflow plans for it and makes no bitstream .*; take --board sim"):
        vivado("vcu118", digits, tmp_path)
    assert not list(tmp_path.iterdir())


AMD = [b.name for b in boards() if b.flow == "vivado"]
needs_tclsh = pytest.mark.skipif(shutil.which("tclsh") is None, reason="tclsh is not installed (apt install tcl)")


@pytest.mark.slow
@needs_tclsh
@pytest.mark.parametrize("name", AMD)
def test_every_file_port_and_parameter_the_vivado_script_names_exists(name: str, digits: Emitted, tmp_path: Path):
    for release in ("2020.1", "2022.2", "2024.1"):
        done = tclsh(vivado(name, digits, tmp_path / release), release)
        assert done.returncode == 0, done.stderr
        assert int(done.stdout.split()[1]) > 40


@needs_tclsh
@pytest.mark.parametrize(
    ("name", "file", "right", "wrong", "text"),
    [
        ("pynq_z2", "vivado_dma.tcl", "network/clk_i", "network/clock_i", "has no pin clock_i"),
        ("pynq_z2", "vivado_dma.tcl", "dma/S_AXI_LITE", "dma/S_AXI", "has no interface S_AXI"),
        ("pynq_z2", "vivado_dma.tcl", "c_include_sg", "c_use_sg", "has no parameter c_use_sg"),
        ("pynq_z2", "vivado_dma.tcl", "block axi_dma", "block axi_dmas", "has no block axi_dmas"),
        (
            "zcu104",
            "vivado_dma.tcl",
            "[block zynq_ultra_ps_e ps]",
            "[create_bd_cell -type ip -vlnv xilinx.com:ip:zynq_ultra_ps_e:3.3 ps]",
            "unknown IP",
        ),
        ("zcu104", "rtl/board_dma_bd.v", "s_axis:m_axis:s_axil", "s_axis:m_axis", "interface s_axil goes by no clock"),
        ("pynq_z2", "vivado_dma.tcl", " network/rst_ni", "", "rst_ni is not connected"),
        ("pynq_z2", "vivado_dma.tcl", "validate_bd_design", "check_bd_design", "invalid command name"),
        ("zcu104", "design.tcl", "InBits", "InputBits", "has no parameter InputBits"),
        ("arty_a7_35t", "design.tcl", "Baud=", "BaudRate=", "has no parameter BaudRate"),
        ("arty_a7_35t", "design.tcl", "rx_i ", "rxd ", "has no port rxd"),
        ("arty_a7_35t", "design.tcl", "POPCOUNT_OF", "POPCOUNTS_OF", "no file asks for the define POPCOUNTS_OF_SLICES"),
        (
            "arty_a7_35t",
            "vivado_uart.tcl",
            "top board_serial",
            "top board_seriel",
            "module board_seriel is in none of the files",
        ),
    ],
)
def test_a_name_that_does_not_exist_is_found_in_the_vivado_script(
    name: str, file: str, right: str, wrong: str, text: str, digits: Emitted, tmp_path: Path
):
    folder = vivado(name, digits, tmp_path)
    script = (folder / file).read_text()
    assert right in script
    (folder / file).write_text(script.replace(right, wrong))
    done = tclsh(folder)
    assert done.returncode != 0 and text in done.stderr, done.stderr


def test_the_block_of_ip_integrator_has_the_ports_files_and_registers_of_the_design(digits: Emitted, tmp_path: Path):
    folder = vivado("pynq_z2", digits, tmp_path)
    ns = {"s": "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"}
    root = xml.etree.ElementTree.parse(folder / "component.xml").getroot()

    def texts(path: str) -> list[str]:
        return [str(e.text) for e in root.findall(path, ns)]

    wrapper = (folder / "rtl" / "board_dma_bd.v").read_text()
    ports = re.findall(r"(?:input |output) wire .*?(\w+),?$", wrapper, re.MULTILINE)
    assert texts(".//s:ports/s:port/s:name") == ports and len(ports) == 30
    assert sorted(texts(".//s:portMap/s:physicalPort/s:name")) == sorted(ports)
    assert texts("s:busInterfaces/s:busInterface/s:name") == ["clk_i", "rst_ni", "s_axis", "m_axis", "s_axil"]
    masters = [
        b.findtext("s:name", namespaces=ns)
        for b in root.iter(f"{{{ns['s']}}}busInterface")
        if b.find("s:master", ns) is not None
    ]
    assert masters == ["m_axis"]
    files = texts(".//s:file/s:name")
    assert {f"rtl/{p.name}" for p in (folder / "rtl").iterdir()} == set(files)
    params = designs.parameters(digits.dataflow, digits.rtl)
    assert dict(zip(texts(".//s:modelParameter/s:name"), texts(".//s:modelParameter/s:value"), strict=True)) == {
        "Bytes": "8",
        **{k: str(v) for k, v in params.items()},
    }
    assert set(re.findall(r"parameter (\w+)", wrapper)) == {"Bytes", "LoadBytes", "WeightsCrc", *params}
    assert [n.lower() for n in texts(".//s:register/s:name")] == list(REGISTERS)
