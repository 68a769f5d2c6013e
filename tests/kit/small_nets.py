"""Networks small enough to simulate by anybody's tools in seconds, with nodes named after keywords of SystemVerilog."""

from __future__ import annotations

import numpy as np

from hwflow.answers import Answer, Answers, Output
from hwflow.bits import Ints
from hwflow.net import Net
from hwflow.ops import Add, Concat, Conv, Dense, Flatten, MaxPool, Port, Threshold, TopK


def signs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 2, shape) * 2 - 1


def step(name: str, source: str, channels: int, rng: np.random.Generator) -> Threshold:
    at = rng.integers(-4, 5, (channels, 1))
    return Threshold(name=name, inputs=(source,), thresholds=at, falling=rng.random(channels) < 0.3, bipolar=True)


def dense() -> Net:
    """48 numbers of 5 bits, two binary layers; nodes are named after keywords of SystemVerilog."""
    rng = np.random.default_rng(0)
    ops = (
        Dense(name="table", inputs=("input",), weights=signs(rng, 16, 48)),
        step("reg", "table", 16, rng),
        Dense(name="logic", inputs=("reg",), weights=signs(rng, 5, 16)),
    )
    return Net("dense", Port((48,), Ints(0, 16)), ops)


def conv(seed: int = 1) -> Net:
    """7 x 6 pixels of 2 channels, 3 bits each: a padded convolution, a pool, a dense layer."""
    rng = np.random.default_rng(seed)
    ops = (
        Conv(name="conv", inputs=("input",), weights=signs(rng, 4, 3, 3, 2), pads=(1, 1, 1, 1)),
        step("sign", "conv", 4, rng),
        MaxPool(name="pool", inputs=("sign",), kernel=(2, 2), stride=(2, 2), minimum=np.zeros(4, bool)),
        Flatten(name="flat", inputs=("pool",)),
        Dense(name="scores", inputs=("flat",), weights=signs(rng, 3, 36)),
    )
    return Net("conv", Port((7, 6, 2), Ints(0, 7)), ops)


def two() -> Net:
    """7 x 6 pixels of 2 channels; the classes of every pixel of a padded convolution, and five scores behind a pool."""
    rng = np.random.default_rng(3)
    ops = (
        Conv(name="conv", inputs=("input",), weights=signs(rng, 4, 3, 3, 2), pads=(1, 1, 1, 1)),
        step("sign", "conv", 4, rng),
        TopK(name="class", inputs=("conv",)),
        Flatten(name="classes", inputs=("class",)),
        MaxPool(name="pool", inputs=("sign",), kernel=(2, 2), stride=(2, 2), minimum=np.zeros(4, bool)),
        Flatten(name="flat", inputs=("pool",)),
        Dense(name="scores", inputs=("flat",), weights=signs(rng, 5, 36)),
        Concat(name="outputs", inputs=("scores", "classes"), scales=(1, 1)),
    )
    parts = (Output("scores", 5, Answer()), Output("classes", 42, Answer(labels=True, k=1)))
    return Net("two", Port((7, 6, 2), Ints(0, 7)), ops, answer=Answers(parts))


NETS = {
    "dense": (dense, {"table": {"pe": 4, "simd": 3}, "logic": {"pe": 5, "simd": 4}}),
    "conv": (conv, None),
}
# every weight of the first comes from outside
FED = {
    "fed": (dense, {"table": {"pe": 4, "simd": 3, "style": "stream"}, "logic": {"pe": 5, "simd": 4, "style": "stream"}})
}
SEVERAL = {"two": (two, None)}  # with several outputs


def shortcut() -> Net:
    """8 x 8 pixels of 4 channels, 4 bits each: a padded convolution, added to what it read."""
    weights = np.random.default_rng(3).choice((-1, 1), (4, 3, 3, 4))
    ops = (
        Conv(name="c", inputs=("input",), weights=weights, pads=(1, 1, 1, 1)),
        Add(name="a", inputs=("c", "input"), scales=(1, 1)),
    )
    return Net("s", Port((8, 8, 4), Ints(-8, 7)), ops)
