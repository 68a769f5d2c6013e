"""The cost models: units measured by Yosys side by side, and the coefficients that explain them best.

Stands on synth and units. `python -m hwflow.synth.fit measure FAMILY` adds measurements, `... fit` writes costs.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.lower import lower
from hwflow.ops import Port
from hwflow.places import cache
from hwflow.synth import yosys
from hwflow.synth.designs import random_folding, random_net
from hwflow.synth.measure import measure
from hwflow.units import Fifo, Mvu, Pool, ThresholdUnit, Width, Window, costs
from hwflow.units.base import FAMILIES, Unit

MOST = {"mvu": 24, "window": 12, "threshold": 8, "width": 9, "rescale": 8, "vvu": 8, "fifo": 4, "recode": 0}


def units(seed: int) -> list[Unit]:
    """Some hundred units of every module, as random networks have them, and wider and deeper ones beside."""
    rng = np.random.default_rng(seed)
    found: list[Unit] = []
    count: Counter[str] = Counter()
    for s in range(1000 * seed, 1000 * seed + 120):
        net = random_net(s)
        for unit in lower(net, random_folding(net, s)).units:
            if count[unit.module] < MOST.get(unit.module, 6):
                count[unit.module] += 1
                found.append(unit)
    return found + wide(rng) + numbers(rng)


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
        out.append(
            Mvu(
                name="m",
                inputs=("input",),
                x=Port((2, simd * groups), ints),
                weights=w,
                thresholds=t,
                bipolar=t is not None,
                pe=pe,
                simd=simd,
                style=style,
            )
        )
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


def measured() -> Path:
    """The file of all measurements: one line of JSON each."""
    return cache() / "measured_units.jsonl"


def add_measurements(family: str, seed: int) -> int:
    """Measure the units of a seed on a family and append them; how many there were."""
    some = units(seed)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(some, family, Path(folder))
    with measured().open("a") as file:
        for unit, result in zip(some, results, strict=True):
            entry = {"family": family, "module": unit.module, "params": unit.params(), "measured": result, "seed": seed}
            file.write(json.dumps(entry) + "\n")
    return len(some)


# ---------------------------------------------------------------- coefficients

PRIOR = {  # what one of a count costs before anything is measured: LUTs of six inputs and flip-flops
    "one": (8, 6), "counters": (1.5, 1), "address": (3, 2), "credit": (2.5, 2), "stored": (1, 0.0), "latched": (0.1, 1),
    "block": (2, 1), "out": (1, 2), "word": (0.1, 1), "in": (0.1, 1), "acc": (1.2, 1), "start": (0.4, 0), "sum": (0.5, 1), "clip": (0.8, 0),
    "stairs": (0.7, 0.1), "levels": (0.5, 0), "copies": (2, 1), "skid_bits": (1, 2), "narrow_bits": (1, 1), "widen_bits": (0.05, 1),
    "any_bits": (2, 1), "any_shifts": (0.3, 0), "kept": (0.5, 1), "product": (1.2, 0), "bits0": (2, 0), "bits0_table": (4, 0), "bits1": (3, 0),
    "bits1_table": (5, 0), "bits2": (3, 0), "bits2_table": (5, 0), "adders": (1.2, 0), "tree": (1, 0), "tree_wide": (1.5, 0), "less": (0.8, 0), "select": (0.7, 0),
    "signed": (1, 0), "registers": (0, 1), "places": (0.1, 1), "replay": (0.5, 0), "raw": (0.5, 0), "compare": (0.7, 0), "looked_up": (1, 0),
    "signs": (0.5, 0), "bits": (1, 1), "sorted": (1.5, 0), "index": (0.5, 1), "parts": (0.3, 0), "lanes": (0.3, 0), "banks": (1, 0),
}  # fmt: skip
OTHER = (0.5, 0.3)


def prior(count: str, family: str, resource: str) -> float:
    """The first guess of one coefficient."""
    if count[:-1] in ("rom", "table"):
        inputs = int(count[-1]) + (count[:-1] == "table")
        wide = 6 if family == "xc7" else 4
        return 0.0 if resource == "ff" else min(1.0, inputs / wide) if inputs <= wide else 1.7 * 2.0 ** (inputs - wide)
    lut, ff = PRIOR.get(count.split("_fixed")[0], OTHER)
    return ff if resource == "ff" else lut if family == "xc7" else 1.5 * lut


# counts that few random units have, so that each is held at its first guess at least
KINDS = ("bits0", "bits1", "bits2", "select", "signed")
RARE = {
    "mvu": (*KINDS, *(f"{k}_fixed" for k in KINDS), *(f"{k}_table" for k in KINDS[:3]), "adders_fixed", "product", "tree_wide", "block",
            *(f"rom{n}" for n in range(1, 10)), *(f"table{n}" for n in range(1, 6))),
    "vvu": ("bits", "select", "multiply", "product", "stairs", "raw", "block", *(f"rom{n}" for n in range(1, 10))),
    "threshold": ("compare", "compare_fixed", "looked_up", "stairs", "falling", "block", *(f"rom{n}" for n in range(1, 10))),
    "rescale": ("fixed", "product", "block", *(f"rom{n}" for n in range(1, 10))),
    "window": ("block", "stored", "latched", "banks", "padded", "lanes", "widened", *(f"rom{n}" for n in range(1, 10))),
    "pool": ("sum", "bits", "compare", "stored", "block"), "reduce": ("sum", "bits", "compare"), "fifo": ("stored", "block", "latched"),
    "upsample": ("stored", "block", "latched"), "width": ("widen_bits", "narrow_bits", "any_bits", "any_shifts", "any"),
}  # fmt: skip


def fit() -> dict[str, Any]:
    """costs.json's content: for each family coefficients by module, and what they were fitted to."""
    lines = [json.loads(line) for line in measured().read_text().splitlines()]
    families: dict[str, Any] = {}
    for family in FAMILIES:
        mine = [e for e in lines if e["family"] == family]
        modules: dict[str, dict[str, Any]] = {}
        for module in costs.SHAPES:
            rows = [e for e in mine if e["module"] == module]
            modules[module] = {r: solve(rows, module, family, r) for r in ("lut", "ff")} | {"units": len(rows)}
        families[family] = {"units": len(mine), "modules": modules}
    return {"tool": yosys.version(), "date": datetime.now(timezone.utc).date().isoformat(), "families": families}


