"""What every hardware unit answers, and the dataflow that joins units by streams.

Stands on bits and ops' Port. A unit is one Python class here, one `hls/units/<module>.sv`, one `hls/units/<module>.hpp`:
same name, same parameters, same order; a test compares the three.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hwflow.bits import Array, Ints
from hwflow.errors import RecipeError
from hwflow.graph import Node, Nodes
from hwflow.ops import Port

if TYPE_CHECKING:
    from hwflow.units.kit.costs import Params, Shape

SOURCE = "input"  # the stream that enters a dataflow
FAMILIES = ("xc7", "ecp5", "gowin", "ice40")
PIXELS = (1, 2, 4)  # of a word, in units that take several
MULTS = ("auto", "lut", "dsp")  # what products of numbers are made of; the index is the module's Mult


@dataclass(frozen=True)
class Stream:
    """A value on the move: `par` neighbouring elements a word, in raster order, element 0 in the low bits."""

    port: Port
    par: int

    def __post_init__(self) -> None:
        assert self.port.size % self.par == 0, f"{self.par} elements a word do not divide {self.port}"

    @property
    def ints(self) -> Ints:
        return self.port.ints

    @property
    def bits(self) -> int:
        """Bits of one word."""
        return self.par * self.ints.bits

    @property
    def words(self) -> int:
        """Words of one image."""
        return self.port.size // self.par


@dataclass(frozen=True)
class Cost:
    """Resources: LUTs of the family's own size, flip-flops, block RAMs of the family's own size, DSPs."""

    lut: float = 0
    ff: float = 0
    bram: float = 0
    dsp: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.lut + other.lut, self.ff + other.ff, self.bram + other.bram, self.dsp + other.dsp)


@dataclass(frozen=True)
class Memory:
    """The words of one $readmemh file: word width in bits, and the words in address order."""

    bits: int
    words: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Unit(Node):
    """One hardware unit. `inputs` name the streams it reads: `unit`, or `unit:port` of a unit with several outputs.

    Every question has one answer here and is a test against simulation or synthesis.
    """

    module: ClassVar[str]  # hls/units/<module>.sv and hls/units/<module>.hpp

    @property
    def ins(self) -> tuple[Stream, ...]:
        """The streams it takes, one for each of `inputs`."""
        raise NotImplementedError

    @property
    def outs(self) -> tuple[Stream, ...]:
        """The streams it gives."""
        raise NotImplementedError

    @property
    def cycles(self) -> int:
        """Cycles from one image to the next when every stream is always ready."""
        raise NotImplementedError

    @property
    def latency(self) -> int:
        """Cycles from its first input word to its first output word when every stream is always ready."""
        raise NotImplementedError

    @property
    def multiplies(self) -> bool:
        """True where it multiplies numbers, so that what makes the products is a choice: its field `mult`, one of MULTS."""
        return False

    @property
    def made_by(self) -> str:
        """What makes its products, one of MULTS; empty where it has none."""
        return str(getattr(self, "mult", "")) if self.multiplies else ""

    def foldings(self) -> Iterator[dict[str, int]]:
        """Every legal choice of its folding fields (a subset of pe, simd), as keywords of `folded`."""
        yield {}

    def folded(self, **folding: Any) -> Unit:
        """The same unit with another folding; RecipeError when it is not a legal one."""
        return replace(self, **folding)

    def params(self) -> dict[str, int | str]:
        """Parameters of the module and of the template: same names, same order. Strings are memory file names."""
        raise NotImplementedError

    def memories(self) -> dict[str, Memory]:
        """Memory contents by file name, as `params` names them."""
        return {}

    def structure(self) -> tuple[str, Mapping[str, Any]]:
        """The module that hardware is made of and the parameters its cost follows from."""
        return self.module, self.params()

    @staticmethod
    def shape(p: Params) -> Shape:
        """What hardware of the parameters that `structure` gives is made of: its resources follow from that."""
        raise NotImplementedError

    @staticmethod
    def path(_: Params) -> Mapping[str, float]:
        """What the longest path of such hardware grows with: bits of carry chains, bits of a product, levels of stairs,
        elements of a choice. Empty where it is never the longest."""
        return {}

    def cost(self, family: str) -> Cost:
        """Estimated resources on one of FAMILIES: what units of this module took when Yosys measured them."""
        from hwflow.units.kit.costs import estimate

        module, params = self.structure()
        return estimate(module, self.shape(params), family)

    def run(self, *xs: Array) -> tuple[Array, ...]:
        """The unit's meaning on whole images (n, *shape): one array for each of `outs`."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Dataflow:
    """Units in topological order, joined by streams. The last unit's output is the answer.

    `pace`: cycles an image as the event model has them, where units that hand on their words in bursts may hold each other up.
    """

    name: str
    input: Stream
    units: tuple[Unit, ...]
    pace: int | None = None

    @cached_property
    def nodes(self) -> Nodes[_Edges]:
        return Nodes(
            SOURCE, tuple(_Edges(name=u.name, inputs=tuple(i.split(":")[0] for i in u.inputs)) for u in self.units)
        )

    def __post_init__(self) -> None:
        readers: dict[str, str] = {}
        for unit in self.units:
            assert self.nodes[unit.name].name == unit.name
            for i, stream in zip(unit.inputs, unit.ins, strict=True):
                assert i not in readers, f"{i} feeds {readers[i]} and {unit.name}; a fork belongs between"
                readers[i] = unit.name
                source = self.stream(i)
                assert (source.bits, source.words) == (stream.bits, stream.words), (
                    f"{unit.name} takes {stream}, {i} gives {source}"
                )

    @cached_property
    def by_name(self) -> dict[str, Unit]:
        return {u.name: u for u in self.units}

    @property
    def output(self) -> Stream:
        return self.units[-1].outs[0]

    def stream(self, edge: str) -> Stream:
        """The stream an edge name stands for."""
        if edge == SOURCE:
            return self.input
        name, _, port = edge.partition(":")
        return self.by_name[name].outs[int(port or 0)]

    @property
    def cycles(self) -> int:
        """Cycles per image in the steady state: its pace where that is known, else those of the slowest unit."""
        return self.pace or max(u.cycles for u in self.units)

    @property
    def bottleneck(self) -> Unit:
        return max(self.units, key=lambda u: u.cycles)

    def cost(self, family: str) -> Cost:
        return sum((u.cost(family) for u in self.units), Cost())

    def values(self, x: Array) -> dict[str, Array]:
        """Every stream's value by edge name (`unit`, and `unit:port` beyond port 0) for inputs (n, *shape)."""
        out = {SOURCE: np.asarray(x).astype(np.int64).reshape(len(x), *self.input.port.shape)}
        for unit in self.units:
            for port, y in enumerate(unit.run(*(out[i.removesuffix(":0")] for i in unit.inputs))):
                out[f"{unit.name}:{port}" if port else unit.name] = y
        return out

    def run(self, x: Array) -> Array:
        """The answer (n, outputs), computed by the units' own references."""
        return self.values(x)[self.units[-1].name].reshape(len(x), -1)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Edges(Node):
    """A unit's place in the order, for the checks of `Nodes`."""


def divisors(n: int) -> list[int]:
    """Every divisor of n, ascending."""
    low = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return sorted({*low, *(n // d for d in low)})


def check_mult(unit: str, mult: str) -> None:
    """RecipeError unless a unit's `mult` is one of MULTS."""
    if mult not in MULTS:
        raise RecipeError(f"{unit}: mult must be one of {', '.join(MULTS)}, not {mult}")


def divide(unit: str, field: str, by: int, of: int) -> None:
    """RecipeError unless a folding field divides what it folds."""
    if by < 1 or of % by:
        raise RecipeError(f"{unit}: {field} must divide {of}, not {by}")
