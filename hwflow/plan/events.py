"""What each unit does, step by step: when it takes a word, when it gives one, what makes it wait.

Stands on units. Each rhythm below is that of the module of the same name in hls/; a test holds the two together.
Zero-latency units (split, concat, pad) are two processes: words offered, and words gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import gcd
from typing import Any

import numpy as np

from hwflow import units as hw
from hwflow.bits import Array
from hwflow.plan.kernel import HEAD, Table, evaluate
from hwflow.units.base import SOURCE, Dataflow
from hwflow.units.mvu import tree_latency


@dataclass(frozen=True, eq=False)
class Steps:
    """One step of a process for each word of a stream; `later` cycles after it the word can be seen."""

    process: int
    index: Array
    later: int = 0


@dataclass(frozen=True, eq=False)
class Block:
    """Steps that wait until words of the unit's own output are gone: word numbers, negative in images before."""

    process: int
    index: Array
    word: Array
    later: Array | int = 0


@dataclass(frozen=True, eq=False)
class Rhythm:
    """How a unit moves: what takes each input's words, what gives each output's, what its outputs hold back."""

    takes: tuple[Steps, ...]
    gives: tuple[Steps, ...]
    blocks: tuple[tuple[Block, ...], ...]  # one entry for each output
    asks: tuple[Steps, ...] = ()  # what waits for each input's words, where it is not what takes them


@dataclass
class Graph:
    """Processes and their needs in the making."""

    gaps: list[Array] = field(default_factory=list)
    needs: list[tuple[int, Array, int, Array, Array]] = field(default_factory=list)
    pipes: list[tuple[int, int, int, int]] = field(default_factory=list)  # head, lands, goes, depth

    def process(self, n: int, gap: Array | int = 1) -> int:
        """A new process of n steps an image."""
        self.gaps.append(np.broadcast_to(np.asarray(gap, np.int32), (n,)))
        return len(self.gaps) - 1

    def need(self, process: int, index: Array, source: int, step: Array, later: Array | int = 0) -> None:
        """Steps `index` of a process come `later` cycles or more after steps `step` of another.

        An index beyond the image belongs to the next one.
        """
        index, step = np.asarray(index, np.int64), np.asarray(step, np.int64)
        beyond = index // len(self.gaps[process])
        index, step = index - beyond * len(self.gaps[process]), step - beyond * len(self.gaps[source])
        self.needs.append((process, index, source, step, np.broadcast_to(np.asarray(later, np.int64), index.shape)))

    def pipeline(self, head: int, give: Array, depth: int) -> tuple[int, int]:
        """Results of steps `give` of `head` land `depth` moving cycles later and go when there is room, in two
        processes; while one waits to go nothing moves, and no step of head happens."""
        lands, goes = self.process(len(give), 0), self.process(len(give), 0)
        self.need(lands, arange(len(give)), head, give)
        self.pipes.append((head, lands, goes, depth))
        return lands, goes

    def table(self) -> Table:
        """The graph as arrays."""
        n = np.array([len(g) for g in self.gaps], np.int64)
        first = np.concatenate([[0], np.cumsum(n)[:-1]])
        at = np.concatenate([first[p] + i for p, i, _, _, _ in self.needs])
        order = np.argsort(at, kind="stable")
        start = np.concatenate([[0], np.cumsum(np.bincount(at, minlength=int(n.sum())))])
        source = np.concatenate([np.full(len(i), s, np.int32) for _, i, s, _, _ in self.needs])
        step = np.concatenate([s for _, _, _, s, _ in self.needs])
        later = np.concatenate([w for *_, w in self.needs])
        kind, parts = np.zeros(len(n), np.int32), np.full((4, len(n)), -1, np.int32)
        for pipe in self.pipes:
            for k, process in enumerate(pipe[:3]):
                kind[process], parts[:, process] = HEAD + k, pipe
        head, lands, goes, depth = (np.ascontiguousarray(p) for p in parts)
        return Table(
            n=n, first=first, kind=kind, head=head, lands=lands, goes=goes, depth=depth,
            gap=np.concatenate(self.gaps).astype(np.int32), start=start.astype(np.int64),
            source=source[order].astype(np.int32), step=step[order].astype(np.int64), later=later[order].astype(np.int32),
        )  # fmt: skip


def arange(n: int) -> Array:
    return np.arange(n, dtype=np.int64)


# ---------------------------------------------------------------- the rhythm of each module


def _mvu(g: Graph, u: hw.Mvu) -> Rhythm:
    """Words in during the first pass of a vector, out at the end of each pass; the pipeline stops as a whole.

    Only cycles in which a word moves are steps; the rest are gaps.
    """
    groups, passes = u.cols // u.simd, u.rows // u.pe
    moves = np.zeros((passes, groups), bool)
    moves[0], moves[:, -1] = True, True
    one = np.flatnonzero(moves)  # cycles of one vector in which something moves
    cycle = (arange(u.vectors)[:, None] * u.steps + one).ravel()
    p = g.process(len(cycle), np.diff(cycle, prepend=cycle[-1] - u.cycles))
    take = np.flatnonzero(np.tile((one < groups), u.vectors))
    give = np.flatnonzero(np.tile(one % groups == groups - 1, u.vectors))
    pipe = 4 + tree_latency(u) + (u.levels > 1)  # from a step to its result in the buffer at the end
    lands, goes = g.pipeline(p, give, pipe)
    words = arange(len(give))
    # while the buffer holds a second word nothing moves: the word before must be gone
    return Rhythm((Steps(p, take),), (Steps(lands, words),), ((Block(goes, words, words - 1, 1),),))


