"""A binary network in the style of MobileNetV1: depthwise 3 x 3 and pointwise 1 x 1 convolutions of one bit.

Stands on hwflow.train.layers. First and last layers have 8-bit weights; the last activations have 4 bits and are averaged.
"""

from torch import nn

from hwflow.recipe import Method, Plan, Recipe
from hwflow.train.layers import Centre, Norm, Scale, act, conv, dense, fixed, wide

# (channels, stride) of the pointwise convolutions, MobileNetV1's proportions for 32 x 32 images
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))


def mobilenet(
    method: Method, stem: int = 32, blocks: tuple[tuple[int, int], ...] = BLOCKS, outputs: int = 10, colours: int = 3
) -> nn.Module:
    """A stem, then for each block a depthwise convolution (with its stride) and a pointwise one, each normed and signed."""
    layers: list[nn.Module] = [Centre(0.5), conv(wide(method), colours, stem), Norm(stem), act(method, stem)]
    inputs = stem
    for rows, stride in blocks:
        layers += [conv(method, inputs, inputs, stride=stride, groups=inputs), Norm(inputs), act(method, inputs)]
        layers += [conv(method, inputs, rows, 1, padding=0), Norm(rows), act(method, rows)]
        inputs = rows
    layers[-1] = fixed(4, 2.0**-3)
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), dense(wide(method), inputs, outputs, shift=False), Scale(1.0)]
    return nn.Sequential(*layers)


PLAN = Plan(epochs=300, batch=128, lr=5e-3, optimizer="adam", warmup=2, augment=("shift", "flip"), shift=4)

RECIPES = {recipe.name: recipe for recipe in (Recipe("mobilenet", mobilenet, "cifar10", "u8/256", plan=PLAN),)}
