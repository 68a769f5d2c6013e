"""What hardware costs on each family: coefficients of structural counts, and memories by shape.

Stands on units.base. The coefficients in costs.json come from `python -m hwflow.synth.fit`, which measures units with
Yosys and says there with which version and when.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil, gcd
from pathlib import Path
from typing import Any

from hwflow.units.base import Cost

TABLE = Path(__file__).with_name("costs.json")
STYLE = ("auto", "lut", "block", "const")  # by the number that is a module's Style

# shapes one block offers (width: depth), and the bits of a ROM from which Yosys takes a block by itself
KILO18 = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}
BLOCKS = {"xc7": KILO18, "ecp5": KILO18, "gowin": KILO18, "ice40": {1: 4096, 2: 2048, 4: 1024, 8: 512, 16: 256}}
ROM_BITS = {"xc7": 4920, "ecp5": 2048, "gowin": 2048, "ice40": 1024}
# most bits of the two factors of one multiplier, least bits of either and of the product it is taken for
MULTIPLIERS = {"xc7": (25, 18, 2, 9), "ecp5": (18, 18, 2, 2), "gowin": (18, 18, 4, 4), "ice40": (16, 16, 2, 11)}

Products = tuple[tuple[int, int, int, int], ...]  # how many, bits of either factor and of the product


def blocks(family: str, bits: int, depth: int) -> int:
    """Block RAMs of a memory."""
    shapes = BLOCKS[family]
    return min(ceil(bits / width) * ceil(depth / deep) for width, deep in shapes.items())


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


# ---------------------------------------------------------------- units, by the parameters of their modules


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
def popcount(n: int, first: int, height: int = 0) -> tuple[float, int, int, int]:
    """Full leaves, full adders, flip-flops and latency of hls/popcount.sv for n bits."""
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
    """Bits of adders, flip-flops and latency of hls/adder_tree.sv for n terms, of which no more than `most` bits of
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


def _mvu(p: Params) -> Shape:
    """As hls/mvu.sv is made: gates of lanes, trees, accumulators, thresholds, and the registers between them."""
    x, w, pe, simd = p["XBits"], p["WBits"], p["Pe"], p["Simd"]
    groups, passes, lanes = p["Cols"] // simd, p["Rows"] // pe, pe * simd
    steps, signs = groups * passes, {0, 3}
    fixed = "_fixed" if steps == 1 else ""
    late = p["Style"] == 2 or (p["Style"] == 0 and steps >= 64)
    products: Products = ()
    fused = False
    if p["XKind"] in signs and p["WKind"] in signs:
        masks = 2 if p["WKind"] == 3 else 1 if p["XKind"] == 3 else 0
        fused = p["Style"] < 2 and 1 < steps <= 32
        kind = f"bits{masks}{'_table' if fused else ''}{fixed}"
        trees = pe * (2 if masks == 2 else 1)
        leaves, adders, registers, deep = popcount(simd, 4 if fused else 3)
        size = simd.bit_length() + (masks > 0)
        counts = {
            kind: trees * leaves,
            f"adders{fixed}": (trees + (masks == 1)) * adders,
            "less": pe * size * (masks > 0),
        }
        registers = (trees + (masks == 1)) * registers + pe * size + fused * (trees * simd + (masks == 1) * simd)
        deep += fused
    else:
        # in LUTs -1/+1 times a number is no product, nor is a number times a weight of -1, 0, +1 a wide one
        select = p["WKind"] == 0
        few = "_few" if steps == 2 else fixed  # two words of weights: a bit of one is 0, 1 or the address
        kind = "select" if select else "signed" if p["XKind"] == 0 else "ternary" if p["WKind"] == 3 else "product"
        term = x + 1 if select else x + w + 1
        adders, registers, deep = adder_tree(simd, term, p["AccBits"])
        size = min(x + w + 1 + (simd - 1).bit_length(), p["AccBits"])
        counts = {
            f"tree_{kind}{few}": pe * adders, "tree": select * adders, "less": pe * size * select,
            **({} if kind == "product" else {f"{kind}{few}": lanes * (w + 1 if kind == "signed" else x)}),
        }  # fmt: skip
        registers = pe * (registers + size) + select * registers
        if kind != "select":
            value = 2 if kind == "signed" else x  # bits that multiply
            products = ((lanes, value, w, value + (p["XKind"] == 1) + w),)
    depth = 2 + late + deep
    counts |= {
        "one": 1, "acc": pe * p["AccBits"], "start": pe * p["AccBits"] * (p["Levels"] == 1 and passes > 1), "counters": counter(groups, passes, steps),
        "word": simd * x, "out": pe * p["YBits"], "raw": pe * p["YBits"] * (p["Levels"] == 0 and p["XKind"] == p["WKind"] == 0),
        "stairs": pe * p["Levels"] * p["AccBits"] if p["Levels"] > 1 else 0, "levels": pe * p["Levels"] if p["Levels"] > 1 else 0,
        "replay": simd * x if passes > 1 and groups > 1 else 0,
        "registers": registers + 3 * depth + late * (lanes * w + simd * x), "places": counter(passes) * (depth - 1),
    }  # fmt: skip
    stores = [
        Store(lanes * w, steps, STYLE[p["Style"] % 3], compared=simd if fused else 0),
        Store(pe * p["Levels"] * p["ThrBits"], passes),
    ]
    if counts["replay"]:
        stores.append(Store(simd * x, groups, rom=False))
    return Shape(counts, tuple(stores), products)


