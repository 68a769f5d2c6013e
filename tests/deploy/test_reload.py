"""Other weights into the same hardware while it runs: over the serial line, exact before and after, refused while images are inside."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwflow.bits import Ints
from hwflow.deploy import package
from hwflow.driver import REGISTERS, Accelerator, LinkError
from hwflow.driver_bytes import IMAGE, WRITE
from hwflow.driver_load import write
from hwflow.emit.rtl import emit
from hwflow.errors import RecipeError
from hwflow.lower import lower
from hwflow.lower.reload import load_bytes, refill, structure, weights_crc
from hwflow.net import Net
from hwflow.ops import Conv, Dense, Flatten, MaxPool, Port, Rescale, Threshold

FOLDING = {"conv": {"pe": 2, "simd": 9}, "deep": {"pe": 2}, "scores": {"pe": 3, "simd": 16}}
N = 100


def every_memory(seed: int, name: str = "a", channels: int = 4) -> Net:
    """Every unit whose contents can be loaded, with weights that one seed draws: matrix, depthwise, staircase, scales."""
    rng = np.random.default_rng(seed)

    def signs(*shape: int) -> np.ndarray:
        return rng.integers(0, 2, shape) * 2 - 1

    def steps(n: int, levels: int, most: int) -> np.ndarray:
        return np.sort(rng.integers(-most, most + 1, (n, levels)), 1)

    c = channels
    ops = (
        Conv(name=f"{name}conv", inputs=("input",), weights=signs(c, 3, 3, 2), pads=(1, 1, 1, 1)),
        Threshold(name=f"{name}sign", inputs=(f"{name}conv",), thresholds=steps(c, 3, 30), falling=np.arange(c) % 3 == seed % 3),
        Conv(name=f"{name}deep", inputs=(f"{name}sign",), weights=rng.integers(-7, 8, (c, 3, 3, 1)), groups=c),
        Rescale(name=f"{name}norm", inputs=(f"{name}deep",), mul=rng.integers(1, 90, c), add=rng.integers(-900, 900, c), shift=7, lo=-8, hi=7),
        MaxPool(name=f"{name}pool", inputs=(f"{name}norm",), kernel=(2, 2), stride=(2, 2), minimum=np.zeros(c, bool)),
        Flatten(name=f"{name}flat", inputs=(f"{name}pool",)),
        Dense(name=f"{name}scores", inputs=(f"{name}flat",), weights=np.where(rng.random((3, 4 * c)) < 0.05, -8, rng.integers(-7, 8, (3, 4 * c)))),
    )  # fmt: skip
    return Net(f"net{seed}", Port((6, 6, 2), Ints(0, 7)), ops)


def images(n: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 8, (n, 6, 6, 2))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """The hardware of one network, its weights loadable, behind the simulated board."""
    home, net = tmp_path_factory.mktemp("reload"), every_memory(0, "")
    flow = lower(net, FOLDING, reload=True)
    package(net, flow, emit(flow, home / "rtl"), None, home / "deploy", images(4))
    return net, flow, home / "deploy" / "design.json"


@pytest.mark.slow
def test_other_weights_give_the_other_network_to_the_last_bit_and_the_first_come_back(made):
    net, flow, design = made
    x = images(N)
    with Accelerator("sim", design) as board:
        assert board.status()["weights"] == weights_crc(load_bytes(flow)), "those of the design are inside"
        assert (board.infer(x) == net.run(x)).all()
        for seed in (1, 0):
            other = every_memory(seed)
            data = load_bytes(refill(net, flow, other))
            crc = board.load(data)
            status = board.status()
            assert (status["weights"], status["loaded"], status["capacity"]) == (crc, len(data), len(data))
            assert (board.infer(x) == other.run(x)).all()
        assert (every_memory(1).run(x) != net.run(x)).any(), "two networks that answer alike prove nothing"


@pytest.mark.slow
def test_a_load_is_refused_while_an_image_is_inside_and_its_answer_is_right(made):
    net, flow, design = made
    x, link = images(1), None
    with Accelerator("sim", design) as board:
        board.infer(x)
        link = board._link
        link._send((IMAGE, 5, board.input.pack(x).tobytes()))
        link._send((WRITE, REGISTERS["loaded"], bytes(4)))
        seen, until = {}, time.monotonic() + 5
        while len(seen) < 2 and time.monotonic() < until:
            seen |= {(kind, tag): payload for kind, tag, payload in link._receive()}
        assert (board.output.unpack(np.frombuffer(seen[0x81, 5], np.uint8)) == net.run(x)).all()
        status = board.status()
        assert status["status"] & 8 and status["weights"] == weights_crc(load_bytes(flow))
        assert (board.infer(images(3)) == net.run(images(3))).all()


@pytest.mark.slow
def test_half_a_load_lets_no_image_in_and_a_whole_one_mends_it(made):
    net, flow, design = made
    with Accelerator("sim", design) as board:
        link = board._link
        assert write(link, REGISTERS["loaded"], 0) == 0
        assert write(link, 0x40, 7) == 4
        assert write(link, 0x40 | 9 << 8, 7) == 4, "a word that is not due is not taken"
        with pytest.raises(LinkError, match="half loaded"):
            board.infer(images(1))
        assert board.status()["weights"] == 0
        board.load(load_bytes(flow))
        assert (board.infer(images(5)) == net.run(images(5))).all()


@pytest.mark.slow
def test_another_structure_is_refused_with_the_unit_and_what_differs(made):
    net, flow, _ = made
    wide = every_memory(1)
    ops = tuple(replace(op, weights=np.full((3, 16), 63)) if isinstance(op, Dense) else op for op in wide.ops)
    for other, text in (
        (every_memory(1, channels=6), "structure|conv|divide"),
        (replace(wide, ops=ops), "scores has WBits 4, not"),
        (replace(wide, input=Port((6, 6, 2), Ints(0, 3))), "takes"),
        (replace(wide, ops=wide.ops[:-1]), "needs|structure|no unit"),
    ):
        with pytest.raises(RecipeError, match=text):
            refill(net, flow, other)
    with pytest.raises(RecipeError, match="weights are fixed"):
        refill(net, lower(net, FOLDING), wide)
    assert structure(refill(net, flow, every_memory(7))) == structure(flow)


def test_weights_of_another_size_and_fixed_hardware_are_refused_by_the_driver(made):
    _, flow, design = made
    with Accelerator("sim", design) as board:
        with pytest.raises(LinkError, match=f"takes {len(load_bytes(flow))} bytes"):
            board.load(load_bytes(flow)[:-1])
        board.design = {k: v for k, v in board.design.items() if k != "load_bytes"}
        with pytest.raises(LinkError, match="compile with --reload"):
            board.load(b"")


def test_hardware_with_fixed_weights_says_nothing_of_loading(tmp_path: Path):
    rtl = emit(lower(every_memory(0, "")), tmp_path)
    text = (rtl / "network.sv").read_text()
    assert "input  logic [9:0] load_i" not in text and "assign load_0 = '0;" in text
