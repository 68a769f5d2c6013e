"""cocotbext-axi at module `top`: packets of the right and of wrong lengths, stalls, resets."""

from __future__ import annotations

import random

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles
from cocotb_kit import CASE, IN, MIXES, OUT, Pulses, Watch, X, Y, answer, gaps, reset, streams

FRAMING, WORDS = CASE["framing"], IN.words


def packet(*images: int, drop: int = 0, more: int = 0) -> bytes:
    """Images one after another, without the last `drop` words, with `more` words of another image behind."""
    raw = IN.pack(X[list(images)]).tobytes()
    return raw[: len(raw) - drop * IN.word_bytes] + IN.pack(X[:1]).tobytes()[: more * IN.word_bytes]


async def expect(sink, images: list[int]) -> None:
    for i in images:
        values, marked = await answer(sink)
        assert not marked and np.array_equal(values, Y[i]), f"image {i}: {values}, not {Y[i]}"


@cocotb.test()
async def images_back_to_back(dut):
    source, sink = await streams(dut)
    watch, errors = Watch(dut, "m_axis", ("tlast", "tuser")), Pulses(dut, dut.error_o)
    for i in range(len(X)):
        await source.send(packet(i))
    await expect(sink, list(range(len(X))))
    assert not watch.broken and watch.moved == len(X) * OUT.words and errors.count == 0


@cocotb.test()
async def four_mixes_of_stalls(dut):
    source, sink = await streams(dut)
    watch = Watch(dut, "m_axis", ("tlast", "tuser"))
    for seed, (at_source, at_sink) in enumerate(MIXES):
        source.set_pause_generator(gaps(seed, at_source))
        sink.set_pause_generator(gaps(seed + 9, at_sink))
        for i in range(4):
            await source.send(packet(i))
        await expect(sink, list(range(4)))
    assert not watch.broken


@cocotb.test()
async def a_reset_anywhere(dut):
    source, sink = await streams(dut)
    watch, draw = Watch(dut, "m_axis", ("tlast", "tuser")), random.Random(3)
    for k in range(6):
        for i in range(4):
            await source.send(packet(i))
        await ClockCycles(dut.clk_i, draw.randrange(1, 4 * CASE["cycles"]))
        source.clear()
        await reset(dut, 2)
        sink.clear()
        await source.send(packet(k % len(X)))
        await expect(sink, [k % len(X)])
    assert not watch.broken


@cocotb.test()
async def packets_that_are_too_short_too_long_or_have_no_end(dut):
    source, sink = await streams(dut)
    watch, errors = Watch(dut, "m_axis", ("tlast", "tuser")), Pulses(dut, dut.error_o)
    draw, wrong = random.Random(7), 0
    for turn in range(14):
        if turn == 7:
            source.set_pause_generator(gaps(1, 0.4))
            sink.set_pause_generator(gaps(2, 0.5))
        a, b, c = (draw.randrange(len(X)) for _ in range(3))
        how = draw.choice(["right", "early", "late", "missing"]) if WORDS > 1 else draw.choice(["right", "missing"])
        few = draw.randrange(1, WORDS) if WORDS > 1 else 0
        sent = {"right": packet(a), "early": packet(a, drop=few), "late": packet(a, more=few), "missing": packet(a, b)}[
            how
        ]
        for data in (sent, packet(c)):
            await source.send(data)
        if FRAMING == 2:  # one answer a packet, marked when its length is wrong
            values, marked = await answer(sink)
            assert marked == (how != "right")
            assert marked or np.array_equal(values, Y[a])
            wrong += marked
        else:  # whole images are right, what is left over is one answer that is marked
            await expect(sink, {"right": [a], "early": [], "late": [a], "missing": [a, b]}[how])
            if how in ("early", "late"):
                assert (await answer(sink))[1]
                wrong += 1
        await expect(sink, [c])
        assert errors.count == wrong, f"{how}: {errors.count} errors flagged, not {wrong}"
    assert wrong > 3 and not watch.broken
