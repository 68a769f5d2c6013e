"""The images of a simulation in equal shares, each in a process of its own that simulates the whole design.

Stands on simulate.rtl. One process simulates one image after the other: several are the only way to use all processors.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock

import numpy as np

from hwflow.bits import Array
from hwflow.simulate import rtl
from hwflow.simulate.base import Run
from hwflow.units.kit.base import Dataflow

LEAST = 4  # images of a share: each fills the pipeline anew
WORTH = 0.1  # seconds of simulation that are worth a process: one starts in 0.02 s (TFC) to 0.1 s (SFC at 16 cycles)
# seconds of one cycle, for each unit and for each multiplication in it: fitted to TFC, SFC, CNV and ResNet-20, which take
# 0.3, 3.2, 1.0 and 5 us
UNIT, MAC = 22e-9, 0.15e-9


def processes_for(dataflow: Dataflow, images: int) -> int:
    """How many processes are worth their start: one for each processor, while a share has LEAST images and takes WORTH."""
    worth = int(images * image_seconds(dataflow) / WORTH)
    return max(1, min(len(os.sched_getaffinity(0)), images // LEAST, worth))


def image_seconds(dataflow: Dataflow) -> float:
    """About the seconds in which one process simulates an image of many."""
    return dataflow.cycles * (UNIT * len(dataflow.units) + MAC * sum(u.macs for u in dataflow.units))


def run(
    dataflow: Dataflow,
    folder: Path,
    x: Array,
    *,
    stalls: int | None = None,
    progress: Callable[[int], None] | None = None,
    processes: int | None = None,
) -> Run:
    """`rtl.run` of the images in `processes` shares (None: `processes_for`), each from a reset and with stalls of its own.

    Cycles an image and latency are those of the first share, `cycles` the sum of all shares'.
    """
    processes = processes_for(dataflow, len(x)) if processes is None else processes
    if processes == 1:
        return rtl.run(dataflow, folder, x, stalls=stalls, progress=progress)
    program = rtl.prepare(dataflow, folder)  # once for all of them
    shares, done, lock = np.array_split(x, processes), [0] * processes, Lock()

    def simulate(k: int) -> Run:
        def count(images: int) -> None:
            with lock:
                done[k] = images
                if progress:
                    progress(sum(done))

        seed = None if stalls is None else stalls + k
        return rtl.run(dataflow, folder, shares[k], stalls=seed, progress=count, program=program)

    start = time.perf_counter()
    with ThreadPoolExecutor(processes) as pool:
        runs = list(pool.map(simulate, range(processes)))
    toggles = {
        edge: sum(r.toggles[edge] * len(share) for r, share in zip(runs, shares, strict=True)) / len(x)
        for edge in runs[0].toggles
    }
    return replace(
        runs[0],
        outputs=np.concatenate([r.outputs for r in runs]),
        seconds=time.perf_counter() - start,
        cycles=sum(r.cycles or 0 for r in runs),
        occupancy={name: max(r.occupancy[name] for r in runs) for name in runs[0].occupancy},
        toggles=toggles,
    )
