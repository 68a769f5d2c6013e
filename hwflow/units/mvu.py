"""The matrix-vector-threshold unit: every dense and convolution layer, from one multiplier to all of them.

Stands on units.kit.matrix. hls/units/mvu.sv and hls/units/mvu.hpp are the same unit; hls/units/mvu_net.sv is its
SystemVerilog where rows share the adders of constant weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints, clog2
from hwflow.errors import RecipeError
from hwflow.ops import Port
from hwflow.units.kit import sharing
from hwflow.units.kit.base import MULTS, Feed, FinnLayer, Memory, Unit
from hwflow.units.kit.costs import Bill, Params, Products, counter
from hwflow.units.kit.matrix import Matrix
from hwflow.units.kit.pairs import count_pairs
from hwflow.units.kit.stores import FEW, LATE, STYLE, Store, registers_behind
from hwflow.units.kit.streams import Stream, divide
from hwflow.units.kit.trees import adder_tree, popcount, rows
from hwflow.units.kit.weighted import SIGNS, TERNARY, TERNARY_KIND, kind

TABLE = 32  # words of weights that bits are compared with in the LUTs that hold them


@dataclass(frozen=True, eq=False, kw_only=True)
class Mvu(Matrix):
    """One vector at a time: a word of `simd` columns enters and `pe` rows leave at once.

    x is stored on the first of the rows/pe passes and replayed on the others. With style `stream` the weights are no
    memory: each step takes the next word of them from outside, all of them for every vector.
    """

    module: ClassVar[str] = "mvu"

    def divided(self) -> None:
        super().divided()
        divide(self.name, "simd", self.simd, self.cols)
        if self.style == "const" and self.reload:
            raise RecipeError(f"{self.name}: constant weights cannot be loaded; take style lut or block")
        if self.style == "stream" and self.reload:
            raise RecipeError(
                f"{self.name}: streamed weights come anew for every image; leave out either --reload or them"
            )
        if self.style == "const" and self.steps != 1:
            raise RecipeError(
                f"{self.name}: constant weights need pe={self.rows} and simd={self.cols}, not {self.pe} and {self.simd}"
            )

    @property
    def stages(self) -> int:
        return 4 + tree_latency(self) + (self.levels > 1)

    def params(self) -> dict[str, int | str]:
        return {
            "Cols": self.cols, "Rows": self.rows, "Simd": self.simd, "Pe": self.pe,
            **self.widths, "Style": STYLE.index(self.style), "Mult": MULTS.index(self.mult),
            "Load": int(self.reload), **self.files,
        }  # fmt: skip

    def memories(self) -> dict[str, Memory]:
        """Weights: one word of pe rows x simd columns for each step (row group, then column group), column 0 low."""
        return self.contents(self._by_step, self.pe * self.simd)

    @property
    def _by_step(self) -> Array:
        """Weights (passes, groups, pe, simd), in the order in which the unit works on them."""
        order = self.weights.reshape(self.rows // self.pe, self.pe, self.cols // self.simd, self.simd)
        return order.transpose(0, 2, 1, 3)

    def streamed(self) -> Mvu:
        return replace(self, style="stream")

    @property
    def feed(self) -> Feed | None:
        """The words of its weights memory, once for every vector, where it has none."""
        if self.style != "stream":
            return None
        stream = Stream(Port((self.weights.size,), self.weight_ints), self.pe * self.simd)
        return Feed(stream, self._by_step.reshape(1, -1), self.vectors)

    @property
    def shareable(self) -> bool:
        """True where rows could share adders: all weights at once are one bit each, as are all elements."""
        return self.steps == 1 and self.counted

    @property
    def network(self) -> sharing.Network | None:
        """The shared adders of constant one-bit weights; None for other styles, and where it is too large to search."""
        return sharing.network(self.weights) if self.style == "const" and self.counted else None

    def rtl(self) -> tuple[str, dict[str, int | str]]:
        """`mvu_net` where rows share adders."""
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
        w, out = self.weight_ints, dict[str, int]()
        if self.reload:
            return out
        if self.steps > FEW and self.style != "stream":
            shape = self.rows // self.pe, self.pe, self.cols // self.simd, self.simd
            out["SameWeights"] = constant_bits(w.encode(self.weights).reshape(shape), (0, 2), w.bits)
        if self.levels and self.rows // self.pe > FEW:
            limits = self._stored.reshape(-1, self.pe, self.levels)
            out["SameThresholds"] = constant_bits(limits, (0,), self.thr_bits)
        return out

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

    @staticmethod
    def bill(p: Params) -> Bill:
        return sharing.count_hardware(p) if "AdderBits" in p else count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        """Carries of an accumulator, the levels of its thresholds, a product; those of shared adders are registered often."""
        if "AdderBits" in p:
            return {}
        numbers = {k: p[k + "Bits"] for k in "XW" if p[k + "Kind"] not in (0, TERNARY_KIND)}
        return {
            "carry": p["AccBits"] + 2 * (p["Levels"] > 1),
            "stairs": p["Levels"] if p["Levels"] > 1 else 0,
            "product": p["XBits"] + p["WBits"] if "W" in numbers else numbers.get("X", 0),
        }

    @property
    def load_ports(self) -> bool:
        return self.network is None

    @property
    def lanes(self) -> int:
        """Rows that can be measured apart; those of a pair of products stay together."""
        if self.network is not None or (self.mult == "pair" and self.pe % 2):
            return 1
        return self.pe // (2 if self.mult == "pair" else 1)

    def lane_group(self, n: int, i: int) -> Mvu:
        """Lane p of pass k is row k * pe + p, in the unit and in each of the groups."""
        rows_ = np.arange(self.rows).reshape(-1, n, self.pe // n)[:, i].ravel()
        limits = None if self.thresholds is None else self.thresholds[rows_]
        return replace(self, name=f"{self.name}_{i}", pe=self.pe // n, weights=self.weights[rows_], thresholds=limits)

    @property
    def synthesises_quickly(self) -> bool:
        return self.weights.size <= 4096 if self.network is not None else super().synthesises_quickly

    def finn_layers(self) -> list[FinnLayer]:
        return [("MVAU", "hls", {"PE": self.pe, "SIMD": self.simd})]

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
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
            Mvu(name="mvu_fed", inputs=("input",), x=Port((3, 63), BIPOLAR), weights=signs(12, 63), thresholds=rng.integers(-9, 9, (12, 1)), bipolar=True, pe=3, simd=9, style="stream"),
            Mvu(name="mvu_fed_once", inputs=("input",), x=Port((2, 2, 7), Ints(-8, 7)), weights=rng.integers(-7, 8, (6, 7)), thresholds=np.sort(rng.integers(-60, 60, (6, 3)), 1), pe=2, simd=7, style="stream"),
            Mvu(name="mvu_tall", inputs=("input",), x=Port((3, 6), BIPOLAR), weights=signs(66, 6), thresholds=rng.integers(-5, 6, (66, 1)), bipolar=True, simd=2),
            Mvu(name="mvu_const", inputs=("input",), x=Port((33,), BIPOLAR), weights=signs(16, 33), thresholds=rng.integers(-5, 6, (16, 1)), bipolar=True, pe=16, simd=33, style="const"),
            Mvu(name="mvu_pair", inputs=("input",), x=Port((2, 6), Ints(-128, 127)), weights=rng.integers(-128, 128, (6, 6)), pe=3, simd=3, mult="pair"),
            Mvu(name="mvu_pairs", inputs=("input",), x=Port((5,), Ints(0, 255)), weights=rng.integers(-128, 128, (8, 5)), thresholds=np.sort(rng.integers(-9999, 9999, (8, 3)), 1), pe=4, simd=5, mult="pair"),
            Mvu(name="mvu_pair_plus", inputs=("input",), x=Port((7,), Ints(0, 15)), weights=rng.integers(0, 16, (2, 7)), pe=2, simd=1, mult="pair"),
        )  # fmt: skip


def tree_latency(unit: Mvu) -> int:
    """Registers of the inner product: those of its tree, those behind a block RAM of weights or a small table of them.

    mvu_net has no accumulator and compares without a register; its adders' registers less that are told.
    """
    if net := unit.network:
        return net.latency - 2 - (unit.levels > 1)
    late = registers_behind(unit.style, unit.steps)
    if {kind(unit.x.ints), kind(unit.weight_ints)} <= SIGNS:
        fused = not unit.reload and unit.style in ("auto", "lut") and 1 < unit.steps <= TABLE
        first = 3 + fused  # the height below which the first of popcount's registers stands
        height = 3 + clog2((unit.simd + 7) // 7) if fused else unit.simd.bit_length()
        return late + fused + (height >= first) + max(height - first - 1, 0)
    return late + max(clog2(unit.simd) - 1, 0) // 2


def constant_bits(codes: Array, words: tuple[int, ...], bits: int) -> int:
    """How many bits of numbers of so many are the same along some axes, all others told apart."""
    changing = np.bitwise_or.reduce(codes, words) ^ np.bitwise_and.reduce(codes, words)
    return sum(int((changing >> b & 1 == 0).sum()) for b in range(bits))


def count_hardware(p: Params) -> Bill:
    """As hls/units/mvu.sv is made: inner products, then accumulators and thresholds, and the memories beside them."""
    steps = p["Cols"] // p["Simd"] * (p["Rows"] // p["Pe"])
    late = registers_behind(STYLE[p["Style"]], steps)
    if {p["XKind"], p["WKind"]} <= SIGNS:
        counts, registers, deep, fused = count_bits(p, steps)
        products: Products = ()
    else:
        counts, registers, deep, products = count_numbers(p, steps)
        fused = False
    depth = 2 + late + deep  # place_pipe: cycles from a word to its sum
    early = p["Levels"] == 1 and p["Rows"] // p["Pe"] >= LATE
    counts |= count_control(p, steps, depth - early) | count_accumulators(p)
    counts["registers"] = registers + 3 * depth  # place_pipe, step_pipe
    counts["registers"] += early * (p["Pe"] * p["ThrBits"] - p.get("SameThresholds", 0))  # starts_level
    word = p["Pe"] * p["Simd"] * p["WBits"]
    counts["registers"] += late * (word + p["Simd"] * p["XBits"])  # w_level, x_level
    if fed(p):
        counts["registers"] += word  # gen_fed: w_q
        counts["out"] += word  # gen_fed: slice, as the buffer at the end
    return Bill(counts, memories_of(p, steps, fused, bool(counts["replay"])), products, terms=p["Simd"])


def fed(p: Params) -> bool:
    """True where weights come from outside."""
    return STYLE[p["Style"]] == "stream"


def count_bits(p: Params, steps: int) -> tuple[dict[str, float], float, int, bool]:
    """gen_bits, where every product is -1, 0 or +1: counts, bits of registers, registers in a row of its trees, and
    whether the weights are tables in the LUTs that compare them (Fused)."""
    pe, simd = p["Pe"], p["Simd"]
    masks = 2 if p["WKind"] == TERNARY_KIND else 1 if p["XKind"] == TERNARY_KIND else 0
    fused = not p["Load"] and p["Style"] < 2 and 1 < steps <= TABLE
    # from block RAM and from outside, weights come out of registers
    held = "_table" if fused else "_block" if fed(p) or (p["Style"] == 2 and steps > 1) else ""
    fixed = "_fixed" if steps == 1 and not fed(p) else ""
    shared = masks == 1  # gen_shared: count_all counts the elements that count, once for all rows
    trees = pe * (2 if masks == 2 else 1)  # gen_row: dot_bits has a second tree where each row has a mask of its own
    leaves, adders, registers, deep = popcount(simd, 4 if fused else 3)
    size = simd.bit_length() + (masks > 0)  # CountBits, and a sign
    counts = {
        f"bits{masks}{held}{fixed}": trees * leaves,  # dot_bits: three or six compared bits, counted
        f"adders{fixed}": (trees + shared) * adders,  # dot_bits, count_all: the adders of popcount
        "less": pe * size * (masks > 0),  # dot_bits: twice the count less shared_i
        "masked": shared * popcount(simd, 3)[0],  # count_all: its leaves
        # popcount: the register behind both, which some families have behind their first counters
        "compared": fused * (trees + shared) * simd,
    }
    registers = (trees + shared) * registers + pe * size  # of popcount, and sum_o
    return counts, registers, deep + fused, fused


def count_numbers(p: Params, steps: int) -> tuple[dict[str, float], float, int, Products]:
    """gen_numbers: counts, bits of registers, registers in a row of its adder trees, and multipliers."""
    x, w, pe, simd = p["XBits"], p["WBits"], p["Pe"], p["Simd"]
    # two words of weights: a bit of one is 0, 1 or the address
    few = "" if fed(p) else "_few" if steps == 2 else "_fixed" if steps == 1 else ""
    select = p["WKind"] == 0  # weights of -1/+1: no product; gen_shared adds up all x, and a row subtracts
    if select:
        kind_, each = "select", x
    elif p["Mult"] == 1:  # product: in LUTs, as hls/parts/product.sv makes them
        kind_, each = own_product(p)
    elif p["XKind"] == 0:
        kind_, each = "signed", w + 1  # -1/+1 times a number
    else:
        kind_, each = ("ternary" if p["WKind"] == TERNARY_KIND else "product"), x
    term = x + 1 if select else x + w + 1
    adders, registers, deep = adder_tree(simd, term, p["AccBits"])
    size = min(x + w + 1 + (simd - 1).bit_length(), p["AccBits"])  # SumBits that are used
    counts = {
        f"tree_{kind_}{few}": pe * adders,  # dot_numbers: adder_tree of a row
        "tree": select * adders,  # add_all: adder_tree of all x
        "less": pe * size * select,  # dot_numbers: less shared_i
        # dot_numbers: what makes a term; products that the tool makes are counted as multipliers
        **({} if kind_ == "product" else {f"{kind_}{few}": pe * simd * each}),
    }
    registers = pe * (registers + size) + select * registers  # of the trees, and sum_o
    if select or p["Mult"] == 1:
        return counts, registers, deep, ()
    if p["Mult"] == 3:
        paired, products = count_pairs(pe, simd, (x, p["XKind"]), (w, p["WKind"]), few)
        return counts | paired, registers, deep, products
    value = 2 if kind_ == "signed" else x  # bits that multiply
    return counts, registers, deep, ((pe * simd, value, w, value + (p["XKind"] == 1) + w),)


def own_product(p: Params) -> tuple[str, int]:
    """The branch of hls/parts/product.sv that is made, and the bits of one product there."""
    if not {p["XKind"], p["WKind"]} & SIGNS:
        return "rows", rows(p["XBits"] + (p["XKind"] == 1), p["WBits"] + (p["WKind"] == 1))
    # a factor of -1, 0, +1 chooses; with one product a row there is no tree that could take the sign in
    return "choice" if p["Simd"] > 1 else "alone", p["WBits"] if p["XKind"] in SIGNS else p["XBits"]


def count_control(p: Params, steps: int, depth: int) -> dict[str, float]:
    """Which word, which rows: counters and what they travel through; the word that is held or replayed."""
    groups, passes, word = p["Cols"] // p["Simd"], p["Rows"] // p["Pe"], p["Simd"] * p["XBits"]
    return {
        "one": 1,  # flags and handshake
        "counters": counter(groups, passes, *(() if fed(p) else (steps,))),  # group_q, pass_q, step_q
        "word": word,  # x_q
        "replay": word if passes > 1 and groups > 1 else 0,  # gen_replay: the choice of x_q or `again`
        "places": counter(passes) * (depth - 1),  # pass_pipe
    }


def count_accumulators(p: Params) -> dict[str, float]:
    """Accumulators, thresholds and the buffer at the end."""
    groups, passes, acc = p["Cols"] // p["Simd"], p["Rows"] // p["Pe"], p["Pe"] * p["AccBits"]
    many, counted = p["Levels"] > 1, p["XKind"] == p["WKind"] == 0
    return {
        "acc": acc,  # gen_acc: acc_q
        "summed": acc * (groups > 1),  # gen_acc: the adder, where there is more than one word to add up
        "start": acc * (p["Levels"] == 1 and passes > 1),  # gen_start: a start of every pass
        "raw": p["Pe"] * p["YBits"] * (p["Levels"] == 0 and counted),  # gen_counted: twice the count less Cols
        "stairs": acc * p["Levels"] * many,  # gen_level: acc_q >= limits
        "levels": p["Pe"] * p["Levels"] * many,  # gen_stairs: count
        "out": p["Pe"] * p["YBits"],  # buffer: two words
    }


def memories_of(p: Params, steps: int, fused: bool, replay: bool) -> tuple[Store, ...]:
    """Weights, thresholds and the vector that is replayed; bits that are the same in all words are not stored."""
    simd, groups, passes = p["Simd"], p["Cols"] // p["Simd"], p["Rows"] // p["Pe"]
    masked = fused and TERNARY_KIND in (p["XKind"], p["WKind"])
    held = [] if fed(p) else [Store(
        p["Pe"] * simd * p["WBits"] - p.get("SameWeights", 0), steps, STYLE[p["Style"] % 3],
        compared=simd if fused else 0, masked=masked, rom=not p["Load"], loads=bool(p["Load"]),
    )]  # fmt: skip
    limits = Store(
        p["Pe"] * p["Levels"] * p["ThrBits"] - p.get("SameThresholds", 0),
        passes,
        rom=not p["Load"],
        loads=bool(p["Load"]),
    )  # starts, stairs
    vector = [Store(simd * p["XBits"], groups, rom=False)] if replay else []  # gen_replay: vector
    return (*held, limits, *vector)
