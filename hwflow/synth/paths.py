"""The critical path that nextpnr reports, in the words of units: where it begins, what it goes through, where it ends.

Stands on emit's names of instances and on the instances of hls/board/board_uart.sv and accelerator.sv.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from hwflow.emit.rtl import INSTANCE

# parts of a board by the beginning of a cell's name
PARTS = {
    "board.net.slice_x": "the slice behind the link", "board.net.slice_y": "the slice before the link",
    "board.net.slice_in": "the slice before the network", "board.net.slice_out": "the slice behind the network",
    "board.net.gear_in": "the gear that gathers bytes", "board.net.gear_out": "the gear that spreads bytes",
    "board.net": "the accelerator's shell", "board.from_host": "the link's receiver", "board.to_host": "the link's transmitter",
    "board.registers": "the counters", "board.rx": "the UART's receiver", "board.tx": "the UART's transmitter", "board": "the link",
    "pll": "the PLL", "reset": "the reset",
}  # fmt: skip
CORE = f"board.net.core.{INSTANCE}"


def part_of(cell: str) -> str:
    """The unit, or the part of the board around the network, that a cell belongs to."""
    if cell.startswith(CORE):
        return cell.removeprefix(CORE).split(".")[0]
    return next((words for start, words in PARTS.items() if cell.startswith(f"{start}.")), "the board")


def describe_critical_path(report: dict[str, Any]) -> str | None:
    """The slowest path of nextpnr's report within one clock, as a sentence; None where it names none."""
    paths: Sequence[dict[str, Any]] = [
        p for p in report.get("critical_paths", []) if p["path"] and p["from"] == p["to"]
    ]
    if not paths:
        return None
    steps = max(paths, key=lambda p: sum(s["delay"] for s in p["path"]))["path"]
    wires = sum(s["delay"] for s in steps if s["type"] == "routing")
    logic = sum(s["delay"] for s in steps) - wires
    stations = [name for name, _ in groupby(part_of(s["to"]["cell"]) for s in steps if "cell" in s["to"])]
    way = f"within {stations[0]}" if len(stations) == 1 else " to ".join(stations)
    levels = sum(s["type"] == "logic" for s in steps)
    return f"{way}: {logic:.2f} ns in {levels} levels of logic, {wires:.2f} ns of wires"
