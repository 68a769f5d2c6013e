"""What matrix-vector units share: weights (rows, cols), how they are folded, when words move.

Stands on units.kit.weighted. `mvu` works on one vector at a time, `mvus` on several side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from hwflow.bits import Array, exact_matmul
from hwflow.errors import RecipeError
from hwflow.families import Family
from hwflow.ops import Port
from hwflow.units.kit.base import MULTS
from hwflow.units.kit.pairs import check_pairs, takes_pairs
from hwflow.units.kit.rhythm import Backpressure, EventGraph, Rhythm, Steps, arange, compact
from hwflow.units.kit.stores import STYLE
from hwflow.units.kit.streams import PIXELS, Stream, divisors, spares
from hwflow.units.kit.weighted import SIGNS, Weighted, kind, staircase

SHARED = 4096  # weights up to which the planner looks for shared adders: a fraction of a second


@dataclass(frozen=True, eq=False, kw_only=True)
class Matrix(Weighted):
    """y[r] = base + count_k(acc[r] >= thresholds[r, k]), acc[r] = sum_c weights[r, c] * x[c], for every vector of x.

    x is (..., cols), one vector for each leading position. Which of its kinds a unit is follows from its folding.
    """

    # adders that rows share: their number follows from the weights; what is streamed has fewer foldings
    own_bill: ClassVar[tuple[str, ...]] = ("const", "stream")
    kinds: ClassVar[list[type[Matrix]]] = []  # the classes derived from this one
    several: ClassVar[bool] = False  # a word holds several vectors
    mults: ClassVar[tuple[str, ...]] = MULTS
    simd: int = 1
    style: str = "auto"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Matrix.kinds.append(cls)

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.x.channels == self.cols, f"{self.name}: takes vectors of {self.cols}, not {self.x}"
        if self.style not in STYLE:
            raise RecipeError(f"{self.name}: style must be one of {', '.join(STYLE)}, not {self.style}")
        if self.mult == "pair":
            check_pairs(self.name, self.together, self.x.ints, self.weight_ints)

    @property
    def together(self) -> int:
        """Rows that meet the same input at once."""
        return min(self.pe, self.rows)

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
        return (Stream.of(self.x, self.simd),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream(Port((*self.x.shape[:-1], self.rows), self.y_ints), self.pe, self.ins[0].by_row),)

    @property
    def cycles(self) -> int:
        return self.vectors * self.steps

    @property
    def latency(self) -> int:
        return self.groups - 1 + self.stages

    @property
    def stages(self) -> int:
        """Cycles from the last word of a vector to its result in the buffer at the end."""
        raise NotImplementedError

    def rhythm(self, g: EventGraph) -> Rhythm:
        """Words in during the first pass of a vector, out at the end of each pass; the pipeline stalls as a whole.

        Only cycles in which a word moves are steps; the cycles between them are gaps.
        """
        groups, passes = self.groups, self.passes
        moves = np.zeros((passes, groups), bool)
        moves[0], moves[:, -1] = True, True
        one = np.flatnonzero(moves)  # cycles of one vector in which something moves
        gaps = np.tile(np.diff(one, prepend=one[-1] - self.steps), self.vectors)
        p = g.process(len(one) * self.vectors, gaps)
        start = np.arange(self.vectors)[:, None] * len(one)
        take = compact((start + np.flatnonzero(one < groups)).ravel())
        give = compact((start + np.flatnonzero(one % groups == groups - 1)).ravel())
        lands, goes = g.pipeline(p, give, self.stages)
        words = arange(len(give))
        # while the buffer holds a second word nothing moves: the word before must be gone
        waits = Backpressure(goes, words, words - 1, 1)
        return Rhythm((Steps(p, take),), (Steps(lands, words),), ((waits,),))

    @property
    def multiplies(self) -> bool:
        kinds = {kind(self.x.ints), kind(self.weight_ints)}
        return not self.weight_ints.is_bipolar and not kinds <= SIGNS

    def products(self, family: Family) -> tuple[str, ...]:
        paired = takes_pairs(family, self.together, self.x.ints, self.weight_ints)
        return super().products(family) + paired * ("pair",)

    def foldings(self) -> Iterator[dict[str, int]]:
        first = int(self.mult == "pair")  # one row by itself has no pair
        for pe in divisors(self.rows)[first:]:
            for simd in divisors(self.cols):
                if self.style != "const" or (pe, simd) == (self.rows, self.cols):
                    yield {"pe": pe, "simd": simd}
        for n in PIXELS[1:]:
            if self.style not in self.own_bill and self.beside(n * self.rows, n * self.cols):
                yield {"pe": n * self.rows, "simd": n * self.cols}

    def beside(self, pe: int, simd: int) -> bool:
        """True for the folding of several units side by side, as `Mvus` are: a vector each."""
        n, rest = divmod(simd, self.cols)
        return n > 1 and not rest and pe == n * self.rows and (self.x.size % simd == 0 or spares(self.x, simd))

    @property
    def hurries(self) -> bool:
        return self.ins[0].by_row

    def folded(self, **folding: Any) -> Matrix:
        """The unit of that folding: of the kind that takes so many vectors a word."""
        values = {f.name: getattr(self, f.name) for f in fields(self)} | folding
        several = self.beside(values["pe"], values["simd"])
        return next(k for k in Matrix.kinds if k.several == several)(**values)

    def unconstrained(self) -> Matrix:
        # constant weights have one folding, streamed ones fewer; a row by itself has no pair
        return replace(self, style="auto", mult="auto" if self.mult == "pair" else self.mult)

    @property
    def shareable(self) -> bool:
        """True where rows could share adders: all weights at once are one bit each, as are all elements."""
        return False

    def styles(self, family: Family) -> tuple[str, ...]:  # noqa: ARG002
        """All weights at once are wires, in adders that rows share where they are few; else tables or block RAM."""
        if self.steps > 1:
            return "lut", "block"
        return ("lut", "const") if self.shareable and not self.reload and self.weights.size <= SHARED else ("lut",)

    @property
    def macs(self) -> int:
        return self.pe * self.simd

    @property
    def table_words(self) -> int:
        return self.steps

    @property
    def synthesises_quickly(self) -> bool:
        """False for deep tables of weights in LUTs and for thousands of LUTs of products."""
        each = self.x.ints.bits * self.weight_ints.bits
        table = self.macs * self.weight_ints.bits * self.steps if self.style not in ("block", "stream") else 0
        return table <= 8000 and self.macs * (1 if each <= 2 else each) <= 1600

    def run(self, *xs: Array) -> tuple[Array, ...]:
        (x,) = xs
        acc = exact_matmul(x.reshape(-1, self.cols), self.weights.T)
        y = acc if self.thresholds is None else staircase(acc, self.thresholds, self.base, self.bipolar)
        return (y.reshape(len(x), *self.outs[0].port.shape),)
