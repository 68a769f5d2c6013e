"""What hardware costs on each family: coefficients of structural counts; memories, tables and multipliers by shape.

Stands on units.base. A unit says what it is made of (`Unit.shape`). The coefficients in costs.json come from `python -m hwflow.synth.fit`, which measures units with
Yosys and says there with which version and when.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from hwflow.units.base import Cost

TABLE = Path(__file__).with_name("costs.json")
STYLE = ("auto", "lut", "block", "const")  # by the number that is a module's Style

# shapes one block offers (width: depth), and the bits of a ROM from which Yosys takes a block by itself
KILO18 = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}
BLOCKS = {"xc7": KILO18, "ecp5": KILO18, "gowin": KILO18, "ice40": {1: 4096, 2: 2048, 4: 1024, 8: 512, 16: 256}}
MOST_BITS = 36  # of a word of one block
ROM_BITS = {"xc7": 4920, "ecp5": 2048, "gowin": 2048, "ice40": 1024}
# most bits of the two factors of one multiplier, least bits of either and of the product it is taken for
MULTIPLIERS = {"xc7": (25, 18, 2, 9), "ecp5": (18, 18, 2, 2), "gowin": (18, 18, 4, 4), "ice40": (16, 16, 2, 11)}

Products = tuple[tuple[int, int, int, int], ...]  # how many, bits of either factor and of the product


@cache
def blocks(family: str, bits: int, depth: int) -> int:
    """Block RAMs of a memory: columns side by side, each of one shape, as few blocks as hold all its bits."""
    columns = [(width, ceil(depth / deep)) for width, deep in BLOCKS[family].items()]
    width, each = min(columns, key=lambda c: c[1] / c[0])
    many = max(bits - 4 * MOST_BITS, 0) // width  # the last bits alone may lie in other shapes
    least = [0]
    for n in range(1, bits - many * width + 1):
        least.append(min(cost + least[max(n - w, 0)] for w, cost in columns))
    return many * each + least[-1]


WIDEST_ROM = 9  # address bits of the largest ROM with a coefficient of its own


def rom_name(depth: int, compared: bool, family: str) -> tuple[str, float]:
    """The count that a bit of a ROM goes to, by its address bits, and how much of it: those beyond one LUT grow with
    their words.

    `compared`: the bit is compared with another one in the same LUT."""
    inputs = min(max(depth - 1, 1).bit_length(), WIDEST_ROM)
    alone = inputs <= 5 if family == "xc7" else inputs + compared <= 4  # 64 words were seen to take several
    name = "table" if compared else "rom"
    if alone and inputs > 2:  # one LUT, however many of its inputs
        return f"{name}_whole", 1
    return f"{name}{inputs}", 1 if alone else depth / 2**inputs


def distinct(bits: int, depth: int, compared: int) -> float:
    """Bits of a ROM of random words that no other bit is equal to, nor the same in all words: tools make each once.

    Bits compared with `compared` different ones in turn are alike only where they meet the same one.
    """
    if depth > 8:
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


def dsps(products: Products, family: str) -> float:
    """Multipliers of a family; Gowin's are two small ones in one."""
    wide, narrow, least, result = MULTIPLIERS[family]

    def parts(bits: int, most: int, other: int) -> int:
        """Multipliers in a row: whole ones overlap in a sign bit, and a small rest is left to LUTs."""
        if bits <= most:
            return 1
        whole, rest = divmod(bits, most - 1)
        return whole + (rest >= least and rest + other >= result)

    return sum(
        n
        * parts(max(a, b), wide, min(a, b))
        * parts(min(a, b), narrow, max(a, b))
        * (0.5 if family == "gowin" and max(a, b) <= 9 else 1)
        for n, a, b, y in products
        if min(a, b) >= least and y >= result
    )


@dataclass(frozen=True)
class Store:
    """A memory inside a unit; `rom` where nothing writes it."""

    bits: int
    depth: int
    style: str = "auto"
    rom: bool = True
    compared: int = 0  # with what a LUT holds beside it: with so many different bits


@dataclass(frozen=True)
class Shape:
    """What a unit is made of: counts that LUTs and flip-flops grow with, its memories, its multipliers."""

    counts: Mapping[str, float]
    stores: tuple[Store, ...] = ()
    products: Products = ()


Params = Mapping[str, Any]


def counter(*sizes: float) -> float:
    """Bits of counters of these sizes."""
    return float(sum(max(int(n) - 1, 0).bit_length() for n in sizes))


@cache
def table() -> dict[str, Any]:
    """costs.json: for each family its coefficients by module, and where they come from."""
    return json.loads(TABLE.read_text())


def estimate(module: str, shape: Shape, family: str) -> Cost:
    """Resources of a unit on a family, from what its module is made of."""
    known = coefficients(family).get(module, {"lut": {}, "ff": {}})
    found, bram, dsp = counts(shape, family)
    lut = sum(n * known["lut"].get(k, 0.0) for k, n in found.items())
    ff = sum(n * known["ff"].get(k, 0.0) for k, n in found.items())
    return Cost(round(lut, 1), round(ff, 1), bram, dsp)


@cache
def coefficients(family: str) -> dict[str, Any]:
    """LUTs and flip-flops of one of each count, by module."""
    return table()["families"][family]["modules"]


def counts(shape: Shape, family: str) -> tuple[dict[str, float], int, float]:
    """What LUTs and flip-flops of a unit grow with, and its block RAMs and multipliers, which are exact."""
    out, bram = dict(shape.counts), 0
    for store in shape.stores:
        if store.depth <= 1 or store.bits == 0:
            continue
        if in_block(store, family):
            bram += blocks(family, store.bits, store.depth)
            out["block"] = out.get("block", 0) + 1
        else:
            if store.rom:
                name, per = rom_name(store.depth, store.compared > 0, family)
                bits = distinct(store.bits, store.depth, store.compared)
            else:
                name, per, bits = "stored", ram_luts(family, store.depth), store.bits
            out[name] = out.get(name, 0) + bits * per
            registers = family == "ice40" and not store.rom
            kept = bits * (registers * store.depth + (not store.compared))
            out["latched"] = out.get("latched", 0) + kept
    dsp = dsps(shape.products, family)
    if not dsp:
        end = next((n.removeprefix("tree_product") for n in out if n.startswith("tree_product")), "")
        if not any(n.startswith(("ternary", "signed")) for n in out):
            out[f"product{end}"] = sum(n * a * b for n, a, b, _ in shape.products)
    else:
        for name in [
            n for n in out if n.startswith(("ternary", "signed", "tree_ternary", "tree_signed", "tree_product"))
        ]:
            more = out.pop(name)
            if name.startswith("tree"):
                out["tree_dsp"] = more
    return out, bram, dsp


def in_block(store: Store, family: str) -> bool:
    """True where a memory is in block RAM: its style says so, or Yosys finds blocks cheaper than LUTs or flip-flops."""
    if store.style != "auto":
        return store.style == "block"
    size, many = store.bits * store.depth, blocks(family, store.bits, store.depth)
    if store.rom:
        return size > ROM_BITS[family] * many
    if family == "ice40":  # a block is worth 64 flip-flops
        return size > 64 * many
    if family == "xc7":  # a block is worth 129, four LUTs of 64 x 3 or 32 x 6 bits seven
        luts = ceil(store.bits / 6) if store.depth <= 32 else ceil(store.bits / 3) * ceil(store.depth / 64)
        return 7 * luts > 129 * many
    # a block is worth 32 LUT memories of 16 words of four bits
    return ceil(store.bits / 4) * ceil(store.depth / 16) >= 32 * many
