"""What memories that can be loaded cost: hls/parts/rom.sv with its second port, measured by Yosys alone, in many sizes.

Stands on bench.fit, synth and units.kit.costs. `python -m hwflow.bench.fit loads` writes the coefficients of `load_word`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.emit.rtl import TEMPLATES, sources
from hwflow.synth import cells, yosys
from hwflow.units.kit.costs import LOADER, bill_loader
from hwflow.units.kit.stores import Store

# bits of a word, words
SIZES = (
    (1, 1), (7, 1), (24, 1), (64, 1), (4, 4), (16, 4), (64, 8), (9, 16), (36, 16), (16, 40), (8, 64), (64, 32), (8, 256),
    (36, 256), (72, 512), (16, 1024),
)  # fmt: skip


def measure_loads(family: str, sizes: Sequence[tuple[int, int]] = SIZES) -> list[dict[str, Any]]:
    """One entry a size, as `fit` takes them: its module, its bill and what Yosys measured; random contents."""
    rng = np.random.default_rng(0)
    stores = [Store(bits, words, rom=False, loads=True) for bits, words in sizes]
    with tempfile.TemporaryDirectory() as scratch:
        design = Path(scratch) / "design"
        design.mkdir()
        text = TEMPLATES.get_template("bench_loads.sv.j2").render(stores=stores)
        (design / f"{yosys.CORE}.sv").write_text(text)
        for i, store in enumerate(stores):
            words = (
                int.from_bytes(rng.bytes(store.bits // 8 + 1), "little") % (1 << store.bits) for _ in range(store.depth)
            )
            (design / f"u{i}.mem").write_text("".join(f"{w:x}\n" for w in words))
        for file in sources(["rom"]):
            shutil.copyfile(file, design / file.name)
        found = cells.count_units(yosys.map_core(design, family, Path(scratch) / family, timeout=1800), family)
    return [
        {"module": LOADER, "bill": bill_loader(store), "measured": found[f"u{i}"]} for i, store in enumerate(stores)
    ]
