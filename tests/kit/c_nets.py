"""Random networks of many branches, so that one compilation of the C engine answers for many shapes.

Stands on ops and net. Every branch reads the input and ends, flattened, in one Concat: nothing is lost on the way.
"""

from __future__ import annotations

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.net import Net
from hwflow.ops import (
    Add,
    Concat,
    Conv,
    Dense,
    Flatten,
    MaxPool,
    Op,
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


class Branches:
    """A network in the making: `at` names the value the next operation reads."""

    def __init__(self, seed: int, input: Port):
        self.random = np.random.default_rng(seed)
        self.input = input
        self.ops: list[Op] = []
        self.ports = {"input": input}
        self.at = "input"

    def add(self, kind: type[Op], *inputs: str, **values: object) -> str:
        name = f"{kind.__name__}{len(self.ops)}"
        op = kind(name=name, inputs=inputs or (self.at,), **values)  # type: ignore[arg-type]
        self.ports[name] = op.port(*(self.ports[i] for i in op.inputs))
        self.ops.append(op)
        self.at = name
        return name

    @property
    def port(self) -> Port:
        return self.ports[self.at]

    def pick(self, *choices: object) -> object:
        return choices[self.random.integers(len(choices))]

    def weights(self, *shape: int) -> Array:
        match self.pick("bipolar", "bipolar", "bipolar", "ternary", "byte", "wide"):
            case "bipolar":
                return self.random.integers(0, 2, shape) * 2 - 1
            case "ternary":
                return self.random.integers(-1, 2, shape)
            case "byte":
                return self.random.integers(-128, 128, shape)
            case _:
                return self.random.integers(-300, 301, shape)

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
        rows = groups * int(self.pick(1, 1, 2, 3)) if groups > 1 else int(self.pick(*CHANNELS))  # type: ignore[call-overload]
        kernel = window.pop("kernel")
        weights = self.weights(rows, *kernel, depth // groups)  # type: ignore[misc]
        pad: Array = np.zeros(1, np.int32)
        if self.random.random() < 0.4:
            pad = self.random.integers(-1, 2, int(self.pick(1, depth)))  # type: ignore[call-overload]
        elif self.random.random() < 0.1:
            pad = self.random.integers(-9, 10, depth)
        dilation = (1, 1)
        if min(self.port.shape[:2]) > 5 and self.random.random() < 0.3:
            dilation = (2, int(self.pick(1, 2)))  # type: ignore[call-overload]
        return self.add(Conv, weights=weights, pad=pad, groups=groups, dilation=dilation, **window)

    def threshold(self) -> str:
        port = self.port
        levels = int(self.pick(1, 1, 1, 2, 3, 7, 15))  # type: ignore[call-overload]
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
            base=0 if bipolar else int(self.pick(0, -1, -7)),
            bipolar=bipolar,
        )  # type: ignore[call-overload]

    def rescale(self) -> str:
        ints, channels = self.port.ints, self.port.channels
        most = max(abs(ints.lo), abs(ints.hi), 1)
        shift = int(self.pick(0, 3, 10, 20))  # type: ignore[call-overload]
        gain = 100 * (1 << shift) / most
        mul = np.rint(self.random.normal(0, gain, channels)).astype(np.int64)
        add = np.rint(self.random.normal(0, 10 * (1 << shift), channels)).astype(np.int64)
        return self.add(
            Rescale, mul=mul, add=add, shift=shift, lo=int(self.pick(-128, 0, -5)), hi=int(self.pick(127, 6, 255))
        )  # type: ignore[call-overload]

    def grow(self, steps: int) -> str:
        """A few operations one after the other, each legal where it stands; then the shortcut it may have."""
        start = self.at
        for _ in range(steps):
            ints = self.port.ints
            if max(-ints.lo, ints.hi) > 1 << 18:
                self.rescale()
            elif len(self.port.shape) == 1:
                self.pick(
                    self.threshold,
                    self.threshold,
                    self.rescale,
                    lambda: self.add(Dense, weights=self.weights(int(self.pick(*CHANNELS)), self.port.channels)),
                )()  # type: ignore[call-overload, operator]
            else:
                self.pick(
                    self.conv,
                    self.conv,
                    self.conv,
                    self.threshold,
                    self.threshold,
                    self.threshold,
                    self.rescale,
                    self.pool,
                    self.pool,
                    self.shape,
                    self.merge,
                )()  # type: ignore[operator]
        if self.ports[start].shape == self.port.shape and start != self.at:
            self.add(Add, self.at, start, scales=(int(self.pick(1, 2, -3)), int(self.pick(1, -1))))  # type: ignore[call-overload]
        return self.at

    def pool(self) -> str:
        window = self.window()
        if self.random.random() < 0.4:
            return self.add(SumPool, **window)
        return self.add(MaxPool, minimum=self.random.random(self.port.channels) < self.pick(0, 0.3), **window)

    def shape(self) -> str:
        h, w, channels = self.port.shape
        if h * w * channels < 2000 and self.random.random() < 0.5:
            return self.add(Upsample, factor=(int(self.pick(1, 2, 3)), int(self.pick(1, 2))))  # type: ignore[call-overload]
        if self.random.random() < 0.5 or h * w * channels > 4000:
            return self.add(Flatten)
        return self.add(
            Pad,
            pads=tuple(int(v) for v in self.random.integers(0, 3, 4)),
            channels=(int(self.pick(0, 3)), int(self.pick(0, 8))),
        )  # type: ignore[call-overload]

    def merge(self) -> str:
        """The value beside itself through a threshold, or twice added."""
        start = self.at
        self.threshold()
        if self.random.random() < 0.5:
            return self.add(Add, start, self.at, start, scales=(1, 5, -2))
        return self.add(Concat, start, self.at, scales=(1, int(self.pick(1, 1, -4))))  # type: ignore[call-overload]


def branches(seed: int, count: int = 8, steps: int = 4) -> Net:
    """A network of `count` random branches of up to `steps` operations."""
    random = np.random.default_rng((seed, 99))
    image = random.random() < 0.85
    shape = (
        (*(int(s) for s in random.integers(1, 10, 2)), int(random.choice(CHANNELS)))
        if image
        else (int(random.choice(CHANNELS)) * 3,)
    )
    net = Branches(seed, Port(shape, INPUTS[random.integers(len(INPUTS))]))
    ends = []
    for _ in range(count):
        net.at = "input"
        net.grow(int(net.random.integers(1, steps + 1)))
        if max(-net.port.ints.lo, net.port.ints.hi) > 1 << 30:
            net.rescale()
        ends.append(net.add(Flatten) if len(net.port.shape) == 3 or net.at == "input" else net.at)
    net.add(Concat, *ends, scales=(1,) * len(ends))
    if seed % 5 == 0:
        net.add(TopK, k=min(net.port.channels, 7))
    return Net(name=f"branches {seed}", input=net.input, ops=tuple(net.ops))


def residual(seed: int, h: int, w: int, channels: int = 16) -> Net:
    """Binary convolutions of whole words of channels around a stream of bytes: rescaled, added, clipped, compared."""
    net = Branches(seed, Port((h, w, channels), Ints(-128, 127)))
    random, ends = net.random, []
    around = ((3, 3), (1, 1, 1, 1), 1)
    for i, (kernel, pads, stride) in enumerate(
        (around, ((1, 2), (0, 0, 0, 1), 1), (*around[:2], 2), around, ((3, 3), (0, 0, 0, 0), 1))
    ):
        stream, depth, same = net.at, net.port.channels, stride == 1 and any(pads)
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
            net.add(Add, net.at, stream, scales=(1, 1))
        lo, hi = ((-128, 127), (-128, 127), (-7, 90))[i % 3]
        net.add(Rescale, mul=np.ones(rows, int), add=np.zeros(rows, int), shift=0, lo=lo, hi=hi)
        kept = net.at
        ends.append(net.add(Flatten))
        net.at = kept
    limits = random.integers(-90, 90, (channels, 1))
    net.add(Threshold, "input", thresholds=limits, falling=limits[:, 0] < 0, bipolar=True)
    net.add(Conv, weights=random.integers(0, 2, (32, 3, 3, channels)) * 2 - 1, pads=(1, 1, 1, 1), pad=np.zeros(1, int))
    net.add(Threshold, thresholds=random.integers(-9, 10, (32, 1)), falling=random.random(32) < 0.3, bipolar=True)
    ends.append(net.add(Flatten))
    net.add(Concat, *ends, scales=(1,) * len(ends))
    return Net(name=f"residual {seed}", input=net.input, ops=tuple(net.ops))


def inputs(net: Net, n: int, seed: int = 0) -> Array:
    """Inputs over the whole range, the first images at its ends."""
    ints, random = net.input.ints, np.random.default_rng(seed)
    x = random.integers(ints.lo, ints.hi + 1, (n, *net.input.shape))
    x[0], x[1 % n] = ints.lo, ints.hi
    return np.where(x >= 0, 1, -1) if ints.is_bipolar else x
