"""What every hardware unit answers, and the dataflow that joins units by streams.

Stands on units.kit.streams. A unit is one Python class here, one `hls/units/<module>.sv`, one `hls/units/<module>.hpp`:
same name, same parameters, same order; a test compares the three.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.families import family_of
from hwflow.graph import INPUT, Node, Nodes
from hwflow.units.kit.streams import Stream

if TYPE_CHECKING:
    from hwflow.families import Family
    from hwflow.units.kit.costs import Bill, Params
    from hwflow.units.kit.rhythm import EventGraph, Rhythm

SOURCE = INPUT  # the stream that enters a dataflow
# a layer of FINN: its kind, the style its name ends in once specialised, its folding in its own words
FinnLayer: TypeAlias = tuple[str, str, dict[str, int]]
ALONE = ("auto", "lut", "dsp")  # what a product of numbers is made of
MULTS = (*ALONE, "pair")  # and two products that share a factor; the index is the module's Mult


@dataclass(frozen=True)
class Cost:
    """Resources: LUTs of the family's own size, flip-flops, block RAMs of the family's own size, DSPs.

    `guess`: how many of the LUTs rest on first guesses, which no measurement corrected.
    """

    lut: float = 0
    ff: float = 0
    bram: float = 0
    dsp: float = 0
    guess: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.lut + other.lut,
            self.ff + other.ff,
            self.bram + other.bram,
            self.dsp + other.dsp,
            self.guess + other.guess,
        )


@dataclass(frozen=True)
class Memory:
    """The words of one $readmemh file: word width in bits, and the words in address order."""

    bits: int
    words: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Feed:
    """What a unit takes from outside over and over: a stream of `values` (1, elements), `times` of them for each image."""

    stream: Stream
    values: Array
    times: int

    @property
    def word_bytes(self) -> int:
        """Bytes of one word as it travels."""
        return -(-self.stream.bits // 8)

    @property
    def image_bytes(self) -> int:
        """Bytes that one image takes."""
        return self.times * self.stream.words * self.word_bytes


@dataclass(frozen=True, eq=False, kw_only=True)
class Unit(Node):
    """One hardware unit. `inputs` name the streams it reads: `unit`, or `unit:port` of a unit with several outputs.

    Everything that lowering, planner, emitters, reports and tests need to know of a unit is a question below, so none of
    them knows a unit by name. Each answer is held against simulation or synthesis by a test.
    """

    module: ClassVar[str]  # hls/units/<module>.sv and hls/units/<module>.hpp
    glue: ClassVar[bool] = False  # only joins other units: it follows from what it joins, so nobody folds it
    rate_matched: ClassVar[bool] = False  # where nobody folds it, it is as narrow as keeps up with its reader
    own_bill: ClassVar[tuple[str, ...]] = ()  # styles at which it is made of something else, so that only `cost` knows
    # ways of its handshake in which no register stands; `lower/handshakes.py` keeps chains of them short
    ready_through: ClassVar[bool] = False  # `ready` of an input follows that of an output in the same cycle
    valid_through: ClassVar[bool] = False  # `valid` of an output follows that of an input in the same cycle
    ready_awaits: ClassVar[bool] = False  # `ready` of an input follows `valid` of its inputs in the same cycle

    # ---- what it does

    @property
    def ins(self) -> tuple[Stream, ...]:
        """The streams it takes, one for each of `inputs`."""
        raise NotImplementedError

    @property
    def outs(self) -> tuple[Stream, ...]:
        """The streams it gives."""
        raise NotImplementedError

    def run(self, *xs: Array) -> tuple[Array, ...]:
        """The unit's meaning on whole images (n, *shape): one array for each of `outs`."""
        raise NotImplementedError

    # ---- when it does it

    @property
    def cycles(self) -> int:
        """Cycles from one image to the next when every stream is always ready."""
        raise NotImplementedError

    @property
    def latency(self) -> int:
        """Cycles from its first input word to its first output word when every stream is always ready."""
        raise NotImplementedError

    def rhythm(self, g: EventGraph) -> Rhythm:
        """Its steps and what each of them waits for, added to an event graph; to the cycle those of its module."""
        raise NotImplementedError

    @property
    def capacity(self) -> int:
        """Words it buffers between two others, where it is a fifo whose depth may be chosen; 0 for every other unit."""
        return 0

    # ---- how wide it is

    def foldings(self) -> Iterator[dict[str, int]]:
        """Every legal choice of its folding fields (a subset of pe, simd), as keywords of `folded`."""
        yield {}

    def folded(self, **folding: Any) -> Unit:
        """The same unit with another folding; RecipeError when it is not a legal one."""
        return replace(self, **folding)

    def unconstrained(self) -> Unit:
        """The same unit without a choice that would leave it fewer foldings."""
        return self

    @property
    def width_bound(self) -> bool:
        """True where the order of its words depends on its width, so that its reader must have the same."""
        return False

    @property
    def hurries(self) -> bool:
        """True where it takes several pixels a cycle, which the planner offers only where one a cycle is too slow."""
        return any(s.port.channels < s.par for s in (*self.ins, *self.outs) if len(s.port.shape) == 3)

    @property
    def unfolded(self) -> tuple[str, ...]:
        """Those of its fields pe, simd, style and mult that are no choice."""
        return () if self.multiplies else ("mult",)

    @property
    def multiplies(self) -> bool:
        """True where it multiplies numbers, so that what makes the products is a choice: its field `mult`, one of MULTS."""
        return False

    @property
    def made_by(self) -> str:
        """What makes its products, one of MULTS; empty where it has none."""
        return str(getattr(self, "mult", "")) if self.multiplies else ""

    def products(self, family: Family) -> tuple[str, ...]:  # noqa: ARG002
        """What its products may be made of at its folding, by values of its field `mult`; none where that is no choice."""
        return ("lut", "dsp") if self.multiplies else ()

    def styles(self, family: Family) -> tuple[str, ...]:  # noqa: ARG002
        """Where its memories may lie at its folding, by values of its field `style`; none where that is no choice."""
        return ()

    # ---- what it is made of

    def params(self) -> dict[str, int | str]:
        """Parameters of the module and of the template: same names, same order. Strings are memory file names."""
        raise NotImplementedError

    def memories(self) -> dict[str, Memory]:
        """Memory contents by file name, as `params` names them."""
        return {}

    @property
    def feed(self) -> Feed | None:
        """What comes from outside, as one more stream behind its `ins` in SystemVerilog; None where it holds all it needs."""
        return None

    def streamed(self) -> Unit:
        """The same unit with its weights from outside (`feed`); itself where it has none that could be."""
        return self

    @property
    def loads(self) -> bool:
        """True where the contents of its memories can be loaded while the hardware runs; see `reloadable`."""
        return False

    def reloadable(self) -> Unit:
        """The same unit with memories that can be loaded, and as wide as any contents need; itself where it has none."""
        return self

    @property
    def load_ports(self) -> bool:
        """True where its SystemVerilog module has a place in the chain by which memories are loaded, used or not."""
        return False

    def rtl(self) -> tuple[str, dict[str, int | str]]:
        """The SystemVerilog module it is an instance of, and that module's parameters: numbers, literals, file names."""
        return self.module, self.params()

    def structure(self) -> tuple[str, Mapping[str, Any]]:
        """The name its cost coefficients go by, and the parameters its cost follows from."""
        return self.module, self.params()

    @staticmethod
    def bill(p: Params) -> Bill:
        """What hardware of the parameters that `structure` gives is made of, term by term; costs follow from it."""
        raise NotImplementedError

    @staticmethod
    def critical_path(_: Params) -> Mapping[str, float]:
        """What the longest path of such hardware grows with: bits of carry chains (carry), bits of a product (product),
        levels of a staircase (stairs), rounds of a tournament (choice). Empty where it is never the longest."""
        return {}

    def cost(self, family: str) -> Cost:
        """Estimated resources on a family: coefficients fitted to what Yosys measured, times what the unit is made of."""
        from hwflow.units.kit.costs import estimate

        name, params = self.structure()
        return estimate(name, self.bill(params), family_of(family))

    @property
    def macs(self) -> int:
        """Products of an input and a weight that it makes and adds up in a cycle; 0 where it has no weights."""
        return 0

    def finn_layers(self) -> list[FinnLayer]:
        """The layers of FINN that do the same, and how they are folded; none where FINN folds such a layer by itself."""
        return []

    # ---- how it is measured and tested

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances for the tests of every engine, awkward shapes included; each reads the stream `input`."""
        raise NotImplementedError

    @property
    def instances(self) -> tuple[Unit, ...]:
        """The units side by side that it is made of, where it is several of another kind; else itself."""
        return (self,)

    @property
    def lanes(self) -> int:
        """Rows worked on at once that could be units of their own side by side; 1 where it cannot be divided."""
        return 1

    def lane_group(self, n: int, i: int) -> Unit:
        """The i-th of n equal groups of its lanes, as a unit of its own that does the same on the same words."""
        assert n == 1 and i == 0, f"{self.name}: cannot be divided"
        return self

    @property
    def table_words(self) -> int:
        """Words of the tables that its lanes address alike; tools share such tables between lanes where they are short."""
        return 0

    @property
    def synthesises_quickly(self) -> bool:
        """False where Yosys is known to take minutes for it alone."""
        return True


class Loadable(Unit):
    """A unit whose memories can be loaded while the hardware runs, where its field `reload` says so."""

    reload: bool  # a field of every unit that is one, declared with its other fields

    @property
    def loads(self) -> bool:
        return self.reload

    def reloadable(self) -> Unit:
        return replace(self, reload=True)  # type: ignore[call-arg]  # the field is the subclass's

    @property
    def load_ports(self) -> bool:
        return True


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
                assert (source.bits, source.words, source.by_row) == (stream.bits, stream.words, stream.by_row), (
                    f"{unit.name} takes {stream}, {i} gives {source}"
                )

    @property
    def fifos(self) -> tuple[Unit, ...]:
        """Its fifos, whose depths may be chosen."""
        return tuple(u for u in self.units if u.capacity)

    @cached_property
    def by_name(self) -> dict[str, Unit]:
        return {u.name: u for u in self.units}

    @cached_property
    def feeds(self) -> dict[str, Feed]:
        """What comes from outside beside the images, by the name of the unit that takes it."""
        return {u.name: u.feed for u in self.units if u.feed}

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


def check_mult(unit: str, mult: str, known: tuple[str, ...] = ALONE) -> None:
    """RecipeError unless a unit's `mult` is one of those it knows."""
    if mult not in known:
        raise RecipeError(f"{unit}: mult must be one of {', '.join(known)}, not {mult}")
