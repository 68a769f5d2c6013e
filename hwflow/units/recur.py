"""The recurrent unit: a vector of states that every step of a sequence changes.

Stands on units.kit.weighted. hls/units/recur.sv and hls/units/recur.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from hwflow import ops
from hwflow.bits import BIPOLAR, Array, Ints, ints_of, words
from hwflow.errors import RecipeError
from hwflow.families import Family
from hwflow.graph import frozen
from hwflow.ops import Port, row_ranges
from hwflow.units.kit.base import MULTS, Loadable, Memory, Unit, check_mult
from hwflow.units.kit.costs import Bill, Params, Products, counter
from hwflow.units.kit.pairs import check_pairs, count_pairs, takes_pairs
from hwflow.units.kit.rhythm import Backpressure, EventGraph, Rhythm, Steps, arange, compact
from hwflow.units.kit.stores import STYLE, Store, registers_behind
from hwflow.units.kit.streams import Stream, divide, divisors
from hwflow.units.kit.trees import adder_tree, popcount, rows
from hwflow.units.kit.weighted import SIGNS, TERNARY, TERNARY_KIND, kind, signed_bits

STYLES = STYLE[:3]  # its weights are always in a memory
SUMS = Ints(-9, 9)  # of the samples, where they say nothing else


@dataclass(frozen=True, eq=False, kw_only=True)
class Recur(Loadable):
    """h' = base + count_k(x + w . h >= thresholds[s, k]), one step for each pixel of x; see `ops.Recurrent`.

    With a mask a second stream brings one element a step, taken with the step's first word: where it is not above 0, the
    step leaves the states as they are.

    A word of x holds the rows of `pe` states, and a word of the answer those states; `simd` states are met in a cycle.
    `reload`: weights, thresholds and first states can be loaded, so widths are those that any weights of their kind and
    bits need.
    """

    module: ClassVar[str] = "recur"
    ready_awaits: ClassVar[bool] = True
    x: Port  # (H, W, rows)
    mask: Port | None = None  # (H, W, 1)
    weights: Array  # int, (rows, states)
    thresholds: Array  # int, (states, levels)
    start: Array  # int, (states,)
    gates: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    base: int = 0
    bipolar: bool = False
    every: bool = False
    pe: int = 1
    simd: int = 1
    style: str = "auto"
    mult: str = "auto"
    reload: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen(self.weights, np.int32))
        for name in ("thresholds", "start", "gates"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.int64))
        assert self.op.port(self.x, self.mask).channels == self.states
        check_mult(self.name, self.mult, MULTS)
        if self.style not in STYLES:
            raise RecipeError(f"{self.name}: style must be one of {', '.join(STYLES)}, not {self.style}")
        divide(self.name, "pe", self.pe, self.states)
        divide(self.name, "simd", self.simd, self.states)
        if self.mult == "pair":
            check_pairs(self.name, self.together, self.ints, self.weight_ints)

    @property
    def op(self) -> ops.Recurrent:
        """The operation it is."""
        return ops.Recurrent(
            name=self.name, inputs=self.inputs, weights=self.weights, thresholds=self.thresholds, start=self.start,
            gates=self.gates, base=self.base, bipolar=self.bipolar, every=self.every,
        )  # fmt: skip

    @property
    def states(self) -> int:
        return len(self.start)

    @property
    def gated(self) -> bool:
        return len(self.gates) > 0

    @property
    def ints(self) -> Ints:
        """The integers of a state."""
        return self.op.ints

    @property
    def steps(self) -> int:
        """Steps of one sequence."""
        return self.x.size // self.x.channels

    @property
    def groups(self) -> int:
        """Cycles of one word."""
        return self.states // self.simd

    @property
    def passes(self) -> int:
        """Words of one step."""
        return self.states // self.pe

    @property
    def ins(self) -> tuple[Stream, ...]:
        rows = Stream(self.x, self.pe * (1 + self.gated))
        return (rows,) if self.mask is None else (rows, Stream(self.mask, 1))

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream(self.op.port(self.x, self.mask), self.pe),)

    def run(self, *xs: Array) -> tuple[Array, ...]:
        ports = (self.x,) if self.mask is None else (self.x, self.mask)
        return (self.op.run(*(x.reshape(len(x), *port.shape) for x, port in zip(xs, ports, strict=True))),)

    @property
    def drain(self) -> int:
        """Cycles in which a step's last states come about, before the next step can begin."""
        late = registers_behind(self.style, self.groups * self.passes)
        fixed = 4 + late + (self.thresholds.shape[1] > 1)
        if {kind(self.ints), kind(self.weight_ints)} <= SIGNS:
            height = self.simd.bit_length()
            return fixed + (height >= 3) + max(height - 4, 0)
        return fixed + max((self.simd - 1).bit_length() - 1, 0) // 2

    @property
    def period(self) -> int:
        """Cycles of one step."""
        return self.groups * self.passes + self.drain

    @property
    def cycles(self) -> int:
        return self.steps * self.period

    @property
    def latency(self) -> int:
        return (0 if self.every else (self.steps - 1) * self.period) + self.groups + self.drain

    def rhythm(self, g: EventGraph) -> Rhythm:
        """A word in with the first group of states, out behind the last; the pipeline stalls as a whole.

        The element of a mask comes in with the first word of its step.

        Only cycles in which a word moves are steps; the cycles between them, those of the drain too, are gaps.
        """
        moves = np.zeros((self.passes, self.groups), bool)
        moves[:, 0], moves[:, -1] = True, True
        one = np.flatnonzero(moves)
        gaps = np.tile(np.diff(one, prepend=one[-1] - self.period), self.steps)
        p = g.process(len(one) * self.steps, gaps)
        start = np.arange(self.steps)[:, None] * len(one)
        take = compact((start + np.flatnonzero(one % self.groups == 0)).ravel())
        given = start if self.every else start[-1:]
        give = compact((given + np.flatnonzero(one % self.groups == self.groups - 1)).ravel())
        lands, goes = g.pipeline(p, give, self.drain + 1)
        out = arange(len(give))
        waits = Backpressure(goes, out, out - 1, 1)
        takes = (Steps(p, take), Steps(p, compact(start.ravel())))[: len(self.inputs)]
        return Rhythm(takes, (Steps(lands, out),), ((waits,),))

    @property
    def multiplies(self) -> bool:
        return not self.weight_ints.is_bipolar and not {kind(self.ints), kind(self.weight_ints)} <= SIGNS

    def unconstrained(self) -> Recur:
        return replace(self, mult="auto") if self.mult == "pair" else self  # a row by itself has no pair

    @property
    def together(self) -> int:
        """Rows that meet the same states at once."""
        return self.pe * (1 + self.gated)

    def products(self, family: Family) -> tuple[str, ...]:
        paired = takes_pairs(family, self.together, self.ints, self.weight_ints)
        return super().products(family) + paired * ("pair",)

    def foldings(self) -> Iterator[dict[str, int]]:
        some = divisors(self.states)
        first = int(self.mult == "pair" and not self.gated)  # one row by itself has no pair
        yield from ({"pe": pe, "simd": simd} for pe in some[first:] for simd in some)

    def styles(self, family: Family) -> tuple[str, ...]:  # noqa: ARG002
        return ("lut", "block") if self.groups * self.passes > 1 else ("lut",)

    @property
    def macs(self) -> int:
        return self.pe * (1 + self.gated) * self.simd

    @property
    def weight_ints(self) -> Ints:
        ints = ints_of(self.weights)
        if not self.reload or ints.is_bipolar or ints == TERNARY:
            return ints
        half = 1 << (ints.bits - 1)
        return Ints(-half, half - 1) if ints.signed else Ints(0, 2 * half - 1)

    @property
    def _reach(self) -> tuple[Array, Array]:
        """The least and the largest accumulator of each row: of its weights, or of any where others can be loaded."""
        if self.reload:
            w, h = self.weight_ints, self.ints
            products = [a * b for a in (w.lo, w.hi) for b in (h.lo, h.hi)]
            lo, hi = (np.full(len(self.weights), self.states * end(products)) for end in (min, max))
        else:
            lo, hi = row_ranges(self.weights, self.ints)
        return lo + self.x.ints.lo, hi + self.x.ints.hi

    @property
    def _limits(self) -> Array:
        """Thresholds (states, levels), and behind them those of gates, each within reach of its row or one above it."""
        lo, hi = self._reach
        each = 1 + self.gated
        own = np.clip(self.thresholds, lo[::each, None], hi[::each, None] + 1)
        if not self.gated:
            return own
        gates = np.clip(self.gates, lo[1::2], hi[1::2] + 1)
        return np.concatenate([own, gates[:, None]], 1)

    @property
    def acc_bits(self) -> int:
        lo, hi = self._reach
        return signed_bits(np.stack([lo, hi + 1]))

    def params(self) -> dict[str, int | str]:
        w, h, x = self.weight_ints, self.ints, self.x.ints
        base, by = (self.base, 1) if not self.bipolar else (0, 1) if h.is_bipolar else (-1, 2)
        return {
            "Steps": self.steps, "States": self.states, "Simd": self.simd, "Pe": self.pe,
            "Gate": int(self.gated), "Every": int(self.every), "MaskBits": self.mask.ints.bits if self.mask else 0,
            "MaskKind": self.mask.ints.kind if self.mask else 1, "XBits": x.bits, "XKind": x.kind,
            "HBits": h.bits, "HKind": kind(h), "WBits": w.bits, "WKind": kind(w),
            "AccBits": self.acc_bits, "Levels": self.thresholds.shape[1],
            "ThrBits": self.acc_bits if self.reload else signed_bits(self._limits), "Base": base, "By": by,
            "Style": STYLES.index(self.style), "Mult": MULTS.index(self.mult), "Load": int(self.reload),
            "WeightFile": f"{self.name}_weights.mem", "ThreshFile": f"{self.name}_thresh.mem",
            "StartFile": f"{self.name}_start.mem",
        }  # fmt: skip

    def memories(self) -> dict[str, Memory]:
        """Weights: one word of the rows of pe states x simd columns for each cycle of a step. Thresholds: a word for each
        pass. The first states: one word."""
        p, w, h = self.params(), self.weight_ints, self.ints
        per = self.pe * (1 + self.gated)
        order = self.weights.reshape(self.passes, per, self.groups, self.simd).transpose(0, 2, 1, 3)
        limits, bits = self._limits, int(p["ThrBits"])
        each = self.pe * limits.shape[1]
        codes = (limits & ((1 << bits) - 1)).astype(np.uint64)
        return {
            str(p["WeightFile"]): Memory(per * self.simd * w.bits, tuple(words(w.encode(order), w.bits, per * self.simd))),
            str(p["ThreshFile"]): Memory(each * bits, tuple(words(codes, bits, each))),
            str(p["StartFile"]): Memory(self.states * h.bits, tuple(words(h.encode(self.start), h.bits, self.states))),
        }  # fmt: skip

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """Carries of an accumulator or of its comparisons, a product. What was compared is counted in a cycle of its own."""
        numbers = {k: p[k + "Bits"] for k in "HW" if p[k + "Kind"] not in (0, TERNARY_KIND)}
        return {
            "carry": p["AccBits"] + 2,
            "product": p["HBits"] + p["WBits"] if "W" in numbers else numbers.get("H", 0),
        }

    @property
    def table_words(self) -> int:
        return self.groups * self.passes

    @property
    def synthesises_quickly(self) -> bool:
        """False for deep tables of weights in LUTs and for thousands of LUTs of products."""
        each = self.ints.bits * self.weight_ints.bits
        table = self.weights.size * self.weight_ints.bits if self.style != "block" else 0
        return table <= 8000 and self.macs * (1 if each <= 2 else each) <= 1600

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: one state for one step, bits, numbers, gates, masks, each answer and the last."""
        rng = np.random.default_rng(21)

        def make(
            name: str, steps: tuple[int, int], states: int, weights: int, levels: int, *, x: Ints = SUMS, base: int = 0,
            gated: bool = False, bipolar: bool = False, start: int | None = None, mask: Ints | None = None, **more: object,
        ) -> Unit:  # fmt: skip
            n = states * (1 + gated)
            w = rng.integers(-weights, weights + 1, (n, states)) if weights else rng.choice((-1, 1), (n, states))
            most = max(2, states)
            t = np.sort(rng.integers(-most, most + 1, (states, levels)), 1)
            low = -1 if bipolar else base
            first = (
                np.full(states, start)
                if start is not None
                else rng.integers(0, levels + 1, states) * (1 + bipolar) + low
            )
            gates = rng.integers(-4, 4, states) if gated else np.zeros(0)
            return Recur(
                name=f"recur_{name}", inputs=("a", "b") if mask else ("input",), x=Port((*steps, n), x),
                mask=Port((*steps, 1), mask) if mask else None, weights=w, thresholds=t, start=first,
                gates=gates, base=base, bipolar=bipolar, **more,  # type: ignore[arg-type]
            )  # fmt: skip

        return (
            make("one", (1, 1), 1, 0, 1, bipolar=True),
            make("bits", (5, 1), 6, 0, 1, bipolar=True, pe=2, simd=3),
            make("last", (3, 2), 9, 0, 1, bipolar=True, pe=3, simd=9, every=True, x=Ints(0, 9)),
            make("zero", (4, 1), 4, 0, 1, bipolar=True, start=0, pe=4, simd=2, every=True),
            make("gate", (6, 1), 8, 0, 15, base=-8, start=0, gated=True, pe=2, simd=4, x=Ints(-40, 40)),
            make("every", (4, 1), 5, 0, 3, gated=True, pe=5, simd=5, every=True),
            make("w4", (3, 1), 6, 7, 7, base=-4, gated=True, pe=1, simd=2, every=True, mult="lut"),
            make("dsp", (3, 1), 4, 99, 15, x=Ints(-400, 300), pe=2, simd=2, mult="dsp"),
            make("signs", (2, 1), 7, 1, 1, bipolar=True, pe=7, simd=1, x=BIPOLAR, every=True),
            make("deep", (2, 1), 16, 0, 3, base=-2, start=0, pe=1, simd=2, style="block"),
            make("mask", (6, 1), 6, 0, 3, base=-2, start=0, gated=True, pe=2, simd=3, mask=Ints(0, 1)),
            make("holes", (3, 3), 4, 0, 1, bipolar=True, pe=1, simd=4, every=True, mask=BIPOLAR),
            make("whole", (5, 1), 3, 2, 2, base=-1, pe=3, simd=3, every=True, mask=Ints(-3, 2)),
            make("pair", (3, 1), 3, 7, 15, base=-8, start=0, gated=True, pe=1, simd=3, every=True, mult="pair"),
            make("pairs", (2, 1), 3, 99, 15, x=Ints(-400, 300), pe=3, simd=1, mult="pair"),
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/recur.sv is made."""
    each = 1 + p["Gate"]
    simd, pe, n, h = p["Simd"], p["Pe"], p["Pe"] * each, p["HBits"]
    groups, passes, states = p["States"] // simd, p["States"] // pe, p["States"]
    cycles = groups * passes
    late = registers_behind(STYLE[p["Style"]], cycles)
    made, registers, deep, products = _products(p, n)
    summed = 2 + late + deep
    record = pe * (p["Levels"] + p["Gate"]) * p["ThrBits"]
    fixed, loads = not p["Load"], bool(p["Load"])
    counts = {
        "one": 1,  # flags and handshake
        "counters": counter(groups, passes, cycles, passes, p["Steps"]),  # group_q, pass_q, cycle_q, out_q, step_q
        "states": states * h * 2,  # h_q, next_q
        "word": simd * h,  # h_read
        **made,
        "acc": n * p["AccBits"],  # gen_acc: acc_q and its adder
        "stairs": pe * p["Levels"] * p["AccBits"],  # gen_level: reached
        "gates": pe * p["Gate"] * p["AccBits"],  # gen_gate: open_q
        "levels": pe * p["Levels"],  # gen_state: level
        "out": pe * h,  # new_q, y, buffer
    }
    counts["registers"] = registers + n * p["XBits"] * summed + (4 + counter(passes)) * summed  # x_pipe, place_pipe
    counts["registers"] += late * (n * simd * p["WBits"] + simd * h)  # w_level, h_level
    counts["registers"] += (p["Levels"] > 1) * pe * (p["Levels"] + 1)  # compared
    stores = (
        Store(n * simd * p["WBits"], cycles, STYLE[p["Style"]], rom=fixed, loads=loads),  # weights
        Store(record, passes, rom=fixed, loads=loads),  # stairs
        Store(states * h, 1, rom=fixed, loads=loads),  # starts
    )
    return Bill(counts, stores, products, terms=simd)


