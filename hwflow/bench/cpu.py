"""The table of `hwflow bench cpu`: the C engine beside float32 on the same shapes, and against this processor's own peak.

Stands on the C engine, the float twins and onnxruntime. Times are processor time of one thread, medians
of several runs taken in turn, so that other work on the machine tells little. For one image, every engine is called
several times in its turn: the first call finds the caches full of another's data, the others are what repeated calls take.
A call's fixed part (pointers, bound inputs) is done before, for every engine.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from hwflow import tools
from hwflow.bits import Array
from hwflow.emit.c import KERNELS, weight_bytes
from hwflow.generate.nets import NETS, random_images
from hwflow.net import INPUT, Net
from hwflow.ops import Conv, Dense
from hwflow.places import ENGINE
from hwflow.simulate import c
from hwflow.simulate.profile import Profile, profile

COMPARED = ("cnv", "vgg_small", "resnet20")
BATCHES = (1, 64)
CALLS = 5  # of one image, one after the other, before the next engine's turn
MLPS = {"tfc": 10_000, "sfc": 10_000}


def rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Rows of each network and batch on every path this processor has; then the MLPs, two threads, and the kernel's peak."""
    out: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name in COMPARED:
            for batch in BATCHES:
                say(f"{name}, batch {batch}")
                out += compare(name, batch)
        for name, n in MLPS.items():
            say(f"{name}, {n} images")
            out.append(many(name, n))
        say("two threads")
        out.append(two_threads("vgg_small"))
        say("peak")
        out.append(peak(home))
    return out


def layers(say: Callable[[str], None], path: str | None = None) -> list[Profile]:
    """Where the time of each compared network goes, on the best path or the named one."""
    out = []
    for name in COMPARED:
        say(f"{name}, layer by layer")
        out.append(profile(NETS[name](1), None, path))
    return out


def paths() -> list[str]:
    """The vector paths this processor has, slowest first; the plain one where it has none."""
    net, found = NETS["tfc"](1), []
    for path in ("neon", "avx2", "avx512"):
        with suppress(LookupError):
            found.append(c.load(net, None, path).path)
    return found or ["plain"]


def compare(name: str, batch: int) -> list[dict[str, Any]]:
    """Microseconds an image of the engine on each path, of onnxruntime and of PyTorch, measured in turn; a row a path."""
    net = NETS[name](1)
    x = random_images(net, batch)
    real = np.ascontiguousarray(np.moveaxis(x, -1, 1) if x.ndim == 4 else x, np.float32)
    ours = {path: one_thread(net, x, path=path) for path in paths()}
    runs, times = {**ours, **floats(net, real)}, 40 if batch == 1 else 6
    spent = in_turn(runs, times, CALLS if batch == 1 else 1)
    best, first = ({name: getattr(s, which) for name, s in spent.items()} for which in ("again", "first"))
    out = []
    for path in ours:
        row: dict[str, Any] = {
            "network": net.name,
            "batch": batch,
            "path": path,
            "c_us": round(best[path] / batch * 1e6, 1),
        }
        for other in ("onnxruntime", "torch"):
            if other in best:
                row[f"{other}_us"] = round(best[other] / batch * 1e6, 1)
                row[f"over_{other}"] = round(best[other] / best[path], 1)
        if batch == 1:
            row["c_first_us"] = round(first[path] * 1e6, 1)
            row["over_onnxruntime_first"] = round(first["onnxruntime"] / first[path], 1)
        row["gmac_s"] = round(macs(net) * batch / best[path] / 1e9)
        row["smaller"] = round(parameters(net) * 4 / weight_bytes(net), 1)
        out.append(row)
    return out


def one_thread(net: Net, x: Array, threads: int = 1, path: str | None = None) -> Callable[[], None]:
    """A call of the compiled engine alone, without Python's conversions."""
    engine = c.load(net, None, path, flags=c.FAST)
    data, out = np.ascontiguousarray(x.reshape(len(x), -1), engine.dtype), np.empty((len(x), net.output.size), np.int32)
    return engine.call(data, out, threads)


