"""VGG-Small: the six-convolution network of IR-Net, SD-BNN and IR2Net, and IR2Net's variant with recovery.

Stands on hwflow.train.layers. First convolution and last layer have 8-bit weights, everything between one bit. Pooling
sits between convolution and norm, as in the papers; the last layer reads 4-bit features.
"""

from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from hwflow.recipe import Method, Recipe, Training
from hwflow.train.layers import Centre, Norm, Recovery, Scale, Tap, act, conv, dense, fixed, wide

FEATURE: dict[str, Any] = {
    "bits": 4,
    "step": 2.0**-3,
}  # 8192 4-bit features times 8-bit weights still sum exactly in float32


class VggSmall(nn.Module):
    """conv0 (8 bit), then five binary convolutions, the 2nd, 4th and 6th pooled; one dense layer (8 bit).

    With `recovery` the stem's and the last convolution's real values are pooled, joined and mixed (IR2Net's CIRec).
    """

    def __init__(
        self,
        method: Method,
        channels: tuple[int, ...] = (128, 128, 256, 256, 512, 512),
        outputs: int = 10,
        side: int = 32,
        colours: int = 3,
        recovery: int = 0,
    ):
        super().__init__()
        first, last = channels[0], channels[-1]
        self.stem = nn.Sequential(Centre(0.5), conv(wide(method), colours, first), Norm(first))
        self.stream = fixed(method) if recovery else nn.Identity()
        body: list[nn.Module] = [act(method, first)]
        for i, (inputs, rows) in enumerate(pairwise(channels), 1):
            body += [conv(method, inputs, rows), *([nn.MaxPool2d(2)] if i % 2 else []), Norm(rows), act(method, rows)]
        self.body = nn.Sequential(*body[:-1])
        self.features = nn.Sequential(fixed(method, **FEATURE), nn.Flatten())
        self.last = fixed(method) if recovery else nn.Identity()
        self.tap = Tap(method, 8) if recovery else None
        self.recover = Recovery(method, first + last, last, recovery) if recovery else None
        self.head = nn.Sequential(dense(wide(method), last * (side // 8) ** 2, outputs, shift=False), Scale(1.0))

    def last_stage(self) -> nn.Module:
        """Whose output the restriction of information looks at: the last convolution's, before the taps are joined."""
        return self.last

    def forward(self, x: Tensor) -> Tensor:
        s = self.stream(self.stem(x))
        y = self.last(self.body(s))
        if self.recover is not None and self.tap is not None:
            y = self.recover(torch.cat([self.tap(s), y], 1))
        return self.head(self.features(y))


PAPER = Training(
    epochs=300, batch=128, lr=0.007, optimizer="sgd", weight_decay=1e-4, augment=("shift", "flip"), shift=4
)

# minutes of one processor core: it shows that the network learns, not what it can reach
CPU = Training(epochs=3, batch=50, lr=5e-3, augment=("flip",), limit=800, amp=True, evaluate_every=3, threads=1)

# an hour of one core that has nothing else to do, with bfloat16 products and widths of an eighth to a quarter of the paper's
HOURS = Training(
    epochs=45, batch=100, lr=5e-3, schedule="onecycle", augment=("shift", "flip"), shift=3, amp=True, evaluate_every=5,
    threads=1,
)  # fmt: skip
THIN = partial(VggSmall, channels=(16, 32, 64, 64, 128, 128))

IR2 = Method(weights="sign", estimator="ste", act_estimator="poly")

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("vgg-small", VggSmall, "cifar10", "u8/256", training=PAPER),
        Recipe("vgg-small-cpu", VggSmall, "cifar10", "u8/256", method=Method(act_estimator="poly"), training=CPU),
        Recipe("vgg-hours", THIN, "cifar10", "u8/256", method=IR2, training=HOURS),
        Recipe("vgg-small-ir2", partial(VggSmall, recovery=32), "cifar10", "u8/256", method=IR2,
               training=Training(epochs=400, batch=128, lr=0.08, optimizer="sgd", weight_decay=1e-4, augment=("shift", "flip"),
                    shift=4, restriction=True)),
    )
}  # fmt: skip
