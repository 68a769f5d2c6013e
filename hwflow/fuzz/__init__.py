"""Random QONNX files against what they compute themselves, until the time is up: differences, tracebacks, hangs.

Stands on generate, qonnx, fold and the engines. Whatever was found is kept, also after Ctrl-C.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from hwflow.files import write_bytes
from hwflow.fuzz.workers import SHRINK_SECONDS, Word, judging, operator_name
from hwflow.fuzz.workers import engines as compiling

PATIENCE = 120.0  # seconds without a word after which a worker is stuck; it notices slow Python itself, sooner
MOST_WAITING = 2000  # networks kept for the engines, a few KB each
SAID_EVERY = 5.0
SHOWN_REASONS = 25
ENOUGH = 200  # accepted files with an operator in them, after which a run says something of it


@dataclass
class Found:
    """What a run has seen so far."""

    files: int = 0
    seconds: float = 0.0
    verdicts: Counter[str] = field(default_factory=Counter)
    exact: int = 0  # accepted files without a float32 sum that can round
    refusals: Counter[str] = field(default_factory=Counter)
    invalid: Counter[str] = field(default_factory=Counter)
    operators: Counter[str] = field(default_factory=Counter)  # accepted files by operator in them
    faults: list[dict[str, Any]] = field(default_factory=list)
    through: Counter[str] = field(default_factory=Counter)  # networks by engine

    def add(self, other: Found) -> None:
        """Count what another run saw beside this one as well; faults in the order of their seeds."""
        self.files, self.exact = self.files + other.files, self.exact + other.exact
        self.seconds = max(self.seconds, other.seconds)
        for mine, its in zip(self._counters(), other._counters(), strict=True):
            mine.update(its)
        self.faults = sorted(self.faults + other.faults, key=lambda fault: fault["seed"])

    def _counters(self) -> tuple[Counter[str], ...]:
        return self.verdicts, self.refusals, self.invalid, self.operators, self.through

    def facts(self) -> dict[str, Any]:
        """Numbers by name, for tables and --json."""
        good = self.verdicts["accepted"] + self.verdicts["rounded"]
        return {
            "files": self.files,
            "seconds": round(self.seconds, 1),
            "files_per_minute": round(60 * self.files / max(self.seconds, 1e-9)),
            "accepted": good,
            "accepted_percent": round(100 * good / max(self.files, 1), 1),
            "accepted_without_rounding_sums": self.exact,
            "float32_orders": self.verdicts["rounded"],
            "refused": self.verdicts["refused"],
            "not_executable": self.verdicts["invalid"],
            "differences": self.verdicts["difference"],
            "tracebacks": self.verdicts["traceback"],
            "hangs": self.verdicts["hang"],
            "through": {e: self.through[e] for e in ("C", "HLS", "RTL")},
            "engine_differences": sum(f["kind"] == "engine" for f in self.faults),
            "seldom": [name for name, count in self._by_operator().items() if count < ENOUGH],
            "operators": self._by_operator(),
            "refusals": dict(self.refusals.most_common(SHOWN_REASONS)),
            "invalid": dict(self.invalid.most_common(5)),
            "faults": self.faults,
        }

    def _by_operator(self) -> dict[str, int]:
        """Accepted files by operator, the fewest first; every operator of the reader is named."""
        from hwflow.qonnx import OPERATORS

        names = {operator_name(domain, op) for domain, op in OPERATORS}
        return {n: self.operators[n] for n in sorted(names, key=lambda n: (self.operators[n], n))}


class Worker:
    """One process that judges files: its connection, and when it spoke last."""

    def __init__(self, first: int, step: int, networks: bool):
        self.next, self.step, self.networks = first, step, networks
        self.ours, theirs = multiprocessing.get_context("spawn").Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=judging, args=(theirs, first, step, networks), daemon=True
        )
        self.process.start()
        theirs.close()
        self.heard, self.patience = time.monotonic(), PATIENCE

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.ours.close()


def fuzz(
    minutes: float | None = 1.0,
    files: int | None = None,
    seed: int = 0,
    workers: int = 1,
    c: int = 0,
    rtl: int = 0,
    folder: Path = Path("build/fuzz"),
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Judge random files until the time or the number of files is reached; faults are saved in `folder`.

    `c` and `rtl` bound the networks that go through the C engine, and through HLS C++ and RTL with stalls.
    """
    return search(minutes, files, seed, workers, c, rtl, folder, say).facts()


def search(
    minutes: float | None,
    files: int | None,
    seed: int,
    workers: int,
    c: int,
    rtl: int,
    folder: Path,
    say: Callable[[str], None],
    apart: int = 1,
) -> Found:
    """What `fuzz` finds, to be added up: files of the seeds seed, seed + apart, seed + 2 apart, ..."""
    started = time.monotonic()
    deadline = started + 60 * minutes if minutes is not None else float("inf")
    found = Found()
    engines = [Engine(kind, count) for kind, count in (("C", c), ("RTL", rtl)) if count]
    pool = [Worker(seed + k * apart, workers * apart, bool(engines)) for k in range(workers)]
    said, before = started, interruptible()
    try:
        while time.monotonic() < deadline and (files is None or found.files < files or _busy(engines, found)):
            done = files is not None and found.files >= files
            for k, worker in enumerate(pool):
                if worker.process.exitcode is not None or time.monotonic() - worker.heard > worker.patience:
                    pool[k] = _replaced(worker, found, folder)
            ears: list[Any] = [] if done else [w.ours for w in pool]
            ears += [engine.ours for engine in engines if engine.alive]
            for ear in wait(ears, timeout=max(0.0, min(1.0, deadline - time.monotonic()))):
                engine = next((e for e in engines if e.ours is ear), None)
                if engine:
                    engine.listen(found, folder)
                    continue
                worker = next(w for w in pool if w.ours is ear)
                with suppress(EOFError, ConnectionResetError):
                    _heard(worker, worker.ours.recv(), found, folder, engines)
            if time.monotonic() - said > SAID_EVERY:
                said = time.monotonic()
                found.seconds = said - started
                say(_line(found))
    except KeyboardInterrupt:
        say("interrupted; this is what was found")
    finally:
        found.seconds = time.monotonic() - started
        ends: list[Worker | Engine] = [*pool, *engines]
        for one in ends:
            one.end()
        for sign, handler in before.items():
            signal.signal(sign, handler)
    return found


