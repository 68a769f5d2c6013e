"""Scenes composed of digits: several of them in one image, with their boxes and a class for every pixel.

Stands on data's single images. A scene follows from its seed alone; held-out scenes are made of held-out digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwflow.bits import Array
from hwflow.tasks.boxes import NONE, overlap

if TYPE_CHECKING:
    from hwflow.train.data import Images

TRIES = 20  # places that are tried for a digit before it is left out
INK = 0.4  # share of a digit's darkest value from which a pixel belongs to it


@dataclass(frozen=True)
class Kind:
    """What scenes of one source look like: `side` pixels square, up to `most` digits `low` to `high` pixels high."""

    side: int
    low: int
    high: int
    most: int
    train: int
    test: int


KINDS = {
    "digits": Kind(side=40, low=10, high=22, most=3, train=6000, test=600),
    "mnist": Kind(side=48, low=12, high=24, most=4, train=16000, test=2000),
}
MOST_SHARED = 0.15  # of the overlap that two digits of a scene may have
NOISE = 0.12  # of the greatest value: uniform noise behind the digits


@dataclass(frozen=True, eq=False)
class Scenes:
    """Scenes uint8 (n, side, side, 1), boxes int64 (n, most, 5): x0, y0, x1, y1, class; masks int64 (n, side, side).

    A mask holds 0 behind the digits and 1 + class on them; the class of a row without a box is NONE.
    """

    x: Array
    boxes: Array
    masks: Array


def compose(images: Images, kind: Kind, count: int, seed: int) -> Scenes:
    """`count` scenes of digits drawn from `images`: resized, placed at random, overlapping a little, in front of noise."""
    dice = np.random.default_rng(seed)
    top = int(images.x.max())
    x = dice.integers(0, int(NOISE * top) + 1, (count, kind.side, kind.side)).astype(np.uint8)
    boxes = np.zeros((count, kind.most, 5), np.int64)
    boxes[..., 4] = NONE
    masks = np.zeros((count, kind.side, kind.side), np.int64)
    for i in range(count):
        for k in range(int(dice.integers(1, kind.most + 1))):
            which = int(dice.integers(len(images)))
            digit = _resize(images.x[which, ..., 0], int(dice.integers(kind.low, kind.high + 1)))
            height, width = digit.shape
            for _ in range(TRIES):
                top_row = int(dice.integers(0, kind.side - height + 1))
                left = int(dice.integers(0, kind.side - width + 1))
                box = np.array([[left, top_row, left + width, top_row + height]], np.int64)
                if k == 0 or overlap(box, boxes[i, :k, :4]).max() <= MOST_SHARED:
                    break
            else:
                break
            part = np.s_[i, top_row : top_row + height, left : left + width]
            x[part] = np.maximum(x[part], digit)
            masks[part] = np.where(digit >= INK * top, 1 + images.y[which], masks[part])
            boxes[i, k] = (*box[0], images.y[which])
    return Scenes(x[..., None], boxes, masks)


def _resize(digit: Array, height: int) -> Array:
    """A digit cut to its ink and resized to `height` pixels, its proportions kept; uint8, at most as wide as high."""
    from PIL import Image

    ys, xs = np.nonzero(digit > 0)
    cut = digit[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    width = max(3, min(height, round(height * cut.shape[1] / cut.shape[0])))
    return np.asarray(Image.fromarray(cut).resize((width, height), Image.Resampling.BILINEAR))
