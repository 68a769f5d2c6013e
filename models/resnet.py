"""ResNet-20 and ResNet-18 for 32 x 32 images in IR-Net's shapes, and IR2Net's ResNet-20 with recovery.

Stands on hwflow.train.layers. The residual stream is 8-bit signed fixed point of step 2^-7, a branch of step 2^-6 (twice
the range) before it is added, so both are integers in hardware. First layer, last layer and 1 x 1 shortcuts have
8-bit weights.
"""

from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwflow.recipe import Method, Recipe, Training
from hwflow.train.layers import BRANCH_STEP, Centre, Norm, Recovery, Scale, Tap, act, conv, dense, fixed, wide


class Shortcut(nn.Module):
    """Option A: every second row and column, zero channels on both sides; or their 2 x 2 average with `pool`."""

    def __init__(self, method: Method, inputs: int, outputs: int, stride: int, pool: bool = False):
        super().__init__()
        self.stride, before = stride, (outputs - inputs) // 2
        self.channels = (before, outputs - inputs - before)
        self.pool = Tap(method, stride) if pool and stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = self.pool(x)
        elif self.stride > 1:
            x = F.max_pool2d(x, 1, self.stride)  # a window of one pixel: it only skips
        return F.pad(x, (0, 0, 0, 0, *self.channels)) if any(self.channels) else x


class Single(nn.Module):
    """Bi-Real's unit: one binary convolution with a shortcut of its own. y = clip(shortcut(x) + norm(conv(sign(x))))."""

    def __init__(self, method: Method, inputs: int, outputs: int, stride: int, pool: bool):
        super().__init__()
        self.branch = nn.Sequential(
            act(method, inputs),
            conv(method, inputs, outputs, stride=stride),
            Norm(outputs),
            fixed(method, step=BRANCH_STEP),
        )
        self.shortcut = Shortcut(method, inputs, outputs, stride, pool)
        self.clip = fixed(method)

    def forward(self, x: Tensor) -> Tensor:
        return self.clip(self.branch(x) + self.shortcut(x))


class Double(nn.Module):
    """ResNet-18's block: two binary convolutions, one shortcut, which is an 8-bit 1 x 1 convolution between stages."""

    def __init__(self, method: Method, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.branch = nn.Sequential(
            act(method, inputs),
            conv(method, inputs, outputs, stride=stride),
            Norm(outputs),
            act(method, outputs),
            conv(method, outputs, outputs),
            Norm(outputs),
            fixed(method, step=BRANCH_STEP),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else nn.Sequential(
                conv(wide(method), inputs, outputs, 1, stride, 0), Norm(outputs), fixed(method, step=BRANCH_STEP)
            )
        )
        self.clip = fixed(method)

    def forward(self, x: Tensor) -> Tensor:
        return self.clip(self.branch(x) + self.shortcut(x))


class Resnet(nn.Module):
    """A stem, stages of blocks (the first of each later stage halves the image), global average, one dense layer.

    `blocks[i]` blocks of `widths[i]` channels; `double` takes ResNet-18's blocks, else every block is two `Single`.
    With `recovery`, the stem and every stage are pooled to the last stage's size, joined and mixed (IR2Net's CIRec).
    """

    def __init__(
        self, method: Method, widths: tuple[int, ...] = (16, 32, 64), blocks: tuple[int, ...] = (3, 3, 3),
        outputs: int = 10, colours: int = 3, double: bool = False, pool: bool = False, recovery: int = 0,
    ):  # fmt: skip
        super().__init__()
        first, last = widths[0], widths[-1]
        self.stem = nn.Sequential(Centre(0.5), conv(wide(method), colours, first), Norm(first), fixed(method))
        self.stages = nn.ModuleList()
        inputs = first
        for i, (rows, count) in enumerate(zip(widths, blocks, strict=True)):
            stage: list[nn.Module] = []
            for j in range(count):
                stride = 2 if i and not j else 1
                stage += (
                    [Double(method, inputs, rows, stride)]
                    if double
                    else [Single(method, inputs, rows, stride, pool), Single(method, rows, rows, 1, pool)]
                )
                inputs = rows
            self.stages.append(nn.Sequential(*stage))
        self.taps = nn.ModuleList(
            [Tap(method, 2 ** (len(widths) - 1 - max(i - 1, 0))) for i in range(len(widths) + 1)] if recovery else []
        )
        self.recover = Recovery(method, first + sum(widths), last, recovery) if recovery else None
        # the average of 64 steps of 2^-7 is normed and cut to 8 bits of step 2^-5 before the 8-bit dense layer
        self.neck = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), Norm(last), fixed(method, step=2.0**-5))
        self.head = nn.Sequential(dense(wide(method), last, outputs, shift=False), Scale(1.0))

    def last_stage(self) -> nn.Module:
        """Whose output the restriction of information looks at: the last stream before the taps are joined."""
        return self.stages[-1]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        seen = [x]
        for stage in self.stages:
            x = stage(x)
            seen.append(x)
        if self.recover is not None:
            x = self.recover(torch.cat([tap(v) for tap, v in zip(self.taps, seen, strict=True)], 1))
        return self.head(self.neck(x))


