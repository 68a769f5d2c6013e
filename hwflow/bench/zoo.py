"""Networks as files without training: every recipe of `models/` and Brevitas' own, their norms as hard as norms get.

Stands on recipes and export. What the compiler is proven on: random weights, statistics that training might leave.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hwflow.real import parse_input
from hwflow.train.export import freeze, real_input, write
from hwflow.train.recipes import load_recipe

IMAGES = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3), "digits": (8, 8, 1)}


def of_recipe(spec: str, folder: Path) -> Path:
    """The QONNX file of an untrained recipe with `hardened` norms."""
    recipe = load_recipe(spec)
    torch.manual_seed(0)
    model = hardened(recipe.network(recipe.method), 2)
    path = folder / f"{recipe.name}.onnx"
    example: np.ndarray = np.full((1, *IMAGES[recipe.data]), parse_input(recipe.input).ints.hi)
    example = example.reshape(1, -1) if recipe.flat else example
    write(freeze(model), real_input(recipe, example), recipe, path)
    return path


def of_brevitas(name: str, folder: Path, hard: bool = True, dynamo: bool = False, qcdq: bool = False) -> Path:
    """One of Brevitas' own `bnn_pynq` models as Brevitas' own exporter writes it."""
    from brevitas.export import export_onnx_qcdq, export_qonnx
    from brevitas_examples.bnn_pynq.models import get_model_cfg, model_impl

    config = get_model_cfg(name)
    torch.manual_seed(0)
    model = hardened(model_impl[config.get("MODEL", "ARCH")](config), 1, hard)
    x = torch.rand(1, 1, 28, 28) if "FC" in name else torch.rand(1, 3, 32, 32)
    path = folder / f"{name}.onnx"
    export: Callable[..., object] = export_onnx_qcdq if qcdq else export_qonnx
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export(model, args=x, export_path=str(path), **({} if dynamo else {"opset_version": 13, "dynamo": False}))
    return path


def hardened(model: nn.Module, seed: int, hard: bool = True) -> nn.Module:
    """`model` with random statistics in its norms; `hard`: gains negative, zero and tiny among them."""
    g = torch.Generator().manual_seed(seed)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d):
            with torch.no_grad():
                assert m.running_mean is not None and m.running_var is not None
                m.running_mean.copy_(torch.randn(m.running_mean.shape, generator=g) * 3)
                m.running_var.copy_(torch.rand(m.running_var.shape, generator=g) * 50 + 0.1)
                m.bias.copy_(torch.randn(m.bias.shape, generator=g))
                if hard:
                    m.weight.copy_(torch.randn(m.weight.shape, generator=g))
                    m.weight[:3] = torch.tensor([0.0, 1e-20, -1e-20])
    return model.eval()
