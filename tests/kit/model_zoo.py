"""Small networks, trained for one step and exported: one for every forward x backward pair and every network family.

Stands on hwflow.train. `make(name, folder)` gives a `Sample`; NAMES lists all of them, PAIRS, FORMS and NETWORKS parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from hwflow.recipe import ESTIMATORS, WEIGHTS, Method, Recipe
from hwflow.train import load_recipe
from hwflow.train.export import answers, export, freeze, real_input
from hwflow.train.layers import Norm
from hwflow.train.loop import threads
from hwflow.train.schedule import Schedule

CLASSES = 10


@dataclass(frozen=True, eq=False)
class Sample:
    """A QONNX file, input integers (n, H, W, C) or (n, features) and PyTorch's float32 scores (n, 10) for them."""

    name: str
    path: Path
    x: np.ndarray
    scores: np.ndarray
    recipe: Recipe


def _mlp(method: Method) -> tuple[Recipe, dict[str, Any]]:
    recipe = replace(load_recipe("mlp:digits"), method=method)
    return recipe, {"inputs": 29, "width": 17, "hidden": 2, "threshold": None}


def _net(spec: str, **sizes: Any) -> tuple[Recipe, dict[str, Any]]:
    return load_recipe(spec), sizes


PAIRS = {f"{w}-{e}": partial(_mlp, Method(weights=w, estimator=e)) for w in WEIGHTS for e in ESTIMATORS}
FORMS = {
    "asd": partial(_mlp, Method(acts="asd")),
    "deviation": partial(_mlp, Method(weights="recu", acts="deviation", estimator="identity", act_estimator="poly")),
    "react": partial(_mlp, Method(weights="sign", acts="react", estimator="ste")),
    "adabin": partial(
        _mlp, Method(weights="adabin", acts="adabin", estimator="ede", act_estimator="poly", hardtanh=False)
    ),
    "wsd-asd": partial(_mlp, Method(weights="wsd", acts="asd", estimator="ede")),
    **{f"w1a{b}": partial(_mlp, Method(act_bits=b)) for b in (2, 3, 4, 8)},
    **{f"w{b}a{b}": partial(_mlp, Method(weight_bits=b, act_bits=b)) for b in (2, 4)},
    **{f"w{b}a1": partial(_mlp, Method(weight_bits=b)) for b in (3, 8)},
}
SMALL = {"side": 16, "colours": 2}
NETWORKS = {
    "tfc": partial(_net, "mlp:tfc", inputs=63, width=16),
    "cnv": partial(_net, "cnv", channels=(6, 5, 8, 7), width=11, side=18, colours=3),
    "vgg-small": partial(_net, "vgg-small", channels=(8, 7, 6, 9, 8, 5), **SMALL),
    "vgg-small-ir2": partial(_net, "vgg-small-ir2", channels=(8, 7, 6, 9, 8, 8), recovery=4, **SMALL),
    "resnet20": partial(_net, "resnet20", widths=(6, 8, 16), blocks=(1, 1, 1)),
    "resnet20-pool": partial(_net, "resnet20", widths=(4, 8), blocks=(1, 1), pool=True),
    "resnet18": partial(_net, "resnet18", widths=(6, 8), blocks=(2, 1)),
    "resnet20-ir2": partial(_net, "resnet20-ir2", widths=(4, 8, 16), blocks=(1, 1, 1), recovery=4),
    "mobilenet": partial(_net, "mobilenet", stem=6, blocks=((8, 1), (10, 2))),
    "mobilenet-joined": partial(_net, "mobilenet", stem=6, blocks=((6, 1), (12, 2)), stride=2, shortcuts=True),
    "efficientnet": partial(_net, "efficientnet", stem=6, blocks=((1, 4, 1, 1, 3), (2, 4, 1, 1, 3), (3, 6, 2, 2, 5)), head=16),
    "darts": partial(_net, "darts", channels=2, cells=3),
    "conv-trained": partial(_net, "cnv", channels=(6, 5), width=11, side=9, colours=1),
    "conv-react": partial(_net, "cnv", channels=(6, 5), width=11, side=9, colours=1),
    "conv-adabin": partial(_net, "cnv", channels=(6, 5), width=11, side=9, colours=1),
}  # fmt: skip
METHODS = {
    "conv-trained": Method(weights="trained", estimator="longtail"),
    "conv-adabin": Method(weights="adabin", acts="adabin", estimator="ede", act_estimator="poly", hardtanh=False),
    "conv-react": Method(weights="biper", acts="react", estimator="identity", act_estimator="fourier"),
}
SIDES = {
    "cnv": (18, 3),
    "vgg-small": (16, 2),
    "vgg-small-ir2": (16, 2),
    "conv-trained": (9, 1),
    "conv-react": (9, 1),
    "conv-adabin": (9, 1),
}
NAMES = (*PAIRS, *FORMS, *NETWORKS)


def make(name: str, folder: Path, images: int = 40) -> Sample:
    """Train `name` for one step on noise, export it (checked against PyTorch) into `folder`, and sample it."""
    with threads(1):  # a second thread only waits on networks this small
        return _made(name, folder, images)


def _made(name: str, folder: Path, images: int) -> Sample:
    recipe, sizes = {**PAIRS, **FORMS, **NETWORKS}[name]()
    recipe = replace(recipe, name=name, method=METHODS.get(name, recipe.method))
    torch.manual_seed(len(name))
    model = recipe.network(recipe.method, **sizes)
    x = inputs_of(name, recipe, sizes, images)
    one_step(model, recipe, x)
    path = folder / f"{name}.onnx"
    export(model, recipe, x, path)
    (only,) = answers(freeze(model), recipe, x)
    return Sample(name, path, x, only, recipe)


def inputs_of(name: str, recipe: Recipe, sizes: dict[str, Any], images: int) -> np.ndarray:
    """Seeded input integers of the shape and range the network takes."""
    dice = np.random.default_rng(len(name))
    top = 17 if recipe.input == "u8/16" else 256
    side, colours = SIDES.get(name, (16, 3))
    shape = (sizes["inputs"],) if recipe.flat else (side, side, colours)
    return dice.integers(0, top, (images, *shape), dtype=np.uint8)


def one_step(model: torch.nn.Module, recipe: Recipe, x: np.ndarray) -> float:
    """One step of Adam on made-up labels, in the middle of the schedule; the loss."""
    model.train()
    for norm in (m for m in model.modules() if isinstance(m, Norm)):
        norm.momentum = 1.0  # statistics of this batch at once, so that images still differ at the last layer
    Schedule(model, 2).advance(1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    labels = torch.arange(len(x)) % CLASSES
    loss = F.cross_entropy(model(real_input(recipe, x)), labels)
    loss.backward()
    optimizer.step()
    return float(loss.detach())
