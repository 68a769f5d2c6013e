"""Find recipes by name: "models/mlp.py:digits", "mlp:digits", "mlp", or any file of the same shape.

Stands on recipe and places. A model file is Python that defines RECIPES, a dict of recipes by name.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from hwflow.errors import RecipeError, did_you_mean
from hwflow.places import MODELS
from hwflow.recipe import Recipe
from hwflow.train.variants import find_variant


def load_recipe(spec: str) -> Recipe:
    """The recipe named FILE[:RECIPE]: a path to a model file, or the bare name of one in the models room.

    A bare recipe name ("tfc") is found too. Without RECIPE it is the file's first. A name may ask for other bits and
    widths of a recipe: "digits-b2-w50" (see variants). Unknown names are a RecipeError that lists what exists.
    """
    name, _, wanted = spec.partition(":")
    path = _find(name)
    if path is None:
        for candidate in _files():
            if not wanted and (found := find_variant(recipes_of(candidate), name)):
                return found
        raise RecipeError(f"{spec}: is no model file and no recipe{_close(name)}; there are {', '.join(known())}")
    recipes = recipes_of(path)
    found = find_variant(recipes, wanted) if wanted else next(iter(recipes.values()))
    if found is None:
        raise RecipeError(f"{spec}: {path.name} has no recipe {wanted!r}; it has {', '.join(recipes)}")
    return found


def known() -> list[str]:
    """Every recipe of the models room as "file:recipe"."""
    return [f"{path.stem}:{name}" for path in _files() for name in recipes_of(path)]


def recipes_of(path: Path) -> Mapping[str, Recipe]:
    """The recipes a model file defines, each with its `source` filled in."""
    recipes = getattr(_module(path), "RECIPES", None)
    if not isinstance(recipes, dict) or not recipes:
        raise RecipeError(f"{path}: defines no RECIPES; a model file ends with a dict of recipes by name")
    for key, recipe in recipes.items():
        if not isinstance(key, str) or not isinstance(recipe, Recipe):
            raise RecipeError(
                f"{path}: RECIPES holds {type(recipe).__name__} under {key!r}; give a Recipe under its name"
            )
    place = path.stem if path.parent == MODELS.resolve() else str(path)
    return {name: replace(recipe, source=f"{place}:{name}") for name, recipe in recipes.items()}


def _close(name: str) -> str:
    return did_you_mean(Path(name).stem, [part for spec in known() for part in (spec, *spec.split(":"))])


def _files() -> list[Path]:
    return sorted(p.resolve() for p in MODELS.glob("*.py") if not p.name.startswith("_"))


def _find(name: str) -> Path | None:
    # a file of the reader's own comes first; "models/x.py" means the shipped one in any folder, a wheel's too
    for path in (Path(name), MODELS.parent / name, MODELS / name, MODELS / f"{name}.py"):
        if path.suffix == ".py" and path.is_file():
            return path.resolve()
    return None


def _module(path: Path) -> ModuleType:
    name = f"hwflow_models_{path.stem}_{abs(hash(str(path))):x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as e:
        del sys.modules[name]
        raise RecipeError(f"{path}: could not be read ({type(e).__name__}: {e}); correct the file") from e
    return module
