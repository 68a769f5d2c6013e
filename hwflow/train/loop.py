"""Train a recipe: epochs, checkpoints, resume, several processes, metrics, and the exported network at the end.

Stands on everything else in this room.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.recipe import Recipe, method_of, plan_of
from hwflow.train import export as exporting
from hwflow.train.data import Batches, Images, load, test_split
from hwflow.train.diagnostics import inspect, plot
from hwflow.train.losses import Objective
from hwflow.train.recipes import load_recipe
from hwflow.train.schedule import Schedule, learning_rate

CHECKPOINT, MODEL, METRICS, CURVES = "checkpoint.pt", "model.onnx", "metrics.json", "curves.png"
LOOKED_AT = 128  # images that the diagnostics of an epoch are measured on
SAVE_EVERY = 15.0  # seconds between checkpoints; the last epoch is always kept


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    progress: bool = True,
    stop_after: int | None = None,
    start: Path | None = None,
) -> dict[str, Any]:
    """Train `recipe` into folder `out` and return its metrics.

    Writes checkpoint.pt, model.onnx (checked against PyTorch), metrics.json and curves.png. With `resume` it goes on
    from out/checkpoint.pt, on CPU to the same bits as a run that was never stopped. `stop_after` ends early after so many
    epochs, without exporting. `start` takes the first weights from another run of the same network. Under torchrun every process trains its part of each batch and the first one writes.
    """
    out = Path(out)
    with _processes() as (rank, world, device), threads(recipe.plan.threads):
        run = _Run(recipe, device, rank, world)
        if start is not None:
            run.begin(Path(start))
        if resume:
            run.restore(out / CHECKPOINT)
        if rank == 0:
            out.mkdir(parents=True, exist_ok=True)
        last = min(recipe.plan.epochs, stop_after or recipe.plan.epochs)
        with _bar(progress and rank == 0, recipe.name, recipe.plan.epochs, run.done) as tick:
            saved = time.monotonic()
            for epoch in range(run.done, last):
                row = run.epoch(epoch)
                tick(row)
                if rank == 0 and (epoch + 1 == last or time.monotonic() - saved > SAVE_EVERY):
                    run.save(out / CHECKPOINT)
                    saved = time.monotonic()
        if rank or last < recipe.plan.epochs:
            return run.metrics()
        return finish(run.best_model(), recipe, run.metrics(), out)


def measure(recipe: Recipe) -> dict[str, Any]:
    """Train `recipe` in this process, write nothing, and return its metrics: what a comparison of methods needs."""
    with threads(recipe.plan.threads):
        run = _Run(recipe, torch.device("cuda" if torch.cuda.is_available() else "cpu"), 0, 1)
        for epoch in range(recipe.plan.epochs):
            run.epoch(epoch)
        return run.metrics()


def finish(model: nn.Module, recipe: Recipe, metrics: dict[str, Any], out: Path) -> dict[str, Any]:
    """Evaluate on the whole held-out split, inspect, export, write metrics.json and curves.png; the full metrics."""
    x, y = test_split(recipe)
    model = model.cpu()
    scores = exporting.outputs(exporting.freeze(model), recipe, x)
    metrics["accuracy"] = float((scores.argmax(1) == y).mean())
    metrics["images"] = len(y)
    metrics["diagnostics"] = inspect(model, *_looked_at(recipe))
    exporting.export(model, recipe, x[:: max(1, len(x) // 100)][:100], out / MODEL)
    part = out / (METRICS + ".part")
    part.write_text(told(metrics))
    part.replace(out / METRICS)
    plot(metrics, out / CURVES)
    return metrics


def _looked_at(recipe: Recipe) -> tuple[Tensor, Tensor]:
    """The batch that diagnostics look at: the first held-out images, as the network takes them, and their labels."""
    x, y = test_split(recipe)
    return exporting.real_input(recipe, x[:LOOKED_AT]), torch.tensor(y[:LOOKED_AT])


def told(metrics: dict[str, Any]) -> str:
    """`metrics` as JSON: a line for each entry, and for each row of a list."""
    entries = []
    for key, value in metrics.items():
        rows = isinstance(value, list) and value and isinstance(value[0], dict)
        text = "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]" if rows else json.dumps(value)
        entries.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def load_model(where: Path) -> tuple[nn.Module, Recipe]:
    """The trained model of a checkpoint (a file, or the folder that holds one) and its recipe."""
    path = where / CHECKPOINT if where.is_dir() else where
    kept = _read(path)
    recipe = recipe_of(kept["recipe"])
    model = recipe.network(recipe.method)
    try:
        model.load_state_dict(kept.get("average") or kept["model"])
    except RuntimeError as e:
        raise RecipeError(
            f"{path}: does not fit the network {recipe.source} any more; train it again ({str(e).splitlines()[0]})"
        ) from e
    return model, recipe


def torch_outputs(where: Path, x: Array) -> Array:
    """PyTorch's float32 scores (n, outputs) for input integers, from a checkpoint or the folder that holds one."""
    model, recipe = load_model(Path(where))
    return exporting.outputs(exporting.freeze(model), recipe, np.asarray(x))


