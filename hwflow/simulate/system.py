"""Both halves of a network over two boards, run together by Verilator: two tops, the link between them, stalls at both ends.

Stands on simulate.rtl and emit.system.
"""

from __future__ import annotations

from pathlib import Path

from hwflow.bits import Array
from hwflow.emit.system import emit
from hwflow.simulate.base import Run
from hwflow.simulate.rtl import TOP, Design, End, _build, _simulate
from hwflow.units.kit.base import Dataflow


def run(first: Dataflow, second: Dataflow, folder: Path, x: Array, *, stalls: int | None = None) -> Run:
    """Answers (n, outputs) for input integers (n, *shape) through both halves; `folder` gets the design (emit.system)."""
    ends = [End("source", 0, first.input, label="input")], [End("sink", 1, second.output, label="output")]
    design = Design("dut", TOP, True, [], *ends, cycles=max(first.cycles, second.cycles))
    files = sorted(emit(first, second, folder).resolve().glob("*.sv"))
    runs, _ = _simulate([design], [(x,)], _build([design], files), folder, stalls)
    return runs[0][0]
