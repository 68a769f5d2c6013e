"""The processes of a fuzz run: some judge files one after the other, one runs accepted networks through the engines.

Stands on judge, shrink and engines. Each tells its parent after every file, so the parent can end it at any time.
"""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hwflow.bits import Array
from hwflow.board import DEFAULT_FAMILY
from hwflow.errors import HwflowError
from hwflow.net import Net

C_BATCH, RTL_BATCH = 100, 8  # networks of one compilation; what is not through when time is up counts for nothing
EFFORTS = ("-O2", "-O0", "-O0", "-O0")  # of the compiler in turn: as users compile, and three times as fast
SMALL = 200  # LUTs of a network that is always taken for HLS C++ and RTL; of larger ones every LARGE_EVERY-th is
LARGE_EVERY = 8
MOST_CYCLES = 50_000  # of one image in simulation
BEHIND = 3  # by how much judges step back behind compilers, so that the engines get what they were asked for
SHRINK_SECONDS = 20.0
MOST_SHRUNK = 8  # faults of one cause that are shrunk; more of them are counted only


@dataclass
class Word:
    """What a worker says: one file's verdict, one fault, one smaller file of a fault, or engine results."""

    kind: str  # file, fault, smaller, engine, hungry
    seed: int
    verdict: str = ""
    key: str = ""
    text: str = ""
    operators: tuple[str, ...] = ()
    exact: bool = False
    engine: str = ""
    network: bytes = b""  # of an accepted file, with the images it was judged on, where engines want it
    files: dict[str, bytes] = field(default_factory=dict)


def quiet() -> None:
    """The parent alone is interrupted; libraries use one thread and keep silent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def judging(parent: Connection, first: int, step: int, networks: bool) -> None:
    """Judge the files of seeds first, first + step, ... until the parent ends this process; hand on `networks`."""
    quiet()
    os.nice(BEHIND * networks)
    from hwflow.fuzz.judge import judge
    from hwflow.fuzz.shrink import shrink
    from hwflow.generate import random_file
    from hwflow.qonnx.executor import Executor

    executor, shrunk = Executor(), dict[str, int]()
    parent.send(Word("file", first, "ready"))
    with tempfile.TemporaryDirectory(dir=scratch_folder()) as scratch:
        folder, seed = Path(scratch), first
        while True:
            file = random_file(seed)
            verdict = judge(file, executor, folder, seed)
            key = f"{verdict.kind} {verdict.key}"
            if verdict.fault:
                parent.send(Word("fault", seed, verdict.kind, verdict.key, verdict.text, files=saved(file, verdict)))
                shrunk[key] = shrunk.get(key, 0) + 1
                if shrunk[key] <= MOST_SHRUNK:
                    small, less = shrink(
                        file, verdict, partial(judge, executor=executor, folder=folder, seed=seed), SHRINK_SECONDS
                    )
                    parent.send(Word("smaller", seed, less.kind, less.key, less.text, files=saved(small, less)))
            network = pickle.dumps((verdict.net, verdict.inputs)) if networks and verdict.inputs is not None else b""
            parent.send(
                Word(
                    "file", seed, verdict.kind, verdict.key, operators=operators_of(file.model), exact=file.exact,
                    network=network,
                )
            )  # fmt: skip
            seed += step


def operators_of(model: Any) -> tuple[str, ...]:
    """Operators of a file, those of other domains with the short name of theirs."""
    from hwflow.qonnx.operators import DOMAINS

    return tuple(sorted({operator_name(DOMAINS.get(node.domain, "?"), node.op_type) for node in model.graph.node}))


def operator_name(domain: str, op: str) -> str:
    return f"{op} (channels last)" if domain == "last" else op


def saved(file: Any, verdict: Any) -> dict[str, bytes]:
    """The files of a fault by name: the network with its input type inside, the inputs, what happened."""
    import io

    import numpy as np
    import onnx

    from hwflow.qonnx.takes import KEY

    model = onnx.ModelProto()
    model.CopyFrom(file.model)
    if file.input:
        onnx.helper.set_model_props(model, {KEY: file.input})
    out = {"net.onnx": model.SerializeToString(), "fault.txt": f"{verdict.kind}: {verdict.text}\n".encode()}
    if verdict.inputs is not None:
        buffer = io.BytesIO()
        np.save(buffer, verdict.inputs)
        out["inputs.npy"] = buffer.getvalue()
    return out


def scratch_folder() -> str | None:
    """A folder in memory where the system has one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def engines(parent: Connection, kind: str, count: int) -> None:
    """Take accepted networks from the parent and run `count` of them through C, or through HLS C++ and stalled RTL."""
    quiet()
    # what this process compiles ends with it
    os.setpgrp()
    from hwflow.fuzz.engines import differing_in_c, differing_in_hls, differing_in_rtl

    batch: list[tuple[int, Net, Array]] = []
    most, left, turn = C_BATCH if kind == "C" else RTL_BATCH, count, 0
    efforts = cycle(EFFORTS)
    while left > 0:
        seed, network = parent.recv()
        parent.send(Word("hungry", seed))
        net, x = pickle.loads(network)
        turn += 1
        if kind == "C" or _simulated(net, turn):
            batch.append((seed, net, x))
        if len(batch) < min(most, left):
            continue
        if kind == "C":
            _tell(parent, "C", batch, partial(differing_in_c, effort=next(efforts)))
        else:
            _tell(parent, "HLS", batch, differing_in_hls)
            _tell(parent, "RTL", batch, partial(differing_in_rtl, stalls=batch[0][0]))
        left, batch = left - len(batch), []


def _simulated(net: Net, turn: int) -> bool:
    """True for networks that are small enough to simulate; some larger ones are among them."""
    from hwflow.lower import lower

    try:
        dataflow = lower(net)
    except Exception:  # a fault, which the run itself tells
        return True
    if dataflow.cycles > MOST_CYCLES:
        return False
    return turn % LARGE_EVERY == 0 or sum(unit.cost(DEFAULT_FAMILY).lut for unit in dataflow.units) <= SMALL


def _tell(
    parent: Connection,
    engine: str,
    batch: Sequence[tuple[int, Net, Array]],
    run: Callable[[list[Net], list[Array]], list[str]],
) -> None:
    """Run a batch, and tell the parent of each network; where the batch breaks, each network alone."""
    seeds, nets, xs = ([b[i] for b in batch] for i in range(3))
    try:
        wrong = run(nets, xs)  # type: ignore[arg-type]
    except Exception as e:
        if len(batch) > 1:
            half = len(batch) // 2
            _tell(parent, engine, batch[:half], run)
            _tell(parent, engine, batch[half:], run)
            return
        text = str(e) if isinstance(e, HwflowError) else traceback.format_exc()
        wrong = [f"{engine}: {type(e).__name__}: {text}"]
    for seed, one in zip(seeds, wrong, strict=True):
        parent.send(Word("engine", seed, "difference" if one else "accepted", engine, one, engine=engine))  # type: ignore[arg-type]
