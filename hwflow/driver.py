"""The host beside a board: `Accelerator(port).infer(images)`, the same for a serial line, PYNQ and the simulated board.

Stands on numpy and pyserial alone, so that a copy of this file and of those it names is all a host needs (and design.json
beside it): driver_line.py, inputs.py, answers.py, for a Zynq board driver_dma.py.

What goes over a serial line (8 data bits, no parity, one stop bit)
    frame    0x7E  kind  tag(2)  payload  crc(4)  0x7E       0x7E or 0x7D inside is sent as 0x7D, byte XOR 0x20
    crc      CRC-32 of zlib over kind, tag and payload; numbers have their low byte first
    IMAGE    0x01  host to board: tag says which image; payload is the image, packed
    HELLO    0x02  host to board: resets the accelerator; tag is a random number; no payload
    READ     0x03  host to board: tag is the address of a register; no payload
    WRITE    0x04  host to board: tag's low byte is the address of a register; payload is its new value (4). Answered with the
                   VALUE of LOADED. For LOAD, tag's high byte counts the words, and only the word that is due is taken
    PART     0x05  host to board: tag of the image; payload is the part's number (1) and its bytes, of images of more than 64
    ANSWER   0x81  board to host: tag of the image; payload is the answer, packed
    HELLO    0x82  board to host: the same random number; payload is the protocol's version (1) and the design's id (4)
    BUSY     0x83  board to host: tag of an image that was dropped, because two others wait to be computed; no payload
    VALUE    0x84  board to host: tag is the address of the register; payload is its value (4)
Packing: a stream word is `par` neighbouring elements, element 0 in the low bits, padded with zero bits to whole bytes.

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
import zlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

IMAGE, HELLO, READ, WRITE, PART, ANSWER, HELLO_BACK, BUSY, VALUE = 0x01, 0x02, 0x03, 0x04, 0x05, 0x81, 0x82, 0x83, 0x84
FLAG, ESCAPE = 0x7E, 0x7D
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
PIECE = 64  # bytes of an image from which on it may go in parts
BAD = 16  # images that go in parts after one was lost, counted from the last that had to be sent again
MOST_PASSES = 200  # times that the parts of an image are sent before the board is given up

Array = np.ndarray


class LinkError(RuntimeError):
    """The board does not answer, or is not the design it should be."""


class SerialPort(Protocol):
    """What is needed of a serial port; pyserial's Serial is one."""

    def read(self, size: int) -> bytes: ...
    def write(self, data: bytes) -> int | None: ...


@dataclass(frozen=True)
class Words:
    """How a value travels: the integers lo .. hi in elements of `bits`, `par` elements a word, `words` words an image."""

    shape: Sequence[int]
    lo: int
    hi: int
    step: int
    bits: int
    par: int
    words: int

    @property
    def word_bytes(self) -> int:
        return (self.par * self.bits + 7) // 8

    @property
    def bytes(self) -> int:
        """Bytes of one image."""
        return self.words * self.word_bytes

    def pack(self, values: Array) -> Array:
        """Bytes (n, bytes) uint8 of integer values (n, *shape); ValueError when one is out of range."""
        v = np.asarray(values)
        if v.size != len(v) * self.words * self.par:
            raise ValueError(f"images have shape {v.shape[1:]}, the accelerator takes {self.shape}")
        if v.dtype.kind == "f" and not np.array_equal(v, np.rint(v)):
            raise ValueError(f"the accelerator takes integers {self.lo} .. {self.hi}; round the images first")
        if v.size and (v.min() < self.lo or v.max() > self.hi or (self.step == 2 and (v == 0).any())):
            raise ValueError(
                f"images hold {v.min()} .. {v.max()}, the accelerator takes {self.lo} .. {self.hi} in steps of {self.step}"
            )
        codes = ((v > 0) if self.step == 2 else v.astype(np.int64) & ((1 << self.bits) - 1)).reshape(
            len(v), self.words, self.par
        )
        if self.bits == 8:
            return codes.astype(np.uint8).reshape(len(v), -1)
        bits = (codes[..., None].astype(np.uint64) >> np.arange(self.bits, dtype=np.uint64)).astype(np.uint8) & 1
        return np.packbits(bits.reshape(len(v), self.words, -1), axis=2, bitorder="little").reshape(len(v), -1)

    def unpack(self, data: Array) -> Array:
        """Integer values (n, elements) int64 of bytes (n, bytes); the inverse of `pack`."""
        rows = np.asarray(data, np.uint8).reshape(-1, self.words, self.word_bytes)
        bits = np.unpackbits(rows, axis=2, bitorder="little")[..., : self.par * self.bits]
        place = np.int64(1) << np.arange(self.bits, dtype=np.int64)
        codes = (bits.reshape(len(rows), -1, self.bits).astype(np.int64) * place).sum(2)
        if self.step == 2:
            return 2 * codes - 1
        return np.where(codes > self.hi, codes - (1 << self.bits), codes) if self.lo < 0 else codes


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
        self.input, self.output = Words(**self.design["input"]), Words(**self.design["output"])
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
        self, images: Array, progress: bool | Callable[[int, int], None] = False, *, layout: str = "nhwc"
    ) -> Array:
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

    def predict(self, images: Array, *, layout: str = "nhwc") -> Any:
        """Labels (n,) of images, as the trained network would give them; of several outputs, a dict of them by name."""
        return self.meaning().label(self.infer(images, layout=layout))

    def scores(self, images: Array, *, layout: str = "nhwc") -> Any:
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


