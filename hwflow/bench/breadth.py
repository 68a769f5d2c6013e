"""Networks as users of Brevitas write and export them, end to end: read, proven in every engine, and what they cost.

Stands on torch, Brevitas and the rooms it measures. A network is one entry of NETWORKS.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from hwflow import proof
from hwflow.bench.breadth_nets import NETWORKS
from hwflow.bits import Array
from hwflow.board import load_board
from hwflow.emit.rtl import emit
from hwflow.fold import fold
from hwflow.plan import plan
from hwflow.qonnx import read
from hwflow.real import Graph
from hwflow.simulate import c, hls, rtl

IMAGES = 24
BOARDS = ("pynq_z2", "ulx3s_85f")
STALLS = 7
PATCH = 8  # pixels along a side that have nearly one colour


def patches(shape: tuple[int, ...], n: int, seed: int) -> Array:
    """Images or signals (n, *shape) of numbers in 0 .. 1 whose patches have one colour each, so that answers vary."""
    rng = np.random.default_rng(seed)
    x = rng.random((n, shape[0], *(-(-size // PATCH) for size in shape[1:])))
    for axis in range(2, 1 + len(shape)):
        x = x.repeat(PATCH, axis)
    x = x[(slice(None), slice(None), *(slice(0, size) for size in shape[1:]))]
    return (0.9 * x + 0.1 * rng.random(x.shape)).astype(np.float32)


def export(name: str, path: Path, seed: int = 0) -> None:
    """The QONNX file of a network of NETWORKS: seeded weights, norms that have seen images, answers without a favourite."""
    import torch
    from brevitas.export import export_qonnx
    from torch import nn

    network = NETWORKS[name]
    torch.manual_seed(seed)
    module = network.make()
    for norm in (m for m in module.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.5, 0.5)
        norm.momentum = None  # the mean of all passes
    x = torch.as_tensor(patches(network.shape, 8, seed))
    module.train()
    with torch.no_grad():
        for _ in range(2):
            module(x)
        module.eval()
        _centre(module, x)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        export_qonnx(
            module, args=x[:1], export_path=str(path), opset_version=13, dynamo=False, input_names=["x"],
            output_names=list(network.outputs),
        )  # fmt: skip


def _centre(module: Any, x: Any) -> None:
    """Take the mean of every channel out of the biases of the last layers, so that each class has its images."""
    made: list[tuple[Any, Any]] = []
    layers = [m for m in module.modules() if getattr(m, "bias", None) is not None and hasattr(m, "weight")]
    hooks = [m.register_forward_hook(lambda m, _, y: made.append((m, y))) for m in layers]
    answers = module(x)
    for hook in hooks:
        hook.remove()
    for answer in answers if isinstance(answers, tuple) else (answers,):
        last = next(m for m, y in made if y is answer)
        last.bias -= answer.mean([axis for axis in range(answer.ndim) if axis != 1])


def read_exported(name: str, path: Path, n: int = IMAGES) -> tuple[Graph, Array]:
    """The graph of an exported file and `n` inputs as the hardware receives them."""
    network = NETWORKS[name]
    graph = read(path, network.input)
    ints = graph.input.ints
    x = np.rint(ints.lo + patches(network.shape, n, 1) * (ints.hi - ints.lo)).astype(np.int64)
    return graph, np.moveaxis(x, 1, -1).reshape(n, *graph.input.shape)


def prove(name: str, path: Path, folder: Path, images: int = IMAGES, simulate: bool = True) -> dict[str, Any]:
    """What differs between engines on an exported file of NETWORKS, by rung, with cycles and the cost on each of BOARDS."""
    graph, x = read_exported(name, path, images)
    net, takes = fold(graph), NETWORKS[name].input
    want, own = net.run(x), proof.exported(graph, x)
    file = proof.judged(graph, x, own, proof.of_file(path, graph, x, takes))
    parts = [f"{part.name} {' x '.join(map(str, part.answer.shape))}".strip() for part in net.outputs]
    row: dict[str, Any] = {
        "outputs": ", ".join(parts), "images": images,
        "file": int(file.wrong.sum()), "numpy": int(proof.differing(net, graph, own, want).sum()),
        "answers": len(np.unique(want)), "c": int((c.load(net, None).run(x) != want).sum()),
    }  # fmt: skip
    flow = plan(net)
    row["hls"] = int((hls.run(flow, folder / "hls", x).outputs != want).sum())
    row["cycles_claimed"] = flow.cycles
    if simulate:
        emit(flow, folder / "rtl")
        plain, stalled = (rtl.run(flow, folder / "rtl", x, stalls=s) for s in (None, STALLS))
        row["cycles_simulated"] = plain.cycles_per_image
        row["rtl"], row["rtl_stalls"] = (int((run.outputs != want).sum()) for run in (plain, stalled))
    for board in map(load_board, BOARDS):
        cost = plan(net, board=board).cost(board.family)
        kinds = {"lut": round(cost.lut), "bram": float(cost.bram), "dsp": int(cost.dsp)}
        row |= {f"{board.name}_{kind}_estimated": number for kind, number in kinds.items()}
    return row


def breadth_rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One line a network: elements that differ between engines, cycles, estimated cost on two boards."""
    rows = []
    for name in NETWORKS:
        say(name)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "net.onnx"
            export(name, path)
            rows.append({"network": name, **prove(name, path, Path(folder))})
    return rows
