"""Trainings under way and done: one small file beside each checkpoint, and the list of them.

Stands on nothing of the training room, so that the list needs no torch.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hwflow.errors import HwflowError
from hwflow.files import read_json
from hwflow.schema import MAYBE_NUMBER, NUMBER, SchemaError, check

NOTE = "run.json"
SPEC = {
    "name": str, "source": str, "epochs": int, "progress": NUMBER, "seconds": NUMBER, "loss": MAYBE_NUMBER,
    "accuracy": MAYBE_NUMBER, "finished": bool, "process": int, "host": str, "written": NUMBER,
}  # fmt: skip


@dataclass(frozen=True)
class Note:
    """How far a run is: `progress` 0 .. 1 of its steps, `seconds` spent, `loss` and `accuracy` of its latest epochs."""

    name: str
    source: str
    epochs: int
    progress: float
    seconds: float
    loss: float | None
    accuracy: float | None
    finished: bool
    process: int
    host: str
    written: float  # seconds since 1970

    @property
    def left(self) -> float | None:
        """Seconds to the end at the pace so far; None before the first step."""
        return self.seconds * (1 - self.progress) / self.progress if self.progress > 0 else None

    @property
    def state(self) -> str:
        """done, running, or stopped (`hwflow train ... --resume` goes on); elsewhere: of another host."""
        if self.finished:
            return "done"
        if self.host != socket.gethostname():
            return "elsewhere"
        return "running" if _alive(self.process) else "stopped"


def _alive(process: int) -> bool:
    if process <= 0:  # of a damaged note: a group of processes
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it lives, and is someone else's
        return True
    return True


def write_note(folder: Path, **values: Any) -> None:
    """Write the note of the run in `folder` by this process, whole or not at all."""
    note = Note(**values, process=os.getpid(), host=socket.gethostname(), written=time.time())
    part = folder / (NOTE + ".part")
    part.write_text(json.dumps(asdict(note)))
    part.replace(folder / NOTE)


def list_runs(folder: Path) -> list[tuple[Path, Note]]:
    """The runs in `folder` and the folders below it, the latest first; notes that cannot be read are left out."""
    found = []
    for path in folder.glob("**/" + NOTE):
        try:
            values = read_json(path, "")
            check(values, SPEC)
            found.append((path.parent, Note(**values)))
        except (HwflowError, SchemaError, TypeError):
            continue
    return sorted(found, key=lambda run: -run[1].written)
