"""What a run keeps on disk, read back: the trained model, its recipe, its scores.

Stands on recipes and export.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.recipe import Recipe, method_of, plan_of
from hwflow.train import export as exporting
from hwflow.train.recipes import load_recipe

CHECKPOINT, MODEL, METRICS, CURVES = "checkpoint.pt", "model.onnx", "metrics.json", "curves.png"


def write_checkpoint(kept: dict[str, Any], path: Path) -> None:
    """Write `kept` to `path`, whole or not at all."""
    part = path.with_name(path.name + ".part")
    torch.save(kept, part)
    part.replace(path)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `write_checkpoint` wrote; a RecipeError if it is absent or broken."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as e:
        raise RecipeError(f"{path}: does not exist; train the recipe first") from e
    except Exception as e:
        raise RecipeError(f"{path}: is not a whole checkpoint ({type(e).__name__}); train the recipe again") from e


def load_model(where: Path) -> tuple[nn.Module, Recipe]:
    """The trained model of a checkpoint (a file, or the folder that holds one) and its recipe."""
    path = where / CHECKPOINT if where.is_dir() else where
    kept = read_checkpoint(path)
    recipe = recipe_of(kept["recipe"])
    model = recipe.network(recipe.method)
    try:
        model.load_state_dict(kept.get("average") or kept["model"])
    except RuntimeError as e:
        raise RecipeError(
            f"{path}: does not fit the network {recipe.source} any more; train it again ({str(e).splitlines()[0]})"
        ) from e
    return model, recipe


def torch_outputs(where: Path, x: Array) -> Array:
    """PyTorch's float32 scores (n, outputs) for input integers, from a checkpoint or the folder that holds one."""
    model, recipe = load_model(Path(where))
    return exporting.outputs(exporting.freeze(model), recipe, np.asarray(x))


def recipe_of(spec: dict[str, Any]) -> Recipe:
    """The recipe a checkpoint was trained with: the code from its source, all values from the checkpoint."""
    base = load_recipe(spec["source"])
    return replace(
        base, name=spec["name"], data=spec["data"], input=spec["input"], method=method_of(spec), plan=plan_of(spec)
    )
