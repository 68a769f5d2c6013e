"""AMD 7-series: Artix-7, Kintex-7, Zynq-7000. Yosys maps it; Vivado places and routes.

Stands on families.base. Memories: Yosys 0.70, techlibs/xilinx/brams_xc5v_map, lutrams. PLL: UG472. Volts: DS181.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil

from hwflow.families.base import WIDTHS, Cells, Clock, Family, Multiplier, Pll, Power, Ram, Synthesis


def ram_luts(bits: int, depth: int, luts: int = 4, shallow: int = 6, deep: int = 3) -> float:
    """RAM32M of `shallow` bits and RAM64M of `deep` ones, so many LUTs each, and multiplexers where several lie one above
    the other."""
    above = ceil(depth / 64)
    return luts * ceil(bits / shallow) if depth <= 32 else luts * ceil(bits / deep) * above + 0.5 * bits * (above - 1)


def clocks(oscillator_mhz: float, device: str) -> Iterator[Clock]:  # noqa: ARG001
    """An MMCM whose oscillator runs at 600 to 1200 MHz for an input of 100 MHz."""
    return mmcm_clocks(oscillator_mhz, range(6, 13))


def mmcm_clocks(oscillator_mhz: float, feedbacks: Iterable[int]) -> Iterator[Clock]:
    """Every clock that an MMCM makes with these dividers in its feedback."""
    for feedback in feedbacks:
        for divide in range(2, 129):
            params: dict[str, int | str] = {
                "Reference": 1,
                "Feedback": feedback,
                "Divide": divide,
                "PeriodNs": round(1000 / oscillator_mhz),
            }
            yield Clock(oscillator_mhz * feedback / divide, params)


CELLS = Cells(
    luts=(
        (r"RAM(32|64)M", 4),
        (r"RAM32M16|RAM64M8", 8),
        (r"RAM64X1D.*|RAM32X1D.*", 2),
        (r"RAM128X1D", 4),
        (r"RAM256X1[SD]", 4),
        (r"RAM128X1S", 2),
        (r"RAM(32|64)X1S.*", 1),
        (r"SRL16E|SRLC32E|SRLC16E", 1),
        (r"LUT6_2", 1),
    ),
    ffs=r"FD[RSCP]E(_1)?|LD[CP]E",
    brams=((r"RAMB18\w*", 1), (r"RAMB36\w*", 2)),
    dsps=((r"DSP48E\w*", 1),),
    method="Yosys' estimate of logic cells: two functions of at most five inputs together share a LUT6 and count once "
    "(4 with 2, 3 with 2, 2 with 2, any small one with 1), a LUT6_2 is one; LUT memories added; RAMB18 units",
    lut6_pairs=True,
)

FAMILY = Family(
    name="xc7",
    title="AMD 7-series",
    lut_inputs=6,
    rom_inputs=5,  # 64 words were seen to take several LUTs of six inputs
    blocks=(Ram(14, WIDTHS, 129, byte=9), Ram(15, (*WIDTHS, 72), 257, byte=9, size=2)),
    block="18 Kbit (a RAMB36 is two)",
    lut_rams=(Ram(5, (6,), 8, scale=7), Ram(6, (3,), 8, scale=7)),
    ram_luts=ram_luts,
    rom_bits=9000,
    multiplier=Multiplier(25, 18, 2, 9),
    cells=CELLS,
    synthesis=Synthesis(
        "synth_xilinx -family xc7 -flatten",
        core="-noiopad -noclkbuf",
        models="xilinx/cells_sim.v",
        defines=("POPCOUNT_OF_SLICES",),
        apart=("rom_deep",),
    ),
    power=Power(1.0, 28.0),
    typical=(53200, 106400, 280, 220),  # XC7Z020
    pll=Pll("xc7", clocks),
)
