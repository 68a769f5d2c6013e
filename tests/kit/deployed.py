"""Dense networks as hardware, and as the deploy folder of a simulated board.

Stands on lower, emit and deploy.
"""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bits import BIPOLAR, Ints
from hwflow.deploy import package
from hwflow.emit.rtl import emit
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.ops import Dense, Port, Threshold, TopK


def mlp(ints: Ints, widths: tuple[int, ...], labels: bool = False, seed: int = 0) -> Net:
    """A dense network of -1/+1 weights with random thresholds between its layers."""
    rng = np.random.default_rng(seed)
    port, ops, last = Port(widths[:1], ints), [], "input"
    for i, (cols, rows) in enumerate(pairwise(widths)):
        ops.append(Dense(name=f"dense{i}", inputs=(last,), weights=rng.integers(0, 2, (rows, cols)) * 2 - 1))
        last = f"dense{i}"
        if i < len(widths) - 2:
            at = ops[-1].port(port).ints
            t = rng.integers(at.lo // 3, at.hi // 3 + 1, (rows, 1))
            ops.append(
                Threshold(name=f"sign{i}", inputs=(last,), thresholds=t, falling=rng.random(rows) < 0.2, bipolar=True)
            )
            port, last = Port((rows,), BIPOLAR), f"sign{i}"
    if labels:
        ops.append(TopK(name="label", inputs=(last,)))
    return Net("digits", Port(widths[:1], ints), tuple(ops))


def images(net: Net, n: int, seed: int = 1) -> np.ndarray:
    ints = net.input.ints
    x = np.random.default_rng(seed).integers(ints.lo, ints.hi + 1, (n, *net.input.shape))
    return np.where(x >= 0, 1, -1) if ints.is_bipolar else x


FOLDING = {"dense0": {"pe": 8, "simd": 8}, "dense1": {"pe": 5, "simd": 32}}  # of `digits`


def digits() -> Net:
    """64 numbers of 5 bits, 10 classes."""
    return mlp(Ints(0, 16), (64, 32, 10))


class Emitted:
    """A network and its emitted design."""

    def __init__(self, net: Net, folder: Path, folding: dict[str, Any] | None = None):
        self.net, self.dataflow = net, lower(net, folding)
        self.rtl = emit(self.dataflow, folder / "rtl")


class Made(Emitted):
    """A network, its emitted design and the deploy folder of its simulated board."""

    def __init__(self, net: Net, folder: Path, folding: dict[str, Any] | None = None):
        super().__init__(net, folder, folding)
        self.out = folder / "deploy"
        self.facts = package(net, self.dataflow, self.rtl, None, self.out, images(net, 5))


def tclsh(folder: Path, release: str = "2024.1") -> subprocess.CompletedProcess[str]:
    """The Vivado script of a deploy folder, run by a stub that has the catalogue of a release."""
    script = next(folder.glob("vivado_*.tcl"))
    stub = Path(__file__).parent / "vivado_stub.tcl"
    return subprocess.run(
        ["tclsh", str(stub), script.name, release], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
