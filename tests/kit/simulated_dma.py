"""board_dma in Verilator, in place of PYNQ's DMAs.

Stands on deploy; hls/sim/dma_sim.cpp is the program's other half.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from deployed import Emitted

from hwflow.deploy import design as designs
from hwflow.deploy import feeds
from hwflow.deploy.sim import around, program
from hwflow.places import hardware


class SimulatedDma:
    """AXI DMA around board_dma in Verilator: takes what the PYNQ driver would put into its buffers."""

    def __init__(self, made: Emitted, folder: Path):
        params = {**designs.parameters(made.dataflow, made.rtl), **feeds.parameters(made.dataflow)}
        self.feeds = feeds.describe(made.dataflow, 8, 1 << 26)
        feeds.copy_words(made.dataflow, made.rtl, folder, 8)
        self.program = program(
            "board_dma", {**params, "Bytes": 8}, around("board_dma", made.rtl), hardware("dma_sim.cpp")
        )
        self.rtl, self.folder, self.buffers = made.rtl, folder, []

    def exchange(self, data: np.ndarray, back_bytes: int) -> np.ndarray:
        self.buffers.append(data.tobytes())
        (self.folder / "to_board").write_bytes(data.tobytes())
        subprocess.run(
            [
                self.program, self.folder / "to_board", self.folder / "from_board", "5",
                *(str(v) for f in self.feeds for v in (self.folder / f["file"], len(data) * f["times"])),
            ],
            cwd=self.rtl,
            check=True,
            timeout=100,
        )  # fmt: skip
        return np.fromfile(self.folder / "from_board", np.uint8).reshape(len(data), back_bytes)
