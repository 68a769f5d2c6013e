"""Plant each fault of the list in a copy of the tree, run the tests that must notice it, and say which did not.

    python -m tests.mutants [--only ROOM] [--fresh] [--again] [--minutes N] [--write]

A result is kept in build/mutants.json as soon as it is known, so a run that is stopped goes on where it was; it stands until
the file of its fault changes. What has survived is tried again by every run. `--write` makes docs/pages/results/mutants.md of
what is known, and tests/mutants/killers.json, the test that noticed each fault, which later runs try first.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hwflow.files import locked, write_text
from hwflow.places import cache

from .catalogue import MUTANTS, ROOMS
from .kinds import Mutant
from .trial import BROKEN, KILLED, ROOT, SURVIVED, Tree, digest, judge, prepare

RESULTS = ROOT / "build" / "mutants.json"
KILLERS = Path(__file__).with_name("killers.json")
PAGE = ROOT / "docs" / "pages" / "results" / "mutants.md"
EQUIVALENT, NOT_RUN = "equivalent", "not run"


def known() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}


def keep(key: str, result: dict[str, Any]) -> None:
    """Put one result beside the others; several of these commands may run at once."""
    RESULTS.parent.mkdir(exist_ok=True)
    with locked(RESULTS.parent / "mutants.lock"):
        write_text(RESULTS, json.dumps(known() | {key: result}, indent=0))


def killers() -> dict[str, str]:
    """The test that last noticed each fault, by the fault's key."""
    kept = json.loads(KILLERS.read_text()) if KILLERS.is_file() else {}
    found = {key: result["by"] for key, result in known().items() if result["verdict"] == KILLED}
    return {m.key: by for m in MUTANTS if (by := (kept | found).get(m.key))}


def run(chosen: list[Mutant], minutes: float | None) -> None:
    """Judge each; what is known so far is on disk after every one."""
    began, first = time.monotonic(), killers()
    prepare()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Tree.copied(Path(folder))
        for kind in (
            "verilator",
            "events",
        ):  # entries are named by all that they are made of, so no fault can hide in one
            if (cache() / kind).is_dir():
                shutil.copytree(
                    cache() / kind, tree.root / "cache" / kind, ignore=shutil.ignore_patterns("building-*", "loading-*")
                )
        for k, fault in enumerate(chosen):
            spent = time.monotonic() - began
            if minutes is not None and spent > 60 * minutes:
                print(f"{len(chosen) - k} are left; the same command goes on", flush=True)
                return
            tree.vouch([first[m.key] for m in chosen if m.key in first and (m.room, m.units) == (fault.room, fault.units)], fault.units)  # fmt: skip
            result = judge(tree, fault, first.get(fault.key, ""))
            keep(fault.key, result)
            left = (time.monotonic() - began) / (k + 1) * (len(chosen) - k - 1) / 60
            print(f"{k + 1}/{len(chosen)}, {left:.0f} min left  {result['seconds']} s  {fault.room} {result['verdict']:8} {result['by']}  {fault.file}: {fault.title[:150]}", flush=True)  # fmt: skip


def verdict_of(fault: Mutant, results: dict[str, Any]) -> str:
    """What is known of a fault, in its file as it is now or as it was."""
    found = results.get(fault.key, {}).get("verdict", NOT_RUN)
    return EQUIVALENT if fault.equal and found == SURVIVED else found


def is_stale(fault: Mutant, results: dict[str, Any]) -> bool:
    """True where the file of a fault that was judged has changed since."""
    return fault.key in results and results[fault.key]["file"] != digest(ROOT / fault.file)


def table() -> str:
    """The page: a table by room, then every fault that survived and why that is right."""
    results = known()
    verdicts = {m.key: verdict_of(m, results) for m in MUTANTS}
    lines = [
        "# The tests' own test", "",
        "Do the tests notice when something is wrong? Each fault below changes one place of the code; the tests that",
        "concern it are run and one of them must fail that passes without the fault.",
        "Written by `python -m tests.mutants --write`; the list is `tests/mutants/`.", "",
        "| room | planted | killed | equivalent | survived | not run | file changed since |", "|---|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    total = [0] * 6
    for room in ROOMS:
        mine = [verdicts[m.key] for m in MUTANTS if m.room == room]
        row = [len(mine), *(mine.count(c) for c in (KILLED, EQUIVALENT, SURVIVED)), mine.count(NOT_RUN) + mine.count(BROKEN)]  # fmt: skip
        row.append(sum(is_stale(m, results) for m in MUTANTS if m.room == room))
        total = [a + b for a, b in zip(total, row, strict=True)]
        lines.append(f"| {room} | " + " | ".join(map(str, row)) + " |")
    seconds = sum(results[m.key]["seconds"] for m in MUTANTS if verdicts[m.key] != NOT_RUN)
    lines += ["| all | " + " | ".join(map(str, total)) + " |", "", f"The trials took {seconds / 60:.0f} minutes together.", ""]  # fmt: skip
    for name, text in ((EQUIVALENT, "Equivalent: no test could fail."), (SURVIVED, "Survived: a test is missing.")):
        some = [m for m in MUTANTS if verdicts[m.key] == name]
        if some:
            lines += [f"## {text}", ""] + [f"- `{m.file}`: `{m.title}`. {m.equal}".rstrip() for m in some] + [""]
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=ROOMS, action="append", help="faults of this room")
    parser.add_argument("--fresh", action="store_true", help="only those that were never judged")
    parser.add_argument("--again", action="store_true", help="also those that are judged already")
    parser.add_argument("--minutes", type=float, help="stop after so many")
    parser.add_argument("--write", action="store_true", help="run nothing; write what is known to its page")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the copy of the tree is removed
    results = known()

    def wanted(m: Mutant) -> bool:
        if given.only and m.room not in given.only:
            return False
        if given.fresh:
            return verdict_of(m, results) == NOT_RUN
        return given.again or is_stale(m, results) or verdict_of(m, results) in (SURVIVED, BROKEN, NOT_RUN)

    if given.write:
        write_text(PAGE, table())
        write_text(KILLERS, json.dumps(killers(), indent=0) + "\n")
    else:
        run([m for m in MUTANTS if wanted(m)], given.minutes)
    print(table().split("\n\n")[2])
    verdicts = {m: verdict_of(m, known()) for m in MUTANTS}
    bad = [m for m in MUTANTS if verdicts[m] in (SURVIVED, BROKEN)]
    for m in bad:
        print(f"{verdicts[m]}: {m.room} {m.file}: {m.title}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
