"""Lattice ECP5, open from RTL to bitstream: Yosys, nextpnr-ecp5, ecppack.

Stands on families.base. Memories: Yosys 0.70, techlibs/ecp5/brams.txt, lutrams.txt. PLL: FPGA-TN-02200. Volts: FPGA-DS-02012.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING

from hwflow.families.base import (
    WIDTHS,
    Cells,
    Clock,
    Family,
    Multiplier,
    PlaceAndRoute,
    Pll,
    Power,
    Ram,
    Synthesis,
    pins,
)

if TYPE_CHECKING:
    from hwflow.board import Board

# Popcounts are dense: packed as tightly as nextpnr likes, CNV (17,000 LUTs) did not finish routing. With at most 0.6 of any
# region filled and the router that negotiates over all nets at once, its routing took 108 s.
SPREAD = ["--router", "router2", "--placer-heap-beta", "0.6"]


def ram_luts(bits: int, depth: int) -> float:
    """TRELLIS_DPR16X4, six LUTs for four bits, and multiplexers where several lie one above the other."""
    above = ceil(depth / 16)
    return bits * (1.5 * above + 1.0 * (above - 1))


def clocks(oscillator_mhz: float, device: str) -> Iterator[Clock]:  # noqa: ARG001
    """EHXPLLL: an oscillator of 400 to 800 MHz, 10 to 400 MHz out, 8 MHz at least behind the reference divider."""
    for reference in range(1, 4):
        for feedback in range(1, 40):
            mhz = oscillator_mhz * feedback / reference
            divide = next((d for d in range(128, 0, -1) if mhz * d <= 800), 0)
            if 10 <= mhz <= 400 and mhz * divide >= 400 and oscillator_mhz / reference >= 8:
                yield Clock(mhz, {"Reference": reference, "Feedback": feedback, "Divide": divide})


def constrain(board: Board) -> str:
    lines = [
        f'LOCATE COMP "{port}" SITE "{pin}";\nIOBUF PORT "{port}" IO_TYPE={board.io};' for port, pin in pins(board)
    ]
    return "\n".join([*lines, f'FREQUENCY PORT "clk_i" {board.oscillator_mhz:g} MHZ;']) + "\n"


def arguments(board: Board) -> list[str]:
    return [
        f"--{board.device}", "--package", board.package, "--speed", board.speed, "--json", "board.json",
        "--lpf", "board.lpf", "--textcfg", "board.config", *SPREAD,
    ]  # fmt: skip


FAMILY = Family(
    name="ecp5",
    title="Lattice ECP5",
    lut_inputs=4,
    rom_inputs=4,
    blocks=(Ram(14, WIDTHS, 128, byte=9),),
    block="18 Kbit",
    lut_rams=(Ram(4, (4,), 4),),
    ram_luts=ram_luts,
    rom_bits=2048,
    multiplier=Multiplier(18, 18, 2, 2),
    cells=Cells(
        # a carry cell is two LUTs; a 16x4 memory is four, and its write port keeps two more
        luts=((r"LUT4", 1), (r"CCU2C", 2), (r"TRELLIS_DPR16X4", 6)),
        ffs=r"TRELLIS_FF",
        brams=((r"DP16KD|PDPW16KD", 1),),
        dsps=((r"MULT18X18D", 1), (r"MULT9X9D", 0.5)),
        method="LUT4 cells, two for each carry cell, six for each 16x4 LUT memory; 18 Kbit block RAMs; 18x18 multipliers",
    ),
    # wide multiplexers made of LUT4 pairs double the area of popcounts (256 bits: 685 against 1,314)
    synthesis=Synthesis(
        "synth_ecp5 -nowidelut", models="ecp5/cells_sim.v", own_models=("DP16KD",), unmodelled="-nodsp"
    ),
    power=Power(1.1, 40.0),
    typical=(83640, 83640, 208, 156),  # LFE5U-85F
    pll=Pll("ecp5", clocks),
    route=PlaceAndRoute(
        tool="nextpnr-ecp5",
        constraints="board.lpf",
        constrain=constrain,
        arguments=arguments,
        pack=lambda _: ("ecppack", ["--compress", "board.config", "design.bit"]),
        bitstream="design.bit",
        usual="ulx3s_85f",
        largest=6000,
        improved=True,
    ),
    silicon=lambda board: f"LFE5U at speed {board.speed}",
)
