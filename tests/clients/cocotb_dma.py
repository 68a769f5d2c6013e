"""cocotbext-axi at board_dma: batches, registers over AXI4-Lite, transfers cut short and too long, soft reset."""

from __future__ import annotations

import random

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, with_timeout
from cocotb_kit import CASE, IN, MIXES, OUT, Watch, X, Y, gaps, streams
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from hwflow.driver import MAGIC, REGISTERS
from hwflow.driver_dma import padded

BEAT = 8
BACK = -(-OUT.bytes // BEAT) * BEAT
# a gear of words that do not fill their last beat pauses for a cycle between two images
CYCLES = max(CASE["cycles"], *(p.words + 1 for p in (IN, OUT) if p.bytes % BEAT), 0)
WAIT = (40 * CASE["cycles"] * 10 + 200_000, "ns")


def answers(data: bytes) -> np.ndarray:
    return OUT.unpack(np.frombuffer(data, np.uint8).reshape(-1, BACK)[:, : OUT.bytes])


class Board:
    async def start(self, dut) -> Board:
        self.dut = dut
        self.source, self.sink = await streams(dut)
        self.registers = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk_i, dut.rst_ni, reset_active_level=False
        )
        self.registers.write_if.log.setLevel("WARNING")
        self.registers.read_if.log.setLevel("WARNING")
        self.watch = Watch(dut, "m_axis")
        return self

    async def read(self, name: str) -> int:
        return int.from_bytes((await self.registers.read(REGISTERS[name], 4)).data, "little")

    async def soft_reset(self) -> None:
        await self.registers.write(REGISTERS["control"], (1).to_bytes(4, "little"))
        while await self.read("control"):
            pass

    async def send(self, images: list[int], cut: int = 0, more: int = 0) -> None:
        raw = padded(IN.pack(X[images]), BEAT).tobytes()
        await self.source.send(raw[: len(raw) - cut * BEAT] + bytes(more * BEAT))

    async def batch(self, images: list[int], **length: int) -> np.ndarray:
        await self.send(images, **length)
        frame = await with_timeout(self.sink.recv(), *WAIT)
        assert len(frame.tdata) % BACK == 0
        return answers(bytes(frame.tdata))


@cocotb.test()
async def batches_of_any_size(dut):
    board = await Board().start(dut)
    for seed, images in enumerate(([0, 1, 2], [3], [4, 5, 6, 7, 0], [1, 1])):
        at_source, at_sink = MIXES[seed]
        board.source.set_pause_generator(gaps(seed, at_source))
        board.sink.set_pause_generator(gaps(seed + 9, at_sink))
        assert np.array_equal(await board.batch(images), Y[images])
    assert not board.watch.broken


@cocotb.test()
async def registers_say_what_it_is_and_what_it_did(dut):
    board = await Board().start(dut)
    assert await board.read("magic") == MAGIC
    params = CASE["params"]
    named = ("design", "DesignId"), ("hash_low", "HashLow"), ("hash_high", "HashHigh")
    assert [await board.read(r) for r, _ in named] == [params[p] for _, p in named]
    await board.batch(list(range(8)))
    assert (await board.read("images"), await board.read("answers"), await board.read("errors")) == (8, 8, 0)
    assert await board.read("interval") == CYCLES == await board.read("fastest")
    assert IN.bytes // BEAT < await board.read("latency") < 40 * CASE["cycles"]
    await board.registers.write(REGISTERS["control"], (2).to_bytes(4, "little"))
    assert await board.read("images") == 0 and await board.read("interval") == 0
    assert (await board.registers.read(0x50, 4)).data == bytes(4)  # beyond the table


@cocotb.test()
async def a_transfer_cut_short_or_too_long_is_flagged_and_the_next_one_right(dut):
    board = await Board().start(dut)
    for count, length in enumerate(({"cut": 1}, {"more": 1}, {"cut": 2}, {"more": 2})):
        got = await board.batch([0, 1, 2], **length)
        whole = 2 if "cut" in length else 3
        assert len(got) == whole + 1 and np.array_equal(got[:whole], Y[:whole])
        assert await board.read("errors") == count + 1 and await board.read("status") & 1
        assert np.array_equal(await board.batch([5, 6]), Y[[5, 6]])
    assert not board.watch.broken


@cocotb.test()
async def a_soft_reset_in_mid_batch_leaves_nothing_behind(dut):
    board = await Board().start(dut)
    draw = random.Random(1)
    for _ in range(5):
        await board.send([0, 1, 2, 3])
        await ClockCycles(dut.clk_i, draw.randrange(1, 4 * CASE["cycles"]))
        board.source.clear()
        while not board.source.idle():
            await ClockCycles(dut.clk_i, 1)
        await board.soft_reset()
        board.sink.clear()
        assert not await board.read("status") & 2
        await board.send([4, 5])
        frame = await with_timeout(
            board.sink.recv(), *WAIT
        )  # what the reset cut off has no tlast: it stands before these
        assert np.array_equal(answers(bytes(frame.tdata)[-2 * BACK :]), Y[[4, 5]])
