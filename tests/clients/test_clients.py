"""Clients that others wrote, cocotbext-axi and cocotbext-uart, drive top, board_dma and board_uart under Verilator."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import pytest
from small_nets import NETS, SEVERAL

from hwflow import tools
from hwflow.bits import Ints
from hwflow.deploy import design as designs
from hwflow.deploy.sim import around
from hwflow.emit.rtl import emit
from hwflow.lower import lower
from hwflow.lower.reload import load_bytes, refill, weights_crc
from hwflow.net import Net
from hwflow.ops import Conv, Port, Recurrent
from hwflow.plan import plan

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("cocotb") is None, reason="cocotb is not installed"),
    pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator"),
]


def drive(
    net: Net, folding: dict | None, module: str, bench: str, folder: Path, params: dict[str, int], *,
    reload: bool = False, images: int = 8, x: np.ndarray | None = None, **case: object,
) -> int:  # fmt: skip
    """Build `module` around a network and run a cocotb bench in it; how many of its tests passed. AssertionError names those that did not."""
    from cocotb_tools.runner import get_runner

    dataflow = lower(net, folding, reload) if folding or len(net.outputs) == 1 else plan(net)
    rtl = emit(dataflow, folder / "rtl")
    ints, rng = net.input.ints, np.random.default_rng(2)
    x = rng.integers(ints.lo, ints.hi + 1, (images, *net.input.shape)) if x is None else x
    if module != "top":
        params = {**designs.parameters(dataflow, rtl), **params}
    facts = {
        **case, "x": x.tolist(), "y": net.run(x).reshape(len(x), -1).tolist(), "cycles": dataflow.cycles, "params": params,
        "input": designs.words(dataflow.input), "output": designs.words(dataflow.output),
    }  # fmt: skip
    (folder / "case.json").write_text(json.dumps(facts))
    program = tools.need("verilator")
    environ = {
        **tools.verilator_env(),
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "CASE": str(folder / "case.json"),
        "MAKEFLAGS": " -- CFG_CXXFLAGS_PCH_I=-include",  # the wheel's make file leaves it out
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        patch.syspath_prepend(HERE)  # the runner hands this process's path to Python inside the simulator
        runner, work = get_runner("verilator"), folder / "sim"
        runner.build(
            sources=around(module, rtl) if module != "top" else sorted(rtl.glob("*.sv")), hdl_toplevel=module, parameters=params,
            build_dir=work, always=True, timescale=("1ns", "1ps"), log_file=folder / "build.log",
            build_args=["-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-timing", "-CFLAGS", "-O0", "--x-initial", "unique", "--x-assign", "unique"],
        )  # fmt: skip
        for memory in rtl.glob("*.mem"):
            (work / memory.name).write_bytes(memory.read_bytes())
        with contextlib.suppress(SystemExit):  # what it does where no result was written
            runner.test(
            hdl_toplevel=module, test_module=bench, build_dir=work, test_dir=work, seed=1, log_file=folder / "run.log",
            test_args=["+verilator+rand+reset+2"], results_xml=str(folder / "results.xml"),
            )  # fmt: skip
    assert (folder / "results.xml").is_file(), (folder / "run.log").read_text()[-3000:]
    cases = list(xml.etree.ElementTree.parse(folder / "results.xml").iter("testcase"))
    failed = [c.get("name") for c in cases if c.find("failure") is not None or c.find("error") is not None]
    assert not failed, f"{failed}\n" + (folder / "run.log").read_text()[-3000:]
    return len(cases)


@pytest.mark.parametrize(
    ("name", "framing"), [("dense", 2), ("conv", 1), pytest.param("conv", 2, marks=pytest.mark.long), ("two", 2)]
)
def test_the_top_answers_right_or_says_so_whatever_its_packets_are(name: str, framing: int, tmp_path: Path):
    net, folding = (NETS | SEVERAL)[name]
    assert drive(net(), folding, "top", "cocotb_top", tmp_path, {"Framing": framing}, framing=framing) == 4


@pytest.mark.parametrize("framing", [1, 2])
def test_a_packet_that_ends_with_its_sequence_is_answered_as_that_sequence(framing: int, tmp_path: Path):
    rng, states, features, steps = np.random.default_rng(4), 5, 3, 7
    ops = (
        Conv(name="mask", inputs=("input",), weights=np.eye(features + 1, dtype=int)[-1:, None, None]),
        Conv(name="sums", inputs=("input",), weights=rng.integers(-2, 3, (states, 1, 1, features + 1))),
        Recurrent(
            name="rnn", inputs=("sums", "mask"), weights=rng.choice([-1, 1], (states, states)),
            thresholds=np.sort(rng.integers(-9, 9, (states, 3)), 1), start=np.zeros(states), base=-1,
        ),
    )  # fmt: skip
    net = Net("lengths", Port((steps, 1, features + 1), Ints(0, 15)), ops)
    lengths = [7, 1, 4, 7, 7, 2, 6, 3]
    x = rng.integers(0, 16, (len(lengths), steps, 1, features + 1))
    x[..., -1] = np.maximum(x[..., -1], 1)  # every step that is sent counts
    x *= (np.arange(steps) < np.array(lengths)[:, None])[..., None, None]  # what a short packet is filled up with
    passed = drive(
        net, {"rnn": {"pe": 5}}, "top", "cocotb_lengths", tmp_path, {"Framing": framing}, x=x, lengths=lengths
    )
    assert passed == 1


@pytest.mark.parametrize("name", ["dense", "conv", "two"])
def test_the_dma_top_answers_right_or_says_so_and_recovers(name: str, tmp_path: Path):
    net, folding = (NETS | SEVERAL)[name]
    assert drive(net(), folding, "board_dma", "cocotb_dma", tmp_path, {"Bytes": 8}) == 4


def test_the_dma_top_takes_other_weights_while_it_runs(tmp_path: Path):
    make, folding = NETS["conv"]
    net, other = make(), make(seed=5)  # type: ignore[call-arg]
    flow = lower(net, folding, reload=True)
    data = load_bytes(refill(net, flow, other))
    x = np.random.default_rng(2).integers(net.input.ints.lo, net.input.ints.hi + 1, (20, *net.input.shape))
    passed = drive(
        net, folding, "board_dma", "cocotb_reload", tmp_path, {"Bytes": 8}, reload=True, images=20, weights=load_bytes(flow).hex(),
        other=data.hex(), other_crc=weights_crc(data), other_y=other.run(x).reshape(20, -1).tolist(),
    )  # fmt: skip
    assert passed == 2


@pytest.mark.parametrize("name", ["dense", "two"])
def test_the_serial_top_answers_right_and_recovers(name: str, tmp_path: Path):
    net, folding = (NETS | SEVERAL)[name]
    assert drive(net(), folding, "board_uart", "cocotb_uart", tmp_path, {"ClockHz": 8_000_000, "Baud": 1_000_000}) == 2
