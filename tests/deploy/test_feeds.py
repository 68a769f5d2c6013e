"""Streamed weights on a board with DMAs: what the driver sends, what board_dma makes of it, what the project is wired of."""

from __future__ import annotations

import shutil
import subprocess
import sys
import types
import xml.etree.ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployed import Emitted, digits, images, tclsh
from simulated_dma import SimulatedDma

from hwflow import tools
from hwflow.board import load_board
from hwflow.deploy import design as designs
from hwflow.deploy import feeds, package
from hwflow.driver import MAGIC, REGISTERS, Accelerator, LinkError
from hwflow.errors import RecipeError

# words of 2 bytes, and of 20 bits in 3 bytes, of which a beat holds no whole number
FOLDING = {"dense0": {"pe": 4, "simd": 4, "style": "stream"}, "dense1": {"pe": 5, "simd": 4, "style": "stream"}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    return Emitted(digits(), tmp_path_factory.mktemp("fed"), FOLDING)


def design_of(made: Emitted) -> dict[str, Any]:
    return designs.describe(made.net, made.dataflow, made.rtl, load_board("pynq_z1"), {"clock_mhz": 100.0})


@pytest.mark.slow
@pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")
def test_board_dma_takes_exactly_the_weights_that_a_batch_needs(made: Emitted, tmp_path: Path):
    dma, x = SimulatedDma(made, tmp_path), images(made.net, 23)
    assert [f["bytes"] for f in dma.feeds] == [256, 48], "whole beats"
    assert (Accelerator(dma, design_of(made)).infer(x) == made.net.run(x)).all()
    short = {**design_of(made), "feeds": []}
    dma.feeds[0]["times"] = 2
    with pytest.raises(subprocess.CalledProcessError, match="exit status 5"):
        Accelerator(dma, short).infer(x)  # weights that nobody takes are seen


class Channel:
    """A half of pynq's simple AXI DMA driver: it is idle only after a transfer, as the DMA's status says.

    The answers' half ends `when` all weights have come.
    """

    def __init__(self, log: list[Any], when: Callable[[], bool] = lambda: True):
        self.log, self.when, self.began, self.error, self.running, self.busy = log, when, False, False, True, 0

    @property
    def idle(self) -> bool:
        self.busy = max(0, self.busy - 1)  # a transfer ends after it was asked twice
        return self.began and not self.busy and self.when()

    def start(self) -> None:
        self.began = False
        self.log.append("start")

    def transfer(self, array: Any, start: int = 0, nbytes: int = 0) -> None:
        assert start == 0 and (not self.began or not self.busy), "pynq raises here"
        self.began, self.busy = True, 2
        self.log.append(bytes(np.asarray(array)[:nbytes]))


class Buffer(np.ndarray):
    def invalidate(self) -> None: ...
    def freebuffer(self) -> None: ...


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """A `pynq` whose DMAs only write down what they are asked for."""
    logs: dict[str, list[Any]] = {name: [] for name in ("images", "answers", "weights_0", "weights_1", "needed")}

    def fed() -> bool:
        return all(
            sum(len(sent) for sent in logs[f"weights_{k}"] if isinstance(sent, bytes)) >= need
            for k, need in enumerate(logs["needed"])
        )

    def dma(name: str, **more: Any) -> Any:
        channel = Channel(logs[name])
        return types.SimpleNamespace(
            sendchannel=channel, **more, write=lambda *_: logs[name].append("reset"), read=lambda _: 0
        )

    network = types.SimpleNamespace(
        read=lambda a: {REGISTERS["magic"]: MAGIC, REGISTERS["design"]: 7}.get(a, 0), write=lambda *_: None
    )
    overlay = types.SimpleNamespace(
        dma=dma("images", recvchannel=Channel(logs["answers"], fed)),
        network=network,
        weights_0=dma("weights_0"),
        weights_1=dma("weights_1"),
    )
    module = types.ModuleType("pynq")
    module.Overlay = lambda _: overlay  # type: ignore[attr-defined]
    module.allocate = lambda shape, dtype: np.zeros(shape, dtype).view(Buffer)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pynq", module)
    return logs


def test_the_driver_sends_each_stream_as_often_as_the_images_need_it(made: Emitted, board, monkeypatch, tmp_path: Path):
    monkeypatch.setattr("hwflow.driver_dma.WEIGHTS", 1000)
    feeds.copy_words(made.dataflow, made.rtl, tmp_path, 8)
    design = {**design_of(made), "id": 7}
    design["feeds"][0]["times"] = 4  # as of a layer of four pixels
    with Accelerator(str(tmp_path / "design.bit"), design) as run:
        for batch in (1, 2):
            board["needed"] = [5 * batch * f["bytes"] * f["times"] for f in design["feeds"]]
            run.infer(images(made.net, 5))
    cycle, sent = (tmp_path / "dense0_weights.bin").read_bytes(), board["weights_0"]
    assert [len(s) // len(cycle) for s in sent] == [3] * 6 + [2] + [3] * 6 + [2], (
        "three times 256 bytes fill a buffer of 1000"
    )
    assert all(cycle * (len(s) // len(cycle)) == s for s in sent)
    cycle, sent = (tmp_path / "dense1_weights.bin").read_bytes(), board["weights_1"]
    assert sent == [cycle * 5] * 2


def test_after_a_reset_weights_begin_with_the_first_word_again(made: Emitted, board, tmp_path: Path):
    feeds.copy_words(made.dataflow, made.rtl, tmp_path, 8)
    with Accelerator(str(tmp_path / "design.bit"), {**design_of(made), "id": 7}) as run:
        run.reset()
        run.infer(images(made.net, 3))
    assert board["weights_0"] == ["reset", "start", 3 * (tmp_path / "dense0_weights.bin").read_bytes()]


@pytest.mark.usefixtures("board")
def test_a_file_of_weights_that_is_cut_short_is_refused(made: Emitted, tmp_path: Path):
    feeds.copy_words(made.dataflow, made.rtl, tmp_path, 8)
    (tmp_path / "dense0_weights.bin").write_bytes(bytes(8))
    with pytest.raises(LinkError, match=r"dense0_weights\.bin: holds 8 bytes of weights, not 256"):
        Accelerator(str(tmp_path / "design.bit"), {**design_of(made), "id": 7})


@pytest.mark.skipif(shutil.which("tclsh") is None, reason="tclsh is not installed (apt install tcl)")
@pytest.mark.parametrize("name", ["pynq_z1", "kv260"])
def test_the_project_has_a_dma_for_each_stream(name: str, made: Emitted, tmp_path: Path):
    out = tmp_path / name
    package(made.net, made.dataflow, made.rtl, load_board(name), out, images(made.net, 3))
    said = tclsh(out)
    assert said.returncode == 0, said.stderr
    assert (out / "dense1_weights.bin").read_bytes() == (made.rtl / "dense1_weights.bin").read_bytes()
    block = xml.etree.ElementTree.parse(out / "component.xml")
    names = {e.text for e in block.iter() if e.tag.endswith("}name")}
    assert {"w0_axis", "w1_axis", "w1_axis_tdata"} <= names
    script = out / "vivado_dma.tcl"
    script.write_text(script.read_text().replace("${k}_axis", "0_axis"))
    wrong = tclsh(out)
    assert "connected twice" in wrong.stderr


def test_a_serial_board_is_refused_with_what_to_do(made: Emitted, tmp_path: Path):
    for board in (None, load_board("arty_a7_35t")):
        with pytest.raises(RecipeError, match=r"dense0, dense1: weights are streamed, and a serial link brings none"):
            package(made.net, made.dataflow, made.rtl, board, tmp_path / "d", images(made.net, 3))
