"""Yosys on an emitted design: the script, the run, the mapped netlist.

Stands on tools and families. A script holds file names and options only, every name checked; no shell sees it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwflow import tools
from hwflow.errors import RecipeError, ToolError
from hwflow.families import family_of

CORE = "network"  # the module that joins the units; what stands around it on a board is mapped apart
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


def command(family: str, *, core: bool, device: str = "") -> str:
    """The synthesis command of a family, for a whole board or for a core whose ports are not pins."""
    made = family_of(family).synthesis
    return " ".join(p for p in (made.command, made.core if core else "", made.option(device)) if p)


def read_sources(family: str, names: Sequence[str]) -> list[str]:
    """The commands that read SystemVerilog files as a family takes them: its defines, and its cells that files instantiate."""
    made = family_of(family).synthesis
    defines = "".join(f" -D {d}" for d in made.defines)
    cells = [f"read_verilog -lib +/{made.models}"] if made.defines else []
    return [*cells, *(f"read_verilog -defer -sv{defines} {n}" for n in names)]


def keep_boundaries(family: str, modules: Sequence[str] = ()) -> list[str]:
    """The commands by which synthesis maps `modules`, and those of hls/ that a family has apart, each for itself."""
    return [f"setattr -mod -set keep_hierarchy 1 A:hdlname={m}" for m in (*modules, *family_of(family).synthesis.apart)]


def sources(folder: Path) -> list[str]:
    """Names of the SystemVerilog files of an emitted design; RecipeError when there is no design."""
    names = sorted(p.name for p in folder.glob("*.sv"))
    if CORE + ".sv" not in names:
        raise RecipeError(f"{folder}: has no {CORE}.sv; emit the design first: hwflow compile")
    for name in [*names, *(p.name for p in folder.glob("*.mem"))]:
        if not SAFE.fullmatch(name):
            raise RecipeError(f"{folder}: file name {name!r} must be letters, digits, `_`, `-` and `.`; rename it")
    return names


def unit_modules(folder: Path, names: Sequence[str]) -> list[str]:
    """Modules that `network.sv` instantiates: the boundaries kept in synthesis, so that each unit has its own figures."""
    text = (folder / f"{CORE}.sv").read_text()
    stems = [n.removesuffix(".sv") for n in names if n != f"{CORE}.sv"]
    return [s for s in stems if re.search(rf"^\s*{re.escape(s)}\s*(#\s*\(|\w+\s*\()", text, re.MULTILINE)]


def run_script(lines: Sequence[str], folder: Path, name: str, timeout: float | None) -> str:
    """Run Yosys on a script in `folder`, where every file it names lies; script and log stay there."""
    (folder / f"{name}.ys").write_text("\n".join(lines) + "\n")
    return tools.run("yosys", ["-Q", f"{name}.ys"], cwd=folder, log=folder / f"{name}.log", timeout=timeout)


def copy_sources(folder: Path, out: Path) -> list[str]:
    """Copy a design's sources and memory files into `out`; the names of the sources.

    The wheels of Yosys and nextpnr see the working folder and little else, so everything they read lies in it.
    """
    names = sources(folder)
    out.mkdir(parents=True, exist_ok=True)
    for path in [*(folder / n for n in names), *folder.glob("*.mem")]:
        shutil.copyfile(path, out / path.name)
    return names


def map_core(folder: Path, family: str, out: Path, *, device: str = "", timeout: float | None = None) -> dict[str, Any]:
    """Yosys' JSON netlist of module `network`, hierarchy kept at the units; `core.il` in `out` holds it for place and route."""
    names = copy_sources(folder, out)
    kept = unit_modules(folder, names)
    run_script(
        [
            *read_sources(family, names),
            f"hierarchy -check -top {CORE}",
            *keep_boundaries(family, kept),
            f"{command(family, core=True, device=device)} -top {CORE}",
            "write_json core.json",
            "write_rtlil -selected core.il",
        ],
        out,
        "core",
        timeout,
    )
    return read_netlist(out / "core.json")


def read_netlist(path: Path) -> dict[str, Any]:
    """A JSON netlist; ToolError when Yosys left none."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise ToolError(f"yosys left no netlist at {path} ({e}); see the log beside it") from e


def version() -> str:
    """Yosys' version, as it says it."""
    return tools.run("yosys", ["-V"], cwd=Path.cwd()).strip().splitlines()[-1].split(" (")[0]
