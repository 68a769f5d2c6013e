"""The matrix-vector-threshold unit: every dense and convolution layer, from one multiplier to all of them.

Stands on units.kit.weighted. hls/units/mvu.sv and hls/units/mvu.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints, clog2
from hwflow.errors import RecipeError
from hwflow.ops import Port, exact_matmul
from hwflow.units.kit import sharing
from hwflow.units.kit.base import MULTS, PIXELS, Memory, Stream, Unit, divide, divisors
from hwflow.units.kit.costs import Params, Products, Shape, counter
from hwflow.units.kit.stores import FEW, STYLE, Store
from hwflow.units.kit.trees import adder_tree, popcount, rows
from hwflow.units.kit.weighted import SIGNS, TERNARY, TERNARY_KIND, Weighted, kind, staircase

STYLES = ("auto", "lut", "block", "const")  # where weights lie; the index is the module's Style
TABLE = 32  # words of weights that bits are compared with in the LUTs that hold them


@dataclass(frozen=True, eq=False, kw_only=True)
class Mvu(Weighted):
    """y[r] = base + count_k(acc[r] >= thresholds[r, k]), acc[r] = sum_c weights[r, c] * x[c], for every vector of x.

    x is (..., cols), one vector for each leading position. A word of `simd` columns enters and `pe` rows leave at
    once; x is stored on the first of the rows/pe passes and replayed on the others.
    """

    module: ClassVar[str] = "mvu"
    simd: int = 1
    style: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.x.channels == self.cols, f"{self.name}: takes vectors of {self.cols}, not {self.x}"
        if self.style not in STYLES:
            raise RecipeError(f"{self.name}: style must be one of {', '.join(STYLES)}, not {self.style}")

    def divided(self) -> None:
        super().divided()
        divide(self.name, "simd", self.simd, self.cols)
        if self.style == "const" and self.steps != 1:
            raise RecipeError(
                f"{self.name}: constant weights need pe={self.rows} and simd={self.cols}, not {self.pe} and {self.simd}"
            )

    @property
    def cols(self) -> int:
        return self.weights.shape[1]

    @property
    def vectors(self) -> int:
        return self.x.size // self.cols

    @property
    def groups(self) -> int:
        """Words of one vector."""
        return self.cols // self.simd

    @property
    def passes(self) -> int:
        """Times that a vector is worked on, for so many of its rows each."""
        return self.rows // self.pe

    @property
    def steps(self) -> int:
        """Cycles of one vector, which is also the depth of the weight memory."""
        return self.groups * self.passes

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self.simd),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream(Port((*self.x.shape[:-1], self.rows), self.y_ints), self.pe),)

    @property
    def cycles(self) -> int:
        return self.vectors * self.steps

    @property
    def latency(self) -> int:
        return self.groups - 1 + self.stages

    @property
    def stages(self) -> int:
        """Cycles from the last word of a vector to its result in the buffer at the end."""
        return 4 + tree_latency(self) + (self.levels > 1)

    @property
    def multiplies(self) -> bool:
        kinds = {kind(self.x.ints), kind(self.weight_ints)}
        return not self.weight_ints.is_bipolar and not kinds <= SIGNS

    def foldings(self) -> Iterator[dict[str, int]]:
        for pe in divisors(self.rows):
            for simd in divisors(self.cols):
                if self.style != "const" or (pe, simd) == (self.rows, self.cols):
                    yield {"pe": pe, "simd": simd}
        for n in PIXELS[1:]:
            if self.style != "const" and self.beside(n * self.rows, n * self.cols):
                yield {"pe": n * self.rows, "simd": n * self.cols}

    def beside(self, pe: int, simd: int) -> bool:
        """True for the folding of several units side by side, as `Mvus` are: a vector each."""
        n, rest = divmod(simd, self.cols)
        return n > 1 and not rest and pe == n * self.rows and self.x.size % simd == 0

    def folded(self, **folding: Any) -> Mvu:
        from hwflow.units.mvus import Mvus

        values = {f.name: getattr(self, f.name) for f in fields(self)} | folding
        kind = Mvus if self.beside(values["pe"], values["simd"]) else Mvu
        return kind(**values)

    def params(self) -> dict[str, int | str]:
        return {
            "Cols": self.cols, "Rows": self.rows, "Simd": self.simd, "Pe": self.pe,
            **self.widths, "Style": STYLES.index(self.style), "Mult": MULTS.index(self.mult), **self.files,
        }  # fmt: skip

    def memories(self) -> dict[str, Memory]:
        """Weights: one word of pe rows x simd columns for each step (row group, then column group), column 0 low."""
        order = self.weights.reshape(self.rows // self.pe, self.pe, self.cols // self.simd, self.simd)
        return self.contents(order.transpose(0, 2, 1, 3), self.pe * self.simd)

    @property
    def shareable(self) -> bool:
        """True where rows could share adders: all weights at once are one bit each, as are all elements."""
        return self.steps == 1 and self.counted

    @property
    def network(self) -> sharing.Network | None:
        """The shared adders of constant one-bit weights; None for other styles, and where it is too large to search."""
        return sharing.network(self.weights) if self.style == "const" and self.counted else None

    def rtl(self) -> tuple[str, dict[str, int | str]]:
        """The SystemVerilog module and its parameters, numbers and literals: `mvu_net` where rows share adders."""
        net = self.network
        if net is None:
            return self.module, self.params()
        numbers = max(self.levels, 1)
        limits = picks = 0
        for r, (term, limit) in enumerate(zip(net.rows, self._net_limits(net), strict=True)):
            record = sum((int(t) & 0xFFFF) << (16 * k) for k, t in enumerate(limit)) | (term.sign < 0) << (16 * numbers)
            limits |= record << (r * (16 * numbers + 1))
            picks |= term.node << (13 * r)
        return "mvu_net", {
            "Cols": self.cols, "Rows": self.rows, "Levels": self.levels, "YBits": self.y_ints.bits,
            "Base": 0 if self.bipolar else self.base, "Nodes": len(net.nodes), "NodeBits": net.bits, "NetLatency": net.latency,
            "Table": net.table(), "Picks": f"{13 * self.rows}'h{picks:x}",
            "Limits": f"{self.rows * (16 * numbers + 1)}'h{limits:x}",
        }  # fmt: skip

    def structure(self) -> tuple[str, dict[str, int | str]]:
        """Its own parameters, or what a network of shared adders is made of."""
        net = self.network
        if net is None:
            return self.module, self.params() | self._same
        return "mvu_net", {
            "Cols": self.cols, "Rows": self.rows, "Levels": self.levels, "YBits": self.y_ints.bits, "NodeBits": net.bits,
            "NetLatency": net.latency, "AdderBits": net.adder_bits, "RegisterBits": net.register_bits,
        }  # fmt: skip

    @property
    def _same(self) -> dict[str, int]:
        """Bits of words of weights and of thresholds that are the same in all words, as those of grouped convolutions are:
        tools keep them out of memories."""
        w, out = self.weight_ints, {}
        if self.steps > FEW:
            shape = self.rows // self.pe, self.pe, self.cols // self.simd, self.simd
            out["SameWeights"] = constant_bits(w.encode(self.weights).reshape(shape), (0, 2), w.bits)
        if self.levels and self.rows // self.pe > FEW:
            limits = self._stored.reshape(-1, self.pe, self.levels)
            out["SameThresholds"] = constant_bits(limits, (0,), self.thr_bits)
        return out

    @staticmethod
    def shape(p: Params) -> Shape:
        """Gates of lanes, trees, accumulators and thresholds, the registers between them, its memories; or shared adders."""
        return sharing.shape(p) if "AdderBits" in p else _shape(p)

    @staticmethod
    def path(p: Params) -> Mapping[str, float]:
        """Carries of an accumulator, the levels of its thresholds, a product; those of shared adders are registered often."""
        if "AdderBits" in p:
            return {}
        numbers = {k: p[k + "Bits"] for k in "XW" if p[k + "Kind"] not in (0, TERNARY_KIND)}
        return {
            "carry": p["AccBits"] + 2 * (p["Levels"] > 1), "stairs": p["Levels"] if p["Levels"] > 1 else 0,
            "product": p["XBits"] + p["WBits"] if "W" in numbers else numbers.get("X", 0),
        }  # fmt: skip

    def _net_limits(self, net: sharing.Network) -> Array:
        """Numbers (rows, levels or 1) that mvu_net compares a row's node with, or takes from twice the node.

        acc = 2 * sum - weights' sum, sum = sign * (node - offset); a node compared stays within what its bits hold.
        """
        sign = np.array([t.sign for t in net.rows])[:, None]
        offset = np.array([t.offset for t in net.rows])[:, None]
        total = self.weights.astype(np.int64).sum(1, keepdims=True)
        if self.thresholds is None:
            return 2 * offset + sign * total
        least = -((-(self.thresholds + total)) // 2)  # of the sum
        node = np.where(sign > 0, least + offset, offset - least + 1)
        ends = np.array([(n.lo, n.hi + 1) for n in (net.nodes[t.node - net.cols] for t in net.rows)])
        return np.clip(node, ends[:, :1], ends[:, 1:])

    def run(self, *xs: Array) -> tuple[Array, ...]:
        (x,) = xs
        acc = exact_matmul(x.reshape(-1, self.cols), self.weights.T)
        y = acc if self.thresholds is None else staircase(acc, self.thresholds, self.base, self.bipolar)
        return (y.reshape(len(x), *self.outs[0].port.shape),)


def _shape(p: Params) -> Shape:
    """As hls/units/mvu.sv is made: gates of lanes, trees, accumulators, thresholds, and the registers between them."""
    x, w, pe, simd = p["XBits"], p["WBits"], p["Pe"], p["Simd"]
    groups, passes, lanes = p["Cols"] // simd, p["Rows"] // pe, pe * simd
    steps = groups * passes
    fixed = "_fixed" if steps == 1 else ""
    late = p["Style"] == 2 or (p["Style"] == 0 and steps >= 64)
    products: Products = ()
    fused, masks = False, 0
    if {p["XKind"], p["WKind"]} <= SIGNS:
        masks = 2 if p["WKind"] == 3 else 1 if p["XKind"] == 3 else 0
        fused = p["Style"] < 2 and 1 < steps <= 32
        held = "_table" if fused else "_block" if p["Style"] == 2 and steps > 1 else ""
        kind = f"bits{masks}{held}{fixed}"
        trees = pe * (2 if masks == 2 else 1)
        leaves, adders, registers, deep = popcount(simd, 4 if fused else 3)
        size = simd.bit_length() + (masks > 0)
        counts = {
            kind: trees * leaves,
            f"adders{fixed}": (trees + (masks == 1)) * adders,
            "less": pe * size * (masks > 0),
            "masked": (masks == 1) * popcount(simd, 3)[0],
        }
        registers = (trees + (masks == 1)) * registers + pe * size + fused * (trees * simd + (masks == 1) * simd)
        deep += fused
    else:
        # in LUTs -1/+1 times a number is no product, nor is a number times a weight of -1, 0, +1 a wide one
        select = p["WKind"] == 0
        few = "_few" if steps == 2 else fixed  # two words of weights: a bit of one is 0, 1 or the address
        kind = "select" if select else "signed" if p["XKind"] == 0 else "ternary" if p["WKind"] == 3 else "product"
        each = w + 1 if kind == "signed" else x
        if p["Mult"] == 1 and not select:  # as hls/parts/product.sv makes them
            kind = "rows" if not {p["XKind"], p["WKind"]} & SIGNS else "choice" if simd > 1 else "alone"
            each = w if p["XKind"] in SIGNS else x
            each = rows(x + (p["XKind"] == 1), w + (p["WKind"] == 1)) if kind == "rows" else each
        term = x + 1 if select else x + w + 1
        adders, registers, deep = adder_tree(simd, term, p["AccBits"])
        size = min(x + w + 1 + (simd - 1).bit_length(), p["AccBits"])
        counts = {
            f"tree_{kind}{few}": pe * adders, "tree": select * adders, "less": pe * size * select,
            **({} if kind == "product" else {f"{kind}{few}": lanes * each}),
        }  # fmt: skip
        registers = pe * (registers + size) + select * registers
        if not select and p["Mult"] != 1:
            value = 2 if kind == "signed" else x  # bits that multiply
            products = ((lanes, value, w, value + (p["XKind"] == 1) + w),)
    depth = 2 + late + deep
    counts |= {
        "one": 1, "acc": pe * p["AccBits"], "summed": pe * p["AccBits"] * (groups > 1), "start": pe * p["AccBits"] * (p["Levels"] == 1 and passes > 1), "counters": counter(groups, passes, steps),
        "word": simd * x, "out": pe * p["YBits"], "raw": pe * p["YBits"] * (p["Levels"] == 0 and p["XKind"] == p["WKind"] == 0),
        "stairs": pe * p["Levels"] * p["AccBits"] if p["Levels"] > 1 else 0, "levels": pe * p["Levels"] if p["Levels"] > 1 else 0,
        "replay": simd * x if passes > 1 and groups > 1 else 0,
        "registers": registers + 3 * depth + late * (lanes * w + simd * x), "places": counter(passes) * (depth - 1),
    }  # fmt: skip
    stores = [
        Store(
            lanes * w - p.get("SameWeights", 0),
            steps,
            STYLE[p["Style"] % 3],
            compared=simd if fused else 0,
            masked=fused and masks > 0,
        ),
        Store(pe * p["Levels"] * p["ThrBits"] - p.get("SameThresholds", 0), passes),
    ]
    if counts["replay"]:
        stores.append(Store(simd * x, groups, rom=False))
    return Shape(counts, tuple(stores), products)


def constant_bits(codes: Array, words: tuple[int, ...], bits: int) -> int:
    """How many bits of numbers of so many are the same along some axes, all others told apart."""
    changing = np.bitwise_or.reduce(codes, words) ^ np.bitwise_and.reduce(codes, words)
    return sum(int((changing >> b & 1 == 0).sum()) for b in range(bits))


def tree_latency(unit: Mvu) -> int:
    """Registers of the inner product: those of its tree, one behind a block RAM of weights or a small table of them.

    mvu_net has no accumulator and compares without a register; its adders' registers less that are told.
    """
    if net := unit.network:
        return net.latency - 2 - (unit.levels > 1)
    late = unit.style == "block" or (unit.style == "auto" and unit.steps >= 64)
    if {kind(unit.x.ints), kind(unit.weight_ints)} <= SIGNS:
        fused = unit.style in ("auto", "lut") and 1 < unit.steps <= TABLE
        first = 3 + fused  # the height below which the first of popcount's registers stands
        height = 3 + clog2((unit.simd + 7) // 7) if fused else unit.simd.bit_length()
        return late + fused + (height >= first) + max(height - first - 1, 0)
    return late + max(clog2(unit.simd) - 1, 0) // 2


def samples() -> tuple[Unit, ...]:
    """Small instances, awkward shapes included."""
    rng = np.random.default_rng(9)

    def signs(*shape: int) -> Array:
        return rng.choice((-1, 1), shape)

    return (
        Mvu(name="mvu_one", inputs=("input",), x=Port((1,), BIPOLAR), weights=signs(1, 1), thresholds=np.zeros((1, 1)), bipolar=True),
        Mvu(name="mvu_bin", inputs=("input",), x=Port((63,), BIPOLAR), weights=signs(12, 63), thresholds=rng.integers(-9, 9, (12, 1)), bipolar=True, pe=3, simd=9),
        Mvu(name="mvu_raw", inputs=("input",), x=Port((3, 2, 17), BIPOLAR), weights=signs(5, 17), pe=1, simd=17),
        Mvu(name="mvu_pad", inputs=("input",), x=Port((2, 2, 18), TERNARY), weights=signs(8, 18), thresholds=rng.integers(-5, 6, (8, 1)), bipolar=True, pe=4, simd=2),
        Mvu(name="mvu_u8", inputs=("input",), x=Port((2, 1, 27), Ints(0, 255)), weights=signs(6, 27), thresholds=rng.integers(-900, 900, (6, 1)), bipolar=True, pe=2, simd=3),
        Mvu(name="mvu_w2a2", inputs=("input",), x=Port((16,), Ints(0, 3)), weights=rng.integers(-2, 2, (8, 16)), thresholds=np.sort(rng.integers(-9, 9, (8, 3)), 1), pe=2, simd=4),
        Mvu(name="mvu_w4", inputs=("input",), x=Port((10,), Ints(-8, 7)), weights=rng.integers(-7, 8, (7, 10)), thresholds=np.sort(rng.integers(-60, 60, (7, 7)), 1), base=-4, pe=7, simd=5),
        Mvu(name="mvu_wbin", inputs=("input",), x=Port((31,), BIPOLAR), weights=rng.integers(-3, 4, (4, 31)), pe=2, simd=1, style="lut"),
        Mvu(name="mvu_rows", inputs=("input",), x=Port((14,), Ints(0, 255)), weights=rng.integers(-7, 8, (6, 14)), pe=2, simd=7, mult="lut"),
        Mvu(name="mvu_alike", inputs=("input",), x=Port((10,), Ints(-8, 7)), weights=rng.integers(-8, 8, (4, 10)), thresholds=rng.integers(-60, 60, (4, 1)), bipolar=True, pe=4, simd=5, mult="lut"),
        Mvu(name="mvu_choice", inputs=("input",), x=Port((9,), Ints(-128, 127)), weights=rng.integers(-1, 2, (4, 9)), pe=2, simd=3, mult="lut"),
        Mvu(name="mvu_signs", inputs=("input",), x=Port((3, 8), TERNARY), weights=rng.integers(-3, 4, (4, 8)), pe=4, simd=4, mult="lut"),
        Mvu(name="mvu_flip", inputs=("input",), x=Port((8,), BIPOLAR), weights=rng.integers(0, 4, (4, 8)), pe=2, simd=4, mult="lut"),
        Mvu(name="mvu_dsp", inputs=("input",), x=Port((6,), Ints(-128, 127)), weights=rng.integers(-99, 100, (4, 6)), pe=2, simd=3, mult="dsp"),
        Mvu(name="mvu_const", inputs=("input",), x=Port((33,), BIPOLAR), weights=signs(16, 33), thresholds=rng.integers(-5, 6, (16, 1)), bipolar=True, pe=16, simd=33, style="const"),
    )  # fmt: skip
