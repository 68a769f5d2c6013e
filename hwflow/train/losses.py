"""What training minimises: labels, and what the papers add to them.

Stands on torch. RBD and the restriction of information look at the network's inside through hooks on its norms.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwflow.errors import RecipeError
from hwflow.recipe import Training
from hwflow.train.layers import Norm
from hwflow.train.tasks import Answers, Task, one, task_of
from hwflow.train.views import Trained


class Inside:
    """The outputs of every Norm of `model`, in order, of its latest forward pass."""

    def __init__(self, model: nn.Module):
        self.values: list[Tensor] = []
        model.register_forward_pre_hook(lambda *_: self.values.clear())
        for module in model.modules():
            if isinstance(module, Norm):
                module.register_forward_hook(lambda _m, _i, out: self.values.append(out))


def rbd(student: list[Tensor], teacher: list[Tensor]) -> Tensor:
    """Representation alignment, OUR READING of DIR-Net's RBD (its body could not be obtained).

    mean over layers l and images of || F_l / ||F_l||_2 - B_l / ||B_l||_2 ||_2, F the full-precision twin's
    representation (after its norm and hardtanh, flattened), B the binary network's at the same place.
    """
    return distances(student, teacher).mean()


def distances(student: list[Tensor], teacher: list[Tensor]) -> Tensor:
    """The terms of `rbd`, one for each layer (layers,): 0 where both point the same way, at most 2."""
    assert len(student) == len(teacher), "the twin must have the same layers"
    return torch.stack(
        [
            (_unit(b.clamp(-1, 1)) - _unit(f.detach().clamp(-1, 1))).norm(dim=1).mean()
            for b, f in zip(student, teacher, strict=True)
        ]
    )


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x.flatten(1).float(), dim=1)


def soft_labels(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Logits distillation: T^2 KL(softmax(teacher / T) || softmax(student / T)), mean over images (Hinton et al. 2015)."""
    t = temperature
    return t * t * F.kl_div(
        F.log_softmax(student / t, 1), F.log_softmax(teacher.detach() / t, 1), reduction="batchmean", log_target=True
    )  # fmt: skip


@torch.no_grad()
def restricted(images: Tensor, features: Tensor, mean: Tensor, share: float = 0.15) -> Tensor:
    """IR2Net's restriction of information: `images` with the data set's `mean` (C,) where little draws attention.

    A = mean_c F^2 of the last stage's map F (n, c, h, w) after Hardtanh, normalised to length 1 over its columns (as the
    published code does), enlarged to the image, kept where A > share * mean(A). Networks without a map have every
    pixel's attention equal, so nothing is erased.
    """
    if features.ndim != 4 or images.ndim != 4:
        return images
    return torch.where(attended(features, images.shape[2:], share), images, mean.view(-1, 1, 1))


def attended(features: Tensor, size: torch.Size, share: float = 0.15) -> Tensor:
    """Where `restricted` keeps an image of `size`: bool (n, 1, *size)."""
    a = F.normalize(features.clamp(-1, 1).float().square().mean(1), dim=1)
    a = F.interpolate(a[:, None], size=size, mode="bilinear", align_corners=True)
    return a > share * a.mean((1, 2, 3), keepdim=True)


class Attention:
    """The map whose attention restricts the input: the output of `model.last_stage()`, else of its last norm of a map."""

    def __init__(self, model: nn.Module):
        self.value: Tensor | None = None
        name = getattr(model, "last_stage", None)
        for module in [name()] if name is not None else [m for m in model.modules() if isinstance(m, Norm)]:
            module.register_forward_hook(self._saw)

    def _saw(self, _module: nn.Module, _inputs: object, out: Tensor) -> None:
        if out.ndim == 4:
            self.value = out.detach()


class Objective:
    """The loss of a run: callable on (model, images, labels), gives the loss and the scores of the clean pass."""

    def __init__(
        self,
        training: Training,
        model: nn.Module,
        twin: nn.Module | None,
        mean: Tensor | None = None,
        task: Task | None = None,
    ):
        """`mean` (C,) is what the restriction of information erases to, in the network's real input; black without it.

        `task` says how answers are judged; labels without it.
        """
        self.training, self.twin, self.mean, self.task = training, twin, mean, task or task_of("classify")
        if training.logits and self.task.placed:
            raise RecipeError("training: soft labels of a twin (logits) need a network that labels images")
        self.inside = Inside(model) if twin is not None else None
        self.attention = Attention(model) if training.restriction else None
        self.twins_inside = Inside(twin) if twin is not None else None
        self.scales = [m for m in model.modules() if isinstance(m, Trained)] if training.scale_decay else []

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Answers]:
        training = self.training
        scores = model(x)
        loss = self._judge(scores, y)
        inside = list(self.inside.values) if self.inside else []
        if self.attention is not None:
            seen, mean = self.attention.value, x.new_zeros(1) if self.mean is None else self.mean
            erased = x if seen is None else restricted(x, seen, mean)
            loss = 0.5 * (loss + self._judge(model(erased), y))
        if self.twin is not None and (training.rbd or training.logits):
            with torch.no_grad():
                target = self.twin(x)
            if training.logits:
                loss = loss + training.logits * soft_labels(one(scores), one(target), training.temperature)
            if training.rbd and self.twins_inside is not None:
                loss = loss + training.rbd * rbd(inside, self.twins_inside.values)
        for scale in self.scales:
            loss = loss + training.scale_decay * scale.penalty()
        return loss, scores

    @torch.no_grad()
    def distances(self, model: nn.Module, x: Tensor) -> list[float]:
        """How far each layer's representation of `x` lies from the twin's, in evaluation mode; [] without a twin."""
        if self.twin is None or self.inside is None or self.twins_inside is None:
            return []
        training = model.training
        model.eval()
        model(x)
        self.twin(x)
        model.train(training)
        return [float(f"{d:.4g}") for d in distances(self.inside.values, self.twins_inside.values)]

    def _judge(self, answers: Answers, y: Tensor) -> Tensor:
        return self.task.loss(answers, y, self.training.label_smoothing)
