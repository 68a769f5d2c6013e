"""Random integer networks of the shapes the field measures: TFC, SFC, LFC, CNV, VGG-Small, ResNet-20, depthwise.

Stands on making. The integers are random (seeded); only the shapes and the kinds of number are real.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwflow.bits import U8, Ints
from hwflow.generate.nets.making import Making
from hwflow.net import Net
from hwflow.ops import Add, Conv, Dense, Flatten, MaxPool, Op, Pad, Pads, Port, Rescale, SumPool, Threshold

SAME: Pads = (1, 1, 1, 1)
BYTE = Ints(-128, 127)


class _Layers(Making):
    """Layers of -1/+1 weights, or of 8-bit ones, and thresholds behind them; named by their kind and number."""

    def __init__(self, input: Port, seed: int):
        super().__init__(input, np.random.default_rng(seed))

    def name(self, kind: type[Op]) -> str:
        return f"{kind.__name__.lower()}{sum(type(op) is kind for op in self.ops)}"

    def conv(
        self, rows: int, kernel: int = 3, pads: Pads = SAME, byte: bool = False, groups: int = 1, stride: int = 1
    ) -> str:
        """A convolution with -1/+1 weights, or 8-bit ones where `byte`."""
        shape = (rows, kernel, kernel, self.port.channels // groups)
        weights = self.random.integers(-127, 128, shape) if byte else self.signs(*shape)
        return self.add(Conv, weights=weights, pads=pads, groups=groups, stride=(stride, stride))

    def dense(self, rows: int, byte: bool = False) -> str:
        shape = (rows, self.port.channels)
        return self.add(Dense, weights=self.random.integers(-127, 128, shape) if byte else self.signs(*shape))

    def threshold(self, levels: int = 1) -> str:
        """Thresholds around the middle of what the input can be; every fifth channel falls."""
        port = self.port
        middle, spread = (port.ints.lo + port.ints.hi) / 2, (port.ints.hi - port.ints.lo) / 24 + 1
        t = np.sort(np.rint(self.random.normal(middle, spread, (port.channels, levels))).astype(np.int64), axis=1)
        t = np.clip(t, port.ints.lo, port.ints.hi + 1)
        return self.add(Threshold, thresholds=t, falling=self.random.random(port.channels) < 0.2, bipolar=levels == 1)

    def pool(self, size: int = 2, minimum: bool = False) -> str:
        flags = self.random.random(self.port.channels) < (0.2 if minimum else 0)
        return self.add(MaxPool, kernel=(size, size), stride=(size, size), minimum=flags)


def _mlp(name: str, width: int, hidden: int, seed: int) -> Net:
    net = _Layers(Port((784,), U8), seed)
    net.add(Threshold, thresholds=np.full((784, 1), 128), falling=np.zeros(784), bipolar=True)
    for _ in range(hidden):
        net.dense(width)
        net.threshold()
    net.dense(10)
    return net.net(name)


def tfc(seed: int = 1) -> Net:
    """FINN's tiny fully connected network: 784-64-64-64-10, all one bit, pixels cut at half."""
    return _mlp("TFC", 64, 3, seed)


def sfc(seed: int = 1) -> Net:
    """784-256-256-256-10, all one bit."""
    return _mlp("SFC", 256, 3, seed)


def lfc(seed: int = 1) -> Net:
    """784-1024-1024-1024-10, all one bit."""
    return _mlp("LFC", 1024, 3, seed)


def cnv(seed: int = 1) -> Net:
    """FINN's CNV for CIFAR-10: 3x3 unpadded convolutions 64, 64, pool, 128, 128, pool, 256, 256; dense 512, 512, 10."""
    net = _Layers(Port((32, 32, 3), U8), seed)
    for stage, width in enumerate((64, 128, 256)):
        for _ in range(2):
            net.conv(width, pads=(0, 0, 0, 0))
            net.threshold()
        if stage < 2:
            net.pool()
    net.add(Flatten)
    for _ in range(2):
        net.dense(512)
        net.threshold()
    net.dense(10)
    return net.net("CNV")


def vgg_small(seed: int = 1) -> Net:
    """IR-Net's VGG-Small: padded 3x3 convolutions 128 (8 bit), 128, pool, 256, 256, pool, 512, 512, pool; dense 10.

    Pools stand between convolution and threshold, as trained; the last layer reads 4-bit features with 8-bit weights.
    """
    net = _Layers(Port((32, 32, 3), BYTE), seed)
    net.conv(128, byte=True)
    net.threshold()
    for width, pooled in ((128, True), (256, False), (256, True), (512, False), (512, True)):
        net.conv(width)
        if pooled:
            net.pool(minimum=True)
        net.threshold(levels=15 if (width, pooled) == (512, True) else 1)
    net.add(Flatten)
    net.dense(10, byte=True)
    return net.net("VGG-Small")