def _pipeline(g: Graph, words_in: int, give: Array, stages: int) -> Rhythm:
    """One word in a cycle, results `stages` cycles after the words in `give`; a result that waits stops them all."""
    p = g.process(words_in)
    lands, goes = g.pipeline(p, give, stages)
    words = arange(len(give))
    return Rhythm((Steps(p, arange(words_in)),), (Steps(lands, words),), ((Block(goes, words, words),),))


def _vvu(g: Graph, u: hw.Vvu) -> Rhythm:
    n = u.ins[0].words
    return _pipeline(g, n, np.arange(u.taps - 1, n, u.taps), 4)


def _rescale(g: Graph, u: hw.RescaleUnit) -> Rhythm:
    return _pipeline(g, u.ins[0].words, arange(u.ins[0].words), 4)


def _threshold(g: Graph, u: hw.ThresholdUnit) -> Rhythm:
    """Two registers, each of which moves when it can."""
    n = u.ins[0].words
    p = g.process(n)
    return Rhythm((Steps(p, arange(n)),), (Steps(p, arange(n), 2),), ((Block(p, arange(n), arange(n) - 2),),))


def _at_last(g: Graph, words_in: int, give: Array) -> Rhythm:
    """A result register: the step that fills it waits until the result before is gone."""
    p = g.process(words_in)
    block = Block(p, give, arange(len(give)) - 1)
    return Rhythm((Steps(p, arange(words_in)),), (Steps(p, give, 1),), ((block,),))


def _reduce(g: Graph, u: hw.Reduce) -> Rhythm:
    n = u.ins[0].words
    return _at_last(g, n, np.arange(u.taps - 1, n, u.taps))


def _pool(g: Graph, u: hw.Pool) -> Rhythm:
    (h, w, _), (kh, kw) = u.x.shape, u.kernel
    at = arange(u.ins[0].words).reshape(h, w, u.blocks)
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
    starts = arange(len(u._need)) * per
    g.need(reader, starts, writer, u._need - 1, 1)
    # word i may come once all windows before the first one a with free(a) + depth > i are done
    free = np.concatenate([u._free - n_in, u._free, u._free[:1] + n_in])
    a = np.searchsorted(np.maximum.accumulate(free) + u.depth, arange(n_in), side="right") - len(u._need)
    g.need(writer, arange(n_in), reader, a * per - 1, 1)
    block = Block(reader, arange(n_out), arange(n_out) - 1)
    return Rhythm((Steps(writer, arange(n_in)),), (Steps(reader, arange(n_out), 1),), ((block,),))


