"""A recurrent network of few bits: rows of digits and sounds, one step after the other, its state a vector of integers.

Stands on hwflow.train.recurrent. Time is the height of an image of width 1. A stem with 8-bit weights makes each step's
features, a gated cell with binary weights takes them and its state of `bits` bits, and its last state is classified.
"""

from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from hwflow.recipe import Method, Recipe, Training
from hwflow.train.layers import Centre, Norm, Scale, act, conv_over_time, dense, fixed, wide
from hwflow.train.recurrent import Cell, Recurrent


class Rnn(nn.Module):
    """A stem of `width` features a step, a cell of `states` states of `bits` bits; scores (outputs,) of the last state."""

    def __init__(
        self,
        method: Method,
        features: int,
        width: int = 64,
        states: int = 128,
        bits: int = 4,
        gated: bool = True,
        outputs: int = 10,
    ):
        super().__init__()
        self.stem = nn.Sequential(
            Centre(0.5), conv_over_time(wide(method), features, width, 1), Norm(width),
            act(method, width) if bits == 1 else fixed(method, bits, 2.0 ** (1 - bits)),
        )  # fmt: skip
        self.body = Recurrent(Cell(method, width, states, bits, gated))
        self.head = nn.Sequential(dense(wide(method), states, outputs, shift=False), Scale(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)))


TRAINING = Training(epochs=8, batch=64, lr=0.01, schedule="onecycle", evaluate_every=1, threads=1)
POLY = Method(act_estimator="poly")

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("rnn-rows", partial(Rnn, features=28), "rows:mnist", "u8/256", method=POLY, training=TRAINING),
        Recipe("rnn-digits", partial(Rnn, features=8, width=16, states=32), "rows:digits", "u8/16", method=POLY, training=replace(TRAINING, epochs=20)),
        Recipe("rnn-tones", partial(Rnn, features=32, outputs=8), "tones:", "u8/256", method=POLY, training=TRAINING),
    )
}  # fmt: skip
