"""A temporal convolution network of one bit: sounds and rows of digits, step after step.

Stands on hwflow.train.layers. Time is the height of an image of width 1, so every convolution has a kernel of (k, 1); the
dilation doubles from block to block. First and last layers have 8-bit weights; the mean over time is cut to 8 bits.
"""

from functools import partial

from torch import Tensor, nn

from hwflow.recipe import Method, Recipe, Training
from hwflow.train.layers import Centre, Norm, Scale, act, conv_over_time, dense, fixed, wide


class Tcn(nn.Module):
    """A stem of kernel `kernel` and `blocks` binary convolutions, dilated 1, 2, 4, ... steps; scores (outputs,)."""

    def __init__(
        self, method: Method, features: int, channels: int = 64, blocks: int = 4, kernel: int = 3, outputs: int = 10
    ):
        super().__init__()
        layers: list[nn.Module] = [
            Centre(0.5),
            conv_over_time(wide(method), features, channels, kernel),
            Norm(channels),
            act(method, channels),
        ]
        for i in range(blocks):
            layers += [conv_over_time(method, channels, channels, kernel, 2**i), Norm(channels), act(method, channels)]
        layers[-1] = fixed(method, 4, 2.0**-3)
        self.body = nn.Sequential(*layers)
        self.neck = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), fixed(method, step=2.0**-6))
        self.head = nn.Sequential(dense(wide(method), channels, outputs, shift=False), Scale(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.neck(self.body(x)))


TRAINING = Training(epochs=15, batch=64, lr=5e-3, schedule="onecycle", amp=True, evaluate_every=5, threads=1)
POLY = Method(act_estimator="poly")

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("tcn-rows", partial(Tcn, features=28), "rows:mnist", "u8/256", method=POLY, training=TRAINING),
        Recipe("tcn-digits", partial(Tcn, features=8, channels=32, blocks=2), "rows:digits", "u8/16", method=POLY, training=TRAINING),
        Recipe("keywords", partial(Tcn, features=32, outputs=8), "tones:", "u8/256", method=POLY, training=TRAINING),
    )
}  # fmt: skip
