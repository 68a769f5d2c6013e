"""The vector-vector-threshold unit: a depthwise convolution, each channel with its own few weights.

Stands on units.base. hls/vvu.sv and hls/vvu.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints, ints_of, words
from hwflow.graph import frozen
from hwflow.ops import Port, row_ranges
from hwflow.units.base import Memory, Stream, Unit
from hwflow.units.mvu import divide, divisors, kind, signed_bits, staircase


@dataclass(frozen=True, eq=False, kw_only=True)
class Vvu(Unit):
    """y[c] = base + count_k(acc[c] >= thresholds[c, k]), acc[c] = sum_t weights[c, t] * x[t, c], for every window of x.

    Without thresholds y is acc. x comes from a Window in "depthwise" order whose simd is this pe: blocks of pe
    channels, the taps of a block one word after another.
    """

    module: ClassVar[str] = "vvu"
    x: Port  # (..., taps * C)
    weights: Array  # int, (C, taps)
    thresholds: Array | None = None  # int, (C, levels), ascending in each row; None: the accumulator leaves
    base: int = 0
    bipolar: bool = False
    pe: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen(self.weights, np.int32))
        if self.thresholds is not None:
            object.__setattr__(self, "thresholds", frozen(self.thresholds, np.int64))
            assert len(self.thresholds) == self.channels, (
                f"{self.name}: {self.thresholds.shape} thresholds for {self.channels} channels"
            )
        assert self.x.channels == self.weights.size, f"{self.name}: takes windows of {self.weights.size}, not {self.x}"
        divide(self.name, "pe", self.pe, self.channels)

    @property
    def channels(self) -> int:
        return self.weights.shape[0]

    @property
    def taps(self) -> int:
        return self.weights.shape[1]

    @property
    def blocks(self) -> int:
        return self.channels // self.pe

    @property
    def levels(self) -> int:
        return 0 if self.thresholds is None else self.thresholds.shape[1]

    @property
    def weight_ints(self) -> Ints:
        return ints_of(self.weights)

    @property
    def counted(self) -> bool:
        """True when the accumulator is the count of equal bits: acc = 2 * count - taps."""
        return self.x.ints.is_bipolar and self.weight_ints.is_bipolar

    @property
    def _y_ints(self) -> Ints:
        if self.thresholds is not None:
            return BIPOLAR if self.bipolar else Ints(self.base, self.base + self.levels)
        lo, hi = row_ranges(self.weights, self.x.ints)
        return Ints(int(lo.min()), int(hi.max()))

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self.pe),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream(Port((*self.x.shape[:-1], self.channels), self._y_ints), self.pe),)

    @property
    def cycles(self) -> int:
        return self.ins[0].words

    @property
    def latency(self) -> int:
        return self.taps - 1 + 4

    def foldings(self) -> Iterator[dict[str, int]]:
        yield from ({"pe": pe} for pe in divisors(self.channels))

    def params(self) -> dict[str, int | str]:
        """Levels 0 gives the accumulator. Kinds: 0 bipolar, 1 unsigned, 2 signed, 3 ternary (two bits)."""
        w, x = self.weight_ints, self.x.ints
        return {
            "Taps": self.taps, "Channels": self.channels, "Pe": self.pe,
            "XBits": x.bits, "XKind": kind(x), "WBits": w.bits, "WKind": kind(w),
            "AccBits": self.acc_bits, "Levels": self.levels, "ThrBits": self.thr_bits,
            "YBits": self._y_ints.bits, "Base": 0 if self.bipolar else self.base,
            "WeightFile": f"{self.name}_weights.mem", "ThreshFile": f"{self.name}_thresh.mem" if self.levels else "",
        }  # fmt: skip

    def memories(self) -> dict[str, Memory]:
        """Weights: one word of pe channels for each block and tap. Thresholds: one word of pe channels x levels for
        each block, two's complement; with one level, what the accumulator starts at (minus the threshold)."""
        w, p = self.weight_ints, self.params()
        order = self.weights.reshape(self.blocks, self.pe, self.taps).transpose(0, 2, 1)
        out = {str(p["WeightFile"]): Memory(self.pe * w.bits, tuple(words(w.encode(order), w.bits, self.pe)))}
        if self.levels:
            bits, per = self.thr_bits, self.pe * self.levels
            codes = (self._stored & ((1 << bits) - 1)).astype(np.uint64)
            out[str(p["ThreshFile"])] = Memory(per * bits, tuple(words(codes, bits, per)))
        return out

    @property
    def _reach(self) -> tuple[Array, Array]:
        """The least and the largest accumulator of each channel, in what the hardware counts."""
        if self.counted:
            zero = np.zeros(self.channels, np.int64)
            return zero, zero + self.taps
        return row_ranges(self.weights, self.x.ints)

    @property
    def _limits(self) -> Array:
        """Thresholds (C, levels) in what the hardware counts, each brought within reach or one above it."""
        assert self.thresholds is not None
        t = -((-(self.thresholds + self.taps)) // 2) if self.counted else self.thresholds
        lo, hi = self._reach
        return np.clip(t, lo[:, None], hi[:, None] + 1)

    @property
    def _stored(self) -> Array:
        return -self._limits if self.levels == 1 else self._limits

    @property
    def thr_bits(self) -> int:
        return signed_bits(self._stored) if self.levels else 1

    @property
    def acc_bits(self) -> int:
        """Width that holds every final accumulator; partial sums may wrap, which two's complement forgives."""
        lo, hi = self._reach
        if not self.levels:
            return signed_bits(np.array([self._y_ints.lo, self._y_ints.hi]))
        if self.levels == 1:
            return signed_bits(np.stack([lo - self._limits[:, 0], hi - self._limits[:, 0]]))
        return max(signed_bits(np.stack([lo, hi])), self.thr_bits)

    def run(self, *xs: Array) -> tuple[Array, ...]:
        x = xs[0].reshape(len(xs[0]), *self.x.shape[:-1], self.blocks, self.taps, self.pe).astype(np.int64)
        w = self.weights.reshape(self.blocks, self.pe, self.taps).transpose(0, 2, 1).astype(np.int64)
        acc = (x * w).sum(-2).reshape(*x.shape[:-3], self.channels)
        return (acc if self.thresholds is None else staircase(acc, self.thresholds, self.base, self.bipolar),)


def samples() -> tuple[Unit, ...]:
    """Small instances, awkward shapes included."""
    rng = np.random.default_rng(12)

    def make(
        name: str, shape: tuple[int, int], ints: Ints, weights: Array, levels: int, pe: int, **more: object
    ) -> Unit:
        lo, hi = row_ranges(weights, ints)
        t = np.sort(rng.integers(lo.min() - 1, hi.max() + 2, (len(weights), levels)), 1) if levels else None
        port = Port((*shape, weights.size), ints)
        return Vvu(name=f"vvu_{name}", inputs=("input",), x=port, weights=weights, thresholds=t, pe=pe, **more)  # type: ignore[arg-type]

    def signs(*shape: int) -> Array:
        return rng.choice((-1, 1), shape)

    return (
        make("one", (1, 1), BIPOLAR, signs(1, 1), 1, 1, bipolar=True),
        make("bits", (3, 2), BIPOLAR, signs(6, 9), 1, 3, bipolar=True),
        make("pads", (2, 3), Ints(-1, 1), signs(7, 9), 1, 7, bipolar=True),
        make("raw", (2, 2), Ints(-1, 1), signs(4, 25), 0, 2),
        make("u8", (1, 3), Ints(0, 255), signs(3, 4), 1, 1, bipolar=True),
        make("w4", (2, 2), Ints(-8, 7), rng.integers(-7, 8, (6, 9)), 3, 2, base=-2),
        make("w2", (2, 1), BIPOLAR, rng.integers(-2, 2, (5, 3)), 0, 5),
    )
