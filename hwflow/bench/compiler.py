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

from hwflow.bench import nets as bench_nets
from hwflow.bits import Array
from hwflow.errors import ToolError
from hwflow.fold import fold
from hwflow.net import Net
from hwflow.plan import plan
from hwflow.qonnx import explained, read, reference
from hwflow.verify import as_integers

IMAGES = 100
AT_ONCE = 20  # images whose every tensor the reference may hold
TIES_AT_ONCE = 10

RECIPES = (
    "mlp:digits", "mlp:tfc", "mlp:sfc", "mlp:lfc", "cnv:cnv", "vgg:vgg-small", "vgg:vgg-small-ir2",
    "resnet:resnet20", "resnet:resnet20-ir2", "resnet:resnet18", "mobilenet:mobilenet",
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
        "read to dataflow": f"{seconds:.1f} s", "weights": f"{_weights(net):,}", "images": images,
        **compared(path, takes, net, bench_nets.images(net, images)),
    }  # fmt: skip


def compared(path: Path, takes: str | None, net: Net, x: Array) -> dict[str, Any]:
    """How many integer answers of `net` differ from the file's; of those, how many values ties of its sums decide."""
    elements = differing = ties = values = unexplained = 0
    for at in range(0, len(x), AT_ONCE):
        part = x[at : at + AT_ONCE]
        answer = net.run(part)
        wrong = as_integers(net, reference(path, part, takes), answer) != answer
        elements, differing = elements + wrong.size, differing + int(wrong.sum())
        odd = part[wrong.any(1)]
        for k in range(0, len(odd), TIES_AT_ONCE):
            nodes = explained(path, odd[k : k + TIES_AT_ONCE], takes)
            found = sum(n.ties for n in nodes)
            ties, values = ties + found, values + sum(n.values for n in nodes)
            unexplained += sum(not n.explained for n in nodes) + (not found)
    decided = f"{ties} of {values:,} values" if ties else "none"
    return {"answers": elements, "differing": differing, "ties of the reference": decided, "unexplained": unexplained}


def _weights(net: Net) -> int:
    return sum(op.weights.size for op in net.ops if hasattr(op, "weights"))
