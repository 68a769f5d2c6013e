"""What a value is: shape and integers; and windows that slide over an image: what they give, and a view of all of them.

Stands on bits and graph. Images are (n, H, W, C), channel fastest.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np

from hwflow.bits import Array, Ints
from hwflow.errors import ModelError
from hwflow.graph import Node

Shape: TypeAlias = tuple[int, ...]
Pads: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right


@dataclass(frozen=True)
class Port:
    """What a value is: its shape for one image, (H, W, C) or (C,), and the integers it can hold."""

    shape: Shape
    ints: Ints

    @property
    def channels(self) -> int:
        return self.shape[-1]

    @property
    def size(self) -> int:
        return prod(self.shape)


def window_shape(
    node: Node, shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], pads: Pads, dilation: tuple[int, int]
) -> tuple[int, int]:
    """Rows and columns of the output of a sliding window."""
    need(len(shape) == 3, node, f"slides over (H, W, C), not {shape}")
    need(min(*kernel, *stride, *dilation) > 0 and min(pads) >= 0, node, "has a window that is not positive")
    need(max(*kernel, *stride, *dilation, *pads) < 1 << 16, node, "has a window of more than 65535 pixels")
    h = shape[0] + pads[0] + pads[2] - (kernel[0] - 1) * dilation[0] - 1
    w = shape[1] + pads[1] + pads[3] - (kernel[1] - 1) * dilation[1] - 1
    need(h >= 0 and w >= 0, node, f"its {kernel} window is larger than the image {shape[:2]} with padding {pads}")
    return h // stride[0] + 1, w // stride[1] + 1


def pooled_shape(
    node: Node, shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], pads: Pads, dilation: tuple[int, int]
) -> tuple[int, int]:
    """Rows and columns of a maximum, which needs a pixel in every window: padding has no value to give."""
    out = window_shape(node, shape, kernel, stride, pads, dilation)
    for k in (0, 1) if any(pads) else ():
        at = np.arange(out[k])[:, None] * stride[k] - pads[k] + np.arange(kernel[k]) * dilation[k]
        inside = ((at >= 0) & (at < shape[k])).any(1)
        need(bool(inside.all()), node, f"has windows that lie wholly in its padding {pads}, where nothing is largest")
    return out


def windows(
    x: Array, kernel: tuple[int, int], stride: tuple[int, int], pads: Pads, dilation: tuple[int, int], pad: Array
) -> Array:
    """A view (n, h, w, kh, kw, C) of every window of (n, H, W, C), `pad` (C,) outside the image."""
    if any(pads):
        t, left, b, r = pads
        n, h, w, c = x.shape
        full = np.empty((n, h + t + b, w + left + r, c), np.result_type(x, pad))
        full[...] = pad
        full[:, t : t + h, left : left + w] = x
        x = full
    span = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, span, (1, 2))  # n, h, w, C, span, span
    view = view[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return view.transpose(0, 1, 2, 4, 5, 3)


def need(true: bool, node: Node, reason: str) -> None:
    """A ModelError of a node whose shapes do not fit, unless `true`."""
    if not true:
        raise ModelError(f"{node.name}: {reason}; correct the shapes of the network")
