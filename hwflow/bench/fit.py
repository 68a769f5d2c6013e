"""The cost models: units measured by Yosys side by side, and the coefficients that explain them best.

Stands on synth and bench.fit_units. `python -m hwflow.bench.fit` measures what the cache does not hold and writes
families/costs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bench.fit_loads import measure_loads
from hwflow.bench.fit_units import SEEDS, units
from hwflow.bench.measure import BATCH, key, measure_units
from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.families import HERE, cost_table, family_of, fitted
from hwflow.synth import yosys
from hwflow.units.kit import costs
from hwflow.units.kit.base import Unit
from hwflow.units.kit.costs import LOADER
from hwflow.units.kit.stores import WIDEST_ROM, rom_name


def measure_known(
    family: str,
    modules: Sequence[str] = (),
    kept: bool = False,
    minutes: float | None = None,
    having: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Module, shape and measurement of every unit of the fit: of `modules` alone where there are any, of those
    measured before alone where `kept`, of those and what can be measured in so many `minutes` where that is given, of
    those with one of the counts `having` where there are any."""
    some = [u for seed in SEEDS for u in units(seed) if not modules or u.module in modules]
    # some families' LUTs hold no memory that is written
    some = [
        u.folded(style="auto") if getattr(u, "style", "") == "lut" and "auto" in u.styles(family_of(family)) else u
        for u in some
    ]
    if having:
        some = [u for u in some if chosen(costs.counts(u.bill(u.structure()[1]), family_of(family))[0], having)]
    if minutes is not None:
        measure_within(minutes, some, family)
    if kept or minutes is not None:
        some = [u for u in some if key(u, family).is_file()]
    rows = []
    for unit, facts in zip(some, measure_units(some, family, print), strict=True):
        if facts:
            module, params = unit.structure()
            rows.append({"module": module, "bill": unit.bill(params), "measured": facts})
    return rows


def measure_within(minutes: float, some: Sequence[Unit], family: str) -> None:
    """Measure units in random order, BATCH in a synthesis, until the time is over: a fair sample of all of them.

    One unit of each module comes first, so that no module is left out.
    """
    end = time.monotonic() + 60 * minutes
    wanting = [u for u in some if not key(u, family).is_file()]
    mixed = [wanting[i] for i in np.random.default_rng(0).permutation(len(wanting))]
    first = {id(u) for u in {u.module: u for u in mixed}.values()}
    order = sorted(mixed, key=lambda u: id(u) not in first)
    for at in range(0, len(order), BATCH):
        if time.monotonic() > end:
            print(f"{family}: {len(order) - at} of {len(some)} units are left for another time")
            return
        measure_units(order[at : at + BATCH], family, print)


# ---------------------------------------------------------------- coefficients

PRIOR = {  # what one of a count costs before anything is measured: LUTs of six inputs and flip-flops
    "one": (8, 6), "counters": (1.5, 1), "address": (3, 2), "credit": (2.5, 2), "stored": (1, 0.0), "latched": (0.1, 1),
    "block": (2, 1), "out": (1, 2), "word": (0.1, 1), "in": (0.1, 1), "acc": (0.2, 1), "summed": (1, 0), "start": (0.4, 0), "sum": (0.5, 1), "clip": (0.8, 0), "clip_alone": (2, 0),
    "stairs": (0.7, 0.1), "levels": (0.5, 0), "copies": (2, 1), "skid_bits": (1, 2), "narrow_bits": (1, 1), "kept_bits": (0.7, 1), "widen_bits": (0.05, 1),
    "any_bits": (2, 1), "any_shifts": (0.3, 0), "kept": (0.5, 1), "late": (0, 1), "ahead": (0.3, 1), "held": (0, 1), "product": (1.2, 0), "bits0": (2, 0), "bits0_table": (4, 0), "bits0_block": (4, 0), "bits1": (3, 0), "bits1_block": (5, 0), "bits2_block": (5, 0),
    "bits1_table": (5, 0), "bits2": (3, 0), "bits2_table": (5, 0), "adders": (1.2, 0), "digits": (1.2, 0), "chains": (2, 0), "masked": (2, 0), "compared": (0, 1), "tree": (1, 0), "ternary": (1.5, 0), "less": (0.8, 0), "select": (0.7, 0),
    "signed": (1, 0), "choice": (1, 0), "alone": (1.6, 0), "rows": (1.6, 0), "registers": (0, 1), "register": (0.05, 1), "places": (0.1, 1), "replay": (0.5, 0), "raw": (0.5, 0), "reaches": (0.7, 0), "compare": (0.7, 0), "looked_up": (1, 0), "live": (1, 0), "live_small": (1, 0), "looked_stairs": (1, 0),
    "signs": (0.5, 0), "bits": (1, 1), "sorted": (1.5, 0), "index": (0.5, 1), "parts": (0.3, 0), "lanes": (0.3, 0), "banks": (1, 0), "turned": (1, 0),
    "states": (0.5, 1), "gates": (0.8, 0.1), "packed": (1, 0), "halves": (0.5, 0),
}  # fmt: skip
OTHER = (0.5, 0.3)
HOLD = 0.06  # how firmly a coefficient is held near its first guess
SIBLING = (
    0.5  # and near that of another family: on a quarter of the units left out, errors were least of 0.06, 0.2 and 0.5
)
ODD = 0.2  # relative error beyond which a unit counts less


