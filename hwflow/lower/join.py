"""Units become a dataflow: forks, encodings, word widths and fifos between those that compute.

Stands on units. What stands here follows from the units it joins, so nobody folds it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from hwflow import units as hw
from hwflow.errors import RecipeError
from hwflow.ops import Port
from hwflow.units.kit.base import SOURCE, Dataflow, Unit
from hwflow.units.kit.streams import Stream

Depths: TypeAlias = Mapping[str, int]


def join(name: str, source: Port, units: tuple[Unit, ...], depths: Depths | None = None) -> Dataflow:
    """Units joined by forks, recoders, width converters and fifos.

    `depths` names every fifo there is ({"conv2_fifo": 16}); None gives each input of a unit with several inputs
    one that holds an image. RecipeError when `depths` names a place no fifo can have.
    """
    first = next(u for u in units if SOURCE in u.inputs)
    start = Stream(source, _outer(first, first.ins[first.inputs.index(SOURCE)]).par)
    joined = _Joined(Counter(i for u in units for i in u.inputs), Names({SOURCE, *(u.name for u in units)}), depths)
    joined.offer(SOURCE, start)
    for unit in units:
        joined.add(unit)
    _outer(units[-1], units[-1].outs[0])
    if stray := sorted(set(depths or {}) - joined.placed):
        like = fifo_name(units[0], 0)
        raise RecipeError(f"{stray[0]}: there is no such fifo; a fifo is named after the unit it feeds, like {like}")
    return Dataflow(name, start, tuple(joined.units))


def _outer(unit: Unit, stream: Stream) -> Stream:
    """A stream that enters or leaves the hardware; RecipeError where its words do not divide an image's rows."""
    if stream.by_row:
        many = stream.par // stream.port.channels
        raise RecipeError(
            f"{unit.name}: rows of {stream.port.shape[1]} pixels are no words of {many}, which hardware takes and gives "
            f"one after another; take one pixel a word, or a number that divides a row"
        )
    return stream


def fifo_name(unit: Unit, k: int) -> str:
    """The fifo before stream k of a unit."""
    return f"{unit.name}_{k}_fifo" if len(unit.inputs) > 1 else f"{unit.name}_fifo"


def unjoin(dataflow: Dataflow) -> tuple[Unit, ...]:
    """The units of a dataflow that compute, reading each other by name: what `join` started from."""
    behind = {SOURCE: SOURCE}
    out: list[Unit] = []
    for unit in dataflow.units:
        edges = tuple(behind[i] for i in unit.inputs)
        if not unit.glue:
            out.append(replace(unit, inputs=edges))
        for k in range(len(unit.outs)):
            name = f"{unit.name}:{k}" if k else unit.name
            behind[name] = edges[0] if unit.glue else name
    return tuple(out)


@dataclass
class _Joined:
    """The dataflow in the making."""

    readers: Counter[str]
    names: Names
    depths: Depths | None
    units: list[Unit] = field(default_factory=list)
    placed: set[str] = field(default_factory=set)
    free: dict[str, list[str]] = field(default_factory=dict)  # edges nobody reads yet, by what they carry
    streams: dict[str, Stream] = field(default_factory=dict)

    def offer(self, edge: str, stream: Stream) -> None:
        """Make a stream readable as often as it is read: a fork where that is more than once."""
        copies = self.readers[edge]
        self.streams[edge], self.free[edge] = stream, [edge]
        if copies > 1:
            fork = self.put(
                hw.Fork,
                f"{edge.replace(':', '_')}_fork",
                edge,
                x=stream.port,
                copies=copies,
                par=stream.par,
                by_row=stream.by_row,
            )
            self.free[edge] = [f"{fork}:{k}" if k else fork for k in range(copies)]

    def add(self, unit: Unit) -> None:
        """A unit, with what its inputs need before it."""
        self.units.append(replace(unit, inputs=tuple(self.bring(unit, k) for k in range(len(unit.inputs)))))
        for k, stream in enumerate(unit.outs):
            self.offer(f"{unit.name}:{k}" if k else unit.name, stream)

    def put(self, kind: type[Unit], wanted: str, edge: str, **fields: object) -> str:
        name = self.names.new(wanted)
        self.units.append(kind(name=name, inputs=(edge,), **fields))
        return name

    def bring(self, unit: Unit, k: int) -> str:
        """The edge that brings stream k of `unit` in its encoding and width, through its fifo."""
        edge, have, want = self.free[unit.inputs[k]].pop(0), self.streams[unit.inputs[k]], unit.ins[k]
        stem = fifo_name(unit, k).removesuffix("_fifo")
        if (have.ints.bits, have.ints.kind) != (want.ints.bits, want.ints.kind):
            edge = self.put(
                hw.Recode, f"{stem}_recode", edge, x=have.port, to=want.ints, par=have.par, by_row=have.by_row
            )
            have = Stream(want.port, have.par, have.by_row)
        if have.by_row != want.by_row or (have.by_row and have.par != want.par):
            takes, gives = ("rows that each begin a word" if s.by_row else "words across rows" for s in (want, have))
            raise RecipeError(
                f"{unit.name}: takes {want.par} elements a word, {takes}, and {unit.inputs[k]} gives {have.par}, {gives}; "
                f"give both words of as many pixels, or of a number of them that divides a row of {(have if have.by_row else want).port.shape[1]}"
            )
        if have.par != want.par:
            edge = self.put(hw.Width, f"{stem}_width", edge, x=have.port, par_in=have.par, par_out=want.par)
        # right before the reader, which may want its words in one burst
        return self.buffer(unit, k, edge, Stream(have.port, want.par, have.by_row))

    def buffer(self, unit: Unit, k: int, edge: str, stream: Stream) -> str:
        """`edge` through its fifo, where it has one."""
        name = fifo_name(unit, k)
        if self.depths is None:
            depth = max(stream.words, 2) if len(unit.inputs) > 1 else 0
        else:
            depth = self.depths.get(name, 0)
        if not depth:
            return edge
        self.placed.add(name)
        return self.put(hw.Fifo, name, edge, x=stream.port, par=stream.par, depth=depth, by_row=stream.by_row)


@dataclass
class Names:
    """Names taken so far."""

    taken: set[str]
    feeding: set[str] = field(default_factory=set)  # what the fifos before units of these names are named after

    def new(self, wanted: str, inputs: int = 1) -> str:
        """An identifier like `wanted` that nobody has, for a unit whose fifos must have names of their own as well.

        Input 2 of `concat` and the only input of `concat_2` would both be fed by `concat_2_fifo`.
        """
        first = name = identifier(wanted)
        k = 2
        while name in self.taken or self.feeding & _stems(name, inputs):
            name, k = f"{first}_{k}", k + 1
        self.taken.add(name)
        self.feeding |= _stems(name, inputs)
        return name


def _stems(name: str, inputs: int) -> set[str]:
    return {name} if inputs == 1 else {f"{name}_{k}" for k in range(inputs)}


def identifier(name: str) -> str:
    """`name` with everything but letters, digits and _ replaced, so that every engine can use it."""
    name = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "unit"
    return f"n{name}" if name[0].isdigit() else name
