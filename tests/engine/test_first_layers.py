"""Layers of -1/+1 weights on bytes: every path, window, padding and number of channels gives the network's integers."""

import numpy as np
import pytest
from c_paths import check_all_paths, side_by_side

from hwflow import tools
from hwflow.bits import Ints
from hwflow.generate.nets import Making
from hwflow.net import Net
from hwflow.ops import Add, Concat, Conv, Flatten, Port, Rescale, Threshold

pytestmark = pytest.mark.skipif(tools.find("g++") is None, reason="no C++ compiler")

BYTES, SIGNED = Ints(0, 255), Ints(-128, 127)


def layers(channels: int, pad: list[int]) -> list[Conv]:
    """Windows of every kind, with output channels in whole bytes, in whole words, in neither, and fewer than pay."""
    kinds = (
        (64, (3, 3), (1, 1), (1, 1), (0, 0, 0, 0)),
        (40, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        (32, (2, 5), (2, 3), (1, 1), (1, 0, 0, 2)),
        (72, (3, 1), (1, 1), (2, 1), (0, 3, 1, 0)),
        (33, (3, 3), (1, 1), (1, 1), (0, 0, 0, 0)),
        (24, (3, 3), (1, 1), (1, 1), (0, 0, 0, 0)),
    )
    rng = np.random.default_rng(channels)
    most = np.ones((32, 3, 7, channels), int)  # where all inputs are at an end of their range, so are the sums
    most[1::2] = -1
    greatest = Conv(name="", inputs=("input",), weights=most, pad=np.asarray(pad))
    return [
        greatest,
        *(
            Conv(
                name="", inputs=("input",), weights=rng.integers(0, 2, (rows, *kernel, channels)) * 2 - 1, stride=stride,
                dilation=dilation, pads=pads, pad=np.asarray(pad),
            )
            for rows, kernel, stride, dilation, pads in kinds
        ),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "ints", "pad"),
    [
        ((11, 37, 3), BYTES, [17, 0, 255]),
        ((9, 10, 1), SIGNED, [-128]),
        ((16, 16, 3), SIGNED, [127, -3, 0]),
        ((7, 9, 7), BYTES, [0]),
    ],
)
def test_bytes_by_signs_equal_the_network_on_every_path(shape, ints, pad, tmp_path):
    check_all_paths(side_by_side("first layers", Port(shape, ints), layers(shape[2], pad)), tmp_path, n=4)


def streams(seed: int, shape: tuple[int, int, int], ints: Ints) -> Net:
    """Convolutions of an image, rescaled to a stream that is stored, added and compared; windows of every kind."""
    net = Making(Port(shape, ints), np.random.default_rng(seed))
    random, ends = net.random, []
    kinds = (
        (16, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        (32, (2, 3), (1, 1), (1, 1), (0, 0, 0, 0)),
        (16, (3, 1), (2, 1), (1, 1), (0, 2, 1, 0)),
        (48, (1, 2), (1, 1), (2, 2), (1, 0, 0, 1)),
        (16, (5, 2), (1, 1), (1, 3), (0, 0, 4, 1)),
    )
    for rows, kernel, stride, dilation, pads in kinds:
        net.last, shift, clip = "input", int(random.choice([0, 4, 12])), int(random.choice([127, 250, 90]))
        weights = random.integers(-128, 128, (rows, *kernel, shape[2]))
        pad = random.integers(max(ints.lo, -128), ints.hi + 1, shape[2])
        net.add(Conv, weights=weights, stride=stride, dilation=dilation, pads=pads, pad=pad)
        mul = np.rint(random.normal(0, (1 << shift) / 64 + (shift == 0), rows)).astype(int)
        net.add(
            Rescale, mul=mul, add=random.integers(-50 << shift, 50 << shift, rows), shift=shift, lo=-clip - 1, hi=clip
        )
        stream = net.last
        limits = np.clip(random.integers(-130, 130, (rows, 1)), -clip, clip)
        sign = net.add(Threshold, thresholds=limits, falling=random.random(rows) < 0.3, bipolar=True)
        ends += [net.add(Flatten, stream), net.add(Flatten, sign)]
        net.add(Add, stream, stream, scales=(1, 1))
        ends.append(net.add(Flatten))
    net.add(Concat, *ends, scales=(1,) * len(ends))
    return net.drawn(f"streams {seed}")


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "ints"), [((4, 31, 3), BYTES), ((9, 33, 2), SIGNED), ((3, 64, 1), BYTES)])
def test_streams_of_an_image_equal_the_network_on_every_path(shape, ints, tmp_path):
    check_all_paths(streams(shape[1], shape, ints), tmp_path, n=4)
