"""Write docs/pages/results/first.md: how long a newcomer waits, from nothing to an accelerator and for each verb's first line.

    python docs/gen_first.py [install|verbs]

`install` builds the wheel and installs it with its dependencies from the package index into a new environment, as a user
would; `verbs` runs the example of every verb's --help. Without a word both are done.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwflow.bench.tables import markdown, processor
from hwflow.cli import app
from hwflow.cli.common import EXAMPLES, GROUPS
from hwflow.places import MODELS
from hwflow.version import VERSION

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "pages" / "results" / "first.md"
# verbs of minutes
LONG = ("train", "deploy", "run", "explore", "hls", "synth", "fuzz", "go", "bridge", "bench", "demo")
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Run:
    """Seconds from the start of a command to the first byte that it prints and to its end, and of processor time."""

    first: float
    whole: float
    processor: float
    said: str


def timed(command: list[str], cwd: Path, env: dict[str, str] | None = None) -> Run:
    """Run a command; an error where it fails."""
    began, spent = time.perf_counter(), _processor_time()
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as child:
        assert child.stdout is not None
        first = child.stdout.read(1)
        seen = time.perf_counter() - began
        rest = child.stdout.read()
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}:\n{(first + rest).decode()[-2000:]}")
    return Run(seen, time.perf_counter() - began, _processor_time() - spent, (first + rest).decode())


def _processor_time() -> float:
    """Seconds of processor time of all programs that this one has started and seen end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def install() -> Rows:
    """From a folder with nothing in it to an accelerator that every engine agrees on."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(home / "dist")]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        (wheel,) = (home / "dist").glob("*.whl")
        empty = home / "empty"
        empty.mkdir()
        own = home / "venv" / "bin"
        made = timed([sys.executable, "-m", "venv", str(home / "venv")], empty)
        pip = [str(own / "pip"), "install", "--quiet", "--no-cache-dir", f"hwflow[sim] @ {wheel.as_uri()}"]
        got = timed(pip, empty)
        env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        env |= {"PATH": f"{own}{os.pathsep}{os.environ['PATH']}", "HWFLOW_CACHE": str(home / "cache")}
        demo = timed(["hwflow", "demo", "--no-train"], empty, env)
        assert "every engine agrees to the last bit" in demo.said, demo.said
        installed = made.whole + got.whole, made.processor + got.processor
        steps = [
            ("`pip install 'hwflow[sim]'` into a new environment", *installed),
            ("`hwflow demo --no-train`, to its first line", demo.first, None),
            ("to its end: every engine agrees to the last bit, and a report", demo.whole, demo.processor),
            ("all, from nothing to a bit-exact accelerator", installed[0] + demo.whole, installed[1] + demo.processor),
        ]
        return [
            {"step": step, "time, s": round(seconds, 1), "processor time, s": used and round(used, 1)}
            for step, seconds, used in steps
        ]


def verbs() -> Rows:
    """Every verb: its example, seconds to its first output and to its end; the quick ones are run first."""
    rows: dict[str, dict[str, Any]] = {}
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    known = {command.name for command in app.registered_commands}
    order = [verb for group in GROUPS.values() for verb in group if verb in known]
    with tempfile.TemporaryDirectory() as scratch:
        home, build = Path(scratch), Path(scratch) / "build" / "digits"
        made = ["hwflow", "compile", str(MODELS / "demo" / "model.onnx"), "--input", "u8/16", "-o", str(build)]
        timed(made, home, env)
        shutil.copyfile(MODELS / "demo" / "test.npz", build / "test.npz")
        rows[""] = _row("", "hwflow --help", timed(["bash", "-euc", "hwflow --help"], home, env))
        for verb in sorted(order, key=lambda v: LONG.index(v) if v in LONG else -1):
            print(verb, file=sys.stderr)
            rows[verb] = _row(verb, EXAMPLES[verb], timed(["bash", "-euc", EXAMPLES[verb]], home, env))
            write("verbs", [rows[v] for v in ("", *order) if v in rows], os.getloadavg()[1])
    return [rows[v] for v in ("", *order)]


def _row(verb: str, example: str, run: Run) -> dict[str, Any]:
    return {
        "verb": verb, "example": f"`{example}`", "first output, s": round(run.first, 1), "whole, s": round(run.whole, 1),
        "processor time, s": round(run.processor, 1),
    }  # fmt: skip


def write(part: str, rows: Rows, load: float) -> None:
    """Replace the table of one part."""
    begin, end = f"<!-- {part} -->", f"<!-- end {part} -->"
    before, rest = PAGE.read_text().split(begin, 1)
    after = rest.split(end, 1)[1]
    source = (
        f"`python docs/gen_first.py {part}`, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores {processor()}, "
        f"hwflow {VERSION}; a shared machine, load average {load:.1f}"
    )
    PAGE.write_text(f"{before}{begin}\n{markdown(part, rows, source)}\n{end}{after}")


def main(parts: list[str]) -> None:
    for part in parts or ["install", "verbs"]:
        load = os.getloadavg()[1]
        write(part, {"install": install, "verbs": verbs}[part](), load)


if __name__ == "__main__":
    main(sys.argv[1:])
