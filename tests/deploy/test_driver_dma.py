"""Batches over a DMA: cut to what one transfer holds, buffers reused, and a transfer that does not end is tried again."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwflow.driver import MAGIC, REGISTERS, Accelerator, LinkError

DESIGN = {
    "link": "dma", "id": 77, "clock_mhz": 100.0, "cycles_per_image": 10, "beat_bytes": 8, "transfer_bytes": (1 << 26) - 1, "timeout_s": 0.05,
    "input": {"shape": [12], "lo": 0, "hi": 255, "step": 1, "bits": 8, "par": 1, "words": 12},
    "output": {"shape": [3], "lo": -512, "hi": 511, "step": 1, "bits": 10, "par": 1, "words": 3},
}  # fmt: skip
IN_BYTES, OUT_BYTES = 16, 8  # of one image and one answer, whole beats


def network(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.int64)
    return np.stack([x.sum(-1) - 512, x[..., 0] - x[..., 1], x[..., 11]], -1).clip(-512, 511)


class Zynq:
    """The registers of an AXI DMA without scatter-gather (PG021) and of the accelerator behind it.

    `faults` are taken one for each batch: "" none, "hang" an answer is lost on the way, "error" the DMA stops,
    "broken" the accelerator saw a packet that ended inside an image.
    """

    def __init__(self, faults: tuple[str, ...] = ()):
        self.faults, self.batches, self.allocated, self.freed, self.resets = list(faults), [], 0, 0, []
        self.errors, self.source, self.sink, self.halted, self.running = 0, None, None, False, True

    def go(self) -> None:
        """Both transfers were asked for: compute, unless this batch has a fault."""
        fault = self.faults.pop(0) if self.faults else ""
        data, size = self.source
        images = np.array(data[:size]).reshape(-1, IN_BYTES)[:, :12]
        self.batches.append(len(images))
        self.halted = fault == "error"
        if fault in ("hang", "error"):
            return
        self.errors += fault == "broken"
        answers = network(images) & 0x3FF
        sink, room = self.sink
        out = np.zeros((len(images), OUT_BYTES), np.uint8)
        out[:, :6] = np.stack([answers & 0xFF, answers >> 8], -1).reshape(len(images), 6)
        assert room == out.size
        sink[:room] = out.reshape(-1)
        self.source = self.sink = None


class Buffer(np.ndarray):
    """A contiguous buffer as pynq's allocate gives one."""

    def flush(self) -> None: ...
    def invalidate(self) -> None: ...


class Channel:
    """One direction of pynq's simple AXI DMA driver: the properties and methods of its `_SDMAChannel`."""

    def __init__(self, board: Zynq, way: str):
        self.board, self.way = board, way

    @property
    def idle(self) -> bool:
        return getattr(self.board, self.way) is None

    @property
    def running(self) -> bool:
        return self.board.running and not self.board.halted

    @property
    def error(self) -> bool:
        return self.board.halted

    def start(self) -> None:
        self.board.running, self.board.halted = True, False

    def transfer(self, array: Any, start: int = 0, nbytes: int = 0) -> None:
        assert self.running and self.idle and start == 0, "pynq raises here"
        setattr(self.board, self.way, (array, nbytes or array.nbytes))
        if self.board.source and self.board.sink:
            self.board.go()


@pytest.fixture
def pynq(monkeypatch: pytest.MonkeyPatch):
    """Puts a `pynq` in place whose overlay is the given board; gives the function that does."""

    def put(board: Zynq) -> None:
        def allocate(shape: tuple[int, ...], dtype: Any) -> Any:
            board.allocated += 1
            made = np.zeros(shape, dtype).view(Buffer)
            made.freebuffer = lambda: setattr(board, "freed", board.freed + 1)  # type: ignore[attr-defined]
            return made

        def dma_write(offset: int, value: int) -> None:
            assert (offset, value) == (0, 4)
            board.resets.append("dma")
            board.running, board.source, board.sink = False, None, None

        def network_write(offset: int, value: int) -> None:
            assert (offset, value) == (REGISTERS["control"], 1)
            board.resets.append("network")

        registers = {
            REGISTERS["magic"]: lambda: MAGIC,
            REGISTERS["design"]: lambda: 77,
            REGISTERS["errors"]: lambda: board.errors,
        }
        dma = types.SimpleNamespace(
            sendchannel=Channel(board, "source"), recvchannel=Channel(board, "sink"), write=dma_write, read=lambda _: 0
        )
        network = types.SimpleNamespace(read=lambda a: registers.get(a, lambda: 0)(), write=network_write)
        module = types.ModuleType("pynq")
        module.Overlay = lambda _: types.SimpleNamespace(dma=dma, network=network)  # type: ignore[attr-defined]
        module.allocate = allocate  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pynq", module)

    return put


def images(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 12))


def test_batches_are_cut_to_the_length_field_and_buffers_are_allocated_once(pynq):
    board = Zynq()
    pynq(board)
    x = images(23)
    with Accelerator("design.bit", {**DESIGN, "transfer_bytes": 10 * IN_BYTES + 5}) as run:
        assert np.array_equal(run.infer(x), network(x))
        assert np.array_equal(run.infer(x[:4]), network(x[:4]))
    assert board.batches == [10, 10, 3, 4]
    assert board.allocated == board.freed == 2


def test_an_image_longer_than_a_transfer_is_refused(pynq):
    pynq(Zynq())
    with (
        Accelerator("design.bit", {**DESIGN, "transfer_bytes": 15}) as run,
        pytest.raises(LinkError, match="an image is 16 bytes"),
    ):
        run.infer(images(1))


@pytest.mark.parametrize("fault", ["hang", "error", "broken"])
def test_a_batch_that_goes_wrong_resets_dma_and_network_and_is_sent_again(fault: str, pynq):
    board = Zynq((fault, "", fault))
    pynq(board)
    x = images(12)
    with Accelerator("design.bit", {**DESIGN, "transfer_bytes": 6 * IN_BYTES, "clock_mhz": 1e6}) as run:
        assert np.array_equal(run.infer(x), network(x))
        assert run.stats.resent == 12
    assert board.resets == ["dma", "network"] * 2
    assert board.batches == [6, 6, 6, 6]


def test_a_board_that_never_answers_is_given_up_with_what_its_registers_say(pynq):
    pynq(Zynq(("hang",) * 3))
    with (
        Accelerator("design.bit", {**DESIGN, "clock_mhz": 1e6}) as run,
        pytest.raises(LinkError, match=r"did not end within.*3 times.*'errors': 0"),
    ):
        run.infer(images(2))


def test_another_design_on_the_board_is_said_at_once(pynq):
    pynq(Zynq())
    with pytest.raises(LinkError, match="runs another design"):
        Accelerator("design.bit", {**DESIGN, "id": 78})


def test_the_files_work_alone_beside_each_other(tmp_path: Path, pynq, monkeypatch: pytest.MonkeyPatch):
    import shutil

    import hwflow.driver

    names = ("driver", "driver_bytes", "driver_dma", "inputs", "answers")
    for name in (f"{n}.py" for n in names):
        shutil.copyfile(Path(hwflow.driver.__file__).with_name(name), tmp_path / name)
    monkeypatch.syspath_prepend(tmp_path)
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    pynq(Zynq())
    import driver  # type: ignore[import-not-found]

    assert Path(driver.__file__).parent == tmp_path
    assert np.array_equal(driver.Accelerator("design.bit", DESIGN).infer(images(3)), network(images(3)))
