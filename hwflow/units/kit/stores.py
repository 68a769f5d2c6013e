"""Memories on each family: block RAMs, LUT memories and tables, as Yosys chooses and shapes them.

Stands on nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil

STYLE = ("auto", "lut", "block", "const")  # by the number that is a module's Style


@dataclass(frozen=True)
class Ram:
    """A kind of memory of a family."""

    address: int
    widths: tuple[int, ...]
    cost: int
    scale: int = 0
    byte: int | None = None
    size: int = 1


# What Yosys maps memories to, as the libraries of its families say: address bits of words of the least width, widths of
# words (a step wider is half as deep), cost of one, how much of that grows with the bits used,
# bits that are written together (None: a word), how many blocks it is.
WIDTHS = (1, 2, 4, 9, 18, 36)
BLOCKS: dict[str, tuple[Ram, ...]] = {
    "xc7": (Ram(14, WIDTHS, 129, byte=9), Ram(15, (*WIDTHS, 72), 257, byte=9, size=2)),
    "ecp5": (Ram(14, WIDTHS, 128, byte=9),),
    "gowin": (Ram(14, WIDTHS, 128, byte=9),),
    "ice40": (Ram(11, (2, 4, 8), 64), Ram(8, (16,), 64, byte=1)),
}
LUT_RAMS: dict[str, tuple[Ram, ...]] = {
    "xc7": (Ram(5, (6,), 8, scale=7), Ram(6, (3,), 8, scale=7)),
    "ecp5": (Ram(4, (4,), 4),),
    "gowin": (Ram(4, (4,), 4, scale=4),),
}
MUX = 0.5  # what a bit of a multiplexer behind memories one above the other counts, and a write enable of theirs
# bits of a ROM from which Yosys takes a block by itself
ROM_BITS = {"xc7": 4920, "ecp5": 2048, "gowin": 2048, "ice40": 1024}


@dataclass(frozen=True)
class Store:
    """A memory inside a unit; `rom` where nothing writes it."""

    bits: int
    depth: int
    style: str = "auto"
    rom: bool = True
    compared: int = 0  # with what a LUT holds beside it: with so many different bits
    masked: bool = False  # by one more bit there


def in_block(store: Store, family: str) -> bool:
    """True where a memory is in block RAM: its style says so, or Yosys finds blocks cheaper than LUTs or flip-flops."""
    if store.style != "auto":
        return store.style == "block"
    size = store.bits * store.depth
    cost, _ = mapped(BLOCKS[family], store.bits, store.depth, store.rom)
    if store.rom:
        return size * BLOCKS[family][0].cost > ROM_BITS[family] * cost
    if family == "ice40":  # whose LUTs hold none: flip-flops
        return size > cost
    return mapped(LUT_RAMS[family], store.bits, store.depth, False)[0] > cost


def blocks(store: Store, family: str) -> int:
    """Block RAMs of a memory."""
    return mapped(BLOCKS[family], store.bits, store.depth, store.rom)[1]


@cache
def mapped(rams: tuple[Ram, ...], bits: int, depth: int, rom: bool) -> tuple[float, int]:
    """What Yosys counts for a memory in RAMs of a kind, in the geometry that costs least, and how many blocks these are.

    Memories one above the other share the last of them.
    """
    found = []
    for ram in rams:
        for step, width in enumerate(ram.widths):
            above = ceil(depth / 2 ** (ram.address - step))
            byte = 1 if rom else min(width, ram.byte or width)
            number = ceil(above * ceil(bits / byte) * byte / width)
            cost = (ram.cost - ram.scale) * number + ram.scale * above * bits / width
            cost += MUX * ((above - 1) * bits + (above if above > 1 and not rom else 0))
            found.append((cost, number * ram.size))
    return min(found, key=lambda f: f[0])


FEW = 8  # words of a ROM of which bits are equal by chance
WIDEST_ROM = 9  # address bits of the largest ROM with a coefficient of its own


def rom_name(depth: int, others: int, family: str) -> tuple[str, float]:
    """The count that a bit of a ROM goes to, by its address bits, and how much of it: those beyond one LUT grow with
    their words.

    `others`: bits that it is compared with in the same LUT, and masked by."""
    inputs = min(max(depth - 1, 1).bit_length(), WIDEST_ROM)
    # 64 words were seen to take several LUTs of six inputs
    alone = inputs <= 5 and inputs + others <= 6 if family == "xc7" else inputs + others <= 4
    name = "table" if others else "rom"
    if alone and inputs > 2:  # one LUT, however many of its inputs
        return f"{name}_whole", 1
    return f"{name}{inputs + max(others - 1, 0)}", 1 if alone else depth / 2**inputs


def distinct(bits: int, depth: int, compared: int) -> float:
    """Bits of a ROM of random words that no other bit is equal to, nor the same in all words: tools make each once.

    Bits compared with `compared` different ones in turn are alike only where they meet the same one.
    """
    if depth > FEW:
        return bits
    every = 2**depth
    if compared:
        return compared * every * (1 - (1 - 1 / every) ** (bits / compared))
    return (every - 2) * (1 - (1 - 1 / every) ** bits)


def ram_luts(family: str, depth: int) -> float:
    """LUTs of one bit of a memory with one port to write and one to read."""
    if family == "xc7":
        return 0.67 if depth <= 32 else 1.33 * ceil(depth / 64) + 0.5 * (ceil(depth / 64) - 1)
    if family == "ice40":
        return 1.7 * depth  # flip-flops and a multiplexer
    return 1.5 * ceil(depth / 16) + 1.0 * (ceil(depth / 16) - 1)
