"""What units with weights share: rows of integers, their thresholds, and the widths that follow from both.

Stands on units.kit.base. `mvu` and `vvu` say which inputs a row of weights meets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints, ints_of, words
from hwflow.graph import frozen
from hwflow.ops import Port, row_ranges
from hwflow.units.kit.base import ALONE, Loadable, Memory, check_mult
from hwflow.units.kit.streams import divide

TERNARY = Ints(-1, 1)  # -1, 0, +1 in two bits; bit 0 says that the element counts
TERNARY_KIND = 3  # its code in XKind and WKind: a popcount with a mask, never a multiplier


@dataclass(frozen=True, eq=False, kw_only=True)
class Weighted(Loadable):
    """acc[r] is a sum of weights[r] times inputs; y[r] = base + count_k(acc[r] >= thresholds[r, k]), or acc without any.

    `bipolar` says that one threshold gives -1/+1; `pe` rows are worked on at once; `mult` is what makes its products.
    `reload`: weights and thresholds can be loaded, so widths are those that any weights of their kind and bits need.
    """

    mults: ClassVar[tuple[str, ...]] = ALONE
    x: Port
    weights: Array  # int, (rows, terms)
    thresholds: Array | None = None  # int, (rows, levels), ascending in each row; None: the accumulator leaves
    base: int = 0
    bipolar: bool = False
    pe: int = 1
    mult: str = "auto"
    reload: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen(self.weights, np.int32))
        if self.thresholds is not None:
            object.__setattr__(self, "thresholds", frozen(self.thresholds, np.int64))
            assert len(self.thresholds) == self.rows, (
                f"{self.name}: {self.thresholds.shape} thresholds for {self.rows} rows"
            )
        check_mult(self.name, self.mult, self.mults)
        self.divided()

    def divided(self) -> None:
        """RecipeError unless the folding is a legal one."""
        divide(self.name, "pe", self.pe, self.rows)

    @property
    def rows(self) -> int:
        return self.weights.shape[0]

    @property
    def macs(self) -> int:
        return self.pe

    @property
    def levels(self) -> int:
        return 0 if self.thresholds is None else self.thresholds.shape[1]

    @property
    def weight_ints(self) -> Ints:
        ints = _ints(Same(self.weights))
        if not self.reload or ints.is_bipolar or ints == TERNARY:
            return ints
        return (
            Ints(-(1 << (ints.bits - 1)), (1 << (ints.bits - 1)) - 1) if ints.signed else Ints(0, (1 << ints.bits) - 1)
        )

    @property
    def counted(self) -> bool:
        """True when the accumulator is the count of equal bits: acc = 2 * count - terms."""
        return self.x.ints.is_bipolar and self.weight_ints.is_bipolar

    @property
    def y_ints(self) -> Ints:
        """The integers that leave: levels, or the accumulator."""
        if self.thresholds is not None:
            return BIPOLAR if self.bipolar else Ints(self.base, self.base + self.levels)
        lo, hi = self._sums
        return Ints(int(lo.min()), int(hi.max()))

    @property
    def widths(self) -> dict[str, int | str]:
        """The parameters that follow from values. Levels 0 gives the accumulator. Kinds: see `kind`."""
        w, x = self.weight_ints, self.x.ints
        return {
            "XBits": x.bits, "XKind": kind(x), "WBits": w.bits, "WKind": kind(w),
            "AccBits": self.acc_bits, "Levels": self.levels, "ThrBits": self.thr_bits,
            "YBits": self.y_ints.bits, "Base": 0 if self.bipolar else self.base,
        }  # fmt: skip

    @property
    def files(self) -> dict[str, int | str]:
        """The parameters that name memory files."""
        return {
            "WeightFile": f"{self.name}_weights.mem",
            "ThreshFile": f"{self.name}_thresh.mem" if self.levels else "",
        }

    def contents(self, weights: Array, per: int) -> dict[str, Memory]:
        """The weights as they are ordered, `per` of them a word, and the thresholds: pe rows x levels for each row group.

        Two's complement. With one level the word holds what the accumulator starts at (minus the threshold), so
        that y is its sign; with more, the thresholds.
        """
        w, files = self.weight_ints, self.files
        out = {str(files["WeightFile"]): Memory(per * w.bits, tuple(words(w.encode(weights), w.bits, per)))}
        if self.levels:
            bits, per = self.thr_bits, self.pe * self.levels
            codes = (self._stored & ((1 << bits) - 1)).astype(np.uint64)
            out[str(files["ThreshFile"])] = Memory(per * bits, tuple(words(codes, bits, per)))
        return out

    @property
    def _sums(self) -> tuple[Array, Array]:
        """The least and the largest sum of each row: of its weights, or of any weights where others can be loaded."""
        if not self.reload:
            return _sums(Same(self.weights), self.x.ints)
        w, x = self.weight_ints, self.x.ints
        products, terms = [a * b for a in (w.lo, w.hi) for b in (x.lo, x.hi)], self.weights.shape[1]
        return np.full(self.rows, terms * min(products)), np.full(self.rows, terms * max(products))

    @property
    def _reach(self) -> tuple[Array, Array]:
        """The least and the largest accumulator of each row, in what the hardware counts."""
        if self.counted:
            zero = np.zeros(self.rows, np.int64)
            return zero, zero + self.weights.shape[1]
        return self._sums

    @property
    def _limits(self) -> Array:
        """Thresholds (rows, levels) in what the hardware counts, each brought within reach or one above it."""
        assert self.thresholds is not None
        t = -((-(self.thresholds + self.weights.shape[1])) // 2) if self.counted else self.thresholds
        lo, hi = self._reach
        return np.clip(t, lo[:, None], hi[:, None] + 1)

    @property
    def _stored(self) -> Array:
        return -self._limits if self.levels == 1 else self._limits

    @property
    def _possible(self) -> tuple[Array, Array]:
        """The least and the largest limit (rows, levels) that each row may have."""
        if not self.reload:
            return self._limits, self._limits
        lo, hi = self._reach
        return lo[:, None], hi[:, None] + 1

    @property
    def thr_bits(self) -> int:
        if not self.levels:
            return 1
        limits = np.concatenate(self._possible)
        return signed_bits(-limits if self.levels == 1 else limits)

    @property
    def acc_bits(self) -> int:
        """Width that holds every final accumulator; partial sums may wrap, which two's complement forgives."""
        lo, hi = self._reach
        if not self.levels:
            return signed_bits(np.array([self.y_ints.lo, self.y_ints.hi]))
        if self.levels == 1:
            least, largest = self._possible
            return signed_bits(np.stack([lo - largest[:, 0], hi - least[:, 0]]))
        return max(signed_bits(np.stack([lo, hi])), self.thr_bits)


