"""Trained networks that are kept: from a run's folder to net.npz and metrics.json, and scored again from there.

Stands on fold, net and the loop: what is kept is integers, proven equal to PyTorch on every held-out image.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.answers import parts
from hwflow.errors import ModelError, RecipeError
from hwflow.fold import fold, in_one_unit
from hwflow.net import Net
from hwflow.places import MODELS
from hwflow.qonnx import read
from hwflow.recipe import METHODS, changed, method_of, training_of
from hwflow.train.checkpoint import METRICS, MODEL, torch_answers
from hwflow.train.data import load
from hwflow.train.loop import as_json
from hwflow.train.recipes import load_recipe
from hwflow.train.tasks import task_of

TRAINED = MODELS / "trained"
NET = "net.npz"


def keep(
    run: Path, out: Path, note: str = "", images: int = 0, answer: Callable[[Net, np.ndarray], np.ndarray] | None = None
) -> dict[str, Any]:
    """Fold the run in folder `run` and write out/net.npz and out/metrics.json; the metrics.

    To the run's metrics come `command`, `note` (what a reader must know of the data or the budget) and `net`: accuracy
    of the integers on the first `images` held-out images (0: all) and bytes. What the layers know stays at evaluated
    epochs only. `answer` gives the integers of the net instead of `answers_of`, another engine's. A ModelError if a single score
    differs from PyTorch's.
    """
    metrics = json.loads((run / METRICS).read_text())
    net = fold(read(run / MODEL))
    x, labels = (part[: images or None] for part in held_out(metrics["data"], net))
    found = list(parts(net.real((answer or answers_of)(net, x))).values())
    wrong = [
        (a.reshape(len(x), -1) != b.reshape(len(x), -1)).any(1)
        for a, b in zip(found, torch_answers(run, x), strict=True)
    ]
    differing = int(np.any(wrong, axis=0).sum())
    if differing:
        raise ModelError(f"{run}: the scores of {differing} of {len(x)} images differ between PyTorch and the integers")
    out.mkdir(parents=True, exist_ok=True)
    net.save(out / NET)
    metrics["command"] = command_of(metrics)
    metrics |= {"note": note} if note else {}
    metrics.pop("sha256", None)  # of files that stay in the run's folder
    metrics["net"] = {
        "accuracy": score_of(metrics, found, labels),
        "images": len(x),
        "differing_from_torch": differing,
        "bytes": (out / NET).stat().st_size,
    }
    for row in metrics["history"]:
        if "accuracy" not in row:
            row.pop("layers", None)
    (out / METRICS).write_text(as_json(metrics))
    return metrics


def keep_again(out: Path) -> dict[str, Any]:
    """Write the net.npz of a kept network anew in today's format, its answers in one unit; the metrics with its bytes."""
    metrics = json.loads((out / METRICS).read_text())
    in_one_unit(Net.load(out / NET)).save(out / NET)
    metrics["net"]["bytes"] = (out / NET).stat().st_size
    (out / METRICS).write_text(as_json(metrics))
    return metrics


def command_of(metrics: dict[str, Any]) -> str:
    """The command line that repeats a run of the models room; a RecipeError where no option says what was changed."""
    file, _, name = metrics["source"].partition(":")
    recipe, method, training = load_recipe(metrics["source"]), method_of(metrics), training_of(metrics)
    options = {
        key: getattr(training, key) for key in OPTIONS if getattr(training, key) != getattr(recipe.training, key)
    }
    if method != recipe.method:
        names = [n for n in METHODS if changed(recipe, n).method == method]
        options |= {"method": names[0]} if names else {}
    start = metrics.get("start")
    again = changed(recipe, **options, evaluate_every=training.evaluate_every)  # looking more often changes nothing
    if (again.method, again.training) != (method, training):
        raise RecipeError(f"{metrics['name']}: was trained with values or a method that {metrics['source']} has not")
    return " ".join(
        [
            f"hwflow train models/{file}.py:{name}",
            *(f"--{k} {v:g}" if k == "lr" else f"--{k} {v}" for k, v in options.items()),
            *([f"--start build/{start['recipe']['name']}"] if start else []),
        ]
    )


OPTIONS = ("epochs", "lr", "seed", "threads")  # of `hwflow train`, beside --method


def score_of(metrics: dict[str, Any], found: list[np.ndarray], shown: np.ndarray) -> float:
    """How good a network's own answers, output by output, are for what the images show: what its task measures."""
    return task_of(metrics.get("task", "classify")).score(found, shown)


def held_out(data: str, net: Net) -> tuple[np.ndarray, np.ndarray]:
    """All held-out images of `data` in the shape `net` takes, and their labels."""
    test = load(data)[1]
    return test.x.reshape(len(test), *net.input.shape), test.y


def answers_of(net: Net, x: np.ndarray, chunk: int = 250) -> np.ndarray:
    """The integer answers (n, outputs) of `net`, some images at a time: a whole split of a large network fills the memory."""
    return np.concatenate([net.run(x[i : i + chunk]) for i in range(0, len(x), chunk)])


def main(arguments: list[str] | None = None) -> None:
    """The command line: keep the run in folder RUN as OUT/net.npz and OUT/metrics.json; where both are one, in today's format."""
    import argparse

    parser = argparse.ArgumentParser(prog="hwflow.train.kept", description=main.__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--note", default="", help="what a reader must know of the data or the budget")
    parser.add_argument(
        "--images", type=int, default=0, help="compare with PyTorch on so many held-out images; 0 is all"
    )
    given = parser.parse_args(arguments)
    again = given.run.resolve() == given.out.resolve()
    metrics = keep_again(given.out) if again else keep(given.run, given.out, given.note, given.images)
    print(json.dumps(metrics["net"]))


if __name__ == "__main__":
    main()
