"""A Vivado project as a folder: sources, the script that builds it, and design.tcl with the numbers it reads.

Stands on board, pll and hls/vendor/vivado_*.tcl. Nothing here needs Vivado; the script does, later, on the user's machine.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from hwflow.board import DMA_BYTES, Board
from hwflow.deploy import feeds
from hwflow.deploy.ipxact import component
from hwflow.emit.rtl import sources
from hwflow.errors import RecipeError
from hwflow.families import family_of
from hwflow.places import hardware
from hwflow.synth.pll import pick_clock
from hwflow.synth.route import shell_sources
from hwflow.units.kit.base import Dataflow

BEAT_BYTES = DMA_BYTES  # of one beat of an AXI DMA


def project(
    board: Board,
    params: Mapping[str, int],
    rtl: Path,
    out: Path,
    name: str = "network",
    dataflow: Dataflow | None = None,
) -> dict[str, float | int]:
    """Write the project of a design for an AMD board into `out`; the clock and, on a serial line, the baud rate it will have.

    `dataflow` says which weights are streamed; without one, none are.
    """
    script = {"uart": "vivado_uart.tcl", "dma": "vivado_dma.tcl"}[board.link]
    (out / "rtl").mkdir(parents=True)
    for path in (*rtl.glob("*.sv"), *rtl.glob("*.mem")):
        shutil.copyfile(path, out / "rtl" / path.name)
    shell = (
        [*sources(["board_dma"]), hardware("board_dma_bd.v")] if board.link == "dma" else shell_sources(board.family)
    )
    for path in shell:
        shutil.copyfile(path, out / "rtl" / path.name)
    shutil.copyfile(hardware(script), out / script)
    if board.link == "dma":
        settings, made = _dma(board, params), {"clock_mhz": board.clock_mhz}
        if dataflow is not None and dataflow.feeds:
            wrapper = out / "rtl" / "board_dma_bd.v"
            wrapper.write_text(feeds.wrap(wrapper.read_text(), dataflow))
            feeds.copy_words(dataflow, rtl, out, BEAT_BYTES)
            settings["feeds"] = str(len(dataflow.feeds))
        block = {"Bytes": BEAT_BYTES, **params}
        files = [f"rtl/{p.name}" for p in (out / "rtl").iterdir()]
        (out / "component.xml").write_text(component(name, out / "rtl" / "board_dma_bd.v", block, files))
    else:
        settings, made = _uart(board, params)
    settings["defines"] = " ".join(family_of(board.family).synthesis.defines)
    lines = [f"set {name} {{{value}}}" for name, value in settings.items()]
    (out / "design.tcl").write_text("\n".join(["# written by hwflow: the numbers of this design", *lines]) + "\n")
    return made


def _dma(board: Board, params: Mapping[str, int]) -> dict[str, str]:
    if board.processor not in ("ps7", "psu"):
        raise RecipeError(f"board {board.name}: processor must be ps7 or psu, not {board.processor!r}")
    return {
        "part": board.part,
        "board_part": board.vendor_part,
        "processor": board.processor,
        "clock_mhz": f"{board.clock_mhz:g}",
        "generics": " ".join(f"{k} {v}" for k, v in params.items()),
    }


def _uart(board: Board, params: Mapping[str, int]) -> tuple[dict[str, str], dict[str, float | int]]:
    at = pick_clock(board, board.clock_mhz)
    hertz = round(at.mhz * 1e6)
    baud = min(board.baud, hertz // 4)
    generics = {**params, "ClockHz": hertz, "Baud": baud, **at.params}
    pins = {"clk_i": board.clock_pin, "rx_i": board.rx_pin, "tx_o": board.tx_pin}
    settings = {
        "part": board.part,
        "clock_mhz": f"{board.oscillator_mhz:g}",
        "io": board.io,
        "pins": " ".join(f"{port} {pin}" for port, pin in pins.items()),
        "generics": " ".join(f"{k}={v}" for k, v in generics.items()),
    }
    return settings, {"clock_mhz": at.mhz, "baud": baud}
