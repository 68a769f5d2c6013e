"""The state of one training run: its model, optimizer, average and history, step by step.

Stands on data, losses, optimise and checkpoint.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hwflow.errors import RecipeError
from hwflow.recipe import Method, Recipe, Training
from hwflow.runs import write_note
from hwflow.train.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from hwflow.train.data import Batches, load, real_batch, test_split
from hwflow.train.diagnostics import inspect
from hwflow.train.export import real_input
from hwflow.train.layers import Norm
from hwflow.train.losses import Objective
from hwflow.train.optimise import make_optimizer, set_rate, share_gradients, train_twin
from hwflow.train.schedule import Schedule, learning_rate
from hwflow.train.tasks import as_arrays, detached, joined, task_of

NORMED = 50  # batches that the norms of averaged weights are measured on
LOOKED_AT = 128  # images that the diagnostics of an epoch are measured on


def looked_at(recipe: Recipe) -> tuple[Tensor, Tensor]:
    """The batch that diagnostics look at: the first held-out images, as the network takes them, and their labels."""
    x, y = test_split(recipe)
    return real_input(recipe, x[:LOOKED_AT]), torch.tensor(y[:LOOKED_AT])


class Run:
    """The state of a run between two steps, new or as a checkpoint (`kept`) holds it; `epoch` moves it on."""

    def __init__(
        self, recipe: Recipe, device: torch.device, rank: int = 0, world: int = 1, kept: dict[str, Any] | None = None
    ):
        training, self.task = recipe.training, task_of(recipe.task)
        if self.task.placed and training.augment:
            raise RecipeError(f"{recipe.name}: augmentation would move images and not what they show; leave it out")
        torch.manual_seed(training.seed)
        self.recipe, self.device, self.rank, self.world = recipe, device, rank, world
        self.done, self.step, self.elapsed = 0, 0, 0.0  # whole epochs; steps and seconds of the epoch under way
        self.sums = torch.zeros(3, device=device)  # loss, right answers and images of the epoch under way
        self.history: list[dict[str, Any]] = []
        self.start: dict[str, Any] | None = None
        train_set, test_set = load(recipe.data)
        self.batches, self.test = Batches(train_set, training, device, rank, world), test_set
        self.looked_at = tuple(v.to(device) for v in looked_at(recipe))
        if len(self.batches) == 0:
            raise RecipeError(f"{recipe.name}: has no training images; give it data")
        self.twin = self._teacher(kept) if training.rbd or training.logits else None
        torch.manual_seed(training.seed)
        self.model = recipe.network(recipe.method).to(device)
        self.schedule = Schedule(self.model, training.epochs * len(self.batches))
        self.optimizer = make_optimizer(recipe, self.model)
        self.average = copy.deepcopy(self.model.state_dict()) if training.ema else None
        self.objective = Objective(training, self.model, self.twin, self.batches.mean() / recipe.denominator, self.task)
        self.runner: nn.Module = torch.compile(self.model) if training.compile else self.model  # type: ignore[assignment]
        # half precision is sound for training alone: every evaluation and the export run in float32
        self.amp = training.amp and has_bfloat16(device)
        if kept:
            self._restore(kept)

    def _teacher(self, kept: dict[str, Any] | None) -> nn.Module:
        if not kept:
            return train_twin(self.recipe, self.batches, self.device)
        twin = self.recipe.network(replace(self.recipe.method, full=True)).to(self.device)
        twin.load_state_dict(kept["twin"])
        return twin.eval().requires_grad_(False)

    def epoch(self, pause: Callable[[], bool] = lambda: False) -> dict[str, Any] | None:
        """The rest of the epoch under way; the row it adds to the history, or None where `pause`, asked after every step, says stop."""
        training, begin, before = self.recipe.training, time.monotonic(), self.elapsed
        self.model.train()
        steps = len(self.batches)
        for x, y in self.batches.epoch(self.done, self.step):
            now = self.done * steps + self.step
            lr = learning_rate(training, now, training.epochs * steps, steps)
            set_rate(self.optimizer, lr)
            self.schedule.advance(now)
            self.sums += self._step(real_batch(self.recipe, x), y)
            self.step, self.elapsed = self.step + 1, before + time.monotonic() - begin
            if self.step < steps and pause():
                return None
        if self.world > 1:
            dist.all_reduce(self.sums)
        loss, right, seen = self.sums.tolist()
        lr = learning_rate(training, (self.done + 1) * steps - 1, training.epochs * steps, steps)
        row = {"epoch": self.done + 1, "loss": loss / seen, "train_accuracy": right / seen, "lr": lr}
        self.done, self.step = self.done + 1, 0
        self.sums.zero_()
        if self.average is not None and self.done == training.epochs:
            self.average = self._averaged().state_dict()
        if self.done % training.evaluate_every == 0 or self.done == training.epochs:
            row["accuracy"] = self.evaluate()
        if self.rank == 0:
            row["layers"] = inspect(self.model, self.task, *self.looked_at)
            if self.twin is not None:
                row["distances"] = self.objective.distances(self.model, self.looked_at[0])
        row["seconds"], self.elapsed = round(before + time.monotonic() - begin, 3), 0.0
        self.history.append(row)
        return None if pause() else row

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            loss, scores = self.objective(self.runner, x, y)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        share_gradients(self.model, self.world)
        self.optimizer.step()
        if self.average is not None:
            self._blend(self.recipe.training.ema)
        right = self.task.hits(detached(scores), y)
        return torch.stack([loss.detach().float() * len(y), right.float(), loss.new_full((), len(y)).float()])

    @torch.no_grad()
    def _blend(self, decay: float) -> None:
        assert self.average is not None
        now = self.model.state_dict()
        real = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.average[n] for n in real], [now[n] for n in real], 1 - decay)
        for name in now.keys() - set(real):
            self.average[name].copy_(now[name])

    def best_model(self) -> nn.Module:
        """The model to hand over: the averaged weights where the run averages, else the latest."""
        if self.average is None:
            return self.model
        if self.done < self.recipe.training.epochs:
            return self._averaged()
        out = self.recipe.network(self.recipe.method).to(self.device)
        out.load_state_dict(self.average)  # whose norms were measured at the end of the last epoch
        return out

    @torch.no_grad()
    def _averaged(self) -> nn.Module:
        """A model of the averaged weights whose norms are measured anew, on the first NORMED batches of the next epoch.

        Averages of weights have other bits than any step had, so the averages of its statistics are not theirs.
        """
        assert self.average is not None
        out = self.recipe.network(self.recipe.method).to(self.device)
        out.load_state_dict(self.average)
        out.train()
        norms = [m for m in out.modules() if isinstance(m, Norm)]
        for count, (x, _) in enumerate(islice(self.batches.epoch(self.done), NORMED), 1):
            for norm in norms:
                norm.momentum = 1 / count  # the mean of all batches so far
            out(real_batch(self.recipe, x))
        return out

    @torch.no_grad()
    def evaluate(self, chunk: int = 1000) -> float:
        """How good the answers to the whole held-out split are, now: accuracy, or what the task measures instead."""
        model, parts = self.best_model().eval(), []
        for i in range(0, len(self.test), chunk):
            x = torch.from_numpy(self.test.x[i : i + chunk]).to(self.device).permute(0, 3, 1, 2)
            parts.append(as_arrays(model(real_batch(self.recipe, x))))
        model.train()
        return self.task.score(joined(parts), self.test.y)

    def metrics(self) -> dict[str, Any]:
        """What is known of the run now."""
        last = self.history[-1] if self.history else {}
        return {
            **self.recipe.spec(), "epochs": self.done, "accuracy": last.get("accuracy"), "images": len(self.test),
            "seconds": round(sum(r["seconds"] for r in self.history), 3), "device": self.device.type,
            "processes": self.world, "start": self.start, "versions": versions(), "history": self.history,
        }  # fmt: skip

    def save(self, path: Path) -> None:
        """Write everything that the next step depends on."""
        write_checkpoint({
            "recipe": self.recipe.spec(), "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
            "average": self.average, "done": self.done, "step": self.step, "sums": self.sums, "elapsed": self.elapsed,
            "history": self.history, "start": self.start, "twin": self.twin.state_dict() if self.twin else None,
        }, path)  # fmt: skip

    def note(self, folder: Path, finished: bool = False) -> None:
        """Leave in `folder` how far the run is, for `hwflow runs`."""
        steps = len(self.batches)
        last = self.history[-1] if self.history else {}
        measured = [row["accuracy"] for row in self.history if "accuracy" in row]
        write_note(
            folder,
            name=self.recipe.name,
            source=self.recipe.source,
            epochs=self.recipe.training.epochs,
            progress=(self.done * steps + self.step) / (self.recipe.training.epochs * steps),
            seconds=sum(row["seconds"] for row in self.history) + self.elapsed,
            loss=last.get("loss"),
            accuracy=measured[-1] if measured else None,
            finished=finished,
        )

    def begin(self, where: Path) -> None:
        """Take the weights of another run of the same network, and remember where they came from and what they cost."""
        kept = read_checkpoint(where / CHECKPOINT if where.is_dir() else where)
        try:
            self.model.load_state_dict(kept.get("average") or kept["model"])
        except RuntimeError as e:
            raise RecipeError(
                f"{where}: holds the weights of another network than {self.recipe.name}; start from one of the same layers"
            ) from e
        if self.average is not None:
            self.average = copy.deepcopy(self.model.state_dict())
        before = kept.get("start") or {}
        seconds = sum(row["seconds"] for row in kept["history"]) + before.get("seconds", 0)
        epochs = kept["done"] + before.get("epochs", 0)
        self.start = {"recipe": kept["recipe"], "epochs": epochs, "seconds": round(seconds, 3)}

    def _restore(self, kept: dict[str, Any]) -> None:
        self.model.load_state_dict(kept["model"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.average, self.done, self.history = kept["average"], kept["done"], kept["history"]
        self.step, self.elapsed, self.start = kept["step"], kept["elapsed"], kept["start"]
        self.sums.copy_(kept["sums"])


def kept_run(recipe: Recipe, path: Path) -> dict[str, Any]:
    """The checkpoint `path` of a run of `recipe`; a RecipeError if it is another recipe's."""
    kept = read_checkpoint(path)
    mine, theirs = recipe.spec(), kept["recipe"]
    # what is younger than the checkpoint has its default there
    theirs = {
        **theirs,
        **{k: {**d, **theirs[k]} for k, d in (("method", asdict(Method())), ("training", asdict(Training())))},
    }
    for key in ("name", "data", "input", "method", "training"):
        if json.dumps(mine[key], sort_keys=True) != json.dumps(theirs[key], sort_keys=True):
            raise RecipeError(
                f"{path}: was trained with another {key} ({theirs[key]}, now {mine[key]}); resume with the same recipe"
            )
    return kept


def has_bfloat16(device: torch.device) -> bool:
    """Whether the machine multiplies bfloat16 itself: every GPU here, and CPUs with AVX-512 BF16; others only imitate it."""
    return device.type == "cuda" or bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def versions() -> dict[str, str]:
    """What made a result: torch, brevitas, python."""
    import platform
    from importlib.metadata import version

    return {"torch": version("torch"), "brevitas": version("brevitas"), "python": platform.python_version()}
