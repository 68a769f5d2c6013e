"""Write docs/pages/results/first.md: how long a newcomer waits, from nothing to an accelerator and for each verb's first line.

    python docs/gen_first.py [install|verbs]

`install` builds the wheel and installs it with its dependencies from the package index into a new environment, as a user
would; `verbs` runs the example of every verb's --help. Without a word both are done.
"""

import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

from hwflow.bench.tables import markdown, processor
from hwflow.cli import app
from hwflow.cli.common import EXAMPLES, GROUPS
from hwflow.version import VERSION

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "pages" / "results" / "first.md"
NEEDS = {"run": ("deploy",)}  # verbs whose example stands on another's
Rows = list[dict[str, Any]]


def timed(command: list[str], cwd: Path, env: dict[str, str] | None = None) -> tuple[float, float, str]:
    """Seconds to the first byte a command prints and to its end, and all it printed; an error where it fails."""
    began = time.perf_counter()
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as child:
        assert child.stdout is not None
        first = child.stdout.read(1)
        seen = time.perf_counter() - began
        rest = child.stdout.read()
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}:\n{(first + rest).decode()[-2000:]}")
    return seen, time.perf_counter() - began, (first + rest).decode()


def install() -> Rows:
    """From a folder with nothing in it to an accelerator that every engine agrees on."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(home / "dist")]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        (wheel,) = (home / "dist").glob("*.whl")
        empty = home / "empty"
        empty.mkdir()
        began = time.perf_counter()
        venv.create(home / "venv", with_pip=True)
        own = home / "venv" / "bin"
        timed([str(own / "pip"), "install", "--quiet", "--no-cache-dir", f"hwflow[sim] @ {wheel.as_uri()}"], empty)
        installed = time.perf_counter() - began
        env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        env |= {"PATH": f"{own}{os.pathsep}{os.environ['PATH']}", "HWFLOW_CACHE": str(home / "cache")}
        first, whole, said = timed(["hwflow", "demo", "--no-train"], empty, env)
        assert "every engine agrees to the last bit" in said, said
        return [
            {"step": "`pip install 'hwflow[sim]'` into a new environment", "seconds": installed},
            {"step": "`hwflow demo --no-train`, to its first line", "seconds": first},
            {"step": "to the end: every engine agrees to the last bit, with a report", "seconds": whole},
            {"step": "both, from nothing to a bit-exact accelerator", "seconds": installed + whole},
        ]


def verbs() -> Rows:
    """Every verb: its example, seconds to its first output and to its end."""
    rows = []
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        for made in (EXAMPLES["train"], EXAMPLES["compile"]):
            timed(["bash", "-euc", made], home, env)
        seen, whole, _ = timed(["bash", "-euc", "hwflow --help"], home, env)
        rows.append({"verb": "", "example": "`hwflow --help`", "first output, s": seen, "whole, s": whole})
        known = {command.name for command in app.registered_commands}
        for verb in (v for verbs_ in GROUPS.values() for v in verbs_ if v in known):
            for before in NEEDS.get(verb, ()):
                timed(["bash", "-euc", EXAMPLES[before]], home, env)
            print(verb, file=sys.stderr)
            seen, whole, _ = timed(["bash", "-euc", EXAMPLES[verb]], home, env)
            rows.append({"verb": verb, "example": f"`{EXAMPLES[verb]}`", "first output, s": seen, "whole, s": whole})
    return [{k: round(v, 1) if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def write(part: str, rows: Rows, load: float) -> None:
    """Replace the table of one part."""
    begin, end = f"<!-- {part} -->", f"<!-- end {part} -->"
    before, rest = PAGE.read_text().split(begin, 1)
    after = rest.split(end, 1)[1]
    source = (
        f"`python docs/gen_first.py {part}`, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores {processor()}, "
        f"hwflow {VERSION}; {load:.1f} other programs were running on the machine on average"
    )
    PAGE.write_text(f"{before}{begin}\n{markdown(part, rows, source)}\n{end}{after}")


def main(parts: list[str]) -> None:
    for part in parts or ["install", "verbs"]:
        load = os.getloadavg()[1]
        write(part, {"install": install, "verbs": verbs}[part](), load)


if __name__ == "__main__":
    main(sys.argv[1:])
