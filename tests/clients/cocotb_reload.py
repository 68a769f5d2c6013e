"""cocotbext-axi loads other weights into board_dma: exact before and after, refused while images are inside."""

from __future__ import annotations

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, with_timeout
from cocotb_dma import WAIT, Board, answers
from cocotb_kit import CASE, MIXES, X, Y, gaps

from hwflow.driver import MIXTURE, REFUSED, REGISTERS

OTHER, THEIRS, MINE = bytes.fromhex(CASE["other"]), np.array(CASE["other_y"]), bytes.fromhex(CASE["weights"])


async def write(board: Board, name: str, value: int) -> None:
    await board.registers.write(REGISTERS[name], value.to_bytes(4, "little"))


async def load(board: Board, data: bytes) -> None:
    await write(board, "control", 2)
    await write(board, "loaded", 0)
    while not await board.read("status") & MIXTURE:
        pass
    for at in range(0, len(data), 4):
        await board.registers.write(REGISTERS["load"], data[at : at + 4].ljust(4, b"\0"))
    while await board.read("status") & MIXTURE:
        pass


async def everything(board: Board) -> np.ndarray:
    """The answers to all images, ten a transfer."""
    return np.concatenate([await board.batch(list(range(at, at + 10))) for at in range(0, len(X), 10)])


@cocotb.test()
async def other_weights_are_exact_and_the_first_come_back(dut):
    board = await Board().start(dut)
    at_source, at_sink = MIXES[1]
    board.source.set_pause_generator(gaps(1, at_source))
    board.sink.set_pause_generator(gaps(2, at_sink))
    assert np.array_equal(await everything(board), Y)
    assert await board.read("weights") == CASE["params"]["WeightsCrc"]
    await load(board, OTHER)
    assert await board.read("loaded") == await board.read("capacity") == len(OTHER)
    assert await board.read("weights") == CASE["other_crc"]
    assert np.array_equal(await everything(board), THEIRS) and not np.array_equal(Y, THEIRS)
    await load(board, MINE)
    assert np.array_equal(await everything(board), Y)
    assert not board.watch.broken


@cocotb.test()
async def a_load_is_refused_in_flight_and_one_cut_short_lets_nothing_in(dut):
    board = await Board().start(dut)
    await board.send([0, 1, 2, 3])
    await ClockCycles(dut.clk_i, 60)
    await write(board, "loaded", 0)
    frame = await with_timeout(board.sink.recv(), *WAIT)
    assert np.array_equal(answers(bytes(frame.tdata)), Y[:4])
    assert await board.read("status") & (REFUSED | MIXTURE) == REFUSED
    assert await board.read("weights") == CASE["params"]["WeightsCrc"]
    await write(board, "loaded", 0)
    await write(board, "load", 1234)
    await board.soft_reset()
    assert await board.read("status") & MIXTURE and await board.read("weights") == 0
    entered = await board.read("images")
    await board.send([4, 5])
    await ClockCycles(dut.clk_i, 20 * CASE["cycles"])
    assert board.sink.empty() and await board.read("images") == entered
    await write(board, "loaded", 0)  # images are offered, so weights stay as they are
    await ClockCycles(dut.clk_i, 30)
    assert await board.read("status") & (REFUSED | MIXTURE) == REFUSED | MIXTURE
    board.source.clear()
