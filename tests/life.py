"""Kills, races, bad disks and damaged files in full numbers, and the table of what was found.

    python -m tests.life [--only PART] [--again] [--write]

The suite takes a few of each; this takes 200 kills, 100 races, 40 bad disks and 1,000 damaged files, an hour on two idle cores.
It runs in a copy of the tree, which may change meanwhile: commands import what they need when they need it, and a mixture of
two trees fails by itself. What a part came to is kept in build/life.json when it is done, so a run that is stopped goes on with
the next part. `--write`
puts what is known into docs/pages/results/faults.md. Bad disks need root.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "kit"), str(ROOT / "tests")]

import damages  # noqa: E402
import disks  # noqa: E402
import kills  # noqa: E402
from mutants.trial import Tree  # noqa: E402

from hwflow.bench.tables import markdown  # noqa: E402
from hwflow.files import write_text  # noqa: E402

COPY = "HWFLOW_LIFE"  # where the copy of the tree keeps its results
RESULTS = Path(os.environ.get(COPY, ROOT / "build" / "life.json"))
PAGE = ROOT / "docs" / "pages" / "results" / "faults.md"
BEGIN, END = "<!-- life -->", "<!-- end of life -->"
KILLS = {"race": 50, "threads": 50, "bench": 10, "deploy": 20, "verify": 30, "compile": 80, "synth": 20, "train": 40}
DISKS, DAMAGES = 20, 1000
PARTS = (*KILLS, "full", "readonly", "damages")


def take(part: str) -> dict[str, Any]:
    """The row of one part; AssertionError where something was left mixed."""
    began = time.monotonic()
    if part == "damages":
        found = damages.run(DAMAGES, 1, lambda line: print("  " + line, flush=True)).values()
        faults = sum(len(f.faults) for f in found)
        times = sum(f.times for f in found)
        row = {"what": "a damaged file given to the command that reads it", "times": times, "ended with a line": sum(f.refused for f in found), "mixed, or a traceback": faults}  # fmt: skip
        row |= {"longest, CPU s": round(max(f.seconds for f in found), 1), "memory at most, MB": round(max(f.megabytes for f in found))}  # fmt: skip
    elif part in ("full", "readonly"):
        counts = [disks.run(part, round(share * DISKS), life) for life, share in disks.SHARES.items()]
        old, new = (sum(c[k] for c in counts) for k in ("old", "new"))
        name = "a full disk" if part == "full" else "a disk that turns read-only"
        row = {"what": f"{name} in the middle of a command", "times": old + new, "found old": old, "found new": new, "mixed, or a traceback": 0}  # fmt: skip
    else:
        with tempfile.TemporaryDirectory() as home:
            life = partial(kills.synths, fake=True) if part == "synth" else kills.LIFE[part]
            found = life(KILLS[part], Path(home), 1)
        what = {
            "race": "two processes compile one folder", "threads": "four threads compile one folder",
            "synth": "kill -9 in the middle of synth, where a stand-in for Yosys gives other numbers each time",
        }  # fmt: skip
        row = {"what": what.get(part, f"kill -9 in the middle of {part}"), "times": KILLS[part], "found old": found["old"], "found new": found["new"], "mixed, or a traceback": 0}  # fmt: skip
    return row | {"seconds": round(time.monotonic() - began)}


def known() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}


def write() -> None:
    """Put the table of what is known between its marks."""
    rows = known()
    text, source = PAGE.read_text(), "`python -m tests.life --write`"
    before, rest = text.split(BEGIN)
    table = markdown("life", [rows[p] for p in PARTS if p in rows], source)
    write_text(PAGE, f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}")


def in_copy(arguments: list[str]) -> int:
    """The exit code of this command in a copy of the tree."""
    RESULTS.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="life-") as folder:
        Tree.copied(Path(folder))
        env = os.environ | {"PYTHONPATH": folder, COPY: str(RESULTS)}
        return subprocess.call([sys.executable, "-m", "tests.life", *arguments], cwd=folder, env=env)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part")
    parser.add_argument("--again", action="store_true", help="also parts that are done")
    parser.add_argument("--write", action="store_true", help="run nothing; write what is known to its page")
    given = parser.parse_args()
    if given.write:
        write()
        return
    if COPY not in os.environ:
        sys.exit(in_copy(sys.argv[1:]))
    bad = False
    for part in given.only or PARTS:
        if part in known() and not given.again:
            continue
        row = take(part)
        bad |= bool(row["mixed, or a traceback"])
        write_text(RESULTS, json.dumps(known() | {part: row}, indent=1))
        print(", ".join(f"{key}: {value}" for key, value in row.items()), flush=True)
    sys.exit(bad)


if __name__ == "__main__":
    main()