def prior(count: str, family: str, resource: str) -> float:
    """The first guess of one coefficient."""
    if count in ("rom_whole", "table_whole", "rom_deep"):
        return 0.0 if resource == "ff" else 1.0
    if count[:-1] in ("rom", "table"):
        inputs = int(count[-1]) + (count[:-1] == "table")
        wide = family_of(family).lut_inputs
        return 0.0 if resource == "ff" else min(1.0, inputs / wide) if inputs <= wide else 1.7 * 2.0 ** (inputs - wide)
    lut, ff = PRIOR.get("tree" if count.startswith("tree_") else count.split("_fixed")[0].split("_few")[0], OTHER)
    if resource == "ff":
        return ff
    return lut if family_of(family).lut_inputs == 6 else 1.5 * lut


# counts that few random units have, so that each is held at its first guess at least: a coefficient that is not known
# is an error, because what costs nothing would be chosen by the planner
ROMS = ("rom_whole", "rom_deep", "latched", "block", *(f"rom{n}" for n in range(1, WIDEST_ROM + 1)))
KINDS = ("bits0", "bits1", "bits2", "select", "signed", "ternary", "product", "choice", "alone", "rows")
PAIRS = ("packed", "packed_few", "halves")
TREES = tuple(f"tree_{kind}{fixed}" for kind in KINDS[3:] for fixed in ("", "_fixed", "_few"))
RARE = {
    LOADER: ("one", "counters", "word", "register", "stored", "latched", "block"),
    "mvu": (*KINDS, *(f"{k}_fixed" for k in KINDS), *(f"{k}_few" for k in KINDS[3:]), *(f"{k}{held}" for k in KINDS[:3] for held in ("_table", "_block")), "adders_fixed", *TREES, "tree_dsp", *PAIRS, *ROMS, "stored", "table_whole",
            *(f"table{n}" for n in range(1, 7))),
    "mvu_net": ("one", "adders", "registers", "places", "out", "raw", "reaches", "stairs"),
    "vvu": ("bits", "select", "multiply", "product", "rows", "stairs", "raw", *ROMS),
    "threshold": ("compare", "compare_fixed", "live", "live_small", "looked_up", "looked_stairs", "stairs", "stairs_fixed", "falling", *ROMS),
    "rescale": ("product", "product_fixed", "product_few", "rows", "rows_fixed", "rows_few", "held", "digits", "sum", "sum_fixed", "sum_few", *ROMS),
    "window": ("late", "stored", "banks", "padded", "lanes", "widened", *ROMS),
    "lines": ("one", "credit", "counters", "position", "outside", "turned", "registers", "lanes", "widened", "stored", "latched", "block"),
    "pool": ("sum", "bits", "compare", "stored", *ROMS), "reduce": ("sum", "bits", "compare", *ROMS), "fifo": ("stored", "block", "latched"),
    "recur": ("bits", "adders", "tree", "select", "less", "rows", "product", "gates", "packed", "halves", *ROMS),
    "upsample": ("stored", "block", "latched"), "width": ("kept_bits", "widen_bits", "narrow_bits", "any_bits", "any_shifts", "any"),
}  # fmt: skip


