"""SystemVerilog to a program: Verilator, then g++, kept in the cache by content.

Stands on tools and places. Verilator's runtime library is compiled once per machine and version.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hwflow import tools
from hwflow.cached import kept_file, said_version
from hwflow.errors import ToolError
from hwflow.places import HLS, hardware

SIM_SOURCES = ("sim_main.cpp", "sim_streams.cpp", "sim_streams.h")
SIM_MODULES = ("sim_source.sv", "sim_sink.sv", "sim_tap.sv", "sim_level.sv")
LARGE = 1 << 20  # bytes of generated C++ from which the compiler's time is worth less than the program's
HUGE = 1 << 25  # from here on -O2 takes the compiler many minutes, and -O1 some seconds a file
PIECE = 400_000  # bytes of generated C++ for one run of the compiler
# no files that hold others again, as Verilator writes for large designs: `link` puts files together itself
OPTIONS = (
    "--cc", "-O3", "--no-timing", "--x-initial", "unique", "--x-assign", "fast", "--output-split", "40000",
    "--output-groups", "0", "-j", "2",
)  # fmt: skip
WARNINGS = ("-Wno-fatal", "-Wno-lint", "-Wno-style")  # lint is a test of its own


def build(bench: str, modules: Sequence[Path], *, trace: str = "", by_word: bool = True, once: bool = False) -> Path:
    """The program that simulates module `bench` over `modules`, compiled unless these very texts were before.

    `trace` is the format of its waveforms, one of `waves`, or none.
    `by_word`: popcounts are one instruction instead of the tree of adders that synthesis sees; many times faster.
    `once`: it runs for a moment and never again, so the C++ compiler makes no effort.
    """
    files = [*modules, *(hardware(name) for name in (*SIM_MODULES, *SIM_SOURCES))]
    parts: list[str | bytes] = [repr((version(), trace, by_word, once)), bench]
    for file in (*files, Path(__file__)):  # comments change nothing
        parts += [file.name, re.sub(rb"(?m)^\s*//.*$", b"", file.read_bytes())]
    library = runtime(trace)

    def compile_bench(work: Path) -> None:
        (work / "bench.sv").write_text(bench)
        for file in [hardware(name) for name in SIM_MODULES] + [
            *modules
        ]:  # Verilator expands `$` in paths: it sees none
            shutil.copyfile(file, work / file.name)
        tools.run(
            "verilator",
            ["--top-module", "bench", "--prefix", "Vbench", "--Mdir", work / "obj", *OPTIONS, *WARNINGS, *((f"--trace-{trace}",) if trace else ()), *(("+define+POPCOUNT_BY_WORD",) if by_word else ()),
             *SIM_MODULES, *(file.name for file in modules), "bench.sv"],
            cwd=work, env=tools.verilator_env(), log=work / "verilator.log",
        )  # fmt: skip
        link(work, library, trace, quick=not by_word, once=once)

    return kept_file("rtl", parts, "sim", compile_bench)


def link(work: Path, library: Path, trace: str, quick: bool, once: bool = False) -> None:
    """Compile what Verilator wrote in `work`/obj in few pieces, two at a time: headers cost more than small files do.

    `quick`: many small units that run for a moment, so the compiler makes little effort."""
    generated = sorted((work / "obj").glob("*.cpp"))
    slow = [f for f in generated if "__Slow" in f.name or "__Syms" in f.name or "__ConstPool" in f.name]
    fast = [
        *(f for f in generated if f not in slow),
        *(hardware(name) for name in SIM_SOURCES if name.endswith(".cpp")),
    ]
    size = sum(f.stat().st_size for f in fast)
    pieces = [
        *_pieces(slow, work, "slow", "-O0"),
        *_pieces(fast, work, "fast", effort_of(size, quick, once)),
    ]

    def compile_piece(piece: tuple[Path, str]) -> Path:
        source, effort = piece
        compile_cpp(source, source.with_suffix(".o"), effort, trace, [work / "obj", HLS / "sim"])
        return source.with_suffix(".o")

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_piece, pieces))
    zlib = ("-lz", "-llz4") if trace == "fst" else ()
    tools.run("g++", ["-o", "sim", *objects, library, "-pthread", *zlib], cwd=work, log=work / "link.log")


def effort_of(size: int, quick: bool, once: bool) -> str:
    """What the compiler is to do for so many bytes of generated C++; `quick` and `once` as `link` and `build` take them."""
    if once:
        return "-O0"
    return "-O2" if LARGE < size < HUGE and not quick else "-O1"


def _pieces(files: Sequence[Path], work: Path, name: str, effort: str) -> list[tuple[Path, str]]:
    """Files that include the generated ones, about PIECE bytes each, with the effort they deserve."""
    pieces: list[list[Path]] = [[]]
    size = 0
    for file in files:
        if size > PIECE:
            pieces.append([])
            size = 0
        pieces[-1].append(file)
        size += file.stat().st_size
    out = []
    for i, piece in enumerate(p for p in pieces if p):
        source = work / f"{name}{i}.cpp"
        source.write_text("".join(f'#include "{file}"\n' for file in piece))
        out.append((source, effort))
    return out


def compile_cpp(source: Path, target: Path, effort: str, trace: str, include: Sequence[Path]) -> None:
    """One C++ file with the macros Verilator's own make files would set."""
    macros = {
        "VERILATOR": 1,
        "VM_COVERAGE": 0,
        "VM_SC": 0,
        "VM_TRACE": int(bool(trace)),
        "VM_TRACE_FST": int(trace == "fst"),
        "VM_TRACE_VCD": int(trace == "vcd"),
        "VM_TRACE_SAIF": 0,
        "VM_TIMING": 0,
    }
    flags = ["-std=c++17", effort, "-w", "-pthread", "-fno-strict-aliasing", *(f"-D{k}={v}" for k, v in macros.items())]
    folders = [*include, includes(), includes() / "vltstd"]
    tools.run(
        "g++",
        [*flags, *(f"-I{d}" for d in folders), "-c", source, "-o", target],
        cwd=target.parent,
        log=target.with_suffix(".log"),
    )


