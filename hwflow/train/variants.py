"""A recipe with other bits and other widths, by its name: `digits-b2-w50` has 2 bits and half the width of `digits`.

Stands on recipe. Which parameters of a network are widths follows from their names.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from hwflow.errors import RecipeError
from hwflow.recipe import Recipe, suffix_of

WIDTHS = ("channels", "width", "states")  # parameters of a network that say how wide its layers are
BITS = "bits"  # the parameter that says how many bits a network's own streams have, such as a recurrent state
MOST = 10_000  # percent of a recipe's own width
NAME = re.compile(r"(?P<base>.+?)(-b(?P<bits>\d+))?(-w(?P<width>\d+))?")


def find_variant(recipes: Mapping[str, Recipe], name: str) -> Recipe | None:
    """The recipe of that name, or the variant that the name asks for of one of `recipes`; None where there is neither."""
    if name in recipes:
        return recipes[name]
    asked = NAME.fullmatch(name)
    if asked is None or asked["base"] not in recipes:
        return None
    bits, width = (int(asked[k]) if asked[k] else None for k in ("bits", "width"))
    return make_variant(recipes[asked["base"]], bits, width)


def make_variant(recipe: Recipe, bits: int | None = None, width: int | None = None) -> Recipe:
    """`recipe` with weights and activations of `bits` bits and layers of `width` percent of its own; None leaves either.

    First and last layers stay as wide in bits as the network makes them. RecipeError where the network has no width to
    change, or cannot have so many bits.
    """
    given: dict[str, Any] = {}
    parameters = inspect.signature(recipe.network).parameters
    if width is not None:
        given |= _scale_widths(recipe.name, parameters, width)
    if bits is not None and BITS in parameters:
        given[BITS] = bits
    method = recipe.method if bits is None else replace(recipe.method, weight_bits=bits, act_bits=bits)
    suffix = suffix_of(bits, width)
    return replace(
        recipe, name=recipe.name + suffix, source=recipe.source + suffix, method=method,
        network=partial(recipe.network, **given),
    )  # fmt: skip


def _scale_widths(name: str, parameters: Mapping[str, inspect.Parameter], percent: int) -> dict[str, Any]:
    """The network's parameters that are widths, each `percent` of its own, and at least 1."""
    if not 0 < percent <= MOST:
        raise RecipeError(f"{name}: a width must be 1 to {MOST} percent of the recipe's own, not {percent}")
    own = {k: p.default for k, p in parameters.items() if k in WIDTHS and isinstance(p.default, int | tuple)}
    if not own:
        raise RecipeError(
            f"{name}: its network has no parameter {', '.join(WIDTHS[:-1])} or {WIDTHS[-1]} with a default, so no width "
            "to change; give it one, or leave the width out"
        )

    def scale(value: int) -> int:
        return max(1, round(percent * value / 100))

    return {k: tuple(map(scale, value)) if isinstance(value, tuple) else scale(value) for k, value in own.items()}
