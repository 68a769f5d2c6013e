"""The link under fire: the simulated board behind a terminal that loses, doubles, changes, swaps and delays bytes, is unplugged,
reset and shared.

Stands on deploy, driver and lower. The board is board_uart in Verilator, bit by bit; between it and the host lies a relay with a
pseudo-terminal of its own. An answer that differs from the network's is a wrong answer; giving up is allowed, and counted.
"""

from __future__ import annotations

import os
import select
import signal
import tempfile
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bits import Array, Ints
from hwflow.deploy import package
from hwflow.driver import Accelerator, LinkError
from hwflow.driver_line import start_board, stop_board
from hwflow.emit.rtl import emit
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.ops import Dense, Port, Threshold

STALL = 0.2  # seconds that a stalled line hands on nothing, at most


class Relay:
    """A terminal between host and board. `rate`: the share of bytes, either way, that are damaged; `stalls`: of reads that wait.

    A damaged byte is lost, doubled, changed in one bit, made into any other, or comes after its neighbour. `path` is the
    host's terminal; `unplug` takes it away with whatever is on the way, `plug` gives another one.
    """

    def __init__(self, board: str, seed: int = 0, rate: float = 0.0, stalls: float = 0.0):
        self.board = os.open(board, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.board)
        self.random, self.rate, self.stalls, self.damaged, self.bytes = np.random.default_rng(seed), rate, stalls, 0, 0
        self.host, self.path, self._open, self._lock = -1, "", True, threading.Lock()
        self.plug()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def plug(self) -> None:
        with self._lock:
            self.host, terminal = os.openpty()
            tty.setraw(terminal)
            os.set_blocking(self.host, False)
            self.path, self._terminal = os.ttyname(terminal), terminal

    def unplug(self) -> None:
        with self._lock:
            os.close(self.host)
            os.close(self._terminal)
            self.host = -1

    def close(self) -> None:
        self._open = False
        self._thread.join()
        for end in (self.board, *((self.host, self._terminal) if self.host >= 0 else ())):
            os.close(end)

    def _carry(self) -> None:
        while self._open:
            with self._lock:
                ends = {self.board: self.host, self.host: self.board}
                ready = select.select([e for e in ends if e >= 0], [], [], 0.002)[0]
                for end in ready:
                    data = _some(end)
                    if data and ends[end] >= 0:
                        _all(ends[end], self._damage(data))
            if self.stalls and ready and self.random.random() < self.stalls:
                time.sleep(STALL * self.random.random())
            if self.host < 0:
                time.sleep(0.002)

    def _damage(self, data: bytes) -> bytes:
        self.bytes += len(data)
        hit = np.flatnonzero(self.random.random(len(data)) < self.rate)
        self.damaged += len(hit)
        out = [data[i : i + 1] for i in range(len(data))]
        for i in hit:
            match int(self.random.integers(5)):
                case 0:
                    out[i] = b""
                case 1:
                    out[i] = out[i] * 2
                case 2:
                    out[i] = bytes([data[i] ^ 1 << int(self.random.integers(8))])
                case 3:
                    out[i] = self.random.bytes(1)
                case 4:
                    out[i : i + 2] = out[i : i + 2][::-1]
                case other:
                    raise AssertionError(other)
        return b"".join(out)


def _some(end: int) -> bytes:
    try:
        return os.read(end, 4096)
    except OSError:  # nobody has the other end open
        return b""


def _all(end: int, data: bytes) -> None:
    """Write everything, as long as somebody reads; what a closed terminal does not take is lost."""
    until = time.monotonic() + 1
    while data and time.monotonic() < until:
        try:
            data = data[os.write(end, data) :]
        except BlockingIOError:
            time.sleep(0.0005)
        except OSError:
            return


def network(inputs: int, hidden: int = 16, seed: int = 0) -> Net:
    """A network of two binary layers whose image has `inputs` bytes and whose ten scores depend on all of them."""
    rng = np.random.default_rng(seed)
    limits = rng.integers(-9 * inputs, 9 * inputs, (hidden, 1))
    ops = (
        Dense(name="first", inputs=("input",), weights=rng.choice((-1, 1), (hidden, inputs))),
        Threshold(name="signs", inputs=("first",), thresholds=limits, falling=np.zeros(hidden, bool), bipolar=True),
        Dense(name="scores", inputs=("signs",), weights=rng.choice((-1, 1), (10, hidden))),
    )
    return Net(f"link{inputs}", Port((inputs,), Ints(0, 255)), ops)


@dataclass
class Made:
    """A network and the deploy folder of its simulated board."""

    net: Net
    out: Path

    @staticmethod
    def of(net: Net, folder: Path) -> Made:
        size = net.input.size
        dataflow = lower(net, {"first": {"pe": 4, "simd": min(size & -size, 16)}})
        package(net, dataflow, emit(dataflow, folder / "rtl"), None, folder / "deploy", images(net, 5, 0))
        return Made(net, folder / "deploy")