def _mvu_net(p: Params) -> Shape:
    """As hls/mvu_net.sv is made: adders that rows share, registers between them, comparisons with constants."""
    rows, levels = p["Rows"], p["Levels"]
    counts = {
        "one": 1, "adders": p["AdderBits"], "registers": p["RegisterBits"] + p["Cols"], "places": p["NetLatency"] + 1, "out": rows * p["YBits"],
        "raw": rows * p["YBits"] * (levels == 0), "reaches": rows * levels * p["NodeBits"], "stairs": rows * levels * p["YBits"] * (levels > 1),
    }  # fmt: skip
    return Shape(counts)


def _vvu(p: Params) -> Shape:
    blocks, pe = p["Channels"] // p["Pe"], p["Pe"]
    signs = {0, 3}
    both, one = p["XKind"] in signs and p["WKind"] in signs, p["XKind"] in signs or p["WKind"] in signs
    kind = "bits" if both else "select" if one else "multiply"
    size = p["XBits"] * p["WBits"] if kind == "multiply" else p["XBits"] + p["WBits"]
    counts = {
        "one": 1, kind: pe * size, "acc": pe * p["AccBits"], "out": pe * p["YBits"],
        "counters": counter(p["Taps"], p["Taps"] * blocks, blocks),
        "stairs": pe * p["Levels"] * p["AccBits"] if p["Levels"] > 1 else 0, "raw": pe * p["YBits"] if p["Levels"] == 0 else 0,
    }  # fmt: skip
    stores = (Store(pe * p["WBits"], p["Taps"] * blocks), Store(pe * p["Levels"] * p["ThrBits"], blocks))
    a, b = p["XBits"], p["WBits"]
    return Shape(counts, stores, ((pe, a, b, a + (p["XKind"] == 1) + b),) if kind == "multiply" else ())


