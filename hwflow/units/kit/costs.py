"""What hardware costs on each family: coefficients of structural counts, memories and multipliers by bill.

Stands on units.kit.base and units.kit.stores. A unit says what it is made of (`Unit.bill`). The coefficients in costs.json come from `python -m hwflow.bench.fit`, which measures units with
Yosys and says there with which version and when.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hwflow.units.kit.base import Cost
from hwflow.units.kit.stores import Store, blocks, distinct, in_block, ram_luts, rom_name

TABLE = Path(__file__).with_name("costs.json")

# most bits of the two factors of one multiplier, least bits of either and of the product it is taken for
MULTIPLIERS = {"xc7": (25, 18, 2, 9), "ecp5": (18, 18, 2, 2), "gowin": (18, 18, 4, 4), "ice40": (16, 16, 2, 11)}

Products = tuple[tuple[int, int, int, int], ...]  # how many, bits of either factor and of the product


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
class Bill:
    """The bill of materials of a unit: counts that LUTs and flip-flops grow with, its memories, its multipliers.

    The names of counts are those that the coefficients of its module go by.
    """

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


def estimate(module: str, bill: Bill, family: str) -> Cost:
    """Resources of a unit on a family, from what its module is made of."""
    known = coefficients(family).get(module, {"lut": {}, "ff": {}})
    found, bram, dsp = counts(bill, family)
    lut = sum(n * known["lut"].get(k, 0.0) for k, n in found.items())
    ff = sum(n * known["ff"].get(k, 0.0) for k, n in found.items())
    return Cost(round(lut, 1), round(ff, 1), bram, dsp)


@cache
def coefficients(family: str) -> dict[str, Any]:
    """LUTs and flip-flops of one of each count, by module."""
    return table()["families"][family]["modules"]


def counts(bill: Bill, family: str) -> tuple[dict[str, float], int, float]:
    """What LUTs and flip-flops of a unit grow with, and its block RAMs and multipliers, which are exact."""
    out, bram = dict(bill.counts), 0
    for store in bill.stores:
        if store.depth <= 1 or store.bits == 0:
            continue
        if in_block(store, family):
            bram += blocks(store, family)
            out["block"] = out.get("block", 0) + 1
        else:
            if store.rom:
                name, per = rom_name(store.depth, (store.compared > 0) + store.masked, family)
                bits = distinct(store.bits, store.depth, store.compared)
            else:
                name, per, bits = "stored", ram_luts(family, store.depth), store.bits
            out[name] = out.get(name, 0) + bits * per
            registers = family == "ice40" and not store.rom
            kept = bits * (registers * store.depth + (not store.compared))
            out["latched"] = out.get("latched", 0) + kept
    dsp = dsps(bill.products, family)
    if not dsp:
        end = next((n.removeprefix("tree_product") for n in out if n.startswith("tree_product")), "")
        if not any(n.startswith(("ternary", "signed")) for n in out):
            out[f"product{end}"] = sum(n * a * b for n, a, b, _ in bill.products)
    else:
        for name in [
            n for n in out if n.startswith(("ternary", "signed", "tree_ternary", "tree_signed", "tree_product"))
        ]:
            more = out.pop(name)
            if name.startswith("tree"):
                out["tree_dsp"] = more
    return out, bram, dsp