def images(net: Net, n: int, seed: int) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (n, *net.input.shape))


@dataclass
class Found:
    """What a run under fire came to."""

    images: int = 0
    wrong: int = 0
    gave_up: int = 0
    resent: int = 0
    refused: int = 0  # second hosts that could not open the line
    seconds: float = 0.0
    damaged: int = 0
    bytes: int = 0


def under_fire(
    made: Made, n: int, seed: int = 0, rate: float = 0.0, stalls: float = 0.0, *, batch: int = 0,
    resets: int = 0, pulls: bool = False, hosts: bool = False, timeout: float = 0.5,
) -> Found:  # fmt: skip
    """Answers of `n` images over a bad line, `batch` of them a call; a call that gives up is made again.

    `resets`: the board's button is pressed after every so many answers. `pulls`: the cable is pulled out once in each batch.
    `hosts`: a second host tries to open the line in each batch, and takes over half of it once the first has gone.
    """
    found, batch = Found(), batch or n
    process, terminal = start_board(made.out / "board_sim")
    relay = Relay(terminal, seed, rate, stalls)
    design = Accelerator(_Nothing(), made.out / "design.json").design | {"timeout_s": timeout}
    x = images(made.net, n, seed)
    want = made.net.run(x)
    began = time.monotonic()
    try:
        for first in range(0, n, batch):
            part = slice(first, min(first + batch, n))
            pulled = taken = False
            while True:
                at = int(relay.random.integers(1, 1 + max((part.stop - first) // 2, 1)))

                def tell(done: int, _: int, at: int = at, armed: bool = pulls and not pulled) -> None:
                    if resets and done % resets == 0:
                        os.kill(process.pid, signal.SIGUSR1)
                    if hosts and done == at:
                        found.refused += _refuses(relay.path, design)
                    if armed and done == at:
                        relay.unplug()

                try:
                    with Accelerator(relay.path, design) as board:
                        if hosts and not taken:  # the first host dies half way, with answers on the line
                            taken = True
                            board.infer(x[part], lambda done, _, at=at: _die(done == at))  # type: ignore[misc]
                        y = board.infer(x[part], tell)
                    break
                except _Dead:
                    continue
                except LinkError:
                    found.gave_up += 1
                    if relay.host < 0:
                        pulled = True
                        relay.plug()
            found.wrong += int((y != want[part]).any(1).sum())
            found.images, found.resent = found.images + len(y), found.resent + board.stats.resent
    finally:
        found.seconds, found.damaged, found.bytes = time.monotonic() - began, relay.damaged, relay.bytes
        relay.close()
        stop_board(process)
    return found


class _Dead(Exception):  # noqa: N818  a host that is killed
    pass


def _die(now: bool) -> None:
    if now:
        raise _Dead


class _Nothing:
    """A port that nobody uses."""

    def read(self, size: int) -> bytes:
        return b""[:size]

    def write(self, data: bytes) -> int:
        return len(data)


def _refuses(path: str, design: dict[str, Any]) -> bool:
    try:
        Accelerator(path, design).close()
    except LinkError:
        return True
    return False


# what happens -> bytes an image, images, how; numbers that take some minutes together on one core
CAMPAIGN: dict[str, tuple[int, int, dict[str, Any]]] = {
    "nothing": (64, 2000, {}),
    "1 % of bytes damaged": (64, 10000, {"rate": 0.01, "batch": 1000}),
    "1 % damaged, stalls": (64, 500, {"rate": 0.01, "stalls": 0.01, "batch": 100}),
    "0.2 % damaged, a reset every 25 answers": (64, 1000, {"rate": 0.002, "resets": 25, "batch": 200}),
    "0.2 % damaged, unplugged every 100 images": (64, 2000, {"rate": 0.002, "batch": 100, "pulls": True}),
    "0.2 % damaged, two hosts": (64, 2000, {"rate": 0.002, "batch": 200, "hosts": True}),
    "nothing, large images": (3072, 40, {}),
    "1 % damaged, large images": (3072, 20, {"rate": 0.01, "batch": 5}),
}


def rows(say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The rows of `hwflow bench link`: what happens to the line, images, wrong answers, throughput."""
    made: dict[int, Made] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed, (name, (size, n, how)) in enumerate(CAMPAIGN.items(), 1):
            say(name)
            made[size] = made.get(size) or Made.of(network(size), Path(folder) / str(size))
            f = under_fire(made[size], n, seed, **how)
            yield {
                "line": name, "bytes an image": size, "images": f.images, "wrong": f.wrong, "sent again": f.resent, "gave up": f.gave_up,
                "bytes carried": f.bytes, "bytes damaged": f.damaged, "second hosts refused": f.refused or "", "images_per_s": round(f.images / f.seconds, 1),
            }  # fmt: skip
