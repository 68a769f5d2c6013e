"""A binary network in the style of MobileNetV1: depthwise 3 x 3 and pointwise 1 x 1 convolutions of one bit.

Stands on hwflow.train.layers. First and last layers have 8-bit weights. Plain, what goes from layer to layer are signs, and the
last activations have 4 bits and are averaged. With shortcuts, it is an 8-bit signed fixed-point stream, as in models/resnet.py.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwflow.errors import RecipeError
from hwflow.recipe import Method, Recipe, Training
from hwflow.train.layers import BRANCH_STEP, Centre, Norm, Scale, act, conv, dense, fixed, wide

# (channels, stride) of the pointwise convolutions, MobileNetV1's proportions for 32 x 32 images
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))


class Joined(nn.Module):
    """One binary convolution with a shortcut of its own, which repeats its channels where the convolution widens (ReActNet)."""

    def __init__(self, method: Method, layer: nn.Module, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        if outputs % inputs:
            raise RecipeError(f"shortcuts repeat channels: {inputs} must divide {outputs}; take other blocks or widths")
        self.branch = nn.Sequential(act(method, inputs), layer, Norm(outputs), fixed(method, step=BRANCH_STEP))
        self.stride, self.times, self.clip = stride, outputs // inputs, fixed(method)

    def forward(self, x: Tensor) -> Tensor:
        y = F.max_pool2d(x, 1, self.stride) if self.stride > 1 else x  # a window of one pixel: it only skips
        return self.clip(self.branch(x) + (torch.cat([y] * self.times, 1) if self.times > 1 else y))


def mobilenet(
    method: Method, stem: int = 32, blocks: tuple[tuple[int, int], ...] = BLOCKS, outputs: int = 10, colours: int = 3,
    stride: int = 1, shortcuts: bool = False, width: int = 100,
) -> nn.Module:  # fmt: skip
    """A stem with its `stride`, then for each block a depthwise convolution (with its stride) and a pointwise one, each normed.

    With `shortcuts` every convolution behind the stem has one of its own; channels then stay or are multiplied. `width` is the
    width multiplier, in percent: so many of the channels that `stem` and `blocks` say.
    """
    stem, *channels = (max(1, round(rows * width / 100)) for rows in (stem, *(rows for rows, _ in blocks)))
    layers: list[nn.Module] = [Centre(0.5), conv(wide(method), colours, stem, stride=stride), Norm(stem)]
    layers.append(fixed(method) if shortcuts else act(method, stem))
    inputs = stem
    for rows, (_, step) in zip(channels, blocks, strict=True):
        deep = conv(method, inputs, inputs, stride=step, groups=inputs)
        point = conv(method, inputs, rows, 1, padding=0)
        if shortcuts:
            layers += [Joined(method, deep, inputs, inputs, step), Joined(method, point, inputs, rows)]
        else:
            layers += [deep, Norm(inputs), act(method, inputs), point, Norm(rows), act(method, rows)]
        inputs = rows
    if shortcuts:
        neck = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), Norm(inputs), fixed(method, step=2.0**-5)]
    else:
        layers[-1] = fixed(method, 4, 2.0**-3)
        neck = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *neck, dense(wide(method), inputs, outputs, shift=False), Scale(1.0))


TRAINING = Training(epochs=300, batch=128, lr=5e-3, optimizer="adam", warmup=2, augment=("shift", "flip"), shift=4)
# as many epochs as ResNet-20's three take of one core (models/resnet.py:resnet20-minutes), by the same rates
MINUTES = Training(
    epochs=10, batch=100, lr=0.02, schedule="onecycle", augment=("flip",), amp=True, evaluate_every=10, threads=1
)
POLY = Method(weights="sign", estimator="ste", act_estimator="poly")
# halved by its stem, with shortcuts
SMALL = partial(mobilenet, blocks=((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)), stride=2, shortcuts=True)
# scikit-learn's digits, 8 x 8 pixels of one colour
DIGITS = partial(mobilenet, stem=16, blocks=((32, 1), (64, 2)), colours=1, shortcuts=True)
SECONDS = Training(epochs=15, batch=25, lr=0.02, schedule="onecycle", evaluate_every=5, threads=1)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("mobilenet", mobilenet, "cifar10", "u8/256", training=TRAINING),
        Recipe("mobilenet-minutes", SMALL, "cifar10", "u8/256", method=POLY, training=MINUTES),
        Recipe("mobilenet-digits", DIGITS, "digits", "u8/16", method=POLY, training=SECONDS),
    )
}
