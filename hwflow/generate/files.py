"""Random QONNX files: layers of any operators, attributes, layouts, opsets and forms of constants, from one seed.

Stands on the drawers of this room. A tame file keeps to what the compiler promises to take; a wild one goes beyond.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from hwflow.generate import activations, branches, heads, moves, pointwise, rearrange, recurrent, spatial
from hwflow.generate.draw import Choose, Draw, choices
from hwflow.generate.drawing import Drawing, Grid, Tensor
from hwflow.generate.quantize import quantize, ready
from hwflow.qonnx.takes import KEY

DYADIC = (("u8/256", 8, 0), ("u4/16", 4, 0), ("i4/8", 4, 1), ("i8/64", 8, 1), ("bipolar", 0, 0), ("u1", 1, 0), ("u2/4", 2, 0), ("i8", 8, 1), ("u8", 8, 0))  # fmt: skip
OTHER = (("u8/255", 8, 0), ("i5/10", 5, 1), ("bipolar/3", 0, 0), ("u4/15", 4, 0), ("i8/100", 8, 1))
OPSETS = (9, 9, 9, 10, 11, 12, 13, 13, 13, 14, 15, 16, 17, 18, 19, 20, 20, 21, 22, 24, 24)


@dataclass(frozen=True, eq=False)
class RandomFile:
    """A QONNX file and what is known of it: `input` is given to the reader; `exact` where no float32 sum can round."""

    model: onnx.ModelProto
    input: str | None
    exact: bool
    labels: bool
    stripped: str | None
    wild: bool


def random_file(seed: int) -> RandomFile:
    """The file of a seed."""
    rng = np.random.default_rng(seed)
    return drawn_file(choices(rng), rng)


def drawn_file(choose: Choose, rng: np.random.Generator) -> RandomFile:
    """A file whose choices come from `choose`, its tables of numbers from `rng`."""
    d, takes, given = drawn(choose, rng)
    kind = onnx.TensorProto.INT64 if d.labels else onnx.TensorProto.FLOAT
    ends: dict[str, int] = {d.at.name: kind}
    if d.early is not None and d.early != d.at.name:  # a second output, in front of the other or behind it
        ends = {d.early: onnx.TensorProto.FLOAT} | ends if d.chance(30) else ends | {d.early: onnx.TensorProto.FLOAT}
    model = d.b.model(ends, kind, {KEY: takes} if given == "meta" else None)
    return RandomFile(model, takes if given == "text" else None, d.exact, d.labels, d.stripped, d.wild)


def drawn(choose: Choose, rng: np.random.Generator) -> tuple[Drawing, str, str]:
    """A whole network that is no file yet, its input's type, and who says so: the reader's caller (text), the file (meta) or nobody."""
    d = begun(Draw(choose, rng))
    given = d.pick(("text", "text", "text", "meta", "meta", "nobody"))
    takes, first = _input(d)
    d.to("x", Grid(first[0], first[1], d.dyadic))
    d.exact = d.dyadic and given != "nobody"  # what the reader takes instead may be no power of two
    while not body(d):
        pass
    heads.end(d)
    if not d.b.nodes or d.at.name == "x":
        quantize(d)
    return d, takes, given


def begun(draw: Draw) -> Drawing:
    """An empty file: its opset, its input as an image, a sequence or a vector, in any layout."""
    opset = draw.pick(OPSETS)
    kind = draw.weighted({"NCHW": 54, "NCW": 12, "NC": 18, "NHWC": 16, "NWC": 3})
    letters = kind
    sizes = {"H": draw.choose(1, 7), "W": draw.choose(1, 7), "C": draw.choose(1, 5)}
    if kind == "NC":
        sizes["C"] = draw.choose(1, 20)
    batch: Any = draw.pick((1, 1, "N"))
    shape = (batch, *(sizes[a] for a in letters[1:]))
    x = Tensor("x", letters, (1, *shape[1:]), None)
    d = Drawing(draw.choose, draw.rng, x, opset, dyadic=draw.chance(80), wild=draw.chance(15))
    d.b.shape = shape
    d.b.ir = 8 if opset < 19 else 10 if opset < 23 else 12
    return d


def _input(d: Drawing) -> tuple[str, tuple[float, float]]:
    """The input's type, and its step and largest value."""
    text, bits, signed = d.pick(DYADIC if d.dyadic else OTHER)
    den = int(text.partition("/")[2] or 1)
    most = 2.0 ** (bits - signed) if bits else 1.0
    return text, (1.0 / den, most / den)


SPATIAL: dict[Callable[[Drawing], None], int] = {
    spatial.conv: 8, spatial.max_pool: 6, spatial.average: 4, pointwise.residual: 3, pointwise.met: 1, spatial.concat: 2,
    spatial.resized: 2, spatial.padded: 2, spatial.sliced: 1, moves.turned: 3, moves.there_and_back: 1,
    rearrange.split: 1, rearrange.gathered: 1, rearrange.cropped: 1, rearrange.blocks: 9, rearrange.shuffled: 1,
    rearrange.reduced_any: 3, rearrange.interpolated: 2, rearrange.transposed_conv: 2, rearrange.beside: 1, activations.gated: 1,
    branches.met: 3, branches.shortcut: 1, recurrent.scanned: 6,
}  # fmt: skip
FLAT: dict[Callable[[Drawing], None], int] = {
    heads.dense: 6, pointwise.residual: 2, pointwise.met: 1, moves.there_and_back: 1, heads.as_convolution: 1, rearrange.split: 1,
    rearrange.gathered: 1, rearrange.beside: 1, rearrange.reduced_any: 1, activations.gated: 1,
}  # fmt: skip


def body(d: Drawing) -> bool:
    """Layers on images, then on vectors."""
    if d.chance(60):
        quantize(d)
    if d.opset < 10 and d.chance(30):
        spatial.resized(d)  # Upsample was taken out of ONNX then
    for _ in range(d.choose(0, 3)):
        if len(d.at.shape) > 2:
            d.weighted(SPATIAL)(d)
            between(d)
    if len(d.at.shape) > 2:
        finish_image(d)
    if len(d.at.shape) == 2:
        for _ in range(d.choose(0, 2)):
            d.weighted(FLAT)(d)
            between(d)
            if len(d.at.shape) > 2:
                moves.flattened(d)
        if d.chance(75):
            heads.dense(d)
    return bool(d.b.nodes)


def between(d: Drawing) -> None:
    """A chain of elementwise operators, mostly closed by a quantizer."""
    for _ in range(d.choose(0, 3)):
        pointwise.pointwise(d)
    if d.chance(30):
        d.weighted({activations.chosen: 2, activations.curved: 4, activations.squared: 1})(d)
    if d.chance(75):
        quantize(d)
        if d.chance(8) and d.at.name != "x":
            d.early = d.at.name
        if d.chance(15):
            pointwise.relu(d)
        if d.chance(6):
            quantize(d)


def finish_image(d: Drawing) -> None:
    """From an image to a vector, or an answer that is an image."""
    kind = d.weighted({"flat": 6, "reduced": 2, "dense": 1, "map": 1})
    if kind == "map":
        return
    if kind == "reduced" and not d.labels:
        if d.chance(40):
            moves.channels_first(d)
        spatial.reduced(d)
        if d.chance(50):
            quantize(d)
    elif kind == "dense" and d.at.letters in ("NHWC", "NWC"):
        heads.dense(d)
        between(d)
    if d.at.letters in ("NHWC", "NWC") and d.chance(60):
        moves.channels_first(d)
    if d.at.grid is None and d.chance(50):
        ready(d)
    moves.flattened(d)