def _window(p: Params) -> Shape:
    lanes = max(p["Simd"] // p["Channels"], 1)
    blocks, padded = p["Channels"] * lanes // p["Simd"], p["PadTop"] + p["PadLeft"] + p["PadBottom"] + p["PadRight"] > 0
    image = p["Height"] * p["Width"] * blocks
    counts = {
        "one": 1, "address": counter(p["Depth"]), "credit": counter(image + p["Depth"]),
        "counters": counter(blocks, p["KernelH"], p["KernelW"], p["Height"] // p["StrideH"], p["Width"] // p["StrideW"]),
        "padded": padded, "position": counter(p["Height"] + 2, p["Width"] + 2) * padded,
        "lanes": p["Simd"] * p["YBits"] * padded, "widened": p["Simd"] * (p["YBits"] - p["XBits"]), "banks": p["Simd"] * p["XBits"] * (lanes > 1),
    }  # fmt: skip
    ring = [Store(p["Simd"] // lanes * p["XBits"], ceil(p["Depth"] / lanes), STYLE[p["Style"]], rom=False)] * lanes
    pads = [Store(p["Simd"] // lanes * p["YBits"], blocks)] if p["PadFile"] else []
    return Shape(counts, (*ring, *pads))


def _pool(p: Params) -> Shape:
    blocks, bits = p["Channels"] // p["Pe"], p["Pe"] * p["YBits"]
    wide = p["Width"] // p["KernelW"]
    entries = blocks * (wide if p["KernelH"] > 1 else 1)
    kind = "sum" if p["Sum"] else "bits" if p["XBits"] == 1 else "compare"
    counters = counter(blocks, p["KernelH"], p["KernelW"], wide + 1, p["Height"] // p["KernelH"] + 1, entries)
    counts = {"one": 1, "counters": counters, kind: bits, "kept": bits * (entries > 1)}
    minima = [Store(p["Pe"], blocks)] if p["MinimumFile"] else []
    return Shape(counts, (*([Store(bits, entries, rom=False)] if entries > 1 else []), *minima))


def _reduce(p: Params) -> Shape:
    kind = "sum" if p["Sum"] else "bits" if p["XBits"] == 1 else "compare"
    minima = (Store(p["Pe"], p["Channels"] // p["Pe"]),) if p["MinimumFile"] else ()
    return Shape({"one": 1, "counters": counter(p["Taps"]), kind: p["Pe"] * p["YBits"]}, minima)


def _threshold(p: Params) -> Shape:
    pe, record, live = p["Pe"], p["Levels"] * p["ThrBits"] + p["Falling"], p["Live"]
    groups = max(p["Channels"] // pe, 1)
    counts = {"one": 1, "in": pe * p["XBits"], "out": pe * p["YBits"], "counters": counter(groups)}
    stairs = pe * p["Levels"] * p["YBits"] if p["Levels"] > 1 else 0
    if groups > 1:
        counts |= {
            "compare": live * max(p["XBits"], p["ThrBits"]),
            "stairs": stairs,
            "falling": pe * p["YBits"] * p["Falling"],
        }
    elif p["XBits"] <= 4:
        many = p["Levels"] > 1
        counts["looked_stairs" if many else "looked_up"] = p["Functions"]
        counts |= {"live_looked": live * many, "live_wide": live * many * (p["ThrBits"] > 4)}
    elif p["XBits"] <= 6:
        counts |= {"live_small": live, "stairs_small": stairs}
    else:
        counts |= {"compare_fixed": live * p["XBits"], "live": live, "stairs_fixed": stairs}
    return Shape(counts, (Store(pe * record, groups),))


def _rescale(p: Params) -> Shape:
    pe, blocks, factor = p["Pe"], p["Channels"] // p["Pe"], p["Mul"]
    value, m = p["XBits"] + (p["XKind"] != 2), p["MulBits"]
    if not m and (factor < 0 or factor & (factor - 1)):  # one constant for all
        m = factor.bit_length() + 1
    ends = "_fixed" if blocks == 1 else "_few" if blocks == 2 else ""
    counts = {
        "one": 1, f"sum{ends}": pe * p["SumBits"], "in": pe * value, "out": pe * p["YBits"], "counters": counter(blocks),
        "clip": pe * max(p["SumBits"] - p["Shift"], 1), "add": pe * p["AddBits"], f"tree_product{ends}": 0,
    }  # fmt: skip
    products = ((pe, value, m, min(value + m, p["SumBits"])),) if m else ()
    return Shape(counts, (Store(pe * (p["MulBits"] + p["AddBits"]), blocks),), products)


def _add(p: Params) -> Shape:
    terms, joins, digits = p["Pe"] * p["YBits"], max(p["Inputs"] - 1, 0), _digits(p)
    counts = {"one": 1, "out": terms, "signs": sum(terms * (p[f"XKind{i}"] == 0) for i in range(p["Inputs"]))}
    if p["YBits"] <= 4:  # no carry chain is worth it
        counts["small"] = terms * (joins + digits)
    else:
        counts |= {"adders": terms * joins, "digits": terms * digits, "chains": p["Pe"] * (joins + digits)}
    return Shape(counts)


def _digits(p: Params) -> int:
    """Additions that constant scales of numbers take: their signed digits, less the first one where it is positive."""
    scales = [p[f"Scale{i}"] for i in range(p["Inputs"]) if p[f"XKind{i}"]]
    return sum((s ^ 3 * s).bit_count() - 1 if s > 0 else (s ^ 3 * s).bit_count() for s in scales)


def _concat(p: Params) -> Shape:
    counts = {"one": 1, "counters": counter(max(p[f"Words{i}"] for i in range(4))), "out": p["Simd"] * p["YBits"]}
    counts["parts"] = p["Simd"] * p["YBits"] * p["Inputs"]
    counts["digits"] = p["Simd"] * p["YBits"] * _digits(p) if p["YKind"] else 0
    return Shape(counts)


def _pad(p: Params) -> Shape:
    tall, across = p["Height"] + p["PadTop"] + p["PadBottom"], p["Width"] + p["PadLeft"] + p["PadRight"]
    blocks = (p["Channels"] + p["Before"] + p["After"]) / p["Pe"]
    return Shape({"one": 1, "counters": counter(tall, across, blocks), "out": p["Pe"] * p["YBits"]})


def _upsample(p: Params) -> Shape:
    blocks, bits = p["Channels"] // p["Pe"], p["Pe"] * p["Bits"]
    counters = counter(p["FactorH"], p["FactorW"], blocks, p["Width"])
    return Shape(
        {"one": 1, "address": counter(p["Depth"]), "counters": counters, "out": bits},
        (Store(bits, p["Depth"], rom=False),),
    )


def _width(p: Params) -> Shape:
    i, o, bits = p["ParIn"], p["ParOut"], p["Bits"]
    if i == o:
        return Shape({})
    if o % i == 0:
        return Shape({"widen": 1, "widen_bits": o * bits, "widen_counter": counter(o // i + 1)})
    if i % o == 0:
        return Shape({"narrow": 1, "narrow_bits": i * bits, "narrow_counter": counter(i // o + 1)})
    unit = gcd(i, o)
    held = (i + o - unit) * bits
    return Shape({"any": 1, "any_bits": held, "any_shifts": held * min(i, o) // unit})


def _fifo(p: Params) -> Shape:
    if p["Depth"] == 2:
        return Shape({"skid": 1, "skid_bits": p["Bits"]})
    words = p["Depth"] - 1
    return Shape({"one": 1, "counters": counter(words)}, (Store(p["Bits"], words, STYLE[p["Style"]], rom=False),))


def _split(p: Params) -> Shape:
    return Shape({"copies": p["Copies"] if p["Copies"] > 1 else 0})


def _topk(p: Params) -> Shape:
    simd, k, entry = p["Simd"], p["K"], p["XBits"] + p["YBits"] + 1
    counts = {"one": 1, "counters": counter(p["Size"] // simd, k + 1), "kept": k * entry, "index": k * p["YBits"]}
    return Shape(
        {**counts, "sorted": simd * k * entry, "ordered": simd * k * (p["XBits"] + 1), "moved": simd * (k - 1) * entry}
    )


SHAPES: dict[str, Callable[[Params], Shape]] = {
    "mvu": _mvu, "mvu_net": _mvu_net, "vvu": _vvu, "window": _window, "pool": _pool, "reduce": _reduce, "threshold": _threshold,
    "rescale": _rescale, "add": _add, "concat": _concat, "pad": _pad, "upsample": _upsample, "width": _width,
    "fifo": _fifo, "split": _split, "topk": _topk, "recode": lambda p: Shape({}),  # noqa: ARG005
}  # fmt: skip


@cache
def table() -> dict[str, Any]:
    """costs.json: for each family its coefficients by module, and where they come from."""
    return json.loads(TABLE.read_text())


def estimate(module: str, params: Params, family: str) -> Cost:
    """Resources of a unit on a family, from the parameters of its module."""
    known = coefficients(family).get(module, {"lut": {}, "ff": {}})
    found, bram, dsp = counts(module, params, family)
    lut = sum(n * known["lut"].get(k, 0.0) for k, n in found.items())
    ff = sum(n * known["ff"].get(k, 0.0) for k, n in found.items())
    return Cost(round(lut, 1), round(ff, 1), bram, dsp)


@cache
def coefficients(family: str) -> dict[str, Any]:
    """LUTs and flip-flops of one of each count, by module."""
    return table()["families"][family]["modules"]


def counts(module: str, params: Params, family: str) -> tuple[dict[str, float], int, float]:
    """What LUTs and flip-flops of a unit grow with, and its block RAMs and multipliers, which are exact."""
    shape = SHAPES[module](params)
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
