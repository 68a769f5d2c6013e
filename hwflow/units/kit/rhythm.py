"""How a unit moves, as a timed event graph: which steps it takes, and which steps of others each of them waits for.

Stands on numpy. Every unit says its rhythm with what lies here (`Unit.rhythm`); `plan/events.py` joins the rhythms of a
dataflow and evaluates them. Each rhythm is that of the unit's SystemVerilog module, and a test holds the two together.

A process is a sequence of steps, repeated for every image: a word taken, a word given. A step happens one gap after the
step before it and no earlier than what it needs of other processes. Units without registers in their path (split,
concat, pad, recode) are two processes: words offered, and words gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from hwflow.bits import Array


@dataclass(frozen=True)
class Line:
    """The numbers start, start + by, ...: `count` of them."""

    start: int
    by: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __add__(self, more: int) -> Line:
        return Line(self.start + more, self.by, self.count)

    def __sub__(self, less: int) -> Line:
        return self + -less

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return (self.start + self.by * np.arange(self.count, dtype=np.int64)).astype(dtype or np.int64)


Numbers: TypeAlias = Line | Array


def arange(n: int) -> Line:
    """0, 1, ... n - 1."""
    return Line(0, 1, n)


def compact(values: Array) -> Numbers:
    """The same numbers, as a progression where they are an ascending one."""
    by = int(values[1] - values[0]) if len(values) > 1 else 1
    return Line(int(values[0]), by, len(values)) if by >= 0 and (np.diff(values) == by).all() else values


@dataclass(frozen=True, eq=False)
class Need:
    """Steps `index` of a process come at least `later` cycles after steps `step` of `source`, one for one."""

    process: int
    index: Numbers
    source: int
    step: Numbers
    later: int = 0


@dataclass
class EventGraph:
    """Processes and their needs while a dataflow's graph is being built; `plan.processes.tabulate` makes arrays of it."""

    sizes: list[int] = field(default_factory=list)
    gaps: list[int | Array] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    alternatives: list[Need] = field(default_factory=list)  # each may replace a need, when a fifo is taken out
    pipelines: list[tuple[int, int, int, int]] = field(default_factory=list)  # head, lands, goes, depth

    def process(self, n: int, gap: Array | int = 1) -> int:
        """Add a process of n steps an image, `gap` cycles apart at least; its number."""
        self.sizes.append(n)
        self.gaps.append(gap)
        return len(self.gaps) - 1

    def need(self, process: int, index: Numbers, source: int, step: Numbers, later: int = 0) -> int:
        """Make steps `index` of a process come at least `later` cycles after steps `step` of another; the need's number."""
        self.needs.append(Need(process, index, source, step, later))
        return len(self.needs) - 1

    def alternative(self, process: int, index: Numbers, source: int, step: Numbers, later: int = 0) -> int:
        """Note a need that does not hold yet; its number among the alternatives."""
        self.alternatives.append(Need(process, index, source, step, later))
        return len(self.alternatives) - 1

    def pipeline(self, head: int, give: Numbers, depth: int) -> tuple[int, int]:
        """A pipeline of `depth` registers behind steps `give` of `head`, as two processes: its results land, then go.

        A result lands `depth` moving cycles after its step and goes when there is room. While one waits to go the whole
        pipeline stalls, and no step of head happens.
        """
        lands, goes = self.process(len(give), 0), self.process(len(give), 0)
        self.need(lands, arange(len(give)), head, give)
        self.pipelines.append((head, lands, goes, depth))
        return lands, goes


@dataclass(frozen=True, eq=False)
class Steps:
    """One step of a process for each word of a stream; the word can be seen `later` cycles after its step."""

    process: int
    index: Numbers
    later: int = 0


@dataclass(frozen=True, eq=False)
class Backpressure:
    """Steps `index` that wait until words `word` of the unit's own output are taken; negative: of images before."""

    process: int
    index: Numbers
    word: Numbers
    later: int = 0


@dataclass(frozen=True, eq=False)
class Rhythm:
    """How a unit moves: the steps that take each input's words, those that give each output's, and where outputs hold it back."""

    takes: tuple[Steps, ...]
    gives: tuple[Steps, ...]
    backpressure: tuple[tuple[Backpressure, ...], ...]  # one entry for each output
    asks: tuple[Steps, ...] = ()  # the steps that wait for each input's words, where they are not those that take them


def pipeline_rhythm(g: EventGraph, words_in: int, give: Numbers, stages: int) -> Rhythm:
    """One word in a cycle, results `stages` cycles after the words in `give`; a result that waits stalls them all."""
    p = g.process(words_in)
    lands, goes = g.pipeline(p, give, stages)
    words = arange(len(give))
    return Rhythm((Steps(p, arange(words_in)),), (Steps(lands, words),), ((Backpressure(goes, words, words),),))


def result_rhythm(g: EventGraph, words_in: int, give: Numbers) -> Rhythm:
    """One result register: the step that fills it waits until the result before it is taken."""
    p = g.process(words_in)
    waits = Backpressure(p, give, arange(len(give)) - 1)
    return Rhythm((Steps(p, arange(words_in)),), (Steps(p, give, 1),), ((waits,),))


def elementwise_rhythm(g: EventGraph, words: int, inputs: int) -> Rhythm:
    """A word of every input becomes one word a cycle later; it waits until the word before it is taken."""
    p = g.process(words)
    take, waits = Steps(p, arange(words)), Backpressure(p, arange(words), arange(words) - 1)
    return Rhythm((take,) * inputs, (Steps(p, arange(words), 1),), ((waits,),))


def add_wires(g: EventGraph, n: int, copies: int) -> tuple[int, int, tuple[tuple[Backpressure, ...], ...]]:
    """Processes `offered` and `gone` of a unit that holds no word, and its backpressure: a word is offered once the word
    before it has gone from every copy."""
    offered, gone = g.process(n), g.process(n, 0)
    g.need(gone, arange(n), offered, arange(n))
    g.need(offered, arange(n), gone, arange(n) - 1, 1)
    return offered, gone, ((Backpressure(gone, arange(n), arange(n)),),) * copies


def wire_rhythm(g: EventGraph, n: int, copies: int = 1) -> Rhythm:
    """Words that pass through a unit without a register, to each of `copies` readers."""
    offered, gone, backpressure = add_wires(g, n, copies)
    asks = Steps(offered, arange(n))
    return Rhythm((Steps(gone, arange(n)),), (asks,) * copies, backpressure, (asks,))


def ceil_div(a: Array, b: int) -> Array:
    return -((-a) // b)


def drop_repeats(step: Array, source: int) -> tuple[Numbers, int, Numbers]:
    """Needs (index, source, step) of every step of a process, without those that ask for no later step than the one before."""
    first = np.flatnonzero(np.diff(step, prepend=step[0] - 1))
    return compact(first), source, compact(step[first])
