"""The host beside a board: `Accelerator(port).infer(images)`, the same for a serial line, PYNQ and the simulated board.

Stands on numpy and pyserial alone, so that a copy of this file and of those it names is all a host needs (and design.json
beside it): driver_bytes.py, driver_line.py, inputs.py, answers.py, for a Zynq board driver_dma.py. What a frame
on the line means, driver_bytes.py says.

Why no wrong answer is ever delivered: the board computes only images whose CRC is right, whole, and sends each answer
with the tag of its image; the host takes only answers whose CRC is right and whose tag it waits for. A HELLO at the start
empties the board, and its random number tells its reply from older bytes. Everything lost, doubled or damaged on the way
is a frame that fails its CRC, or an answer that stays out and is asked for again: at once when a later image's answer
comes first (answers keep the order of images), else after a timeout that follows the measured round trip. A 0x7E ends any
broken frame, so the next one is found again. On a line so bad that no whole image of many bytes gets through, images go in
parts, which the board keeps until all of one image are there. One host at a time has the line: a second one cannot open it,
and the tags of a run begin anywhere, so that what is left of an earlier run is not waited for. Computing an image twice is harmless: answers depend on their image alone.
"""

from __future__ import annotations

import random
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING or __package__:
    from hwflow import driver_bytes as wire
else:
    import driver_bytes as wire

VERSION = 3
WINDOW = 16  # images on the way at once, at most
MAGIC = 0x6C667768  # "hwfl"
# what a running accelerator tells of itself, by byte address (hls/board/control.sv says what each one is)
REGISTERS = {
    "magic": 0x00, "version": 0x04, "design": 0x08, "hash_low": 0x0C, "hash_high": 0x10, "control": 0x14, "status": 0x18,
    "errors": 0x1C, "images": 0x20, "answers": 0x24, "interval": 0x28, "fastest": 0x2C, "latency": 0x30, "starved": 0x34,
    "held_up": 0x38, "cycles": 0x3C, "load": 0x40, "loaded": 0x44, "weights": 0x48, "capacity": 0x4C,
}  # fmt: skip
MIXTURE, REFUSED = 1 << 2, 1 << 3  # in STATUS: weights are half loaded; a load was refused
TRIES = 10  # timeouts in a row before the board is given up
BAD = 16  # images that go in parts after one was lost, counted from the last that had to be sent again
MOST_PASSES = 200  # times that the parts of an image are sent before the board is given up


class LinkError(RuntimeError):
    """The board does not answer, or is not the design it should be."""


class SerialPort(Protocol):
    """What is needed of a serial port; pyserial's Serial is one."""

    def read(self, size: int) -> bytes: ...
    def write(self, data: bytes) -> int | None: ...


@dataclass
class Stats:
    """What the last `infer` took. `link_seconds` is what the line alone needs at its rate, `compute_seconds` the accelerator."""

    images: int = 0
    seconds: float = 0.0
    link_seconds: float = 0.0
    compute_seconds: float = 0.0
    bytes_out: int = 0
    bytes_in: int = 0
    resent: int = 0
    damaged: int = 0
    busy: int = 0

    def __str__(self) -> str:
        rate = self.images / self.seconds if self.seconds else 0.0
        return (
            f"{self.images} images in {self.seconds:.3f} s, {rate:.0f} images/s; the link alone {self.link_seconds:.3f} s, "
            f"the accelerator alone {self.compute_seconds:.3f} s; {self.resent} resent, {self.damaged} frames damaged"
        )


