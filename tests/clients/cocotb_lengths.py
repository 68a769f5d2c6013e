"""cocotbext-axi at module `top` of a recurrent network with a mask: packets as long as their sequences, one behind the other."""

from __future__ import annotations

import cocotb
import numpy as np
from cocotb_kit import CASE, IN, MIXES, Pulses, X, Y, answer, gaps, streams

LENGTHS, STEPS = CASE["lengths"], X.shape[1]


@cocotb.test()
async def every_packet_answers_as_its_sequence_and_short_ones_are_marked(dut):
    source, sink = await streams(dut)
    errors = Pulses(dut, dut.error_o)
    for mix in (None, *MIXES[1:]):
        if mix:
            source.set_pause_generator(gaps(1, mix[0]))
            sink.set_pause_generator(gaps(2, mix[1]))
        before = errors.count
        for k, length in enumerate(LENGTHS):
            raw = IN.pack(X[[k]]).tobytes()
            await source.send(raw[: len(raw) * length // STEPS])
        for k, length in enumerate(LENGTHS):
            values, marked = await answer(sink)
            assert np.array_equal(values, Y[k]), f"sequence {k} of {length} steps: {values}, not {Y[k]}"
            assert marked == (length < STEPS)
        assert errors.count - before == sum(length < STEPS for length in LENGTHS)
