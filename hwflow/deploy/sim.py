"""The simulated board: board tops as programs, compiled by Verilator once for each content.

Stands on simulate's compiler steps, tools and places. The C++ around a board is in hls/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hwflow import tools
from hwflow.cached import kept_file
from hwflow.emit.rtl import sources
from hwflow.places import hardware
from hwflow.simulate.verilate import WARNINGS, compile_cpp, runtime, version

SMALL = 1 << 16  # bytes of a generated file
CLOCKS = 4  # of one bit on the simulated line: the fewest the receiver takes, so the fastest to simulate


def program(module: str, params: Mapping[str, int | str], files: Sequence[Path], main: Path) -> Path:
    """The program that runs `main` around Verilator's model `Vboard` of `module`; run it where the memory files are."""
    files = [f.resolve() for f in files]  # Verilator runs in a folder of its own
    given = {k: v for k, v in params.items() if v is not None}
    parts: list[str | bytes] = [repr((version(), module, given, CLOCKS))]
    for file in (*files, main, Path(__file__)):
        parts += [file.name, file.read_bytes()]
    library = runtime("")

    def compile_board(work: Path) -> None:
        tools.run(
            "verilator",
            ["--cc", "--top-module", module, "--prefix", "Vboard", "--Mdir", work / "obj", "-O3", "--no-timing", "--x-initial", "unique",
             "--x-assign", "fast", *WARNINGS, *(f"-G{k}={v}" for k, v in given.items()),
             *dict.fromkeys(f"-I{f.parent}" for f in files), *files],
            cwd=work, env=tools.verilator_env(), log=work / "verilator.log",
        )  # fmt: skip
        generated = sorted((work / "obj").glob("*.cpp"))
        # small files are compiled as one: the headers cost more than the code
        together = [f'#include "{f.name}"' for f in generated if f.stat().st_size < SMALL]
        (work / "main.cpp").write_text(
            "\n".join([f"#define CLOCKS {CLOCKS}", f'#include "{main.name}"', *together]) + "\n"
        )
        objects = []
        for source in (work / "main.cpp", *(f for f in generated if f.stat().st_size >= SMALL)):
            objects.append(work / f"{source.stem}.o")
            effort = "-O0" if "__Slow" in source.name else "-O1"
            compile_cpp(source, objects[-1], effort, "", [work / "obj", main.parent])
        tools.run("g++", ["-o", "board", *objects, library, "-pthread"], cwd=work, log=work / "link.log")

    return kept_file("board", parts, "board", compile_board)


def uart_board(params: Mapping[str, int], rtl: Path) -> Path:
    """board_uart around the design in `rtl`, its line on a pseudo-terminal."""
    baud = 1_000_000
    params = {**params, "ClockHz": CLOCKS * baud, "Baud": baud}
    return program("board_uart", params, around("board_uart", rtl), hardware("board_sim.cpp"))


def around(board: str, rtl: Path) -> list[Path]:
    """The files of a board top and of the design in `rtl`, each module once."""
    own = sorted(rtl.glob("*.sv"))
    return [*(f for f in sources([board]) if f.name not in {o.name for o in own}), *own]
