"""hwflow as a user has it: its wheel in an environment of its own, run from a folder that is no checkout.

The packages that hwflow needs are borrowed from the Python that runs the tests, so that installing takes seconds.
"""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from conftest import ROOT

BLOCK = re.compile(r"^```(console|python)( [^\n]*)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMEOUT = 900  # seconds of one step


@dataclass(frozen=True)
class Step:
    """What a page tells its reader to run: a command after `$`, or a Python snippet.

    A block that takes minutes, or that needs what hwflow does not, says so in its title.
    """

    kind: str
    text: str
    title: str = ""


@dataclass(frozen=True)
class Installed:
    """An environment with hwflow's wheel in it, and the seconds that building and installing took."""

    folder: Path
    seconds: float

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, step: Step, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run one step in `cwd`; what it printed and its exit code."""
        command = [self.python, "-c", step.text] if step.kind == "python" else ["bash", "-euc", step.text]
        return subprocess.run(command, cwd=cwd, env=self.environment(), capture_output=True, text=True, timeout=TIMEOUT)

    def environment(self) -> dict[str, str]:
        """This process's environment with the wheel's programs first on PATH and no checkout on PYTHONPATH."""
        beside = [str(Path(place).parents[2] / "bin") for place in packages()]
        path = os.pathsep.join([str(self.folder / "bin"), *beside, os.environ["PATH"]])
        return {**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, "PATH": path}


def packages() -> list[str]:
    """The folders that hold the packages of the Python that runs this."""
    return [place for place in sys.path if Path(place).name in ("site-packages", "dist-packages")]


def steps(text: str) -> list[Step]:
    """What a reader of a page would run, in order: the lines after `$` of each console block, Python blocks whole."""
    found: list[Step] = []
    for kind, title, body in BLOCK.findall(text):
        if kind == "python":
            found.append(Step(kind, body, title.strip()))
        else:
            found += [Step(kind, line[2:], title.strip()) for line in body.splitlines() if line.startswith("$ ")]
    return found


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, built into `folder`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(folder: Path) -> Installed:
    """Build the wheel and install it without its dependencies into a new environment that borrows the present packages."""
    began = time.perf_counter()
    wheel = build_wheel(folder / "dist")
    home = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True, timeout=120)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        home / "bin" / "python",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*pip, wheel], check=True, capture_output=True, timeout=120)
    (own,) = home.glob("lib/python*/site-packages")
    # a line of a .pth file adds a folder; the .pth files in that folder are not read, so no checkout comes along
    (own / "borrowed.pth").write_text("\n".join(packages()) + "\n")
    return Installed(home, time.perf_counter() - began)
