"""What each unit does, step by step: when it takes a word, when it gives one, what makes it wait.

Stands on units. Each rhythm below is that of the module of the same name in hls/; a test holds the two together.
Zero-latency units (split, concat, pad) are two processes: words offered, and words gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from math import gcd, inf
from typing import Any

import numpy as np

from hwflow import units as hw
from hwflow.bits import Array
from hwflow.plan.kernel import OFF, ROWS, Table, evaluate, unmet
from hwflow.plan.processes import Graph, Line, Numbers, arange, plain
from hwflow.units.kit.base import SOURCE, Dataflow


@dataclass(frozen=True, eq=False)
class Steps:
    """One step of a process for each word of a stream; `later` cycles after it the word can be seen."""

    process: int
    index: Numbers
    later: int = 0


@dataclass(frozen=True, eq=False)
class Block:
    """Steps that wait until words of the unit's own output are gone: word numbers, negative in images before."""

    process: int
    index: Numbers
    word: Numbers
    later: int = 0


@dataclass(frozen=True, eq=False)
class Rhythm:
    """How a unit moves: what takes each input's words, what gives each output's, what its outputs hold back."""

    takes: tuple[Steps, ...]
    gives: tuple[Steps, ...]
    blocks: tuple[tuple[Block, ...], ...]  # one entry for each output
    asks: tuple[Steps, ...] = ()  # what waits for each input's words, where it is not what takes them


# ---------------------------------------------------------------- the rhythm of each module


def _mvu(g: Graph, u: hw.Mvu) -> Rhythm:
    """Words in during the first pass of a vector, out at the end of each pass; the pipeline stops as a whole.

    Only cycles in which a word moves are steps; the rest are gaps.
    """
    groups, passes = u.groups, u.passes
    moves = np.zeros((passes, groups), bool)
    moves[0], moves[:, -1] = True, True
    one = np.flatnonzero(moves)  # cycles of one vector in which something moves
    p = g.process(len(one) * u.vectors, np.tile(np.diff(one, prepend=one[-1] - u.steps), u.vectors))
    start = np.arange(u.vectors)[:, None] * len(one)
    take = plain((start + np.flatnonzero(one < groups)).ravel())
    give = plain((start + np.flatnonzero(one % groups == groups - 1)).ravel())
    lands, goes = g.pipeline(p, give, u.stages)
    words = arange(len(give))
    # while the buffer holds a second word nothing moves: the word before must be gone
    return Rhythm((Steps(p, take),), (Steps(lands, words),), ((Block(goes, words, words - 1, 1),),))


def _pipeline(g: Graph, words_in: int, give: Numbers, stages: int) -> Rhythm:
    """One word in a cycle, results `stages` cycles after the words in `give`; a result that waits stops them all."""
    p = g.process(words_in)
    lands, goes = g.pipeline(p, give, stages)
    words = arange(len(give))
    return Rhythm((Steps(p, arange(words_in)),), (Steps(lands, words),), ((Block(goes, words, words),),))


