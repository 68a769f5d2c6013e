"""Recurrent layers: a cell whose state is a vector of few-bit integers, and the layer that steps it over time.

Stands on layers. A cell is one product with few-bit weights over the step's input and the state side by side, and
quantizers behind it, so that every step folds into integers; `train/scan.py` exports the steps as ONNX's Scan.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from hwflow.errors import RecipeError
from hwflow.recipe import Method
from hwflow.train.fronts import Affine
from hwflow.train.layers import act, dense, fixed
from hwflow.train.scan import placed
from hwflow.train.views import form, latent


class Slope(nn.Module):
    """y = a x + b with a learned a and b for each channel: a norm that has no statistics, which steps could not share.

    a starts at `first`, and is learned as a multiple of it.
    """

    def __init__(self, channels: int, first: float):
        super().__init__()
        self.first = first
        self.share = nn.Parameter(torch.ones(channels))
        self.b = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return Affine.apply_to(x, self.first * self.share, self.b)

    def frozen(self) -> nn.Module:
        return Affine(self.first * self.share, self.b)


class Cell(nn.Module):
    """h' = q(a W [x, h] + b) for a step's input x (n, inputs) and the state h (n, states).

    `gated`: where the sign of a second such sum is -1 the state stays what it was, channel by channel. `bits` of the
    state: signed fixed point over [-1, 1), or -1/+1 with one bit. Where the method is `full` state and gate are real
    numbers in [-1, 1], and the gate mixes the new state with the old one.
    """

    def __init__(self, method: Method, inputs: int, states: int, bits: int = 4, gated: bool = True):
        super().__init__()
        if method.weight_bits == 1 and not method.full and form(method).middle is not None:
            raise RecipeError(
                f"recurrent cell: a step is one product, and {method.weights} adds the sum of the inputs to each; use other weights"
            )
        self.inputs, self.states, self.bits = inputs, states, bits
        cols = inputs + states
        # sums of `cols` products come near 1: signs have variance 1, weights that start as Kaiming's 2 / cols
        binary = method.weight_bits == 1 and not method.full
        first = 2.0 ** -round(math.log2(cols) / 2) if binary else 0.5**0.5
        self.candidate, self.slope = dense(method, cols, states), Slope(states, first)
        self.full, sign = method.full, replace(method, act_bits=1)
        self.state = act(sign, states) if bits == 1 else fixed(method, bits, 2.0 ** (1 - bits))
        self.gate = dense(method, cols, states) if gated else None
        self.gate_slope = Slope(states, first) if gated else None
        self.open = act(sign, states) if gated else None

    @property
    def start(self) -> float:
        """What every state is before the first step: one of its own levels."""
        return -1.0 if self.bits == 1 else 0.0

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        both = torch.cat([x, h], 1)
        new = self.state(self.slope(self.candidate(both)))
        if self.gate is None:
            return new
        gate = self.open(self.gate_slope(self.gate(both)))  # type: ignore[misc]
        return _mixed(gate, new, h) if self.full else torch.where(gate > 0, new, h)

    def over(self, x: Tensor, live: Tensor | None = None) -> list[Tensor]:
        """The states of every step of (n, inputs, steps) while training: weights are quantised once, inputs met at once.

        Steps at which `live` (n, 1, steps) is false leave the states as they are.
        """
        parts = [(self.candidate, self.slope)] + ([(self.gate, self.gate_slope)] if self.gate is not None else [])
        weights = [_weights(layer) for layer, _ in parts]  # type: ignore[arg-type]
        met = [functional.linear(x.transpose(1, 2), w[:, : self.inputs]) for w in weights]
        h, out = x.new_full((len(x), self.states), self.start), []
        for t in range(x.shape[2]):
            sums = [m[:, t] + functional.linear(h, w[:, self.inputs :]) for m, w in zip(met, weights, strict=True)]
            new = self.state(self.slope(sums[0]))
            if self.gate is not None:
                # the same values as a choice gives, and a gradient for the gate
                new = _mixed(self.open(self.gate_slope(sums[1])), new, h)  # type: ignore[misc]
            h = new if live is None else torch.where(live[..., t], new, h)
            out.append(h)
        return out


def _mixed(gate: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`new` where the gate is 1, `old` where it is -1, and shares of both between."""
    share = (gate + 1) / 2
    return share * new + (1 - share) * old


def _weights(layer: nn.Module) -> Tensor:
    """The quantised weights of a dense layer, each row times its gain."""
    w = layer.quant_weight() if hasattr(layer, "quant_weight") else layer.weight  # type: ignore[operator]
    w = w.value if hasattr(w, "value") else w
    gain = getattr(layer, "gain", None)
    return w if gain is None else w * gain(latent(layer)).view(-1, 1)  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    """A cell stepped over the height of (n, inputs, time, 1): the last state (n, states), or with `every` all of them.

    All states come as (n, states, time, 1). Steps at which a `mask` (n, 1, time, 1) is not above 0 leave the state as it
    is, so that a sequence which is padded up to `time` steps ends with the state behind its own last step: what PyTorch
    gives for a packed sequence.
    """

    def __init__(self, cell: Cell, every: bool = False):
        super().__init__()
        self.cell, self.every = cell, every
        self.key = 0  # which recurrent layer of the network it is, for the export

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if torch.onnx.is_in_onnx_export():
            return placed(self, x, mask)
        live = None if mask is None else mask[..., 0] > 0
        if self.training:
            states = self.cell.over(x[..., 0], live)
        else:
            h, states = x.new_full((len(x), self.cell.states), self.cell.start), []
            for t in range(x.shape[2]):
                new = self.cell(x[:, :, t, 0], h)
                h = new if live is None else torch.where(live[..., t], new, h)
                states.append(h)
        return torch.stack(states, 2)[..., None] if self.every else states[-1]


class Masked(nn.Module):
    """The last channel of (n, features + 1, time, 1) is the mask of a recurrent layer: `stem` takes the others in front of it."""

    def __init__(self, stem: nn.Module, body: Recurrent):
        super().__init__()
        self.stem, self.body = stem, body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self.stem(x[:, :-1]), x[:, -1:])  # type: ignore[no-any-return]
