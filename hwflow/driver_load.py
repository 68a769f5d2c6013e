"""Other weights into a board that runs: over a serial line a window of words at a time, over AXI4-Lite one by one.

Stands on driver.py and driver_bytes.py, beside which a copy of this file lies. hls/board/loader.sv says what the board does with them.
"""

from __future__ import annotations

import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from hwflow.driver import MIXTURE, REFUSED, REGISTERS, Accelerator, LinkError
    from hwflow.driver_bytes import VALUE, WRITE
else:
    from driver import MIXTURE, REFUSED, REGISTERS, Accelerator, LinkError
    from driver_bytes import VALUE, WRITE

WORDS = 64  # of weights on the way at once
TRIES = 10  # timeouts in a row before the board is given up
ROUNDS = 3  # times the whole is sent
INSIDE = "images are inside the board, so its weights stay; wait for their answers and load again"


def load(owner: Accelerator, weights: bytes | str | Path) -> int:
    """Put weights into a board; their CRC-32. Nothing is sent where they are inside.

    LinkError while images are inside, where this hardware's weights are fixed, for another number of bytes, and where they
    do not arrive.
    """
    data = weights if isinstance(weights, bytes) else Path(weights).read_bytes()
    size, link = int(owner.design.get("load_bytes", 0)), owner._link
    if not size or len(data) != size:
        raise LinkError(
            f"this hardware takes {size} bytes of weights, not {len(data)}; make them for this very build"
            if size
            else "this hardware's weights are fixed; compile with --reload"
        )
    want = zlib.crc32(data)
    for _ in range(ROUNDS + 1):
        if link.register(REGISTERS["weights"]) == want:
            return want
        link.load(data)
    if link.register(REGISTERS["weights"]) == want:
        return want
    raise LinkError(f"the weights did not arrive as they were sent, {ROUNDS + 1} times; load them again")


def over_serial(link: Any, data: bytes) -> None:
    """Write weights in WRITE frames; LinkError when the board refuses or falls silent."""
    write(link, REGISTERS["control"], 2)  # forget earlier refusals
    if write(link, REGISTERS["loaded"], 0) or link.register(REGISTERS["status"]) & REFUSED:
        raise LinkError(INSIDE)
    data += bytes(-len(data) % 4)
    there, sent, silent, heard = 0, 0, 0, time.monotonic()
    while there < len(data) // 4:
        while sent < min(there + WORDS, len(data) // 4):
            link._send((WRITE, REGISTERS["load"] | (sent & 0xFF) << 8, data[4 * sent : 4 * sent + 4]))
            sent, heard = sent + 1, time.monotonic()
        for kind, tag, payload in link._receive():
            if (kind, tag, len(payload)) == (VALUE, REGISTERS["loaded"], 4):
                # the last word may be a part of one
                there = max(there, min(-(-int.from_bytes(payload, "little") // 4), sent))
                silent, heard = 0, time.monotonic()
        if time.monotonic() - heard > min(link.owner.timeout, 0.25):
            silent, heard, sent = silent + 1, time.monotonic(), there
            if silent > TRIES:
                raise LinkError("the board took no more weights; its weights are a mixture now, load them again")


def write(link: Any, address: int, value: int) -> int:
    """Write a register over a serial line; how many bytes of weights the board has. LinkError when nobody answers."""
    for _ in range(TRIES):
        link._send((WRITE, address, value.to_bytes(4, "little")))
        until = time.monotonic() + min(link.owner.timeout, 1.0)
        while time.monotonic() < until:
            for kind, tag, payload in link._receive():
                if (kind, tag, len(payload)) == (VALUE, REGISTERS["loaded"], 4):
                    return int.from_bytes(payload, "little")
    raise LinkError(f"a write to register {address:#04x} is not answered; is the bitstream of this folder loaded?")


def over_registers(link: Any, data: bytes) -> None:
    """Write weights to the registers, a word each; LinkError when the accelerator refuses them."""
    link.write(REGISTERS["control"], 2)  # forget earlier refusals
    link.write(REGISTERS["loaded"], 0)
    if _until(link, MIXTURE | REFUSED, True) & REFUSED:
        raise LinkError(INSIDE)
    for at in range(0, len(data), 4):
        link.write(REGISTERS["load"], int.from_bytes(data[at : at + 4], "little"))
    _until(link, MIXTURE, False)


def _until(link: Any, flags: int, wanted: bool) -> int:
    """STATUS as soon as some of the flags, or none of them, are set; LinkError when that takes a second."""
    until = time.monotonic() + 1
    while bool((status := link.register(REGISTERS["status"])) & flags) != wanted:
        if time.monotonic() > until:
            raise LinkError("the accelerator does not take weights as it should; load the bitstream again")
    return int(status)
