"""A whole design, link included, on a board that open tools route: synthesised once, placed with each seed of the placer.

Stands on deploy's parameters, synth and route. The tables of clocks and of tasks measure the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hwflow.board import Board
from hwflow.deploy import designs
from hwflow.places import contents
from hwflow.synth import TIMEOUT, route, synth, yosys
from hwflow.synth.improve import texts
from hwflow.synth.pll import pick_clock
from hwflow.synth.route import Routed
from hwflow.units.kit.base import Dataflow


def place(
    flow: Dataflow, rtl: Path, board: Board, work: Path, seeds: Sequence[int], say: Callable[[str], None],
    clock_mhz: float | None = None,
) -> tuple[dict[str, Any], list[Routed]]:  # fmt: skip
    """What `synth` counts of the design emitted into `rtl`, and what each seed reaches, all aiming at the same clock.

    The clock is `clock_mhz`, else the board's own. `work` is a folder for the tools.
    """
    cells = synth(rtl, board, out=work, timeout=TIMEOUT)
    params, at = designs.parameters(flow, rtl), pick_clock(board, clock_mhz or board.clock_mhz)
    runs = []
    for seed in seeds:
        run = route.route_once(work, board, params, at, seed=seed, timeout=TIMEOUT)
        say(f"{board.name}: seed {seed} reaches {run.fmax_mhz:.1f} MHz ({run.seconds:.0f} s)")
        runs.append(run)
    return cells, runs


def made_from(rtl: Path, board: Board, *asked: str) -> list[str | bytes]:
    """What a placed design depends on: the board, what was `asked`, the tool, passes behind it, the board's top, the
    design's own files."""
    shell = [path.read_bytes() for path in route.shell_sources(board.family)]
    return [repr(board), *asked, yosys.version(), *texts(), *shell, *contents(rtl)]
