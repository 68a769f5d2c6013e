"""Train a small recipe under torchrun: `torchrun --nproc-per-node N tests/train_worker.py OUT`. Writes OUT/history.json."""

import json
import os
import sys
from pathlib import Path

from hwflow.recipe import Method, Plan, Recipe
from hwflow.train import load_recipe, train


def small(**changes) -> Recipe:
    """A two-layer perceptron on 400 digits, in the shape of mlp:digits; `changes` go to its plan, `method` to itself."""
    method = changes.pop("method", Method())
    build = load_recipe("mlp:digits").network
    plan = Plan(**{"epochs": 4, "batch": 40, "lr": 5e-3, "limit": 400, "threads": 1, **changes})
    recipe = load_recipe("mlp:digits")
    return Recipe("small", lambda m: build(m, width=24, hidden=1), "digits", "u8/16", True, method, plan, recipe.source)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    metrics = train(small(augment=("shift",), shift=1, rbd=0.5, teacher_epochs=1), out, progress=False, stop_after=3)
    if int(os.environ.get("RANK", 0)) == 0:
        (out / "history.json").write_text(json.dumps(metrics["history"]))
