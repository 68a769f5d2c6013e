"""The network alive in one page: its own C engine as WebAssembly, a canvas to draw on, and the answer at once.

Stands on emit.wasm and the page's templates. The integers are those of the hardware, bit for bit; nothing is fetched.
"""

from __future__ import annotations

import base64
import math
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from hwflow.bits import Array
from hwflow.build import Build
from hwflow.emit import wasm
from hwflow.errors import RecipeError
from hwflow.files import write_text
from hwflow.net import Net

SAMPLES = 12  # held-out images offered to try


def publish(build: Build, path: Path) -> Path:
    """Write the page that holds the network of a build, its weights and code; the path written.

    Takes images: (H, W, 1), (H, W, 3), or as many features as a square has. RecipeError for other inputs, ToolError
    without ziglang.
    """
    from hwflow.report import render

    side = picture_shape(build.net)
    if side is None:
        shape = " x ".join(map(str, build.net.input.shape))
        raise RecipeError(
            f"{build.folder}: takes {shape}, which is no picture of one or three channels; publish shows pictures"
        )
    write_text(path, render("live.html.j2", model=build.name, live=live(build, side)))
    return path


def picture_shape(net: Net) -> tuple[int, int, int] | None:
    """Height, width and channels of the picture that a network takes; None where its input is none."""
    shape = net.input.shape
    if len(shape) == 3 and shape[2] in (1, 3) and min(shape[:2]) >= 4:
        return shape[0], shape[1], shape[2]
    side = math.isqrt(net.input.size)
    return (side, side, 1) if len(shape) == 1 and side >= 4 and side * side == shape[0] else None


def live(build: Build, picture: tuple[int, int, int]) -> dict[str, Any]:
    """What the page's template needs: code and weights as base64, the script that calls them, samples to try."""
    net = build.net
    module = wasm.build(net)
    x, labels = build.images(SAMPLES)
    dark, bright = pixel_range(net)
    return {
        "wasm": base64.b64encode(module.wasm).decode(),
        "module": Markup(module.js.replace("export ", "")),
        "height": picture[0],
        "width": picture[1],
        "channels": picture[2],
        "dark": dark,
        "bright": bright,
        "bipolar": net.input.ints.is_bipolar,
        "samples": np.asarray(x).reshape(len(x), -1).tolist(),
        "labels": [] if labels is None else [int(v) for v in labels],
        "bytes": len(module.wasm),
    }


def pixel_range(net: Net) -> tuple[int, int]:
    """The integers of a black and of a white pixel: 0 or -1.0, and 1.0, as far as the input holds them."""
    ints, one = net.input.ints, net.denominator
    bright = min(ints.hi, one) if one > 1 else ints.hi
    return (max(ints.lo, -bright) if ints.lo < 0 else 0), bright


def pixels_of(net: Net, grey: Array) -> Array:
    """The integers of grey values 0 .. 255, as the page's script computes them."""
    dark, bright = pixel_range(net)
    if net.input.ints.is_bipolar:
        return np.where(np.asarray(grey) >= 128, 1, -1)
    return np.floor(dark + np.asarray(grey, np.float64) / 255 * (bright - dark) + 0.5).astype(np.int64)
