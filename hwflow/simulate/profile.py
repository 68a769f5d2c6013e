"""Where the C engine's time goes: microseconds, products a second and share of each step of a network.

Stands on the C engine, built with NET_PROFILE. A step is a layer with everything that is fused behind it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from typing_extensions import assert_never

from hwflow.bits import Array
from hwflow.emit.c_program import EngineStep, make_program
from hwflow.net import Net
from hwflow.ops import Conv, Dense
from hwflow.simulate import c

TURNS = 60  # of which each step's median is taken


@dataclass(frozen=True)
class Row:
    """One step: microseconds an image, multiplications an image, 10^9 of them a second, and its part of the time."""

    name: str
    work: str
    us: float
    products: int
    gmac_s: float
    share: float


@dataclass(frozen=True)
class Profile:
    """The rows of a network in the order they run; `str()` is a table for people."""

    network: str
    path: str
    rows: tuple[Row, ...]

    @property
    def us(self) -> float:
        """Microseconds of one image on one thread."""
        return sum(row.us for row in self.rows)

    @property
    def slowest(self) -> Row:
        return max(self.rows, key=lambda row: row.us)

    @property
    def advice(self) -> str:
        """What to look at next, in one sentence."""
        row, best = self.slowest, max(r.gmac_s for r in self.rows)
        if row.products == 0:
            return f"{row.name} takes {row.share:.0%} and multiplies nothing: {row.work}. Fuse it with its neighbour."
        if row.gmac_s < best / 3:
            return (
                f"{row.name} takes {row.share:.0%} at {row.gmac_s:.0f} G products/s, where the best layer reaches {best:.0f}: "
                f"it is {row.work}. Fewer bits or more channels would use the processor better."
            )
        return f"{row.name} takes {row.share:.0%} at {row.gmac_s:.0f} of {best:.0f} G products/s: fewer products there help most."

    def __str__(self) -> str:
        width = max(len("step"), *(len(r.name) for r in self.rows))
        lines = [f"{self.network} on the {self.path} path: {self.us:.1f} us an image, one thread"]
        lines.append(f"{'step':{width}}  {'us':>8}  {'share':>6}  {'Mproducts':>9}  {'G/s':>6}  work")
        for r in self.rows:
            rate = f"{r.gmac_s:6.0f}" if r.products else " " * 6
            lines.append(f"{r.name:{width}}  {r.us:8.2f}  {r.share:6.1%}  {r.products / 1e6:9.3f}  {rate}  {r.work}")
        return "\n".join([*lines, self.advice])

    __repr__ = __str__


def profile(net: Net, folder: Path | None, path: str | None = None, turns: int = TURNS) -> Profile:
    """Times of each step on one thread, medians of `turns` images; LookupError where the processor has no such path."""
    engine = c.load(net, folder, path, flags=("-DNET_PROFILE", *c.FAST))
    steps = make_program(net).steps
    x, out = _images(net, engine.dtype), np.empty((1, net.output.size), np.int32)
    times = step_times(engine.library, engine.call(x, out), len(steps), turns)
    whole = sum(times) or 1.0
    rows = []
    for step, us in zip(steps, times, strict=True):
        n = products(step, net.ports[step.op.name].size)
        rows.append(Row(step.name, work(step), us, n, n / us / 1e3 if us else 0.0, us / whole))
    return Profile(net.name, engine.path, tuple(rows))


def step_times(library: ctypes.CDLL, call: Callable[[], object], steps: int, turns: int = TURNS) -> list[float]:
    """Microseconds of each step of an image, medians of `turns` calls for one image, of a library with NET_PROFILE."""
    spent = np.zeros(steps, np.uint64)
    taken = []
    for _ in range(turns + 1):
        call()
        library.net_spent(spent.ctypes.data_as(ctypes.c_void_p))
        taken.append(spent.astype(float) / 1e3)
    return [median(column) for column in zip(*taken[1:], strict=True)]


def _images(net: Net, dtype: type) -> Array:
    """One seeded image over the whole range of the input."""
    ints = net.input.ints
    x = np.random.default_rng(0).integers(ints.lo, ints.hi + 1, (1, net.input.size))
    return np.ascontiguousarray(np.where(x >= 0, 1, -1) if ints.is_bipolar else x, dtype)


def products(step: EngineStep, size: int) -> int:
    """Multiplications of one image, -1/+1 ones included."""
    return (
        step.op.weights[0].size * size
        if isinstance(step.op, (Conv, Dense)) and step.routine in ("gemm", "depthwise")
        else 0
    )


def work(step: EngineStep) -> str:
    """What a step does, in a few words: its operation, then what is fused behind it."""
    op = step.op
    match step.routine:
        case "gemm" | "depthwise":
            assert isinstance(op, (Conv, Dense))
            kernel = "x".join(map(str, op.kernel)) if isinstance(op, Conv) else "dense"
            kind = {"BIT": "bits", "I16": "bytes", "I32": "words"}.get(str(step.options.get("row")), "depthwise")
            first = f"{kernel} {op.weights[0].size // (op.weights.shape[1] * op.weights.shape[2] if isinstance(op, Conv) else 1)} to {len(op.weights)} {kind}"
        case "join":
            first = type(op).__name__.lower()
        case "pool" | "pool_bits" | "top" | "recurrent":
            first = step.routine.replace("_", " ")
        case _:
            assert_never(step.routine)
    return " + ".join([first, *(s.what.lower() for s in step.stages)])
