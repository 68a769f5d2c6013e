"""Every hardware unit by class, and small instances of each for the tests of every engine.

Stands on the unit modules. A unit is one file here; `kit` is what they are built from. Whoever needs to know something
of a unit asks it (units/kit/base.py has the questions).
"""

from __future__ import annotations

from hwflow.units.add import AddUnit
from hwflow.units.concat import ConcatUnit
from hwflow.units.fifo import Fifo
from hwflow.units.fork import Fork
from hwflow.units.kit.base import Unit
from hwflow.units.lines import Lines
from hwflow.units.maximum import MaximumUnit
from hwflow.units.multiply import MultiplyUnit
from hwflow.units.mvu import Mvu
from hwflow.units.mvus import Mvus
from hwflow.units.pad import PadUnit
from hwflow.units.pool import Pool
from hwflow.units.recode import Recode
from hwflow.units.recur import Recur
from hwflow.units.reduce import Reduce
from hwflow.units.rescale import RescaleUnit
from hwflow.units.threshold import ThresholdUnit
from hwflow.units.topk import TopKUnit
from hwflow.units.upsample import UpsampleUnit
from hwflow.units.vvu import Vvu
from hwflow.units.width import Width
from hwflow.units.window import Window

__all__ = [
    "UNITS",
    "AddUnit",
    "ConcatUnit",
    "Fifo",
    "Fork",
    "Lines",
    "MaximumUnit",
    "MultiplyUnit",
    "Mvu",
    "Mvus",
    "PadUnit",
    "Pool",
    "Recode",
    "Recur",
    "Reduce",
    "RescaleUnit",
    "ThresholdUnit",
    "TopKUnit",
    "Unit",
    "UpsampleUnit",
    "Vvu",
    "Width",
    "Window",
    "samples",
]

UNITS: tuple[type[Unit], ...] = (
    Mvu,
    Mvus,
    ThresholdUnit,
    Width,
    Fifo,
    TopKUnit,
    Recode,
    Window,
    Lines,
    Vvu,
    Pool,
    Reduce,
    RescaleUnit,
    Fork,
    AddUnit,
    MaximumUnit,
    MultiplyUnit,
    ConcatUnit,
    UpsampleUnit,
    PadUnit,
    Recur,
)


def samples() -> tuple[Unit, ...]:
    """Small instances of every unit, awkward shapes included; each reads the stream `input`."""
    return tuple(sample for unit in UNITS for sample in unit.samples())
