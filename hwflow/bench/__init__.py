"""The tables of docs/pages/results: each part measures here and now and says with which tools.

Stands on the rooms it measures; each part is one function that returns rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from hwflow.errors import RecipeError

# part -> (module, function); each function takes `say` and returns rows, one dict a line of the table
PARTS = {
    "compiler": ("hwflow.bench.compiler", "rows"),
    "cpu": ("hwflow.bench.cpu", "rows"),
    "layers": ("hwflow.bench.layers", "rows"),
    "threads": ("hwflow.bench.threads", "rows"),
    "arm": ("hwflow.bench.arm", "arm_rows"),
    "micro": ("hwflow.bench.micro", "rows"),
    "costs": ("hwflow.bench.holdout", "rows"),
    "fifos": ("hwflow.bench.fifos", "rows"),
    "fits": ("hwflow.bench.fits", "rows"),
    "rtl": ("hwflow.bench.rtl", "rows"),
    "nets": ("hwflow.bench.rtl", "network_rows"),
    "wide": ("hwflow.bench.rtl", "wide_rows"),
    "breadth": ("hwflow.bench.breadth", "breadth_rows"),
    "boards": ("hwflow.bench.boards", "bench_rows"),
    "clocks": ("hwflow.bench.clocks", "rows"),
    "faults": ("hwflow.bench.faults", "rows"),
    "link": ("hwflow.bench.link", "rows"),
    "soak": ("hwflow.bench.soak", "rows"),
    "train": ("hwflow.bench.training", "rows"),
    "steps": ("hwflow.bench.training", "step_rows"),
    "experiment": ("hwflow.bench.experiment", "rows"),
    "bits": ("hwflow.bench.bits", "rows"),
    "trained": ("hwflow.bench.trained", "rows"),
    "tasks": ("hwflow.bench.tasks", "rows"),
    "compact": ("hwflow.bench.compact", "rows"),
    "explore": ("hwflow.bench.explored", "rows"),
}

# the parts whose rows take so long that those of one network or board alone may be measured
SOME = ("boards", "clocks")
SPREAD = ("fits",)  # the parts that a cluster can measure: counts of cells, which are the same on every machine


def bench(
    part: str,
    say: Callable[[str], None],
    cluster: str | None = None,
    keep: Callable[[list[dict[str, Any]], bool], None] = lambda _, __: None,
    only: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The rows of one part of PARTS, by the workers of a cluster where its address is given.

    `keep` is given the rows so far and whether there are more: behind each one in a part that yields them one by one, and
    all rows at the end. `only`: networks or boards whose rows alone are measured, in the parts SOME.
    """
    if cluster is not None and part not in SPREAD:
        raise RecipeError(f"--cluster is of the parts {', '.join(SPREAD)}; {part} measures this machine")
    if only and part not in SOME:
        raise RecipeError(f"--only is of the parts {', '.join(SOME)}; {part} is measured as a whole")
    module, function = PARTS[part]
    say(f"bench {part}")
    options = {**({"cluster": cluster} if cluster else {}), **({"only": only} if only else {})}
    found = getattr(import_module(module), function)(say, **options)
    rows: list[dict[str, Any]] = []
    for row in found:
        rows.append(row)
        if not isinstance(found, list):
            keep(rows, True)
    keep(rows, bool(only))
    return rows
