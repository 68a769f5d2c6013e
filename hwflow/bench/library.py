"""The hardware library's own pages: hls/README.md with its table of modules, and the FuseSoC and Bender manifests.

Stands on places. `python -m hwflow.bench.library` writes the three from the sources; a test keeps them true.
"""

from __future__ import annotations

import re
from pathlib import Path

from hwflow.errors import RecipeError
from hwflow.files import write_text
from hwflow.places import HLS
from hwflow.version import VERSION

ROOMS = {
    "units": "one module for each kind of unit, as SystemVerilog and as a C++ template of the same name and parameters",
    "parts": "what units are made of; nothing here has the streams of a unit",
    "board": "what stands between a network and a board: links, clocks, registers",
    "sim": "for simulation alone",
    "vendor": "scripts for AMD's tools",
}
BEGIN, END = "<!-- modules -->", "<!-- end -->"


def modules(room: str) -> list[Path]:
    """The SystemVerilog and Verilog files of a room."""
    return sorted(file for file in (HLS / room).iterdir() if file.suffix in (".sv", ".v"))


def says(file: Path) -> str:
    """What a file's first line says of it; RecipeError where it says nothing."""
    lines = file.read_text().splitlines()
    first = re.match(rf"(?://|#) {re.escape(file.stem)}(?:{re.escape(file.suffix)})? - (.+)", lines[0] if lines else "")
    if first is None:
        raise RecipeError(f"{file}: must begin with `// {file.stem} - what it is`")
    return first[1]


def uses(file: Path) -> list[str]:
    """The modules of the library that a module has instances of."""
    known = {m.stem for room in ROOMS for m in modules(room)} - {file.stem}
    found = re.findall(r"^\s*(\w+)\s+(?:#\(|\w+\s*\()", file.read_text(), re.MULTILINE)
    return sorted(known & set(found))


def table() -> str:
    """Every file of the library, room by room: what it is, what it is made of, where its C++ is."""
    out = []
    for room, about in ROOMS.items():
        out += [f"### {room}/: {about}", "", "| file | what it is | made of | C++ |", "|---|---|---|---|"]
        plain = [f for f in sorted((HLS / room).iterdir()) if f.suffix not in (".sv", ".v")]
        twins = {m.stem for m in modules(room)}
        for file in sorted([*modules(room), *(f for f in plain if f.stem not in twins)]):
            twin = file.with_suffix(".hpp")
            cells = (
                file.name,
                says(file).replace("|", "\\|"),
                ", ".join(uses(file)) if file.suffix in (".sv", ".v") else "",
            )
            out.append(f"| {' | '.join(cells)} | {twin.name if twin.is_file() and twin != file else ''} |")
        out.append("")
    return "\n".join(out).rstrip()


def readme(text: str) -> str:
    """The README with today's table between its two marks."""
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END, 1)[1]}"


def core() -> str:
    """hwflow.core for FuseSoC: units and parts as the default target, board and sim beside them."""
    lines = [
        "CAPI=2:",
        f"name: hwflow:library:hwflow:{VERSION}",
        "description: Streaming units of binary neural networks; hwflow writes the tops that join them.",
        "filesets:",
    ]
    for room in ("parts", "units", "board", "sim"):
        kinds = {".sv": "systemVerilogSource", ".v": "verilogSource"}
        lines += [f"  {room}:", "    files:"]
        lines += [f"      - {room}/{file.name}: {{file_type: {kinds[file.suffix]}}}" for file in modules(room)]
    lines += [
        "targets:",
        "  default:",
        "    filesets: [parts, units]",
        "  board:",
        "    filesets: [parts, units, board]",
    ]
    return "\n".join([*lines, ""])


def bender() -> str:
    """Bender.yml: the same files, those for boards and for simulation behind targets."""
    lines = ["package:", "  name: hwflow", "sources:"]
    lines += [f"  - {room}/{file.name}" for room in ("parts", "units") for file in modules(room)]
    for room in ("board", "sim"):
        lines += [f"  - target: {room}", "    files:", *(f"      - {room}/{file.name}" for file in modules(room))]
    return "\n".join([*lines, ""])


def main() -> None:
    """Write README.md, hwflow.core and Bender.yml of the library."""
    page = HLS / "README.md"
    write_text(page, readme(page.read_text()))
    write_text(HLS / "hwflow.core", core())
    write_text(HLS / "Bender.yml", bender())


if __name__ == "__main__":
    main()
