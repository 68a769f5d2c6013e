"""A fuzz run on the workers of a cluster: each takes seeds that no other takes, what they find is added up.

Stands on the run of one machine and on cluster. A worker of Dask may have no children of its own, so each part is a program.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwflow import cluster as machines
from hwflow.errors import ToolError
from hwflow.fuzz import Found, search

Part = tuple[Found, dict[str, bytes]]  # what was found, and the files of its faults by their path in the folder


def fuzz(
    cluster: str,
    minutes: float | None,
    files: int | None,
    seed: int,
    c: int,
    rtl: int,
    folder: Path,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """What `hwflow.fuzz.fuzz` gives, by all workers of the Dask scheduler at `cluster`: the same seeds, the same counts.

    `files`, `c` and `rtl` are shared among the workers; files of faults are gathered in `folder`.
    """
    parts = machines.slots(cluster)
    say(f"{parts} workers at {cluster}")
    asks = [
        (
            minutes,
            None if files is None else share(files, k, parts),
            seed + k,
            share(c, k, parts),
            share(rtl, k, parts),
            parts,
        )
        for k in range(parts)
    ]
    total = Found()
    for found, kept in machines.each(part, asks, cluster=cluster):
        total.add(found)
        for name, data in kept.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return total.facts()


def share(count: int, k: int, parts: int) -> int:
    """How many of `count` things the `k`-th of `parts` takes when they are dealt one by one."""
    return len(range(k, count, parts))


def part(minutes: float | None, files: int | None, seed: int, c: int, rtl: int, apart: int) -> Part:
    """One worker's share, in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, ask = Path(scratch), (minutes, files, seed, c, rtl, apart)
        (folder / "ask").write_bytes(pickle.dumps(ask))
        command = [sys.executable, "-m", "hwflow.fuzz.spread", str(folder)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode or not (folder / "found").is_file():
            raise ToolError(f"a part of the run ended with exit {done.returncode}: {done.stderr[-500:]}")
        kept = {
            str(p.relative_to(folder / "faults")): p.read_bytes() for p in (folder / "faults").rglob("*") if p.is_file()
        }
        found: Found = pickle.loads((folder / "found").read_bytes())
        return found, kept


def main(folder: Path) -> None:
    """Do what `ask` in this folder says and leave `found` there."""
    minutes, files, seed, c, rtl, apart = pickle.loads((folder / "ask").read_bytes())
    found = search(minutes, files, seed, 1, c, rtl, folder / "faults", lambda _: None, apart)
    (folder / "found").write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
