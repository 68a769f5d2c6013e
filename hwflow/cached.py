"""What takes long to compile and is kept by content: engines, simulators, kernels, and how the cache is shown and cleared.

Stands on places and errors. An entry is a folder called by whatever its file is made from: sources, compiler with its version,
flags. The file in it is called by its own content, which is checked at every use, so a damaged one is made again. It is made
beside and moved into place, so threads and processes that want the same one at once do no harm.
"""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from hwflow import tools
from hwflow.errors import RecipeError, ToolError
from hwflow.places import cache

# kinds of entries and what they are; the folder of the cache that holds them has the kind's name
KINDS = {
    "c": "C engines", "hls": "HLS C++ programs", "rtl": "Verilator simulators", "verilator": "Verilator's library",
    "board": "simulated boards", "events": "the planner's kernel",
}  # fmt: skip
MOST_CRASHES = 2  # processes that a file ended while they loaded it, after which it is not loaded again
STALE = 3600  # seconds after which a folder that somebody began to build in is nobody's

_locks: dict[str, threading.Lock] = {}
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def kept_file(kind: str, parts: Iterable[str | bytes], name: str, make: Callable[[Path], object]) -> Path:
    """The file that `make(folder)` leaves as folder/name, made unless the cache has it whole; logs are kept beside it.

    `parts`: everything the file is made from. ToolError where it ended every process that loaded it.
    """
    home = cache() / kind / _key(parts)
    with _locks.setdefault(str(home), threading.Lock()):
        _look_for_crashes(home, kind)
        return _whole(home, name) or _make(home, name, make)


@contextmanager
def loading(file: Path) -> Iterator[None]:
    """While `file` is loaded into this process, which a bad one would end: `kept_file` then makes it anew, or refuses it."""
    mark = file.with_name(f"loading-{_HOST}-{os.getpid()}-{secrets.token_hex(4)}")
    with suppress(OSError):  # a cache that cannot be written to
        mark.touch()
    try:
        yield
        file.with_name("crashes").unlink(missing_ok=True)
    finally:
        mark.unlink(missing_ok=True)


def said_version(program: Path) -> str:
    """What a program says of itself: another version of it makes another file."""
    return _say_version(program, program.stat().st_mtime_ns)


@once
def _say_version(program: Path, changed: int) -> str:  # noqa: ARG001  a program that was replaced is asked again
    return tools.run_program(program, ["--version"], cwd=Path.cwd(), timeout=60)


def processor() -> str:
    """What this processor can do, for files that are compiled for it alone."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())


def _key(parts: Iterable[str | bytes]) -> str:
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little") + data)
    return state.hexdigest()[:32]


def _name_of(file: Path, name: str) -> str:
    """What a file is called by its content; nothing where it has just been replaced."""
    try:
        content = hashlib.sha256(file.read_bytes()).hexdigest()[:32]
    except OSError:
        return ""
    return f"{Path(name).stem}-{content}{Path(name).suffix}"


def _candidates(home: Path, name: str) -> list[Path]:
    return sorted(home.glob(f"{Path(name).stem}-*{Path(name).suffix}"))


def _whole(home: Path, name: str) -> Path | None:
    """The file of an entry whose content is what its name says; None where there is none."""
    return next((f for f in _candidates(home, name) if f.is_file() and f.name == _name_of(f, name)), None)


def _make(home: Path, name: str, make: Callable[[Path], object]) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    for left in home.glob("building-*"):  # of processes that were killed
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE:
                shutil.rmtree(left, ignore_errors=True)
    for damaged in _candidates(home, name):
        if damaged.name != _name_of(damaged, name):
            damaged.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix="building-") as beside:
        folder = Path(beside)
        try:
            make(folder)
        except ToolError as e:  # what it says of a log is true of the one that is kept
            raise ToolError(str(e).replace(str(folder), str(home))) from e
        finally:
            for log in folder.glob("*.log"):
                log.replace(home / log.name)
        return (folder / name).replace(home / _name_of(folder / name, name))


def _look_for_crashes(home: Path, kind: str) -> None:
    """Where a process ended while it loaded the entry: remove what it loaded; ToolError where that did not help."""
    ended = [m for m in home.glob(f"loading-{_HOST}-*") if not _lives(int(m.name.split("-")[2]))]
    if ended:
        for mark in ended:
            mark.unlink(missing_ok=True)
        with (home / "crashes").open("a") as log:
            log.write("crash\n" * len(ended))
        for file in home.iterdir():
            if file.is_file() and file.name != "crashes" and not file.name.startswith("loading-"):
                file.unlink(missing_ok=True)
    note = home / "crashes"
    if note.is_file() and (times := note.read_text().count("crash")) >= MOST_CRASHES:
        raise ToolError(
            f"{home}: ended {times} processes that loaded it, so it is not loaded again; "
            f"try another compiler, then hwflow doctor --cache --clear {kind}"
        )


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


# -- shown and cleared


@dataclass(frozen=True)
class Kept:
    """What the cache holds of one kind."""

    kind: str
    what: str
    entries: int
    bytes: int
    damaged: int  # files whose content is not what their name says; they are made again when they are asked for


def shown() -> list[Kept]:
    """What the cache holds, kind by kind; what is not compiled (data, measurements) last, by the name of its folder."""
    home = cache()
    others = sorted(p.name for p in home.iterdir() if p.name not in KINDS)
    return [_find_kept(home / kind, KINDS.get(kind, "not made by a compiler")) for kind in (*KINDS, *others)]


def _find_kept(folder: Path, what: str) -> Kept:
    files = [f for f in ([folder] if folder.is_file() else folder.rglob("*")) if f.is_file()]
    named = [f for f in files if folder.name in KINDS and "-" in f.name and not f.name.startswith("loading-")]
    damaged = sum(f.name != _name_of(f, f.name.rpartition("-")[0] + f.suffix) for f in named if f.suffix != ".log")
    count = len(list(folder.iterdir())) if folder.is_dir() else len(files)
    return Kept(folder.name, what, count, sum(f.stat().st_size for f in files), damaged)


def clear(kind: str) -> int:
    """Remove every entry of a kind, or of all KINDS with "compiled"; the bytes that are free now. RecipeError for another name."""
    if kind != "compiled" and kind not in KINDS:
        raise RecipeError(f"--clear takes compiled or one of {', '.join(KINDS)}, not {kind}")
    free = 0
    for name in KINDS if kind == "compiled" else (kind,):
        free += _find_kept(cache() / name, "").bytes
        shutil.rmtree(cache() / name, ignore_errors=True)
    return free