resnet20 = Resnet
resnet18 = partial(Resnet, widths=(64, 128, 256, 512), blocks=(2, 2, 2, 2), double=True)

PAPER = Training(epochs=400, batch=128, lr=0.1, optimizer="sgd", weight_decay=1e-4, augment=("shift", "flip"), shift=4)
# the sharpness starts a hundred times lower than in VGG-Small, as in the released code
IMB = Method(t_min=1e-3)
# twenty minutes of one idle core with bfloat16 products. The network still underfits after its six epochs, so images are
# only mirrored; the sharpness ends at 3, since the loss stalls when so short a run makes it greater
SHORT = Training(
    epochs=6, batch=64, lr=0.1, optimizer="sgd", schedule="onecycle", weight_decay=1e-4, augment=("flip",),
    evaluate_every=2, amp=True, threads=1,
)  # fmt: skip
# hours of one core: a cycle that begins with the weights of an earlier run (`hwflow train --start`), any number of times
CYCLE = replace(SHORT, epochs=20, lr=0.05, schedule="cosine", augment=("shift", "flip"), shift=4, evaluate_every=5)
# two hours of one core that has nothing else to do, from the start
HOURS = Training(
    epochs=45, batch=100, lr=5e-3, schedule="onecycle", augment=("shift", "flip"), shift=3, amp=True, evaluate_every=5,
    threads=1,
)  # fmt: skip
# minutes of one core, as the compact architectures have them (`hwflow bench compact`), at the rate that few steps want
MINUTES = replace(HOURS, epochs=3, lr=0.02, augment=("flip",), evaluate_every=3)
# `make gpu`: two parts of at most five minutes on one modern GPU
GPU = Training(
    epochs=100, batch=256, lr=0.1, optimizer="sgd", schedule="onecycle", weight_decay=1e-4, augment=("shift", "flip"),
    shift=4, evaluate_every=10, amp=True,
)  # fmt: skip
IR2 = Method(weights="sign", estimator="ste", act_estimator="poly")

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("resnet20", resnet20, "cifar10", "u8/256", method=IMB, training=PAPER),
        Recipe("resnet20-short", resnet20, "cifar10", "u8/256", method=Method(estimator="ede", t_max=3.0), training=SHORT),
        Recipe("resnet20-cycle", resnet20, "cifar10", "u8/256", method=Method(estimator="ede", t_min=1.0, t_max=3.0), training=CYCLE),
        Recipe("resnet20-hours", resnet20, "cifar10", "u8/256", method=IR2, training=HOURS),
        Recipe("resnet20-minutes", resnet20, "cifar10", "u8/256", method=IR2, training=MINUTES),
        Recipe("resnet20-gpu", resnet20, "cifar10", "u8/256", method=Method(estimator="ede", t_min=1e-3), training=GPU),
        Recipe("resnet18", resnet18, "cifar10", "u8/256", method=IMB, training=replace(PAPER, epochs=600, lr=0.08)),
        Recipe("resnet20-ir2", partial(resnet20, recovery=4), "cifar10", "u8/256", method=IR2,
               training=Training(epochs=500, batch=128, lr=0.11, optimizer="sgd", weight_decay=1e-4, augment=("shift", "flip"),
                         shift=4, restriction=True)),
    )
}  # fmt: skip
