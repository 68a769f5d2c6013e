"""A constant -1/+1 matrix times bits as a network of two-input adders that rows share.

Stands on numpy. Rows are written as differences from their nearest row (a minimum spanning tree), then the pair of
terms that most rows have in common is made once, again and again (greedy common-subexpression elimination;
Hartley 1996, and da4ml, which does both). A node's carry-in shifts its range by one where that saves a bit.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from hwflow.bits import Array, Ints
from hwflow.units.kit.costs import Bill, Params

LARGEST = 8192  # weights; beyond it the search takes minutes and the table is too long for a parameter
LEVELS = 3  # adders between two registers
ADD, ADD_1, SUB, SUB_1, REG = range(5)  # a + b, a + b + 1, a - b, a - b - 1, a one cycle later
ENTRY = 36  # bits of a node in the table: kind 3, b shifted 1, signed 1, bits 5, a 13, b 13


@dataclass(frozen=True)
class Place:
    """One node: how it is made, the integers it takes, when it is ready."""

    kind: int
    a: int
    b: int
    shift: int
    lo: int
    hi: int
    level: int  # adders on its longest path


@dataclass(frozen=True)
class Term:
    """sign * (node - offset) << shift: what a row still has to add."""

    node: int
    sign: int
    offset: int


@dataclass(frozen=True)
class Network:
    """Nodes behind `cols` input bits; row r is rows[r].sign * (node - offset), `latency` cycles after the inputs."""

    cols: int
    nodes: tuple[Place, ...]
    rows: tuple[Term, ...]
    latency: int

    @property
    def bits(self) -> int:
        """Width that holds every node, signed, and one more than its largest value, so that "never" has a number."""
        return max(Ints(min(n.lo, -1), max(n.hi, 0) + 1).bits for n in self.nodes)

    @property
    def adder_bits(self) -> int:
        """Bits of all adders: about the LUTs it takes."""
        return sum(_bits(n.lo, n.hi) for n in self.nodes if n.kind != REG)

    @property
    def register_bits(self) -> int:
        return sum(_bits(n.lo, n.hi) for n in self.nodes if n.kind == REG)

    def table(self) -> str:
        """The nodes as a SystemVerilog literal, node 0 in the low bits."""
        word = 0
        for i, n in enumerate(self.nodes):
            entry = n.kind | n.shift << 3 | (n.lo < 0) << 4 | _bits(n.lo, n.hi) << 5 | n.a << 10 | n.b << 23
            word |= entry << (ENTRY * i)
        return f"{ENTRY * len(self.nodes)}'h{word:x}"

    def run(self, x: Array) -> Array:
        """Rows (n, rows) for input bits (n, cols); the meaning the module is tested against."""
        values = list(np.asarray(x, np.int64).T)
        for n in self.nodes:
            a, b = values[n.a], values[n.b] << n.shift
            values.append((a, a + b, a + b + 1, a - b, a - b - 1)[(n.kind + 1) % 5])
            assert values[-1].min() >= n.lo and values[-1].max() <= n.hi
        return np.stack([t.sign * (values[t.node] - t.offset) for t in self.rows], axis=1)


def network(weights: Array) -> Network | None:
    """The network of a -1/+1 matrix (rows, cols); None where it is too large to search."""
    if weights.size > LARGEST or weights.shape[1] < 2:
        return None
    return _network(np.asarray(weights, np.int8).tobytes(), weights.shape)


@lru_cache(maxsize=64)
def _network(raw: bytes, shape: tuple[int, int]) -> Network | None:
    weights = np.frombuffer(raw, np.int8).reshape(shape).astype(np.int64)
    parents, signs, order = _tree(weights)
    near = [w if p < 0 else (w - s * weights[p]) // 2 for w, p, s in zip(weights, parents, signs, strict=True)]
    make = _Maker(shape[1])
    digits = _share(np.array(near), make)
    rows: dict[int, Term] = {}
    for r in order:
        own = _sum([Term(int(k), int(digits[r, k]), make.offset[k]) for k in np.flatnonzero(digits[r])], make)
        if parents[r] < 0:
            rows[r] = own if own else make.join(Term(0, 1, 0), Term(0, -1, 0))
        else:
            up = rows[parents[r]]
            up = Term(up.node, up.sign * signs[r], up.offset)
            rows[r] = make.join(up, own, shift=1) if own else up
    done = make.scheduled([rows[r] for r in range(shape[0])])
    return done if ENTRY * len(done.nodes) < 1 << 16 and len(done.nodes) + shape[1] < 1 << 13 else None


def _tree(weights: Array) -> tuple[list[int], list[int], list[int]]:
    """Each row's nearest row (-1 for the root), the sign between them, and rows in the order they can be made."""
    rows, cols = weights.shape
    alike = weights @ weights.T
    parent, sign = [-1] * rows, [1] * rows
    cost, left, order = np.full(rows, cols), set(range(rows)), []
    while left:
        r = min(left, key=lambda q: cost[q])
        left.remove(r)
        order.append(r)
        for q in left:
            distance = (cols - abs(int(alike[q, r]))) // 2 + 1
            if distance < cost[q]:
                cost[q], parent[q], sign[q] = distance, r, 1 if alike[q, r] >= 0 else -1
    return parent, sign, order


