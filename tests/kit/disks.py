"""A disk that fills up, or turns read-only, at many moments of a tiny network's life: the folder is old or new, and a rerun is fresh.

    python tests/kit/disks.py --full 20 --readonly 20        (as root: the disk is a tmpfs of its own)

The commands are those of kills.py; instead of a kill they meet a full or a read-only disk, and must end with a line, not a traceback.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import kills
import numpy as np

from hwflow.errors import HwflowError
from hwflow.files import PART, rewritten

SIZE = 64 << 20  # bytes of the disk
SAID = 3  # exit code of a child whose command ended with an error that people are told in a line


def may_mount() -> bool:
    """True where this user may have a disk of its own."""
    with tempfile.TemporaryDirectory() as home:
        return os.geteuid() == 0 and _mount(Path(home), f"size={SIZE}") and _unmount(Path(home))


def _mount(at: Path, options: str) -> bool:
    return (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", at], capture_output=True, check=False
        ).returncode
        == 0
    )


def _unmount(at: Path) -> bool:
    return subprocess.run(["umount", "-l", at], capture_output=True, check=False).returncode == 0


def _remount(at: Path, how: str) -> bool:
    return subprocess.run(["mount", "-o", f"remount,{how}", at], capture_output=True, check=False).returncode == 0


@contextmanager
def disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as home:
        at = Path(home) / "disk"
        at.mkdir()
        assert _mount(at, f"size={SIZE}")
        try:
            yield at
        finally:
            _unmount(at)


def in_child(work: Callable[[], object], meanwhile: Callable[[Callable[[], bool]], object] = lambda _: None) -> int:
    """The exit code of `work` in a forked child: 0, SAID, or another; `meanwhile` is told whether it still runs."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except (OSError, HwflowError):
            code = SAID
        finally:
            os._exit(code)
    status = []

    def runs() -> bool:
        if not status and (ended := os.waitpid(child, os.WNOHANG))[0]:
            status.append(ended[1])
        return not status

    meanwhile(runs)
    return os.waitstatus_to_exitcode(status[0] if status else os.waitpid(child, 0)[1])


def trials(kind: str) -> Callable[..., dict[str, int]]:
    """What stands for `kills.trials`: so many times a disk that is full, or read-only, in the middle of `new`."""

    def run(
        times: int, folder: Path, old: Callable[[], object], new: Callable[[], object], check: Callable[[], object],
        seed: int = 0, see: Callable[[Path], object] = kills.contents,
    ) -> dict[str, int]:  # fmt: skip
        rng, home = np.random.default_rng(seed), folder.parent
        assert in_child(new) == 0
        fresh, size = see(folder), sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        shutil.rmtree(folder)
        assert in_child(old) == 0
        before, began = see(folder), time.monotonic()
        assert in_child(new) == 0
        spent, found, codes = time.monotonic() - began, {"old": 0, "new": 0}, []
        for k, room in enumerate(np.geomspace(1, 3 * size + 65536, times).astype(int).tolist()):
            shutil.rmtree(folder)
            assert in_child(old) == 0
            filler = home / "filler"
            if kind == "full":
                free = os.statvfs(home).f_bavail * os.statvfs(home).f_frsize
                filler.write_bytes(bytes(max(free - room, 0)))
                codes.append(in_child(new))
                filler.unlink()
            else:
                until = time.monotonic() + rng.random() * spent

                def turn(runs: Callable[[], bool], until: float = until) -> None:
                    while runs() and (time.monotonic() < until or not _remount(home, "ro")):
                        time.sleep(0.0005)  # it cannot while a file is open for writing

                codes.append(in_child(new, turn))
                assert _remount(home, "rw")
            left = see(folder)
            assert codes[-1] in (0, SAID), f"{kind} {k}: ended with {codes[-1]}"
            assert left in (before, fresh), f"{kind} {k}: a mixture: {str(left)[:300]}"
            assert left == fresh or codes[-1], f"{kind} {k}: ended well and left the old result"
            check()
            found["new" if left == fresh else "old"] += 1
        assert in_child(new) == 0
        assert see(folder) == fresh, "the rerun is not a fresh result"
        with rewritten(folder):
            pass
        assert not [p for p in home.rglob(f"*{PART}*") if p.name.startswith(f".{folder.name}")], "parts are left"
        return found

    return run


def run(kind: str, times: int, life: str, seed: int = 0) -> dict[str, int]:
    """`times` moments of one command on a disk of its own."""
    real = kills.trials
    with disk() as home:
        kills.trials = trials(kind)
        try:
            return kills.LIFE[life](times, home, seed)
        finally:
            kills.trials = real


SHARES = {"compile": 0.4, "verify": 0.2, "deploy": 0.3, "bench": 0.1}


def main() -> None:
    """The command line: how many moments of each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", type=int, default=0)
    parser.add_argument("--readonly", type=int, default=0)
    given = parser.parse_args()
    for kind in ("full", "readonly"):
        for life, share in SHARES.items():
            times = round(share * getattr(given, kind))
            if times:
                found = run(kind, times, life)
                print(
                    f"{kind} disk, {life}: {times} moments, {found['old']} left the old result, {found['new']} the new, none mixed",
                    flush=True,
                )


if __name__ == "__main__":
    main()
