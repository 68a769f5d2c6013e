"""The compiler on whole networks: integers against the file's own execution, and the time from file to dataflow.

Stands on qonnx, fold and plan; the networks come from `zoo`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hwflow import proof
from hwflow.bits import Array
from hwflow.errors import ToolError
from hwflow.fold import fold
from hwflow.generate import nets as drawn_nets
from hwflow.net import Net
from hwflow.plan import plan
from hwflow.qonnx import read

IMAGES = 100
AT_ONCE = 20  # images whose every tensor the reference may hold

RECIPES = (
    "mlp:digits", "mlp:tfc", "mlp:sfc", "mlp:lfc", "cnv:cnv", "vgg:vgg-small", "vgg:vgg-small-ir2",
    "resnet:resnet20", "resnet:resnet20-ir2", "resnet:resnet18", "mobilenet:mobilenet", "efficientnet:efficientnet",
    "darts:darts",
)  # fmt: skip
BREVITAS = ("CNV_1W1A", "CNV_1W2A", "CNV_2W2A", "TFC_1W1A", "TFC_1W2A", "TFC_2W2A")
QCDQ = ("TFC_2W2A", "CNV_2W2A")
ROUNDS = "RESNET18_4W4A"  # arbitrary scales on a residual stream: its own float32 sums round


def rows(say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """One line for each network: the seconds it took to compile, and how many answers differ from the reference's."""
    for name, write, takes in networks():
        say(name)
        with tempfile.TemporaryDirectory() as folder:
            yield {"network": name, **measured(write(folder=Path(folder)), takes)}


def networks() -> Iterator[tuple[str, Callable[..., Path], str | None]]:
    """Every network by name, what writes it into a folder, and its input type where the file does not say."""
    try:
        from hwflow.bench import zoo
    except ImportError as e:
        raise ToolError(f"the networks of this bench need torch and brevitas ({e}): pip install 'hwflow[train]'") from e
    for spec in RECIPES:
        yield spec.partition(":")[2], partial(zoo.of_recipe, spec), None
    for hard in (False, True):
        for name in BREVITAS:
            yield (
                f"Brevitas {name}{', hard norms' if hard else ''}",
                partial(zoo.of_brevitas, name, hard=hard),
                "u8/255",
            )
    for name in QCDQ:
        yield f"Brevitas {name}, QCDQ", partial(zoo.of_brevitas, name, qcdq=True), "u8/255"
    yield f"Brevitas {ROUNDS}", partial(zoo.of_brevitas, ROUNDS, hard=False), "u8/255"


def measured(path: Path, takes: str | None, images: int = IMAGES) -> dict[str, Any]:
    """Compile a file, and compare its integers with its own execution on random images."""
    start = time.perf_counter()
    net = fold(read(path, takes))
    plan(net)
    seconds = time.perf_counter() - start
    return {
        "read to dataflow": f"{seconds:.1f} s",
        "weights": f"{_weights(net):,}",
        "images": images,
        **compared(path, takes, net, drawn_nets.random_images(net, images)),
    }


def compared(path: Path, takes: str | None, net: Net, x: Array) -> dict[str, Any]:
    """How many answers of `net` and of the file differ from the exported arithmetic; of the latter, how many its sums round."""
    graph = read(path, takes)
    want = proof.exported(graph, x)
    real = proof.judged(graph, x, want, proof.of_file(path, graph, x, takes))
    answers = np.concatenate([net.run(x[at : at + AT_ONCE]) for at in range(0, len(x), AT_ONCE)])
    wrong = proof.differing(net, graph, want, answers)
    return {
        "answers": wrong.size,
        "differing": int(wrong.sum()),
        "rounded by the file": real.rounded,
        "unexplained": int(real.wrong.sum()),
    }


def _weights(net: Net) -> int:
    return sum(op.weights.size for op in net.ops if hasattr(op, "weights"))
