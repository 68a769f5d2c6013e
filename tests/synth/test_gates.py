"""What synthesis makes of a design still computes the network: gates simulated with Yosys' cell models."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hwflow.board import load_board
from hwflow.deploy import design as designs
from hwflow.deploy.sim import program
from hwflow.driver import Accelerator
from hwflow.emit.rtl import emit, sources
from hwflow.errors import RecipeError
from hwflow.generate.nets import random_images, tfc
from hwflow.lower import lower
from hwflow.places import hardware
from hwflow.synth.gates import write_gates


class Gates:
    """board_dma in Verilator around a design that is gates."""

    def __init__(self, dataflow, rtl: Path, family: str, folder: Path):
        params = designs.parameters(dataflow, rtl)
        files = [*sources(["board_dma"]), *write_gates(rtl, family, folder / family)]
        self.program, self.folder = program("board_dma", {**params, "Bytes": 8}, files, hardware("dma_sim.cpp")), folder

    def exchange(self, data: np.ndarray, back_bytes: int) -> np.ndarray:
        (self.folder / "to_board").write_bytes(data.tobytes())
        subprocess.run(
            [self.program, self.folder / "to_board", self.folder / "from_board", "5"],
            cwd=self.folder,
            check=True,
            timeout=300,
        )
        return np.fromfile(self.folder / "from_board", np.uint8).reshape(len(data), back_bytes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "cells"),
    [
        ("ecp5", ("LUT4", "DP16KD")),
        pytest.param("ice40", ("SB_LUT4", "SB_RAM40_4K"), marks=pytest.mark.long),
    ],
)
def test_the_gates_of_tfc_answer_as_the_network_does(family: str, cells: tuple[str, ...], tmp_path: Path):
    net = tfc()
    dataflow = lower(net)  # the smallest: what the small boards get
    rtl = emit(dataflow, tmp_path / "rtl")
    board = Gates(dataflow, rtl, family, tmp_path)
    design = designs.describe(net, dataflow, rtl, load_board("pynq_z1"), {"clock_mhz": 0.0})
    x = random_images(net, 4)
    assert (Accelerator(board, design).infer(x) == net.run(x)).all()
    text = (tmp_path / family / "gates.v").read_text()
    for cell in cells:  # these are gates, block RAM included, not the sources
        assert re.search(rf"^  {cell} (#\(|\S+ \()", text, re.MULTILINE), cell


def test_a_family_without_models_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="no family 'cyclone'"):
        write_gates(tmp_path, "cyclone", tmp_path)
