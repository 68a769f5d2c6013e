"""Train a recipe: epochs, checkpoints, resume, several processes, metrics, and the exported network at the end.

Stands on everything else in this room.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from hwflow.files import digest, locked, rewritten, write_arrays, write_text
from hwflow.recipe import Recipe
from hwflow.tasks import SHOWN
from hwflow.train import export as exporting
from hwflow.train.checkpoint import CHECKPOINT, CURVES, METRICS, MODEL, TEST
from hwflow.train.data import test_split
from hwflow.train.diagnostics import inspect, plot
from hwflow.train.run import Run, kept_run, looked_at
from hwflow.train.tasks import task_of

SAVE_EVERY = 15.0  # seconds between checkpoints; the last epoch is always kept
DRAW_EVERY = 60.0  # seconds between drawings of the curves while training goes on


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    progress: bool = True,
    stop_after: int | None = None,
    seconds: float | None = None,
    start: Path | None = None,
) -> dict[str, Any]:
    """Train `recipe` into folder `out` and return its metrics.

    Writes checkpoint.pt and run.json (`hwflow runs`) while it runs, and at the end model.onnx (checked against PyTorch),
    metrics.json, curves.png and test.npz, which appear together. With `resume` it goes on from out/checkpoint.pt, on CPU to the same bits as a run that was never stopped, whenever it was stopped or killed;
    where there is no checkpoint yet it begins. `stop_after` ends early after so many epochs, `seconds` after so much
    time, both with a checkpoint and without exporting. `start` takes the first weights from another run of the same
    network. Under torchrun every process trains its part of each batch and the first one writes.
    """
    out, ends = Path(out), None if seconds is None else time.monotonic() + seconds
    with (
        _processes() as (rank, world, device),
        threads(recipe.training.threads),
        # one process writes, and no other training or compilation of this folder meanwhile
        locked(out) if rank == 0 else contextlib.nullcontext(),
    ):
        goes_on = resume and (out / CHECKPOINT).exists()
        run = Run(recipe, device, rank, world, kept_run(recipe, out / CHECKPOINT) if goes_on else None)
        if start is not None and not goes_on:
            run.begin(Path(start))
        last = min(recipe.training.epochs, stop_after or recipe.training.epochs)
        saved = drawn = time.monotonic()
        safe = (run.done, run.step) if goes_on else None  # epochs and further steps that the checkpoint holds

        def save() -> None:
            nonlocal saved, safe
            run.save(out / CHECKPOINT)
            saved, safe = time.monotonic(), (run.done, run.step)
            run.note(out)

        def pause() -> bool:
            late = ends is not None and _any_late(time.monotonic() > ends, device, world)
            if rank == 0 and (late or time.monotonic() - saved > SAVE_EVERY):
                save()
            return late

        try:
            with _bar(progress and rank == 0, recipe.name, recipe.training.epochs, run.done) as tick:
                while run.done < last:
                    row = run.epoch(pause)
                    if row is None:
                        return run.metrics()
                    tick(row)
                    if rank == 0 and run.done == last:
                        save()
                    if rank == 0 and time.monotonic() - drawn > DRAW_EVERY:
                        plot(run.metrics(), out / CURVES)
                        drawn = time.monotonic()
            if rank or last < recipe.training.epochs:
                return run.metrics()
            with rewritten(out) as part:
                metrics = finish(run.best_model(), recipe, run.metrics(), part)
            run.note(out, finished=True)
            return metrics
        except KeyboardInterrupt:
            raise KeyboardInterrupt(stopped(safe, recipe.training.epochs, out)) from None


def stopped(safe: tuple[int, int] | None, epochs: int, out: Path) -> str:
    """What is left of a training that Ctrl-C ended, and how it goes on; `safe` is what its checkpoint holds."""
    if safe is None:
        return f"stopped before the first checkpoint: {out} is as it was; the same command begins again"
    done, steps = safe
    more = f" and {steps} steps" if steps else ""
    return f"stopped; {out / CHECKPOINT} holds {done} of {epochs} epochs{more}: the same command with --resume goes on from there"


def _any_late(late: bool, device: torch.device, world: int) -> bool:
    """Whether any of the processes is late: all of them must stop at the same step."""
    if world == 1:
        return late
    flag = torch.tensor(float(late), device=device)
    dist.all_reduce(flag)
    return bool(flag > 0)


def measure(recipe: Recipe) -> dict[str, Any]:
    """Train `recipe` in this process, write nothing, and return its metrics: what a comparison of methods needs."""
    with threads(recipe.training.threads):
        run = Run(recipe, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        while run.done < recipe.training.epochs:
            run.epoch()
        return run.metrics()


def finish(model: nn.Module, recipe: Recipe, metrics: dict[str, Any], out: Path) -> dict[str, Any]:
    """Evaluate on the whole held-out split, inspect, export, write metrics.json, curves.png and test.npz; the full metrics.

    The metrics name the checkpoint and the model they are of by SHA-256.
    """
    x, y = test_split(recipe)
    model = model.cpu()
    task = task_of(recipe.task)
    metrics["accuracy"] = task.score(exporting.answers(exporting.freeze(model), recipe, x), y)
    metrics["measure"] = task.measure
    metrics["images"] = len(y)
    metrics["diagnostics"] = inspect(model, task, *looked_at(recipe))
    exporting.export(model, recipe, x[:: max(1, len(x) // 100)][:100], out / MODEL)
    metrics["sha256"] = {name: digest(out / name) for name in (CHECKPOINT, MODEL) if (out / name).is_file()}
    write_text(out / METRICS, as_json(metrics))
    (out / CURVES).unlink(missing_ok=True)
    plot(metrics, out / CURVES)
    write_arrays(out / TEST, x=x, **{SHOWN[recipe.task]: y})
    return metrics


def as_json(metrics: dict[str, Any]) -> str:
    """`metrics` as JSON: a line for each entry, and for each row of a list."""
    entries = []
    for key, value in metrics.items():
        rows = isinstance(value, list) and value and isinstance(value[0], dict)
        text = "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]" if rows else json.dumps(value)
        entries.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


@contextlib.contextmanager
def _processes() -> Iterator[tuple[int, int, torch.device]]:
    """(rank, processes, device): alone, or as torchrun started us (nccl on GPUs, gloo on CPUs)."""
    world, cuda = int(os.environ.get("WORLD_SIZE", 1)), torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True  # shapes never change within a run
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
