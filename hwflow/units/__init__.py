"""Every hardware unit by class, and small instances of each for the tests of every engine.

Stands on the unit modules. One line for each module: its class, and its `samples`.
"""

from __future__ import annotations

from hwflow.units import (
    add,
    concat,
    fifo,
    fork,
    lines,
    mvu,
    mvus,
    pad,
    pool,
    recode,
    reduce,
    rescale,
    threshold,
    topk,
    upsample,
    vvu,
    width,
    window,
)
from hwflow.units.add import AddUnit
from hwflow.units.concat import ConcatUnit
from hwflow.units.fifo import Fifo
from hwflow.units.fork import Fork
from hwflow.units.kit.base import Unit
from hwflow.units.lines import Lines
from hwflow.units.mvu import Mvu
from hwflow.units.mvus import Mvus
from hwflow.units.pad import PadUnit
from hwflow.units.pool import Pool
from hwflow.units.recode import Recode
from hwflow.units.reduce import Reduce
from hwflow.units.rescale import RescaleUnit
from hwflow.units.threshold import ThresholdUnit
from hwflow.units.topk import TopKUnit
from hwflow.units.upsample import UpsampleUnit
from hwflow.units.vvu import Vvu
from hwflow.units.width import Width
from hwflow.units.window import Window

UNITS: dict[type[Unit], object] = {
    Mvu: mvu,
    Mvus: mvus,
    ThresholdUnit: threshold,
    Width: width,
    Fifo: fifo,
    TopKUnit: topk,
    Recode: recode,
    Window: window,
    Lines: lines,
    Vvu: vvu,
    Pool: pool,
    Reduce: reduce,
    RescaleUnit: rescale,
    Fork: fork,
    AddUnit: add,
    ConcatUnit: concat,
    UpsampleUnit: upsample,
    PadUnit: pad,
}


def samples() -> tuple[Unit, ...]:
    """Small instances of every unit, awkward shapes included; each reads the stream `input`."""
    return tuple(unit for module in UNITS.values() for unit in module.samples())  # type: ignore[attr-defined]
