"""The table of `hwflow bench threads`: one Predictor asked by eight threads, then images a second by batch and threads.

Stands on predict and the C engine. Rates are by the clock on the wall, the best of several runs, so they mean what
they say on an otherwise idle machine.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.generate.nets import NETS, random_images
from hwflow.predict import Predictor
from hwflow.simulate import c

MILLION = 1_000_000
ASKERS = 8
BATCHES = {"tfc": (1, 16, 256, 4096), "cnv": (1, 4, 16, 64), "resnet20": (1, 4, 16, 64)}


def rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The shared Predictor's wrong answers; then images a second of each network, batch and number of threads."""
    with tempfile.TemporaryDirectory() as folder:
        say(f"{MILLION} images from {ASKERS} threads")
        out = [shared(MILLION)]
        for name, batches in BATCHES.items():
            say(name)
            out += rates(name, batches, Path(folder))
    return out


def shared(n: int, askers: int = ASKERS) -> dict[str, Any]:
    """Answers of one Predictor to `n` images, asked by threads at the same time in calls of 1 to 500 images."""
    net = NETS["tfc"](1)
    x = random_images(net, 10_000).astype(np.uint8)
    want = net.labels(net.run(x))
    with tempfile.TemporaryDirectory() as folder:
        user = Predictor(net, Path(folder))
        started = time.perf_counter()
        with ThreadPoolExecutor(askers) as pool:
            wrong = sum(pool.map(lambda asker: ask(user, x, want, n // askers, asker), range(askers)))
        seconds = time.perf_counter() - started
    return {"network": net.name, "images": n, "askers": askers, "wrong": wrong, "images_s": round(n / seconds)}


def ask(user: Predictor, x: np.ndarray, want: np.ndarray, n: int, seed: int) -> int:
    """Wrong labels among `n` images, asked in pieces of random size from random places."""
    random, wrong = np.random.default_rng(seed), 0
    while n:
        size = min(n, int(random.integers(1, 501)))
        at = int(random.integers(0, len(x) - size))
        wrong += int((user.predict(x[at : at + size]) != want[at : at + size]).sum())
        n -= size
    return wrong


def rates(name: str, batches: tuple[int, ...], folder: Path) -> list[dict[str, Any]]:
    """Images a second and microseconds a call of one engine, for each batch and up to as many threads as cores."""
    net = NETS[name](1)
    engine = c.load(net, folder / name, flags=c.FAST)
    threads = [t for t in (1, 2, 4, 8, 16, 32, 64) if t <= (os.cpu_count() or 1)]
    out = []
    for batch in batches:
        x = np.ascontiguousarray(random_images(net, batch).reshape(batch, -1), engine.dtype)
        answers = np.empty((batch, net.output.size), np.int32)
        row: dict[str, Any] = {"network": net.name, "path": engine.path, "batch": batch}
        for t in threads:
            if t <= batch:
                seconds = fastest(engine.call(x, answers, t))
                row |= {f"us_{t}": round(seconds * 1e6, 1), f"images_s_{t}": round(batch / seconds)}
        out.append(row)
    return out


def fastest(call: Callable[[], None], budget: float = 0.5) -> float:
    """Seconds of the fastest of the calls that fit in `budget` seconds, three at least."""
    best, end, n = 1e9, time.perf_counter() + budget, 0
    while n < 3 or time.perf_counter() < end:
        started = time.perf_counter()
        call()
        best, n = min(best, time.perf_counter() - started), n + 1
    return best
