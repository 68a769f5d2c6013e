"""CNV: FINN's convolutional network for 32 x 32 colour images, six convolutions and three dense layers of one bit.

Stands on hwflow.train.layers. No padding; pooling works on bits; the input keeps its 8 bits, centred.
"""

from functools import partial

from torch import nn

from hwflow.recipe import Method, Recipe, Training
from hwflow.train.layers import Centre, Norm, Scale, act, conv, dense


def cnv(
    method: Method,
    channels: tuple[int, ...] = (64, 64, 128, 128, 256, 256),
    width: int = 512,
    outputs: int = 10,
    side: int = 32,
    colours: int = 3,
    stride: int = 1,
    hidden: int = 2,
) -> nn.Module:
    """Pairs of 3 x 3 convolutions, a 2 x 2 max pool between pairs, `hidden` dense layers of `width`, one of `outputs`.

    `stride` is that of the first convolution.
    """
    layers: list[nn.Module] = [Centre(0.5)]
    inputs = colours
    for i, rows in enumerate(channels):
        step = 1 if i else stride
        layers += [conv(method, inputs, rows, stride=step, padding=0), Norm(rows), act(method, rows)]
        inputs, side = rows, (side - 3) // step + 1
        if i % 2 and i + 1 < len(channels):
            layers.append(nn.MaxPool2d(2))
            side //= 2
    layers.append(nn.Flatten())
    inputs *= side * side
    for _ in range(hidden):
        layers += [dense(method, inputs, width), Norm(width), act(method, width)]
        inputs = width
    return nn.Sequential(*layers, dense(method, inputs, outputs, shift=False), Scale(2 * width**-0.5))


CIFAR = Training(
    epochs=300, batch=128, lr=5e-3, optimizer="adam", schedule="cosine", warmup=2, augment=("shift", "flip"), shift=4
)

# minutes of one processor core: it shows that the network learns, not what it can reach
CPU = Training(epochs=5, batch=50, lr=5e-3, augment=("flip",), limit=8000, amp=True, evaluate_every=5, threads=1)

POLY = Method(weights="sign", estimator="ste", act_estimator="poly")
# two hours of one core with bfloat16 products
HOURS = Training(
    epochs=45, batch=100, lr=5e-3, schedule="onecycle", augment=("shift", "flip"), shift=3, amp=True, evaluate_every=5,
    threads=1,
)  # fmt: skip

# small enough to compare methods on a CPU
TINY = partial(cnv, channels=(8, 8, 16, 16), width=32, side=28, colours=1)
MICRO = partial(cnv, channels=(16, 16, 32), width=64, stride=2, hidden=1)
MINI = partial(cnv, channels=(16, 16, 32, 32), width=64)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("cnv", cnv, "cifar10", "u8/256", training=CIFAR),
        Recipe("cnv-cpu", cnv, "cifar10", "u8/256", method=Method(act_estimator="poly"), training=CPU),
        Recipe("cnv-hours", cnv, "cifar10", "u8/256", method=POLY, training=HOURS),
        Recipe("cnv-tiny", TINY, "mnist", "u8/256", training=Training(epochs=10, batch=100, lr=5e-3, threads=1)),
        Recipe("cnv-micro", MICRO, "cifar10", "u8/256", training=Training(epochs=2, batch=32, lr=5e-3, threads=1)),
        Recipe("cnv-mini", MINI, "cifar10", "u8/256", training=Training(epochs=10, batch=100, lr=5e-3, threads=1)),
    )
}