def floats(net: Net, x: Array) -> dict[str, Callable[[], object]]:
    """The float twins on one thread: onnxruntime with its best settings, PyTorch where it is installed."""
    import onnxruntime

    from hwflow.bench.float_twin import activates, float_twin

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(float_twin(net), options, providers=["CPUExecutionProvider"])
    bound = session.io_binding()  # as for the engine, Python's part is done once
    bound.bind_cpu_input(session.get_inputs()[0].name, x)
    bound.bind_output(session.get_outputs()[0].name)
    out: dict[str, Callable[[], object]] = {"onnxruntime": lambda: session.run_with_iobinding(bound)}
    try:
        from hwflow.bench.float_twin_torch import timed
    except ImportError:
        return out
    twin: Any = timed(net, frozenset(op.name for op in net.ops if activates(op, net)))
    return {**out, "torch": lambda: twin(x)}


@dataclass(frozen=True)
class Spent:
    """Median seconds of processor time of a call: the first of a turn, when the caches are another's, and later ones."""

    first: float
    again: float


def in_turn(runs: dict[str, Callable[[], object]], times: int, calls: int = 1) -> dict[str, Spent]:
    """What each spends, one after the other, `times` turns of so many calls; with one call a turn, `again` is that call."""
    first: dict[str, list[float]] = {name: [] for name in runs}
    again: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(times + 1):
        for name, run in runs.items():
            for k in range(calls):
                started = time.thread_time()
                run()
                if i:  # the first turn warms up what is made once
                    (again if k else first)[name].append(time.thread_time() - started)
    return {name: Spent(median(first[name]), median(again[name] or first[name])) for name in runs}


def many(name: str, n: int) -> dict[str, Any]:
    """Seconds for n images on one thread."""
    net = NETS[name](1)
    best = in_turn({"c": one_thread(net, random_images(net, n))}, 5)["c"].again
    return {
        "network": net.name,
        "batch": n,
        "path": c.load(net, None, flags=c.FAST).path,
        "c_us": round(best / n * 1e6, 2),
        "seconds": round(best, 4),
    }


def two_threads(name: str, n: int = 64) -> dict[str, Any]:
    """How much faster two threads are by the clock on the wall; says nothing where other work takes the cores."""
    net = NETS[name](1)
    x = random_images(net, n)
    best: dict[int, float] = {}
    calls = {threads: one_thread(net, x, threads) for threads in (1, 2)}
    for _ in range(30):
        for threads, call in calls.items():
            started = time.perf_counter()
            call()
            best[threads] = min(best.get(threads, 1e9), time.perf_counter() - started)
    return {
        "network": net.name,
        "batch": n,
        "threads": 2,
        "c_us": round(best[2] / n * 1e6, 1),
        "speedup": round(best[1] / best[2], 2),
    }


def peak(folder: Path) -> dict[str, Any]:
    """The counting kernel alone with its data in the nearest cache, and what VGG-Small's binary convolutions reach of it."""
    words, best = counting(folder)
    net = binary_convolutions(NETS["vgg_small"](1))
    spent = in_turn({"c": one_thread(net, random_images(net, 1))}, 40)["c"].again
    reached = macs(net) / spent / 1e9
    return {
        "network": net.name,
        "batch": 1,
        "c_us": round(spent * 1e6, 1),
        "gmac_s": round(reached),
        "peak_gmac_s": round(best),
        "of_peak": round(reached / best, 2),
        "words_gmac_s": round(words),
    }


def counting(folder: Path) -> tuple[float, float]:
    """10^9 products a second that 64-bit words and the best path's kernel count, compiled and timed in `folder`."""
    source, built = folder / "counting.c", folder / "counting"
    source.write_text("".join(f'#include "{name}"\n' for name in (*KERNELS, "peak.c")))
    tools.run("g++", ["-x", "c++", "-O3", "-w", "-I", ENGINE, "-o", built, source], cwd=folder)
    words, best = tools.run_program(built, [], cwd=folder).split()
    return float(words), float(best)


def binary_convolutions(net: Net) -> Net:
    """The network between its first and its last layer, of -1/+1 input: packing, convolutions, thresholds, pools."""
    layers = [i for i, op in enumerate(net.ops) if isinstance(op, (Conv, Dense))]
    ops = list(net.ops[layers[1] : layers[-1]])
    ops[0] = replace(ops[0], inputs=(INPUT,))
    start = net.ports[net.ops[layers[1]].inputs[0]]
    return Net(name=f"{net.name}, binary layers", input=start, ops=tuple(ops))


def macs(net: Net) -> int:
    """Multiplications of one image."""
    return sum(op.weights[0].size * net.ports[op.name].size for op in net.ops if isinstance(op, (Conv, Dense)))


def parameters(net: Net) -> int:
    return sum(op.weights.size for op in net.ops if isinstance(op, (Conv, Dense)))
