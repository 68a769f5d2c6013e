"""Train a small recipe under torchrun: `torchrun --nproc-per-node N tests/train_worker.py OUT`. Writes OUT/history.json."""

import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from hwflow.recipe import Method, Recipe, Training
from hwflow.train import load_recipe, loop, train


def small(**changes) -> Recipe:
    """A two-layer perceptron on 400 digits, in the shape of mlp:digits; `changes` go to its plan, `method` to itself."""
    method = changes.pop("method", Method())
    build = load_recipe("mlp:digits").network
    plan = Training(**{"epochs": 4, "batch": 40, "lr": 5e-3, "limit": 400, "threads": 1, **changes})
    recipe = load_recipe("mlp:digits")
    return Recipe("small", lambda m: build(m, width=24, hidden=1), "digits", "u8/16", True, method, plan, recipe.source)  # type: ignore[call-arg]


def killed(recipe: Recipe, out: Path, times: int) -> int:
    """Train in child processes that are killed at random moments, `times` times, and once to the end; kills that met training."""
    loop.SAVE_EVERY = 0.0
    dice, met = random.Random(7), 0
    for attempt in range(times + 1):
        child = os.fork()
        if child == 0:
            train(recipe, out, progress=False, resume=True)
            os._exit(0)
        if attempt < times:
            time.sleep(dice.uniform(0.02, 0.4))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        met += os.WIFSIGNALED(status)
    assert status == 0
    return met


if __name__ == "__main__":
    out = Path(sys.argv[1])
    distilled = small(augment=("shift",), shift=1, rbd=0.5, teacher_epochs=1)
    if "--killed" in sys.argv:
        recipe = replace(distilled, training=replace(distilled.training, ema=0.9, epochs=6))
        print(killed(recipe, out, int(sys.argv[3])))
    else:
        metrics = train(distilled, out, progress=False, stop_after=3)
        if int(os.environ.get("RANK", 0)) == 0:
            (out / "history.json").write_text(json.dumps(metrics["history"]))