SIGNS = {0, TERNARY_KIND}  # kinds of -1, 0 and +1


class Same:
    """An array that nobody can write as a key: equal to itself only, however large it is."""

    def __init__(self, array: Array):
        assert not array.flags.writeable, "what can change is no key"
        self.array = array

    def __hash__(self) -> int:
        return id(self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.array is other.array


# a unit is asked under a thousand foldings, and its weights are the same millions under each


@lru_cache(256)
def _ints(weights: Same) -> Ints:
    return ints_of(weights.array)


@lru_cache(256)
def _sums(weights: Same, x: Ints) -> tuple[Array, Array]:
    return row_ranges(weights.array, x)


def staircase(x: Array, thresholds: Array, base: int, bipolar: bool) -> Array:
    """base + count_k(x >= thresholds[c, k]) for x (..., channels); -1/+1 when `bipolar`."""
    count = np.zeros(x.shape, np.int64)
    for k in range(thresholds.shape[1]):
        count += x >= thresholds[:, k]
    return 2 * count - 1 if bipolar else base + count


def kind(ints: Ints) -> int:
    """The mvu's code of an encoding: 0 bipolar, 1 unsigned, 2 signed, 3 ternary."""
    return TERNARY_KIND if ints == TERNARY else ints.kind


def signed_bits(values: Array) -> int:
    """Two's complement bits that hold every value."""
    ends = Ints(min(int(values.min()), -1), int(values.max()))
    return ends.bits
