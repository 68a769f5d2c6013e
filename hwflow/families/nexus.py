"""Lattice Nexus: CrossLink-NX and Certus-NX. Yosys maps it; nothing here places and routes it.

Stands on families.base, and on ecp5 for what is alike. Memories: Yosys 0.70, techlibs/lattice/brams_nexus.txt,
lutrams_nexus.txt. Volts: FPGA-DS-02049. Its large memories (LRAM) are not used.
"""

from __future__ import annotations

from dataclasses import replace

from hwflow.families import ecp5
from hwflow.families.base import Multiplier, Power, Synthesis


def tree_blocks(terms: int, a: int, b: int) -> float:
    """18x18 multipliers of `terms` products of a by b bits that hls/parts/adder_tree.sv sums.

    Yosys' pass lattice_dsp_nexus moves an adder into the block of a product that it adds, whatever the product's size, and
    four products of up to nine bits with their adders into one MULTADDSUB9X9WIDE. It sees the adders below the tree's
    first registers, which are those of up to four terms.
    """
    return sum(_sum_blocks(n, *sorted((a, b))) for n in _leaves(terms, (terms - 1).bit_length()))


def _leaves(terms: int, height: int) -> list[int]:
    """Terms of each part of an adder tree that has no registers inside: registers stand above every second height."""
    if height <= 2:
        return [terms]
    return _leaves(terms - terms // 2, height - 1) + _leaves(terms // 2, height - 1)


def _sum_blocks(terms: int, narrow: int, wide: int) -> float:
    """Multipliers of products that adders sum at once: one has no adder of its own, each of the others shares its block."""
    if terms == 4 and wide <= 9:
        return 2
    return (terms - 1) + _alone(narrow, wide) if wide <= 18 else terms * _alone(narrow, wide)


def _alone(narrow: int, wide: int) -> float:
    """Multipliers of a product that shares its block with neither an adder nor a register; 0 where it is made of LUTs."""
    if narrow < 4:
        return 0
    if wide <= 9:
        return 0.5
    if wide >= 22 and narrow >= 10:
        return 4 if narrow >= 22 else 2
    if wide > 18:  # one block, and what it leaves of the wider factor
        return 1 + _alone(*sorted((narrow, wide - 17)))
    return 1


FAMILY = replace(
    ecp5.FAMILY,
    name="nexus",
    title="Lattice Nexus",
    # a product of any size, because the register behind it is in the block as well
    multiplier=Multiplier(18, 18, 2, 2, tree=tree_blocks),
    cells=replace(
        ecp5.FAMILY.cells,
        luts=((r"LUT4", 1), (r"CCU2", 2), (r"DPR16X4", 6)),
        ffs=r"FD1P3[BDIJ]X|FL1P3\w+",
        brams=((r"(PDPSC|PDP|SP|DP)\w*16K(_MODE)?", 1),),
        dsps=(
            (r"MULT9X9", 0.5), (r"MULT18X18", 1), (r"MULT18X36", 2), (r"MULT36X36|MULTADDSUB36X36", 4),
            (r"MULTADDSUB18X18|MULTPREADD18X18", 1), (r"MULTPREADD9X9", 0.5), (r"MULTADDSUB\w+", 2),
        ),
    ),
    synthesis=Synthesis("synth_nexus -family lifcl -nowidelut", core="-noiopad", models="nexus/cells_sim.v"),
    power=Power(1.0, 28.0),
    typical=(32256, 32256, 84, 56),  # LIFCL-40
    pll=None,
    route=None,
)  # fmt: skip
