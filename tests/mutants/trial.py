"""One trial: a copy of the tree with one fault in it, and tests of it in a process that has the large libraries already.

Stands on kinds. Each trial is forked from this process and imports hwflow anew, from the copy.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .kinds import TIMEOUT, Mutant

ROOT = Path(__file__).parents[2]
COPIED = ("hwflow", "hls", "models", "tests", "docs", "pyproject.toml", "requirements.txt", "README.md", "Makefile")
OURS = ("hwflow", "models", "tests", "mutants", "conftest")  # forgotten in a trial, which imports its own
LIBRARIES = (
    "pytest",
    "hypothesis",
    "numpy",
    "torch",
    "brevitas.nn",
    "onnx",
    "onnxruntime",
    "qonnx.core.modelwrapper",
    "jinja2",
    "typer",
)
KILLED, SURVIVED, BROKEN = "killed", "survived", "broken"
NO_TESTS = 5  # pytest's exit code where nothing was chosen


def prepare(libraries: Sequence[str] = LIBRARIES) -> None:
    """Import what takes seconds, once for all trials."""
    for name in libraries:
        importlib.import_module(name)


@dataclass
class Heard:
    """What a run of pytest came to. `code` is pytest's exit code, -9 where it did not end or died."""

    code: int = -9
    passed: list[str] = field(default_factory=list)
    failed: str = ""  # the first test that failed, by its node id
    why: str = ""


class Listener:
    """A pytest plugin that writes each test's outcome down as soon as it is known, so that a crash loses none."""

    def __init__(self, path: Path):
        self.path = path

    def _write(self, *fields: str) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(fields) + "\n")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self._write("failed", report.nodeid, _why(report))
        elif report.when == "call" and report.passed:
            self._write("passed", report.nodeid, "")

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._write("failed", report.nodeid, _why(report))


def _why(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return (crash.message if crash else str(report.longrepr))[:200]


@dataclass
class Tree:
    """A copy of the tree in which one file at a time is changed."""

    root: Path
    clock: int = 0  # files must not be as old as one another: Python takes what it compiled by their time
    sound: set[tuple[str, str]] = field(default_factory=set)  # tests that pass without a fault, with their units

    @staticmethod
    def copied(to: Path) -> Tree:
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
            elif source.is_file():
                shutil.copy2(source, to / name)
        return Tree(to, int(time.time()))

    def put(self, file: str, text: str) -> None:
        path = self.root / file
        path.write_text(text)
        self.clock += 10
        os.utime(path, (self.clock, self.clock))

    def test(self, arguments: Sequence[str], units: str = "", timeout: float = TIMEOUT) -> Heard:
        """What pytest says of the tests that `arguments` choose, in a process of its own that ends after `timeout` seconds."""
        told, said = self.root / "told", self.root / "said"
        told.unlink(missing_ok=True)
        child = os.fork()
        if not child:
            _run_pytest(self.root, arguments, units, told, said)
        code = _wait(child, timeout)
        heard = Heard(code)
        for kind, name, why in map(json.loads, told.read_text().splitlines() if told.is_file() else []):
            if kind == "passed":
                heard.passed.append(name)
            elif not heard.failed:
                heard.failed, heard.why = name, why
        return heard

    def vouch(self, killers: Iterable[str], units: str) -> None:
        """Run tests without a fault, all at once, and note which of them pass."""
        unknown = sorted({k for k in killers if (k, units) not in self.sound})
        if unknown:
            heard = self.test(unknown, units, TIMEOUT + 60 * len(unknown))
            self.sound.update((name, units) for name in heard.passed)


def _run_pytest(root: Path, arguments: Sequence[str], units: str, told: Path, said: Path) -> None:
    """In the forked process: pytest in the copy of the tree. Does not come back."""
    code = -1
    with suppress(BaseException):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        os.chdir(root)
        for name in [n for n in sys.modules if n.split(".")[0] in OURS]:
            del sys.modules[name]
        sys.path[:] = [str(root), *(p for p in sys.path if p and Path(p).resolve() != ROOT)]
        os.environ |= {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "HWFLOW_UNITS": units, "HWFLOW_CACHE": str(root / "cache"),
            "HWFLOW_SHARED": os.environ.get("HWFLOW_SHARED", str(ROOT.parent / "shared")),
        }  # fmt: skip
        nothing, out = os.open(os.devnull, os.O_RDONLY), os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for handle, to in ((nothing, 0), (out, 1), (out, 2)):
            os.dup2(handle, to)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", closefd=False) for n in (1, 2))
        pytest = importlib.import_module("pytest")
        options = ["-x", "-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin", "--tb=short"]
        code = int(pytest.main([*options, *arguments], plugins=[Listener(told)]))
        sys.stdout.flush()
    os._exit(code & 0xFF)


def _wait(child: int, timeout: float) -> int:
    """The exit code of a process, which is ended with its group after `timeout` seconds; -9 where a signal ended it."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else -9
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -9


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()[:16]


def judge(tree: Tree, fault: Mutant, killer: str = "") -> dict[str, Any]:
    """What becomes of one fault: the verdict, the test that decided it, seconds, and the file's digest.

    `killer` is the test that noticed it last time; it is tried alone before all the tests of the fault. A fault counts as
    killed where a test fails with it that passes without it.
    """
    text, was, began = (tree.root / fault.file).read_text(), digest(tree.root / fault.file), time.monotonic()
    tree.put(fault.file, fault.applied(text))
    try:
        heard = tree.test([killer], fault.units) if killer else Heard(0)
        if not heard.failed:
            heard = tree.test(fault.arguments, fault.units)
    finally:
        tree.put(fault.file, text)
    seconds = round(time.monotonic() - began, 1)
    verdict, by = BROKEN, f"its tests end with {heard.code}"
    if heard.code == 0 and heard.passed:
        verdict, by = SURVIVED, f"{len(heard.passed)} tests pass"
    elif heard.failed:
        tree.vouch([heard.failed], fault.units)
        sound = (heard.failed, fault.units) in tree.sound or (
            "::" not in heard.failed and tree.test([heard.failed], fault.units).code in (0, NO_TESTS)
        )
        verdict = KILLED if sound else BROKEN
        by = heard.failed if sound else f"{heard.failed} fails without the fault too"
    return {"verdict": verdict, "by": by, "why": heard.why, "seconds": seconds, "file": was}
