"""Two tops and the link between them as one design: what simulates a network that is cut over two boards.

Stands on emit.rtl. Either half keeps its own top; only the names of the three modules that every design has are told apart.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from hwflow.emit.names import plain
from hwflow.emit.rtl import SHELL, TEMPLATES, module, network, sources, top, write_memories
from hwflow.units.kit.base import Dataflow

HALVES = ("first", "second")
OWN = ("top", SHELL, "network")  # modules that every design has, so that two of them need other names


def emit(first: Dataflow, second: Dataflow, folder: Path) -> Path:
    """Write both designs into `folder` and `top.sv`, which joins their AXI4-Streams; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (*folder.glob("*.sv"), *folder.glob("*.mem")):
        stale.unlink()
    shared = sources([*(module(u) for d in (first, second) for u in d.units), SHELL])
    for file in shared:
        if file.stem != SHELL:
            shutil.copyfile(file, folder / file.name)
    (shell,) = (file.read_text() for file in shared if file.stem == SHELL)
    for half, dataflow in zip(HALVES, (first, second), strict=True):
        prefix = f"{half}_"
        for name, text in (("top", top(dataflow)), (SHELL, shell), ("network", network(dataflow, prefix=prefix))):
            (folder / f"{prefix}{name}.sv").write_text(_rename(text, prefix))
        for unit in dataflow.units:
            write_memories(unit, folder, prefix)
    text = TEMPLATES.get_template("system.sv.j2").render(
        name=plain(first.name.removesuffix("_first")), source=first.input, link=first.output, sink=second.output
    )
    (folder / "top.sv").write_text(text)
    return folder


def _rename(text: str, prefix: str) -> str:
    """A module's text under a name of its own, instances of the other two likewise; comments stay."""
    for name in OWN:
        text = re.sub(rf"(?m)^(\s*(?:module )?){name}(?= #\(| \w+ \(| \()", rf"\g<1>{prefix}{name}", text)
    return text
