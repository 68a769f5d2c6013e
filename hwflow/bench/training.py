"""What a training step costs: whole networks as they train now and as plainly written, ours beside plain Brevitas.

Stands on torch and Brevitas. What is compared takes turns in one process, so that a busy machine slows both alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import nn

from hwflow.recipe import Method, Recipe
from hwflow.train import estimators, load_recipe, quantizers
from hwflow.train.estimators import Ede
from hwflow.train.layers import Conv, Dense, act, conv, dense
from hwflow.train.loop import threads
from hwflow.train.run import has_bfloat16, versions


def rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The rows of `hwflow bench train`: images/s of whole networks, plainly written and now."""
    say("steps of ResNet-20 and CNV: plainly written, now, and with bfloat16 products, in turns")
    return image_rates()


def step_rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The rows of `hwflow bench steps`: what a step costs, without the versions that the table names anyway."""
    say("steps of IMB + DTE and of plain Brevitas, in turns")
    return [{k: v for k, v in row.items() if k != "versions"} for row in step_cost()]


NETWORKS = ("resnet20", "cnv")


def image_rates(rounds: int = 4, batch: int = 128, count: int = 1) -> list[dict[str, Any]]:
    """Images per second of processor time of training steps (`count` threads), and their share of the peak.

    Three ways for each network: as a straight reading of the formulas (images channel first, a pass over memory for each
    operation), as it trains now, and now with bfloat16 products where the processor has them. The peak is what a large
    float32 matrix product reaches between the steps; a step takes three times the products of a forward pass.
    """
    rows = []
    with threads(count):
        for name in NETWORKS:
            recipe = load_recipe(name)
            x, labels = torch.rand(batch, 3, 32, 32), torch.arange(batch) % 10
            ways: dict[str, Callable[[], None]] = {
                "plain": _plainly(_whole_step(recipe, x, labels, amp=False)),
                "now": _whole_step(recipe, x.contiguous(memory_format=torch.channels_last), labels, amp=False),
            }
            if has_bfloat16(torch.device("cpu")):
                ways["bfloat16"] = _whole_step(
                    recipe, x.contiguous(memory_format=torch.channels_last), labels, amp=True
                )
            times: dict[str, list[float]] = {way: [] for way in ways}
            peaks = []
            for turn in range(rounds + 1):
                for way, step in ways.items():
                    begin = time.process_time()
                    step()
                    if turn:
                        times[way].append(time.process_time() - begin)
                peaks.append(_peak())
            products = 3 * forward_products(recipe, x[:1])
            row: dict[str, Any] = {"network": name, "batch": batch, "threads": count}
            for way, found in times.items():
                row[f"{way} [images/s]"] = round(batch / median(found), 1)
            for way in list(times)[1:]:
                gains = [a / b for a, b in zip(times["plain"], times[way], strict=True)]
                row[f"{way} / plain"] = round(median(gains), 2)
            row["GMAC/s now"] = round(products * batch / median(times["now"]) / 1e9, 1)
            row["share of peak [%]"] = round(100 * products * batch / median(times["now"]) / median(peaks), 1)
            rows.append(row)
    return rows


def forward_products(recipe: Recipe, x: torch.Tensor) -> int:
    """Multiplications of one image's forward pass, counted at its convolutions and dense layers."""
    total = 0

    def count(layer: nn.Module, _inputs: object, out: torch.Tensor) -> None:
        nonlocal total
        total += out[0].numel() * layer.weight[0].numel()  # type: ignore[index, operator, union-attr]

    model = recipe.network(recipe.method).eval()
    for module in model.modules():
        if isinstance(module, Conv | Dense):
            module.register_forward_hook(count)
    with torch.no_grad():
        model(x)
    return total


def _whole_step(recipe: Recipe, x: torch.Tensor, labels: torch.Tensor, amp: bool) -> Callable[[], None]:
    torch.manual_seed(0)
    model = recipe.network(replace(recipe.method, estimator="ede")).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            loss = F.cross_entropy(model(x).float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def _plainly(step: Callable[[], None]) -> Callable[[], None]:
    """`step` with every gradient in the layout it comes in, masks kept as booleans, and slopes as their formulas say."""

    def masked(x: torch.Tensor, grad: torch.Tensor, lo: float = -1.0, hi: float = 1.0) -> torch.Tensor:
        return grad * ((x > lo) & (x < hi))

    def pull(self: Ede, x: torch.Tensor, grad: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        slope = max(1 / self.t, 1) * self.t * (1 - torch.tanh(self.t * x) ** 2)
        return masked(x, slope * grad * scale) if self.bounded else slope * grad * scale

    def plain() -> None:
        kept = estimators.within, quantizers.within, Ede.pull  # type: ignore[attr-defined]
        estimators.within, quantizers.within, Ede.pull = masked, masked, pull  # type: ignore
        try:
            step()
        finally:
            estimators.within, quantizers.within, Ede.pull = kept  # type: ignore

    return plain


def _peak(side: int = 768) -> float:
    """Multiplications per second of processor time of a float32 matrix product."""
    a, b = torch.rand(side, side), torch.rand(side, side)
    begin = time.process_time()
    for _ in range(4):
        a @ b
    return 4 * side**3 / (time.process_time() - begin)


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
