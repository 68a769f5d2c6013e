"""What goes over the line to a board: integers packed into bytes, bytes in frames.

Stands on numpy alone; a copy of this file lies beside that of driver.py.

What goes over a serial line (8 data bits, no parity, one stop bit)
    frame    0x7E  kind  tag(2)  payload  crc(4)  0x7E       0x7E or 0x7D inside is sent as 0x7D, byte XOR 0x20
    crc      CRC-32 of zlib over kind, tag and payload; numbers have their low byte first
    IMAGE    0x01  host to board: tag says which image; payload is the image, packed
    HELLO    0x02  host to board: resets the accelerator; tag is a random number; no payload
    READ     0x03  host to board: tag is the address of a register; no payload
    WRITE    0x04  host to board: tag's low byte is the address of a register; payload is its new value (4). Answered with the
                   VALUE of LOADED. For LOAD, tag's high byte counts the words, and only the word that is due is taken
    PART     0x05  host to board: tag of the image; payload is the part's number (1) and its bytes, of images of more than 64
    ANSWER   0x81  board to host: tag of the image; payload is the answer, packed
    HELLO    0x82  board to host: the same random number; payload is the protocol's version (1) and the design's id (4)
    BUSY     0x83  board to host: tag of an image that was dropped, because two others wait to be computed; no payload
    VALUE    0x84  board to host: tag is the address of the register; payload is its value (4)
Packing: a stream word is `par` neighbouring elements, element 0 in the low bits, padded with zero bits to whole bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

IMAGE, HELLO, READ, WRITE, PART, ANSWER, HELLO_BACK, BUSY, VALUE = 0x01, 0x02, 0x03, 0x04, 0x05, 0x81, 0x82, 0x83, 0x84
PIECE = 64  # bytes of an image from which on it may go in parts

Array = np.ndarray


@dataclass(frozen=True)
class Words:
    """How a value travels: the integers lo .. hi in elements of `bits`, `par` elements a word, `words` words an image."""

    shape: Sequence[int]
    lo: int
    hi: int
    step: int
    bits: int
    par: int
    words: int

    @property
    def word_bytes(self) -> int:
        return (self.par * self.bits + 7) // 8

    @property
    def bytes(self) -> int:
        """Bytes of one image."""
        return self.words * self.word_bytes

    def pack(self, values: Array) -> Array:
        """Bytes (n, bytes) uint8 of integer values (n, *shape); ValueError when one is out of range."""
        v = np.asarray(values)
        if v.size != len(v) * self.words * self.par:
            raise ValueError(f"images have shape {v.shape[1:]}, the accelerator takes {self.shape}")
        if v.dtype.kind == "f" and not np.array_equal(v, np.rint(v)):
            raise ValueError(f"the accelerator takes integers {self.lo} .. {self.hi}; round the images first")
        if v.size and (v.min() < self.lo or v.max() > self.hi or (self.step == 2 and (v == 0).any())):
            raise ValueError(
                f"images hold {v.min()} .. {v.max()}, the accelerator takes {self.lo} .. {self.hi} in steps of {self.step}"
            )
        codes = ((v > 0) if self.step == 2 else v.astype(np.int64) & ((1 << self.bits) - 1)).reshape(
            len(v), self.words, self.par
        )
        if self.bits == 8:
            return codes.astype(np.uint8).reshape(len(v), -1)
        bits = (codes[..., None].astype(np.uint64) >> np.arange(self.bits, dtype=np.uint64)).astype(np.uint8) & 1
        return np.packbits(bits.reshape(len(v), self.words, -1), axis=2, bitorder="little").reshape(len(v), -1)

    def unpack(self, data: Array) -> Array:
        """Integer values (n, elements) int64 of bytes (n, bytes); the inverse of `pack`."""
        rows = np.asarray(data, np.uint8).reshape(-1, self.words, self.word_bytes)
        bits = np.unpackbits(rows, axis=2, bitorder="little")[..., : self.par * self.bits]
        place = np.int64(1) << np.arange(self.bits, dtype=np.int64)
        codes = (bits.reshape(len(rows), -1, self.bits).astype(np.int64) * place).sum(2)
        if self.step == 2:
            return 2 * codes - 1
        return np.where(codes > self.hi, codes - (1 << self.bits), codes) if self.lo < 0 else codes


def frame(kind: int, tag: int, payload: bytes = b"") -> bytes:
    """One frame, flags and escapes included."""
    body = bytes([kind, tag & 0xFF, tag >> 8 & 0xFF]) + payload
    body += zlib.crc32(body).to_bytes(4, "little")
    body = body.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e")
    return b"\x7e" + body + b"\x7e"


def cut(image: bytes) -> list[bytes]:
    """The payloads of an image's PART frames: 64 bytes each, or the power of two that makes 64 parts at most."""
    size = PIECE
    while PIECE * size < len(image):
        size *= 2
    return [bytes([k]) + image[k * size : (k + 1) * size] for k in range(-(-len(image) // size))]


class Frames:
    """Frames out of a stream of bytes, however it is cut: (kind, tag, payload), only those whose CRC is right."""

    def __init__(self) -> None:
        self.damaged = 0
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        *pieces, self._rest = (self._rest + data).split(b"\x7e")
        for piece in pieces:
            if not piece:
                continue
            body = _unescape(piece)
            if len(body) < 7 or zlib.crc32(body[:-4]).to_bytes(4, "little") != body[-4:]:
                self.damaged += 1
                continue
            yield body[0], body[1] | body[2] << 8, body[3:-4]


def _unescape(piece: bytes) -> bytes:
    head, *tail = piece.split(b"\x7d")
    return head + b"".join(bytes([t[0] ^ 0x20]) + t[1:] if t else b"" for t in tail)
