"""Matrix units of random shape, folding and kinds of number, drawn by a seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwflow.bits import BIPOLAR, Ints
from hwflow.families import family_of
from hwflow.ops import Port
from hwflow.units import Mvu
from hwflow.units.kit.base import ALONE
from hwflow.units.kit.streams import divisors
from hwflow.units.kit.weighted import TERNARY

LENGTHS = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 60, 63, 64, 65, 97, 127, 128, 129)
INPUTS = (
    BIPOLAR,
    BIPOLAR,
    BIPOLAR,
    TERNARY,
    TERNARY,
    Ints(0, 1),
    Ints(0, 3),
    Ints(0, 255),
    Ints(-2, 1),
    Ints(-8, 7),
    Ints(-128, 127),
)
WEIGHTS = (BIPOLAR, BIPOLAR, BIPOLAR, TERNARY, Ints(0, 1), Ints(-2, 1), Ints(-7, 7), Ints(0, 3))


def random_unit(seed: int) -> Mvu:
    """An Mvu of random shape, folding and kinds; half of them one bit by one bit."""
    rng = np.random.default_rng(seed)
    x, w = (BIPOLAR, BIPOLAR) if seed % 2 else (INPUTS[rng.integers(len(INPUTS))], WEIGHTS[rng.integers(len(WEIGHTS))])
    most = 129 if w.is_bipolar and x.bits <= 2 else 40
    cols = int(rng.choice([n for n in LENGTHS if n <= most]))
    rows = int(rng.choice(LENGTHS[:11]))
    simd = int(rng.choice(divisors(cols)))
    pe = int(rng.choice([p for p in divisors(rows) if p * simd <= 160]))
    weights = values_of(w, (rows, cols), rng)
    span = int(np.sqrt(cols) * max(abs(w.lo), w.hi) * max(-x.lo, x.hi)) + 2
    levels = int(rng.choice([0, 1, 1, 1, 2, 3, 7]))
    thresholds = np.sort(rng.integers(-span, span + 1, (rows, levels)), 1) if levels else None
    bipolar = levels == 1 and rng.random() < 0.7
    style = "const" if (pe, simd) == (rows, cols) and rng.random() < 0.5 else str(rng.choice(["auto", "lut", "block"]))
    vectors = tuple(int(v) for v in rng.integers(1, 4, 2)) if rng.random() < 0.3 else ()
    unit = Mvu(
        name=f"mvu{seed}", inputs=("input",), x=Port((*vectors, cols), x), weights=weights, thresholds=thresholds,
        base=0 if bipolar else int(rng.integers(-3, 3)), bipolar=bipolar, pe=pe, simd=simd, style=style, mult=str(rng.choice(ALONE)),
    )  # fmt: skip
    paired = "pair" in unit.products(family_of("xcup")) and rng.random() < 0.5
    return replace(unit, mult="pair") if paired else unit


def values_of(ints: Ints, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, (ints.hi - ints.lo) // ints.step + 1, shape) * ints.step + ints.lo
