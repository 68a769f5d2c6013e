"""AMD UltraScale+: Zynq UltraScale+, Kria, Artix and Kintex UltraScale+. Yosys maps it; Vivado places and routes.

Stands on families.base, and on xc7 for what is alike: the same six-input LUT, the same 18 Kbit block RAM. PLL: UG572.
Volts: DS925. UltraRAM is not used: a bitstream cannot fill it, which rules out weights (UG573), and rings and fifos are far
below its 4,096 words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from hwflow.families import xc7
from hwflow.families.base import Clock, Multiplier, Pll, Power, Ram, Synthesis


def clocks(oscillator_mhz: float, device: str) -> Iterator[Clock]:  # noqa: ARG001
    """An MMCM whose oscillator runs at 800 to 1600 MHz; Vivado turns the 7-series primitive into its own."""
    return xc7.mmcm_clocks(oscillator_mhz, [f for f in range(2, 129) if 800 <= oscillator_mhz * f <= 1600])


FAMILY = replace(
    xc7.FAMILY,
    name="xcup",
    title="AMD UltraScale+",
    lut_rams=(Ram(5, (14,), 16, scale=16), Ram(6, (7,), 16, scale=16)),
    ram_luts=partial(xc7.ram_luts, luts=8, shallow=14, deep=7),  # RAM32M16, RAM64M8
    multiplier=Multiplier(27, 18, 2, 9),
    synthesis=Synthesis(
        "synth_xilinx -family xcup -flatten",
        core="-noiopad -noclkbuf",
        models="xilinx/cells_sim.v",
        defines=("POPCOUNT_OF_SLICES", "CHAIN_OF_CARRY8"),
        apart=("rom_deep",),
    ),
    power=Power(0.85, 16.0),
    typical=(230400, 460800, 624, 1728),  # XCZU7EV
    pll=Pll("xc7", clocks),
)
