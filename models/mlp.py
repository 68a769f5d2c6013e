"""Multi-layer perceptrons of one bit: TFC, SFC and LFC (64, 256, 1024 wide) for digits and MNIST.

Stands on hwflow.train.layers. Weights and hidden activations are binary; only the input may have more bits.
"""

from dataclasses import replace
from functools import partial

from torch import nn

from hwflow.recipe import METHODS, Method, Recipe, Training
from hwflow.train.layers import Centre, Norm, Scale, act, dense


def mlp(
    method: Method,
    inputs: int = 784,
    width: int = 64,
    hidden: int = 3,
    outputs: int = 10,
    threshold: float | None = 0.5,
) -> nn.Module:
    """`hidden` layers of `width` and one of `outputs`; the input is binarised at `threshold`, or left as it is if None."""
    layers: list[nn.Module] = []
    if threshold is not None:
        layers += [Centre(threshold), act(method, inputs)]
    for _ in range(hidden):
        layers += [dense(method, inputs, width), Norm(width), act(method, width)]
        inputs = width
    # one scale for all scores, near 1 / sqrt(width), so that softmax starts neither flat nor hard
    return nn.Sequential(*layers, dense(method, inputs, outputs, shift=False), Scale(2 * width**-0.5))


DIGITS = Training(epochs=30, batch=64, lr=0.03, label_smoothing=0.05, threads=1)
# DTE for weights and Bi-Real's polynomial for activations: the best pair on 10,000 training images kept apart
MIXED = Method(act_estimator="poly")
WARPED = Training(
    epochs=150, batch=250, lr=0.02, schedule="onecycle", label_smoothing=0.05, augment=("warp",), evaluate_every=10,
    threads=1,
)  # fmt: skip
LARGE = replace(WARPED, epochs=80, batch=500, lr=0.01, evaluate_every=5, amp=True)
# twice as long and longer, an hour of one core for all three: smaller batches, milder images and hard labels where the
# network underfits
LONG = {
    "tfc-long": (
        64,
        replace(WARPED, epochs=400, batch=100, lr=0.02, warp=0.25, label_smoothing=0.0, evaluate_every=20),
    ),
    "sfc-long": (256, replace(WARPED, epochs=300, lr=0.01, warp=0.85, evaluate_every=20)),
    "lfc-long": (1024, replace(LARGE, epochs=160)),
}
# AdaBin's weights: a bit and a middle for each row, beside each matrix the sum of its inputs
AROUND = {
    "tfc-adabin": (64, replace(WARPED, warp=0.4)),
    "sfc-adabin": (256, replace(WARPED, epochs=120, lr=0.01, warp=0.85)),
    "lfc-adabin": (1024, LARGE),
}

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "digits", partial(mlp, inputs=64, width=64, threshold=None), "digits", "u8/16", flat=True, training=DIGITS
        ),
        Recipe("tfc", partial(mlp, width=64), "mnist", flat=True, method=MIXED, training=replace(WARPED, warp=0.4)),
        Recipe(
            "sfc",
            partial(mlp, width=256),
            "mnist",
            flat=True,
            method=MIXED,
            training=replace(WARPED, epochs=120, lr=0.01, warp=0.85),
        ),
        Recipe("lfc", partial(mlp, width=1024), "mnist", flat=True, method=MIXED, training=LARGE),
        *(
            Recipe(name, partial(mlp, width=width), "mnist", flat=True, method=MIXED, training=training)
            for name, (width, training) in LONG.items()
        ),
        *(
            Recipe(name, partial(mlp, width=width), "mnist", flat=True, method=METHODS["adabin"], training=training)
            for name, (width, training) in AROUND.items()
        ),
    )
}
