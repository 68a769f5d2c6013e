"""How wide each unit is: foldings as plain data, checked, applied, written and read.

Stands on units. A folding is {unit: {pe, simd, style, mult}}, and {fifo: {depth}}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

from hwflow.errors import RecipeError
from hwflow.files import brief, read_json
from hwflow.lower.join import identifier
from hwflow.units.kit.base import Dataflow, Unit
from hwflow.units.kit.streams import Stream

Folding: TypeAlias = Mapping[str, Mapping[str, Any]]
CHOICES = ("pe", "simd", "style", "mult")
WORDS = ("style", "mult")  # the others are numbers


def check_folding(folding: Folding) -> dict[str, dict[str, Any]]:
    """A folding by identifiers, its keys and values checked; RecipeError names the entry that is no folding."""
    out: dict[str, dict[str, Any]] = {}
    for name, entry in folding.items():
        if not isinstance(entry, Mapping):
            raise RecipeError(f"{name}: its folding must be like {{pe: 4, simd: 8}}, not {entry!r}")
        for key, value in entry.items():
            if key not in (*CHOICES, "depth"):
                raise RecipeError(f"{name}: a folding has {', '.join(CHOICES)} (a fifo has depth), not {key!r}")
            if key not in WORDS and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise RecipeError(f"{name}: {key} must be a whole number from 1, not {value!r}")
        out[identifier(name)] = dict(entry)
    return out


def folding_fields(unit: Unit) -> tuple[str, ...]:
    """The folding fields a unit has; none where it only joins others, and none that is no choice of this one."""
    names = {f.name for f in fields(unit)} - {*unit.unfolded}
    return () if unit.glue else tuple(c for c in CHOICES if c in names)


def fold_units(units: tuple[Unit, ...], folding: Folding) -> tuple[Unit, ...]:
    """The units, each with its own folding; RecipeError for a value a unit cannot take."""
    return tuple(_fold_unit(u, folding.get(u.name, {})) for u in units)


def _fold_unit(unit: Unit, entry: Mapping[str, Any]) -> Unit:
    has = folding_fields(unit)
    for key in entry:
        if key not in has:
            raise RecipeError(f"{unit.name}: has {', '.join(has) or 'nothing'} to fold, not {key}")
    return unit.folded(**entry) if entry else unit


def match_rates(units: tuple[Unit, ...], folding: Folding) -> tuple[Unit, ...]:
    """Widen each rate-matched unit (a window) that nobody folded until it is no slower than the unit it feeds, or as wide
    as it goes.

    One whose word order depends on its width always takes the width of the unit that reads it.
    """
    users, makers = {i: u for u in units for i in u.inputs}, {u.name: u for u in units}
    out = []
    for unit in units:
        user = users.get(unit.name)
        if unit.rate_matched and user:
            if unit.width_bound:
                wanted = user.ins[0].par
                given = folding.get(unit.name, {}).get("simd", wanted)
                if given != wanted:
                    raise RecipeError(f"{unit.name}: simd must be {wanted}, the pe of {user.name}, not {given}")
                unit = unit.folded(simd=wanted)
            elif "simd" not in folding.get(unit.name, {}):
                unit = _match_rate(unit, makers.get(unit.inputs[0]), user)
        out.append(unit)
    return tuple(out)


def _match_rate(unit: Unit, maker: Unit | None, user: Unit) -> Unit:
    """The narrowest folding of a unit that does not slow its user down; one of the user's own width where there is one.

    Its words are those of its neighbours where a row begins with a word: no converter makes such words.
    """
    every = [unit.folded(**f) for f in unit.foldings()]
    first = maker.outs[0] if maker else None
    # where none fits, joining the units says what to give
    made = [w for w in every if _joins(first, w.ins[0]) and _joins(w.outs[0], user.ins[0])] or every
    quick = [w for w in made if w.cycles <= user.cycles] or [min(made, key=lambda w: w.cycles)]
    same = [w for w in quick if w.outs[0].par == user.ins[0].par]
    return min(same or quick, key=lambda w: w.outs[0].par)


def _joins(have: Stream | None, want: Stream) -> bool:
    """True where words of one stream can become words of the other; of the input's stream, None, where they are not by row."""
    if have is None:
        return not want.by_row
    return have.by_row == want.by_row and (not want.by_row or have.par == want.par)


def folding_of(dataflow: Dataflow) -> dict[str, dict[str, Any]]:
    """What `lower` needs to build this dataflow again: pe, simd, style and mult of every unit, depth of every fifo."""
    out: dict[str, dict[str, Any]] = {}
    for unit in dataflow.units:
        if unit.capacity:
            out[unit.name] = {"depth": unit.capacity}
        elif has := folding_fields(unit):
            out[unit.name] = {c: value for c in has if (value := getattr(unit, c))}
    return out


def save_folding(folding: Folding, path: Path) -> None:
    """Write a folding as JSON, one unit a line."""
    lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(dict(v))}" for k, v in folding.items())
    path.write_text(f"{{\n{lines}\n}}\n")


def load_folding(path: Path) -> dict[str, dict[str, Any]]:
    """Read a folding file; RecipeError when it is not one."""
    like = '{"conv1": {"pe": 4, "simd": 8}}'
    try:
        folding = read_json(path, f"write one like {like}")
    except RecipeError as e:
        raise RecipeError(f"{path}: is not a folding file ({brief(e)})") from e
    if not isinstance(folding, dict):
        raise RecipeError(f"{path}: must map units to foldings, not be a {type(folding).__name__}; write {like}")
    return check_folding(folding)
