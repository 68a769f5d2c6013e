"""The units that cost models are fitted to: some hundred of every module, as random networks and large ones have them.

Stands on units, lower and generate. A new module is drawn here, or its costs stay first guesses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.generate.nets import random_folding, random_net
from hwflow.lower import lower
from hwflow.ops import Port
from hwflow.units import (
    Fifo,
    MaximumUnit,
    MultiplyUnit,
    Mvu,
    Pool,
    Recur,
    RescaleUnit,
    ThresholdUnit,
    Vvu,
    Width,
    Window,
)
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
    every += gates(np.random.default_rng(500 + seed)) + recurrent(np.random.default_rng(600 + seed))
    every += paired(np.random.default_rng(700 + seed))
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


def paired(rng: np.random.Generator) -> list[Unit]:
    """Units that make two products a DSP block, of which random networks have none."""
    out: list[Unit] = []
    inputs = (Ints(0, 255), Ints(-8, 7), Ints(-128, 127), Ints(0, 15))
    for k in range(4):
        x, most = inputs[k % 4], (127, 7, 31)[k % 3]
        simd, pe, groups, passes = (int(rng.choice(n)) for n in ((2, 3, 6), (2, 3, 4), (1, 2, 8), (1, 2, 6)))
        w = rng.integers(-most - 1, most + 1, (pe * passes, simd * groups))
        out.append(
            Mvu(name="m", inputs=("input",), x=Port((2, simd * groups), x), weights=w, pe=pe, simd=simd, mult="pair")
        )
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


def gates(rng: np.random.Generator) -> list[Unit]:
    """Products of two streams of every encoding, in LUTs and in DSP blocks, of which random networks have few."""
    out: list[Unit] = []
    kinds = (
        (BIPOLAR, BIPOLAR), (Ints(0, 15), Ints(0, 15)), (Ints(-8, 7), Ints(0, 255)), (BIPOLAR, Ints(-128, 127)),
        (Ints(0, 3), Ints(0, 15)), (Ints(-128, 127), Ints(-128, 127)), (Ints(-2000, 2000), Ints(0, 255)),
    )  # fmt: skip
    for k, pair in enumerate(kinds):
        pe = int(rng.choice((1, 2, 3, 8)))
        shape = (2, pe * int(rng.choice((1, 2, 5))))
        unit = MultiplyUnit(name=f"g{k}", inputs=("a", "b"), xs=(Port(shape, pair[0]), Port(shape, pair[1])), pe=pe)
        out += [unit, unit.folded(mult="lut")] if unit.multiplies else [unit]
    return out


def recurrent(rng: np.random.Generator) -> list[Unit]:
    """Recurrent units of bits and of numbers, with and without gates, of which random networks have none."""
    out: list[Unit] = []
    drawn = ((1, True, 0), (15, False, 0), (3, False, 3), (7, False, 0), (1, True, 1))
    for k, (levels, bipolar, most) in enumerate(drawn):
        pe, simd = (int(rng.choice(n)) for n in ((1, 2, 4), (4, 8, 16)))
        states, gated = max(pe, simd) * int(rng.choice((1, 2))), k % 2 == 1 or rng.random() < 0.3
        rows = states * (1 + gated)
        w = rng.integers(-most, most + 1, (rows, states)) if most else rng.choice((-1, 1), (rows, states))
        out.append(Recur(
            name=f"r{k}", inputs=("input",), x=Port((int(rng.choice((5, 28))), 1, rows), Ints(-200, 200)), weights=w,
            thresholds=np.sort(rng.integers(-states, states, (states, levels)), 1), base=0 if bipolar else -(levels // 2) - 1,
            start=np.full(states, -1), gates=rng.integers(-9, 9, states) if gated else np.zeros(0), bipolar=bipolar,
            every=bool(k % 2), pe=pe, simd=simd, style=("lut", "block")[k % 3 == 2],
        ))  # fmt: skip
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