class Accelerator:
    """A network on a board. `port` is a serial device, "sim" for the simulated board that `deploy --board sim` made,
    "pynq" (or a .bit file there), or an object with read and write.

    `design` is design.json of the deploy folder, by default the one beside this file.
    """

    def __init__(
        self, port: str | SerialPort, design: str | Path | dict[str, Any] | None = None, *, timeout: float | None = None
    ):
        path = Path(design) if isinstance(design, (str, Path)) else Path(__file__).with_name("design.json")
        self.design = design if isinstance(design, dict) else _beside("driver_line").read_design(path)
        self.input, self.output = wire.Words(**self.design["input"]), wire.Words(**self.design["output"])
        self.stats = Stats()
        self.timeout = timeout or float(self.design.get("timeout_s", 1.0))
        self._own: Any = None
        self._board: Any = None
        self._link: Any  # _Serial, or Dma of driver_dma.py
        line: Any = port
        if self.design["link"] == "dma":
            dma = _beside("driver_dma")
            if isinstance(port, str):
                usual = path.with_name(self.design.get("bitstream", "design.bit"))
                line = self._own = dma.PynqDma(str(port if port.endswith(".bit") else usual), self.design)
            self._link = dma.Dma(line, self)
            return
        if port == "sim":
            self._board, line = _beside("driver_line").start_board(
                path.parent / self.design.get("program", "board_sim")
            )
        if isinstance(line, str):
            line = self._own = _beside("driver_line").open_serial(line, int(self.design["baud"]))
        self._link = _Serial(line, self)

    def infer(
        self, images: np.ndarray, progress: bool | Callable[[int, int], None] = False, *, layout: str = "nhwc"
    ) -> np.ndarray:
        """Answers (n, outputs) int64 for images (n, *shape): integer scores in one common unit, or labels.

        Those of several outputs stand one after the other; `meaning().split` tells them apart.

        Integer images are the hardware's integers, float ones real values; inputs.py says what is refused.
        """
        known, takes = self.design["input"], _beside("inputs")
        what = takes.Takes(
            tuple(known["shape"]), known["lo"], known["hi"], known["step"], self.design.get("denominator", 1)
        )
        images = takes.integers(images, what, layout)
        self.stats = Stats(images=len(images))
        if self.design.get("load_bytes") and self._link.register(REGISTERS["status"]) & MIXTURE:
            raise LinkError("the board's weights are half loaded; load them again, whole")
        tell = progress if callable(progress) else partial(_bar, seen=bool(progress))
        began = time.monotonic()
        answers = self._link.infer(images, tell)
        self.stats.seconds = time.monotonic() - began
        clock = float(self.design.get("clock_mhz") or 0)
        if clock:
            self.stats.compute_seconds = len(images) * float(self.design.get("cycles_per_image", 0)) / clock / 1e6
        return answers

    def predict(self, images: np.ndarray, *, layout: str = "nhwc") -> Any:
        """Labels (n,) of images, as the trained network would give them; of several outputs, a dict of them by name."""
        return self.meaning().label(self.infer(images, layout=layout))

    def scores(self, images: np.ndarray, *, layout: str = "nhwc") -> Any:
        """The trained network's own answers (n, ...) for images: real scores in its own shape and order.

        Of several outputs, a dict of them by name.
        """
        return self.meaning().real(self.infer(images, layout=layout))

    def meaning(self) -> Any:
        """What the integers of an answer mean: `Answer` of answers.py, or `Answers` of several outputs."""
        return _beside("answers").meaning(self.design["answer"])

    def load(self, weights: bytes | str | Path) -> int:
        """Put other weights into the board, unless they are inside; their CRC-32, which the register WEIGHTS holds from then on.

        `weights` is what `hwflow.lower.reload.load_bytes` gives, or a file that holds it. LinkError as driver_load.py says.
        """
        return int(_beside("driver_load").load(self, weights))

    def status(self) -> dict[str, int]:
        """What the accelerator tells of itself: the registers of REGISTERS by name, 32 bits each."""
        return {name: self._link.register(address) for name, address in REGISTERS.items()}

    def reset(self) -> None:
        """Empty the accelerator: images inside are forgotten, counters and errors stay."""
        self._link.reset()

    def close(self) -> None:
        if self._own:
            self._own.close()
        if self._board:
            _beside("driver_line").stop_board(self._board)

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(self, *why: object) -> None:
        self.close()


def _beside(name: str) -> Any:
    """A module that lies beside this one, in hwflow or in a deploy folder."""
    return import_module(f"{__package__}.{name}" if __package__ else name)


