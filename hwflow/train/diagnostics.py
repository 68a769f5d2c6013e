"""What the papers argue with: entropy of bits, share of updatable weights, error of the estimated gradient.

Stands on torch; matplotlib only to draw.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hwflow.train.estimators import Ede, Estimator
from hwflow.train.quantizers import BinaryAct, BinaryWeight
from hwflow.train.tasks import Task


def entropy(share: Tensor) -> Tensor:
    """Bits of information of a coin with P(+1) = share: -p log2 p - (1-p) log2 (1-p); 0 at p = 0 and 1."""
    p = share.double().clamp(0, 1)
    return -(torch.special.xlogy(p, p) + torch.special.xlogy(1 - p, 1 - p)) / torch.log(torch.tensor(2.0))


def gradient_error(estimate: Estimator, x: Tensor) -> float:
    """Mean |slope(x) - true slope of sign|, the true one being 0 away from 0: what the estimator invents."""
    return float(estimate.slope(x).abs().mean())


def updatable(estimate: Estimator, x: Tensor) -> float:
    """Share of elements whose slope is at least a tenth of the estimator's peak: those training can still move."""
    slope = estimate.slope(x)
    peak = estimate.slope(x.new_zeros(1))
    return float((slope >= 0.1 * peak - 1e-6).float().mean())


def inspect(model: nn.Module, task: Task, x: Tensor, y: Tensor) -> list[dict[str, Any]]:
    """One row for each binary quantizer, in order of use, for one batch of real inputs and what they show.

    name, kind (weight, act), positive (share of +1), entropy (bits, mean over channels), updatable, gradient_error, and
    gradient (mean |dL/dx| that arrives); sharpness (the t in use) for EDE and DTE.
    """
    rows: list[dict[str, Any]] = []
    handles = []
    seen: list[tuple[dict[str, Any], Tensor]] = []

    def watch(name: str, kind: str, quant: BinaryWeight | BinaryAct) -> Any:
        def hook(_m: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            (v,) = inputs
            w = v.detach()
            share = (
                (w >= 0).float().flatten(1).mean(1)
                if kind == "weight"
                else (w >= 0).float().transpose(0, 1).flatten(1).mean(1)
            )
            row = {
                "name": name,
                "kind": kind,
                "positive": float(share.mean()),
                "entropy": float(entropy(share).mean()),
                "updatable": updatable(quant.estimate, w),
                "gradient_error": gradient_error(quant.estimate, w),
                **({"sharpness": float(quant.estimate.sharp)} if isinstance(quant.estimate, Ede) else {}),
            }
            rows.append(row)
            if v.requires_grad:
                if not v.is_leaf:
                    v.retain_grad()
                seen.append((row, v))

        return hook

    for name, module in model.named_modules():
        if isinstance(module, BinaryWeight | BinaryAct):
            kind = "weight" if isinstance(module, BinaryWeight) else "act"
            handles.append(module.register_forward_pre_hook(watch(_short(name), kind, module)))
    training = model.training
    model.eval()
    task.loss(model(x), y, 0.0).backward()
    for handle in handles:
        handle.remove()
    for row, value in seen:
        row["gradient"] = float(value.grad.abs().mean()) if value.grad is not None else 0.0
    model.zero_grad(set_to_none=True)
    model.train(training)
    # four digits: rows are kept for every epoch
    return [{k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def _short(name: str) -> str:
    for tail in (".weight_quant.tensor_quant", ".act_quant.fused_activation_quant_proxy.tensor_quant"):
        name = name.removesuffix(tail)
    return name


INFORMATION = {
    "entropy": "entropy [bit]",
    "updatable": "share of updatable values",
    "gradient_error": "estimator's gradient error",
    "gradient": "mean |gradient|",
}


def plot(metrics: dict[str, Any], path: Path) -> None:
    """Draw loss, accuracy and what `inspect` found in every layer, epoch by epoch, as a PNG.

    A line for each quantizer: whole for weights, broken for activations.
    """
    from matplotlib.figure import Figure

    history = metrics["history"]
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    loss, accuracy, *information = figure.subplots(2, 3).flat
    epochs = [r["epoch"] for r in history]
    loss.plot(epochs, [r["loss"] for r in history])
    loss.set(xlabel="epoch", ylabel="loss", title=metrics["name"])
    accuracy.plot(epochs, [100 * r["train_accuracy"] for r in history], label="training")
    held = [(r["epoch"], 100 * r["accuracy"]) for r in history if "accuracy" in r]
    accuracy.plot([e for e, _ in held], [a for _, a in held], label="held out")
    accuracy.set(xlabel="epoch", ylabel="accuracy [%]")
    accuracy.legend()
    looked = [r for r in history if r.get("layers")]
    for axes, (key, label) in zip(information, INFORMATION.items(), strict=True):
        for i, layer in enumerate(looked[-1]["layers"] if looked else []):
            values = [r["layers"][i].get(key) for r in looked]  # nothing flows back into the input
            style = "-" if layer["kind"] == "weight" else "--"
            if None not in values:
                axes.plot(
                    [r["epoch"] for r in looked],
                    values,
                    style,
                    color=f"C{i}",
                    lw=1,
                    label=f"{layer['name']} {layer['kind']}",
                )
        axes.set(xlabel="epoch", ylabel=label, yscale="log" if key == "gradient" else "linear")
    if looked:
        information[0].legend(fontsize=5, ncols=2)
    figure.savefig(path, dpi=100)
