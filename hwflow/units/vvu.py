"""The vector-vector-threshold unit: a depthwise convolution, each channel with its own few weights.

Stands on units.kit.weighted. hls/units/vvu.sv and hls/units/vvu.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.ops import Port, row_ranges
from hwflow.units.kit.base import MULTS, Memory, Unit
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.rhythm import EventGraph, Line, Rhythm, pipeline_rhythm
from hwflow.units.kit.stores import Store
from hwflow.units.kit.streams import Stream, divisors
from hwflow.units.kit.trees import rows
from hwflow.units.kit.weighted import SIGNS, Weighted, kind, staircase


@dataclass(frozen=True, eq=False, kw_only=True)
class Vvu(Weighted):
    """y[c] = base + count_k(acc[c] >= thresholds[c, k]), acc[c] = sum_t weights[c, t] * x[t, c], for every window of x.

    x, (..., taps * channels), comes from a Window in "depthwise" order whose simd is this pe: blocks of pe channels,
    the taps of a block one word after another.
    """

    module: ClassVar[str] = "vvu"
    ready_through: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.x.channels == self.weights.size, f"{self.name}: takes windows of {self.weights.size}, not {self.x}"

    @property
    def channels(self) -> int:
        return self.weights.shape[0]

    @property
    def taps(self) -> int:
        return self.weights.shape[1]

    @property
    def blocks(self) -> int:
        return self.channels // self.pe

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self.pe),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream(Port((*self.x.shape[:-1], self.channels), self.y_ints), self.pe),)

    @property
    def cycles(self) -> int:
        return self.ins[0].words

    @property
    def latency(self) -> int:
        return self.taps - 1 + 4

    def rhythm(self, g: EventGraph) -> Rhythm:
        n = self.ins[0].words
        return pipeline_rhythm(g, n, Line(self.taps - 1, self.taps, n // self.taps), 4)

    @property
    def multiplies(self) -> bool:
        return not {kind(self.x.ints), kind(self.weight_ints)} & SIGNS

    def foldings(self) -> Iterator[dict[str, int]]:
        yield from ({"pe": pe} for pe in divisors(self.channels))

    def params(self) -> dict[str, int | str]:
        return {
            "Taps": self.taps,
            "Channels": self.channels,
            "Pe": self.pe,
            **self.widths,
            "Mult": MULTS.index(self.mult),
            "Load": int(self.reload),
            **self.files,
        }

    def memories(self) -> dict[str, Memory]:
        """Weights: one word of pe channels for each block and tap."""
        return self.contents(self.weights.reshape(self.blocks, self.pe, self.taps).transpose(0, 2, 1), self.pe)

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """Carries of an accumulator, the levels of its thresholds, a product."""
        return {
            "carry": p["AccBits"],
            "stairs": p["Levels"] if p["Levels"] > 1 else 0,
            "product": p["XBits"] + p["WBits"] if p["WKind"] not in (0, 3) else 0,
        }

    def run(self, *xs: Array) -> tuple[Array, ...]:
        x = xs[0].reshape(len(xs[0]), *self.x.shape[:-1], self.blocks, self.taps, self.pe).astype(np.int64)
        w = self.weights.reshape(self.blocks, self.pe, self.taps).transpose(0, 2, 1).astype(np.int64)
        acc = (x * w).sum(-2).reshape(*x.shape[:-3], self.channels)
        return (acc if self.thresholds is None else staircase(acc, self.thresholds, self.base, self.bipolar),)

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances, awkward shapes included."""
        rng = np.random.default_rng(12)

        def make(
            name: str, shape: tuple[int, int], ints: Ints, weights: Array, levels: int, pe: int, **more: object
        ) -> Unit:
            lo, hi = row_ranges(weights, ints)
            t = np.sort(rng.integers(lo.min() - 1, hi.max() + 2, (len(weights), levels)), 1) if levels else None
            port = Port((*shape, weights.size), ints)
            return Vvu(name=f"vvu_{name}", inputs=("input",), x=port, weights=weights, thresholds=t, pe=pe, **more)  # type: ignore[arg-type]

        def signs(*shape: int) -> Array:
            return rng.choice((-1, 1), shape)

        return (
            make("one", (1, 1), BIPOLAR, signs(1, 1), 1, 1, bipolar=True),
            make("bits", (3, 2), BIPOLAR, signs(6, 9), 1, 3, bipolar=True),
            make("pads", (2, 3), Ints(-1, 1), signs(7, 9), 1, 7, bipolar=True),
            make("raw", (2, 2), Ints(-1, 1), signs(4, 25), 0, 2),
            make("u8", (1, 3), Ints(0, 255), signs(3, 4), 1, 1, bipolar=True),
            make("w4", (2, 2), Ints(-8, 7), rng.integers(-7, 8, (6, 9)), 3, 2, base=-2),
            make("rows", (2, 2), Ints(0, 15), rng.integers(-7, 8, (6, 9)), 1, 3, bipolar=True, mult="lut"),
            make("dsp", (2, 1), Ints(-128, 127), rng.integers(-99, 100, (4, 5)), 0, 2, mult="dsp"),
            make("w2", (2, 1), BIPOLAR, rng.integers(-2, 2, (5, 3)), 0, 5),
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/vvu.sv is made."""
    blocks, pe = p["Channels"] // p["Pe"], p["Pe"]
    a, b, kinds = p["XBits"], p["WBits"], {p["XKind"], p["WKind"]}
    # gen_element: gen_count or gen_signs; gen_choice; gen_product
    made = "bits" if kinds <= SIGNS else "select" if kinds & SIGNS else "multiply"
    own = made == "multiply" and p["Mult"] == 1  # as hls/parts/product.sv makes them of LUTs
    counts = {
        "one": 1,  # flags and handshake
        "counters": counter(p["Taps"], p["Taps"] * blocks, blocks),  # tap_q, addr_q, b_q
        made: pe * (a * b if made == "multiply" else a + b),  # product, product_q
        "rows": pe * rows(a + (p["XKind"] == 1), b + (p["WKind"] == 1)) * own,  # times: the adders of its rows
        "acc": pe * p["AccBits"],  # acc_q
        "stairs": pe * p["Levels"] * p["AccBits"] if p["Levels"] > 1 else 0,  # gen_levels: reached, y
        "raw": pe * p["YBits"] if p["Levels"] == 0 else 0,  # gen_count_out, gen_raw
        "out": pe * p["YBits"],  # y_data_o
    }
    stores = (
        Store(pe * p["WBits"], p["Taps"] * blocks, rom=not p["Load"], loads=bool(p["Load"])),  # weights
        Store(pe * p["Levels"] * p["ThrBits"], blocks, rom=not p["Load"], loads=bool(p["Load"])),  # thresholds
    )
    products = ((pe, a, b, a + (p["XKind"] == 1) + b),) if made == "multiply" and not own else ()  # times
    return Bill(counts, stores, products)