def interruptible() -> dict[int, Any]:
    """Make Ctrl-C and `kill` end the run with what it found, in the background of a shell too; gives the handlers before."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {s: signal.signal(s, signal.default_int_handler) for s in (signal.SIGINT, signal.SIGTERM)}


def _busy(engines: Sequence[Engine], found: Found) -> bool:
    """True while networks are still to go through engines, which enough files were accepted for."""
    accepted = found.verdicts["accepted"] + found.verdicts["rounded"]
    return any(e.alive and accepted >= e.needs and found.through[e.kind] < e.count for e in engines)


def _heard(worker: Worker, word: Word, found: Found, folder: Path, engines: Sequence[Engine]) -> None:
    worker.heard, worker.patience = time.monotonic(), PATIENCE
    match word.kind:
        case "file" if word.verdict == "ready":
            return
        case "file":
            worker.next = word.seed + worker.step
            _count(word, found)
            if word.network:
                for engine in engines:
                    engine.offer(word.seed, word.network)
        case "fault":
            worker.patience = SHRINK_SECONDS + PATIENCE
            keep(folder / f"{word.seed}", word, "")
            found.faults.append({"seed": word.seed, "kind": word.verdict, "key": word.key, "text": word.text[-500:]})
        case "smaller":
            keep(folder / f"{word.seed}", word, "small.")
            found.faults[-1]["text"] = word.text[-500:]
        case _:
            raise AssertionError(word.kind)


def _count(word: Word, found: Found) -> None:
    found.files += 1
    found.verdicts[word.verdict] += 1
    if word.verdict in ("accepted", "rounded"):
        found.operators.update(word.operators)
        found.exact += word.exact
    elif word.verdict == "refused":
        found.refusals[word.key] += 1
    elif word.verdict == "invalid":
        found.invalid[word.key] += 1


def _replaced(worker: Worker, found: Found, folder: Path) -> Worker:
    """Another worker in place of one that hangs or was ended by a crash; the file it had counts as a fault."""
    crashed = worker.process.exitcode is not None
    seed = worker.next
    text = f"the process ended with {worker.process.exitcode}" if crashed else f"no word for {worker.patience:.0f} s"
    worker.end()
    found.files += 1
    found.verdicts["traceback" if crashed else "hang"] += 1
    found.faults.append({"seed": seed, "kind": "crash" if crashed else "hang", "key": "", "text": text})
    keep(folder / f"{seed}", Word("fault", seed, files={"fault.txt": f"{text}\n".encode()}), "")
    return Worker(seed + worker.step, worker.step, worker.networks)


class Engine:
    """A process that compiles networks for one kind of engine; it takes them as fast as it can use them."""

    def __init__(self, kind: str, count: int):
        self.kind, self.count = kind, count
        self.needs = count if kind == "C" else 10 * count  # accepted files, of which it may not take every one
        self.ours, theirs = multiprocessing.get_context("spawn").Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=compiling, args=(theirs, kind, count), daemon=True
        )
        self.process.start()
        theirs.close()
        self.waiting: deque[tuple[int, bytes]] = deque(maxlen=MOST_WAITING)
        self.hungry = True

    @property
    def alive(self) -> bool:
        return self.process.exitcode is None

    def offer(self, seed: int, network: bytes) -> None:
        """Keep a network for when the process asks for one; it must never be waited for, so nothing piles up in a pipe."""
        self.waiting.append((seed, network))
        self._feed()

    def _feed(self) -> None:
        if self.hungry and self.waiting:
            self.hungry = False
            with suppress(BrokenPipeError, ConnectionResetError):
                self.ours.send(self.waiting.popleft())

    def listen(self, found: Found, folder: Path) -> None:
        try:
            word = self.ours.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            return
        if word.kind == "hungry":
            self.hungry = True
            self._feed()
            return
        found.through[word.engine] += 1
        if word.verdict == "difference":
            keep(folder / f"{word.seed}-{word.engine}", word, "")
            found.faults.append({"seed": word.seed, "kind": "engine", "key": word.engine, "text": word.text[-500:]})

    def end(self) -> None:
        """End the process and the compilers it started."""
        if self.process.exitcode is None and self.process.pid:
            with suppress(ProcessLookupError, PermissionError):
                if os.getpgid(self.process.pid) == self.process.pid:
                    os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
        self.process.join()
        self.ours.close()


def keep(folder: Path, word: Word, prefix: str) -> None:
    """The files of a fault in a folder of its seed."""
    folder.mkdir(parents=True, exist_ok=True)
    files = word.files or {"fault.txt": f"{word.key}: {word.text}\n".encode()}
    for name, data in files.items():
        write_bytes(folder / f"{prefix}{name}", data)


def _line(found: Found) -> str:
    good = found.verdicts["accepted"] + found.verdicts["rounded"]
    bad = len(found.faults)
    through = " ".join(f"{e} {n}" for e, n in sorted(found.through.items()))
    return f"{found.files} files in {found.seconds:.0f} s, {good} accepted, {bad} faults {through}".rstrip()


__all__ = ["Found", "fuzz", "search"]
