"""Lattice Nexus: CrossLink-NX and Certus-NX. Yosys maps it; nothing here places and routes it.

Stands on families.base, and on ecp5 for what is alike. Memories: Yosys 0.70, techlibs/lattice/brams_nexus.txt,
lutrams_nexus.txt. Volts: FPGA-DS-02049. Its large memories (LRAM) are not used.
"""

from __future__ import annotations

from hwflow.families.base import WIDTHS, Cells, Family, Multiplier, Power, Ram, Synthesis
from hwflow.families.ecp5 import ram_luts

FAMILY = Family(
    name="nexus",
    title="Lattice Nexus",
    lut_inputs=4,
    rom_inputs=4,
    blocks=(Ram(14, WIDTHS, 128, byte=9),),
    block="18 Kbit",
    lut_rams=(Ram(4, (4,), 4),),
    ram_luts=ram_luts,
    rom_bits=2048,
    multiplier=Multiplier(18, 18, 2, 2),  # small products too: Yosys mostly makes a multiplier with an adder of them
    cells=Cells(
        # as ECP5: a carry cell is two LUTs; a 16x4 memory is four, and its write port keeps two more
        luts=((r"LUT4", 1), (r"CCU2", 2), (r"DPR16X4", 6)),
        ffs=r"FD1P3[BDIJ]X|FL1P3\w+",
        brams=((r"(PDPSC|PDP|SP|DP)\w*16K(_MODE)?", 1),),
        dsps=((r"MULT9X9", 0.5), (r"MULT18X18", 1), (r"MULT18X36", 2), (r"MULT36X36|MULTADDSUB36X36", 4),
              (r"MULTADDSUB18X18|MULTPREADD18X18", 1), (r"MULTPREADD9X9", 0.5), (r"MULTADDSUB\w+", 2)),
        method="LUT4 cells, two for each carry cell, six for each 16x4 LUT memory; 18 Kbit block RAMs; 18x18 multipliers",
    ),
    synthesis=Synthesis("synth_nexus -family lifcl -nowidelut", core="-noiopad", models="nexus/cells_sim.v"),
    power=Power(1.0, 28.0),
    typical=(32256, 32256, 84, 56),  # LIFCL-40
)  # fmt: skip
