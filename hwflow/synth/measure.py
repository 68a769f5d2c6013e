"""What single units take on a family: many of them side by side in one synthesis.

Stands on emit and synth. `fit` learns the cost models from this.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hwflow.emit.rtl import TEMPLATES, instance, module, sources, write_memories
from hwflow.synth import cells, yosys
from hwflow.units.base import Stream, Unit

TEMPLATE = "bench_units.sv.j2"


@dataclass(frozen=True)
class _Bench:
    """One unit as the template writes it."""

    name: str
    module: str
    params: list[tuple[str, str]]
    ins: tuple[Stream, ...]
    outs: tuple[Stream, ...]

    @property
    def x_bits(self) -> int:
        return sum(s.bits for s in self.ins)

    @property
    def y_bits(self) -> int:
        return sum(s.bits for s in self.outs)


def measure(units: Sequence[Unit], family: str, folder: Path, timeout: float | None = 1800) -> list[dict[str, float]]:
    """lut, ff, bram and dsp of each unit, in their order; sources, script and log stay in `folder`."""
    named = [replace(u, name=f"u{i}") for i, u in enumerate(units)]
    design = folder / "design"
    design.mkdir(parents=True, exist_ok=True)
    benches = [_Bench(u.name, module(u), instance(u).params, u.ins, u.outs) for u in named]
    (design / "top.sv").write_text(TEMPLATES.get_template(TEMPLATE).render(units=benches))
    for unit in named:
        write_memories(unit, design)
    for file in sources({module(u) for u in units}):
        shutil.copyfile(file, design / file.name)
    found = cells.units(yosys.map_core(design, family, folder / family, timeout=timeout), family)
    return [found[u.name] for u in named]
