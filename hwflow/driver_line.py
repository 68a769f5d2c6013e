"""What a host opens: design.json, the serial line, the simulated board.

Stands on driver.py and driver_bytes.py, beside which a copy of this file lies, and on pyserial.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or __package__:
    from hwflow.driver import LinkError
    from hwflow.driver_bytes import Words
else:
    from driver import LinkError
    from driver_bytes import Words


def start_board(program: Path) -> tuple[subprocess.Popen[str], str]:
    """Start a simulated board; its process and the path of the terminal that is its serial line."""
    if not program.is_file():
        raise LinkError(f"{program} is not there; make the simulated board: hwflow deploy DIR --board sim")
    board = subprocess.Popen(
        [str(program.resolve())],
        cwd=program.resolve().parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    if not (terminal := board.stdout.readline().strip() if board.stdout else ""):
        raise LinkError(f"{program} ended with {board.wait()} instead of opening a terminal; make it anew")
    return board, terminal


def stop_board(board: subprocess.Popen[str]) -> None:
    """End a simulated board."""
    board.terminate()
    board.wait()
    if board.stdout:
        board.stdout.close()


def open_serial(port: str, baud: int) -> Any:
    """The serial device, for this host alone: a second one that opens it is refused, as is this one where it comes second."""
    import serial  # not needed on PYNQ

    try:
        return serial.Serial(port, baud, timeout=0.005, exclusive=True)
    except serial.SerialException as e:
        raise LinkError(f"{port} cannot be opened: {e}") from e


def read_design(path: Path) -> dict[str, Any]:
    """What design.json holds; LinkError where it is absent, no JSON or lacks what a host must know."""
    try:
        if path.stat().st_size > MOST_DESIGN or not path.is_file():
            raise ValueError("it is too large" if path.is_file() else "it is no regular file")
        return _check(json.loads(path.read_text()))
    except (OSError, ValueError, RecursionError) as e:
        reason = " ".join(str(e).split())[:160] or type(e).__name__
        raise LinkError(f"{path}: is not a design.json ({reason}); give the one of the deploy folder") from e


MOST_DESIGN = 64 << 20  # bytes of design.json; it carries the steps from integers to scores


def _check(design: Any) -> dict[str, Any]:
    """The same design; ValueError unless it says what a host must know."""
    if not isinstance(design, dict):
        raise ValueError("it is no object")
    whole = ("baud",) if design.get("link") == "uart" else ("beat_bytes", "transfer_bytes")
    for key in ("id", *whole, "clock_mhz", "cycles_per_image"):
        value: Any = design.get(key)
        right = type(value) is int or (type(value) is float and key == "clock_mhz")
        if not right or not 0 <= value < 1 << 64:
            raise ValueError(f"{key} is {str(value)[:40]}, must be a number")
    if design.get("link") not in ("uart", "dma"):
        raise ValueError(f"link is {str(design.get('link'))[:40]}, must be uart or dma")
    for side in ("input", "output"):
        known = design.get(side)
        if not isinstance(known, dict) or set(known) != {f.name for f in fields(Words)}:
            raise ValueError(f"{side} does not say how words are packed")
        shape, rest = known["shape"], [v for k, v in known.items() if k != "shape"]
        if not isinstance(shape, list) or not all(type(n) is int for n in [*shape, *rest]):
            raise ValueError(f"{side} holds something else than whole numbers")
        size, bits, par, words = int(np.prod(shape, dtype=object)), known["bits"], known["par"], known["words"]
        if min(shape, default=0) < 1 or not 0 < bits <= 64 or par < 1 or words < 1 or par * words != size:
            raise ValueError(f"{side} packs {shape} into {words} words of {par} elements")
        if size > 1 << 28 or not -(1 << 63) <= known["lo"] <= known["hi"] < 1 << 63 or known["step"] not in (1, 2):
            raise ValueError(f"{side} has a size or a range that cannot be")
    return design
