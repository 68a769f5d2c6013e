"""Steps on weights: the optimizer of a run, its learning rates, gradients shared by processes, the teacher.

Stands on losses, schedule and data.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.distributed as dist
from torch import nn

from hwflow.recipe import Recipe
from hwflow.train.data import Batches, real_batch
from hwflow.train.losses import Objective
from hwflow.train.schedule import learning_rate
from hwflow.train.tasks import task_of

REAL_RATE = 0.1  # of the learning rate, for layers of more bits (the references' real first and last layers) with Adam


def make_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a recipe over all weights of `model`."""
    training = recipe.training
    real = [
        p for m in model.modules() if getattr(m, "weight_bits", 0) > recipe.method.weight_bits for p in m.parameters()
    ]
    slow = {id(p) for p in real}
    others = [p for p in model.parameters() if id(p) not in slow]
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            model.parameters(), training.lr, momentum=training.momentum, weight_decay=training.weight_decay
        )
    kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
    groups = [{"params": others, "share": 1.0}, *([{"params": real, "share": REAL_RATE}] if real else [])]
    return kind(groups, training.lr, weight_decay=training.weight_decay, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group of weights its share of the learning rate `lr`."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("share", 1.0)


def train_twin(recipe: Recipe, batches: Batches, device: torch.device) -> nn.Module:
    """The full-precision twin, trained for `teacher_epochs` on the same batches, then still."""
    training = replace(recipe.training, epochs=recipe.training.teacher_epochs, rbd=0.0, logits=0.0, restriction=False)
    torch.manual_seed(training.seed + 1)
    twin = recipe.network(replace(recipe.method, full=True)).to(device).train()
    objective = Objective(training, twin, None, task=task_of(recipe.task))
    optimizer, steps = make_optimizer(recipe, twin), len(batches)
    for epoch in range(training.epochs):
        for i, (x, y) in enumerate(batches.epoch(epoch)):
            set_rate(optimizer, learning_rate(training, epoch * steps + i, training.epochs * steps, steps))
            loss, _ = objective(twin, real_batch(recipe, x), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            share_gradients(twin, batches.world)
            optimizer.step()
    return twin.eval().requires_grad_(False)


@torch.no_grad()
def share_gradients(model: nn.Module, world: int) -> None:
    """Average the gradients over all processes, in one exchange."""
    if world == 1:
        return
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    dist.all_reduce(flat)
    flat /= world
    for grad, mine in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
        grad.copy_(mine.view_as(grad))
