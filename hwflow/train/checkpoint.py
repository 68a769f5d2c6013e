"""What a run keeps on disk, read back: the trained model, its recipe, its scores.

Stands on recipes and export.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.files import size_of, write_bytes
from hwflow.recipe import Recipe, method_of, todays, training_of
from hwflow.schema import SchemaError, check
from hwflow.train import export as exporting
from hwflow.train.recipes import load_recipe

CHECKPOINT, MODEL, METRICS, CURVES, TEST = "checkpoint.pt", "model.onnx", "metrics.json", "curves.png", "test.npz"
SPEC = {
    "recipe": {"source": str, "name": str, "data": str, "input": str, "method": {}, "training": {}},
    "model": {},
    "optimizer": {},
    "average": (None, {}),
    "done": int,
    "start?": (None, {}),
    "history": [{"epoch": int, "seconds": (int, float)}],
}


def write_checkpoint(kept: dict[str, Any], path: Path) -> None:
    """Write `kept` to `path`, whole or not at all."""
    data = io.BytesIO()
    torch.save(kept, data)
    write_bytes(path, data.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `write_checkpoint` wrote; a RecipeError if it is absent or broken. Sizes are checked before it is unpacked."""
    again = "train the recipe again"
    try:
        size_of(path)
        with zipfile.ZipFile(path) as bundle:  # torch stores tensors as they are, not compressed
            if sum(e.file_size for e in bundle.infolist()) > path.stat().st_size + (1 << 20):
                raise RecipeError(f"{path}: would unpack to more than it holds; {again}")
        kept = torch.load(path, map_location="cpu", weights_only=True)
        kept = {**kept, "recipe": todays(kept["recipe"])}
        check(kept, SPEC)
        return kept
    except FileNotFoundError as e:
        raise RecipeError(f"{path}: does not exist; train the recipe first") from e
    except SchemaError as e:
        raise RecipeError(f"{path}: is not a whole checkpoint ({e}); {again}") from e
    except RecipeError:
        raise
    except Exception as e:
        raise RecipeError(f"{path}: is not a whole checkpoint ({type(e).__name__}); {again}") from e


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


def torch_answers(where: Path, x: Array) -> list[Array]:
    """PyTorch's float32 answers (n, ...), output by output, for input integers, from a checkpoint or its folder."""
    model, recipe = load_model(Path(where))
    return exporting.answers(exporting.freeze(model), recipe, np.asarray(x))


def torch_outputs(where: Path, x: Array) -> Array:
    """PyTorch's float32 scores (n, outputs) for input integers, of a network with one output."""
    (only,) = torch_answers(where, x)
    return only


def recipe_of(spec: dict[str, Any]) -> Recipe:
    """The recipe a checkpoint was trained with: the code from its source, all values from the checkpoint."""
    base = load_recipe(spec["source"])
    return replace(
        base,
        name=spec["name"],
        data=spec["data"],
        input=spec["input"],
        method=method_of(spec),
        training=training_of(spec),
    )
