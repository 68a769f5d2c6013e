"""A network as steps of the C engine: what is fused with what, how each value is stored, where it lies.

Stands on net and ops. `c.py` writes the result down; `engine/engine.h` says what each field means.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np
from typing_extensions import assert_never

from hwflow.bits import Array, Ints, ints_of
from hwflow.errors import ModelError
from hwflow.net import INPUT, Net
from hwflow.ops import (
    Add,
    Concat,
    Conv,
    Dense,
    Flatten,
    Maximum,
    MaxPool,
    Multiply,
    Op,
    Pad,
    Port,
    Recurrent,
    Rescale,
    Reshape,
    SumPool,
    Threshold,
    TopK,
    Upsample,
)  # fmt: skip

Routine: TypeAlias = Literal["gemm", "depthwise", "pool", "pool_bits", "join", "recurrent", "top"]
ALIGN = 64
WORD = Ints(-(1 << 31), (1 << 31) - 2)  # what a line holds, with one to spare for a threshold above it all
SIZES = {"U8": 1, "I8": 1, "I16": 2, "I32": 4}


def kind_of(ints: Ints) -> str:
    """The narrowest storage of a range: BIT for -1/+1, else U8, I8, I16 or I32."""
    if ints.is_bipolar:
        return "BIT"
    if ints.lo >= 0 and ints.hi <= 255:
        return "U8"
    for kind, bits in (("I8", 7), ("I16", 15)):
        if -(1 << bits) <= ints.lo and ints.hi < 1 << bits:
            return kind
    return "I32"


@dataclass(frozen=True)
class Tensor:
    """A stored value: place is SCRATCH, INPUT or OUTPUT; `at` is filled in when memory is laid out."""

    name: str
    place: str
    kind: str
    shape: tuple[int, int, int]
    at: int = 0

    @property
    def bytes(self) -> int:
        h, w, c = self.shape
        return h * w * ((c + 7) // 8 if self.kind == "BIT" else c * SIZES[self.kind])


@dataclass(frozen=True, eq=False)
class Stage:
    """One thing done to a line; `a` and `b` are tables with the channel last, bool for flags."""

    what: str
    n: int = 0
    shift: int = 0
    lo: int = 0
    hi: int = 0
    a: Array | None = None
    b: Array | None = None
    tensor: str = ""  # the value read or written


@dataclass(frozen=True, eq=False)
class EngineStep:
    """One call of the engine. `stages` is empty where the step writes `output` itself."""

    routine: Routine  # of the engine
    name: str
    op: Op
    reads: tuple[str, ...]
    shape: tuple[int, int, int]  # of the lines
    stages: tuple[Stage, ...] = ()
    output: str = ""
    options: dict[str, object] = field(default_factory=dict)

    @property
    def all_reads(self) -> tuple[str, ...]:
        return self.reads + tuple(s.tensor for s in self.stages if s.what in ("ADD", "MOST", "BY"))

    @property
    def writes(self) -> tuple[str, ...]:
        return tuple(s.tensor for s in self.stages if s.what in ("STORE", "PACK")) or (self.output,)


@dataclass(frozen=True, eq=False)
class Program:
    """Steps in order, every stored value by name, and the bytes of scratch memory they need together."""

    steps: tuple[EngineStep, ...]
    tensors: dict[str, Tensor]
    scratch: int


def make_program(net: Net) -> Program:
    """The steps of a network; ModelError where a value does not fit the 32 bits of a line."""
    for name, port in net.ports.items():
        if not (WORD.lo <= port.ints.lo and port.ints.hi <= WORD.hi):
            raise ModelError(
                f"{net.name}.{name}: reaches {port.ints.lo} .. {port.ints.hi}, the C engine holds 32 bits; use fewer bits or the numpy engine"
            )
    work = _Planner(net)
    work.all()
    return _lay_out(work.steps, work.tensors, work.alias)


def cheap_first(ops: Iterable[Op]) -> list[Op]:
    """The operations reordered, still topological: a multiplication only when nothing else is ready.

    So the other inputs of an Add exist when a convolution's lines reach it.
    """
    left, done, out = list(ops), {INPUT}, []
    while left:
        ready = [op for op in left if set(op.inputs) <= done]
        op = next((r for r in ready if not isinstance(r, (Dense, Conv))), ready[0])
        left.remove(op)
        done.add(op.name)
        out.append(op)
    return out


def image(port: Port) -> tuple[int, int, int]:
    h, w, c = (1, 1, *port.shape) if len(port.shape) == 1 else port.shape
    return h, w, c


class _Planner:
    """Walks the operations once; `tensors` are the values that exist in memory, `alias` other names of them."""

    def __init__(self, net: Net):
        self.net = net
        self.answer = net.ops[-1].name
        self.steps: list[EngineStep] = []
        self.absorbed: set[str] = set()
        self.alias: dict[str, str] = {}
        kind = kind_of(net.input.ints)
        self.tensors = {INPUT: Tensor(INPUT, "INPUT", "I8" if kind == "BIT" else kind, image(net.input))}

    def users(self, name: str) -> list[Op]:
        return list(self.net.nodes.users(name))

    def all(self) -> None:
        for op in cheap_first(self.net.ops):
            if op.name not in self.absorbed:
                self.step(op)

    def store(self, name: str, shape: tuple[int, int, int] | None = None, kind: str | None = None) -> str:
        """Give a value a place in memory."""
        port = self.net.ports.get(name)
        last = name == self.answer
        kind = "I32" if last else kind or kind_of(port.ints)  # type: ignore[union-attr]
        self.tensors[name] = Tensor(name, "OUTPUT" if last else "SCRATCH", kind, shape or image(port))  # type: ignore[arg-type]
        return name

    def is_bits(self, name: str) -> bool:
        return self.tensors[name].kind == "BIT"

    def bits(self, name: str) -> str:
        """The name of a -1/+1 value in packed form; packs the network's input once."""
        if self.is_bits(name):
            return name
        packed = f"{name}.bits"
        if packed not in self.tensors:
            self.store(packed, self.tensors[name].shape, "BIT")
            self.copy(self.net.nodes[name] if name in self.net.nodes else self.net.ops[0], name, packed)
        return packed

    def copy(self, op: Op, name: str, to: str) -> None:
        """Read one value and store it as another, of another kind or place."""
        stage = Stage("STORE", tensor=to)
        self.steps.append(
            EngineStep("join", to, op, (name,), self.tensors[name].shape, (stage,), options={"parts": ((0, 1),)})
        )

    def step(self, op: Op) -> None:
        shape = image(self.net.ports[op.name])
        match op:
            case Flatten() | Reshape() if self.users(op.name) and all(self.joins(u) for u in self.users(op.name)):
                pass  # its elements go out as they lie
            case Flatten() | Reshape():
                self.flatten(op)
            case Concat() if self.joins(op):
                self.outputs(op)
            case TopK():
                source = op.inputs[0]
                self.steps.append(
                    EngineStep("top", op.name, op, (source,), shape, output=self.store(op.name, kind="I32"))
                )
            case MaxPool() if self.net.ports[op.inputs[0]].ints.is_bipolar and op.name != self.answer:
                source = self.bits(op.inputs[0])
                self.steps.append(EngineStep("pool_bits", op.name, op, (source,), shape, output=self.store(op.name)))
            case Dense() | Conv():
                options = gemm_options(op, self.net.ports[op.inputs[0]])
                source = self.bits(op.inputs[0]) if options.get("row") == "BIT" else op.inputs[0]
                self.lines("gemm" if "row" in options else "depthwise", op, (source,), options)
            case MaxPool() if op.kernel == (1, 1) and not any(op.pads):
                self.lines("join", op, op.inputs, {"parts": ((0, 1),), "stride": op.stride})
            case MaxPool() | SumPool():
                self.lines("pool", op, op.inputs, {})
            case Recurrent():
                self.lines("recurrent", op, op.inputs, {})
            case Upsample():
                self.lines("join", op, op.inputs, {"parts": ((0, 1),), "up": op.factor})
            case Pad():
                self.lines("join", op, op.inputs, {"parts": ((op.channels[0], 1),), "corner": op.pads[:2]})
            case Concat():
                depths = [self.net.ports[i].channels for i in op.inputs]
                offsets = [sum(depths[:i]) for i in range(len(depths))]
                self.lines("join", op, op.inputs, {"parts": tuple(zip(offsets, op.scales, strict=True))})
            case Add() | Maximum() | Multiply() | Threshold() | Rescale():
                first = op.inputs[0]
                self.chain("join", op, (first,), {"parts": ((0, 1),)}, self.stages(op, first), op.name)
            case _:
                assert_never(op)

    def joins(self, op: Op) -> bool:
        """True for the last operation where it joins vectors as they are: each is an output of its own."""
        return (
            isinstance(op, Concat)
            and op.name == self.answer
            and len(self.net.output.shape) == 1
            and set(op.scales) == {1}
        )

    def outputs(self, op: Concat) -> None:
        """Every vector to its own place in the answer, pixel by pixel where it is a flattened image."""
        at = 0
        for k, name in enumerate(op.inputs):
            size = self.net.ports[name].size
            while name in self.net.nodes and isinstance(self.net.nodes[name], Flatten | Reshape):
                name = self.net.nodes[name].inputs[0]
            own = f"{op.name}.{k}"
            self.tensors[own] = Tensor(own, "OUTPUT", "I32", self.tensors[name].shape, at)
            self.copy(op, name, own)
            at += 4 * size

    def flat(self, op: Op, name: str, shape: tuple[int, int, int] = (1, 1, 0)) -> str:
        """A value whose elements lie one after the other, as in `shape`: bits of odd channels are spread first."""
        tensor = self.tensors[name]
        if tensor.kind != "BIT" or all(s[2] % 8 == 0 or s[:2] == (1, 1) for s in (tensor.shape, shape)):
            return name
        spread = f"{name}.spread"
        if spread not in self.tensors:
            self.store(spread, tensor.shape, "I8")
            self.copy(op, name, spread)
        return spread

    def flatten(self, op: Flatten | Reshape) -> None:
        shape = image(self.net.ports[op.name])
        source = self.flat(op, op.inputs[0], shape)
        tensor = self.tensors[source]
        view = (
            op.name
            if tensor.kind == kind_of(self.net.ports[op.name].ints) and op.name != self.answer
            else f"{op.name}.view"
        )
        self.tensors[view] = replace(tensor, name=view, shape=shape)
        self.alias[view] = source
        if view != op.name:
            self.store(op.name)
            self.copy(op, view, op.name)

    def lines(self, routine: Routine, op: Op, reads: tuple[str, ...], options: dict[str, object]) -> None:
        self.chain(routine, op, reads, options, [], op.name)

    def chain(
        self, routine: Routine, op: Op, reads: tuple[str, ...], options: dict[str, object], stages: list[Stage], at: str
    ) -> None:
        """One step: its source, then every elementwise operation that can follow while the lines are at hand."""
        while True:
            users = self.users(at)
            following = next((u for u in users if self.can_follow(u, at)), None)
            if at == self.answer or len(users) != 1 or following is None:
                if stages and stages[-1].what == "SIGNS" and following is None and at != self.answer:
                    stages[-1] = replace(stages[-1], what="PACK", tensor=self.store(at))
                else:
                    stages.append(Stage("STORE", tensor=self.store(at)))
            if following is None:
                break
            stages += self.stages(following, at)
            self.absorbed.add(following.name)
            at = following.name
        shape = image(self.net.ports[op.name])
        self.steps.append(EngineStep(routine, op.name, op, reads, shape, tuple(stages), options=options))

    def can_follow(self, user: Op, at: str) -> bool:
        others = [i for i in user.inputs if i != at]
        return (
            isinstance(user, (Threshold, Rescale, Add, Maximum, Multiply))
            and user.name not in self.absorbed
            and (len(set(user.inputs)) == len(user.inputs) or not isinstance(user, Multiply))
            and all(i in self.tensors for i in others)
        )

    def stages(self, op: Op, at: str) -> list[Stage]:
        """The stages of an elementwise operation whose input `at` is in the lines."""
        match op:
            case Threshold():
                if op.bipolar:
                    return [Stage("SIGNS", a=op.thresholds[:, 0], b=op.falling)]
                return [Stage("LEVELS", n=op.levels, lo=op.base, a=op.thresholds.T, b=op.falling)]
            case Rescale():
                return [rescale(op, self.net.ports[at].ints)]
            case Add():
                scales = dict.fromkeys(op.inputs, 0)
                for i, scale in zip(op.inputs, op.scales, strict=True):
                    scales[i] += scale
                own = [Stage("TIMES", n=scales[at])] if scales[at] != 1 else []
                return own + [Stage("ADD", n=n, tensor=i) for i, n in scales.items() if i != at]
            case Maximum():
                return [Stage("MOST", tensor=i) for i in dict.fromkeys(op.inputs) if i != at]
            case Multiply():
                first, second = op.inputs
                return [Stage("BY", tensor=second if at == first else first)]
            case _:
                raise AssertionError(f"{op.name} is not elementwise")


