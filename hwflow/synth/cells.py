"""What a mapped netlist uses: LUTs, flip-flops, block RAMs and DSPs from Yosys' JSON, for the whole and for each unit.

Stands on emit's names. The one place that knows the cell names of each family.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Any

from hwflow.emit.rtl import INSTANCE
from hwflow.errors import RecipeError
from hwflow.families import family_of
from hwflow.families.base import Weights

HEAVY = r".*(RAM|ROM|SRL|DSP|MULT|MAC).*"  # cells that take LUTs or blocks, whatever family they are of


def sum_resources(cells: Counter[str], family: str) -> dict[str, float]:
    """lut, ff, bram, dsp of cells counted by type, in the family's own sizes (`Cells.method` says how).

    A RecipeError for a memory or a multiplier that the family does not know.
    """
    known = family_of(family).cells
    every = (*known.luts, *known.brams, *known.dsps)
    for kind in cells:
        if _match(HEAVY, kind) and not any(_match(pattern, kind) for pattern, _ in every):
            raise RecipeError(
                f"{family}: what a {kind} takes is not known; say it in the cells of hwflow/families/{family}.py"
            )
    lut = _weigh(cells, known.luts)
    if known.lut6_pairs:
        lut += logic_cells([cells[f"LUT{k}"] for k in range(1, 7)])
    out = {
        "lut": lut,
        "ff": sum(n for kind, n in cells.items() if _match(known.ffs, kind)),
        "bram": _weigh(cells, known.brams),
        "dsp": _weigh(cells, known.dsps),
    }
    return {k: int(v) if v == int(v) else v for k, v in out.items()}


def logic_cells(luts: list[int]) -> int:
    """LUT6s that hold LUT1 .. LUT6 cells (counts in that order); the figure `stat -tech xilinx` prints."""
    n1, n2, n3, n4, n5, n6 = luts
    n1 -= min(n5, n1)
    beside4 = min(n4, n1)
    n1 -= beside4
    n2 -= min(n4 - beside4, n2)
    beside3 = min(n3, n1)
    n1 -= beside3
    n2 -= min(n3 - beside3, n2)
    return n6 + n5 + n4 + n3 + (n1 + n2 + 1) // 2


def count_cells(netlist: dict[str, Any], module: str) -> Counter[str]:
    """Primitive cells by type below `module`, through the hierarchy."""

    @cache
    def below(name: str) -> Counter[str]:
        out: Counter[str] = Counter()
        for cell in netlist["modules"][name]["cells"].values():
            out += below(cell["type"]) if is_logic(netlist, cell["type"]) else Counter([cell["type"]])
        return out

    return below(module)


def is_logic(netlist: dict[str, Any], kind: str) -> bool:
    """True for a module of the design, false for a primitive of the library."""
    module = netlist["modules"].get(kind)
    return bool(module) and not ({"blackbox", "whitebox"} & module.get("attributes", {}).keys())


def count_units(netlist: dict[str, Any], family: str, top: str = "network") -> dict[str, dict[str, float]]:
    """Resources of every unit of module `top`, by the unit's name."""
    cells = netlist["modules"][top]["cells"]
    return {
        name.removeprefix(INSTANCE): sum_resources(count_cells(netlist, cell["type"]), family)
        for name, cell in cells.items()
        if is_logic(netlist, cell["type"])
    }


def _weigh(cells: Counter[str], weights: Weights) -> float:
    return sum(n * next((w for pattern, w in weights if _match(pattern, kind)), 0) for kind, n in cells.items())


@cache
def _match(pattern: str, kind: str) -> bool:
    return re.fullmatch(pattern, kind) is not None
