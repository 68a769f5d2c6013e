"""What each method is worth: the same network, data and number of steps, one method added after another, several seeds.

Stands on the loop. Rows are kept in a JSON file as they are finished, so a run can be interrupted and gone on with.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hwflow.errors import RecipeError
from hwflow.places import MODELS
from hwflow.recipe import Method, Recipe
from hwflow.train.loop import measure
from hwflow.train.recipes import load_recipe
from hwflow.train.run import versions


@dataclass(frozen=True)
class Row:
    """One line of the table: its name, its method, and what it changes in the plan."""

    name: str
    method: Method
    plan: dict[str, Any] = field(default_factory=dict)


ROWS = (
    Row("STE", Method(weights="sign", estimator="ste")),
    Row("EDE", Method(weights="sign", estimator="ede")),
    Row("DTE", Method(weights="sign", estimator="dte")),
    Row("DTE + IMB", Method(weights="imb", estimator="dte")),
    Row("DTE + IMB + RBD", Method(weights="imb", estimator="dte"), {"rbd": 1.0}),
    Row("DTE + IMB + restriction", Method(weights="imb", estimator="dte"), {"restriction": True}),
)


def run(
    spec: str,
    path: Path,
    *,
    epochs: int,
    limit: int,
    seeds: int = 3,
    label: str = "",
    say: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Train every row of the table on recipe `spec` and return the rows, also kept in `path`.

    Equal budget: `epochs` passes over the first `limit` training images (0: all), the same plan, seeds 0 .. seeds - 1.
    A row has name, accuracies (share of the whole held-out split at the last epoch, for each seed), mean, deviation (of
    the sample; None for one seed). `label` says more of the data than its name. The teacher of RBD trains on the same
    images, beside this budget.
    """
    base = load_recipe(spec)
    plan = replace(base.plan, epochs=epochs, limit=limit, teacher_epochs=epochs, evaluate_every=epochs, augment=())
    table = _opened(path, replace(base, plan=plan), seeds, label)
    for row in ROWS:
        entry = table["rows"].setdefault(row.name, {"name": row.name, "accuracies": []})
        for seed in range(len(entry["accuracies"]), seeds):
            recipe = replace(base, method=row.method, plan=replace(plan, seed=seed, **row.plan))
            metrics = measure(recipe)
            entry["accuracies"].append(metrics["accuracy"])
            _summarise(entry)
            _kept(path, table)
            say(f"{row.name}, seed {seed}: {100 * metrics['accuracy']:.2f} % in {metrics['seconds']:.0f} s")
    return list(table["rows"].values())


def _opened(path: Path, recipe: Recipe, seeds: int, label: str) -> dict[str, Any]:
    plan = recipe.plan
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if kept and not label and kept["data"] != recipe.data:
        label = kept["data"]
    head = {
        "command": f"python -m hwflow.bench.ablation {recipe.source} {path.name} --epochs {plan.epochs} --limit {plan.limit} --seeds {seeds}"
        + (f" --label '{label}'" if label else ""),
        "network": recipe.source, "data": label or recipe.data, "epochs": plan.epochs, "images": plan.limit, "seeds": seeds,
        "versions": versions(),
    }  # fmt: skip
    for key in ("network", "epochs", "images") if kept else ():
        if kept[key] != head[key]:
            raise RecipeError(f"{path}: was made with {key} {kept[key]}, not {head[key]}; name another file")
    return {**head, "rows": kept.get("rows", {})}


def _summarise(entry: dict[str, Any]) -> None:
    found = entry["accuracies"]
    entry["mean"] = round(statistics.mean(found), 5)
    entry["deviation"] = round(statistics.stdev(found), 5) if len(found) > 1 else None


def _kept(path: Path, table: dict[str, Any]) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(table, indent=1) + "\n")
    part.replace(path)


# what `hwflow bench ablation` shows: recipe, file in models/trained, epochs, images, seeds
TABLES = (
    ("cnv:cnv-tiny", "ablation-mnist.json", 5, 6000, 3),
    ("cnv:cnv-mini", "ablation-cifar10-jpeg.json", 5, 6000, 1),
)


def rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The rows of `hwflow bench ablation`: the kept tables; what they lack is trained first (all of it: 20 minutes)."""
    out = []
    for spec, name, epochs, limit, seeds in TABLES:
        path = MODELS / "trained" / name
        for row in run(spec, path, epochs=epochs, limit=limit, seeds=seeds, say=say):
            out.append({
                "data": json.loads(path.read_text())["data"], "network": spec, "method": row["name"],
                "held-out accuracy [%]": _told(row), "seeds": len(row["accuracies"]),
                "budget": f"{epochs} epochs of {limit:,} images",
            })  # fmt: skip
    return out


def _told(row: dict[str, Any]) -> str:
    spread = "" if row["deviation"] is None else f" ± {100 * row['deviation']:.2f}"
    return f"{100 * row['mean']:.2f}{spread}"


def markdown(path: Path) -> str:
    """The table of a kept run as Markdown, with its budget and its command."""
    table = json.loads(path.read_text())
    lines = ["| method | held-out accuracy [%] | seeds |", "|---|---|---|"]
    for row in table["rows"].values():
        lines.append(f"| {row['name']} | {_told(row)} | {len(row['accuracies'])} |")
    images = f"{table['images']:,} training images" if table["images"] else "all training images"
    budget = f"{table['network']} on {table['data']}, {table['epochs']} epochs over {images}: `{table['command']}`"
    return "\n".join([*lines, "", budget])


def main(arguments: list[str] | None = None) -> None:
    """The command line: SPEC FILE --epochs E --limit N --seeds S --label TEXT."""
    import argparse

    parser = argparse.ArgumentParser(prog="hwflow.bench.ablation", description=main.__doc__)
    parser.add_argument("spec")
    parser.add_argument("path", type=Path)
    for name, value in (("--epochs", 5), ("--limit", 0), ("--seeds", 3)):
        parser.add_argument(name, type=int, default=value)
    parser.add_argument("--label", default="", help="what the data are, where their name does not say it all")
    given = parser.parse_args(arguments)
    run(
        given.spec, given.path, epochs=given.epochs, limit=given.limit, seeds=given.seeds, label=given.label,
        say=lambda line: print(line, flush=True),
    )  # fmt: skip
    print(markdown(given.path))


if __name__ == "__main__":
    main()
