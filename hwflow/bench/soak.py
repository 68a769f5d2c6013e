"""A long run: millions of images through the C engine with threads and through stalled, reset RTL, and what memory does meanwhile.

Stands on link's network, simulate and lower. Every answer is compared with the network's own.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bench.link import images, network
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.simulate import c, rtl

C_IMAGES, C_BATCH, POOL = 10_000_000, 100_000, 300_000  # images in all, of one call, and different ones
RTL_IMAGES, RTL_BATCH = 1_000_000, 20_000
MOST_THREADS = 6


def rows(say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The rows of `hwflow bench soak`."""
    net = network(64)
    yield soak_c(net, C_IMAGES, C_BATCH, say)
    yield soak_rtl(net, RTL_IMAGES, RTL_BATCH, say)


def soak_c(net: Net, total: int, batch: int, say: Callable[[str], None], pool: int = POOL) -> dict[str, Any]:
    """Images through the C engine, each call with another number of threads and another part of `pool` images."""
    rng, x = np.random.default_rng(0), images(net, pool, 1)
    want = net.run(x)
    with tempfile.TemporaryDirectory() as folder:
        engine = c.load(net, Path(folder))

    def wrong(n: int) -> int:
        at = int(rng.integers(0, pool - n + 1))
        y = engine.run(x[at : at + n], int(rng.integers(1, MOST_THREADS + 1)))
        return int((y != want[at : at + n]).any(1).sum())

    return _soak("C, 1 to 6 threads", total, batch, wrong, say)


def soak_rtl(net: Net, total: int, batch: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Images through the RTL with random gaps at both ends and a reset at a random cycle of each run."""
    rng, hidden = np.random.default_rng(0), len(net.ops[0].weights)  # type: ignore[union-attr]
    dataflow = lower(net, {"first": {"pe": hidden, "simd": net.input.size}})
    x = images(net, batch, 2)
    want = net.run(x)
    with tempfile.TemporaryDirectory() as folder:

        def wrong(n: int) -> int:
            stalls, reset_at = int(rng.integers(1, 1 << 30)), int(rng.integers(1, 5 * n))
            run = rtl.run(dataflow, Path(folder), x[:n], stalls=stalls, reset_at=reset_at)
            return int((run.outputs != want[:n]).any(1).sum())

        row = _soak("RTL, stalls and resets", total, batch, wrong, say)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return row | {"largest process it started, MB": round(largest)}


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _soak(
    what: str, total: int, batch: int, wrong_of: Callable[[int], int], say: Callable[[str], None]
) -> dict[str, Any]:
    """A row of the table: `wrong_of(n)` runs n images and counts the wrong ones; memory is read between calls.

    A call's arrays are gone when memory is read. The first calls fill the allocator's pools, so the comparison starts
    after a tenth of the images: what grows from there to the end is a leak.
    """
    wrong, done, began, held = 0, 0, time.monotonic(), []
    while done < total:
        n = min(batch, total - done)
        wrong += wrong_of(n)
        done += n
        held.append(resident())
        say(f"{what}: {done} images, {held[-1] / 1e6:.1f} MB")
    seconds, places = time.monotonic() - began, (len(held) // 10, len(held) // 2, -1)
    tenth, half, end = (round(held[at] / 1e6, 1) for at in places)
    return {
        "what": what, "images": done, "wrong": wrong, "seconds": round(seconds, 1), "images_per_s": round(done / seconds),
        "memory after a tenth, MB": tenth, "after half, MB": half, "at the end, MB": end,
    }  # fmt: skip
