"""Files of words, as simulated streams read and write them: each word rounded up to 32 bits.

Stands on emit.hls, which makes the beats of AXI4-Streams.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwflow.bits import Array
from hwflow.emit.hls import to_beats
from hwflow.units.kit.streams import Stream


def pack(x: Array, stream: Stream) -> bytes:
    """Images (n, ...) as the bytes of a file of words, each rounded up to 32 bits."""
    return widen(to_beats(x, stream), stream.bits)


def widen(data: bytes, bits: int) -> bytes:
    """Words of `bits`, each in whole bytes, as the bytes of a file of words that are rounded up to 32 bits."""
    rows = np.frombuffer(data, np.uint8).reshape(-1, -(-bits // 8))
    padded = np.zeros((len(rows), -(-bits // 32) * 4), np.uint8)
    padded[:, : rows.shape[1]] = rows
    return padded.tobytes()


def unpack(path: Path, stream: Stream) -> Array:
    """Images (n, elements) of a file of words."""
    rows = np.fromfile(path, np.uint8).reshape(-1, -(-stream.bits // 32) * 4)
    flags = np.unpackbits(rows, axis=1, bitorder="little")[:, : stream.bits].reshape(
        len(rows), stream.par, stream.ints.bits
    )
    place = np.uint64(1) << np.arange(stream.ints.bits, dtype=np.uint64)
    return stream.values_of(stream.ints.decode((flags.astype(np.uint64) * place).sum(-1, dtype=np.uint64)))