def _vvu(g: Graph, u: hw.Vvu) -> Rhythm:
    n = u.ins[0].words
    return _pipeline(g, n, Line(u.taps - 1, u.taps, n // u.taps), 4)


def _rescale(g: Graph, u: hw.RescaleUnit) -> Rhythm:
    return _pipeline(g, u.ins[0].words, arange(u.ins[0].words), 4)


def _threshold(g: Graph, u: hw.ThresholdUnit) -> Rhythm:
    """Two registers, each of which moves when it can."""
    n = u.ins[0].words
    p = g.process(n)
    return Rhythm((Steps(p, arange(n)),), (Steps(p, arange(n), 2),), ((Block(p, arange(n), arange(n) - 2),),))


def _at_last(g: Graph, words_in: int, give: Numbers) -> Rhythm:
    """A result register: the step that fills it waits until the result before is gone."""
    p = g.process(words_in)
    block = Block(p, give, arange(len(give)) - 1)
    return Rhythm((Steps(p, arange(words_in)),), (Steps(p, give, 1),), ((block,),))


def _reduce(g: Graph, u: hw.Reduce) -> Rhythm:
    n = u.ins[0].words
    return _at_last(g, n, Line(u.taps - 1, u.taps, n // u.taps))


def _pool(g: Graph, u: hw.Pool) -> Rhythm:
    (h, w, _), (kh, kw) = u.x.shape, u.kernel
    at = np.arange(u.ins[0].words).reshape(h, w, u.blocks)
    give = at[kh - 1 : u.size[0] * kh : kh, kw - 1 : u.size[1] * kw : kw]
    return _at_last(g, at.size, give.ravel())


def _topk(g: Graph, u: hw.TopKUnit) -> Rhythm:
    n = u.ins[0].words
    p = g.process(n)
    last = np.array([n - 1])
    return Rhythm((Steps(p, arange(n)),), (Steps(p, np.full(u.k, n - 1), 1),), ((Block(p, last, np.array([-1])),),))


def _window(g: Graph, u: hw.Window) -> Rhythm:
    """A writer and a reader around a ring; the reader follows the words it needs, the writer the windows done."""
    n_in, n_out = u.ins[0].words, u.outs[0].words
    per = n_out // len(u._need)
    writer, reader = g.process(n_in), g.process(n_out)
    g.need(reader, Line(0, per, len(u._need)), writer, u._need - 1, 1)
    # word i may come once all windows before the first one a with free(a) + depth > i are done
    free = np.concatenate([u._free - n_in, u._free, u._free[:1] + n_in])
    a = np.searchsorted(np.maximum.accumulate(free) + u.depth, np.arange(n_in), side="right") - len(u._need)
    g.need(writer, *steps_up(a * per - 1, reader), 1)
    block = Block(reader, arange(n_out), arange(n_out) - 1)
    return Rhythm((Steps(writer, arange(n_in)),), (Steps(reader, arange(n_out), 1),), ((block,),))


def _lines(g: Graph, u: hw.Lines) -> Rhythm:
    """As a window, of columns: a step reads one and shifts it in; the windows that an image's end still holds are
    shifts without one. The next image's first column comes no earlier than the last of those, and waits for no word."""
    (top, *_), kh, sh, (oh, ow), many = u.pads, u.kernel[0], u.stride[0], u.size, u.pixels
    h, w = u.x.shape[0], u.x.shape[1] // many
    n, loads, steps = u.ins[0].words, oh * u.across, oh * u.across + u.after
    gaps = np.ones(steps, np.int64)
    gaps[0] = 0
    writer, reader = g.process(n), g.process(steps, gaps if u.after else 1)
    row, col = np.divmod(np.arange(loads), u.across)
    need = np.minimum(row * sh - top + kh - 1, h - 1) * w + col
    g.need(reader, arange(loads), writer, np.maximum.accumulate(need), 1)
    # word i may come once all columns before the first one a with free(a) + depth > i are read
    free = (row * sh - top) * w + col
    free = np.concatenate([free - n, free, free[:1] + n])
    image, a = np.divmod(np.searchsorted(free + u.depth, np.arange(n), side="right") - 1, loads)
    g.need(writer, *steps_up((image - 1) * steps + a, reader), 1)
    give = (np.arange(oh)[:, None] * u.across + np.arange(ow // many) * u.stride[1] + u.late).ravel()
    # a word is gone before the next shift: that of an image's last before the next image's first, its own if it shifts
    first = 1 if u.after else 0
    block = Block(reader, np.append(first, give[:-1] + 1), np.arange(-1, len(give) - 1))
    return Rhythm((Steps(writer, arange(n)),), (Steps(reader, plain(give), 1),), ((block,),))


def _upsample(g: Graph, u: hw.UpsampleUnit) -> Rhythm:
    """As a window: each pixel is read once its words came, and its room is free after its last repeat."""
    (h, w, _), (fh, fw), b = u.x.shape, u.factor, u.blocks
    n_in, n_out = u.ins[0].words, u.outs[0].words
    writer, reader = g.process(n_in), g.process(n_out)
    row, col = np.divmod(np.arange(h * w), w)
    begin = (row * fh * w * fw + col * fw) * b  # the first word read of each pixel
    g.need(reader, begin, writer, Line(b - 1, b, h * w), 1)
    done = ((row * fh + fh - 1) * w * fw + col * fw + fw - 1) * b + b - 1  # the last
    gone = np.concatenate([done - n_out, done])
    free = (np.arange(2 * h * w) - h * w + 1) * b  # words that may be overwritten then
    k = np.searchsorted(free, np.arange(n_in) - u.depth + 1)
    g.need(writer, *steps_up(gone[k], reader), 1)
    block = Block(reader, arange(n_out), arange(n_out) - 1)
    return Rhythm((Steps(writer, arange(n_in)),), (Steps(reader, arange(n_out), 1),), ((block,),))


def _add(g: Graph, u: hw.AddUnit) -> Rhythm:
    n = u.outs[0].words
    p = g.process(n)
    take = Steps(p, arange(n))
    return Rhythm((take,) * len(u.inputs), (Steps(p, arange(n), 1),), ((Block(p, arange(n), arange(n) - 1),),))


def _through(g: Graph, n: int, copies: int) -> tuple[int, int, tuple[tuple[Block, ...], ...]]:
    """Offered and gone of a unit that holds nothing: a word is offered once the one before has gone from every copy."""
    offered, gone = g.process(n), g.process(n, 0)
    g.need(gone, arange(n), offered, arange(n))
    g.need(offered, arange(n), gone, arange(n) - 1, 1)
    return offered, gone, ((Block(gone, arange(n), arange(n)),),) * copies


def _fork(g: Graph, u: hw.Fork) -> Rhythm:
    n = u.ins[0].words
    offered, gone, blocks = _through(g, n, u.copies)
    return Rhythm(
        (Steps(gone, arange(n)),), (Steps(offered, arange(n)),) * u.copies, blocks, (Steps(offered, arange(n)),)
    )


def _concat(g: Graph, u: hw.ConcatUnit) -> Rhythm:
    n = u.outs[0].words
    offered, gone, blocks = _through(g, n, 1)
    counts = [x.channels // u.simd for x in u.xs]
    turn = np.tile(np.repeat(np.arange(len(counts)), counts), n // sum(counts))
    mine = [np.flatnonzero(turn == i) for i in range(len(counts))]
    takes, asks = tuple(Steps(gone, i) for i in mine), tuple(Steps(offered, i) for i in mine)
    return Rhythm(takes, (Steps(offered, arange(n)),), blocks, asks)


def _pad(g: Graph, u: hw.PadUnit) -> Rhythm:
    n = u.outs[0].words
    offered, gone, blocks = _through(g, n, 1)
    (h, w, c), (t, left, _, _), before = u.x.shape, u.pads, u.channels[0]
    at = np.arange(n).reshape(u.outs[0].port.shape[0], u.outs[0].port.shape[1], -1)
    on = at[t : t + h, left : left + w, before // u.pe : (before + c) // u.pe].ravel()
    asks = on.copy()
    asks[0] = 0  # the zeros before an image wait for its first word
    return Rhythm((Steps(gone, on),), (Steps(offered, arange(n)),), blocks, (Steps(offered, asks),))


def _recode(g: Graph, u: hw.Recode) -> Rhythm:
    n = u.ins[0].words
    offered, gone, blocks = _through(g, n, 1)
    return Rhythm((Steps(gone, arange(n)),), (Steps(offered, arange(n)),), blocks, (Steps(offered, arange(n)),))


def _width(g: Graph, u: hw.Width) -> Rhythm:
    n_in, n_out, i, o = u.ins[0].words, u.outs[0].words, u.par_in, u.par_out
    p = g.process(n_in)
    give = plain(ceil_div((np.arange(n_out) + 1) * o, i) - 1)  # the word that completes each word out
    unit = gcd(i, o)
    room = o if o % i == 0 else i if i % o == 0 else i + o - unit
    # word k comes in when no more than room - i elements are left: so many words out must be gone
    gone = ceil_div((np.arange(n_in) + 1) * i - room, o) - 1
    first = np.flatnonzero(np.diff(gone, prepend=gone[0] - 1))
    return Rhythm((Steps(p, arange(n_in)),), (Steps(p, give, 1),), ((Block(p, plain(first), plain(gone[first])),),))


def _fifo(g: Graph, u: hw.Fifo) -> Rhythm:
    n = u.ins[0].words
    p = g.process(n)
    # words up to the image's end: how many of them are asked moves with a depth that is tried
    block = Block(p, arange(n), Line(-u.depth, 1, u.depth + n), 1)
    return Rhythm((Steps(p, arange(n)),), (Steps(p, arange(n), u.latency),), ((block,),))


def ceil_div(a: Array, b: int) -> Array:
    return -((-a) // b)


def steps_up(step: Array, source: int) -> tuple[Numbers, int, Numbers]:
    """Needs (index, source, step) of every step of a process, of which only those that ask for more are kept."""
    first = np.flatnonzero(np.diff(step, prepend=step[0] - 1))
    return plain(first), source, plain(step[first])


RHYTHMS: dict[str, Callable[[Graph, Any], Rhythm]] = {
    "mvu": _mvu, "mvus": _mvu, "vvu": _vvu, "rescale": _rescale, "threshold": _threshold, "reduce": _reduce, "pool": _pool,
    "topk": _topk, "window": _window, "lines": _lines, "upsample": _upsample, "add": _add, "split": _fork, "concat": _concat,
    "pad": _pad, "recode": _recode, "width": _width, "fifo": _fifo,
}  # fmt: skip


# ---------------------------------------------------------------- a whole dataflow

TURNS = 8  # evaluations after which every need is heeded


@dataclass(frozen=True)
class Trace:
    """What happens when images come as fast as they are taken and answers are taken at once."""

    latency: int  # cycles from the first word taken to the last word of the first answer, both counted
    interval: int  # cycles from one answer to the next, the mean of the later half rounded up
    ends: tuple[int, ...]  # the cycle of each answer's last word
    held: dict[str, int]  # the most words each fifo holds


def interval(ends: Array) -> int:
    """Cycles from one image's end to the next, the mean of the later half rounded up; the first half fills the design."""
    images = len(ends)
    half = (images - 1) // 2
    return -(-int(ends[-1] - ends[half]) // (images - 1 - half)) if images > 1 else 0


def simulate(dataflow: Dataflow, images: int = 3) -> Trace | None:
    """The course of `images` images through a dataflow; None when it comes to a halt."""
    return Course(dataflow).run(images)


class Course:
    """A dataflow as an event graph, asked how it moves, with its own fifos or with others in their places."""

    def __init__(self, dataflow: Dataflow):
        g = self._graph = Graph()
        n = dataflow.input.words
        start = g.process(n)  # each word is offered once the one before was taken
        self._gives = {SOURCE: Steps(start, arange(n))}
        self._takes: dict[str, Steps] = {}
        rhythms: dict[str, Rhythm] = {}
        asked: dict[str, int] = {}  # by edge, the need of what waits for its words
        for unit in dataflow.units:
            r = rhythms[unit.name] = RHYTHMS[unit.module](g, unit)
            for edge, asks, take in zip(unit.inputs, r.asks or r.takes, r.takes, strict=True):
                give = self._gives[edge]
                asked[edge] = g.need(asks.process, asks.index, give.process, give.index, give.later)
                self._takes[edge] = take
            for k, give in enumerate(r.gives):
                self._gives[f"{unit.name}:{k}" if k else unit.name] = give
        self._last = last = dataflow.units[-1].name
        end, words = g.process(dataflow.output.words), arange(dataflow.output.words)
        asked[last] = g.need(end, words, self._gives[last].process, self._gives[last].index, self._gives[last].later)
        self._takes[last] = Steps(end, words)
        held_back = [(SOURCE, Block(start, arange(n), arange(n) - 1, 1))]
        held_back += [
            (f"{u}:{k}" if k else u, b) for u, r in rhythms.items() for k, bs in enumerate(r.blocks) for b in bs
        ]
        blocks: dict[str, list[int]] = {}  # by edge, the needs that hold its words back
        behind = {u.inputs[0]: u.name for u in dataflow.units if isinstance(u, hw.Fifo)}
        without: dict[int, int] = {}  # the need instead of such a need where the edge has no fifo
        for edge, block in held_back:
            number = g.need(block.process, block.index, *self._gone(edge, block.word), block.later)
            blocks.setdefault(edge, []).append(number)
            if edge in behind:
                without[number] = g.other(
                    block.process, block.index, *self._gone(behind[edge], block.word), block.later
                )
        self._table, row, others = g.table()
        self.sizes = self._table.processes["n"][:-1].astype(np.int64)  # steps of each process in an image
        self.room = np.empty((ROWS, 0), np.int32)
        # what holds words back mostly never does, so it is left out until it is seen to
        owner = np.repeat(np.arange(len(self.sizes)), np.diff(self._table.processes["needs"]))
        self.heed = (self._table.needs["source"] <= owner).astype(np.uint8)
        self._switches = {}
        for unit in dataflow.units:
            if isinstance(unit, hw.Fifo):
                edge = unit.inputs[0]
                self._switches[unit.name] = _Switch(
                    self._takes[edge].process, unit.depth, row[asked[edge]], row[asked[unit.name]], row[blocks[unit.name][0]],
                    tuple((row[k], others[without[k]]) for k in blocks[edge]),
                )  # fmt: skip

    def _gone(self, edge: str, word: Numbers) -> tuple[int, Numbers]:
        """The process and steps after which words of an edge are gone."""
        take = self._takes[edge]
        size = self._graph.sizes[take.process]
        if isinstance(take.index, Line) and (take.index.start, take.index.by, take.index.count) == (0, 1, size):
            return take.process, word
        image, k = np.divmod(np.asarray(word), len(take.index))
        return take.process, np.asarray(take.index)[k] + image * size

    def run(
        self,
        images: int,
        depths: Mapping[str, int] | None = None,
        listen: Collection[str] | None = None,
        enough: float = inf,
    ) -> Trace | None:
        """The course of `images` images; None when it comes to a halt.

        `depths` gives the fifos that are there and how deep they are, none deeper than in the dataflow; the others
        are wires. `listen` names those whose words are counted, else all. A course seen to take more than `enough`
        cycles an image is left there: it takes at least what is told then.
        """
        table = self.table(depths) if depths is not None else self._table
        steps = int(self.sizes.sum()) * images
        if self.room.shape[1] < steps:
            self.room = np.empty((ROWS, steps), np.int32)
        heed = self.heed.copy()
        time = evaluate(table, images, self.room, heed)
        turns = 0
        while time is not None and interval(self._ends(time, images)) <= enough and unmet(table, images, time, heed):
            turns += 1
            if turns == TURNS:
                heed[:] = 1
            time = evaluate(table, images, self.room, heed)
        if time is None:
            return None
        self.heeded = heed
        there = self._switches if depths is None else depths
        held = self.held(time, images, there if listen is None else listen)
        done = self._ends(time, images)
        reader = next((n for n, s in self._switches.items() if s.process == self._takes[SOURCE].process), SOURCE)
        begun = int(self._times(time, images, self._takes[reader if reader not in there else SOURCE])[0, 0])
        return Trace(int(done[0]) - begun + 1, interval(done), tuple(done.tolist()), held)

    def _ends(self, time: Array, images: int) -> Array:
        """The cycle of each answer's last word."""
        return self._times(time, images, self._takes[self._last])[:, -1].astype(int)

    def _times(self, time: Array, images: int, steps: Steps) -> Array:
        """The cycle of each step, (images, words)."""
        first = int(self.sizes[: steps.process].sum()) * images
        every = time[first : first + int(self.sizes[steps.process]) * images].reshape(images, -1)
        i = steps.index
        return every[:, i.start : i.start + i.by * i.count : i.by] if isinstance(i, Line) and i.by else every[:, i]

    def held(self, time: Array, images: int, fifos: Collection[str]) -> dict[str, int]:
        """The most words that each of these fifos holds at once."""
        out = {}
        for name in fifos:
            process = self._switches[name].process
            came = self._times(time, images, Steps(process, arange(int(self.sizes[process])))).ravel()
            went = self._times(time, images, self._takes[name]).ravel()
            out[name] = int((np.arange(len(came)) + 1 - np.searchsorted(went, came, side="right")).max())
        return out

    def fifos(self, inside: Array, among: Collection[str]) -> list[str]:
        """Which of these fifos are among some processes, with what reads them."""
        return [n for n in among if inside[self._switches[n].process] and inside[self._takes[n].process]]

    def table(self, depths: Mapping[str, int]) -> Table:
        """The table with other fifos: needs are exchanged in place, nothing is built again."""
        processes, needs = self._table.processes.copy(), self._table.needs.copy()
        for name, switch in self._switches.items():
            depth = depths.get(name, 0)
            if depth:
                assert depth <= switch.depth, f"{name}: {depth} words where room was made for {switch.depth}"
                needs["later"][switch.asked] = 1 if depth == 2 else 2
                needs["step"][switch.block] += switch.depth - depth
            else:
                processes["kind"][switch.process] = OFF
                for part in ("source", "later", "step", "step_by"):
                    needs[part][switch.asked] = needs[part][switch.take]
                for row, other in switch.without:
                    needs[row] = other
        return replace(self._table, processes=processes, needs=needs)


@dataclass(frozen=True)
class _Switch:
    """Where a fifo stands in the table: its process, its depth, and the rows of the needs around it."""

    process: int
    depth: int
    take: int  # of its own steps, for the words that come
    asked: int  # of its reader, for its words
    block: int  # of its own steps, for the words that are gone
    without: tuple[tuple[int, Any], ...]  # of what writes it: the row, and the need instead where there is no fifo
