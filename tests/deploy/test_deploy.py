"""Deploy folders: the simulated board answers as the network does, whatever happens on its line, and folders are whole."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import deployed
import numpy as np
import pytest
import serial
from conftest import KIT
from deployed import FOLDING, Made, images, mlp
from simulated_dma import SimulatedDma

from hwflow.bits import BIPOLAR, Ints
from hwflow.bits import words as stream_words
from hwflow.board import load_board
from hwflow.deploy import design as designs
from hwflow.deploy import package
from hwflow.driver import MAGIC, Accelerator
from hwflow.driver_bytes import Words, frame
from hwflow.driver_line import start_board, stop_board
from hwflow.errors import RecipeError, ToolError
from hwflow.places import hardware
from hwflow.units.kit.base import Dataflow


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(deployed.digits(), tmp_path_factory.mktemp("digits"), FOLDING)


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
