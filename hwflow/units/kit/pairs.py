"""Two products in one DSP block: how wide its factors are, which families' blocks take them, what they cost.

Stands on units.kit.costs and units.kit.weighted. hls/parts/dot_pair.sv multiplies one input by two weights at once, so
that two rows share a block.
"""

from __future__ import annotations

from hwflow.bits import Ints
from hwflow.errors import RecipeError
from hwflow.families import FAMILIES, Family
from hwflow.units.kit.costs import Products
from hwflow.units.kit.weighted import SIGNS, kind


def pair_factors(x_bits: int, x_kind: int, w_bits: int, w_kind: int) -> tuple[int, int]:
    """Bits of two packed weights and of the input they meet, both as two's complement.

    The lower product takes x_bits + w_bits, and one more for its sign where neither factor has one. Above it stands the
    upper weight, less one where the lower product is negative: w_bits + 1.
    """
    both_unsigned = x_kind == w_kind == 1
    return x_bits + w_bits + both_unsigned + w_bits + 1, x_bits + (x_kind == 1)


def takes_pairs(family: Family, rows: int, x: Ints, w: Ints) -> bool:
    """True where a DSP block of the family makes two products at once, and `rows` of them are there at once.

    A block that halves, or that holds adders, does better with products of their own.
    """
    block = family.multiplier
    if {kind(x), kind(w)} & SIGNS or rows < 2 or block.half or block.tree:
        return False
    wide, narrow = pair_factors(x.bits, x.kind, w.bits, w.kind)
    return wide <= block.wide and narrow <= block.narrow


def check_pairs(unit: str, rows: int, x: Ints, w: Ints) -> None:
    """RecipeError unless some family's DSP blocks make two products of these numbers at once, in `rows` rows."""
    if {kind(x), kind(w)} & SIGNS:
        raise RecipeError(f"{unit}: mult pair is for numbers, not for -1, 0 and +1; take mult auto, lut or dsp")
    if not any(takes_pairs(f, 2, x, w) for f in FAMILIES.values()):
        wide, narrow = pair_factors(x.bits, x.kind, w.bits, w.kind)
        raise RecipeError(
            f"{unit}: mult pair makes two products of {x.bits} by {w.bits} bits in a DSP block of {wide} x {narrow}, "
            "which no family has; take mult dsp"
        )
    if rows < 2:
        raise RecipeError(f"{unit}: mult pair needs two rows at once, not {rows}; take a larger pe or mult dsp")


def count_pairs(
    rows: int, simd: int, x: tuple[int, int], w: tuple[int, int], few: str = ""
) -> tuple[dict[str, float], Products]:
    """Counts and multipliers of `rows` rows of products in pairs; x and w are bits and kind."""
    pairs, odd = divmod(rows, 2)
    wide, narrow = pair_factors(*x, *w)
    counts: dict[str, float] = {
        # product_pair: high, of weights with a sign; those that never change are packed as they are
        f"packed{few}": pairs * simd * (w[0] + 1) * (w[1] != 1 and few != "_fixed"),
        "halves": pairs * simd * (x[0] + w[0] + 2),  # product_pair: the half that is added
    }
    alone = ((odd * simd, x[0], w[0], x[0] + (x[1] == 1) + w[0]),) if odd else ()
    return counts, ((pairs * simd, wide, narrow, wide + narrow), *alone)
