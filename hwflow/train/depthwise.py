"""Depthwise convolutions while training on a CPU in bfloat16, by the one shape of them that oneDNN has a kernel for.

Stands on torch. With a stride or a dilation it falls back to a reference loop, ten times slower in the backward pass.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def has_fast_kernel(x: Tensor, groups: int) -> bool:
    """Whether a convolution of `x` is better computed by `convolve_depthwise`: depthwise, on a CPU, under bfloat16 autocast."""
    return groups > 1 and groups == x.shape[1] and x.device.type == "cpu" and torch.is_autocast_enabled("cpu")


def convolve_depthwise(x: Tensor, weight: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
    """conv2d(x, weight, padding = dilation * (k // 2), groups = channels), the same sums by convolutions of stride 1.

    `x` (n, c, h, w), `weight` (m c, 1, k, k) with odd k. A dilated convolution is one of each of the dilation^2 images
    that take every dilation-th row and column; one with a stride leaves out what the stride skips.
    """
    (n, c, h, w), k = x.shape, weight.shape[-1]
    if dilation > 1:
        x = F.pad(x, (0, -w % dilation, 0, -h % dilation))
        rows, cols = (size // dilation for size in x.shape[2:])
        x = x.permute(0, 2, 3, 1).reshape(n, rows, dilation, cols, dilation, c).permute(0, 2, 4, 1, 3, 5)
        x = x.reshape(n * dilation**2, rows, cols, c).permute(0, 3, 1, 2)
    y = F.conv2d(x, weight, padding=k // 2, groups=c)
    if dilation > 1:
        y = y.permute(0, 2, 3, 1).reshape(n, dilation, dilation, rows, cols, -1).permute(0, 3, 1, 4, 2, 5)
        y = y.reshape(n, rows * dilation, cols * dilation, -1).permute(0, 3, 1, 2)[:, :, :h, :w]
    if stride > 1:
        y = y[:, :, ::stride, ::stride]
    return y.contiguous(memory_format=torch.channels_last)
