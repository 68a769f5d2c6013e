"""Where a layer's information comes from: the support of a feature is the square of pixels it can read, and no more."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from hwflow.errors import RecipeError
from hwflow.look import image_shape, look, page, write_page
from hwflow.net import Net
from hwflow.ops import Conv, Dense
from hwflow.places import MODELS


@pytest.fixture(scope="module")
def cnv():
    return Net.load(MODELS / "trained" / "cnv-hours" / "net.npz")


def first_convolutions(net: Net, count: int) -> Net:
    """The net up to its `count`-th convolution."""
    at = [i for i, op in enumerate(net.ops) if isinstance(op, Conv)][count - 1]
    return replace(net, ops=net.ops[: at + 1])


@pytest.mark.slow
def test_a_pixel_reaches_what_two_convolutions_can_read(cnv):
    net = first_convolutions(cnv, 2)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    name = net.ops[-1].name
    found = look(net, image, name, side=1)
    assert found.share.shape == (32, 32)
    base = []
    net.run(image[None], lambda n, v: base.append(v[0]) if n == name else None)
    pixel = (11, 7)
    other = image.copy()
    other[pixel] = np.rint(image.mean((0, 1)))
    net.run(other[None], lambda n, v: base.append(v[0]) if n == name else None)
    differ = base[0] != base[1]
    assert found.share[pixel] == differ.mean() > 0
    rows, cols, _ = np.nonzero(differ)
    # two unpadded 3 x 3 convolutions read 5 x 5 pixels
    assert rows.min() >= pixel[0] - 4 and rows.max() <= pixel[0]
    assert cols.min() >= pixel[1] - 4 and cols.max() <= pixel[1]
    assert (found.first, found.last) == ((0, 0), (31, 31))


def test_one_channel_can_be_looked_at_alone(cnv):
    net = first_convolutions(cnv, 1)
    image = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    shares = [look(net, image, side=8, channel=c).share for c in range(64)]
    assert np.allclose(np.mean(shares, 0), look(net, image, side=8).share)
    with pytest.raises(RecipeError, match=r"has channels 0 .. 63, not 64"):
        look(net, image, channel=64)


def test_an_image_of_one_colour_has_nothing_to_take_away(cnv):
    found = look(first_convolutions(cnv, 1), np.full((32, 32, 3), 77, np.uint8))
    assert not found.share.any()
    assert (found.first, found.last, found.spread) == (None, None, 0.0)
    assert "0 % of the squares" in page(found, "plain")


def test_a_row_of_784_features_is_an_image_and_odd_sides_have_smaller_squares_at_the_end(tmp_path):
    net = Net.load(MODELS / "trained" / "tfc" / "net.npz")
    assert image_shape(net) == (28, 28, 1)
    image = np.zeros((28, 28), np.uint8)
    image[10:20, 10:20] = 255  # the mean is 33, whose bit is that of 0
    layer = next(op.name for op in net.ops if isinstance(op, Dense))
    found = look(net, image.reshape(-1), layer, side=5)
    assert found.share.shape == (6, 6)
    assert (found.first, found.last) == ((2, 2), (3, 3)), "only the bright square can be taken away"
    path = write_page(found, tmp_path / "look", 3)
    assert path.read_text().count("data:image/png") == 3


def test_what_is_no_image_or_no_layer_is_refused(cnv):
    with pytest.raises(RecipeError, match="there is no layer 'magic'; there are "):
        look(cnv, np.zeros((32, 32, 3), np.uint8), "magic")
    with pytest.raises(RecipeError, match=r"must be 1 .. 32 pixels wide, not 33"):
        look(cnv, np.zeros((32, 32, 3), np.uint8), side=33)


def test_the_command_line_writes_a_page(tmp_path, digits):
    done = subprocess.run(
        [sys.executable, "-m", "hwflow", "look", str(digits.folder), "--image", "2", "--side", "2", "--json"],
        cwd=tmp_path, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert np.asarray(facts["share"]).shape == (4, 4)
    assert (digits.folder / "look").is_dir()
