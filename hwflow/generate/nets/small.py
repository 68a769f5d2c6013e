"""Random networks of every operation and random foldings of them: what models are fitted to and tests try.

Stands on making and lower.
"""

from __future__ import annotations

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.generate.nets.making import Making
from hwflow.lower import cores
from hwflow.lower.folding import folding_fields
from hwflow.net import Net
from hwflow.ops import (
    Add,
    Concat,
    Conv,
    Dense,
    Flatten,
    MaxPool,
    Pad,
    Port,
    Rescale,
    SumPool,
    Threshold,
    TopK,
    Upsample,
)

SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16)
RANGES = (BIPOLAR, BIPOLAR, Ints(0, 255), Ints(0, 3), Ints(-8, 7))


class _Small(Making):
    """Operations that keep ranges small."""

    def weights(self, *shape: int) -> Array:
        """Binary mostly, sometimes ternary or a few bits."""
        kind = self.pick(0, 0, 0, 1, 2)
        if kind == 0:
            return self.random.choice((-1, 1), shape)
        return self.random.integers(-1, 2, shape) if kind == 1 else self.random.integers(-3, 4, shape)

    def quantize(self) -> str:
        """Thresholds, of one level mostly, some channels falling; or a rescaling to few bits."""
        ints, c = self.port.ints, self.port.channels
        if self.random.random() < 0.2:
            shift = max(0, ints.bits - 5)
            mul = self.random.integers(-3, 4, c)
            return self.add(Rescale, mul=mul, add=self.random.integers(-9, 10, c), shift=shift, lo=-8, hi=7)
        levels = self.pick(1, 1, 1, 3)
        t = np.sort(self.random.integers(ints.lo, ints.hi + 2, (c, levels)), axis=1)
        return self.add(
            Threshold,
            thresholds=t,
            falling=self.random.random(c) < 0.3,
            bipolar=levels == 1,
            base=0 if levels == 1 else self.pick(0, -2),
        )

    def pads(self) -> tuple[int, int, int, int]:
        return tuple(int(p) for p in self.random.integers(0, 2, 4)) if self.random.random() < 0.6 else (0, 0, 0, 0)  # type: ignore[return-value]

    def conv(self) -> None:
        """A convolution of any kernel, stride, padding and grouping that fits the image, and its quantizer."""
        h, w, c = self.port.shape
        kh, kw = min(self.pick(1, 2, 3), h), min(self.pick(1, 2, 3), w)
        groups = self.pick(1, 1, *(g for g in range(1, c + 1) if c % g == 0))
        rows = groups * self.pick(1, 2, 3, 4) if groups > 1 else self.pick(*SIZES)
        if self.random.random() < 0.3:
            groups = rows = c
        pads = self.pads() if (kh, kw) > (1, 1) else (0, 0, 0, 0)
        pads = tuple(min(p, k - 1) for p, k in zip(pads, (kh, kw, kh, kw), strict=True))  # type: ignore[assignment]
        inside = self.port.ints
        pad = np.array([self.pick(0, 0, inside.lo, inside.hi)])
        self.add(
            Conv,
            weights=self.weights(rows, kh, kw, c // groups),
            stride=(self.pick(1, 1, 2), self.pick(1, 1, 2)),
            pads=pads,
            pad=pad,
            groups=groups,
        )
        if self.random.random() < 0.4:
            self.pool()
        self.quantize()

    def pool(self) -> None:
        h, w, c = self.port.shape
        kernel = min(self.pick(1, 2, 3), h), min(self.pick(1, 2), w)
        stride = kernel if self.random.random() < 0.5 else (self.pick(1, 2), self.pick(1, 2))
        pads = self.pads() if min(kernel) > 1 else (0, 0, 0, 0)
        if self.random.random() < 0.7:
            self.add(MaxPool, kernel=kernel, stride=stride, minimum=self.random.random(c) < 0.3, pads=pads)
        else:
            self.add(SumPool, kernel=kernel, stride=stride, pads=pads)

    def shortcut(self) -> None:
        """Two paths of one value that meet again in a sum or side by side."""
        start = self.last
        self.conv() if self.random.random() < 0.7 else self.quantize()
        one, shape = self.last, self.port.shape
        self.last = start
        if self.port.shape != shape:
            self.last = one
            return
        if self.random.random() < 0.4:
            self.quantize()
        scales = (self.pick(1, 1, -2), self.pick(1, 1, 3))
        self.add(Add if self.random.random() < 0.6 else Concat, one, self.last, scales=scales)
        if self.port.ints.bits > 10:
            self.quantize()

    def other(self) -> None:
        if self.random.random() < 0.5 and self.port.size < 200:
            self.add(Upsample, factor=(self.pick(1, 2), self.pick(1, 2, 3)))
        else:
            self.add(Pad, pads=self.pads(), channels=(self.pick(0, 1, 2), self.pick(0, 2)))

    def dense(self) -> None:
        rows = self.pick(*SIZES)
        self.add(Dense, weights=self.weights(rows, self.port.channels))


def random_net(seed: int) -> Net:
    """A small network of any of the operations in the form `fold` gives; half of them have images, half vectors."""
    return _made(seed).net(f"random{seed}")


def raw_net(seed: int) -> Net:
    """The same network as it was drawn, before any pass."""
    return _made(seed).drawn(f"random{seed}")


def _made(seed: int) -> _Small:
    rng = np.random.default_rng(seed)
    ints = RANGES[rng.integers(len(RANGES))]
    if rng.random() < 0.3:
        m = _Small(Port((int(rng.choice((3, 7, 8, 12, 16, 24))),), ints), rng)
    else:
        shape = int(rng.integers(2, 8)), int(rng.integers(2, 8)), int(rng.choice((1, 2, 3, 4, 6)))
        m = _Small(Port(shape, ints), rng)
        for _ in range(int(rng.integers(1, 4))):
            step = rng.choice((m.conv, m.conv, m.shortcut, m.shortcut, m.pool, m.other))  # type: ignore[arg-type]
            if len(m.port.shape) == 3:
                step()
            if m.port.ints.bits > 10:
                m.quantize()
        m.add(Flatten)
    for _ in range(int(rng.integers(1, 3))):
        m.dense()
        m.quantize()
    if rng.random() < 0.6:
        m.dense()
    if rng.random() < 0.4:
        m.add(TopK, k=int(rng.integers(1, min(m.port.size, 3) + 1)))
    return m


def random_folding(net: Net, seed: int, lanes: int = 64, wide: bool = False) -> dict[str, dict[str, int]]:
    """A legal folding of a network at random, of at most `lanes` multipliers a unit; `wide`: windows that can be are
    whole in a word, or several, and other units take several pixels a cycle where they can."""
    rng = np.random.default_rng(seed)
    out: dict[str, dict[str, int]] = {}
    for unit in cores(net):
        made = [(f, unit.folded(**f)) for f in unit.foldings()]
        across = [(f, u) for f, u in made if not any(s.by_row for s in (*u.ins, *u.outs))]
        legal = [(f, u) for f, u in across if f.get("pe", 1) * f.get("simd", 1) <= lanes and not u.hurries]
        narrow = [f for f, u in legal if type(u) is type(unit)]
        if folding_fields(unit) and not unit.width_bound and narrow:
            out[unit.name] = dict(narrow[rng.integers(len(narrow))])
        more = [f for f, u in across if wide and (u.hurries or type(u) is not type(unit))]
        if more:
            out[unit.name] = dict(more[rng.integers(len(more))])
    return out
