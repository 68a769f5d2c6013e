"""What synthesis makes of a design still computes the network: gates simulated with Yosys' cell models."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from hwflow.bits import Ints
from hwflow.board import load_board
from hwflow.deploy import design as designs
from hwflow.deploy.sim import DMA, program
from hwflow.driver import Accelerator
from hwflow.emit.rtl import emit
from hwflow.errors import RecipeError
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.ops import Dense, Port, Threshold
from hwflow.places import HLS
from hwflow.synth.gates import gates


def network() -> Net:
    rng = np.random.default_rng(3)
    dense0 = Dense(name="dense0", inputs=("input",), weights=rng.integers(0, 2, (24, 64)) * 2 - 1)
    sign = Threshold(
        name="sign",
        inputs=("dense0",),
        thresholds=rng.integers(-40, 40, (24, 1)),
        falling=rng.random(24) < 0.3,
        bipolar=True,
    )
    dense1 = Dense(name="dense1", inputs=("sign",), weights=rng.integers(0, 2, (10, 24)) * 2 - 1)
    return Net("digits", Port((64,), Ints(0, 16)), (dense0, sign, dense1))


class Gates:
    """board_dma in Verilator around a design that is gates."""

    def __init__(self, dataflow, rtl: Path, family: str, folder: Path):
        params = {k: v for k, v in designs.parameters(dataflow, rtl).items() if k != "DesignId"}
        files = [*(HLS / name for name in DMA), *gates(rtl, family, folder / family)]
        self.program, self.folder = program("board_dma", {**params, "Bytes": 8}, files, HLS / "dma_sim.cpp"), folder

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
@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_the_gates_of_a_network_answer_as_the_network_does(family: str, tmp_path: Path):
    net = network()
    dataflow = lower(net, {"dense0": {"pe": 4, "simd": 8}, "dense1": {"pe": 2, "simd": 12}})
    rtl = emit(dataflow, tmp_path / "rtl")
    board = Gates(dataflow, rtl, family, tmp_path)
    made = {"clock_mhz": 0.0}

    design = designs.describe(net, dataflow, rtl, load_board("pynq_z1"), made)
    x = np.random.default_rng(4).integers(0, 17, (20, 64))
    assert (Accelerator(board, design).infer(x) == net.run(x)).all()
    text = (tmp_path / family / "gates.v").read_text()
    assert {"ecp5": "LUT4", "ice40": "SB_LUT4"}[family] in text  # these are gates, not the sources


def test_a_family_without_models_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="no cell models for 'cyclone'"):
        gates(tmp_path, "cyclone", tmp_path)
