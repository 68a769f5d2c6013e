"""component.xml: the accelerator of a Zynq board as one block that IP Integrator shows (IP-XACT, IEEE 1685-2009).

Stands on emit's templates, the attributes of hls/board/board_dma_bd.v, which name every interface, and driver's registers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hwflow.driver import REGISTERS
from hwflow.emit.names import plain
from hwflow.emit.rtl import TEMPLATES

PORT = re.compile(
    r'X_INTERFACE_INFO = "xilinx.com:(\w+):(\w+):1.0 (\w+) (\w+)" \*\)\s*'
    r'(?:\(\* X_INTERFACE_PARAMETER = "([^"]*)" \*\)\s*)?(input|output)\s+wire\s+(?:\[(.*?)-1:0\]|\[(\d+):0\])?\s*(\w+)'
)


@dataclass(frozen=True)
class BlockPort:
    """One port of the block: its direction as IP-XACT says it, its width."""

    name: str
    direction: str
    bits: int


@dataclass
class Bus:
    """One interface: its type, whether it is a master, the ports by their logical names, its parameters."""

    name: str
    library: str
    kind: str
    master: bool = False
    ports: list[tuple[str, str]] = field(default_factory=list)
    parameters: list[tuple[str, str]] = field(default_factory=list)

    @property
    def memory(self) -> bool:
        return self.kind == "aximm"


def component(name: str, wrapper: Path, parameters: Mapping[str, int], files: Sequence[str]) -> str:
    """The text of component.xml for the block whose Verilog is `wrapper`; `files` are its sources by relative path."""
    buses: dict[str, Bus] = {}
    ports = []
    for library, kind, bus, logical, more, way, words, top, port in PORT.findall(wrapper.read_text()):
        bits = int(top) + 1 if top else parameters["Bytes"] * (8 if words.startswith("8*") else 1) if words else 1
        ports.append(BlockPort(port, {"input": "in", "output": "out"}[way], bits))
        made = buses.setdefault(bus, Bus(bus, library, kind))
        made.ports.append((port, logical))
        if logical == "TVALID":
            made.master = way == "output"
        made.parameters += [(k, v) for k, v in (entry.split(" ", 1) for entry in more.split(", ") if entry)]
    return TEMPLATES.get_template("component.xml.j2").render(
        name=plain(name),
        core=re.sub(r"\W", "_", plain(name)),
        buses=list(buses.values()),
        ports=ports,
        parameters=parameters,
        files=sorted(files),
        registers=REGISTERS,
    )