class _Serial:
    """Images out and answers in over a serial line, a window of them on the way, until each has its answer."""

    def __init__(self, port: SerialPort, owner: Accelerator):
        self.port, self.owner = port, owner
        self.frames = wire.Frames()
        self.round_trip = 0.0  # seconds, smoothed; 0 until one was measured

    def infer(self, images: np.ndarray, tell: Callable[[int, int], None]) -> np.ndarray:
        out_bytes = self.owner.output.bytes
        raw = np.zeros((len(images), out_bytes), np.uint8)
        todo: deque[int] = deque(range(len(images)))
        out: OrderedDict[int, float] = OrderedDict()  # image -> when it was sent, in the order of sending
        self.first, self.bad, self.passes = random.SystemRandom().randrange(1 << 16), 0, 0
        self.hello()
        done, window, silent, heard = 0, 2.0, 0, time.monotonic()
        while done < len(images):
            while todo and len(out) < (1 if self.bad else int(window)):
                index, began = todo.popleft(), time.monotonic()
                self._send_image(self._tag(index), self.owner.input.pack(images[index : index + 1]).tobytes())
                out[index] = time.monotonic()
                heard += out[index] - began  # a line that takes its time is no silence
            for kind, tag, payload in self._receive():
                index = next((i for i in out if self._tag(i) == tag), -1)
                if kind == wire.VALUE and self.bad:
                    silent = 0  # the board lives, it just has not all parts yet
                if index < 0 or kind == wire.VALUE:
                    continue
                if kind == wire.BUSY:
                    self.owner.stats.busy += 1
                    window = max(1.0, window / 2)
                    del out[index]
                    todo.appendleft(index)
                    time.sleep(0.001)  # a slot is free when an image has been computed
                    continue
                if kind == wire.ANSWER and len(payload) == out_bytes:
                    raw[index] = np.frombuffer(payload, np.uint8)
                    self._take_off(index, out, todo)
                    window = min(float(WINDOW), window + 1 / window)
                    done, silent = done + 1, 0
                    tell(done, len(images))
                heard = time.monotonic()
            if time.monotonic() - heard > self._patience(silent):
                silent, heard = silent + 1, time.monotonic()
                self._lost(out, todo, silent)
        stats = self.owner.stats
        if self.owner.design.get("board") != "sim":  # ten bits a byte, both ways at once; a pseudo-terminal has no rate
            stats.link_seconds = 10 * max(stats.bytes_out, stats.bytes_in) / float(self.owner.design["baud"])
        return self.owner.output.unpack(raw)

    def register(self, address: int) -> int:
        """The value of a register; LinkError when nobody answers. Not while images are on the way."""
        for _ in range(TRIES):
            self._send((wire.READ, address, b""))
            until = time.monotonic() + min(self.owner.timeout, 1.0)
            while time.monotonic() < until:
                for kind, tag, payload in self._receive():
                    if (kind, tag, len(payload)) == (wire.VALUE, address, 4):
                        return int.from_bytes(payload, "little")
        raise LinkError(f"register {address:#04x} is not answered; is the bitstream of this folder loaded?")

    def load(self, data: bytes) -> None:
        _beside("driver_load").over_serial(self, data)

    def reset(self) -> None:
        self.hello()

    def hello(self) -> None:
        """Reset the accelerator and make sure it is the design it should be; LinkError when nobody answers."""
        until = time.monotonic() + 1
        while self._read(4096) and time.monotonic() < until:
            pass
        for attempt in range(TRIES):
            nonce = random.SystemRandom().randrange(1 << 16)
            self._send((wire.HELLO, nonce, b""))
            until = time.monotonic() + min(self.owner.timeout, 0.25 * 2**attempt)
            while time.monotonic() < until:
                for kind, tag, payload in self._receive():
                    if (kind, tag) == (wire.HELLO_BACK, nonce):
                        self._check(payload)
                        return
        raise LinkError(
            f"nothing answers on the line at {self.owner.design['baud']} baud; is the bitstream loaded, and this its port?"
        )

    def _check(self, payload: bytes) -> None:
        if payload[:1] != bytes([VERSION]):
            raise LinkError(
                f"the board speaks version {payload[:1].hex()} of the protocol, this driver {VERSION}; build both anew"
            )
        if int.from_bytes(payload[1:], "little") != self.owner.design["id"]:
            raise LinkError(
                "the board runs another design than design.json describes; load the bitstream of this folder"
            )

    def _tag(self, index: int) -> int:
        """What an image is called on the line."""
        return (self.first + index) & 0xFFFF

    def _send_image(self, tag: int, image: bytes) -> None:
        """An image as one frame, or, where whole images get lost, in parts and with a question that any living board answers."""
        if not self.bad:
            return self._send((wire.IMAGE, tag, image))
        self.passes += 1
        if self.passes > MOST_PASSES:
            raise LinkError(f"an image did not get through in {MOST_PASSES} times its parts; check the cable")
        return self._send(*((wire.PART, tag, part) for part in wire.cut(image)), (wire.READ, REGISTERS["magic"], b""))

    def _take_off(self, index: int, out: OrderedDict[int, float], todo: deque[int]) -> None:
        """Take an image off the list; those sent before it and still out were lost on the way."""
        sent = out[index]
        trip = time.monotonic() - sent
        self.round_trip = trip if not self.round_trip else 0.875 * self.round_trip + 0.125 * trip
        earlier = []
        for other in out:
            if other == index:
                break
            earlier.append(other)
        del out[index]
        for other in reversed(earlier):
            del out[other]
            todo.appendleft(other)
        self.owner.stats.resent += len(earlier)
        if earlier:
            self._is_bad()
        elif self.bad:
            self.bad = self.bad - 1 if self.passes == 1 else BAD
        self.passes = 0

    def _is_bad(self) -> None:
        """Images were lost: those of many bytes go in parts from now on."""
        if self.owner.input.bytes > wire.PIECE:
            self.bad = BAD

    def _patience(self, silent: int) -> float:
        """Seconds of silence after which what is out counts as lost."""
        usual = max(self.owner.timeout / 20, 3 * self.round_trip) if self.round_trip else self.owner.timeout
        # a frame is heard when it is whole: ten bits a byte, and as many again where every byte is escaped
        line = 20 * (self.owner.input.bytes + self.owner.output.bytes) / float(self.owner.design["baud"])
        return min(usual * 2**silent, 4 * self.owner.timeout) + line

    def _lost(self, out: OrderedDict[int, float], todo: deque[int], silent: int) -> None:
        if silent > TRIES:
            raise LinkError(
                f"no answer to {len(out)} images after {TRIES} tries; check the cable and the power of the board"
            )
        self.owner.stats.resent += len(out)
        if out:
            self._is_bad()
        todo.extendleft(sorted(out, reverse=True))
        out.clear()
        self._send((0, 0, b""))  # an empty frame: its flags end whatever was broken
        if silent % 3 == 0:
            self.hello()

    def _send(self, *frames: tuple[int, int, bytes]) -> None:
        data = b"".join(wire.frame(*f) for f in frames)
        try:
            self.port.write(data)
        except OSError as e:
            raise _gone(e) from e
        self.owner.stats.bytes_out += len(data)

    def _read(self, size: int) -> bytes:
        """Some bytes, `size` at most; with 0, what waits, or the next one."""
        try:
            return self.port.read(size or max(1, getattr(self.port, "in_waiting", 4096)))
        except OSError as e:
            raise _gone(e) from e

    def _receive(self) -> list[tuple[int, int, bytes]]:
        data = self._read(0)
        self.owner.stats.bytes_in += len(data)
        found = list(self.frames.feed(data))
        self.owner.stats.damaged, self.frames.damaged = self.owner.stats.damaged + self.frames.damaged, 0
        return found


def _gone(why: OSError) -> LinkError:
    return LinkError(
        f"the line is gone ({' '.join(str(why).split())[:100]}); plug the board in again and run once more"
    )


def _bar(done: int, total: int, seen: bool = True) -> None:
    full = 40 * done // total
    if seen and sys.stderr.isatty() and (done == total or full != 40 * (done - 1) // total):
        print(
            f"\r[{'#' * full}{'.' * (40 - full)}] {done}/{total}",
            end="\n" if done == total else "",
            file=sys.stderr,
            flush=True,
        )
