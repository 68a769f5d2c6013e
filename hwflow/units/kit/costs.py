"""What hardware costs on each family: coefficients of structural counts, memories and multipliers by bill.

Stands on families, units.kit.base and units.kit.stores. A unit says what it is made of (`Unit.bill`); the coefficients of its
counts lie in families/costs, one file a family, and come from `python -m hwflow.bench.fit`, which measures units with Yosys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hwflow.errors import RecipeError
from hwflow.families import Family, cost_table
from hwflow.units.kit.base import Cost
from hwflow.units.kit.stores import Store, blocks, distinct, in_block, rom_name

Products = tuple[tuple[int, int, int, int], ...]  # how many, bits of either factor and of the product


def dsps(products: Products, family: Family, terms: int = 1) -> float:
    """Multipliers of a family, some of which are two small ones in one; a tree of adders sums `terms` products (1: none)."""
    block = family.multiplier
    if block.tree and terms > 1:
        return sum(n / terms * block.tree(terms, y - b, b) for n, _, b, y in products)

    def parts(bits: int, most: int, other: int) -> int:
        """Multipliers in a row: whole ones overlap in a sign bit, and a small rest is left to LUTs."""
        if bits <= most:
            return 1
        whole, rest = divmod(bits, most - 1)
        return whole + (rest >= block.least and rest + other >= block.product)

    return sum(
        n
        * parts(max(a, b), block.wide, min(a, b))
        * parts(min(a, b), block.narrow, max(a, b))
        * (0.5 if max(a, b) <= block.half else 1)
        for n, a, b, y in products
        if min(a, b) >= block.least and y >= block.product
    )


@dataclass(frozen=True)
class Bill:
    """The bill of materials of a unit: counts that LUTs and flip-flops grow with, its memories, its multipliers.

    The names of counts are those that the coefficients of its module go by. A tree of adders sums `terms` of the
    products; where that is 1, each product goes into a register.
    """

    counts: Mapping[str, float]
    stores: tuple[Store, ...] = ()
    products: Products = ()
    terms: int = 1


Params = Mapping[str, Any]


def counter(*sizes: float) -> float:
    """Bits of counters of these sizes."""
    return float(sum(max(int(n) - 1, 0).bit_length() for n in sizes))


LOADER = "load_word"  # the module by whose coefficients memories that can be loaded are priced


def bill_loader(store: Store) -> Bill:
    """A memory that can be loaded, as hls/parts/load_word.sv and rom.sv make it; a single word is a register."""
    size = -(-store.bits // 8)
    counts = {
        "one": 1,  # load_o, put_o
        "counters": counter(size, store.depth),  # byte_q, addr_q
        "word": 8 * size,  # word_q
        "register": store.bits * (store.depth == 1),  # gen_register
    }
    return Bill(counts, (store,))


def estimate(module: str, bill: Bill, family: Family) -> Cost:
    """Resources of a unit on a family, from what its module is made of.

    RecipeError where a coefficient is not known: what costs nothing would be chosen by the planner.
    """
    loaded = [s for s in bill.stores if s.loads and s.bits]
    fixed = replace(bill, stores=tuple(s for s in bill.stores if not s.loads))
    return sum((_price(LOADER, bill_loader(s), family) for s in loaded), _price(module, fixed, family))


def _price(module: str, bill: Bill, family: Family) -> Cost:
    known = cost_table(family.name)["modules"]
    found, bram, dsp = counts(bill, family)
    lut = ff = guess = 0.0
    for name, n in found.items():
        if n <= 0:
            continue
        if module not in known or name not in known[module]:
            raise RecipeError(
                f"{module}: what its {name!r} costs on {family.name} is not known; run `python -m hwflow.bench.fit only {module}`"
            )
        luts, flipflops, measurements = known[module][name]
        lut, ff = lut + n * luts, ff + n * flipflops
        guess += 0 if measurements else n * luts
    return Cost(round(lut, 1), round(ff, 1), bram, dsp, round(guess, 1))


def doubt(cost: Cost, family: str) -> str:
    """What is to be said wherever an estimate is shown; empty where it rests on measurements."""
    share = 100 * cost.guess / cost.lut if cost.lut else 0
    if share < 0.5:
        return ""
    other = cost_table(family)["from"]
    what = f"{other}'s coefficients, not on measurements of {family}" if other else "first guesses"
    return f"{share:.0f} % of the LUTs estimated rest on {what}"


def counts(bill: Bill, family: Family) -> tuple[dict[str, float], int, float]:
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
                amount = bits * per
            else:
                name, bits, amount = "stored", store.bits, family.ram_luts(store.bits, store.depth)
            out[name] = out.get(name, 0) + amount
            registers = not family.lut_rams and not store.rom
            kept = bits * (registers * store.depth + (not store.compared))
            out["latched"] = out.get("latched", 0) + kept
    dsp = dsps(bill.products, family, bill.terms)
    if not dsp:
        end = next((n.removeprefix("tree_product") for n in out if n.startswith("tree_product")), "")
        if bill.products and not any(n.startswith(("ternary", "signed")) for n in out):
            out[f"product{end}"] = sum(n * a * b for n, a, b, _ in bill.products)
    else:
        for name in [
            n for n in out if n.startswith(("ternary", "signed", "tree_ternary", "tree_signed", "tree_product"))
        ]:
            more = out.pop(name)
            if name.startswith("tree"):
                out["tree_dsp"] = more
    return out, bram, dsp