def runtime(trace: str) -> Path:
    """Verilator's runtime as a static library, with the waveforms asked for."""
    names = ["verilated", "verilated_dpi", "verilated_threads", *((f"verilated_{trace}_c",) if trace else ())]

    def compile_runtime(work: Path) -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda n: compile_cpp(includes() / f"{n}.cpp", work / f"{n}.o", "-O2", trace, []), names))
        archiver = Path(shutil.which("ar") or "ar")
        tools.run_program(archiver, ["rcs", "libverilated.a", *(f"{n}.o" for n in names)], cwd=work)

    return kept_file("verilator", [version(), trace, Path(__file__).read_bytes()], "libverilated.a", compile_runtime)


def waves() -> str:
    """The waveform format this machine can compile: fst where zlib's and lz4's headers are, else vcd."""
    with tempfile.TemporaryDirectory() as scratch:
        probe = Path(scratch) / "probe.cpp"
        probe.write_text("#include <lz4.h>\n#include <zlib.h>\n")
        try:
            tools.run("g++", ["-fsyntax-only", probe], cwd=probe.parent)
        except ToolError:
            return "vcd"
    return "fst"


def includes() -> Path:
    """The folder of Verilator's own C++ headers and sources."""
    root = (
        tools.verilator_env().get("VERILATOR_ROOT")
        or tools.run("verilator", ["--getenv", "VERILATOR_ROOT"], cwd=Path.cwd()).strip()
    )
    return Path(root) / "include"


def version() -> str:
    """Verilator's version and that of the compiler behind it, as they say it."""
    tools.need("perl")  # Verilator's front script
    compiler = said_version(tools.need("g++"))
    said = tools.run("verilator", ["--version"], cwd=Path.cwd(), env=tools.verilator_env())
    return f"{said.strip()}\n{compiler}"
