"""What a network is trained for: the loss of its answers, and how good they are. One entry of TASKS for each task.

Stands on torch and hwflow.tasks. Answers are one tensor, or a tuple of them for networks with several outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.tasks.boxes import NONE, decode, mean_average_precision
from hwflow.tasks.masks import confusion, mean_iou

Answers: TypeAlias = Tensor | tuple[Tensor, ...]


@dataclass(frozen=True)
class Task:
    """`loss` of answers and targets with label smoothing; `hits`, the sum over images of the share that is right, shown
    while training; `score`, 0 to 1, of a whole split, which `measure` names."""

    measure: str
    loss: Callable[[Answers, Tensor, float], Tensor]
    hits: Callable[[Answers, Tensor], Tensor]
    score: Callable[[Sequence[Array], Array], float]
    placed: bool = True  # what an image shows has places in it, which move when the image is moved


def one(answers: Answers) -> Tensor:
    """The only output of a network that has one."""
    if isinstance(answers, tuple):
        raise RecipeError(f"the network has {len(answers)} outputs where this task takes one")
    return answers


def _label_loss(answers: Answers, y: Tensor, smoothing: float) -> Tensor:
    return F.cross_entropy(one(answers).float(), y, label_smoothing=smoothing)


def _label_hits(answers: Answers, y: Tensor) -> Tensor:
    right = one(answers).argmax(1) == y
    return right.flatten(1).float().mean(1).sum() if right.ndim > 1 else right.sum()


def _accuracy(answers: Sequence[Array], y: Array) -> float:
    return float((answers[0].argmax(1) == y).mean())


def _mask_score(answers: Sequence[Array], y: Array) -> float:
    classes = answers[0].shape[1]
    return mean_iou(confusion(answers[0].argmax(1), y, classes))


CENTRE = 0.5  # of a box's half side: a cell whose centre lies nearer to the box's centre is trained to find it
BOX_WEIGHT = 1.0  # of the distances' loss beside the classes'
SIZES = (4, 8)  # strides of the two scales of a detector
LARGE = 17  # a box whose longer side has so many pixels or more belongs to the coarse scale


def targets(boxes: Tensor, height: int, width: int, stride: int, scale: int) -> tuple[Tensor, Tensor]:
    """What a scale's cells should answer for boxes (n, most, 5): classes (n, h, w), 0 for nothing, distances (n, 4, h, w).

    A cell belongs to the smallest box of its scale whose centre region holds the cell's centre; the cell nearest to a
    box's centre always does. Distances are in strides.
    """
    n = len(boxes)
    device = boxes.device
    x = ((torch.arange(width, device=device) + 0.5) * stride).expand(height, width)
    y = ((torch.arange(height, device=device) + 0.5) * stride).view(-1, 1).expand(height, width)
    classes = torch.zeros(n, height, width, dtype=torch.long, device=device)
    distances = torch.zeros(n, 4, height, width, device=device)
    best = torch.full((n, height, width), float("inf"), device=device)
    for k in range(boxes.shape[1]):
        x0, y0, x1, y1, label = (v.view(-1, 1, 1) for v in boxes[:, k].float().T)
        side = torch.maximum(x1 - x0, y1 - y0)
        mine = (label != NONE) & ((side >= LARGE) if scale else (side < LARGE))
        dx, dy = (x - (x0 + x1) / 2).abs(), (y - (y0 + y1) / 2).abs()
        near_x = dx <= torch.clamp(CENTRE * (x1 - x0) / 2, min=stride / 2)
        near_y = dy <= torch.clamp(CENTRE * (y1 - y0) / 2, min=stride / 2)
        area = (x1 - x0) * (y1 - y0)
        taken = mine & near_x & near_y & (area < best)
        best = torch.where(taken, area, best)
        classes = torch.where(taken, label.long() + 1, classes)
        far = torch.stack([x - x0, y - y0, x1 - x, y1 - y], 1) / stride
        distances = torch.where(taken[:, None], far, distances)
    return classes, distances


def _box_loss(answers: Answers, boxes: Tensor, smoothing: float) -> Tensor:
    total, count = boxes.new_zeros((), dtype=torch.float32), boxes.new_zeros(())
    for scale, stride in enumerate(SIZES):
        scores, far = answers[2 * scale].float(), answers[2 * scale + 1].float()
        classes, want = targets(boxes, scores.shape[2], scores.shape[3], stride, scale)
        there = classes > 0
        count = count + there.sum()
        each = F.cross_entropy(scores, classes, reduction="none", label_smoothing=smoothing)
        # what is hard counts: confident answers of the many empty cells fade (focal loss, Lin et al. 2017)
        sure = torch.exp(-each.detach())
        total = total + ((1 - sure) ** 2 * each).sum()
        off = F.smooth_l1_loss(far, want, reduction="none", beta=0.25).sum(1)
        total = total + BOX_WEIGHT * (off * there).sum()
    return total / count.clamp(min=1)


def _box_hits(answers: Answers, boxes: Tensor) -> Tensor:
    """The share of cells with an object whose class is right."""
    right = total = boxes.new_zeros((), dtype=torch.float32)
    for scale, stride in enumerate(SIZES):
        scores = answers[2 * scale]
        classes, _ = targets(boxes, scores.shape[2], scores.shape[3], stride, scale)
        there = classes > 0
        right = right + ((scores.argmax(1) == classes) & there).sum()
        total = total + there.sum()
    return right / total.clamp(min=1) * len(boxes)


def _box_score(answers: Sequence[Array], y: Array) -> float:
    found = [decode([a[i] for a in answers], SIZES) for i in range(len(y))]
    height = answers[0].shape[2] * SIZES[0]
    return mean_average_precision(found, y, (height, answers[0].shape[3] * SIZES[0]))


TASKS: dict[str, Task] = {
    "classify": Task("accuracy", _label_loss, _label_hits, _accuracy, placed=False),
    "segment": Task("mean IoU", _label_loss, _label_hits, _mask_score),
    "detect": Task("mAP@0.5", _box_loss, _box_hits, _box_score),
}


def task_of(name: str) -> Task:
    """The task of that name; a RecipeError for a name that has no entry."""
    if name not in TASKS:
        raise RecipeError(f"task: must be one of {', '.join(TASKS)}, not {name!r}")
    return TASKS[name]


def detached(answers: Answers) -> Answers:
    """Answers that no gradient follows."""
    return tuple(a.detach() for a in answers) if isinstance(answers, tuple) else answers.detach()


def as_arrays(answers: Answers) -> list[Array]:
    """Answers as numpy arrays, one for each output."""
    return [a.detach().cpu().numpy() for a in (answers if isinstance(answers, tuple) else (answers,))]


def joined(parts: Sequence[Sequence[Array]]) -> list[Array]:
    """Answers of several batches as one batch, output by output."""
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]