def solve(rows: Sequence[dict[str, Any]], module: str, family: str, resource: str) -> dict[str, float]:
    """Coefficients from 0 that explain one resource best, relative errors counted, held near a first guess."""
    found = [costs.counts(e["module"], e["params"], family)[0] for e in rows]
    names = sorted({n for f in found for n in f} | set(RARE.get(module, ())))
    if not names:
        return {}
    guess = np.array([prior(n, family, resource) for n in names])
    y = np.array([e["measured"][resource] for e in rows], float)
    weight = 1 / (y + 8)
    a = np.array([[f.get(n, 0.0) for n in names] for f in found]).reshape(len(rows), len(names)) * weight[:, None]
    hold = 0.08 / (guess + 0.1)
    a = np.concatenate([a, np.diag(hold)])
    b = np.concatenate([y * weight, guess * hold])
    return {n: round(float(c), 4) for n, c in zip(names, nonnegative(a, b, guess), strict=True) if c > 5e-5}


def nonnegative(a: Array, b: Array, x: Array) -> Array:
    """The x >= 0 with the least |a x - b|, by coordinate descent."""
    x, norms = x.copy(), (a * a).sum(0)
    rest = b - a @ x
    for _ in range(3000):
        for j in np.flatnonzero(norms > 0):
            new = max(x[j] + float(a[:, j] @ rest) / norms[j], 0.0)
            if new != x[j]:
                rest -= a[:, j] * (new - x[j])
                x[j] = new
    return x


def main(args: Sequence[str]) -> None:
    """`measure FAMILY [SEED]` or `fit`."""
    match list(args):
        case ["measure", family, *seed]:
            print(f"{add_measurements(family, int(seed[0]) if seed else 1)} units measured on {family}: {measured()}")
        case ["fit"]:
            costs.TABLE.write_text(json.dumps(fit(), indent=1) + "\n")
            print(f"fitted {costs.TABLE}")
        case _:
            raise SystemExit("python -m hwflow.synth.fit measure FAMILY [SEED] | fit")


if __name__ == "__main__":
    main(sys.argv[1:])
