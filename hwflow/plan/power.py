"""What a design's core is estimated to draw: toggles of its streams, as the RTL moves them, times a published coefficient.

Stands on units. An estimate, and of the dynamic power of the fabric alone: leakage, pins, clock managers and processors are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwflow.families import family_of
from hwflow.units.kit.base import Dataflow

# Shang, Kaviani, Bathala, "Dynamic power consumption in Virtex-II FPGA family", FPGA 2002 (doi 10.1145/503048.503072): a CLB (eight
# LUT4s and flip-flops) dissipates 5.9 uW at 1 MHz in typical designs, of which routing is 60 %, logic 16 %, clocking 14 %.
CELL = 5.9 / 8  # uW/MHz of a LUT4 and its flip-flop, at 150 nm and 1.5 V
CLOCKING, SWITCHING = 0.14, 0.76
TYPICAL = 0.125  # toggles a cycle at which that is taken to hold: the default of vendors' estimators
NETS = 36  # a block RAM or a multiplier drives about as many nets as its widest port
SOURCE_TEXT = (
    "Shang, Kaviani, Bathala, FPGA 2002 (Virtex-II), scaled by core voltage squared and feature size; estimate"
)


def scale_coefficient(family: str) -> float:
    """uW/MHz of one cell of a family that toggles as typical designs do; capacitance is taken to shrink with the process."""
    process = family_of(family).power
    return CELL * (process.volts / 1.5) ** 2 * process.nanometres / 150


def estimate_activity(dataflow: Dataflow, toggles: Mapping[str, float]) -> dict[str, float]:
    """Toggles a cycle of a bit of what each unit works on, by unit; `toggles` holds the bits that change an image on each
    stream, by edge name.

    A unit that replays a vector, or meets new weights in each cycle, works on data as different as when they came: its
    inputs' share of changing bits counts for all the cycles it is busy.
    """
    out = {}
    for unit in dataflow.units:
        bits = sum(s.bits * s.words for s in unit.ins)
        share = sum(toggles[e.removesuffix(":0")] for e in unit.inputs) / bits
        out[unit.name] = share * unit.cycles / dataflow.cycles
    return out


def estimate_power(
    dataflow: Dataflow, family: str, clock_mhz: float, toggles: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """mw while images follow each other without a gap, uj_per_image, where the activity and the coefficient come from."""
    moves = estimate_activity(dataflow, toggles) if toggles else {u.name: TYPICAL for u in dataflow.units}
    cell = scale_coefficient(family) * clock_mhz  # uW
    total = 0.0
    for unit in dataflow.units:
        cost = unit.cost(family)
        clocked, nets = max(cost.ff, cost.lut), cost.lut + NETS * (cost.bram + cost.dsp)
        total += cell * (CLOCKING * clocked + SWITCHING * nets * moves[unit.name] / TYPICAL)
    return {
        "mw": round(total / 1000, 2),
        "uj_per_image": round(total * dataflow.cycles / clock_mhz * 1e-6, 4),
        "activity": round(sum(moves.values()) / max(len(moves), 1), 4),
        "activity_from": "toggles of every stream in the RTL simulation"
        if toggles
        else f"{TYPICAL} toggles a cycle, assumed: the RTL was not simulated",
        "coefficient_uw_per_mhz": round(scale_coefficient(family), 4),
        "source": SOURCE_TEXT,
        "kind": "estimated",
        "of": "dynamic power of the core",
    }
