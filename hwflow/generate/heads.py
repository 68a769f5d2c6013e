"""The ends of random files: dense layers, and answers as scores, labels, softmax or quantized values.

Stands on drawing, quantize, pointwise and moves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwflow.generate.drawing import Drawing, Grid, plus, product
from hwflow.generate.drawing import grid_of as exactly
from hwflow.generate.moves import unsqueeze
from hwflow.generate.pointwise import arithmetic, norm, pointwise
from hwflow.generate.quantize import quantize, ready, weighted, weights
from hwflow.generate.spatial import FIRST, conv


def dense(d: Drawing) -> None:
    """A MatMul or Gemm of the last axis."""
    grid = ready(d, 9)
    at = d.at
    cols, rows = at.shape[-1], d.choose(1, 6)
    if len(at.shape) == 2 and d.chance(45):
        gemm(d, grid, cols, rows)
        return
    if d.chance(40):
        w, on = weights(d, (rows, cols), 0)
        w = d.node("Transpose", w, perm=[1, 0])
    else:
        w, on = weights(d, (cols, rows), 1)
    d.to(d.node("MatMul", at.name, w), weighted(d, grid, on, cols), shape=(*at.shape[:-1], rows))


def gemm(d: Drawing, grid: Grid, cols: int, rows: int) -> None:
    turned = d.choose(0, 1)
    w, on = weights(d, (rows, cols) if turned else (cols, rows), 0 if turned else 1)
    alpha, beta = d.pick((1.0, 1.0, 0.5, 2.0)), d.pick((1.0, 1.0, 0.5, 0.0))
    bias = d.number(rows, True if d.dyadic else None) if d.chance(60) or d.opset < 11 else None
    more = () if bias is None else (d.const(bias.reshape(d.pick(((rows,), (1, rows))))),)
    attrs: dict[str, Any] = {"transB": turned} if turned or d.chance(50) else {}
    attrs |= {"alpha": alpha} if alpha != 1 or d.chance(30) else {}
    attrs |= {"beta": beta} if beta != 1 or d.chance(30) else {}
    out = product(grid, on, cols)
    out = Grid(out.step / 2, out.most * 2, out.dyadic)
    if bias is not None:
        fine = exactly(bias)
        out = plus(out, Grid(fine.step / 2, fine.most, fine.dyadic))
    d.to(d.node("Gemm", d.at.name, w, *more, **attrs), d.summed(out), shape=(d.at.shape[0], rows))


def as_convolution(d: Drawing) -> None:
    """A vector as an image of one pixel, a 1x1 convolution, and back."""
    at = d.at
    if len(at.shape) != 2:
        return
    d.to(unsqueeze(d, at.name, [2, 3], 4), at.grid, "NCHW", (*at.shape, 1, 1))
    conv(d)


def end(d: Drawing) -> None:
    """What stands behind the last layer; an answer of labels where nothing rounds before it."""
    kind = d.weighted(
        {"scores": 5, "scaled": 3, "quantized": 2, "normed": 1, "labels": 3, "softmax": 2, "squashed": 1, "chain": 1}
    )
    if kind == "scaled":
        arithmetic(d)
        if d.chance(40):
            arithmetic(d)
    elif kind == "quantized":
        quantize(d)
    elif kind == "normed":
        norm(d)
    elif kind == "chain":
        pointwise(d)
        quantize(d)
    elif kind == "softmax":
        softmax(d)
    elif kind == "squashed":
        d.to(d.node(d.pick(("Sigmoid", "Tanh")), d.at.name), None)
    elif kind == "labels":
        labels(d)


def softmax(d: Drawing) -> None:
    at = d.at
    if len(at.shape) != 2:
        return
    op = d.pick(("Softmax", "Softmax", "LogSoftmax"))
    axis = d.pick((1, -1, 1, None))
    d.to(d.node(op, at.name, axis=axis), None)
    d.stripped = at.name
    if d.chance(30):
        labels(d)


def labels(d: Drawing) -> None:
    """ArgMax or TopK over the classes."""
    at = d.at
    if len(at.shape) not in (2, 4) or (at.letters not in ("NC", *FIRST)):
        return
    if len(at.shape) == 4 and (at.size("H"), at.size("W")) != (1, 1):
        return
    axis = 1 if d.chance(60) else 1 - len(at.shape)
    c = at.size("C")
    d.labels = True
    if d.chance(55):
        keep = d.choose(0, 1)
        attrs: dict[str, Any] = {"axis": axis, "keepdims": keep}
        if keep and d.chance(50):
            del attrs["keepdims"]
        if d.opset >= 12 and d.wild and d.chance(20):
            attrs["select_last_index"] = d.choose(0, 1)
        shape = [s for i, s in enumerate(at.shape) if keep or i != 1]
        if keep:
            shape[1] = 1
        letters = "".join(a for i, a in enumerate(at.letters) if keep or i != 1)
        d.to(d.node("ArgMax", at.name, **attrs), None, letters, shape)
        return
    k = d.choose(1, min(c, 3))
    if d.opset < 10:
        name = d.node("TopK", at.name, outputs=2, axis=axis, k=k)
    else:
        attrs = {"axis": axis if axis != -1 or d.chance(50) else None}
        if d.opset >= 11 and d.chance(50):
            attrs |= {"largest": 1, "sorted": 1}
        name = d.node("TopK", at.name, d.const([k], np.int64), outputs=2, **attrs)
    shape = list(at.shape)
    shape[1] = k
    d.to(f"{name}_1", None, shape=shape)
