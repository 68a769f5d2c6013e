"""Borders of images: padding with a constant, with the outermost pixels, or mirrored.

Stands on resizing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwflow import real
from hwflow.qonnx.model import Call
from hwflow.qonnx.operators import ANY, Refused, operator
from hwflow.qonnx.reader import Reader
from hwflow.qonnx.resizing import gathered_pixels
from hwflow.qonnx.values import Padding, Ref, Value, shown


@operator(
    "Pad",
    versions=(1, 2, 11, 13, 18, 19, 21, 23, 24, 25),
    attributes={"mode": ("constant", "edge", "reflect"), "pads": ANY, "paddings": ANY, "value": ANY},
)
def pad(reader: Reader, call: Call) -> Value:
    """Pad with a constant, with the outermost pixels, or with the image mirrored."""
    given = call.attrs.get("pads") or call.attrs.get("paddings")
    sizes = np.asarray(given if given is not None else reader.const(call, 1).value).reshape(2, -1).astype(int)
    fill = (
        float(call.attrs["value"]) if "value" in call.attrs else reader.number(call, 2) if reader.has(call, 2) else 0.0
    )
    if reader.has(call, 3):
        rank = len(reader.ref(call, 0).dims)
        axes = [int(a) % rank for a in reader.const(call, 3).value.reshape(-1)]
        if sizes.shape[1] != len(axes) or len(set(axes)) != len(axes):
            raise Refused("axes", f"are {axes} for {sizes.shape[1]} pairs of paddings", "name each axis once")
        spread = np.zeros((2, rank), int)
        spread[:, axes] = sizes
        sizes = spread
    ref = named(reader.ref(call, 0))
    if sizes.shape[1] != len(ref.dims) or (sizes < 0).any() or sizes.max(initial=0) > 4096:
        raise Refused(
            "pads", f"{sizes.ravel().tolist()[:8]} for {shown(ref)}", "use paddings at or above 0, two for each axis"
        )
    by = {d[0]: (int(a), int(b)) for d, a, b in zip(ref.dims, *sizes, strict=True) if len(d) == 1}
    if any(a or b for d, a, b in zip(ref.dims, *sizes, strict=True) if len(d) != 1) or any(by.get("N", ())):
        raise Refused("pads", "pads an axis that is no height, width or channel", "pad images only")
    (t, b), (left, r) = by.get("H", (0, 0)), by.get("W", (0, 0))
    if (mode := str(call.attrs.get("mode", "constant"))) != "constant":
        return _mirror(reader, call, ref, mode, by)
    if any(by.get("C", ())):
        if fill != 0 or len(ref.shape) != 3:
            raise Refused("value", "pads channels with something else than 0", "pad channels of images with 0")
        return reader.emit(
            real.Pad(name=reader.name(call), inputs=(ref.name,), pads=(t, left, b, r), channels=by["C"]), ref
        )
    if not any((t, left, b, r)):
        return ref
    return replace(ref, border=Padding((t, left, b, r), fill))


def _mirror(reader: Reader, call: Call, ref: Ref, mode: str, by: dict[str, tuple[int, int]]) -> Ref:
    if any(by.get("C", ())) or len(ref.shape) != 3:
        raise Refused("mode", f"pads channels by {mode}", "pad rows and columns only")
    rows, cols = (
        np.arange(-by.get(a, (0, 0))[0], n + by.get(a, (0, 0))[1]) for a, n in zip("HW", ref.shape, strict=False)
    )
    taken = []
    for at, n in ((rows, ref.shape[0]), (cols, ref.shape[1])):
        if mode == "reflect" and (at.min() <= -n or at.max() >= 2 * n - 1):
            raise Refused("pads", f"mirror more than the image of {shown(ref)} has", "pad less")
        taken.append(np.clip(at, 0, n - 1) if mode == "edge" else n - 1 - np.abs(n - 1 - np.abs(at)))
    return gathered_pixels(reader, call, ref, taken[0], taken[1])


def named(ref: Ref) -> Ref:
    """The value with every axis named where it is an image or a sequence."""
    for letters in ("NCHW", "NHWC", "NCW", "NWC"):
        if len(ref.shape) == 3 and ref.laid(letters):
            return ref.as_laid(letters)
    return ref
