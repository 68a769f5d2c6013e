"""Where in an image a layer's information comes from: what changes when a square of the image is taken away.

Stands on net and report's pictures. Everything is exact: the integer network runs on the changed images.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import isqrt
from pathlib import Path

import numpy as np

from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.net import Net
from hwflow.report.svg import png

CHUNK = 64  # changed images at a time


@dataclass(frozen=True, eq=False)
class Look:
    """One layer's view of one image.

    `share` (rows, cols): of the layer's values, those that change when the square there becomes the image's mean.
    `pixels` uint8 (H, W) or (H, W, 3): the image. `side`: pixels of a square. `first`, `last`: the rows and columns of
    the smallest box of squares that change anything, both included; None where none does.
    """

    layer: str
    side: int
    share: Array
    pixels: Array
    first: tuple[int, int] | None
    last: tuple[int, int] | None

    @property
    def spread(self) -> float:
        """Share of the squares that change anything."""
        return float((self.share > 0).mean())


def look(net: Net, image: Array, layer: str | None = None, side: int = 4, channel: int | None = None) -> Look:
    """How `layer` (its last without a name) of `net` depends on the squares of `image`, integers of the input's shape.

    `channel` looks at one channel of the layer alone. A RecipeError for an unknown layer or channel, a square that does
    not fit, and an input that is no image.
    """
    names = [op.name for op in net.ops]
    layer = names[-1] if layer is None else layer
    if layer not in names:
        raise RecipeError(f"look: there is no layer {layer!r}; there are {', '.join(names)}")
    channels = net.ports[layer].shape[-1]
    if channel is not None and not 0 <= channel < channels:
        raise RecipeError(f"look: {layer} has channels 0 .. {channels - 1}, not {channel}")
    height, width, colours = image_shape(net)
    if not 1 <= side <= min(height, width):
        raise RecipeError(f"look: a square must be 1 .. {min(height, width)} pixels wide, not {side}")
    whole = image.reshape(height, width, colours)
    mean = np.rint(whole.mean((0, 1))).astype(image.dtype)
    places = [(r, c) for r in range(0, height, side) for c in range(0, width, side)]
    changed = np.repeat(whole[None], len(places) + 1, 0)
    for square, (r, c) in zip(changed[1:], places, strict=True):
        square[r : r + side, c : c + side] = mean
    values = _values(net, changed.reshape(-1, *net.input.shape), layer)
    if channel is not None:
        values = values[..., channel]
    differ = (values[1:] != values[:1]).reshape(len(places), -1).mean(1)
    share = differ.reshape(-(-height // side), -(-width // side))
    seen = np.argwhere(share > 0)
    ends = (tuple(map(int, seen.min(0))), tuple(map(int, seen.max(0)))) if len(seen) else (None, None)
    return Look(layer, side, share, _grey_or_colour(whole), ends[0], ends[1])  # type: ignore[arg-type]


def image_shape(net: Net) -> tuple[int, int, int]:
    """Height, width and channels of the images `net` takes; a row of features counts where it is a square."""
    shape = net.input.shape
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    side = isqrt(shape[0]) if len(shape) == 1 else 0
    if side * side != shape[0]:
        raise RecipeError(f"{net.name}: takes {shape}, which is no image; look at networks of images")
    return side, side, 1


def _values(net: Net, x: Array, layer: str) -> Array:
    found: list[Array] = []

    def keep(name: str, values: Array) -> None:
        if name == layer:
            found.append(values)

    for at in range(0, len(x), CHUNK):
        net.run(x[at : at + CHUNK], keep)
    return np.concatenate(found)


def _grey_or_colour(image: Array) -> Array:
    low, high = int(image.min()), int(image.max())
    scaled = np.rint((image.astype(np.float64) - low) * (255 / max(1, high - low))).astype(np.uint8)
    return scaled if image.shape[2] == 3 else scaled[..., 0]


def page(found: Look, title: str) -> str:
    """A page of pictures: the image, where it matters, and the image in that light."""
    most = found.share.max() or 1
    light = np.kron(found.share / most, np.ones((found.side, found.side)))
    light = light[: found.pixels.shape[0], : found.pixels.shape[1]]
    lit = found.pixels * (light if found.pixels.ndim == 2 else light[..., None])
    pictures = (
        ("the image", found.pixels),
        (f"share of {found.layer}'s values that change, at most {100 * most:.1f} %", np.rint(255 * light)),
        ("the image in that light", np.rint(lit)),
    )
    figures = "".join(
        f'<figure><img alt="{escape(text, quote=True)}" src="{png(pixels)}"><figcaption>{escape(text)}</figcaption></figure>'
        for text, pixels in pictures
    )
    style = "body{font-family:sans-serif}figure{display:inline-block;margin:1em}img{width:224px;image-rendering:pixelated}figcaption{width:224px}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{style}</style>'
        f"<h1>{escape(title)}</h1>{figures}"
        f"<p>Each square of {found.side} x {found.side} pixels becomes the image's mean in turn; "
        f"{100 * found.spread:.0f} % of the squares change {escape(found.layer)}.</p></html>\n"
    )


def write_page(found: Look, folder: Path, image: int) -> Path:
    """Write the page of image number `image` into `folder`; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in found.layer)
    path = folder / f"{safe}-{image}.html"
    part = path.with_name(path.name + ".part")
    part.write_text(page(found, f"{found.layer}, image {image}"))
    part.replace(path)
    return path