def rescale(op: Rescale, x: Ints) -> Stage:
    """32-bit where no product can leave 32 bits, else 64-bit with `add` as two rows: 16 low bits, then the rest."""
    limit = 1 << 31
    most = np.abs(op.mul) * max(abs(x.lo), abs(x.hi))
    if int((most + np.abs(op.add)).max()) < limit:
        return Stage("RESCALE", shift=op.shift, lo=op.lo, hi=op.hi, a=op.mul, b=op.add)
    if int(np.abs(op.mul).max()) >= limit or int(np.abs(op.add).max()) >= limit << 15:
        raise ModelError(
            f"{op.name}: multiplies by {int(np.abs(op.mul).max())} and adds {int(np.abs(op.add).max())}, more than the C engine holds; choose a smaller shift"
        )
    return Stage("RESCALE64", shift=op.shift, lo=op.lo, hi=op.hi, a=op.mul, b=np.stack([op.add & 0xFFFF, op.add >> 16]))


def gemm_options(op: Dense | Conv, x: Port) -> dict[str, object]:
    """How the rows of a layer are gathered: BIT for XNOR, I16, I32; nothing for a depthwise convolution."""
    if isinstance(op, Dense):
        pad, groups, padded = np.zeros(1, np.int32), 1, False
    else:
        pad, groups, padded = op.pad, op.groups, op.padded
        if groups > 1 and groups == x.channels == len(op.weights):
            return {}
    depth = x.channels // groups
    binary = ints_of(op.weights).is_bipolar and x.ints.is_bipolar and bool((np.abs(pad) <= 1).all())
    if binary and (groups == 1 or depth % 8 == 0):
        return {"row": "BIT"}
    ends = x.ints.join(ints_of(pad)) if padded else x.ints
    return {"row": "I32" if kind_of(ends) == "I32" else "I16"}


