"""Random integer networks through every engine, until one differs or the time is up.

Stands on lower and the engines. A network is its seed, so a failure is one number to keep.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bits import BIPOLAR, U8, Array, Ints
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.ops import Add, Conv, Dense, Flatten, MaxPool, Op, Port, Rescale, SumPool, Threshold, TopK
from hwflow.passes import canonical

IMAGES = 3
INPUTS = (BIPOLAR, U8, Ints(-8, 7), Ints(0, 3))


def fuzz(minutes: float, seed: int, engines: Sequence[str], say: Callable[[str], None]) -> dict[str, Any]:
    """Networks tried, and the (seed, engine) of each that differs from `Net.run`; stops at the first failure.

    Engines are given the canonical form, and the answer wanted is that of the network as drawn: passes are tried too.
    """
    end = time.monotonic() + 60 * minutes
    tried = 0
    failures: list[dict[str, Any]] = []
    while time.monotonic() < end and not failures:
        net = random_net(seed + tried)
        x = random_inputs(net, IMAGES, seed + tried)
        want = net.run(x)
        for engine in engines:
            with tempfile.TemporaryDirectory() as folder:
                if not np.array_equal(_answer(canonical(net), x, engine, Path(folder), seed + tried), want):
                    failures.append({"seed": seed + tried, "engine": engine})
        tried += 1
        say(f"network {tried}: {' '.join(type(op).__name__ for op in net.ops)}")
    return {"networks": tried, "images": tried * IMAGES, "engines": ", ".join(engines), "failures": failures}


def _answer(net: Net, x: Array, engine: str, folder: Path, seed: int) -> Array:
    if engine == "c":
        from hwflow import emit
        from hwflow.simulate import c

        emit.c(net, folder)
        return c.run(net, folder, x).outputs
    from hwflow import emit
    from hwflow.simulate import hls, rtl

    flow = lower(net)
    if engine == "hls":
        emit.hls(flow, folder)
        return hls.run(flow, folder, x).outputs
    emit.rtl(flow, folder)
    return rtl.run(flow, folder, x, stalls=seed).outputs


def random_inputs(net: Net, n: int, seed: int) -> Array:
    """Seeded inputs over the whole range a network takes."""
    rng = np.random.default_rng(seed)
    x = rng.integers(net.input.ints.lo, net.input.ints.hi + 1, (n, *net.input.shape))
    return np.where(x >= 0, 1, -1) if net.input.ints.is_bipolar else x


def random_net(seed: int) -> Net:
    """A small network mixing the operations, with thresholds inside, at and beyond the ends of their ranges."""
    rng = np.random.default_rng(seed)
    image = rng.random() < 0.6
    shape = (
        (int(rng.integers(3, 8)), int(rng.integers(3, 8)), int(rng.choice([1, 2, 3, 5])))
        if image
        else (int(rng.integers(2, 40)),)
    )
    grow = _Grow(rng, Port(shape, INPUTS[rng.integers(len(INPUTS))]))
    if image:
        for _ in range(rng.integers(1, 4)):
            grow.spatial()
        grow.add(Flatten, inputs=(grow.last,))
    for _ in range(rng.integers(0, 3)):
        grow.dense()
        grow.threshold()
    grow.dense()
    if rng.random() < 0.3:
        grow.add(TopK, inputs=(grow.last,), k=int(rng.integers(1, min(3, grow.port.size) + 1)))
    return Net(f"fuzz{seed}", grow.ports["input"], tuple(grow.ops))


class _Grow:
    """A network under construction: operations so far, what each gives, the name of the last."""

    def __init__(self, rng: np.random.Generator, port: Port):
        self.rng, self.ops, self.last = rng, list[Op](), "input"
        self.ports = {"input": port}

    @property
    def port(self) -> Port:
        return self.ports[self.last]

    def add(self, kind: Any, **fields: Any) -> None:
        op = kind(name=f"{kind.__name__.lower()}{len(self.ops)}", **fields)
        self.ports[op.name] = op.port(*(self.ports[i] for i in op.inputs))
        self.ops.append(op)
        self.last = op.name

    def weights(self, *shape: int) -> Array:
        rng = self.rng
        return rng.choice([-1, 1], shape) if rng.random() < 0.7 else rng.integers(-3, 4, shape)

    def dense(self) -> None:
        self.add(Dense, inputs=(self.last,), weights=self.weights(int(self.rng.integers(1, 20)), self.port.size))

    def threshold(self, bipolar: bool | None = None) -> None:
        rng, port = self.rng, self.port
        bipolar = bool(rng.random() < 0.7) if bipolar is None else bipolar
        levels = 1 if bipolar else int(rng.choice([1, 3, 7]))
        t = np.sort(rng.integers(port.ints.lo, port.ints.hi + 2, (port.channels, levels)), axis=1)
        self.add(
            Threshold,
            inputs=(self.last,),
            thresholds=t,
            falling=rng.random(port.channels) < 0.3,
            base=0 if bipolar else int(rng.choice([0, -2])),
            bipolar=bipolar,
        )

    def spatial(self) -> None:
        rng = self.rng
        h, w, c = self.port.shape
        choice = rng.choice(["conv", "conv", "pool", "depthwise", "residual", "sum"])
        fits = h >= 2 and w >= 2
        if choice == "pool" and fits:
            self.add(MaxPool, inputs=(self.last,), kernel=(2, 2), stride=(2, 2), minimum=rng.random(c) < 0.3)
        elif choice == "sum" and fits:
            self.add(SumPool, inputs=(self.last,), kernel=(2, 2), stride=(2, 2))
            self.threshold()
        elif choice == "residual":
            fork = self.last
            self.add(Conv, inputs=(fork,), weights=self.weights(c, 3, 3, c), pads=(1, 1, 1, 1))
            self.add(
                Rescale,
                inputs=(self.last,),
                mul=rng.integers(1, 5, c),
                add=rng.integers(-20, 20, c),
                shift=2,
                lo=-64,
                hi=63,
            )
            self.add(Add, inputs=(self.last, fork), scales=(1, int(rng.choice([1, 4]))))
            self.threshold()
        else:
            depthwise = choice == "depthwise" and c > 1
            k = int(rng.integers(1, min(h, w, 3) + 1))
            pad = int(rng.integers(0, k))
            rows = c if depthwise else int(rng.integers(1, 7))
            self.add(
                Conv,
                inputs=(self.last,),
                weights=self.weights(rows, k, k, 1 if depthwise else c),
                groups=c if depthwise else 1,
                pads=(pad, pad, pad, 0),
                stride=(int(rng.integers(1, 3)),) * 2,
                pad=np.array([int(rng.choice([0, 0, 1]))]),
            )
            self.threshold()
