"""Plant each fault of the list in a copy of the tree, run the tests that must notice it, and say which did not.

    python -m tests.mutants [--only ROOM] [--changed] [--again] [--trust] [--minutes N] [--write]

Results are kept in build/mutants.json, so a run that is stopped goes on where it was. `--changed` takes those whose file
has changed since, `--again` all of them, `--write` makes docs/pages/results/mutants.md of what is known.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwflow.files import locked, write_text

from .catalogue import MUTANTS, ROOMS
from .kinds import TIMEOUT, Mutant

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "build" / "mutants.json"
PAGE = ROOT / "docs" / "pages" / "results" / "mutants.md"
COPIED = ("hwflow", "hls", "models", "tests", "docs", "pyproject.toml", "requirements.txt", "README.md", "Makefile")
KILLED, SURVIVED, BROKEN = (
    "killed",
    "survived",
    "broken",
)  # broken: its tests fail without it, there are none, or they do not end


@dataclass
class Tree:
    """A copy of the tree in which one file at a time is changed."""

    root: Path
    clock: int = 0  # files must not be as old as one another: Python takes what it compiled by their time

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

    def test(self, mutant: Mutant) -> tuple[int, str]:
        """The exit code of the tests of a mutant (124: they did not end) and the first one that failed."""
        env = {
            **os.environ, "PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1", "HWFLOW_UNITS": mutant.units,
            "HWFLOW_CACHE": str(self.root / "cache"), "HWFLOW_SHARED": os.environ.get("HWFLOW_SHARED", str(ROOT.parent / "shared")),
        }  # fmt: skip
        command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "--tb=line", *mutant.arguments]
        process = subprocess.Popen(
            command, cwd=self.root, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            said, _ = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.communicate()
            return 124, "no end"
        first = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
        name = first.group(1).rpartition("::")[2] if first else (said.strip().splitlines() or ["nothing said"])[-1]
        return process.returncode, name[:100]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()[:16]


def judge(tree: Tree, fault: Mutant, sound: dict[str, int]) -> dict[str, Any]:
    """What becomes of one fault. `sound` holds the exit codes of tests without a fault, which are run once each."""
    began, text, was = time.monotonic(), (tree.root / fault.file).read_text(), digest(tree.root / fault.file)
    where = f"{fault.tests}|{fault.units}"
    if where not in sound:
        sound[where] = tree.test(fault)[0]
    verdict, by = BROKEN, f"its tests end with {sound[where]} without the fault"
    if sound[where] == 0:
        began = time.monotonic()
        tree.put(fault.file, fault.applied(text))
        try:
            code, by = tree.test(fault)
        finally:
            tree.put(fault.file, text)
        verdict = SURVIVED if code == 0 else BROKEN if code == 124 else KILLED
    return {"verdict": verdict, "by": by, "seconds": round(time.monotonic() - began, 1), "file": was}


def known() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}


def keep(key: str, result: dict[str, Any]) -> None:
    """Put one result beside the others; several of these commands may run at once."""
    RESULTS.parent.mkdir(exist_ok=True)
    with locked(RESULTS.parent / "mutants.lock"):
        write_text(RESULTS, json.dumps(known() | {key: result}, indent=0))


def run(chosen: list[Mutant], minutes: float | None, trust: bool) -> None:
    """Judge each; what is known so far is on disk after every one."""
    began = time.monotonic()
    sound = {f"{m.tests}|{m.units}": 0 for m in chosen if trust}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Tree.copied(Path(folder))
        for k, fault in enumerate(chosen):
            spent = time.monotonic() - began
            if minutes is not None and spent > 60 * minutes:
                print(f"{len(chosen) - k} are left; the same command goes on", flush=True)
                return
            result = judge(tree, fault, sound)
            keep(fault.key, result)
            left = (time.monotonic() - began) / (k + 1) * (len(chosen) - k - 1) / 60
            print(f"{k + 1}/{len(chosen)}, {left:.0f} min left  {fault.room} {result['verdict']:8} {result['by']}  {fault.file}: {fault.title[:150]}", flush=True)  # fmt: skip


def verdict_of(fault: Mutant, results: dict[str, Any]) -> str:
    found = results.get(fault.key, {}).get("verdict", "not run")
    return "equivalent" if fault.equal and found != KILLED else found


def table() -> str:
    """The page: a table by room, then every fault that survived and why that is right."""
    results = known()
    lines = [
        "# The tests' own test", "",
        "Do the tests notice when something is wrong? Each fault below changes one place of the code; the tests that",
        "concern it are run and one of them must fail. Written by `python -m tests.mutants --write`; the list is `tests/mutants/`.", "",
        "| room | planted | killed | equivalent | survived | not run |", "|---|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    columns = (KILLED, "equivalent", SURVIVED, "not run")
    total = [0] * (1 + len(columns))
    for room in ROOMS:
        verdicts = [verdict_of(m, results) for m in MUTANTS if m.room == room]
        row = [len(verdicts), *(verdicts.count(c) for c in columns)]
        row[-1] += verdicts.count(BROKEN)
        total = [a + b for a, b in zip(total, row, strict=True)]
        lines.append(f"| {room} | " + " | ".join(map(str, row)) + " |")
    lines += ["| all | " + " | ".join(map(str, total)) + " |", ""]
    for name, text in (("equivalent", "Equivalent: no test could fail."), (SURVIVED, "Survived: a test is missing.")):
        some = [m for m in MUTANTS if verdict_of(m, results) == name]
        if some:
            lines += [f"## {text}", ""] + [f"- `{m.file}`: `{m.title}`. {m.equal}".rstrip() for m in some] + [""]
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=ROOMS, action="append", help="faults of this room")
    parser.add_argument(
        "--changed", action="store_true", help="also those whose file has changed since they were judged"
    )
    parser.add_argument("--again", action="store_true", help="also those that are judged already")
    parser.add_argument("--survivors", action="store_true", help="only those that no test noticed")
    parser.add_argument("--minutes", type=float, help="stop after so many")
    parser.add_argument(
        "--trust", action="store_true", help="take it that the tests pass without a fault, and run them with one only"
    )
    parser.add_argument("--write", action="store_true", help="write the table of what is known to its page")
    given = parser.parse_args()
    results = known()

    def wanted(m: Mutant) -> bool:
        found = results.get(m.key)
        if given.only and m.room not in given.only:
            return False
        if given.survivors:
            return verdict_of(m, results) in (SURVIVED, BROKEN)
        if found is None or given.again or found["verdict"] == BROKEN:
            return True
        return given.changed and found["file"] != digest(ROOT / m.file)

    if given.write:
        PAGE.write_text(table())
    else:
        run([m for m in MUTANTS if wanted(m)], given.minutes, given.trust)
    print(table().split("\n\n")[2])
    bad = [m for m in MUTANTS if verdict_of(m, known()) in (SURVIVED, BROKEN)]
    for m in bad:
        print(f"{verdict_of(m, known())}: {m.room} {m.file}: {m.title}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