def _products(p: Params, n: int) -> tuple[dict[str, float], float, int, Products]:
    """dots of n rows: counts, bits of registers, registers in a row of its trees, and multipliers."""
    simd, h, w = p["Simd"], p["HBits"], p["WBits"]
    if {p["HKind"], p["WKind"]} <= SIGNS:
        masks = 2 if p["WKind"] == TERNARY_KIND else 1 if p["HKind"] == TERNARY_KIND else 0
        trees = n * (2 if masks == 2 else 1) + (masks == 1)
        leaves, adders, registers, deep = popcount(simd, 3)
        size = simd.bit_length() + (masks > 0)
        return {"bits": trees * leaves, "adders": trees * adders}, trees * registers + n * size, deep, ()
    select = p["WKind"] == 0
    term = h + 1 if select else h + w + 1
    adders, registers, deep = adder_tree(simd, term, p["AccBits"])
    size = min(h + w + 1 + (simd - 1).bit_length(), p["AccBits"])
    counts: dict[str, float] = {"tree": (n + select) * adders, "less": n * size * select}
    total = (n + select) * registers + n * size
    if select:
        return counts | {"select": n * simd * h}, total, deep, ()
    if p["Mult"] == 3:
        paired, products = count_pairs(n, simd, (h, p["HKind"]), (w, p["WKind"]))
        return counts | paired, total, deep, products
    if p["Mult"] == 1 or p["HKind"] in SIGNS:
        value = 2 if p["HKind"] in SIGNS else h
        return counts | {"rows": n * simd * max(rows(value, w), w)}, total, deep, ()
    return counts, total, deep, ((n * simd, h, w, h + (p["HKind"] == 1) + w),)