def rare(module: str, family: str) -> set[str]:
    """The counts of RARE that a module can have on a family, whose ROMs go to a few of all the names there are."""
    roms = {rom_name(depth, 0, family_of(family))[0] for depth in range(1, 2**WIDEST_ROM + 1)}
    return {count for count in RARE.get(module, ()) if not count.startswith("rom") or count in roms}


def fit(family: str, kept: bool = False, only: Sequence[str] = (), minutes: float | None = None) -> dict[str, Any]:
    """The content of families/costs/<family>.json; `only` these modules anew where there are any.

    A coefficient comes with the number of measured units that have such a count: 0 says that it is the first guess, which
    is that of the family the table names in `from`, else PRIOR's.
    """
    mine = measure_known(family, only, kept, minutes)
    table = cost_table(family)
    first = table["from"]
    guesses = cost_table(first)["modules"] if first else {}
    modules: dict[str, dict[str, list[float]]] = {"recode": {}}
    if only:  # the others stay as they are, first guesses of another family where they are
        modules |= own_modules(table)
    elif LOADER in table["modules"]:
        modules[LOADER] = table["modules"][LOADER]
    modules |= coefficients(mine, family, guesses)
    day = datetime.now(timezone.utc).date().isoformat()
    return {"tool": yosys.version(), "date": day, "from": first, "modules": modules}


def coefficients(
    entries: Sequence[dict[str, Any]],
    family: str,
    guesses: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, dict[str, list[float]]]:
    """LUTs, flip-flops and the number of measurements of every count, module by module; those `fixed` are left out."""
    out, guesses, fixed = {}, guesses or {}, fixed or {}
    for module in sorted({e["module"] for e in entries}):
        rows = [e for e in entries if e["module"] == module]
        found = [costs.counts(e["bill"], family_of(family))[0] for e in rows]
        luts, flipflops = (solve(rows, module, family, r, guesses.get(module, {}), fixed) for r in ("lut", "ff"))
        number = {name: sum(f.get(name, 0) > 0 for f in found) for name in luts}
        out[module] = {name: [luts[name], flipflops[name], number[name]] for name in luts}
    return out


def refit(family: str, module: str, patterns: Sequence[str], minutes: float) -> dict[str, Any]:
    """A family's table with the coefficients of one module that match a pattern fitted anew, all others as they are.

    For a change of one part that a module stands on: units that have the part are measured alone. What the coefficients
    were before is their first guess, so that few measurements move them no further than they must.
    """
    table = {**cost_table(family), "date": datetime.now(timezone.utc).date().isoformat()}
    old: dict[str, list[float]] = table["modules"][module]
    fixed = {name: row for name, row in old.items() if not chosen([name], patterns)}
    rows = measure_known(family, [module], minutes=minutes, having=patterns)
    if not rows:
        raise RecipeError(f"{module}: no unit with {', '.join(patterns)} was measured on {family}; allow more minutes")
    guesses = {module: {name: row for name, row in old.items() if name not in fixed}}
    new = coefficients(rows, family, guesses, fixed)[module]
    mended = {**old, **{name: row for name, row in new.items() if row[2]}}
    return {**table, "modules": {**own_modules(table), module: mended}}


