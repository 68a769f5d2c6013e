"""A binary network of the cells that DARTS found for CIFAR-10 (Liu, Simonyan, Yang 2019, second order).

Stands on hwflow.train.layers. What leaves a node is 8-bit signed fixed point, as in models/resnet.py; what is added in a node is
that or, behind convolutions, of twice its step. First layer, shrinking shortcuts and last layer have 8-bit weights.
"""

from functools import partial

import torch
from torch import Tensor, nn

from hwflow.recipe import Method, Recipe, Training
from hwflow.train.layers import BRANCH_STEP, Centre, Norm, Scale, act, conv, dense, fixed, wide

Edge = tuple[str, int]  # what is done, and to which state: 0 and 1 are the cell's inputs, 2 and more its own nodes
NORMAL: tuple[tuple[Edge, Edge], ...] = (
    (("separable", 0), ("separable", 1)), (("separable", 0), ("separable", 1)), (("separable", 1), ("skip", 0)),
    (("skip", 0), ("dilated", 2)),
)  # fmt: skip
REDUCTION: tuple[tuple[Edge, Edge], ...] = (
    (("pool", 0), ("pool", 1)), (("skip", 2), ("pool", 1)), (("pool", 0), ("skip", 2)), (("skip", 2), ("pool", 1)),
)  # fmt: skip


def _parts(method: Method, channels: int, stride: int, dilation: int = 1) -> list[nn.Module]:
    """A depthwise 3 x 3 convolution and a 1 x 1 one, both of one bit and normed."""
    return [
        act(method, channels), conv(method, channels, channels, 3, stride, dilation, groups=channels, dilation=dilation),
        Norm(channels), act(method, channels), conv(method, channels, channels, 1, padding=0), Norm(channels),
    ]  # fmt: skip


def operation(what: str, method: Method, channels: int, stride: int) -> nn.Module:
    """One edge of a cell: separable (twice), dilated, pool or skip, as DARTS names them."""
    match what:
        case "separable":
            return nn.Sequential(
                *_parts(method, channels, stride), *_parts(method, channels, 1), fixed(method, step=BRANCH_STEP)
            )
        case "dilated":
            return nn.Sequential(*_parts(method, channels, stride, dilation=2), fixed(method, step=BRANCH_STEP))
        case "pool":
            return nn.MaxPool2d(3, stride, 1)
        case "skip" if stride == 1:
            return nn.Identity()
        case "skip":
            shrink = conv(wide(method), channels, channels, 1, stride, padding=0)
            return nn.Sequential(shrink, Norm(channels), fixed(method, step=BRANCH_STEP))
    raise ValueError(f"{what}: a cell's edge is separable, dilated, pool or skip")


def _fit(method: Method, inputs: int, channels: int, stride: int) -> nn.Module:
    """An input of a cell brought to its channels and size by a 1 x 1 convolution of one bit."""
    return nn.Sequential(
        act(method, inputs), conv(method, inputs, channels, 1, stride, padding=0), Norm(channels), fixed(method)
    )


class Cell(nn.Module):
    """Four nodes, each the clipped sum of two edges, joined along channels. The first edges of a `reduction` halve the image."""

    def __init__(self, method: Method, before: int, inputs: int, channels: int, reduction: bool, shrunk: bool):
        super().__init__()
        self.fits = nn.ModuleList(
            [_fit(method, before, channels, 2 if shrunk else 1), _fit(method, inputs, channels, 1)]
        )
        self.nodes = REDUCTION if reduction else NORMAL
        self.edges = nn.ModuleList([
            operation(what, method, channels, 2 if reduction and source < 2 else 1)
            for node in self.nodes for what, source in node
        ])  # fmt: skip
        self.clips = nn.ModuleList([fixed(method) for _ in self.nodes])

    def forward(self, before: Tensor, x: Tensor) -> Tensor:
        states = [fit(v) for fit, v in zip(self.fits, (before, x), strict=True)]
        for i, (node, clip) in enumerate(zip(self.nodes, self.clips, strict=True)):
            a, b = (self.edges[2 * i + j](states[source]) for j, (_, source) in enumerate(node))
            states.append(clip(a + b))
        return torch.cat(states[2:], 1)


class Darts(nn.Module):
    """A stem with its `stride`, `cells` cells, of which those at one and two thirds halve the image and double the channels, average, dense."""

    def __init__(
        self, method: Method, channels: int = 16, cells: int = 8, outputs: int = 10, colours: int = 3, stride: int = 1
    ):
        super().__init__()
        stem = 3 * channels
        self.stem = nn.Sequential(
            Centre(0.5), conv(wide(method), colours, stem, stride=stride), Norm(stem), fixed(method)
        )
        self.cells = nn.ModuleList()
        before = inputs = stem
        shrunk = False
        for i in range(cells):
            reduction = i in {cells // 3, 2 * cells // 3}
            channels *= 2 if reduction else 1
            self.cells.append(Cell(method, before, inputs, channels, reduction, shrunk))
            before, inputs, shrunk = inputs, 4 * channels, reduction
        self.neck = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), Norm(inputs), fixed(method, step=2.0**-5))
        self.head = nn.Sequential(dense(wide(method), inputs, outputs, shift=False), Scale(1.0))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        before = x
        for cell in self.cells:
            before, x = x, cell(before, x)
        return self.head(self.neck(x))


TRAINING = Training(epochs=300, batch=96, lr=5e-3, optimizer="adam", warmup=2, augment=("shift", "flip"), shift=4)
# as many epochs as ResNet-20's three take of one core (models/resnet.py:resnet20-minutes), by the same rates
MINUTES = Training(
    epochs=6, batch=100, lr=0.02, schedule="onecycle", augment=("flip",), amp=True, evaluate_every=6, threads=1
)
POLY = Method(weights="sign", estimator="ste", act_estimator="poly")
# halved by its stem
SMALL = partial(Darts, cells=3, stride=2)
# scikit-learn's digits, 8 x 8 pixels of one colour
DIGITS = partial(Darts, channels=8, cells=2, colours=1)
SECONDS = Training(epochs=15, batch=25, lr=0.02, schedule="onecycle", evaluate_every=5, threads=1)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("darts", Darts, "cifar10", "u8/256", training=TRAINING),
        Recipe("darts-minutes", SMALL, "cifar10", "u8/256", method=POLY, training=MINUTES),
        Recipe("darts-digits", DIGITS, "digits", "u8/16", method=POLY, training=SECONDS),
    )
}
