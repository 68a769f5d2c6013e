"""Layers of -1/+1 weights on bytes: every path, window, padding and number of channels gives the network's integers."""

import numpy as np
import pytest
from c_paths import check_all_paths, side_by_side

from hwflow import tools
from hwflow.bits import Ints
from hwflow.ops import Conv, Port

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


@pytest.mark.parametrize(
    ("shape", "ints", "pad"),
    [
        ((11, 37, 3), BYTES, [17, 0, 255]),
        pytest.param((9, 10, 1), SIGNED, [-128], marks=pytest.mark.slow),
        pytest.param((16, 16, 3), SIGNED, [127, -3, 0], marks=pytest.mark.slow),
        pytest.param((7, 9, 7), BYTES, [0], marks=pytest.mark.slow),
    ],
)
def test_bytes_by_signs_equal_the_network_on_every_path(shape, ints, pad, tmp_path):
    check_all_paths(side_by_side("first layers", Port(shape, ints), layers(shape[2], pad)), tmp_path, n=4)
