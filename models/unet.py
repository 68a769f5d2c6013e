"""A U-Net of one bit: a class for every pixel of scenes composed of digits.

Stands on hwflow.train.layers. First and last convolutions have 8-bit weights, everything between one bit. The way up
repeats pixels (nearest neighbour), joins the signs of the same size from the way down, and convolves.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from hwflow.recipe import Method, Recipe, Training
from hwflow.train.layers import Centre, Norm, Scale, act, conv, fixed, wide


class UNet(nn.Module):
    """Levels of `channels`, each half as large as the one before; a map (outputs, side, side) of class scores.

    `feature_bits` of the features that the scores are made of.
    """

    def __init__(
        self,
        method: Method,
        channels: tuple[int, ...] = (16, 32, 64, 128),
        outputs: int = 11,
        colours: int = 1,
        feature_bits: int = 4,
    ):
        super().__init__()
        first = channels[0]
        self.stem = nn.Sequential(Centre(0.5), conv(wide(method), colours, first), Norm(first), act(method, first))
        self.downs = nn.ModuleList([
            nn.Sequential(conv(method, a, b), nn.MaxPool2d(2), Norm(b), act(method, b), conv(method, b, b), Norm(b), act(method, b))
            for a, b in pairwise(channels)
        ])  # fmt: skip
        self.grow = nn.Upsample(scale_factor=2, mode="nearest")
        ups = list(pairwise(channels[::-1]))
        self.ups = nn.ModuleList(
            [nn.Sequential(conv(method, low + high, high), Norm(high), act(method, high)) for low, high in ups[:-1]]
        )
        low, high = ups[-1]
        features = fixed(method, feature_bits, 2.0 ** (1 - feature_bits))
        self.last = nn.Sequential(conv(method, low + high, high), Norm(high), features)
        self.head = nn.Sequential(conv(wide(method), high, outputs, 1, padding=0), Scale(0.5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        skips = [x]
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = skips.pop()
        for up in (*self.ups, self.last):
            x = up(torch.cat([self.grow(x), skips.pop()], 1))
        return self.head(x)


TRAINING = Training(epochs=15, batch=64, lr=5e-3, schedule="onecycle", amp=True, evaluate_every=5, threads=1)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "unet",
            UNet,
            "masks:mnist",
            "u8/256",
            method=Method(act_estimator="poly"),
            task="segment",
            training=TRAINING,
        ),
        Recipe(
            "unet-digits",
            UNet,
            "masks:digits",
            "u8/16",
            method=Method(act_estimator="poly"),
            task="segment",
            training=TRAINING,
        ),
    )
}
