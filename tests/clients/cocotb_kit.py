"""What the cocotb benches share, inside the simulator: a case's words and answers, gaps, and a watch on a stream."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamSink, AxiStreamSource

from hwflow.driver_bytes import Words

CASE = json.loads(Path(os.environ["CASE"]).read_text())
X, Y = np.array(CASE["x"]), np.array(CASE["y"])
IN, OUT = Words(**CASE["input"]), Words(**CASE["output"])
WAIT = (20 * CASE["cycles"] * 10 + 100_000, "ns")
MIXES = [(0.1, 0.1), (0.1, 0.8), (0.8, 0.1), (0.6, 0.6)]  # how often source and sink pause


def gaps(seed: int, often: float) -> Iterator[bool]:
    draw = random.Random(seed)
    while True:
        yield draw.random() < often


class Watch:
    """Counts what moves on a stream, and every cycle in which an offered word changes or goes before it was taken."""

    def __init__(self, dut, prefix: str, others: tuple[str, ...] = ("tlast",)):
        self.broken: list[str] = []
        self.moved = 0
        self.dut, self.valid, self.ready = dut, getattr(dut, f"{prefix}_tvalid"), getattr(dut, f"{prefix}_tready")
        self.word = [getattr(dut, f"{prefix}_{name}") for name in ("tdata", *others)]
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        held = None
        while True:
            await RisingEdge(self.dut.clk_i)
            if not int(self.dut.rst_ni.value):
                held = None
                continue
            valid, ready, word = int(self.valid.value), int(self.ready.value), [str(s.value) for s in self.word]
            if held is not None and (not valid or word != held):
                self.broken.append(f"{held} became {word if valid else 'nothing'} before it was taken")
            self.moved += valid and ready
            held = word if valid and not ready else None


class Pulses:
    """Counts the cycles in which a signal is high."""

    def __init__(self, dut, signal):
        self.count = 0
        cocotb.start_soon(self._run(dut, signal))

    async def _run(self, dut, signal) -> None:
        while True:
            await RisingEdge(dut.clk_i)
            self.count += int(dut.rst_ni.value) and int(signal.value)


async def streams(dut) -> tuple[AxiStreamSource, AxiStreamSink]:
    """A clock, a reset, and cocotbext-axi at either end."""
    cocotb.start_soon(Clock(dut.clk_i, 10, "ns").start())
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk_i, dut.rst_ni, reset_active_level=False)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk_i, dut.rst_ni, reset_active_level=False)
    for end in (source, sink):
        end.log.setLevel("WARNING")
    await reset(dut)
    return source, sink


async def reset(dut, cycles: int = 3) -> None:
    dut.rst_ni.value = 0
    await ClockCycles(dut.clk_i, cycles)
    dut.rst_ni.value = 1
    await RisingEdge(dut.clk_i)


async def answer(sink) -> tuple[np.ndarray, bool]:
    """The next answer, and whether it is marked as that of a broken packet."""
    frame = await with_timeout(sink.recv(compact=False), *WAIT)
    assert len(frame.tdata) == OUT.bytes, f"tlast after {len(frame.tdata)} of {OUT.bytes} bytes"
    marks = list(frame.tuser)[:: OUT.word_bytes]
    assert not any(marks[:-1])
    return OUT.unpack(np.frombuffer(bytes(frame.tdata), np.uint8).reshape(1, -1))[0], bool(marks[-1])