@dataclass
class _Maker:
    """Nodes in the making; index 0 .. cols-1 are the input bits."""

    cols: int
    nodes: list[Place] = field(default_factory=list)
    offset: list[int] = field(default_factory=list)
    forms: list[Array] = field(default_factory=list)  # node = forms[node] @ inputs + offset[node]

    def __post_init__(self) -> None:
        self.offset = [0] * self.cols
        self.forms = list(np.eye(self.cols, dtype=np.int64))

    def at(self, k: int) -> Place:
        return self.nodes[k - self.cols] if k >= self.cols else Place(REG, k, k, 0, 0, 1, 0)

    def join(self, a: Term, b: Term, shift: int = 0) -> Term:
        """a + (b << shift) as a new node of the least width its carry-in allows."""
        rel, kinds = (1, ((ADD, 0), (ADD_1, 1))) if a.sign == b.sign else (-1, ((SUB, 0), (SUB_1, -1)))
        offset = a.offset + rel * (b.offset << shift)
        form = self.forms[a.node] + rel * (self.forms[b.node] << shift)
        # of the sum itself: narrower than the ranges of a and b say where both hold the same inputs
        ends = int(np.minimum(form, 0).sum()) + offset, int(np.maximum(form, 0).sum()) + offset
        kind, carry = min(kinds, key=lambda k: _bits(ends[0] + k[1], ends[1] + k[1]))
        level = 1 + max(self.at(a.node).level, self.at(b.node).level)
        self.nodes.append(Place(kind, a.node, b.node, shift, ends[0] + carry, ends[1] + carry, level))
        self.offset.append(offset + carry)
        self.forms.append(form)
        return Term(self.cols + len(self.nodes) - 1, a.sign, offset + carry)

    def scheduled(self, rows: list[Term]) -> Network:
        """The nodes with registers after every LEVELS adders, so that all rows leave in the same cycle."""
        out: list[Place] = []
        ready: dict[tuple[int, int], int] = {(k, 0): k for k in range(self.cols)}  # (node, stage) -> index

        def put(place: Place) -> int:
            out.append(place)
            return self.cols + len(out) - 1

        def at(k: int, stage: int) -> int:
            if (k, stage) not in ready:
                below = at(k, stage - 1)
                node = self.at(k)
                ready[k, stage] = put(Place(REG, below, below, 0, node.lo, node.hi, node.level))
            return ready[k, stage]

        for i, n in enumerate(self.nodes):
            stage = (n.level - 1) // LEVELS
            ready[self.cols + i, stage] = put(
                Place(n.kind, at(n.a, stage), at(n.b, stage), n.shift, n.lo, n.hi, n.level)
            )
        last = max((n.level - 1) // LEVELS for n in self.nodes) + 1
        ends = tuple(Term(at(t.node, last), t.sign, t.offset) for t in rows)
        return Network(self.cols, tuple(out), ends, last)


def _share(digits: Array, make: _Maker) -> Array:
    """Rows over inputs and shared pairs (rows, nodes), no pair of which two rows still have in common."""
    rows, cols = digits.shape
    most = cols + 4 * digits.size
    d = np.zeros((rows, cols), np.float32)
    d[:] = digits
    same, opposite = _common(d, d)
    bits = np.ones(cols)
    while d.shape[1] < most:
        n = d.shape[1]
        upper = np.triu(np.ones((n, n), bool), 1)
        # an adder less for each row but one, of about as many bits as its terms have; the half was found by trying
        gains = [np.where(upper & (c > 1), (c - 0.5) * (bits[:, None] + bits), 0) for c in (same, opposite)]
        which = int(gains[1].max() > gains[0].max())
        if gains[which].max() == 0:
            break
        i, j = divmod(int(gains[which].argmax()), n)
        rel = -1 if which else 1
        made = make.join(Term(i, 1, make.offset[i]), Term(j, rel, make.offset[j]))
        users = (d[:, i] != 0) & (d[:, i] * rel == d[:, j])
        column = np.where(users, d[:, i], 0)
        d[users, i] = d[users, j] = 0
        d = np.hstack([d, column[:, None]])
        place = make.at(made.node)
        bits = np.append(bits, _bits(place.lo, place.hi))
        same, opposite = _grow(same), _grow(opposite)
        changed = [i, j, n]
        s, o = _common(d[:, changed], d)
        same[changed], same[:, changed], opposite[changed], opposite[:, changed] = s, s.T, o, o.T
    return d.astype(np.int64)


def _common(a: Array, b: Array) -> tuple[Array, Array]:
    """In how many rows columns of `a` and `b` are both there with the same sign, and with opposite signs."""
    ap, an, bp, bn = a > 0, a < 0, b > 0, b < 0
    f = np.float32
    same = ap.T.astype(f) @ bp.astype(f) + an.T.astype(f) @ bn.astype(f)
    return same, ap.T.astype(f) @ bn.astype(f) + an.T.astype(f) @ bp.astype(f)


def _grow(square: Array) -> Array:
    return np.pad(square, ((0, 1), (0, 1)))


def _sum(terms: list[Term], make: _Maker) -> Term | None:
    """All terms of a row added, narrow and shallow ones first; None when there are none."""
    heap = [(_bits(make.at(t.node).lo, make.at(t.node).hi), make.at(t.node).level, t.node, t) for t in terms]
    heapq.heapify(heap)
    while len(heap) > 1:
        joined = make.join(heapq.heappop(heap)[3], heapq.heappop(heap)[3])
        place = make.at(joined.node)
        heapq.heappush(heap, (_bits(place.lo, place.hi), place.level, joined.node, joined))
    return heap[0][3] if heap else None


def _bits(lo: int, hi: int) -> int:
    """Bits of lo .. hi, unsigned where nothing is below 0."""
    return Ints(lo, hi).bits if lo < 0 else max(hi.bit_length(), 1)


def count_hardware(p: Params) -> Bill:
    """As hls/units/mvu_net.sv is made."""
    rows, levels = p["Rows"], p["Levels"]
    counts = {
        "one": 1,  # flags and handshake
        "adders": p["AdderBits"],  # sums: the adders of adder_net
        "registers": p["RegisterBits"] + p["Cols"],  # sums: its registers; x_q
        "places": p["NetLatency"] + 1,  # done_pipe
        "reaches": rows * levels * p["NodeBits"],  # gen_level: comparisons with constants
        "stairs": rows * levels * p["YBits"] * (levels > 1),  # gen_stairs: count
        "raw": rows * p["YBits"] * (levels == 0),  # gen_raw: twice the node less a constant
        "out": rows * p["YBits"],  # buffer: two words
    }
    return Bill(counts)
