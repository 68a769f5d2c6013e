"""Every device family by name, and the tables that were measured for it: costs/<family>.json, clocks/<family>.json.

Stands on the family modules. A new family is one module here, named in FAMILIES, and one fit (docs/adding.md).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from hwflow.errors import RecipeError
from hwflow.families import ecp5, gowin, ice40, nexus, xc7, xcup
from hwflow.families.base import Clock, Family

__all__ = ["FAMILIES", "Clock", "Family", "clock_table", "cost_table", "family_of", "fitted"]

HERE = Path(__file__).parent
FAMILIES: dict[str, Family] = {f.name: f for f in (m.FAMILY for m in (xc7, xcup, ecp5, nexus, gowin, ice40))}


def family_of(name: str) -> Family:
    """The family of that name; RecipeError names those there are."""
    if name not in FAMILIES:
        raise RecipeError(f"there is no family {name!r}; known: {', '.join(FAMILIES)}")
    return FAMILIES[name]


@cache
def cost_table(name: str) -> dict[str, Any]:
    """What hardware costs on a family: {"tool", "date", "from", "modules": {module: {count: [LUTs, flip-flops, n]}}}.

    n is the number of measured units that have such a count; 0 says that a coefficient is a first guess. `from` names
    the family whose coefficients are the first guesses, of all that a family's own table lacks.
    """
    table = json.loads((HERE / "costs" / f"{name}.json").read_text())
    if other := table["from"]:
        guesses = {
            module: {count: [lut, ff, 0] for count, (lut, ff, _) in counts.items()}
            for module, counts in cost_table(other)["modules"].items()
        }
        own = table["modules"]
        table["modules"] = {m: guesses.get(m, {}) | own.get(m, {}) for m in (*guesses, *own)}
    return table


@cache
def clock_table(name: str) -> dict[str, Any] | None:
    """The clock model of a family: nanoseconds by kind of path, the board they were routed for; None without one."""
    path = HERE / "clocks" / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def fitted() -> tuple[str, ...]:
    """The families of which every module was measured: the first guesses of others are not compared with anything."""
    return tuple(
        name
        for name in FAMILIES
        if all(any(n for *_, n in counts.values()) for counts in cost_table(name)["modules"].values() if counts)
    )
