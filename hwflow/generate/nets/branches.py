"""Random networks of many branches, so that one compilation of the C engine answers for many shapes.

Stands on making. Every branch reads the input and ends, flattened, in one Concat: nothing is lost on the way.
"""

from __future__ import annotations

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.generate.nets.making import Making
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

CHANNELS = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 63, 64, 65, 96, 127, 128, 129)
INPUTS = (
    BIPOLAR,
    Ints(0, 255),
    Ints(-128, 127),
    Ints(0, 3),
    Ints(-4, 3),
    Ints(-1000, 1000),
    Ints(-40000, 70000),
    Ints(0, 1),
)


class _Branches(Making):
    """Operations of any size that the C engine has a path of its own for."""

    def weights(self, *shape: int) -> Array:
        match self.pick("bipolar", "bipolar", "bipolar", "ternary", "byte", "wide"):
            case "bipolar":
                return self.signs(*shape)
            case "ternary":
                return self.random.integers(-1, 2, shape)
            case "byte":
                return self.random.integers(-128, 128, shape)
            case "wide":
                return self.random.integers(-300, 301, shape)
            case other:
                raise AssertionError(other)

    def window(self, largest: int = 3) -> dict[str, object]:
        h, w, _ = self.port.shape
        kernel = tuple(int(self.random.integers(1, min(largest, s) + 1)) for s in (h, w))
        stride = tuple(int(s) for s in self.random.integers(1, 4, 2))
        pads = tuple(int(self.random.integers(0, kernel[i % 2])) for i in range(4))
        return {"kernel": kernel, "stride": stride, "pads": pads if self.random.random() < 0.6 else (0, 0, 0, 0)}

    def conv(self) -> str:
        window, depth = self.window(), self.port.channels
        groups = (
            int(self.random.choice([g for g in range(1, depth + 1) if depth % g == 0]))
            if self.random.random() < 0.4
            else 1
        )
        rows = groups * self.pick(1, 1, 2, 3) if groups > 1 else self.pick(*CHANNELS)
        kernel = window.pop("kernel")
        weights = self.weights(rows, *kernel, depth // groups)  # type: ignore[misc]
        pad: Array = np.zeros(1, np.int32)
        if self.random.random() < 0.4:
            pad = self.random.integers(-1, 2, self.pick(1, depth))
        elif self.random.random() < 0.1:
            pad = self.random.integers(-9, 10, depth)
        dilation = (1, 1)
        if min(self.port.shape[:2]) > 5 and self.random.random() < 0.3:
            dilation = (2, self.pick(1, 2))
        return self.add(Conv, weights=weights, pad=pad, groups=groups, dilation=dilation, **window)

    def dense(self) -> str:
        return self.add(Dense, weights=self.weights(self.pick(*CHANNELS), self.port.channels))

    def threshold(self) -> str:
        port = self.port
        levels = self.pick(1, 1, 1, 2, 3, 7, 15)
        lo, hi = port.ints.lo, port.ints.hi
        t = self.random.integers(lo, hi + 2, (port.channels, levels))
        middle = np.rint(self.random.normal((lo + hi) / 2, (hi - lo) / 12 + 1, t.shape)).astype(np.int64)
        t = np.clip(np.where(self.random.random(t.shape) < 0.8, middle, t), lo, hi + 1)
        bipolar = levels == 1 and bool(self.random.random() < 0.8)
        falling = self.random.random(port.channels) < 0.3
        return self.add(
            Threshold,
            thresholds=np.sort(t, 1),
            falling=falling,
            base=0 if bipolar else self.pick(0, -1, -7),
            bipolar=bipolar,
        )

    def rescale(self) -> str:
        ints, channels = self.port.ints, self.port.channels
        most = max(abs(ints.lo), abs(ints.hi), 1)
        shift = self.pick(0, 3, 10, 20)
        gain = 100 * (1 << shift) / most
        mul = np.rint(self.random.normal(0, gain, channels)).astype(np.int64)
        add = np.rint(self.random.normal(0, 10 * (1 << shift), channels)).astype(np.int64)
        return self.add(Rescale, mul=mul, add=add, shift=shift, lo=self.pick(-128, 0, -5), hi=self.pick(127, 6, 255))

    def grow(self, steps: int) -> str:
        """A few operations one after the other, each legal where it stands; then the shortcut it may have."""
        start = self.last
        for _ in range(steps):
            ints = self.port.ints
            if max(-ints.lo, ints.hi) > 1 << 18:
                self.rescale()
            elif len(self.port.shape) == 1:
                self.pick(self.threshold, self.threshold, self.rescale, self.dense)()
            else:
                self.pick(
                    *3 * (self.conv,),
                    *3 * (self.threshold,),
                    self.rescale,
                    self.pool,
                    self.pool,
                    self.shape,
                    self.merge,
                )()
        if self.ports[start].shape == self.port.shape and start != self.last:
            self.add(Add, self.last, start, scales=(self.pick(1, 2, -3), self.pick(1, -1)))
        return self.last

    def pool(self) -> str:
        window = self.window()
        if self.random.random() < 0.4:
            return self.add(SumPool, **window)
        return self.add(MaxPool, minimum=self.random.random(self.port.channels) < self.pick(0, 0.3), **window)

    def shape(self) -> str:
        h, w, channels = self.port.shape
        if h * w * channels < 2000 and self.random.random() < 0.5:
            return self.add(Upsample, factor=(self.pick(1, 2, 3), self.pick(1, 2)))
        if self.random.random() < 0.5 or h * w * channels > 4000:
            return self.add(Flatten)
        return self.add(
            Pad,
            pads=tuple(int(v) for v in self.random.integers(0, 3, 4)),
            channels=(self.pick(0, 3), self.pick(0, 8)),
        )

    def merge(self) -> str:
        """The value beside itself through a threshold, or twice added."""
        start = self.last
        self.threshold()
        if self.random.random() < 0.5:
            return self.add(Add, start, self.last, start, scales=(1, 5, -2))
        return self.add(Concat, start, self.last, scales=(1, self.pick(1, 1, -4)))


def branches(seed: int, count: int = 8, steps: int = 4) -> Net:
    """A network of `count` random branches of up to `steps` operations."""
    random = np.random.default_rng((seed, 99))
    image = random.random() < 0.85
    shape = (
        (*(int(s) for s in random.integers(1, 10, 2)), int(random.choice(CHANNELS)))
        if image
        else (int(random.choice(CHANNELS)) * 3,)
    )
    net = _Branches(Port(shape, INPUTS[random.integers(len(INPUTS))]), np.random.default_rng(seed))
    ends = []
    for _ in range(count):
        net.last = "input"
        net.grow(int(net.random.integers(1, steps + 1)))
        if max(-net.port.ints.lo, net.port.ints.hi) > 1 << 30:
            net.rescale()
        ends.append(net.add(Flatten) if len(net.port.shape) == 3 or net.last == "input" else net.last)
    net.add(Concat, *ends, scales=(1,) * len(ends))
    if seed % 5 == 0:
        net.add(TopK, k=min(net.port.channels, 7))
    return net.drawn(f"branches {seed}")


def residual(seed: int, h: int, w: int, channels: int = 16) -> Net:
    """Binary convolutions of whole words of channels around a stream of bytes: rescaled, added, clipped, compared."""
    net = _Branches(Port((h, w, channels), Ints(-128, 127)), np.random.default_rng(seed))
    random, ends = net.random, []
    around = ((3, 3), (1, 1, 1, 1), 1)
    for i, (kernel, pads, stride) in enumerate(
        (around, ((1, 2), (0, 0, 0, 1), 1), (*around[:2], 2), around, ((3, 3), (0, 0, 0, 0), 1))
    ):
        stream, depth, same = net.last, net.port.channels, stride == 1 and any(pads)
        rows = depth if same else int(random.choice([16, 32, 48, 64]))
        limits = np.clip(random.integers(-160, 160, (depth, 1)), -128, 128)
        net.add(Threshold, thresholds=limits, falling=random.random(depth) < 0.3, bipolar=True)
        pad = (np.zeros(1, int), random.integers(0, 2, depth) * 2 - 1, np.ones(1, int))[i % 3]
        weights = random.integers(0, 2, (rows, *kernel, depth)) * 2 - 1
        net.add(Conv, weights=weights, pads=pads, pad=pad, stride=(stride, stride))
        shift, clip = int(random.choice([3, 7, 10, 16])), int(random.choice([255, 255, 128, 90]))
        gain = (8 if shift < 16 else 0.25) * (1 << shift) / depth**0.5
        mul = np.rint(random.normal(0, gain, rows)).astype(int)
        add = random.integers(-200 << shift, 200 << shift, rows)
        net.add(Rescale, mul=mul, add=add, shift=shift, lo=-clip, hi=clip - (clip == 128))
        if same:
            net.add(Add, net.last, stream, scales=(1, 1))
        lo, hi = ((-128, 127), (-128, 127), (-7, 90))[i % 3]
        net.add(Rescale, mul=np.ones(rows, int), add=np.zeros(rows, int), shift=0, lo=lo, hi=hi)
        kept = net.last
        ends.append(net.add(Flatten))
        net.last = kept
    limits = random.integers(-90, 90, (channels, 1))
    net.add(Threshold, "input", thresholds=limits, falling=limits[:, 0] < 0, bipolar=True)
    net.add(Conv, weights=random.integers(0, 2, (32, 3, 3, channels)) * 2 - 1, pads=(1, 1, 1, 1), pad=np.zeros(1, int))
    net.add(Threshold, thresholds=random.integers(-9, 10, (32, 1)), falling=random.random(32) < 0.3, bipolar=True)
    ends.append(net.add(Flatten))
    net.add(Concat, *ends, scales=(1,) * len(ends))
    return net.drawn(f"residual {seed}")
