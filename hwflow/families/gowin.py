"""Gowin LittleBee (GW1N) and Arora (GW2A), open from RTL to bitstream: Yosys, nextpnr-himbaechel, gowin_pack.

Stands on families.base. Memories: Yosys 0.70, techlibs/gowin/brams.txt, lutrams.txt. PLL: UG286. Volts: DS117, DS102.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from hwflow.families.ecp5 import ram_luts

if TYPE_CHECKING:
    from hwflow.board import Board

PLL_NAMES = {"GW1N-9C": "GW1NR-9C", "GW2A-18C": "GW2AR-18C"}  # what the rPLL primitive calls a device


def series(device: str) -> str:
    """The series of a device: its die, its process and what Yosys calls it."""
    return "gw2a" if device.startswith("GW2A") else "gw1n"


def clocks(oscillator_mhz: float, device: str) -> Iterator[Clock]:
    """rPLL: an oscillator of 500 to 1250 MHz on Arora, 400 to 1200 MHz on LittleBee, 3 MHz at the phase detector."""
    low, high = (500, 1250) if series(device) == "gw2a" else (400, 1200)
    for reference in range(8):
        for feedback in range(64):
            mhz = oscillator_mhz * (feedback + 1) / (reference + 1)
            for divide in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128):
                if low <= mhz * divide <= high and oscillator_mhz / (reference + 1) >= 3 and mhz >= 5:
                    params: dict[str, int | str] = {
                        "Reference": reference,
                        "Feedback": feedback,
                        "Divide": divide,
                        "Clock": f"{oscillator_mhz:g}",
                        "Device": PLL_NAMES.get(device, device),
                    }
                    yield Clock(mhz, params)
                    break


def constrain(board: Board) -> str:
    lines = [f'IO_LOC "{port}" {pin};\nIO_PORT "{port}" IO_TYPE={board.io};' for port, pin in pins(board)]
    return "\n".join(lines) + "\n"


def arguments(board: Board) -> list[str]:
    return [
        "--device", board.part, "--vopt", f"family={board.device}", "--vopt", "cst=board.cst", "--json", "board.json",
        "--write", "routed.json",
    ]  # fmt: skip


FAMILY = Family(
    name="gowin",
    title="Gowin GW1N and GW2A",
    lut_inputs=4,
    rom_inputs=4,
    blocks=(Ram(14, WIDTHS, 128, byte=9),),
    block="18 Kbit",
    lut_rams=(Ram(4, (4,), 4, scale=4),),
    ram_luts=ram_luts,
    rom_bits=2048,
    multiplier=Multiplier(18, 18, 4, 4, half=9),
    cells=Cells(
        luts=((r"LUT[1-4]", 1), (r"ALU", 1), (r"RAM16S(DP)?4", 6), (r"RAM16S(DP)?2", 4), (r"RAM16S(DP)?1", 2)),
        ffs=r"DFF\w*|DL\w*",
        brams=((r"(SP|SPX9|SDPB|SDPX9B|DPB|DPX9B|pROM|pROMX9)", 1),),
        dsps=((r"MULT18X18", 1), (r"MULT9X9", 0.5), (r"MULT36X36", 4), (r"MULTALU\w*|MULTADDALU\w*", 2)),
        method="LUT4 cells, one for each carry cell, and LUT memories; 18 Kbit block RAMs; 18x18 multipliers",
    ),
    # wide multiplexers made of LUT4 pairs triple the area of popcounts (256 bits: 678 against 1,915)
    synthesis=Synthesis(
        "synth_gowin -nowidelut",
        core="-noiopads",
        option=lambda device: f"-family {series(device)}",
        models="gowin/cells_sim.v",
    ),
    power=Power(1.0, 55.0),
    typical=(20736, 15552, 46, 48),  # GW2A-18
    pll=Pll("gowin", clocks),
    route=PlaceAndRoute(
        tool="nextpnr-gowin",
        constraints="board.cst",
        constrain=constrain,
        arguments=arguments,
        pack=lambda board: ("gowin_pack", ["-d", board.device, "-o", "design.fs", "routed.json"]),
        bitstream="design.fs",
        usual="tangnano20k",
        largest=1500,
        slowness=1.3,
    ),
    silicon=lambda board: board.device,
)
