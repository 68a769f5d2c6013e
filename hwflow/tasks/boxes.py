"""Boxes: from the maps that a one-stage detector answers to a list of objects, and how good such lists are.

Stands on numpy; pycocotools only to score. A box is (x0, y0, x1, y1) in pixels, x1 and y1 just outside.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.errors import RecipeError, ToolError

NONE = -1  # the class of a row that holds no box
MOST = 100  # objects that are kept of one image


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of one image, best first: boxes (k, 4) float64, classes (k,) int64, scores (k,) float64 in 0 .. 1."""

    boxes: Array
    classes: Array
    scores: Array

    def __len__(self) -> int:
        return len(self.classes)


def overlap(a: Array, b: Array) -> Array:
    """Intersection over union of every box of a (n, 4) with every box of b (m, 4): (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    area = [np.clip(v[:, 2:] - v[:, :2], 0, None).prod(1) for v in (a, b)]
    union = area[0][:, None] + area[1][None] - both
    return np.divide(both, union, out=np.zeros(both.shape), where=union > 0)


def suppress(objects: Objects, most: float = 0.5) -> Objects:
    """Non-maximum suppression: of boxes of one class that overlap by more than `most`, the best alone."""
    keep: list[int] = []
    order = np.argsort(-objects.scores, kind="stable")
    shared = overlap(objects.boxes, objects.boxes)
    for i in order:
        if all(objects.classes[j] != objects.classes[i] or shared[i, j] <= most for j in keep):
            keep.append(int(i))
    return Objects(objects.boxes[keep], objects.classes[keep], objects.scores[keep])


def decode(maps: Sequence[Array], strides: Sequence[int], least: float = 0.05) -> Objects:
    """The objects in one image's answers: for each scale a map of class scores and a map of distances.

    `maps` holds, scale after scale, class scores (1 + classes, h, w), the first being "nothing here", and distances
    (4, h, w) in strides from a cell's centre to the box's left, top, right and bottom. Cells whose best class has less
    than `least` of the softmax are left out.
    """
    if len(maps) != 2 * len(strides):
        raise RecipeError(f"boxes: {len(strides)} scales need {2 * len(strides)} maps, not {len(maps)}")
    found: list[tuple[Array, Array, Array]] = []
    for i, stride in enumerate(strides):
        scores, far = (np.asarray(m, np.float64) for m in maps[2 * i : 2 * i + 2])
        e = np.exp(scores - scores.max(0))
        share = (e / e.sum(0))[1:]
        best, sure = share.argmax(0), share.max(0)
        rows, columns = np.nonzero(sure >= least)
        left, top, right, bottom = (np.clip(far[k, rows, columns], 0, None) * stride for k in range(4))
        x, y = (columns + 0.5) * stride, (rows + 0.5) * stride
        found.append(
            (np.stack([x - left, y - top, x + right, y + bottom], 1), best[rows, columns], sure[rows, columns])
        )
    boxes, classes, sure = (np.concatenate(parts) for parts in zip(*found, strict=True))
    first = np.argsort(-sure, kind="stable")[: 4 * MOST]
    kept = suppress(Objects(boxes[first], classes[first], sure[first]))
    return Objects(kept.boxes[:MOST], kept.classes[:MOST], kept.scores[:MOST])


def mean_average_precision(found: Sequence[Objects], truth: Array, size: tuple[int, int], at: float = 0.5) -> float:
    """COCO's mean average precision, 0 to 1, at one overlap, by pycocotools.

    `truth` (n, most, 5) holds x0, y0, x1, y1, class of each image's boxes, class NONE where there are fewer; `size` is the
    images' (height, width).
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as e:
        raise ToolError("mean average precision needs pycocotools: pip install pycocotools") from e
    names = sorted({int(c) for c in np.unique(truth[..., 4]) if c != NONE})
    right: list[dict[str, Any]] = []
    mine: list[dict[str, Any]] = []
    for image, (objects, rows) in enumerate(zip(found, truth, strict=True)):
        for x0, y0, x1, y1, label in rows[rows[:, 4] != NONE].tolist():
            box = [x0, y0, x1 - x0, y1 - y0]
            right.append({
                "id": len(right) + 1, "image_id": image, "category_id": int(label), "bbox": box,
                "area": box[2] * box[3], "iscrowd": 0,
            })  # fmt: skip
        for (x0, y0, x1, y1), label, score in zip(objects.boxes, objects.classes, objects.scores, strict=True):
            mine.append({
                "image_id": image, "category_id": int(label), "bbox": [x0, y0, x1 - x0, y1 - y0], "score": float(score),
            })  # fmt: skip
    if not mine or not right:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {}, "images": [{"id": i, "height": size[0], "width": size[1]} for i in range(len(truth))],
            "annotations": right, "categories": [{"id": c, "name": str(c)} for c in names],
        }  # fmt: skip
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(mine), "bbox")
        judge.params.iouThrs = np.array([at])
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][0, :, :, 0, -1]
    return float(precision[precision > -1].mean()) if (precision > -1).any() else 0.0
