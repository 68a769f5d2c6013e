"""A binary network in the shape of EfficientNet-B0 (Tan, Le 2019) for 32 x 32 images: inverted bottlenecks with gates.

Stands on hwflow.train.layers. The stream between blocks is 8-bit signed fixed point, as in models/resnet.py. First layer, gates
and last layer have 8-bit weights. Squeeze and excite multiplies a 4-bit map by gates of 8 or 4 bits, an exact product of integers.
"""

from functools import partial

from torch import Tensor, nn

from hwflow.recipe import Method, Recipe, Training
from hwflow.train.layers import BRANCH_STEP, Centre, Norm, Scale, act, conv, dense, fixed, wide

# (expansion, channels, blocks, stride of the first, kernel): B0's, two strides fewer because images are small
BLOCKS = (
    (1, 16, 1, 1, 3), (6, 24, 2, 1, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
)  # fmt: skip
SQUEEZE = 4  # a gate's hidden channels are a quarter of the block's input channels


class Excite(nn.Module):
    """Each channel of a 4-bit map times its gate of `bits` bits: the sigmoid of two 8-bit layers of the channels' means.

    The means are normed and cut to 4 bits: cut to 8 as they are, every second one is a tie, which no shift rounds to even.
    """

    def __init__(self, method: Method, channels: int, hidden: int, bits: int = 8):
        super().__init__()
        self.map = fixed(method, 4, 2.0**-3)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), Norm(channels), fixed(method, 4, 2.0**-2),
            conv(wide(method), channels, hidden, 1, padding=0), Norm(hidden), fixed(method, 4, 2.0**-3),
            conv(wide(method), hidden, channels, 1, padding=0), Norm(channels), fixed(method, step=2.0**-4),
            nn.Sigmoid(), fixed(method, bits, 2.0 ** (1 - bits)),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = self.map(x)
        return x * self.gate(x)


class Inverted(nn.Module):
    """A 1 x 1 convolution that widens (where `expand` > 1), a depthwise one, the gate, a 1 x 1 convolution that narrows."""

    def __init__(
        self, method: Method, inputs: int, outputs: int, expand: int, kernel: int, stride: int, gate_bits: int = 8
    ):
        super().__init__()
        inner = inputs * expand
        widen = [act(method, inputs), conv(method, inputs, inner, 1, padding=0), Norm(inner)] if expand > 1 else []
        self.joins = stride == 1 and inputs == outputs
        self.branch = nn.Sequential(
            *widen, act(method, inner), conv(method, inner, inner, kernel, stride, kernel // 2, groups=inner), Norm(inner),
            Excite(method, inner, max(1, inputs // SQUEEZE), gate_bits), Norm(inner),
            act(method, inner), conv(method, inner, outputs, 1, padding=0), Norm(outputs),
            fixed(method, step=BRANCH_STEP) if self.joins else fixed(method),
        )  # fmt: skip
        self.clip = fixed(method) if self.joins else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.clip(self.branch(x) + x) if self.joins else self.branch(x)


def efficientnet(
    method: Method, stem: int = 32, blocks: tuple[tuple[int, int, int, int, int], ...] = BLOCKS, head: int = 1280,
    outputs: int = 10, colours: int = 3, stride: int = 1, gate_bits: int = 8, width: int = 100,
) -> nn.Module:  # fmt: skip
    """A stem with its `stride`, stages of inverted bottlenecks, a 1 x 1 convolution to `head` channels, their average, one dense layer.

    Every level of a gate is a threshold of each of its channels, so gates of 4 bits take a sixteenth of the memory of 8.
    `width` is the width multiplier, in percent: so many of the channels that `stem`, `blocks` and `head` say.
    """
    stem, head, *channels = (
        max(1, round(rows * width / 100)) for rows in (stem, head, *(block[1] for block in blocks))
    )
    layers: list[nn.Module] = [Centre(0.5), conv(wide(method), colours, stem, stride=stride), Norm(stem), fixed(method)]
    inputs = stem
    for rows, (expand, _, count, first, kernel) in zip(channels, blocks, strict=True):
        for i in range(count):
            layers.append(Inverted(method, inputs, rows, expand, kernel, 1 if i else first, gate_bits))
            inputs = rows
    layers += [act(method, inputs), conv(method, inputs, head, 1, padding=0), Norm(head), fixed(method, 4, 2.0**-3)]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), dense(wide(method), head, outputs, shift=False), Scale(1.0)]
    return nn.Sequential(*layers)


TRAINING = Training(epochs=300, batch=128, lr=5e-3, optimizer="adam", warmup=2, augment=("shift", "flip"), shift=4)
# as many epochs as ResNet-20's three take of one core (models/resnet.py:resnet20-minutes), by the same rates
MINUTES = Training(
    epochs=5, batch=100, lr=0.02, schedule="onecycle", augment=("flip",), amp=True, evaluate_every=5, threads=1
)
POLY = Method(weights="sign", estimator="ste", act_estimator="poly")
# halved by its stem, six blocks of four stages, a fraction of the channels
SMALL = partial(
    efficientnet, stem=24, blocks=((1, 24, 1, 1, 3), (3, 24, 1, 1, 3), (3, 64, 2, 2, 3), (3, 128, 2, 2, 3)), head=256,
    stride=2, gate_bits=4,
)  # fmt: skip
# scikit-learn's digits, 8 x 8 pixels of one colour
DIGITS = partial(efficientnet, stem=16, blocks=((1, 16, 1, 1, 3), (2, 32, 2, 2, 3)), head=64, colours=1, gate_bits=4)
SECONDS = Training(epochs=15, batch=25, lr=0.02, schedule="onecycle", evaluate_every=5, threads=1)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("efficientnet", efficientnet, "cifar10", "u8/256", training=TRAINING),
        Recipe("efficientnet-minutes", SMALL, "cifar10", "u8/256", method=POLY, training=MINUTES),
        Recipe("efficientnet-digits", DIGITS, "digits", "u8/16", method=POLY, training=SECONDS),
    )
}
