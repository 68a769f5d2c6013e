"""A one-stage detector of one bit: digits in composed scenes, at two scales.

Stands on hwflow.train.layers. The backbone is VGG-like, pooled before each norm; its first convolution has 8-bit weights.
Each scale has two heads with 8-bit weights on 4-bit features: class scores (0 is "nothing here") and the distances from
a cell's centre to the four sides of a box, in strides.
"""

from torch import Tensor, nn

from hwflow.recipe import Method, Recipe, Training
from hwflow.train.layers import Centre, Norm, Scale, act, conv, fixed, wide


class Detector(nn.Module):
    """Four outputs: class scores (1 + classes, h, w) and distances (4, h, w) at stride 4, then the same at stride 8."""

    def __init__(
        self, method: Method, channels: tuple[int, ...] = (16, 32, 64, 128), classes: int = 10, colours: int = 1
    ):
        super().__init__()
        a, b, c, d = channels
        self.stem = nn.Sequential(Centre(0.5), conv(wide(method), colours, a), Norm(a), act(method, a))
        self.fine = nn.Sequential(
            conv(method, a, b), nn.MaxPool2d(2), Norm(b), act(method, b),
            conv(method, b, c), nn.MaxPool2d(2), Norm(c), act(method, c),
            conv(method, c, c), Norm(c),
        )  # fmt: skip
        self.sign = act(method, c)
        self.coarse = nn.Sequential(
            conv(method, c, d), nn.MaxPool2d(2), Norm(d), act(method, d), conv(method, d, d), Norm(d)
        )
        self.features = nn.ModuleList([fixed(method, 4, 2.0**-3) for _ in range(2)])
        self.scores = nn.ModuleList([nn.Sequential(conv(wide(method), n, 1 + classes), Scale(0.1)) for n in (c, d)])
        self.sides = nn.ModuleList([nn.Sequential(conv(wide(method), n, 4), Scale(0.1)) for n in (c, d)])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        fine = self.fine(self.stem(x))
        out: list[Tensor] = []
        for i, y in enumerate((fine, self.coarse(self.sign(fine)))):
            y = self.features[i](y)
            out += [self.scores[i](y), self.sides[i](y)]
        return tuple(out)


OUTPUTS = ("classes4", "sides4", "classes8", "sides8")  # of stride 4 and of stride 8
TRAINING = Training(epochs=15, batch=64, lr=5e-3, schedule="onecycle", amp=True, evaluate_every=5, threads=1)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("detector", Detector, "boxes:mnist", "u8/256", method=Method(act_estimator="poly"), task="detect", training=TRAINING, outputs=OUTPUTS),
        Recipe("detector-digits", Detector, "boxes:digits", "u8/16", method=Method(act_estimator="poly"), task="detect", training=TRAINING, outputs=OUTPUTS),
    )
}  # fmt: skip
