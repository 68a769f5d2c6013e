"""cocotbext-uart at board_uart: images as frames, a damaged frame, registers, a reset in the middle of an answer."""

from __future__ import annotations

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import with_timeout
from cocotb_kit import CASE, IN, OUT, X, Y, reset
from cocotbext.uart import UartSink, UartSource

from hwflow import driver_bytes as wire
from hwflow.driver import REGISTERS, VERSION
from hwflow.driver_bytes import Frames, frame

BAUD = CASE["params"]["Baud"]


class Line:
    async def start(self, dut) -> Line:
        self.dut, self.frames, self.found = dut, Frames(), []
        cocotb.start_soon(Clock(dut.clk_i, 1e9 / CASE["params"]["ClockHz"], "ns").start())
        self.source, self.sink = UartSource(dut.rx_i, baud=BAUD, bits=8), UartSink(dut.tx_o, baud=BAUD, bits=8)
        for end in (self.source, self.sink):
            end.log.setLevel("WARNING")
        await reset(dut, 20)
        self.sink.clear()
        return self

    async def send(self, data: bytes) -> None:
        await self.source.write(data)

    async def receive(self, kind: int, tag: int) -> bytes:
        """The payload of the next frame of this kind and tag."""
        while True:
            while self.found:
                found = self.found.pop(0)
                if found[:2] == (kind, tag):
                    return found[2]
            byte = await with_timeout(self.sink.read(count=1), 5_000_000, "ns")
            self.found += self.frames.feed(bytes(byte))

    async def answer(self, tag: int) -> np.ndarray:
        return OUT.unpack(np.frombuffer(await self.receive(wire.ANSWER, tag), np.uint8))[0]

    async def register(self, name: str) -> int:
        await self.send(frame(wire.READ, REGISTERS[name]))
        return int.from_bytes(await self.receive(wire.VALUE, REGISTERS[name]), "little")


def image(i: int, tag: int) -> bytes:
    return frame(wire.IMAGE, tag, IN.pack(X[i : i + 1]).tobytes())


@cocotb.test()
async def images_registers_and_a_damaged_frame(dut):
    line = await Line().start(dut)
    await line.send(frame(wire.HELLO, 0x1234))
    about = await line.receive(wire.HELLO_BACK, 0x1234)
    assert about == bytes([VERSION]) + CASE["params"]["DesignId"].to_bytes(4, "little")
    for i in range(3):
        await line.send(image(i, 500 + i))
        assert np.array_equal(await line.answer(500 + i), Y[i])
    bad = bytearray(image(3, 9))
    bad[5] ^= 0x10 if bad[5] ^ 0x10 not in (0x7D, 0x7E) else 0x01
    await line.send(bytes(bad) + image(4, 10))
    assert np.array_equal(await line.answer(10), Y[4])
    assert (await line.register("errors"), await line.register("images"), await line.register("answers")) == (1, 4, 4)


@cocotb.test()
async def a_hello_in_the_middle_of_an_image_and_of_an_answer(dut):
    line = await Line().start(dut)
    await line.send(image(0, 1)[: IN.bytes // 2] + frame(wire.HELLO, 7) + image(1, 2))
    await line.receive(wire.HELLO_BACK, 7)
    assert np.array_equal(await line.answer(2), Y[1])
    await line.send(image(2, 3) + image(3, 4) + frame(wire.HELLO, 8) + image(4, 5))
    await line.receive(wire.HELLO_BACK, 8)
    assert np.array_equal(await line.answer(5), Y[4])