def own_modules(table: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """The modules of a table that rest on measurements of its own family; the others are those of the family in `from`."""
    every: dict[str, dict[str, list[float]]] = table["modules"]
    return {m: c for m, c in every.items() if not table["from"] or any(n for *_, n in c.values())}


def chosen(names: Iterable[str], patterns: Sequence[str]) -> bool:
    """Whether one of the names matches one of the patterns, `*` any letters."""
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def fit_loads(family: str) -> dict[str, Any]:
    """A family's table with the coefficients of memories that can be loaded measured anew."""
    table = cost_table(family)
    table["modules"] = {**table["modules"], **coefficients(measure_loads(family), family)}
    return table


def save(table: dict[str, Any], family: str) -> Path:
    """Write a family's table, one coefficient a line."""
    parts = [f" {json.dumps(k)}: {json.dumps(v)}," for k, v in table.items() if k != "modules"]
    modules = []
    for module, counts in sorted(table["modules"].items()):
        rows = ",\n".join(f"   {json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(counts.items()))
        modules.append(f"  {json.dumps(module)}: {{\n{rows}\n  }}" if rows else f"  {json.dumps(module)}: {{}}")
    file = HERE / "costs" / f"{family}.json"
    file.write_text("\n".join(["{", *parts, ' "modules": {', ",\n".join(modules), " }", "}"]) + "\n")
    return file


def solve(
    rows: Sequence[dict[str, Any]],
    module: str,
    family: str,
    resource: str,
    guesses: Mapping[str, Sequence[float]],
    fixed: Mapping[str, Sequence[float]],
) -> dict[str, float]:
    """Coefficients from 0 that explain one resource best, relative errors counted, held near a first guess: `guesses`, rows
    of another table, else PRIOR's. What has a row in `fixed` costs what that says."""
    found = [costs.counts(e["bill"], family_of(family))[0] for e in rows]
    names = sorted(({n for f in found for n in f} | rare(module, family)) - set(fixed))
    if not names:
        return {}
    column = ("lut", "ff").index(resource)
    guess = np.array([guesses[n][column] if n in guesses else prior(n, family, resource) for n in names], float)
    y = np.array([e["measured"][resource] for e in rows], float)
    known = np.array([sum(f.get(n, 0.0) * row[column] for n, row in fixed.items()) for f in found])
    a = np.array([[f.get(n, 0.0) for n in names] for f in found]).reshape(len(rows), len(names))
    firm = np.array([SIBLING if n in guesses else HOLD for n in names])
    hold, x = np.diag(firm / (guess + 0.1)), guess
    trust = np.ones(len(rows))
    for _ in range(4):
        weight = trust / (y + 8)
        rows_, ends = a * weight[:, None], (y - known) * weight
        x = nonnegative(np.concatenate([rows_, hold]), np.concatenate([ends, hold @ guess]), x)
        # a unit that the tool found a shortcut in, equal rows or an answer that never changes, tells little of others
        trust = 1 / np.sqrt(1 + (((a @ x + known - y) / (y + 8)) / ODD) ** 2)
    return {n: round(float(c), 4) for n, c in zip(names, x, strict=True)}


def nonnegative(a: Array, b: Array, x: Array) -> Array:
    """The x >= 0 with the least |a x - b|, by coordinate descent."""
    x, norms = x.copy(), (a * a).sum(0)
    rest = b - a @ x
    for _ in range(1500):
        for j in np.flatnonzero(norms > 0):
            new = max(x[j] + float(a[:, j] @ rest) / norms[j], 0.0)
            if new != x[j]:
                rest -= a[:, j] * (new - x[j])
                x[j] = new
    return x


def main(args: Sequence[str]) -> None:
    """Nothing: measure and fit every fitted family; `kept`: fit what was measured; `only MODULE ...`: measure and fit these
    anew; `loads`: memories that can be loaded; `family NAME [MODULE ...]`: measure and fit a family, or some modules of it;
    `family NAME minutes N`: measure for N minutes at most and fit what was measured until now; `part NAME MODULE minutes N
    PATTERN ...`: the like for the coefficients that match, all others as they are."""
    match list(args):
        case ["part", family, module, "minutes", most, *patterns] if patterns:
            print(f"fitted {save(refit(family, module, patterns, float(most)), family)}")
        case ["family", family, "minutes", most]:
            print(f"fitted {save(fit(family, minutes=float(most)), family)}")
        case ["family", family, *modules]:
            print(f"fitted {save(fit(family, only=modules), family)}")
        case ["loads"]:
            for family in fitted():
                print(f"fitted {save(fit_loads(family), family)}")
        case [] | ["kept"]:
            for family in fitted():
                print(f"fitted {save(fit(family, kept=bool(args)), family)}")
        case ["only", *modules]:
            for family in fitted():
                print(f"fitted {', '.join(modules)} in {save(fit(family, only=modules), family)}")
        case _:
            raise SystemExit(
                "python -m hwflow.bench.fit [kept | loads | only MODULE ... | family NAME [MODULE ... | minutes N] | part NAME MODULE minutes N PATTERN ...]"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
