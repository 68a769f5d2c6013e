"""Memories on each family: block RAMs, LUT memories and tables, as Yosys chooses and shapes them.

Stands on families, which say what Yosys maps memories to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil

from hwflow.families import Family
from hwflow.families.base import Ram

STYLE = ("auto", "lut", "block", "const", "stream")  # where words lie, by the number that is a module's Style; outside
LATE = 64  # words of weights from which the tool may choose a block RAM, which is slow
DEEP_WEIGHTS = 2048  # words of weights beyond which it does, several blocks one above the other

DEEP = 512  # words of the deepest memory that hls/parts/ram.sv leaves to LUTs
MUX = 0.5  # what a bit of a multiplexer behind memories one above the other counts, and a write enable of theirs


@dataclass(frozen=True)
class Store:
    """A memory inside a unit; `rom` where nothing writes it, `loads` where the chain of load_word does."""

    bits: int
    depth: int
    style: str = "auto"
    rom: bool = True
    compared: int = 0  # with what a LUT holds beside it: with so many different bits
    masked: bool = False  # by one more bit there
    loads: bool = False


def registers_behind(style: str, words: int) -> int:
    """Registers in a row behind weights: two where they are in block RAM, one where they may be."""
    if style == "block" or (style == "auto" and words > DEEP_WEIGHTS):
        return 2
    return int(style == "auto" and words >= LATE)


def in_block(store: Store, family: Family) -> bool:
    """True where a memory is in block RAM: its style or its depth says so, or Yosys finds blocks cheaper than LUTs or flip-flops."""
    if store.style != "auto":
        return store.style == "block"
    if not store.rom and not store.loads and store.depth > DEEP:
        return True
    size = store.bits * store.depth
    cost, _ = mapped(family.blocks, store.bits, store.depth, store.rom)
    if store.rom:
        return size * family.blocks[0].cost > family.rom_bits * cost
    if not family.lut_rams:  # flip-flops instead
        return size > cost
    return mapped(family.lut_rams, store.bits, store.depth, False)[0] > cost


def blocks(store: Store, family: Family) -> int:
    """Block RAMs of a memory."""
    return mapped(family.blocks, store.bits, store.depth, store.rom)[1]


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
DEEP_ROM = 32  # words beyond which hls/parts/rom.sv has them in a module of its own


def rom_name(depth: int, others: int, family: Family) -> tuple[str, float]:
    """The count that a bit of a ROM goes to, by its address bits, and how much of it: those beyond one LUT grow with
    their words.

    `others`: bits that it is compared with in the same LUT, and masked by."""
    if depth > DEEP_ROM and "rom_deep" in family.synthesis.apart and not others:
        return "rom_deep", ceil(depth / 64)  # a LUT6 for 64 words, multiplexers of slices behind them
    inputs = min(max(depth - 1, 1).bit_length(), WIDEST_ROM)
    alone = inputs <= family.rom_inputs and inputs + others <= family.lut_inputs
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