def _upsample(g: Graph, u: hw.UpsampleUnit) -> Rhythm:
    """As a window: each pixel is read once its words came, and its room is free after its last repeat."""
    (h, w, _), (fh, fw), b = u.x.shape, u.factor, u.blocks
    n_in, n_out = u.ins[0].words, u.outs[0].words
    writer, reader = g.process(n_in), g.process(n_out)
    row, col = np.divmod(arange(h * w), w)
    begin = (row * fh * w * fw + col * fw) * b  # the first word read of each pixel
    g.need(reader, begin, writer, (arange(h * w) + 1) * b - 1, 1)
    done = ((row * fh + fh - 1) * w * fw + col * fw + fw - 1) * b + b - 1  # the last
    gone = np.concatenate([done - n_out, done])
    free = np.concatenate([arange(h * w) - h * w + 1, arange(h * w) + 1]) * b  # words that may be overwritten then
    k = np.searchsorted(free, arange(n_in) - u.depth + 1)
    g.need(writer, arange(n_in), reader, gone[k], 1)
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
    turn = np.tile(np.repeat(arange(len(counts)), counts), n // sum(counts))
    mine = [np.flatnonzero(turn == i) for i in range(len(counts))]
    takes, asks = tuple(Steps(gone, i) for i in mine), tuple(Steps(offered, i) for i in mine)
    return Rhythm(takes, (Steps(offered, arange(n)),), blocks, asks)


def _pad(g: Graph, u: hw.PadUnit) -> Rhythm:
    n = u.outs[0].words
    offered, gone, blocks = _through(g, n, 1)
    (h, w, c), (t, left, _, _), before = u.x.shape, u.pads, u.channels[0]
    at = arange(n).reshape(u.outs[0].port.shape[0], u.outs[0].port.shape[1], -1)
    on = at[t : t + h, left : left + w, before // u.pe : (before + c) // u.pe].ravel()
    return Rhythm((Steps(gone, on),), (Steps(offered, arange(n)),), blocks, (Steps(offered, on),))


def _recode(g: Graph, u: hw.Recode) -> Rhythm:
    n = u.ins[0].words
    offered, gone, blocks = _through(g, n, 1)
    return Rhythm((Steps(gone, arange(n)),), (Steps(offered, arange(n)),), blocks, (Steps(offered, arange(n)),))


def _width(g: Graph, u: hw.Width) -> Rhythm:
    n_in, n_out, i, o = u.ins[0].words, u.outs[0].words, u.par_in, u.par_out
    p = g.process(n_in)
    give = ceil_div((arange(n_out) + 1) * o, i) - 1  # the word that completes each word out
    unit = gcd(i, o)
    room = o if o % i == 0 else i if i % o == 0 else i + o - unit
    # word k comes in when no more than room - i elements are left: so many words out must be gone
    gone = ceil_div((arange(n_in) + 1) * i - room, o)
    return Rhythm((Steps(p, arange(n_in)),), (Steps(p, give, 1),), ((Block(p, arange(n_in), gone - 1),),))


def _fifo(g: Graph, u: hw.Fifo) -> Rhythm:
    n = u.ins[0].words
    p = g.process(n)
    block = Block(p, arange(n), arange(n) - u.depth, 1)
    return Rhythm((Steps(p, arange(n)),), (Steps(p, arange(n), 1 if u.depth == 2 else 2),), ((block,),))


def ceil_div(a: Array, b: int) -> Array:
    return -((-a) // b)


RHYTHMS: dict[str, Callable[[Graph, Any], Rhythm]] = {
    "mvu": _mvu, "vvu": _vvu, "rescale": _rescale, "threshold": _threshold, "reduce": _reduce, "pool": _pool,
    "topk": _topk, "window": _window, "upsample": _upsample, "add": _add, "split": _fork, "concat": _concat,
    "pad": _pad, "recode": _recode, "width": _width, "fifo": _fifo,
}  # fmt: skip


# ---------------------------------------------------------------- a whole dataflow


@dataclass(frozen=True)
class Trace:
    """What happens when images come as fast as they are taken and answers are taken at once."""

    latency: int  # cycles from the first word taken to the last word of the first answer, both counted
    interval: int  # cycles from one answer to the next, the mean of the later half rounded up
    ends: tuple[int, ...]  # the cycle of each answer's last word
    held: dict[str, int]  # the most words each fifo holds


def simulate(dataflow: Dataflow, images: int = 3) -> Trace | None:
    """The course of `images` images through a dataflow; None when it comes to a halt."""
    g = Graph()
    n = dataflow.input.words
    start = g.process(n)  # each word is offered once the one before was taken
    gives = {SOURCE: Steps(start, arange(n))}
    takes: dict[str, Steps] = {}
    rhythms: dict[str, Rhythm] = {}
    for unit in dataflow.units:
        r = rhythms[unit.name] = RHYTHMS[unit.module](g, unit)
        for edge, asks, take in zip(unit.inputs, r.asks or r.takes, r.takes, strict=True):
            give = gives[edge]
            g.need(asks.process, asks.index, give.process, give.index, give.later)
            takes[edge] = take
        for k, give in enumerate(r.gives):
            gives[f"{unit.name}:{k}" if k else unit.name] = give
    last = dataflow.units[-1].name
    end = g.process(dataflow.output.words)
    g.need(end, arange(dataflow.output.words), gives[last].process, gives[last].index, gives[last].later)
    takes[last] = Steps(end, arange(dataflow.output.words))
    held_back = [(SOURCE, Block(start, arange(n), arange(n) - 1, 1))]
    held_back += [(f"{u}:{k}" if k else u, b) for u, r in rhythms.items() for k, bs in enumerate(r.blocks) for b in bs]
    for edge, block in held_back:
        take = takes[edge]
        image, word = np.divmod(block.word, len(take.index))
        g.need(
            block.process, block.index, take.process, take.index[word] + image * len(g.gaps[take.process]), block.later
        )
    table = g.table()
    time = evaluate(table, images)
    if time is None:
        return None

    def times(steps: Steps) -> Array:
        """The cycle of each step, (images, words)."""
        n, first = int(table.n[steps.process]), int(table.first[steps.process]) * images
        return time[first : first + n * images].reshape(images, n)[:, steps.index]

    held = {}
    for unit in dataflow.units:
        if isinstance(unit, hw.Fifo):
            came, went = times(rhythms[unit.name].takes[0]).ravel(), times(takes[unit.name]).ravel()
            held[unit.name] = int((arange(len(came)) + 1 - np.searchsorted(went, came, side="right")).max())
    done = times(takes[last])[:, -1]
    begun = int(times(takes[SOURCE]).ravel()[0])
    half = (images - 1) // 2  # the first half fills the design
    interval = -(-int(done[-1] - done[half]) // (images - 1 - half)) if images > 1 else 0
    return Trace(int(done[0]) - begun + 1, interval, tuple(done.tolist()), held)
