"""How a run moves: the one object that advances every quantizer, and the learning rate of every step.

Stands on torch's module tree; anything with `advance(progress)` follows.
"""

from __future__ import annotations

import math

from torch import nn

from hwflow.recipe import Training


class Schedule:
    """Tells every estimator and weight view of `model` how far training is, once for each step."""

    def __init__(self, model: nn.Module, steps: int):
        self.steps = steps
        self.moving = [m for m in model.modules() if hasattr(m, "advance")]

    def advance(self, step: int) -> None:
        """Set progress = step / steps, step counted from 0, everywhere (so t never quite reaches t_max)."""
        for module in self.moving:
            module.advance(step / self.steps, step)  # type: ignore[operator]


def learning_rate(training: Training, step: int, steps: int, steps_per_epoch: int) -> float:
    """The learning rate of step `step` of `steps`.

    cosine: lr (1 + cos(pi p)) / 2 after `warmup` epochs of linear growth. onecycle: linear growth to lr over the first
    30 %, cosine to 0 after (the shape of Smith & Topin 2019, momentum unchanged). constant: lr.
    """
    rise = training.warmup * steps_per_epoch if training.schedule != "onecycle" else max(1, int(0.3 * steps))
    if step < rise:
        return training.lr * (step + 1) / rise
    if training.schedule == "constant":
        return training.lr
    p = (step - rise) / max(1, steps - rise)
    return training.lr * 0.5 * (1 + math.cos(math.pi * p))
