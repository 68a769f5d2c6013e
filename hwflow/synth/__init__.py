"""Synthesis: an emitted design measured by Yosys, and placed and routed by nextpnr.

Stands on board, tools and the emitted files alone; it never asks the units what they think they cost.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from hwflow.board import Board, load_board
from hwflow.errors import RecipeError
from hwflow.families import FAMILIES, family_of
from hwflow.synth import cells, pll, route, yosys

TIMEOUT = 3600.0  # seconds of one run of one tool


def synth(
    folder: Path,
    target: str | Board,
    *,
    out: Path,
    place: bool = False,
    timeout: float | None = TIMEOUT,
) -> dict[str, Any]:
    """Measured resources of the design in `folder` (network.sv, units, memory files) on a family or a board.

    lut, ff, bram, dsp in the family's own sizes, the same for every unit by instance name, how they were counted,
    seconds and tool. With `place`, also what nextpnr says of it on the board (or the family's usual one) behind the
    serial link, its image buffer left out: fmax_mhz, critical_path, utilisation in percent, placed_on, place_seconds.
    """
    family = target.family if isinstance(target, Board) else target
    known = family_of(family)
    board = _board_to_route(target) if place else None
    began = time.perf_counter()
    device = target.device if isinstance(target, Board) else ""
    netlist = yosys.map_core(folder, family, out, device=device, timeout=timeout)
    counted = cells.count_cells(netlist, yosys.CORE)
    result: dict[str, Any] = {
        "family": family,
        **cells.sum_resources(counted, family),
        "units": cells.count_units(netlist, family),
        "cells": dict(sorted(counted.items())),
        "method": known.cells.method,
        "tool": yosys.version(),
        "seconds": round(time.perf_counter() - began, 2),
    }
    if board:
        ports = {name: len(port["bits"]) for name, port in netlist["modules"][yosys.CORE]["ports"].items()}
        params = {"InBits": ports["x_data_i"], "InWords": 1, "OutBits": ports["y_data_o"], "OutWords": 1}
        routed = route.route_once(out, board, params, pll.pick_clock(board, board.clock_mhz), seed=1, timeout=timeout)
        result |= {
            "fmax_mhz": round(routed.fmax_mhz, 2),
            "critical_path": routed.critical_path,
            "utilisation": routed.utilisation,
            "placed_on": board.name,
            "place_seconds": round(routed.seconds, 2),
        }
    return result


def _board_to_route(target: str | Board) -> Board:
    """The board to place and route on; RecipeError where no open tool does it."""
    if isinstance(target, Board):
        board = target
    elif route := family_of(target).route:
        board = load_board(route.usual)
    else:
        raise RecipeError(
            f"{target}: no open tool places and routes it; leave --place out, or take one of {', '.join(list_routable())}"
        )
    if board.flow != "open":
        raise RecipeError(f"{board.name}: no open tool places and routes it; `hwflow deploy` writes a Vivado project")
    return board


def list_routable() -> tuple[str, ...]:
    """The families that open tools place and route."""
    return tuple(name for name, family in FAMILIES.items() if family.route)
