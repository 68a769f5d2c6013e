"""The HLS C++ of a dataflow, compiled by g++ and run: answers for whole sets of images.

Stands on emit.hls and tools. Programs are kept in the cache by content; images travel as files of AXI-Stream beats.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hwflow import tools
from hwflow.bits import Array
from hwflow.cached import kept_file, processor, said_version
from hwflow.emit.hls import emit, from_beats, to_beats
from hwflow.simulate.base import Run
from hwflow.units.kit.base import Dataflow

FLAGS = ("-std=c++14", "-O2", "-march=native", "-Wall", "-Wextra", "-Wconversion", "-Wno-unknown-pragmas")
AP_TYPES_FLAGS = ("-DHWFLOW_AP_TYPES", "-Wno-uninitialized", "-Wno-maybe-uninitialized")


def run(dataflow: Dataflow, folder: Path, x: Array, *, ap_types: Path | None = None) -> Run:
    """Answers (n, outputs) of the HLS C++ for input integers (n, *shape); the project is left in `folder`.

    `ap_types` names a folder with AMD's ap_int.h: words are then ap_uint, as in Vitis, else the small fast types.
    """
    program = build(emit(dataflow, folder, images=0), ap_types)
    with tempfile.TemporaryDirectory() as scratch:
        images, answers = Path(scratch) / "input.bin", Path(scratch) / "output.bin"
        images.write_bytes(to_beats(x, dataflow.input))
        start = time.perf_counter()
        tools.run_program(program, [images, "--write", answers], cwd=folder)
        seconds = time.perf_counter() - start
        outputs = from_beats(answers.read_bytes(), dataflow.output)
    return Run("hls", outputs.reshape(len(x), -1), seconds, log={"program": str(program)})


def build(folder: Path, ap_types: Path | None = None) -> Path:
    """The testbench of a project as a program, from the cache where these very sources were compiled before."""
    gxx = tools.need("g++")
    flags = (*FLAGS, *(AP_TYPES_FLAGS if ap_types else ()))
    sources = sorted([*folder.glob("*.hpp"), *folder.glob("*.cpp")])
    parts = [str(gxx), said_version(gxx), processor(), repr(flags), str(ap_types)]
    parts_of_sources = [part for source in sources for part in (source.name.encode(), source.read_bytes())]

    def compile_testbench(beside: Path) -> None:
        headers = ("-isystem", str(ap_types)) if ap_types else ()
        command = [*flags, *headers, "-o", beside / "tb", "top.cpp", "tb.cpp"]
        tools.run_program(gxx, command, cwd=folder, log=beside / "g++.log")

    return kept_file("hls", [*parts, *parts_of_sources], "tb", compile_testbench)


def run_many(dataflows: Sequence[Dataflow], xs: Sequence[Array]) -> list[Array]:
    """Answers (n, outputs) of many independent dataflows, each with images of its own, compiled as one program.

    Each network's top and testbench are in a namespace; the templates, which cost a compiler most, are read once.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "all.cpp").write_text(
            _together([emit(d, folder / f"n{k}", images=0) for k, d in enumerate(dataflows)])
        )
        for header in folder.glob("n*/*.hpp"):
            if header.name not in OWN:
                header.replace(folder / header.name)
        tools.run_program(
            tools.need("g++"), ["-std=c++14", "-O0", "-w", "-o", "all", "all.cpp"], cwd=folder, timeout=900,
            log=folder / "g++.log",
        )  # fmt: skip
        for k, (dataflow, x) in enumerate(zip(dataflows, xs, strict=True)):
            (folder / f"{k}.in").write_bytes(to_beats(x, dataflow.input))
        tools.run_program(folder / "all", [], cwd=folder)
        return [
            from_beats((folder / f"{k}.out").read_bytes(), dataflow.output).reshape(len(x), -1)
            for k, (dataflow, x) in enumerate(zip(dataflows, xs, strict=True))
        ]


OWN = (
    "memories.hpp",
    "top.hpp",
    "top.cpp",
    "tb.cpp",
)  # what differs from network to network, and the testbench around it
INCLUDE = re.compile(r'^#include ([<"][\w./]+[>"])$', re.MULTILINE)


def _together(folders: Sequence[Path]) -> str:
    """One C++ file of all projects, whose program reads K.in and writes K.out for each network K."""
    texts = [[(folder / name).read_text() for name in OWN] for folder in folders]
    shared = sorted({i for own in texts for text in own for i in INCLUDE.findall(text) if i.strip('"') not in OWN})
    out = [*(f"#include {name}\n" for name in shared)]
    for k, own in enumerate(texts):
        body = INCLUDE.sub("", "".join(own)).replace("#pragma once", "").replace("int main(", "int run(")
        out.append(f"namespace n{k} {{\n{body}\n}}\n")
    out.append("int main() {\n")
    for k in range(len(texts)):
        out.append(
            f'  {{ char *a[] = {{(char *)"tb", (char *)"{k}.in", (char *)"--write", (char *)"{k}.out"}}; if (n{k}::run(4, a)) return 1; }}\n'
        )
    return "".join([*out, "  return 0;\n}\n"])
