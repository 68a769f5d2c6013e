"""Lattice iCE40, open from RTL to bitstream: Yosys, nextpnr-ice40, icepack.

Stands on families.base. Memories: Yosys 0.70, techlibs/ice40/brams.txt. PLL: FPGA-TN-02052. Volts: FPGA-DS-02008.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hwflow.families.base import (
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


def ram_luts(bits: int, depth: int) -> float:
    """Flip-flops and a multiplexer."""
    return 1.7 * bits * depth


def clocks(oscillator_mhz: float, device: str) -> Iterator[Clock]:  # noqa: ARG001
    """The oscillator itself, or SB_PLL40: an oscillator of 533 to 1066 MHz, 10 to 133 MHz in."""
    yield Clock(oscillator_mhz, {"Reference": 0, "Feedback": 0, "Divide": 0, "Filter": 1})
    for feedback in range(128):
        for divide in range(1, 7):
            vco = oscillator_mhz * (feedback + 1)
            if 533 <= vco <= 1066 and 10 <= oscillator_mhz <= 133:
                params: dict[str, int | str] = {
                    "Reference": 0,
                    "Feedback": feedback,
                    "Divide": divide,
                    "Filter": 1 if oscillator_mhz < 17 else 2,
                }
                yield Clock(vco / 2**divide, params)


def constrain(board: Board) -> str:
    lines = [f"set_io {port} {pin}" for port, pin in pins(board)]
    return "\n".join([*lines, f"set_frequency clk_i {board.oscillator_mhz:g}"]) + "\n"


def arguments(board: Board) -> list[str]:
    return [
        f"--{board.device}", "--package", board.package, "--json", "board.json", "--pcf", "board.pcf", "--asc", "board.asc",
    ]  # fmt: skip


FAMILY = Family(
    name="ice40",
    title="Lattice iCE40",
    lut_inputs=4,
    rom_inputs=4,
    blocks=(Ram(11, (2, 4, 8), 64), Ram(8, (16,), 64, byte=1)),
    block="4 Kbit",
    lut_rams=(),
    ram_luts=ram_luts,
    rom_bits=1024,
    multiplier=Multiplier(16, 16, 2, 11),
    cells=Cells(
        luts=((r"SB_LUT4", 1),),
        ffs=r"SB_DFF\w*",
        brams=((r"SB_RAM40_4K\w*", 1),),
        dsps=((r"SB_MAC16", 1),),
        method="SB_LUT4 cells; 4 Kbit block RAMs; SB_MAC16",
    ),
    synthesis=Synthesis("synth_ice40 -device u -dsp", models="ice40/cells_sim.v"),
    power=Power(1.2, 40.0),
    typical=(5280, 5280, 30, 8),  # iCE40UP5K
    pll=Pll("ice40", clocks),
    route=PlaceAndRoute(
        tool="nextpnr-ice40",
        constraints="board.pcf",
        constrain=constrain,
        arguments=arguments,
        pack=lambda _: ("icepack", ["board.asc", "design.bin"]),
        bitstream="design.bin",
        usual="icebreaker",
        largest=2500,
        slowness=3.0,
    ),
    silicon=lambda board: board.device,
)
