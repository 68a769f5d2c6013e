"""The table of `hwflow bench micro`: flash and working memory of small networks on microcontrollers.

Stands on emit.bare. Flash is code and weights of net.c, built for size; memory is all the working memory there is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hwflow.emit.bare import BOARDS, LINUX, size
from hwflow.generate.nets import NETS

CORES = {core.name: core for core in (*BOARDS, next(t for t in LINUX if t.name == "riscv32"))}
SMALL = ("tfc", "sfc", "small_cnn", "keywords")


def rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """A row for each network: bytes of flash on each core, and of working memory."""
    return [row(name, say) for name in SMALL]


def row(name: str, say: Callable[[str], None]) -> dict[str, Any]:
    """One network on every core."""
    say(name)
    net = NETS[name](1)
    out: dict[str, Any] = {"network": net.name}
    with TemporaryDirectory() as folder:
        for core in CORES.values():
            found = size(net, Path(folder), core)
            out[f"flash {core.name}"] = found["flash"]
            out["ram"] = found["ram"]
    return out
