"""Batches of images through an AXI DMA: how many fit a transfer, how long one may take, what to do when it does not end.

Stands on numpy and driver.py, beside which a copy of this file lies on the board; on PYNQ for the DMA itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or __package__:
    from hwflow.driver import MAGIC, REGISTERS, Accelerator, LinkError, _beside
    from hwflow.driver_bytes import Array
else:
    from driver import MAGIC, REGISTERS, Accelerator, LinkError, _beside
    from driver_bytes import Array

BATCH = 1024  # images of one DMA transfer, at most
BUFFER = 16 << 20  # bytes of one DMA buffer, at most, unless one image is larger
WEIGHTS = 4 << 20  # bytes of one buffer of weights, at most, unless they are more
TRIES = 3  # times a batch is sent before the board is given up


class Feed:
    """Weights that a DMA of their own sends while images pass, over and over, exactly as often as a batch needs them.

    `send(n)` starts a transfer of the first n bytes of a buffer in which the words stand `copies` times one after another.
    """

    def __init__(self, words: Array, times: int, dma: Any, send: Callable[[int], None]):
        self.bytes, self.times, self.dma, self.send = len(words), times, dma, send
        self.copies = copies_of(len(words))
        self.reset()

    @property
    def channel(self) -> Any:
        return self.dma.sendchannel

    def reset(self) -> None:
        """The DMA was reset: nothing is under way, and it calls itself idle only once a transfer has ended."""
        self.left, self.fresh = 0, True

    def start(self, images: int) -> None:
        self.left = images * self.times
        self.go_on()

    def go_on(self) -> None:
        """Start the next transfer where one is due and none is under way; OSError where the DMA stopped."""
        if self.channel.error:
            raise OSError("a DMA of weights stopped with an error")
        if self.left and (self.fresh or self.channel.idle):
            now = min(self.left, self.copies)
            self.left, self.fresh = self.left - now, False
            self.send(now * self.bytes)


def copies_of(size: int) -> int:
    """How often words of `size` bytes stand in a buffer of weights: as often as fits, for the CPU starts each transfer."""
    return max(1, WEIGHTS // size)


class Dma:
    """Images out and answers in by DMA, a batch of images each transfer; the next batch is packed while one is computed.

    `port` moves a batch: `start(bytes (n, a), b)`, then `finish(seconds) -> bytes (n, b)`; TimeoutError when it does not end in
    time, OSError when the DMA stops with an error; `recover()` empties accelerator and DMA. `read(address)` gives a register,
    `write(address, value)` sets one.
    """

    def __init__(self, port: Any, owner: Accelerator):
        self.port, self.owner = port if hasattr(port, "start") else _Exchange(port), owner
        self.beat = int(owner.design["beat_bytes"])

    @property
    def back_bytes(self) -> int:
        """Bytes of one answer as it comes back, whole beats."""
        return -(-self.owner.output.bytes // self.beat) * self.beat

    @property
    def batch(self) -> int:
        """Images of one transfer: as many as the DMA's length field and the buffers hold; LinkError when not even one fits."""
        image = max(-(-self.owner.input.bytes // self.beat) * self.beat, self.back_bytes)
        longest = int(self.owner.design["transfer_bytes"])
        if image > longest:
            raise LinkError(
                f"an image is {image} bytes, one transfer of this DMA at most {longest}; widen its length field"
            )
        return max(1, min(BATCH, longest // image, BUFFER // image))

    def infer(self, images: Array, tell: Callable[[int, int], None]) -> Array:
        size, answers = self.batch, [np.zeros((0, self.owner.output.words * self.owner.output.par), np.int64)]
        parts = [images[at : at + size] for at in range(0, len(images), size)]
        ready = self._pack(parts[0]) if parts else None
        for index, part in enumerate(parts):
            assert ready is not None
            data, ready, began = ready, None, time.monotonic()
            for attempt in range(TRIES):
                errors = self.errors()
                self.port.start(data, self.back_bytes)
                if index + 1 < len(parts) and ready is None:
                    ready = self._pack(parts[index + 1])  # while the accelerator works
                try:
                    back = self.port.finish(self._patience(data))
                    if self.errors() == errors:
                        break
                    why = "a transfer ended inside an image"
                except (TimeoutError, OSError) as e:
                    why = str(e) or "the transfer did not end in time"
                self.owner.stats.resent += len(part)
                self.port.recover()
                if attempt + 1 == TRIES:
                    raise LinkError(
                        f"{why}, {TRIES} times; the accelerator says {self.owner.status()}; load the bitstream again"
                    )
            stats = self.owner.stats
            stats.link_seconds += time.monotonic() - began
            stats.bytes_out, stats.bytes_in = stats.bytes_out + data.size, stats.bytes_in + back.size
            answers.append(self.owner.output.unpack(back[:, : self.owner.output.bytes]))
            tell(min((index + 1) * size, len(images)), len(images))
        return np.concatenate(answers)

    def _pack(self, images: Array) -> Array:
        return padded(self.owner.input.pack(images), self.beat)

    def _patience(self, data: Array) -> float:
        """Seconds after which a transfer counts as lost: ten times what its clock and a slow memory need, and a second."""
        design = self.owner.design
        clock = 1e6 * float(design.get("clock_mhz") or 100)
        weights = len(data) * sum(f["bytes"] * f["times"] for f in design.get("feeds", []))
        needed = (len(data) + 16) * float(design.get("cycles_per_image", 0)) / clock + (data.size + weights) / 50e6
        return self.owner.timeout + 10 * needed

    def errors(self) -> int:
        return self.register(REGISTERS["errors"])

    def write(self, address: int, value: int) -> None:
        self.port.write(address, value)

    def register(self, address: int) -> int:
        return int(self.port.read(address))

    def reset(self) -> None:
        self.port.recover()

    def load(self, data: bytes) -> None:
        _beside("driver_load").over_registers(self, data)


def padded(data: Array, beat: int) -> Array:
    """Images (n, bytes), each padded with zeros to whole beats: what a DMA buffer holds."""
    return np.pad(data, ((0, 0), (0, -data.shape[1] % beat)))


class _Exchange:
    """A port that only knows `exchange(bytes (n, a), b) -> bytes (n, b)`, as one that starts and finishes."""

    def __init__(self, port: Any):
        self.port, self._back = port, np.zeros((0, 0), np.uint8)

    def start(self, data: Array, back_bytes: int) -> None:
        self._back = self.port.exchange(data, back_bytes)

    def finish(self, _: float) -> Array:
        return self._back

    def read(self, address: int) -> int:
        return int(self.port.read(address)) if hasattr(self.port, "read") else 0

    def write(self, address: int, value: int) -> None:
        self.port.write(address, value)

    def recover(self) -> None:
        if hasattr(self.port, "recover"):
            self.port.recover()


class PynqDma:
    """PYNQ's AXI DMA and the accelerator's registers. Buffers are allocated once and grow when a batch is larger."""

    def __init__(self, bitfile: str, design: dict[str, Any]):
        try:
            from pynq import Overlay, allocate
        except ImportError as e:
            raise LinkError("pynq is not installed; run this on the board itself, under PYNQ") from e
        overlay = Overlay(bitfile)
        self._allocate, self._dma, self._network = allocate, overlay.dma, overlay.network
        self._buffers: dict[str, Any] = {}
        self._shape = (0, 0)
        if self.read(REGISTERS["magic"]) != MAGIC:
            raise LinkError(
                f"{bitfile}: the accelerator's registers do not answer; build the bitstream anew with this folder's script"
            )
        if self.read(REGISTERS["design"]) != design["id"]:
            raise LinkError(
                "the board runs another design than design.json describes; load the bitstream of this folder"
            )
        self._feeds = [self._feed(overlay, k, f, bitfile) for k, f in enumerate(design.get("feeds", []))]

    def start(self, data: Array, back_bytes: int) -> None:
        source, sink = self._buffer("to board", data.size), self._buffer("from board", len(data) * back_bytes)
        source[: data.size] = data.reshape(-1)
        self._shape = (len(data), back_bytes)
        self._dma.recvchannel.transfer(sink, 0, len(data) * back_bytes)
        self._dma.sendchannel.transfer(source, 0, data.size)
        for feed in self._feeds:
            feed.start(len(data))

    def finish(self, seconds: float) -> Array:
        until = time.monotonic() + seconds
        for channel, name in ((self._dma.sendchannel, "sending"), (self._dma.recvchannel, "receiving")):
            while not channel.idle:
                for feed in self._feeds:
                    feed.go_on()
                if channel.error or not channel.running:
                    raise OSError(f"the DMA's {name} channel stopped with an error")
                if time.monotonic() > until:
                    raise TimeoutError(f"the DMA's {name} channel did not end within {seconds:.1f} s")
            if channel.error:
                raise OSError(f"the DMA's {name} channel stopped with an error")
        sink = self._buffers["from board"]
        sink.invalidate()
        n, width = self._shape
        return np.array(sink[: n * width]).reshape(n, width)

    def recover(self) -> None:
        """Reset the DMAs and the network, in this order, so that neither is given a part of what the other still has."""
        until = time.monotonic() + 1
        for dma in (self._dma, *(f.dma for f in self._feeds)):
            dma.write(0x00, 0x4)
            while dma.read(0x00) & 0x4 and time.monotonic() < until:
                pass
        self._network.write(REGISTERS["control"], 1)
        while self._network.read(REGISTERS["control"]) & 1 and time.monotonic() < until:
            pass
        self._dma.sendchannel.start()
        self._dma.recvchannel.start()
        for feed in self._feeds:
            feed.channel.start()
            feed.reset()

    def read(self, address: int) -> int:
        return int(self._network.read(address))

    def write(self, address: int, value: int) -> None:
        self._network.write(address, value)

    def close(self) -> None:
        for buffer in self._buffers.values():
            buffer.freebuffer()
        self._buffers.clear()

    def _feed(self, overlay: Any, k: int, described: dict[str, Any], bitfile: str) -> Feed:
        """The DMA weights_<k> with its words in a buffer; they lie in a file beside the bitstream."""
        words = np.fromfile(Path(bitfile).with_name(described["file"]), np.uint8)
        if len(words) != described["bytes"]:
            raise LinkError(
                f"{described['file']}: holds {len(words)} bytes of weights, not {described['bytes']}; deploy again"
            )
        dma = getattr(overlay, f"weights_{k}")
        held = self._buffer(f"weights {k}", copies_of(len(words)) * len(words))
        held[:] = np.tile(words, copies_of(len(words)))
        return Feed(words, int(described["times"]), dma, lambda n: dma.sendchannel.transfer(held, 0, n))

    def _buffer(self, name: str, size: int) -> Any:
        held = self._buffers.get(name)
        if held is None or held.nbytes < size:
            if held is not None:
                held.freebuffer()
            self._buffers[name] = held = self._allocate(shape=(size,), dtype=np.uint8)
        return held
