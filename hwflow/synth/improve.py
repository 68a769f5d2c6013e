"""What Yosys leaves to be done on a netlist of ECP5 before nextpnr places it: registers into block RAMs, copies of drivers.

Stands on outreg, copies and yosys, the first two of which stand on netlist and outmux.
"""

from __future__ import annotations

import json
from pathlib import Path

from hwflow.synth import copies, netlist, outmux, outreg, yosys

# commands that leave one module, so that a register and what it drives are in the same one
FLATTEN = ("setattr -mod -unset keep_hierarchy *", "flatten")
PASSES = (outreg.absorb_registers, copies.copy_drivers)


def improve_netlist(path: Path) -> None:
    """Rewrite Yosys' JSON netlist at `path` where one of PASSES changes it."""
    design = yosys.read_netlist(path)
    if sum([change(design) for change in PASSES]):
        path.write_text(json.dumps(design))


def texts() -> list[bytes]:
    """The sources of the passes, which a placed design depends on."""
    return [Path(str(module.__file__)).read_bytes() for module in (netlist, outreg, outmux, copies)]