def frame(kind: int, tag: int, payload: bytes = b"") -> bytes:
    """One frame, flags and escapes included."""
    body = bytes([kind, tag & 0xFF, tag >> 8 & 0xFF]) + payload
    body += zlib.crc32(body).to_bytes(4, "little")
    body = body.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e")
    return b"\x7e" + body + b"\x7e"


def cut(image: bytes) -> list[bytes]:
    """The payloads of an image's PART frames: 64 bytes each, or the power of two that makes 64 parts at most."""
    size = PIECE
    while PIECE * size < len(image):
        size *= 2
    return [bytes([k]) + image[k * size : (k + 1) * size] for k in range(-(-len(image) // size))]


class Frames:
    """Frames out of a stream of bytes, however it is cut: (kind, tag, payload), only those whose CRC is right."""

    def __init__(self) -> None:
        self.damaged = 0
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        *pieces, self._rest = (self._rest + data).split(b"\x7e")
        for piece in pieces:
            if not piece:
                continue
            body = _unescaped(piece)
            if len(body) < 7 or zlib.crc32(body[:-4]).to_bytes(4, "little") != body[-4:]:
                self.damaged += 1
                continue
            yield body[0], body[1] | body[2] << 8, body[3:-4]


def _unescaped(piece: bytes) -> bytes:
    head, *tail = piece.split(b"\x7d")
    return head + b"".join(bytes([t[0] ^ 0x20]) + t[1:] if t else b"" for t in tail)


class _Serial:
    """Images out and answers in over a serial line, a window of them on the way, until each has its answer."""

    def __init__(self, port: SerialPort, owner: Accelerator):
        self.port, self.owner = port, owner
        self.frames = Frames()
        self.round_trip = 0.0  # seconds, smoothed; 0 until one was measured

    def infer(self, images: Array, tell: Callable[[int, int], None]) -> Array:
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
                if kind == VALUE and self.bad:
                    silent = 0  # the board lives, it just has not all parts yet
                if index < 0 or kind == VALUE:
                    continue
                if kind == BUSY:
                    self.owner.stats.busy += 1
                    window = max(1.0, window / 2)
                    del out[index]
                    todo.appendleft(index)
                    time.sleep(0.001)  # a slot is free when an image has been computed
                    continue
                if kind == ANSWER and len(payload) == out_bytes:
                    raw[index] = np.frombuffer(payload, np.uint8)
                    self._answered(index, out, todo)
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
            self._send((READ, address, b""))
            until = time.monotonic() + min(self.owner.timeout, 1.0)
            while time.monotonic() < until:
                for kind, tag, payload in self._receive():
                    if (kind, tag, len(payload)) == (VALUE, address, 4):
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
            self._send((HELLO, nonce, b""))
            until = time.monotonic() + min(self.owner.timeout, 0.25 * 2**attempt)
            while time.monotonic() < until:
                for kind, tag, payload in self._receive():
                    if (kind, tag) == (HELLO_BACK, nonce):
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
            return self._send((IMAGE, tag, image))
        self.passes += 1
        if self.passes > MOST_PASSES:
            raise LinkError(f"an image did not get through in {MOST_PASSES} times its parts; check the cable")
        return self._send(*((PART, tag, part) for part in cut(image)), (READ, REGISTERS["magic"], b""))

    def _answered(self, index: int, out: OrderedDict[int, float], todo: deque[int]) -> None:
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
        if self.owner.input.bytes > PIECE:
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
        data = b"".join(frame(*f) for f in frames)
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