def recipe_of(spec: dict[str, Any]) -> Recipe:
    """The recipe a checkpoint was trained with: the code from its source, all values from the checkpoint."""
    base = load_recipe(spec["source"])
    return replace(
        base, name=spec["name"], data=spec["data"], input=spec["input"], method=method_of(spec), plan=plan_of(spec)
    )


class _Run:
    """The state of a run between epochs."""

    def __init__(self, recipe: Recipe, device: torch.device, rank: int, world: int):
        plan = recipe.plan
        torch.manual_seed(plan.seed)
        self.recipe, self.device, self.rank, self.world, self.done = recipe, device, rank, world, 0
        self.history: list[dict[str, Any]] = []
        self.start: dict[str, Any] | None = None
        train_set, test_set = load(recipe.data)
        self.batches, self.test = Batches(train_set, plan, device, rank, world), test_set
        self.looked_at = tuple(v.to(device) for v in _looked_at(recipe))
        if len(self.batches) == 0:
            raise RecipeError(f"{recipe.name}: has no training images; give it data")
        self.twin = _twin(recipe, self.batches, device) if plan.rbd or plan.logits else None
        torch.manual_seed(plan.seed)
        self.model = recipe.network(recipe.method).to(device)
        self.schedule = Schedule(self.model, plan.epochs * len(self.batches))
        self.optimizer = _optimizer(recipe, self.model)
        self.average = copy.deepcopy(self.model.state_dict()) if plan.ema else None
        self.objective = Objective(plan, self.model, self.twin, self.batches.mean() / recipe.denominator)
        self.runner: nn.Module = torch.compile(self.model) if plan.compile else self.model  # type: ignore[assignment]
        # half precision is sound for training alone: every evaluation and the export run in float32
        self.amp = plan.amp and _has_bfloat16(device)

    def epoch(self, number: int) -> dict[str, Any]:
        """One epoch; the row it adds to the history."""
        plan, begin = self.recipe.plan, time.monotonic()
        self.model.train()
        total = torch.zeros(3, device=self.device)
        steps = len(self.batches)
        for i, (x, y) in enumerate(self.batches.epoch(number)):
            lr = learning_rate(plan, number * steps + i, plan.epochs * steps, steps)
            set_rate(self.optimizer, lr)
            self.schedule.advance(number * steps + i)
            total += self._step(self._real(x), y)
        if self.world > 1:
            dist.all_reduce(total)
        loss, right, seen = total.tolist()
        row = {"epoch": number + 1, "loss": loss / seen, "train_accuracy": right / seen, "lr": lr}
        self.done = number + 1
        if self.done % plan.evaluate_every == 0 or self.done == plan.epochs:
            row["accuracy"] = self.evaluate()
        if self.rank == 0:
            row["layers"] = inspect(self.model, *self.looked_at)
        row["seconds"] = round(time.monotonic() - begin, 3)
        self.history.append(row)
        return row

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            loss, scores = self.objective(self.runner, x, y)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        _share_gradients(self.model, self.world)
        self.optimizer.step()
        if self.average is not None:
            self._blend(self.recipe.plan.ema)
        right = (scores.detach().argmax(1) == y).sum()
        return torch.stack(
            [loss.detach().float() * len(y), right.float(), torch.tensor(float(len(y)), device=x.device)]
        )

    @torch.no_grad()
    def _blend(self, decay: float) -> None:
        assert self.average is not None
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    def _real(self, x: Tensor) -> Tensor:
        real = x.float() / self.recipe.denominator
        return real.permute(0, 2, 3, 1).flatten(1) if self.recipe.flat else real

    def best_model(self) -> nn.Module:
        """The model to hand over: the averaged weights where the plan averages, else the latest."""
        if self.average is None:
            return self.model
        out = self.recipe.network(self.recipe.method).to(self.device)
        out.load_state_dict(self.average)
        return out

    @torch.no_grad()
    def evaluate(self, chunk: int = 500) -> float:
        """Accuracy on the whole held-out split, now."""
        model = self.best_model().eval()
        right = 0
        for i in range(0, len(self.test), chunk):
            x = torch.tensor(self.test.x[i : i + chunk]).to(self.device).permute(0, 3, 1, 2)
            right += int((model(self._real(x)).argmax(1).cpu().numpy() == self.test.y[i : i + chunk]).sum())
        model.train()
        return right / len(self.test)

    def metrics(self) -> dict[str, Any]:
        last = self.history[-1] if self.history else {}
        return {
            **self.recipe.spec(), "epochs": self.done, "accuracy": last.get("accuracy"), "images": len(self.test),
            "seconds": round(sum(r["seconds"] for r in self.history), 3), "device": self.device.type,
            "processes": self.world, "start": self.start, "versions": versions(), "history": self.history,
        }  # fmt: skip

    def save(self, path: Path) -> None:
        kept = {
            "recipe": self.recipe.spec(), "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
            "average": self.average, "done": self.done, "history": self.history, "start": self.start,
        }  # fmt: skip
        part = path.with_name(path.name + ".part")
        torch.save(kept, part)
        part.replace(path)

    def begin(self, where: Path) -> None:
        """Take the weights of another run, and remember where they came from and what they cost."""
        kept = _read(where / CHECKPOINT if where.is_dir() else where)
        self.model.load_state_dict(kept.get("average") or kept["model"])
        if self.average is not None:
            self.average = copy.deepcopy(self.model.state_dict())
        seconds = sum(row["seconds"] for row in kept["history"]) + (kept.get("start") or {}).get("seconds", 0)
        self.start = {"recipe": kept["recipe"], "epochs": kept["done"], "seconds": round(seconds, 3)}

    def restore(self, path: Path) -> None:
        kept = _read(path)
        mine, theirs = self.recipe.spec(), kept["recipe"]
        differ = [
            k for k in ("name", "data", "input", "method", "plan") if json.dumps(mine[k]) != json.dumps(theirs[k])
        ]
        if differ:
            raise RecipeError(
                f"{path}: was trained with another {differ[0]} ({theirs[differ[0]]}, now {mine[differ[0]]}); resume with the same recipe"
            )
        self.model.load_state_dict(kept["model"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.average, self.done, self.history = kept["average"], kept["done"], kept["history"]
        self.start = kept.get("start")


def _has_bfloat16(device: torch.device) -> bool:
    """Whether the machine multiplies bfloat16 itself: every GPU here, and CPUs with AVX-512 BF16; others only imitate it."""
    return device.type == "cuda" or bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def _read(path: Path) -> dict[str, Any]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as e:
        raise RecipeError(f"{path}: does not exist; train the recipe first") from e
    except Exception as e:
        raise RecipeError(f"{path}: is not a whole checkpoint ({type(e).__name__}); train the recipe again") from e


REAL_RATE = 0.1  # of the learning rate, for layers of more bits (the references' real first and last layers) with Adam


def _optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    plan = recipe.plan
    real = [
        p for m in model.modules() if getattr(m, "weight_bits", 0) > recipe.method.weight_bits for p in m.parameters()
    ]
    slow = {id(p) for p in real}
    others = [p for p in model.parameters() if id(p) not in slow]
    if plan.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), plan.lr, momentum=plan.momentum, weight_decay=plan.weight_decay)
    kind = torch.optim.AdamW if plan.optimizer == "adamw" else torch.optim.Adam
    groups = [{"params": others, "share": 1.0}, *([{"params": real, "share": REAL_RATE}] if real else [])]
    return kind(groups, plan.lr, weight_decay=plan.weight_decay, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group of weights its share of the learning rate `lr`."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("share", 1.0)


def _twin(recipe: Recipe, batches: Batches, device: torch.device) -> nn.Module:
    """The full-precision twin, trained for `teacher_epochs` on the same batches, then still."""
    plan = replace(recipe.plan, epochs=recipe.plan.teacher_epochs, rbd=0.0, logits=0.0, restriction=False)
    torch.manual_seed(plan.seed + 1)
    twin = recipe.network(replace(recipe.method, full=True)).to(device).train()
    objective, optimizer, steps = Objective(plan, twin, None), _optimizer(recipe, twin), len(batches)
    for epoch in range(plan.epochs):
        for i, (x, y) in enumerate(batches.epoch(epoch)):
            set_rate(optimizer, learning_rate(plan, epoch * steps + i, plan.epochs * steps, steps))
            real = x.float() / recipe.denominator
            loss, _ = objective(twin, real.permute(0, 2, 3, 1).flatten(1) if recipe.flat else real, y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            _share_gradients(twin, batches.world)
            optimizer.step()
    return twin.eval().requires_grad_(False)


@torch.no_grad()
def _share_gradients(model: nn.Module, world: int) -> None:
    """Average the gradients over all processes, in one exchange."""
    if world == 1:
        return
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    dist.all_reduce(flat)
    flat /= world
    for grad, mine in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
        grad.copy_(mine.view_as(grad))


@contextlib.contextmanager
def _processes() -> Iterator[tuple[int, int, torch.device]]:
    """(rank, processes, device): alone, or as torchrun started us (nccl on GPUs, gloo on CPUs)."""
    world, cuda = int(os.environ.get("WORLD_SIZE", 1)), torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if world == 1:
        yield 0, 1, device
        return
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield dist.get_rank(), world, device
        dist.barrier()
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads of the CPU inside; 0 changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _bar(show: bool, name: str, epochs: int, done: int) -> Iterator[Any]:
    if not show:
        yield lambda _row: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"train {name}", total=epochs, completed=done, note="")

        def tick(row: dict[str, Any]) -> None:
            held = f"  held out {100 * row['accuracy']:.2f} %" if "accuracy" in row else ""
            bar.update(task, advance=1, note=f"loss {row['loss']:.4f}{held}")

        yield tick


def versions() -> dict[str, str]:
    """What made a result: torch, brevitas, python."""
    import platform
    from importlib.metadata import version

    return {"torch": version("torch"), "brevitas": version("brevitas"), "python": platform.python_version()}


__all__ = ["Images", "finish", "load_model", "torch_outputs", "train"]