def resnet20(seed: int = 1) -> Net:
    """The Bi-Real ResNet-20: 18 binary 3x3 convolutions, each beside an 8-bit residual stream; 8-bit ends.

    Where a stage begins the shortcut keeps every other pixel and gains zero channels on both sides.
    """
    net = _Layers(Port((32, 32, 3), BYTE), seed)
    net.conv(16, byte=True)
    stream = _rescaled(net, 2**-9, BYTE)
    for width in (16, 32, 64):
        for layer in range(6):
            begins = width > 16 and layer == 0
            net.last = stream
            net.threshold()
            net.conv(width, stride=2 if begins else 1)
            branch = _rescaled(net, 127 / (4 * 3 * (9 * width) ** 0.5), Ints(-255, 255))
            if begins:
                kept = net.add(MaxPool, stream, kernel=(1, 1), stride=(2, 2), minimum=np.zeros(width // 2))
                stream = net.add(Pad, kept, channels=(width // 4, width // 4))
            summed = net.add(Add, branch, stream, scales=(1, 1))
            stream = net.add(Rescale, summed, mul=np.ones(width), add=np.zeros(width), shift=0, lo=-128, hi=127)
    net.add(SumPool, kernel=(8, 8), stride=(8, 8))
    net.add(Flatten)
    net.dense(10, byte=True)
    return net.net("ResNet-20")


def _rescaled(net: _Layers, gain: float, to: Ints, shift: int = 10) -> str:
    """A batch normalisation in fixed point: each channel its own factor near `gain`, of either sign."""
    channels = net.port.channels
    mul = np.rint(net.random.uniform(0.5, 1.5, channels) * gain * 2**shift).astype(np.int64) * net.signs(channels)
    add = np.rint(net.random.normal(0, 20, channels) * 2**shift).astype(np.int64) + (1 << (shift - 1))
    return net.add(Rescale, mul=mul, add=add, shift=shift, lo=to.lo, hi=to.hi)


def depthwise(seed: int = 1) -> Net:
    """A small MobileNet shape: each 3x3 convolution sees one channel, each 1x1 all of them; 4-bit and binary data."""
    net = _Layers(Port((32, 32, 3), U8), seed)
    net.conv(32, byte=True, stride=2)
    net.threshold(levels=15)
    for width, stride in ((64, 1), (128, 2), (128, 1), (256, 2)):
        channels = net.port.channels
        net.conv(channels, groups=channels, stride=stride)
        net.threshold()
        net.conv(width, kernel=1, pads=(0, 0, 0, 0))
        net.threshold(levels=15)
    net.add(SumPool, kernel=(4, 4), stride=(4, 4))
    net.add(Flatten)
    net.dense(10, byte=True)
    return net.net("depthwise")


def small_cnn(seed: int = 1) -> Net:
    """A CNN for a microcontroller: 28x28 grey images, binary 3x3 convolutions of 16, 16 and 32 channels, dense 10."""
    net = _Layers(Port((28, 28, 1), U8), seed)
    net.conv(16, byte=True)
    net.threshold()
    net.pool()
    for width in (16, 32):
        net.conv(width)
        net.threshold()
        net.pool()
    net.add(Flatten)
    net.dense(10, byte=True)
    return net.net("small CNN")


def keywords(seed: int = 1) -> Net:
    """A keyword spotter: 49 frames of 10 coefficients, a 10x4 convolution, three binary 3x3 ones of 64 channels, dense 12."""
    net = _Layers(Port((49, 10, 1), BYTE), seed)
    shape = (64, 10, 4, 1)
    net.add(Conv, weights=net.random.integers(-127, 128, shape), pads=(4, 1, 5, 2), stride=(2, 2))
    net.threshold()
    for _ in range(3):
        net.conv(64)
        net.threshold()
    net.add(SumPool, kernel=(net.port.shape[0], net.port.shape[1]), stride=(1, 1))
    net.add(Flatten)
    net.dense(12, byte=True)
    return net.net("keywords")


NETS: dict[str, Callable[[int], Net]] = {
    "tfc": tfc, "sfc": sfc, "lfc": lfc, "cnv": cnv, "vgg_small": vgg_small, "resnet20": resnet20, "depthwise": depthwise,
    "small_cnn": small_cnn, "keywords": keywords,
}  # fmt: skip
