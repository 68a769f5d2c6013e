"""How integers become bits: ranges, element codes, packed words.

Stands on numpy alone. The three facts every engine shares live here: bit 1 is +1, sign(0) is +1,
element 0 is the low bit of a word.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Ints:
    """The integers a value can take: lo, lo + step, .. hi. Widths follow from it, never from a declaration."""

    lo: int
    hi: int
    step: int = 1

    def __post_init__(self) -> None:
        assert self.lo <= self.hi, f"empty range {self.lo} .. {self.hi}"
        assert self.step == 1 or self.is_bipolar, f"only -1/+1 may have a step of 2, not {self}"

    @property
    def is_bipolar(self) -> bool:
        """True for {-1, +1}, the one kind stored as a bit that does not mean its own value."""
        return (self.lo, self.hi, self.step) == (-1, 1, 2)

    @property
    def signed(self) -> bool:
        return self.lo < 0 and not self.is_bipolar

    @property
    def bits(self) -> int:
        """Bits of one element: 1 for bipolar, else the least unsigned or two's complement width."""
        if self.is_bipolar:
            return 1
        if self.lo < 0:
            return max((-self.lo - 1).bit_length(), max(self.hi, 0).bit_length()) + 1
        return max(self.hi.bit_length(), 1)

    @property
    def kind(self) -> int:
        """The code of the encoding in SystemVerilog and C++: 0 bipolar, 1 unsigned, 2 signed."""
        return 0 if self.is_bipolar else 2 if self.signed else 1

    def __contains__(self, values: object) -> bool:
        v = np.asarray(values)
        return not v.size or bool(v.min() >= self.lo and v.max() <= self.hi and (self.step == 1 or v.all()))

    def join(self, other: Ints) -> Ints:
        """The least range that holds both."""
        if self == other:
            return self
        return Ints(min(self.lo, other.lo), max(self.hi, other.hi))

    def encode(self, values: Array) -> Array:
        """Unsigned codes (uint64, same shape) of integer values; the inverse of `decode`."""
        v = np.asarray(values)
        if self.is_bipolar:
            return (v > 0).astype(np.uint64)
        return (v.astype(np.int64) & ((1 << self.bits) - 1)).astype(np.uint64)

    def decode(self, codes: Array) -> Array:
        """Integer values (int64, same shape) of unsigned codes."""
        c = np.asarray(codes).astype(np.int64)
        if self.is_bipolar:
            return 2 * c - 1
        if self.signed:
            half = 1 << (self.bits - 1)
            return ((c & ((1 << self.bits) - 1)) ^ half) - half
        return c


BIPOLAR = Ints(-1, 1, 2)
U8 = Ints(0, 255)


def ints_of(values: Array) -> Ints:
    """The least range that holds every value; bipolar when only -1 and +1 occur."""
    v = np.asarray(values)
    if v.size and bool((np.abs(v) == 1).all()):
        return BIPOLAR
    return Ints(int(v.min(initial=0)), int(v.max(initial=0)))


def sign(values: Array) -> Array:
    """+1 where the value is at or above zero, else -1; so sign(0) is +1."""
    return np.where(np.asarray(values) >= 0, 1, -1)


def word(codes: Iterable[int], bits: int) -> int:
    """One word from element codes; element 0 in the low bits."""
    out = 0
    for i, code in enumerate(codes):
        out |= int(code) << (i * bits)
    return out


def words(codes: Array, bits: int, per_word: int) -> list[int]:
    """The words of a stream: `codes` in raster order, `per_word` elements each."""
    flat = np.asarray(codes, np.uint64).reshape(-1, per_word)
    columns = (flat[..., None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)
    packed = np.packbits(columns.astype(np.uint8).reshape(len(flat), -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def unwords(stream: Iterable[int], bits: int, per_word: int) -> Array:
    """Element codes (uint64, words x per_word) of a stream of words; the inverse of `words`."""
    size = (bits * per_word + 7) // 8
    raw = b"".join(int(w).to_bytes(size, "little") for w in stream)
    rows = np.frombuffer(raw, np.uint8).reshape(-1, size)
    flags = np.unpackbits(rows, axis=1, bitorder="little")[:, : bits * per_word]
    place = np.uint64(1) << np.arange(bits, dtype=np.uint64)
    return (flags.reshape(len(rows), per_word, bits).astype(np.uint64) * place).sum(-1, dtype=np.uint64)


def clog2(n: int) -> int:
    """Bits that count 0 .. n-1; 0 for n <= 1."""
    return max(n - 1, 0).bit_length()


def row_ranges(weights: Array, x: Ints) -> tuple[Array, Array]:
    """The least and the largest sum of each row of (rows, cols) weights over inputs in `x`."""
    w = weights.reshape(len(weights), -1).astype(np.int64)
    up, down = np.clip(w, 0, None).sum(1), np.clip(w, None, 0).sum(1)
    return up * x.lo + down * x.hi, up * x.hi + down * x.lo


def exact_matmul(a: Array, b: Array) -> Array:
    """a @ b over integers as int64, by way of the fastest float that cannot round; of matrices, or of stacks of them."""
    bound = int(np.abs(a).max(initial=0)) * int(np.abs(b.astype(np.int64)).sum(-2).max(initial=0))
    if bound < 1 << 24:
        return (a.astype(np.float32) @ b.astype(np.float32)).astype(np.int64)
    if bound < 1 << 53:
        return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
    return a.astype(np.int64) @ b.astype(np.int64)
