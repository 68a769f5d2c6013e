"""What a training step costs: ours beside plain Brevitas binary quantizers, measured in turns in one run.

Stands on torch and Brevitas.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import nn

from hwflow.recipe import Method
from hwflow.train.layers import act, conv, dense
from hwflow.train.loop import threads
from hwflow.train.run import versions


def rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The rows of `hwflow bench train`: what a step costs, without the versions that the table names anyway."""
    say("steps of IMB + DTE and of plain Brevitas, in turns")
    return [{k: v for k, v in row.items() if k != "versions"} for row in step_cost()]


def step_cost(rounds: int = 10, batch: int = 100) -> list[dict[str, Any]]:
    """Seconds of one training step with IMB + DTE and with plain Brevitas binary quantizers, and their ratio.

    One row for each network: a dense one (SFC's shape) and a convolutional one (CNV's first five layers' shape). Forward,
    backward and optimizer; the two take turns, each row gives the medians and the median ratio of neighbours.
    """
    rows = []
    with threads(1):  # waiting threads count as processor time, which would measure the scheduler
        for name, build, shape, often in (
            ("dense 784-256-256-256-10", _dense_net, (784,), 5),
            ("convolutional 64-64-128-128", _conv_net, (3, 32, 32), 1),
        ):
            steps = [_step(build(parts), torch.rand(batch, *shape)) for parts in (_ours(), _plain())]
            times: list[list[float]] = [[], []]
            for turn in range(often * rounds + 2):
                for step, kept in zip(steps, times, strict=True):
                    begin = time.process_time()
                    step()
                    if turn >= 2:
                        kept.append(time.process_time() - begin)
            ratio = median(a / b for a, b in zip(*times, strict=True))
            rows.append({"network": name, "batch": batch, "imb_dte_s": round(median(times[0]), 5), "brevitas_s": round(median(times[1]), 5),
                         "ratio": round(ratio, 3), "threads": torch.get_num_threads(), "versions": versions()})  # fmt: skip
    return rows


Parts = dict[str, Callable[..., nn.Module]]


def _ours() -> Parts:
    method = Method(weights="imb", estimator="dte")
    return {
        "dense": lambda a, b: dense(method, a, b),
        "conv": lambda a, b: conv(method, a, b, padding=0),
        "act": lambda c: act(method, c),
    }


def _plain() -> Parts:
    weight, sign = SignedBinaryWeightPerTensorConst, SignedBinaryActPerTensorConst
    return {
        "dense": lambda a, b: QuantLinear(a, b, bias=False, weight_quant=weight),
        "conv": lambda a, b: QuantConv2d(a, b, 3, bias=False, weight_quant=weight),
        "act": lambda _c: QuantIdentity(act_quant=sign),
    }


def _dense_net(parts: Parts) -> nn.Module:
    layers, inputs = [], 784
    for rows in (256, 256, 256):
        layers += [parts["dense"](inputs, rows), nn.BatchNorm1d(rows), parts["act"](rows)]
        inputs = rows
    return nn.Sequential(*layers, parts["dense"](inputs, 10))


def _conv_net(parts: Parts) -> nn.Module:
    layers, inputs = [], 3
    for i, rows in enumerate((64, 64, 128, 128)):
        layers += [parts["conv"](inputs, rows), nn.BatchNorm2d(rows), parts["act"](rows)]
        layers += [nn.MaxPool2d(2)] if i == 1 else []
        inputs = rows
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), parts["dense"](inputs, 10))


def _step(model: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    optimizer, labels = torch.optim.Adam(model.parameters(), 1e-3, fused=True), torch.arange(len(x)) % 10

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()

    return step