def _lay_out(steps: list[EngineStep], tensors: dict[str, Tensor], alias: dict[str, str]) -> Program:
    """Addresses such that no two values that live at the same time overlap: largest first, lowest gap."""

    def root(name: str) -> str:
        while name in alias:
            name = alias[name]
        return name

    life: dict[str, list[int]] = {}
    for i, step in enumerate(steps):
        for name in (*step.all_reads, *step.writes):
            if tensors[name].place == "SCRATCH":
                life.setdefault(root(name), []).append(i)
    placed: dict[str, Tensor] = {}
    for name in sorted(life, key=lambda n: -tensors[n].bytes):
        first, last = min(life[name]), max(life[name])
        taken = sorted(
            (t.at, t.at + t.bytes) for n, t in placed.items() if min(life[n]) <= last and first <= max(life[n])
        )
        at = 0
        for begin, end in taken:
            if at + tensors[name].bytes <= begin:
                break
            at = max(at, -(-end // ALIGN) * ALIGN)
        placed[name] = replace(tensors[name], at=at)
    used = {n for step in steps for n in (*step.all_reads, *step.writes)}
    out = {n: replace(t, at=placed[root(n)].at) if root(n) in placed else t for n, t in tensors.items() if n in used}
    return Program(tuple(steps), out, max((t.at + t.bytes for t in placed.values()), default=0))
