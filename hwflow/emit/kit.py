"""What an engineer needs to use emitted RTL: a README, file lists, a testbench with vectors, wrappers, constraints.

Stands on emit.rtl and units. Everything lies beside the RTL, `kit/` holding what is not part of the design.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from hwflow.bits import Array, Ints, words
from hwflow.emit.names import plain
from hwflow.emit.rtl import TEMPLATES, list_ports
from hwflow.units.kit.base import Dataflow
from hwflow.units.kit.streams import Stream

VECTORS = 3  # images of the testbench, fewer where they are large
LARGE = 10_000  # elements of all of them
# files of the kit by their template
FILES = {
    "README.md.j2": "README.md", "files.f.j2": "files.f", "tb.sv.j2": "kit/tb.sv", "to_verilog.ys.j2": "kit/to_verilog.ys",
    "network_litex.py.j2": "kit/network_litex.py", "network_amaranth.py.j2": "kit/network_amaranth.py",
    "top.xdc.j2": "kit/top.xdc", "top.sdc.j2": "kit/top.sdc",
}  # fmt: skip


def write(dataflow: Dataflow, folder: Path, clock_mhz: float) -> None:
    """Write the kit of the design that `emit.rtl` left in `folder`; random images and their answers are its vectors."""
    core = re.sub(r"\W", "_", plain(dataflow.name)) or "network"
    files = sorted(p.name for p in folder.glob("*.sv"))
    x = vectors(dataflow.input)
    shared = {
        "name": plain(dataflow.name), "core": core, "source": dataflow.input, "sink": dataflow.output, "cycles": dataflow.cycles,
        "in_bytes": -(-dataflow.input.bits // 8), "out_bytes": -(-dataflow.output.bits // 8), "vectors": len(x),
        "in_kind": kind(dataflow.input.ints), "out_kind": kind(dataflow.output.ints), "files": files,
        "memories": sorted(p.name for p in folder.glob("*.mem")), "period": f"{1000 / clock_mhz:.3f}",
        "patience": 1000 + 8 * dataflow.cycles, "feeds": list_ports(dataflow),
    }  # fmt: skip
    (folder / "kit").mkdir(exist_ok=True)
    for template, name in {**FILES, "fusesoc.core.j2": f"{core}.core"}.items():
        (folder / name).write_text(TEMPLATES.get_template(f"kit/{template}").render(shared))
    for name, stream, values in (("tb_x", dataflow.input, x), ("tb_y", dataflow.output, dataflow.run(x))):
        (folder / "kit" / f"{name}.mem").write_text(memory(stream, values))


def vectors(stream: Stream) -> Array:
    """The testbench's images (n, *shape), drawn by a fixed seed."""
    ints, rng = stream.ints, np.random.default_rng(0)
    n = max(1, min(VECTORS, LARGE // stream.port.size))
    x = rng.integers(ints.lo, ints.hi + 1, (n, *stream.port.shape))
    return np.where(x >= 0, 1, -1) if ints.is_bipolar else x


def memory(stream: Stream, values: Array) -> str:
    """Values (n, ...) as the words of a stream, hexadecimal, one a line."""
    digits = -(-stream.bits // 8) * 2
    codes = stream.ints.encode(np.asarray(values).reshape(-1))
    return "".join(f"{w:0{digits}x}\n" for w in words(codes, stream.ints.bits, stream.par))


def kind(ints: Ints) -> str:
    """How integers of a range are coded, in words."""
    if ints.is_bipolar:
        return "-1 or +1: bit 1 is +1, bit 0 is -1"
    if ints.lo < 0:
        return f"integers {ints.lo} .. {ints.hi} in two's complement of {ints.bits} bits"
    return f"integers {ints.lo} .. {ints.hi}, unsigned, in {ints.bits} bits"
