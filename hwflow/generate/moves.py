"""Operators of random files that move values about: transposes there and back, reshapes and their computed sizes.

Stands on drawing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwflow.generate.drawing import Drawing

ORDERS = {
    "NCHW": ("NHWC", [0, 2, 3, 1]),
    "NHWC": ("NCHW", [0, 3, 1, 2]),
    "NCW": ("NWC", [0, 2, 1]),
    "NWC": ("NCW", [0, 2, 1]),
}


def turned(d: Drawing) -> None:
    """Channels from first to last, or back."""
    at = d.at
    if at.letters not in ORDERS:
        return
    letters, perm = ORDERS[at.letters]
    d.to(d.node("Transpose", at.name, perm=perm), at.grid, letters, [at.shape[p] for p in perm])


def channels_first(d: Drawing) -> None:
    if d.at.letters in ("NHWC", "NWC"):
        turned(d)


def there_and_back(d: Drawing) -> None:
    """An axis of one element that comes and goes, or a reshape and its inverse."""
    at = d.at
    kind = d.choose(0, 2)
    if kind == 0:
        axis = d.choose(1, len(at.shape))
        name = squeeze(d, unsqueeze(d, at.name, [axis], len(at.shape) + 1), [axis], len(at.shape) + 1)
    elif kind == 1:
        flat = d.node("Flatten", at.name, axis=1)
        name = d.node("Reshape", flat, sizes(d, [batch(d), *at.shape[1:]]))
    else:
        name = d.node("Reshape", at.name, sizes(d, [0] * len(at.shape)))
    d.to(name, at.grid)


def batch(d: Drawing) -> int:
    """The first size of a reshape that keeps the batch."""
    fixed = isinstance(d.b.shape[0], int) and d.b.shape[0] == 1
    return d.pick((-1, 1)) if fixed else -1


def sizes(d: Drawing, values: list[int]) -> str:
    return d.const(values, np.int64)


def squeeze(d: Drawing, name: str, axes: list[int], rank: int) -> str:
    shown = [a - rank if d.chance(30) else a for a in axes]
    return d.node("Squeeze", name, axes=shown) if d.opset < 13 else d.node("Squeeze", name, d.const(shown, np.int64))


def unsqueeze(d: Drawing, name: str, axes: list[int], rank: int) -> str:
    shown = [a - rank if d.chance(30) else a for a in axes]
    return (
        d.node("Unsqueeze", name, axes=shown) if d.opset < 13 else d.node("Unsqueeze", name, d.const(shown, np.int64))
    )


def flattened(d: Drawing) -> None:
    """(batch, features), by any of the ways that exporters write it."""
    at = d.at
    if len(at.shape) == 2:
        return
    features = at.elements
    kind = d.pick(("flatten", "flatten", "reshape", "reshape", "computed", "squeeze"))
    ones = [i for i, s in enumerate(at.shape) if i and s == 1 and at.letters[i] != "C"]
    if kind == "squeeze" and len(at.shape) - len(ones) == 2:
        name = squeeze(d, at.name, ones, len(at.shape))
    elif kind == "computed":
        name = d.node("Reshape", at.name, computed_sizes(d, [features] if d.chance(50) else [-1]))
    elif kind == "reshape":
        name = d.node("Reshape", at.name, sizes(d, d.pick(([batch(d), features], [0, -1], [0, features]))))
    else:
        attrs: dict[str, Any] = {} if d.chance(40) else {"axis": 1}
        name = d.node("Flatten", at.name, **attrs)
    d.to(name, at.grid, "NC", (at.shape[0], features))


def computed_sizes(d: Drawing, rest: list[int]) -> str:
    """The batch of the last tensor beside `rest`, computed by the file as TorchScript exports do."""
    shape = d.node("Shape", d.at.name)
    first = d.node("Gather", shape, d.const(0, np.int64), axis=0)
    if d.opset < 13:
        first = d.node("Unsqueeze", first, axes=[0])
    else:
        first = d.node("Unsqueeze", first, d.const([0], np.int64))
    return d.node("Concat", first, d.const(rest, np.int64), axis=0)
