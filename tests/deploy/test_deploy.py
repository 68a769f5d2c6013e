"""Deploy folders: the simulated board answers as the network does, whatever happens on its line, and folders are whole."""

import dataclasses
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serial
from conftest import KIT

from hwflow.bits import BIPOLAR, Ints
from hwflow.bits import words as stream_words
from hwflow.board import Board, boards, load_board
from hwflow.deploy import design as designs
from hwflow.deploy import package
from hwflow.deploy.sim import around, program
from hwflow.driver import MAGIC, REGISTERS, Accelerator, Words, frame
from hwflow.driver_line import start_board, stop_board
from hwflow.emit.c import emit as emit_c
from hwflow.emit.hls import emit as emit_hls
from hwflow.emit.names import plain
from hwflow.emit.rtl import emit
from hwflow.errors import RecipeError, ToolError
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.ops import Dense, Port, Threshold, TopK
from hwflow.places import hardware
from hwflow.synth import route, yosys
from hwflow.synth.pll import pick_clock
from hwflow.units.kit.base import Dataflow


def mlp(ints: Ints, widths: tuple[int, ...], labels: bool = False, seed: int = 0) -> Net:
    """A dense network of -1/+1 weights with random thresholds between its layers."""
    rng = np.random.default_rng(seed)
    port, ops, last = Port(widths[:1], ints), [], "input"
    for i, (cols, rows) in enumerate(pairwise(widths)):
        ops.append(Dense(name=f"dense{i}", inputs=(last,), weights=rng.integers(0, 2, (rows, cols)) * 2 - 1))
        last = f"dense{i}"
        if i < len(widths) - 2:
            at = ops[-1].port(port).ints
            t = rng.integers(at.lo // 3, at.hi // 3 + 1, (rows, 1))
            ops.append(
                Threshold(name=f"sign{i}", inputs=(last,), thresholds=t, falling=rng.random(rows) < 0.2, bipolar=True)
            )
            port, last = Port((rows,), BIPOLAR), f"sign{i}"
    if labels:
        ops.append(TopK(name="label", inputs=(last,)))
    return Net("digits", Port(widths[:1], ints), tuple(ops))


def images(net: Net, n: int, seed: int = 1) -> np.ndarray:
    ints = net.input.ints
    x = np.random.default_rng(seed).integers(ints.lo, ints.hi + 1, (n, *net.input.shape))
    return np.where(x >= 0, 1, -1) if ints.is_bipolar else x


class Made:
    """A network, its emitted design and the deploy folder of its simulated board."""

    def __init__(self, net: Net, folder: Path, folding: dict[str, Any] | None = None):
        self.net, self.dataflow, self.out = net, lower(net, folding), folder / "deploy"
        self.rtl = emit(self.dataflow, folder / "rtl")
        self.facts = package(net, self.dataflow, self.rtl, None, self.out, images(net, 5))


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folding = {"dense0": {"pe": 8, "simd": 8}, "dense1": {"pe": 5, "simd": 32}}
    return Made(mlp(Ints(0, 16), (64, 32, 10)), tmp_path_factory.mktemp("digits"), folding)


def test_the_simulated_board_answers_as_the_network_does(digits: Made):
    x = images(digits.net, 60)
    with Accelerator("sim", digits.out / "design.json") as board:
        assert (board.infer(x) == digits.net.run(x)).all()
        assert board.stats.images == 60 and board.stats.resent == 0 and board.stats.bytes_out > 60 * board.input.bytes


def test_a_board_tells_its_identity_its_counters_and_the_cycles_it_takes(digits: Made):
    x = images(digits.net, 9)
    with Accelerator("sim", digits.out / "design.json") as board:
        board.infer(x)
        told = board.status()
        assert told["magic"] == MAGIC and told["design"] == board.design["id"]
        assert [told["hash_low"], told["hash_high"]] == board.design["hash"]
        assert (told["images"], told["answers"], told["errors"], told["status"]) == (9, 9, 0, 0)
        assert told["fastest"] <= told["interval"] < told["cycles"] and digits.dataflow.cycles <= told["fastest"]
        board._link.port.write(
            frame(1, 3, b"short") + frame(2, 5)[:-3] + b"\x7e"
        )  # an image of another length, a cut frame
        assert board.status()["errors"] == 2
        assert (board.infer(x[:2]) == digits.net.run(x[:2])).all()


def test_a_deploy_folder_is_complete_on_its_own(digits: Made):
    names = {p.name for p in digits.out.iterdir()}
    assert {"design.json", "driver.py", "selftest.py", "inputs.npy", "expected.npy", "README.md", "board_sim"} <= names
    assert len((digits.out / "README.md").read_text().splitlines()) == 3
    done = subprocess.run(
        [sys.executable, "-I", "selftest.py"], cwd=digits.out, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 of 50 answers differ" in done.stdout


def test_the_selftest_finds_a_wrong_answer(digits: Made):
    expected = np.load(digits.out / "expected.npy")
    wrong = expected.copy()
    wrong[2, 3] += 1
    np.save(digits.out / "expected.npy", wrong)
    try:
        done = subprocess.run(
            [sys.executable, "selftest.py"], cwd=digits.out, capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        np.save(digits.out / "expected.npy", expected)
    assert done.returncode == 1 and "1 of 50 answers differ" in done.stdout


class Faulty:
    """A serial port on which each byte, either way, may be lost, doubled or changed."""

    def __init__(self, port: serial.Serial, seed: int, rate: float):
        self.port, self.random, self.rate, self.faults = port, random.Random(seed), rate, 0

    @property
    def in_waiting(self) -> int:
        return self.port.in_waiting

    def _line(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            if self.random.random() >= self.rate:
                out.append(byte)
                continue
            self.faults += 1
            how = self.random.randrange(3)
            out += (
                bytes([byte, byte]) if how == 0 else bytes([byte ^ 1 << self.random.randrange(8)]) if how == 1 else b""
            )
        return bytes(out)

    def read(self, size: int) -> bytes:
        return self._line(self.port.read(size))

    def write(self, data: bytes) -> int:
        self.port.write(self._line(data))
        return len(data)


def under_faults(made: Made, seed: int, rate: float, reset_every: int, n: int) -> tuple[int, int, int]:
    """Wrong answers, faults and images sent again over `n` images; the board is reset within every `reset_every`th."""
    design = {**json.loads((made.out / "design.json").read_text()), "timeout_s": 2.0}
    process, terminal = start_board(made.out / "board_sim")
    x = images(made.net, n, seed)
    try:
        with serial.Serial(terminal, 115200, timeout=0.005) as port:
            line = Faulty(port, seed, rate)
            board = Accelerator(line, design)

            def press_reset(done: int, _: int) -> None:
                if reset_every and done % reset_every == 0:
                    os.kill(process.pid, signal.SIGUSR1)

            y = board.infer(x, progress=press_reset)
            return int((y != made.net.run(x)).sum()), line.faults, board.stats.resent
    finally:
        stop_board(process)


@pytest.mark.parametrize("seed", [1, 2])
def test_lost_doubled_and_changed_bytes_and_resets_never_give_a_wrong_answer(digits: Made, seed: int):
    wrong, faults, resent = under_faults(digits, seed, 0.002, 15, 60)
    assert wrong == 0
    assert faults > 0 and resent > 0


@pytest.mark.slow
def test_a_thousand_images_through_terminal_line_and_accelerator_equal_the_network(digits: Made):
    x = images(digits.net, 1000, 9)
    with Accelerator("sim", digits.out / "design.json") as board:
        assert (board.infer(x) == digits.net.run(x)).all()


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0005, 0.005])
def test_many_faults_and_resets_never_give_a_wrong_answer(digits: Made, rate: float):
    wrong, faults, resent = under_faults(digits, 7, rate, 50, 300)
    assert wrong == 0 and faults > 5 and resent > 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ints", "widths", "labels"),
    [
        (BIPOLAR, (63, 17, 5), False),
        (Ints(0, 1), (127, 10), True),
        (Ints(-8, 7), (1, 3), False),
        (Ints(-100, 300), (13, 7, 2), True),
    ],
    ids=str,
)
def test_awkward_words_cross_the_line_unchanged(ints: Ints, widths: tuple[int, ...], labels: bool, tmp_path: Path):
    made = Made(mlp(ints, widths, labels), tmp_path)
    x = images(made.net, 30)
    with Accelerator("sim", made.out / "design.json") as board:
        assert (board.infer(x) == made.net.run(x)).all()


def test_the_design_says_how_its_words_travel(digits: Made):
    dataflow: Dataflow = digits.dataflow
    w = designs.words(dataflow.input)
    assert w["bits"] * w["par"] == dataflow.input.bits and w["words"] * w["par"] == 64
    before = designs.design_id(digits.rtl)
    memory = next(digits.rtl.glob("*.mem"))
    text = memory.read_text()
    memory.write_text(text.replace("0", "1", 1))
    assert designs.design_id(digits.rtl) != before
    memory.write_text(text)


MODELS = {
    "ecp5": "+/ecp5/cells_sim.v +/ecp5/cells_bb.v",
    "gowin": "+/gowin/cells_sim.v +/gowin/cells_xtra_gw1n.v",
    "ice40": "+/ice40/cells_sim.v",
    "xc7": "+/xilinx/cells_sim.v +/xilinx/cells_xtra.v",
}


def elaborate(targets: Sequence[Board], made: Made, folder: Path, change: Mapping[str, int | str] | None = None) -> str:
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


def test_every_board_with_a_serial_line_elaborates_with_its_own_pll(digits: Made, tmp_path: Path):
    assert {b.family for b in SERIAL} == set(MODELS) and len(SERIAL) == 8
    elaborate(SERIAL, digits, tmp_path)


@pytest.mark.parametrize(
    ("change", "text"),
    [({"Family": "cyclone"}, "Family must be ecp5, gowin, ice40 or xc7"), ({"Divisor": 3}, "Divisor")],
)
def test_a_board_top_with_a_wrong_parameter_does_not_elaborate(
    change: dict[str, int | str], text: str, digits: Made, tmp_path: Path
):
    with pytest.raises(ToolError, match=text):
        elaborate(SERIAL[:1], digits, tmp_path, change)


def vivado(name: str, made: Made, folder: Path) -> Path:
    """The deploy folder of an AMD board."""
    package(made.net, made.dataflow, made.rtl, load_board(name), folder / name, images(made.net, 3))
    return folder / name


def tclsh(folder: Path, release: str = "2024.1") -> subprocess.CompletedProcess[str]:
    script = next(folder.glob("vivado_*.tcl"))
    stub = KIT / "vivado_stub.tcl"
    return subprocess.run(
        ["tclsh", str(stub), script.name, release], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


AMD = [b.name for b in boards() if b.flow == "vivado"]
needs_tclsh = pytest.mark.skipif(shutil.which("tclsh") is None, reason="tclsh is not installed (apt install tcl)")


@needs_tclsh
@pytest.mark.parametrize("name", AMD)
def test_every_file_port_and_parameter_the_vivado_script_names_exists(name: str, digits: Made, tmp_path: Path):
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
    name: str, file: str, right: str, wrong: str, text: str, digits: Made, tmp_path: Path
):
    folder = vivado(name, digits, tmp_path)
    script = (folder / file).read_text()
    assert right in script
    (folder / file).write_text(script.replace(right, wrong))
    done = tclsh(folder)
    assert done.returncode != 0 and text in done.stderr, done.stderr


def test_the_block_of_ip_integrator_has_the_ports_files_and_registers_of_the_design(digits: Made, tmp_path: Path):
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


class SimulatedDma:
    """AXI DMA around board_dma in Verilator: takes what the PYNQ driver would put into its buffers."""

    def __init__(self, made: Made, folder: Path):
        params = designs.parameters(made.dataflow, made.rtl)
        self.program = program(
            "board_dma", {**params, "Bytes": 8}, around("board_dma", made.rtl), hardware("dma_sim.cpp")
        )
        self.rtl, self.folder, self.buffers = made.rtl, folder, []

    def exchange(self, data: np.ndarray, back_bytes: int) -> np.ndarray:
        self.buffers.append(data.tobytes())
        (self.folder / "to_board").write_bytes(data.tobytes())
        subprocess.run(
            [self.program, self.folder / "to_board", self.folder / "from_board", "5"],
            cwd=self.rtl,
            check=True,
            timeout=100,
        )
        return np.fromfile(self.folder / "from_board", np.uint8).reshape(len(data), back_bytes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ints", "widths", "simd"),
    [(Ints(0, 255), (63, 17, 5), 3), (BIPOLAR, (65, 7), 13)],
    ids=str,
)
def test_the_pynq_buffers_equal_the_simulated_dma_byte_for_byte(
    ints: Ints, widths: tuple[int, ...], simd: int, tmp_path: Path
):
    made = Made(mlp(ints, widths), tmp_path, {"dense0": {"simd": simd}})
    dma, x = SimulatedDma(made, tmp_path), images(made.net, 23)
    design = designs.describe(made.net, made.dataflow, made.rtl, load_board("pynq_z1"), {"clock_mhz": 100.0})
    assert (Accelerator(dma, design).infer(x) == made.net.run(x)).all()
    stream, word_bytes = made.dataflow.input, -(-made.dataflow.input.bits // 8)
    for image, at in zip(x, range(0, len(dma.buffers[0]), len(dma.buffers[0]) // len(x)), strict=False):
        want = b"".join(
            w.to_bytes(word_bytes, "little") for w in stream_words(ints.encode(image), ints.bits, stream.par)
        )
        want += bytes(-len(want) % 8)
        assert dma.buffers[0][at : at + len(want)] == want
    assert len(dma.buffers[0]) == len(x) * len(want)


def test_the_c_example_gets_the_same_answers(digits: Made, tmp_path: Path):
    sources = [hardware("driver_example.c"), KIT / "driver_example_main.c"]
    subprocess.run(
        ["gcc", "-std=gnu99", "-Wall", "-Wextra", "-Werror", "-O1", *sources, "-o", tmp_path / "host"], check=True
    )
    design = json.loads((digits.out / "design.json").read_text())
    to_board, from_board = Words(**design["input"]), Words(**design["output"])
    x = images(digits.net, 7)
    (tmp_path / "images").write_bytes(to_board.pack(x).tobytes())
    process, terminal = start_board(digits.out / "board_sim")
    sizes = [str(to_board.bytes), str(from_board.bytes)]
    try:
        done = subprocess.run(
            [tmp_path / "host", terminal, str(design["id"]), tmp_path / "images", *sizes],
            capture_output=True,
            timeout=60,
            check=True,
        )
        other = subprocess.run(
            [tmp_path / "host", terminal, str(design["id"] ^ 1), tmp_path / "images", *sizes], timeout=60, check=False
        )
    finally:
        stop_board(process)
    answers = from_board.unpack(np.frombuffer(done.stdout, np.uint8).reshape(7, -1))
    assert (answers == digits.net.run(x)).all()
    assert other.returncode == 12  # another design


def test_a_deploy_that_fails_leaves_the_folder_as_it_was(digits: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "deploy"
    (out / "sim").mkdir(parents=True)  # `run --port sim` made this one

    def broken(*_: object) -> None:
        raise ToolError("verilator failed")

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr("hwflow.deploy.uart_board", broken)
            with pytest.raises(ToolError, match="verilator failed"):
                package(digits.net, digits.dataflow, digits.rtl, None, out, images(digits.net, 2))
        assert [p.name for p in out.iterdir()] == ["sim"] and {p.name for p in tmp_path.iterdir()} <= {
            "deploy",
            "deploy.lock",
            ".deploy.lock",
        }
    package(digits.net, digits.dataflow, digits.rtl, None, out, images(digits.net, 2))
    assert (out / "board_sim").is_file()


def test_the_host_is_told_labels_and_scores(digits: Made):
    x = images(digits.net, 5)
    with Accelerator("sim", digits.out / "design.json") as board:
        assert np.array_equal(board.predict(x), digits.net.labels(digits.net.run(x)))
        assert np.array_equal(board.scores(x), digits.net.real(digits.net.run(x)))
        assert np.array_equal(board.infer(x.astype(np.float32) / digits.net.denominator), digits.net.run(x))
        with pytest.raises(RecipeError, match="nothing is reshaped silently"):
            board.infer(x[:, :-1])
