"""The cost models: units measured by Yosys side by side, and the coefficients that explain them best.

Stands on synth and units. `python -m hwflow.bench.fit` measures what the cache does not hold and writes families/costs.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bench.designs import random_folding, random_net
from hwflow.bench.measure import key, measured
from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.families import HERE, cost_table, family_of, fitted
from hwflow.lower import lower
from hwflow.ops import Port
from hwflow.synth import yosys
from hwflow.units import Fifo, MaximumUnit, Mvu, Pool, RescaleUnit, ThresholdUnit, Vvu, Width, Window
from hwflow.units.kit import costs
from hwflow.units.kit.base import Unit
from hwflow.units.kit.weighted import TERNARY

SEEDS = (1, 2, 5)
MOST = {"mvu": 36, "window": 16, "threshold": 16, "width": 12, "rescale": 14, "vvu": 14, "fifo": 8, "recode": 0}


def units(seed: int) -> list[Unit]:
    """Some hundred units of every module, as random networks have them, and wider and deeper ones beside."""
    rng = np.random.default_rng(seed)
    found: list[Unit] = []
    count: Counter[str] = Counter()
    for s in range(1000 * seed, 1000 * seed + 120):
        net = random_net(s)
        for unit in lower(net, random_folding(net, s)).units:
            if count[unit.module] < MOST.get(unit.module, 10):
                count[unit.module] += 1
                found.append(unit)
    every = found + wide(rng) + numbers(rng) + ([*parallel(rng), *whole(rng)] if seed == SEEDS[0] else [])
    every += multiplied(np.random.default_rng(100 + seed))
    every += in_luts(every) + like_networks(np.random.default_rng(200 + seed))
    every += like_residual(np.random.default_rng(300 + seed)) + maxima(np.random.default_rng(400 + seed))
    return [u for u in every if u.synthesises_quickly]


def multiplied(rng: np.random.Generator) -> list[Unit]:
    """Units whose products are of numbers of several bits, of which random networks have few."""
    out: list[Unit] = []
    inputs = (Ints(0, 15), Ints(-128, 127), Ints(0, 255), Ints(-8, 7))
    for k in range(8):
        x, most = inputs[k % 4], (7, 1, 99, 1)[(k + k // 4) % 4]
        simd, pe, groups, passes = (int(rng.choice(n)) for n in ((2, 3, 6, 9), (1, 2, 4), (1, 2, 8), (1, 2, 6)))
        w = rng.integers(-most, most + 1, (pe * passes, simd * groups))
        out.append(Mvu(name="m", inputs=("input",), x=Port((2, simd * groups), x), weights=w, pe=pe, simd=simd))
    for k in range(4):
        taps, pe, blocks = 9, int(rng.choice((1, 2, 4))), int(rng.choice((1, 2, 5)))
        w = rng.integers(-(7, 99)[k % 2], 8, (pe * blocks, taps))
        out.append(Vvu(name="v", inputs=("input",), x=Port((2, w.size), inputs[k]), weights=w, pe=pe))
    return out


def matrix(x: Ints, weights: Array, thresholds: Array | None, **folding: Any) -> Mvu:
    """A matrix unit on two vectors of x."""
    port = Port((2, weights.shape[1]), x)
    return Mvu(
        name="m", inputs=("input",), x=port, weights=weights, thresholds=thresholds, bipolar=thresholds is not None, **folding
    )  # fmt: skip


def like_networks(rng: np.random.Generator) -> list[Unit]:
    """Matrix units as the planner makes them of large networks: few columns a word from block RAM, deep tables in LUTs, some
    ten products of four bits."""
    out: list[Unit] = []
    for pe, simd, groups, passes, style in (
        (16, 9, 16, 8, "block"),
        (8, 3, 12, 16, "block"),
        (1, 2, 96, 10, "lut"),
        (8, 16, 3, 4, "lut"),
    ):
        groups *= int(rng.integers(1, 3))
        w = rng.choice((-1, 1), (pe * passes, simd * groups))
        t = rng.integers(-simd, simd, (pe * passes, 1))
        out.append(matrix(BIPOLAR, w, t, pe=pe, simd=simd, style=style))
    x, pe, simd, steps = (Ints(0, 15), 4, 8, 16) if rng.random() < 0.5 else (Ints(0, 15), 2, 24, 4)
    w = rng.integers(-7, 8, (pe * steps, simd))
    made = Mvu(name="m", inputs=("input",), x=Port((2, simd), x), weights=w, pe=pe, simd=simd)
    return [*out, made, made.folded(mult="lut")]


def like_residual(rng: np.random.Generator) -> list[Unit]:
    """Units as residual networks have them: tables of 18 to 32 words and all weights at once on masked and other bits,
    scales of every channel, values that are only clipped."""
    out: list[Unit] = []
    for k, (pe, simd, groups, passes) in enumerate(((6, 36, 4, 8), (3, 48, 2, 9), (8, 24, 3, 8), (16, 81, 1, 1))):
        bits = TERNARY if (k + rng.integers(2)) % 2 else BIPOLAR
        w = rng.choice((-1, 1), (pe * passes, simd * groups))
        out.append(matrix(bits, w, None, pe=pe, simd=simd, style="lut"))
    pixels, w = Ints(-128, 127), rng.integers(-127, 128, (1, 25))
    out.append(matrix(pixels, w, None, pe=1, simd=25, style="lut", mult=("lut", "dsp")[rng.integers(2)]))
    for k in range(8):
        c, pe, half = (64, 8)[k > 1], (1, 2, 4, 8)[k % 4], 2 ** (int(rng.integers(9, 20)) - 1)
        x, same, zero = Port((2, 2, c), Ints(-half, half - 1)), np.ones(c, int), np.zeros(c, int)
        mul, add = rng.integers(200, 2000, c), rng.integers(-60000, 60000, c)
        scaled: dict[str, Any] = (
            {"mul": mul, "add": add, "shift": 10} if k < 4 else {"mul": same, "add": zero, "shift": 0}
        )
        out.append(
            RescaleUnit(name="r", inputs=("input",), x=x, **scaled, lo=-128, hi=127, pe=pe, mult=("dsp", "lut")[k % 2])
        )
    for k, (pe, simd) in enumerate(((4, 9), (8, 18), (4, 36), (8, 12), (2, 48), (6, 24))):
        rows, groups = pe * int(rng.choice((4, 8, 16))), int(rng.choice((4, 8, 12)))
        w = rng.choice((-1, 1), (rows, simd * groups))
        t = rng.integers(-simd, simd, (rows, 1)) if k % 2 else None
        out.append(matrix((BIPOLAR, TERNARY)[k // 2 % 2], w, t, pe=pe, simd=simd, style="block"))
    return out


def maxima(rng: np.random.Generator) -> list[Unit]:
    """Maxima of two streams of every encoding, of which random networks have none."""
    out: list[Unit] = []
    for k, ints in enumerate((BIPOLAR, Ints(0, 3), Ints(-8, 7), Ints(0, 255), Ints(-2000, 2000), BIPOLAR)):
        pe = int(rng.choice((1, 2, 3, 8, 16)))
        x = Port((2, pe * int(rng.choice((1, 2, 5)))), ints)
        out.append(MaximumUnit(name=f"m{k}", inputs=("a", "b"), x=x, pe=pe))
    return out


def in_luts(every: Sequence[Unit], most: int = 20) -> list[Unit]:
    """Units that multiply, some of each module, with their products in LUTs."""
    out: list[Unit] = []
    for kind in (Mvu, Vvu, RescaleUnit):
        mine = [u for u in every if type(u) is kind and u.multiplies]
        out += mine[:: -(-len(mine) // most) or 1]
    return [u.folded(mult="lut") for u in out]


def wide(rng: np.random.Generator) -> list[Unit]:
    """Matrix units of real size, fifos and windows of real depth: where memories begin."""
    out: list[Unit] = []
    kinds = (BIPOLAR, BIPOLAR, BIPOLAR, Ints(-1, 1), Ints(0, 255), Ints(-8, 7))
    for k in range(14):
        ints = kinds[k % len(kinds)]
        simd, pe = int(rng.choice((8, 16, 32, 64, 49) if ints.bits < 3 else (3, 4, 8))), int(rng.choice((1, 2, 4, 8)))
        groups, passes = int(rng.choice((1, 2, 4, 9, 16))), int(rng.choice((1, 2, 8, 16, 32)))
        w = rng.choice((-1, 1), (pe * passes, simd * groups))
        t = rng.integers(-simd, simd, (pe * passes, 1)) if k % 5 else None
        style = ("lut", "block", "auto")[k % 3]
        out.append(matrix(ints, w, t, pe=pe, simd=simd, style=style))
    for depth, bits in ((5, 8), (40, 16), (130, 4), (400, 8), (1100, 8), (24, 64)):
        out.append(Fifo(name="f", inputs=("input",), x=Port((4096, 1), Ints(0, 2**bits - 1)), par=1, depth=depth))
    for size, c, simd in ((16, 16, 16), (32, 3, 3), (16, 32, 4), (12, 64, 32)):
        out.append(
            Window(
                name="w",
                inputs=("input",),
                x=Port((size, size, c), BIPOLAR),
                kernel=(3, 3),
                pads=(1, 1, 1, 1),
                simd=simd,
            )
        )
    return out


def numbers(rng: np.random.Generator) -> list[Unit]:
    """Matrix units on numbers of several bits, width converters of any two sizes, thresholds and pools of numbers."""
    out: list[Unit] = []
    inputs = (Ints(0, 3), Ints(-8, 7), Ints(0, 255), Ints(-32, 31), BIPOLAR, Ints(-256, 255))
    for k in range(18):
        x, most = inputs[k % 6], (1, 3, 3, 0)[k % 4]  # weights up to so much, 0: -1 and +1
        simd, pe = int(rng.choice((1, 2, 3, 4, 6, 16))), int(rng.choice((1, 2, 4, 8)))
        groups, passes = int(rng.choice((1, 2, 4, 9))), int(rng.choice((1, 2, 4, 8)))
        shape = (pe * passes, simd * groups)
        w = rng.integers(-most, most + 1, shape) if most else rng.choice((-1, 1), shape)
        t = np.sort(rng.integers(-9, 9, (shape[0], 3 if k % 5 == 0 else 1)), 1) if k % 3 else None
        out.append(
            Mvu(name="m", inputs=("input",), x=Port((2, shape[1]), x), weights=w, thresholds=t, pe=pe, simd=simd)
        )
    for a, b in ((2, 3), (3, 2), (4, 6), (6, 4), (6, 9), (4, 3), (12, 3), (3, 12), (8, 2), (2, 8), (1, 16), (16, 1)):
        ints = Ints(0, 2 ** int(rng.integers(1, 12)) - 1)
        out.append(Width(name="w", inputs=("input",), x=Port((144,), ints), par_in=a, par_out=b))
    for k in range(6):
        ints, c, levels = inputs[(k % 3) + 1], int(rng.choice((4, 8, 24))), 3 if k % 2 else 1
        t = np.sort(rng.integers(ints.lo, ints.hi + 2, (c, levels)), 1)
        pe = c if k < 4 else c // 2
        out.append(
            ThresholdUnit(
                name="t", inputs=("input",), x=Port((2, 2, c), ints), thresholds=t, falling=rng.random(c) < 0.3, pe=pe
            )
        )
    for k in range(6):
        c, pe = 8, int(rng.choice((1, 2, 4)))
        out.append(
            Pool(
                name="p",
                inputs=("input",),
                x=Port((4, 8, c), inputs[(k % 3) + 1]),
                kernel=((1, 2), (2, 2), (2, 1))[k % 3],
                kind=("max", "sum")[k % 2],
                pe=pe,
            )
        )
    for bits, depth in ((2, 2), (16, 2), (64, 2), (72, 4), (3, 9), (8, 12)):
        out.append(Fifo(name="f", inputs=("input",), x=Port((4096, 1), Ints(0, 2**bits - 1)), par=1, depth=depth))
    return out


def parallel(rng: np.random.Generator) -> list[Unit]:
    """Matrix units as large networks have them, some hundred lanes each: small tables of weights, all weights at once
    with and without shared adders, masks of padded images, first layers of pixels."""
    out: list[Unit] = []

    def add(x: Ints, pe: int, simd: int, passes: int = 1, groups: int = 1, most: int = 0, style: str = "lut") -> None:
        shape = (pe * passes, simd * groups)
        w = rng.integers(-most, most + 1, shape) if most else rng.choice((-1, 1), shape)
        t = rng.integers(-simd, simd, (shape[0], 1)) if len(out) % 4 else None
        bipolar = t is not None
        port = Port((2, shape[1]), x)
        out.append(
            Mvu(
                name="m", inputs=("i",), x=port, weights=w, thresholds=t, bipolar=bipolar, pe=pe, simd=simd, style=style
            )
        )

    for steps, ints in ((2, BIPOLAR), (4, TERNARY), (8, BIPOLAR), (16, TERNARY), (16, BIPOLAR), (32, BIPOLAR)):
        groups = int(rng.choice([g for g in (1, 2, 4, 8) if steps % g == 0]))
        add(ints, int(rng.choice((4, 6))), int(rng.choice((36, 49, 64))), steps // groups, groups)
    for ints, style in ((BIPOLAR, "lut"), (BIPOLAR, "const"), (TERNARY, "lut")):
        add(ints, 12, 36, style=style)
    for style in ("lut", "const"):
        add(BIPOLAR, 5, 64, style=style)
    add(BIPOLAR, 6, 64, 4, 16, style="block")
    add(TERNARY, 4, 72, 8, 8, style="block")
    for steps, most in ((4, 0), (16, 1), (1, 0)):
        add(Ints(0, 255), 8, 9, steps, 1, most)
    for steps, most in ((4, 0), (16, 1), (1, 1)):
        add(Ints(0, 3), 8, 16, steps, 1, most)
    for steps in (1, 1, 2, 8):
        add(BIPOLAR, 4, 16, steps, 1, 3)
    for rows, cols in ((8, 27), (10, 64), (32, 24), (24, 40), (64, 64)):
        add(BIPOLAR, rows, cols, style="const")
    return out


def whole(rng: np.random.Generator) -> list[Unit]:
    """Whole windows: of small images of every kind, and of the layers that networks have."""
    out: list[Unit] = []

    def add(size: tuple[int, int, int], ints: Ints, kernel: tuple[int, int], **more: Any) -> None:
        window = Window(name="w", inputs=("i",), x=Port(size, ints), kernel=kernel, **more)
        wide = [f for f in window.foldings() if window.holds(f["simd"])]
        if wide:
            out.append(window.folded(**wide[len(out) % len(wide)]))

    kinds = (BIPOLAR, BIPOLAR, Ints(0, 3), BIPOLAR, TERNARY, Ints(-8, 7), BIPOLAR, Ints(0, 255))
    for k in range(40):
        ints = kinds[k % len(kinds)]
        size = (
            int(rng.choice((3, 5, 6, 8, 11))),
            int(rng.choice((4, 5, 8, 9, 12, 16))),
            int(rng.choice((1, 2, 3, 4, 6, 8))),
        )
        kernel = ((3, 3), (2, 2), (3, 3), (5, 5), (3, 1), (3, 3), (2, 4))[k % 7]
        edges = [(0, 0, 0, 0), tuple((n - 1) // 2 for n in kernel * 2), (kernel[0] - 1, 0, 0, kernel[1] - 1)]
        pad = rng.choice((-1, 1), size[2]) if k % 6 == 1 else np.array([(0, -1, 0)[k % 3]])
        if ints.is_bipolar and k % 6 == 1 and k % 4:
            pad = np.zeros(1, np.int64)
        stride = ((1, 1), (1, 1), (2, 2), (1, 2))[k % 4]
        add(size, ints, kernel, pads=edges[k % 3], pad=pad, stride=stride, style=("auto", "lut", "block")[k % 5 % 3])
    for side, c, edge, style in (
        (32, 16, 1, "lut"),
        (30, 64, 0, "lut"),
        (16, 32, 1, "block"),
        (10, 24, 1, "lut"),
        (14, 40, 0, "lut"),
    ):
        add((side, side, c), BIPOLAR, (3, 3), pads=(edge,) * 4, style=style)
    add((32, 32, 3), Ints(0, 255), (3, 3), pads=(1, 1, 1, 1), style="lut")
    add((28, 28, 1), Ints(0, 255), (5, 5), style="lut")
    return out


def known(family: str, modules: Sequence[str] = (), kept: bool = False) -> list[dict[str, Any]]:
    """Module, shape and measurement of every unit of the fit: of `modules` alone where there are any, of those
    measured before alone where `kept`."""
    some = [u for seed in SEEDS for u in units(seed) if not modules or u.module in modules]
    # some families' LUTs hold no memory that is written
    some = [
        u.folded(style="auto") if getattr(u, "style", "") == "lut" and "auto" in u.styles(family_of(family)) else u
        for u in some
    ]
    if kept:
        some = [u for u in some if key(u, family).is_file()]
    rows = []
    for unit, facts in zip(some, measured(some, family, print), strict=True):
        if facts:
            module, params = unit.structure()
            rows.append({"module": module, "bill": unit.bill(params), "measured": facts})
    return rows


# ---------------------------------------------------------------- coefficients

PRIOR = {  # what one of a count costs before anything is measured: LUTs of six inputs and flip-flops
    "one": (8, 6), "counters": (1.5, 1), "address": (3, 2), "credit": (2.5, 2), "stored": (1, 0.0), "latched": (0.1, 1),
    "block": (2, 1), "out": (1, 2), "word": (0.1, 1), "in": (0.1, 1), "acc": (0.2, 1), "summed": (1, 0), "start": (0.4, 0), "sum": (0.5, 1), "clip": (0.8, 0), "clip_alone": (2, 0),
    "stairs": (0.7, 0.1), "levels": (0.5, 0), "copies": (2, 1), "skid_bits": (1, 2), "narrow_bits": (1, 1), "widen_bits": (0.05, 1),
    "any_bits": (2, 1), "any_shifts": (0.3, 0), "kept": (0.5, 1), "product": (1.2, 0), "bits0": (2, 0), "bits0_table": (4, 0), "bits0_block": (4, 0), "bits1": (3, 0), "bits1_block": (5, 0), "bits2_block": (5, 0),
    "bits1_table": (5, 0), "bits2": (3, 0), "bits2_table": (5, 0), "adders": (1.2, 0), "digits": (1.2, 0), "chains": (2, 0), "masked": (2, 0), "tree": (1, 0), "ternary": (1.5, 0), "less": (0.8, 0), "select": (0.7, 0),
    "signed": (1, 0), "choice": (1, 0), "alone": (1.6, 0), "rows": (1.6, 0), "registers": (0, 1), "places": (0.1, 1), "replay": (0.5, 0), "raw": (0.5, 0), "reaches": (0.7, 0), "compare": (0.7, 0), "looked_up": (1, 0), "live": (1, 0), "live_small": (1, 0), "looked_stairs": (1, 0),
    "signs": (0.5, 0), "bits": (1, 1), "sorted": (1.5, 0), "index": (0.5, 1), "parts": (0.3, 0), "lanes": (0.3, 0), "banks": (1, 0), "turned": (1, 0),
}  # fmt: skip
OTHER = (0.5, 0.3)
HOLD = 0.06  # how firmly a coefficient is held near its first guess
ODD = 0.2  # relative error beyond which a unit counts less


def prior(count: str, family: str, resource: str) -> float:
    """The first guess of one coefficient."""
    if count in ("rom_whole", "table_whole"):
        return 0.0 if resource == "ff" else 1.0
    if count[:-1] in ("rom", "table"):
        inputs = int(count[-1]) + (count[:-1] == "table")
        wide = family_of(family).lut_inputs
        return 0.0 if resource == "ff" else min(1.0, inputs / wide) if inputs <= wide else 1.7 * 2.0 ** (inputs - wide)
    lut, ff = PRIOR.get("tree" if count.startswith("tree_") else count.split("_fixed")[0].split("_few")[0], OTHER)
    if resource == "ff":
        return ff
    return lut if family_of(family).lut_inputs == 6 else 1.5 * lut


# counts that few random units have, so that each is held at its first guess at least: a coefficient that is not known
# is an error, because what costs nothing would be chosen by the planner
ROMS = ("rom_whole", "latched", "block", *(f"rom{n}" for n in range(1, 10)))
KINDS = ("bits0", "bits1", "bits2", "select", "signed", "ternary", "product", "choice", "alone", "rows")
TREES = tuple(f"tree_{kind}{fixed}" for kind in KINDS[3:] for fixed in ("", "_fixed", "_few"))
RARE = {
    "mvu": (*KINDS, *(f"{k}_fixed" for k in KINDS), *(f"{k}_few" for k in KINDS[3:]), *(f"{k}{held}" for k in KINDS[:3] for held in ("_table", "_block")), "adders_fixed", *TREES, "tree_dsp", *ROMS, "stored", "table_whole",
            *(f"table{n}" for n in range(1, 7))),
    "mvu_net": ("one", "adders", "registers", "places", "out", "raw", "reaches", "stairs"),
    "vvu": ("bits", "select", "multiply", "product", "rows", "stairs", "raw", *ROMS),
    "threshold": ("compare", "compare_fixed", "live", "live_small", "looked_up", "looked_stairs", "stairs", "stairs_fixed", "falling", *ROMS),
    "rescale": ("product", "product_fixed", "product_few", "rows", "rows_fixed", "rows_few", "digits", "sum", "sum_fixed", "sum_few", *ROMS),
    "window": ("stored", "banks", "padded", "lanes", "widened", *ROMS),
    "lines": ("one", "credit", "counters", "position", "outside", "turned", "registers", "lanes", "widened", "stored", "latched", "block"),
    "pool": ("sum", "bits", "compare", "stored", *ROMS), "reduce": ("sum", "bits", "compare", *ROMS), "fifo": ("stored", "block", "latched"),
    "upsample": ("stored", "block", "latched"), "width": ("widen_bits", "narrow_bits", "any_bits", "any_shifts", "any"),
}  # fmt: skip


def fit(family: str, kept: bool = False, only: Sequence[str] = ()) -> dict[str, Any]:
    """The content of families/costs/<family>.json; `only` these modules anew where there are any.

    A coefficient comes with the number of measured units that have such a count: 0 says that it is the first guess.
    """
    mine = known(family, only, kept)
    table = cost_table(family)
    first = table["from"] if only else None
    modules: dict[str, dict[str, list[float]]] = {"recode": {}}
    if only:  # the others stay as they are, first guesses of another family where they are
        modules |= {m: c for m, c in table["modules"].items() if not first or any(n for *_, n in c.values())}
    for module in sorted({e["module"] for e in mine}):
        rows = [e for e in mine if e["module"] == module]
        found = [costs.counts(e["bill"], family_of(family))[0] for e in rows]
        luts, flipflops = (solve(rows, module, family, r) for r in ("lut", "ff"))
        number = {name: sum(f.get(name, 0) > 0 for f in found) for name in luts}
        modules[module] = {name: [luts[name], flipflops[name], number[name]] for name in luts}
    day = datetime.now(timezone.utc).date().isoformat()
    return {"tool": yosys.version(), "date": day, "from": first, "modules": modules}


def save(table: dict[str, Any], family: str) -> Path:
    """Write a family's table, one coefficient a line."""
    parts = [f" {json.dumps(k)}: {json.dumps(v)}," for k, v in table.items() if k != "modules"]
    modules = []
    for module, counts in sorted(table["modules"].items()):
        rows = ",\n".join(f"   {json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(counts.items()))
        modules.append(f"  {json.dumps(module)}: {{\n{rows}\n  }}" if rows else f"  {json.dumps(module)}: {{}}")
    file = HERE / "costs" / f"{family}.json"
    file.write_text("\n".join(["{", *parts, ' "modules": {', ",\n".join(modules), " }", "}"]) + "\n")
    return file


def solve(rows: Sequence[dict[str, Any]], module: str, family: str, resource: str) -> dict[str, float]:
    """Coefficients from 0 that explain one resource best, relative errors counted, held near a first guess."""
    found = [costs.counts(e["bill"], family_of(family))[0] for e in rows]
    names = sorted({n for f in found for n in f} | set(RARE.get(module, ())))
    if not names:
        return {}
    guess = np.array([prior(n, family, resource) for n in names], float)
    y = np.array([e["measured"][resource] for e in rows], float)
    a = np.array([[f.get(n, 0.0) for n in names] for f in found]).reshape(len(rows), len(names))
    hold, x = np.diag(HOLD / (guess + 0.1)), guess
    trust = np.ones(len(rows))
    for _ in range(4):
        weight = trust / (y + 8)
        rows_, ends = a * weight[:, None], y * weight
        x = nonnegative(np.concatenate([rows_, hold]), np.concatenate([ends, hold @ guess]), x)
        # a unit that the tool found a shortcut in, equal rows or an answer that never changes, tells little of others
        trust = 1 / np.sqrt(1 + (((a @ x - y) / (y + 8)) / ODD) ** 2)
    return {n: round(float(c), 4) for n, c in zip(names, x, strict=True)}


def nonnegative(a: Array, b: Array, x: Array) -> Array:
    """The x >= 0 with the least |a x - b|, by coordinate descent."""
    x, norms = x.copy(), (a * a).sum(0)
    rest = b - a @ x
    for _ in range(1500):
        for j in np.flatnonzero(norms > 0):
            new = max(x[j] + float(a[:, j] @ rest) / norms[j], 0.0)
            if new != x[j]:
                rest -= a[:, j] * (new - x[j])
                x[j] = new
    return x


def main(args: Sequence[str]) -> None:
    """Nothing: measure and fit every fitted family; `kept`: fit what was measured; `only MODULE ...`: measure and fit these
    anew; `family NAME [MODULE ...]`: measure and fit a family, or some modules of it."""
    match list(args):
        case ["family", family, *modules]:
            print(f"fitted {save(fit(family, only=modules), family)}")
        case [] | ["kept"]:
            for family in fitted():
                print(f"fitted {save(fit(family, kept=bool(args)), family)}")
        case ["only", *modules]:
            for family in fitted():
                print(f"fitted {', '.join(modules)} in {save(fit(family, only=modules), family)}")
        case _:
            raise SystemExit("python -m hwflow.bench.fit [kept | only MODULE ... | family NAME [MODULE ...]]")


if __name__ == "__main__":
    main(sys.argv[1:])
