"""Masks: a class for every pixel, and how well two masks agree.

Stands on numpy.
"""

from __future__ import annotations

import numpy as np

from hwflow.bits import Array


def confusion(found: Array, truth: Array, classes: int) -> Array:
    """Pixels (classes, classes) int64 by true class (rows) and found class (columns)."""
    pairs = truth.astype(np.int64).ravel() * classes + found.astype(np.int64).ravel()
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def mean_iou(counts: Array) -> float:
    """Mean over classes of intersection over union, 0 to 1; classes that neither mask holds are left out."""
    both = np.diagonal(counts)
    union = counts.sum(0) + counts.sum(1) - both
    there = union > 0
    return float((both[there] / union[there]).mean()) if there.any() else 0.0
