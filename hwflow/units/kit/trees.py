"""What hls/parts/popcount.sv, adder_tree.sv and product.sv are made of: adders, flip-flops and latency by their shapes.

Stands on nothing.
"""

from __future__ import annotations

from functools import cache


@cache
def popcount(n: int, first: int, height: int = 0) -> tuple[float, int, int, int]:
    """Full leaves, full adders, flip-flops and latency of hls/parts/popcount.sv for n bits."""
    leaf = 3 if first == 3 else 6
    height = height or (n.bit_length() if first == 3 else 3 + ((n + 7) // 7 - 1).bit_length())
    latency = (height >= first) + max(height - first - 1, 0)
    if n <= leaf:
        return n / leaf, 0, n.bit_length() * latency, latency
    child = leaf if height <= 3 else (1 << (height - 1)) - 1 if first == 3 else (7 << (height - 4)) - 1
    left, right = min(n, child), max(n - 1 - child, 0)
    leaves, adders, registers, _ = popcount(left, first, height - 1)
    if height == first or height > first + 1:
        registers += left.bit_length() + right.bit_length()
    if right:
        more = popcount(right, first, height - 1)
        leaves, adders, registers = leaves + more[0], adders + more[1], registers + more[2]
    if n > left:
        adders, registers = adders + n.bit_length(), registers + latency
    return leaves, adders, registers, latency


@cache
def adder_tree(n: int, bits: int, most: int, height: int = -1) -> tuple[int, int, int]:
    """Bits of adders, flip-flops and latency of hls/parts/adder_tree.sv for n terms, of which no more than `most` bits of
    the sum are used."""
    height = (n - 1).bit_length() if height < 0 else height
    latency = (height - 1) // 2 if height > 0 else 0
    if n == 1:
        return 0, min(bits, most) * latency, latency
    half, rest = n // 2, n - n // 2
    (a, f, _), (b, g, _) = adder_tree(rest, bits, most, height - 1), adder_tree(half, bits, most, height - 1)
    cut = latency - ((height - 2) // 2 if height > 1 else 0)
    left, right, both = (min(bits + (k - 1).bit_length(), most) for k in (rest, half, n))
    return a + b + both, f + g + cut * (left + right), latency


def rows(a: int, b: int) -> int:
    """Bits of the adders that join the rows of a product of numbers of a and b bits (hls/parts/product.sv in LUTs)."""
    return (min(a, b) - 1) * max(a, b)
