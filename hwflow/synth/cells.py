"""What a mapped netlist uses: LUTs, flip-flops, block RAMs and DSPs from Yosys' JSON, for the whole and for each unit.

Stands on emit's names. The one place that knows the cell names of each family.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Any

from hwflow.emit.rtl import INSTANCE

LutWeights = tuple[tuple[str, float], ...]

# What each cell takes, in the family's own LUTs. First pattern that matches wins.
# xc7 LUT1..LUT6 are not here: `logic_cells` counts them, two small functions in one LUT6 once.
LUTS: dict[str, LutWeights] = {
    "xc7": ((r"RAM(32|64)M$", 4), (r"RAM64X1D.*|RAM32X1D.*", 2), (r"RAM128X1D", 4), (r"RAM256X1[SD]", 4), (r"RAM128X1S", 2),
            (r"RAM(32|64)X1S.*", 1), (r"SRL16E|SRLC32E|SRLC16E", 1)),
    # a carry cell is two LUTs; a 16x4 memory is four, and its write port keeps two more
    "ecp5": ((r"LUT4", 1), (r"CCU2C", 2), (r"TRELLIS_DPR16X4", 6)),
    "gowin": ((r"LUT[1-4]", 1), (r"ALU", 1), (r"RAM16S(DP)?4", 6), (r"RAM16S(DP)?2", 4), (r"RAM16S(DP)?1", 2)),
    "ice40": ((r"SB_LUT4", 1),),
}  # fmt: skip
FFS = {"xc7": r"FD[RSCP]E(_1)?|LD[CP]E", "ecp5": r"TRELLIS_FF", "gowin": r"DFF\w*|DL\w*", "ice40": r"SB_DFF\w*"}
BRAMS: dict[str, LutWeights] = {
    "xc7": ((r"RAMB18\w*", 1), (r"RAMB36\w*", 2)),
    "ecp5": ((r"DP16KD|PDPW16KD", 1),),
    "gowin": ((r"(SP|SPX9|SDPB|SDPX9B|DPB|DPX9B|pROM|pROMX9)", 1),),
    "ice40": ((r"SB_RAM40_4K\w*", 1),),
}
DSPS: dict[str, LutWeights] = {
    "xc7": ((r"DSP48E\w*", 1),),
    "ecp5": ((r"MULT18X18D", 1), (r"MULT9X9D", 0.5)),
    "gowin": ((r"MULT18X18", 1), (r"MULT9X9", 0.5), (r"MULT36X36", 4), (r"MULTALU\w*|MULTADDALU\w*", 2)),
    "ice40": ((r"SB_MAC16", 1),),
}
METHOD = {
    "xc7": "Yosys' estimate of logic cells: two functions of at most five inputs together share a LUT6 and count once (4 with 2, 3 with 2, 2 with 2, any small one with 1); LUT memories added; RAMB18 units",
    "ecp5": "LUT4 cells, two for each carry cell, six for each 16x4 LUT memory; 18 Kbit block RAMs; 18x18 multipliers",
    "gowin": "LUT4 cells, one for each carry cell, and LUT memories; 18 Kbit block RAMs; 18x18 multipliers",
    "ice40": "SB_LUT4 cells; 4 Kbit block RAMs; SB_MAC16",
}  # fmt: skip


def resources(cells: Counter[str], family: str) -> dict[str, float]:
    """lut, ff, bram, dsp of cells counted by type, in the family's own sizes (METHOD says how)."""
    lut = _weigh(cells, LUTS[family])
    if family == "xc7":
        lut += logic_cells([cells[f"LUT{k}"] for k in range(1, 7)])
    out = {
        "lut": lut,
        "ff": sum(n for kind, n in cells.items() if _match(FFS[family], kind)),
        "bram": _weigh(cells, BRAMS[family]),
        "dsp": _weigh(cells, DSPS[family]),
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


def count(netlist: dict[str, Any], module: str) -> Counter[str]:
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


def units(netlist: dict[str, Any], family: str, top: str = "network") -> dict[str, dict[str, float]]:
    """Resources of every unit of module `top`, by the unit's name."""
    cells = netlist["modules"][top]["cells"]
    return {
        name.removeprefix(INSTANCE): resources(count(netlist, cell["type"]), family)
        for name, cell in cells.items()
        if is_logic(netlist, cell["type"])
    }


def _weigh(cells: Counter[str], weights: LutWeights) -> float:
    return sum(n * next((w for pattern, w in weights if _match(pattern, kind)), 0) for kind, n in cells.items())


@cache
def _match(pattern: str, kind: str) -> bool:
    return re.fullmatch(pattern, kind) is not None
