"""What hardware costs on each family: coefficients of structural counts, and memories by shape.

Stands on units.base. The coefficients in costs.json come from `python -m hwflow.synth.fit`, which measures units with
Yosys and says there with which version and when.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from hwflow.units.base import Cost

TABLE = Path(__file__).with_name("costs.json")
STYLE = ("auto", "lut", "block", "const")  # by the number that is a module's Style

# shapes one block offers (width: depth), and the least depth at which Yosys takes a block for a ROM by itself
KILO18 = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}
BLOCKS = {
    "xc7": (KILO18, 257),
    "ecp5": (KILO18, 65),
    "gowin": (KILO18, 65),
    "ice40": ({1: 4096, 2: 2048, 4: 1024, 8: 512, 16: 256}, 65),
}
# bits of the two factors of one multiplier, and the least product it is taken for
MULTIPLIERS = {"xc7": (25, 18, 9), "ecp5": (18, 18, 4), "gowin": (18, 18, 4), "ice40": (16, 16, 4)}


def blocks(family: str, bits: int, depth: int) -> int:
    """Block RAMs of a memory."""
    shapes = BLOCKS[family][0]
    return min(ceil(bits / width) * ceil(depth / deep) for width, deep in shapes.items())


def rom_luts(family: str, depth: int) -> float:
    """LUTs of one bit of a ROM."""
    inputs = max(depth - 1, 0).bit_length()
    if family == "xc7":
        return (0, 0.3, 0.5, 0.8, 1, 1)[inputs] if inputs < 6 else 2.0 ** (inputs - 6)
    return (0, 0.5, 0.9, 1, 1)[inputs] if inputs < 5 else (3.6, 8)[inputs - 5] if inputs < 7 else 2.0 ** (inputs - 3)


def ram_luts(family: str, depth: int) -> float:
    """LUTs of one bit of a memory with one port to write and one to read."""
    if family == "xc7":
        return 0.67 if depth <= 32 else 1.33 * ceil(depth / 64) + 0.5 * (ceil(depth / 64) - 1)
    if family == "ice40":
        return 1.7 * depth  # flip-flops and a multiplexer
    return 1.5 * ceil(depth / 16) + 1.0 * (ceil(depth / 16) - 1)


def dsps(products: tuple[tuple[int, int, int], ...], family: str) -> float:
    """Multipliers of a family for products (how many, of how many bits by how many)."""
    wide, narrow, least = MULTIPLIERS[family]
    return sum(
        n * ceil(max(a, b) / wide) * ceil(min(a, b) / narrow)
        for n, a, b in products
        if a + b >= least and min(a, b) > 1
    )


# ---------------------------------------------------------------- units, by the parameters of their modules


@dataclass(frozen=True)
class Store:
    """A memory inside a unit; `rom` where nothing writes it."""

    bits: int
    depth: int
    style: str = "auto"
    rom: bool = True


@dataclass(frozen=True)
class Shape:
    """What a unit is made of: counts that LUTs and flip-flops grow with, its memories, its multipliers."""

    counts: Mapping[str, float]
    stores: tuple[Store, ...] = ()
    products: tuple[tuple[int, int, int], ...] = ()  # how many, of how many bits by how many


Params = Mapping[str, Any]


def counter(*sizes: float) -> float:
    """Bits of counters of these sizes."""
    return float(sum(max(int(n) - 1, 0).bit_length() for n in sizes))


def _mvu(p: Params) -> Shape:
    groups, passes, lanes = p["Cols"] // p["Simd"], p["Rows"] // p["Pe"], p["Pe"] * p["Simd"]
    steps, signs = groups * passes, {0, 3}
    if p["XKind"] in signs and p["WKind"] in signs:
        kind, size = f"bits{p['XKind']}{p['WKind']}", 1
    elif p["WKind"] == 0:
        kind, size = "select", p["XBits"]
    else:
        kind, size = "multiply", p["XBits"] * p["WBits"]
    fixed = "_fixed" if steps == 1 else ""
    counts = {
        "one": 1, f"{kind}{fixed}": lanes * size, f"{kind}{fixed}_rows": p["Pe"], "acc": p["Pe"] * p["AccBits"],
        "counters": counter(groups, passes, steps), "word": p["Simd"] * p["XBits"], "out": p["Pe"] * p["YBits"],
        "shared": p["Simd"] * p["XBits"] if p["WKind"] == 0 and p["XKind"] else 0,
        "stairs": p["Pe"] * p["Levels"] * p["AccBits"] if p["Levels"] > 1 else 0,
        "raw": p["Pe"] * p["YBits"] if p["Levels"] == 0 else 0,
        "replay": p["Simd"] * p["XBits"] if passes > 1 and groups > 1 else 0,
    }  # fmt: skip
    stores = [
        Store(lanes * p["WBits"], steps, STYLE[p["Style"] % 3]),
        Store(p["Pe"] * p["Levels"] * p["ThrBits"], passes),
    ]
    if counts["replay"]:
        stores.append(Store(p["Simd"] * p["XBits"], groups, rom=False))
    products = ((lanes, p["XBits"], p["WBits"]),) if kind == "multiply" and steps > 1 else ()
    return Shape(counts, tuple(stores), products)


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
    return Shape(counts, stores, ((pe, p["XBits"], p["WBits"]),) if kind == "multiply" else ())


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
    pe, record = p["Pe"], p["Levels"] * p["ThrBits"] + p["Falling"]
    groups = max(p["Channels"] // pe, 1)
    width = max(p["XBits"], p["ThrBits"]) * pe * p["Levels"]
    fixed = "_fixed" if groups == 1 else ""
    counts = {
        "one": 1,
        f"compare{fixed}": width,
        "in": pe * p["XBits"],
        "out": pe * p["YBits"],
        "counters": counter(groups),
    }
    counts["stairs"] = pe * p["Levels"] if p["Levels"] > 1 else 0
    counts["falling"] = pe * p["YBits"] * p["Falling"]
    return Shape(counts, (Store(pe * record, groups),))


def _rescale(p: Params) -> Shape:
    pe, blocks = p["Pe"], p["Channels"] // p["Pe"]
    x, m = p["XBits"] + (p["XKind"] != 2), p["MulBits"]
    counts = {
        "one": 1, "sum": pe * p["SumBits"], "in": pe * x, "out": pe * p["YBits"], "counters": counter(blocks),
        "fixed": pe * x * (m == 0), "clip": pe * max(p["SumBits"] - p["Shift"], 1), "add": pe * p["AddBits"],
        "fixed_blocks": pe * m * x * (blocks == 1),
    }  # fmt: skip
    return Shape(counts, (Store(pe * (m + p["AddBits"]), blocks),), ((pe, x, m),) if m and blocks > 1 else ())


def _add(p: Params) -> Shape:
    terms = range(p["Inputs"])
    plain = sum(bin(abs(p[f"Scale{i}"])).count("1") for i in terms) - 1
    return Shape({"one": 1, "out": p["Pe"] * p["YBits"], "adders": p["Pe"] * p["YBits"] * max(plain, 0)})


def _concat(p: Params) -> Shape:
    counts = {"one": 1, "counters": counter(max(p[f"Words{i}"] for i in range(4))), "out": p["Simd"] * p["YBits"]}
    scaled = sum(bin(abs(p[f"Scale{i}"])).count("1") > 1 for i in range(p["Inputs"]))
    return Shape({**counts, "parts": p["Simd"] * p["YBits"] * p["Inputs"], "scaled": p["Simd"] * p["YBits"] * scaled})


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
    return Shape({"any": 1, "any_bits": (i + o) * bits, "any_shifts": (i + o) * bits * min(i, o)})


def _fifo(p: Params) -> Shape:
    if p["Depth"] == 2:
        return Shape({"skid": 1, "skid_bits": p["Bits"]})
    words = p["Depth"] - 1
    return Shape({"one": 1, "counters": counter(words)}, (Store(p["Bits"], words, STYLE[p["Style"]], rom=False),))


def _split(p: Params) -> Shape:
    return Shape({"copies": p["Copies"] if p["Copies"] > 1 else 0})


def _topk(p: Params) -> Shape:
    entry = p["XBits"] + p["YBits"] + 1
    counts = {"one": 1, "counters": counter(p["Size"] // p["Simd"], p["K"] + 1), "kept": p["K"] * entry}
    return Shape({**counts, "sorted": p["Simd"] * p["K"] * entry, "index": p["K"] * p["YBits"]})


SHAPES: dict[str, Callable[[Params], Shape]] = {
    "mvu": _mvu, "vvu": _vvu, "window": _window, "pool": _pool, "reduce": _reduce, "threshold": _threshold,
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
            per = rom_luts(family, store.depth) if store.rom else ram_luts(family, store.depth)
            out["stored"] = out.get("stored", 0) + store.bits * per
            registers = family == "ice40" and not store.rom
            out["latched"] = out.get("latched", 0) + store.bits * (1 + registers * store.depth)
    dsp = dsps(shape.products, family)
    if not dsp:
        out["product"] = sum(n * a * b for n, a, b in shape.products)
    return out, bram, dsp


def in_block(store: Store, family: str) -> bool:
    """True where a memory is in block RAM."""
    if store.style != "auto":
        return store.style == "block"
    small = family == "ice40" and store.bits * store.depth < 700
    if store.rom:
        return store.depth >= BLOCKS[family][1] and not small
    if family == "xc7":
        return store.depth >= 512
    if family == "ice40":
        return not small
    # one block is worth 32 LUT memories of 16 words of four bits
    return ceil(store.bits / 4) * ceil(store.depth / 16) >= 32 * blocks(family, store.bits, store.depth)
