"""Networks on every path of the C engine, and layers beside each other in one network.

Stands on generate and the engine.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from hwflow.generate.nets import random_images
from hwflow.net import Net
from hwflow.ops import Concat, Conv, Dense, Flatten, Op, Port, Threshold
from hwflow.simulate import c

PATHS = ("plain", "avx2", "avx512", "neon")


def check_all_paths(net: Net, folder: Path, n: int = 3, flags: tuple[str, ...] | None = None) -> list[str]:
    """Assert that every path of this processor equals the network, compiled with `flags`; the paths that exist."""
    x = random_images(net, n, ends=True)
    want, paths = net.run(x), []
    for path in PATHS:
        try:
            engine = c.load(net, folder, path, flags)
        except LookupError:
            continue
        paths.append(path)
        got = engine.run(x)
        assert (got == want).all(), f"{net.name} on {path}: {np.argwhere(got != want)[:4].tolist()}"
    return paths


def side_by_side(name: str, input: Port, layers: list[Conv] | list[Dense]) -> Net:
    """Layers that read the same input, each compared with thresholds of both directions, all in one answer."""
    ops: list[Op] = []
    for i, layer in enumerate(layers):
        random = np.random.default_rng(i)
        rows = len(layer.weights)  # type: ignore[attr-defined]
        layer = replace(layer, name=f"layer{i}")
        sign = Threshold(
            name=f"sign{i}",
            inputs=(layer.name,),
            thresholds=random.integers(-9, 10, (rows, 1)),
            falling=random.random(rows) < 0.5,
            bipolar=True,
        )
        ops += [
            layer,
            sign,
            Flatten(name=f"sums{i}", inputs=(layer.name,)),
            Flatten(name=f"bits{i}", inputs=(sign.name,)),
        ]
        alone = replace(layer, name=f"alone{i}")  # nothing but the sign reads its sums
        ops += [
            alone,
            replace(sign, name=f"packed{i}", inputs=(alone.name,)),
            Flatten(name=f"words{i}", inputs=(f"packed{i}",)),
        ]
    ends = tuple(op.name for op in ops if isinstance(op, Flatten))
    return Net(name=name, input=input, ops=(*ops, Concat(name="all", inputs=ends, scales=(1,) * len(ends))))
