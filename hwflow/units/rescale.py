"""The rescale unit: an affine map of every channel in integers, a BatchNorm on a fixed-point shortcut.

Stands on units.kit.base. hls/units/rescale.sv and hls/units/rescale.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints, words
from hwflow.errors import RecipeError
from hwflow.graph import frozen
from hwflow.ops import Port
from hwflow.units.kit.base import MULTS, Loadable, Memory, Unit, check_mult
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.rhythm import EventGraph, Rhythm, arange, pipeline_rhythm
from hwflow.units.kit.stores import Store
from hwflow.units.kit.streams import Stream, check_lanes, list_lanes
from hwflow.units.kit.trees import rows
from hwflow.units.kit.weighted import signed_bits

WIDEST = 63  # bits of mul * x + add that C++ and numpy hold
FEW = 4  # rows of a product in LUTs that are added up in a cycle


class LOADED:
    """Scales that can be loaded: bits of a factor and of an addend, and the shift, which is the same for all contents."""

    mul, add, shift = 24, 40, 20


@dataclass(frozen=True, eq=False, kw_only=True)
class RescaleUnit(Loadable):
    """y = clip((mul[c] * x + add[c]) >> shift, lo, hi); the shift rounds towards minus infinity.

    A word holds `pe` channels of one pixel, or all the channels of several pixels.
    `reload`: mul and add can be loaded, so they are as wide as LOADED says and the shift is its own.
    """

    module: ClassVar[str] = "rescale"
    ready_through: ClassVar[bool] = True
    x: Port
    mul: Array  # int, (channels,)
    add: Array  # int, (channels,)
    shift: int
    lo: int
    hi: int
    pe: int = 1
    mult: str = "auto"
    reload: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "mul", frozen(self.mul, np.int64))
        object.__setattr__(self, "add", frozen(self.add, np.int64))
        assert self.mul.shape == self.add.shape == (self.x.channels,), (
            f"{self.name}: scales {self.mul.shape}, not {self.x}"
        )
        assert self.lo <= self.hi and self.shift >= 0, (
            f"{self.name}: clips to {self.lo} .. {self.hi} after >> {self.shift}"
        )
        check_lanes(self.name, self.pe, self.x)
        check_mult(self.name, self.mult)
        if self.reload and self.shift < LOADED.shift:  # the same map with another shift
            object.__setattr__(self, "mul", frozen(self.mul << (LOADED.shift - self.shift), np.int64))
            object.__setattr__(self, "add", frozen(self.add << (LOADED.shift - self.shift), np.int64))
            object.__setattr__(self, "shift", LOADED.shift)
        widest = (signed_bits(self.mul), signed_bits(self.add), self.shift)
        if self.reload and (widest[0] > LOADED.mul or widest[1] > LOADED.add or self.shift > LOADED.shift):
            raise RecipeError(
                f"{self.name}: scales that can be loaded have {LOADED.mul} bits, addends {LOADED.add} and a shift of {LOADED.shift}, "
                f"not {widest[0]}, {widest[1]} and {widest[2]}; compile without --reload"
            )
        if self.sum_bits > WIDEST or max(-self.lo, self.hi) >= 1 << 31:
            raise RecipeError(
                f"{self.name}: mul * x + add must fit {WIDEST} bits and lo .. hi 32, not {self.sum_bits} and {self.lo} .. {self.hi}"
            )

    @cached_property
    def _ends(self) -> Array:
        """mul * x + add at both ends of x, (2, channels), as Python integers would have them."""
        ends = [
            [int(m) * v + int(a) for m, a in zip(self.mul, self.add, strict=True)]
            for v in (self.x.ints.lo, self.x.ints.hi)
        ]
        return np.array(ends, dtype=object)

    @property
    def sum_bits(self) -> int:
        if self.reload:
            most = max(-self.x.ints.lo, self.x.ints.hi)
            return signed_bits(np.array([(most << (LOADED.mul - 1)) + (1 << (LOADED.add - 1))], dtype=object))
        return signed_bits(self._ends)

    @property
    def _y_ints(self) -> Ints:
        if self.reload:
            return Ints(self.lo, self.hi)
        ends = [min(max(int(e) >> self.shift, self.lo), self.hi) for e in self._ends.ravel()]
        return Ints(min(ends), max(ends))

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream.of(self.x, self.pe),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream.of(Port(self.x.shape, self._y_ints), self.pe),)

    @property
    def cycles(self) -> int:
        return self.ins[0].words

    @property
    def latency(self) -> int:
        return 4

    def rhythm(self, g: EventGraph) -> Rhythm:
        return pipeline_rhythm(g, self.ins[0].words, arange(self.ins[0].words), self.latency)

    @property
    def multiplies(self) -> bool:
        return bool(self._mul_bits) or not _wires(int(self.mul[0]))

    def foldings(self) -> Iterator[dict[str, int]]:
        yield from list_lanes(self.x)

    @property
    def _mul_bits(self) -> int:
        if self.reload:
            return LOADED.mul
        return 0 if _one(self.mul) else min(signed_bits(self.mul), self.sum_bits)

    @property
    def _add_bits(self) -> int:
        if self.reload:
            return LOADED.add
        return 0 if _one(self.add) else min(signed_bits(self.add), self.sum_bits)

    def params(self) -> dict[str, int | str]:
        """MulBits 0: every channel's factor is Mul (a power of two is wires); AddBits 0: every channel adds Add."""
        return {
            "Channels": max(self.x.channels, self.pe), "Pe": self.pe, "XBits": self.x.ints.bits, "XKind": self.x.ints.kind,
            "YBits": self._y_ints.bits, "SumBits": self.sum_bits, "Shift": self.shift, "Lo": self.lo, "Hi": self.hi,
            "MulBits": self._mul_bits, "AddBits": self._add_bits,
            "Mul": 0 if self._mul_bits else int(self.mul[0]), "Add": 0 if self._add_bits else int(self.add[0]),
            "Mult": MULTS.index(self.mult), "Load": int(self.reload),
            "ScaleFile": f"{self.name}_scale.mem" if self._mul_bits + self._add_bits else "",
        }  # fmt: skip

    def memories(self) -> dict[str, Memory]:
        """pe channels a word; a channel is its factor (MulBits) in the low bits, then its addend (AddBits)."""
        m, a = self._mul_bits, self._add_bits
        if not m + a:
            return {}
        records = [
            (int(mul) & ((1 << m) - 1)) | ((int(add) & ((1 << a) - 1)) << m)
            for mul, add in zip(self.mul, self.add, strict=True)
        ]
        records *= max(self.pe // self.x.channels, 1)  # once for each pixel of a word
        flags = np.array([[r >> b & 1 for b in range(m + a)] for r in records], np.uint64)
        return {f"{self.name}_scale.mem": Memory(self.pe * (m + a), tuple(words(flags, 1, self.pe * (m + a))))}

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """Carries of a sum, a product."""
        return {"carry": p["SumBits"], "product": p["XBits"] + p["MulBits"] if p["MulBits"] else 0}

    def run(self, *xs: Array) -> tuple[Array, ...]:
        x = xs[0].reshape(len(xs[0]), *self.x.shape).astype(np.int64)
        return (np.clip((self.mul * x + self.add) >> self.shift, self.lo, self.hi),)

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: a power of two, one factor, a factor a channel, negative ones, clips on both sides."""
        rng = np.random.default_rng(11)

        def make(name: str, shape: tuple[int, ...], ints: Ints, mul: object, add: object, **more: Any) -> Unit:
            mul, add = (np.broadcast_to(np.asarray(v), (shape[-1],)) for v in (mul, add))
            return RescaleUnit(name=f"rescale_{name}", inputs=("input",), x=Port(shape, ints), mul=mul, add=add, **more)

        return (
            make("shift", (3, 2, 5), Ints(-300, 300), 4, 3, shift=3, lo=-128, hi=127, pe=5),
            make("one", (7,), BIPOLAR, -3, 1, shift=1, lo=-8, hi=7, pe=1),
            make("norm", (2, 3, 6), Ints(-576, 576), rng.integers(-900, 900, 6), rng.integers(-40000, 40000, 6), shift=12, lo=-128, hi=127, pe=2),
            make("rows", (2, 3, 6), Ints(-576, 576), rng.integers(-900, 900, 6), rng.integers(-40000, 40000, 6), shift=12, lo=-128, hi=127, pe=2, mult="lut"),
            make("digits", (4, 3), Ints(-99, 99), -23, rng.integers(-99, 99, 3), shift=3, lo=-128, hi=127, pe=3, mult="lut"),
            make("dsp", (2, 2, 4), Ints(0, 4000), rng.integers(-900, 900, 4), 7, shift=9, lo=-99, hi=99, pe=2, mult="dsp"),
            make("bias", (9,), Ints(0, 255), 1, rng.integers(-99, 99, 9), shift=0, lo=-64, hi=200, pe=3),
            make("two", (2, 4, 3), Ints(-99, 99), rng.integers(-900, 900, 3), rng.integers(-999, 999, 3), shift=9, lo=-99, hi=99, pe=6),
            make("ragged", (2, 7, 2), BIPOLAR, 5, rng.integers(-9, 9, 2), shift=1, lo=-8, hi=7, pe=8),
            # factors and addends of more bits than their sums
            make("near", (2, 5, 3), Ints(-131, -128), [2, -3, 1], [276, -390, 136], shift=0, lo=0, hi=24, pe=3),
            make("wide", (2, 2, 3), Ints(-70000, 70000), rng.integers(1, 1 << 17, 3), rng.integers(-(1 << 33), 1 << 33, 3), shift=20, lo=-4000, hi=4000, pe=3),
            make("parts", (3, 2, 4), Ints(-70000, 70000), rng.integers(-32, 32, 4), rng.integers(-99999, 99999, 4), shift=14, lo=-99, hi=99, pe=2, mult="lut"),
        )  # fmt: skip


def _one(values: Array) -> bool:
    """True when all channels share one value that a parameter can carry."""
    return bool((values == values[0]).all()) and abs(int(values[0])) < 1 << 31


def _wires(factor: int) -> bool:
    """True where a product with a constant is a shift."""
    return factor >= 0 and not factor & (factor - 1)


def further_parts(p: Params, value: int, m: int) -> int:
    """Bits of the parts, but for the first, in which a product in LUTs is kept: at most FEW of its rows each."""
    made = min(value, m)
    parts = -(-made // FEW)
    return sum(p["SumBits"] - k * made // parts for k in range(1, parts))


def count_hardware(p: Params) -> Bill:
    """As hls/units/rescale.sv is made."""
    pe, blocks, factor = p["Pe"], p["Channels"] // p["Pe"], p["Mul"]
    value, m = p["XBits"] + (p["XKind"] != 2), p["MulBits"]  # VBits, and bits of what it is multiplied by
    in_luts = p["Mult"] == 1
    digits = 0
    if not m and in_luts:  # gen_digits: one constant for all channels, as additions of its signed digits
        digits = (factor ^ 3 * factor).bit_count() - (factor > 0)
    elif not m and not _wires(factor):  # gen_product: one constant for all channels
        m = factor.bit_length() + 1
    # two words of scales, or one: what is added and multiplied hardly changes, or is constant
    ends = "_fixed" if blocks == 1 else "_few" if blocks == 2 else ""
    clip = "clip" if m or digits or p["AddBits"] else "clip_alone"
    counts = {
        "one": 1,  # valid_q, move
        "counters": counter(blocks) * (p["MulBits"] + p["AddBits"] > 0),  # gen_scales: b_q
        "in": pe * value,  # value_q
        "digits": pe * digits * p["SumBits"],  # scaled
        f"rows{ends}": pe * rows(value, m) * (in_luts and m > 0),  # product: the adders of its rows
        "held": pe * further_parts(p, value, m) if in_luts and m else 0,  # product_q beyond its first part
        f"tree_product{ends}": 0,  # says which of the coefficients a product in LUTs goes by
        f"sum{ends}": pe * p["SumBits"],  # sum_q
        "add": pe * p["AddBits"],  # addend_q
        clip: pe * max(p["SumBits"] - p["Shift"], 1),  # shifted < Lo, shifted > Hi
        "out": pe * p["YBits"],  # y_data_o
    }
    products = ((pe, value, m, min(value + m, p["SumBits"])),) if m and not in_luts else ()  # times
    scales = Store(pe * (p["MulBits"] + p["AddBits"]), blocks, rom=not p["Load"], loads=bool(p["Load"]))
    return Bill(counts, (scales,), products)
