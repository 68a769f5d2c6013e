"""How the house stands, in numbers: what would make the next change larger than it must be.

Stands on the standard library alone, so that it counts any checkout: `python -m hwflow.bench.house [CHECKOUT]`.
`python -m hwflow.bench.house --write` counts this checkout and the commit before the redesign, from git, and writes
the page of both.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

HERE = Path(__file__).parents[2]
PAGE = HERE / "docs" / "pages" / "results" / "house.md"
LARGE = 450  # lines of a file that holds more than one subject
# the commit that wrote each rewrite once; what stood before it is what the redesign is compared with
REDESIGN = "061bc0e"
# rule -> the names that functions which carry it out have had; in the rooms that hold networks
RULES = {
    "leave out what the answer does not need": r"_?needed|_?alive|live",
    "put thresholds before pools": r"_?thresholds_first|pool_after_threshold",
    "turn falling channels to rising": r"_?rising|_?risen|polished",
    "join pools in a row": r"merge_pools",
}
ROOMS = ("passes.py", "qonnx", "fold", "lower", "emit", "bridges")


def modules(root: Path) -> Iterator[tuple[str, str]]:
    """Path below `root` and text of every Python file of the package."""
    for path in sorted((root / "hwflow").rglob("*.py")):
        yield path.relative_to(root).as_posix(), path.read_text()


def unit_classes(root: Path) -> set[str]:
    """The names of the classes that are units: those of hwflow/units that are derived from Unit."""
    bases = {
        node.name: {_name(b) for b in node.bases if isinstance(b, ast.Name | ast.Attribute)}
        for path, text in modules(root)
        if path.startswith("hwflow/units/")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
    }
    found = {"Unit"}
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return found


def instance_checks(text: str, classes: set[str]) -> list[int]:
    """The lines that ask whether something is an instance of one of these classes."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            names = {
                n.id if isinstance(n, ast.Name) else n.attr
                for n in ast.walk(node.args[1])
                if isinstance(n, ast.Name | ast.Attribute)
            }
            if names & classes:
                found.append(node.lineno)
    return found


def family_checks(text: str) -> list[int]:
    """The lines that compare a family with a name, or look one up in a table of their own."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
            continue
        sides = (node.left, *node.comparators)
        about = any(isinstance(n, ast.Name | ast.Attribute) and _name(n) == "family" for n in sides)
        literal = any(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in sides)
        if about and literal:
            found.append(node.lineno)
    return found


def family_tables(text: str) -> list[int]:
    """The lines of dictionaries that are keyed by names of families."""
    names = {"xc7", "ecp5", "gowin", "ice40"}
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Dict) and len(names & {k.value for k in node.keys if isinstance(k, ast.Constant)}) > 1
    ]


def room_edges(root: Path) -> set[tuple[str, str]]:
    """Which room imports which."""
    edges = set()
    for path, text in modules(root):
        mine = path.split("/")[1].removesuffix(".py")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hwflow."):
                edges.add((mine, str(node.module).split(".")[1]))
    return {(a, b) for a, b in edges if a != b}


def rewrites(root: Path) -> dict[str, int]:
    """How many functions carry out each rule of RULES."""
    names = [
        node.name
        for path, text in modules(root)
        if path.split("/")[1] in ROOMS
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    ]
    return {rule: sum(bool(re.fullmatch(pattern, name)) for name in names) for rule, pattern in RULES.items()}


def generators(root: Path) -> list[str]:
    """The classes that grow a network of operations at random: each has a random generator and appends operations."""
    found = []
    for path, text in modules(root):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                names = {_name(n) for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute)}
                if {"rng", "ops", "append"} <= names:
                    found.append(f"{path}: {node.name}")
    return found


def files_of_units(root: Path) -> dict[str, int]:
    """How many files know each unit: the Python files that use the name of its class, and its hardware."""
    words = {
        p: {_name(n) for n in ast.walk(ast.parse(t)) if isinstance(n, ast.Name | ast.Attribute)}
        | {a.name for n in ast.walk(ast.parse(t)) if isinstance(n, ast.ImportFrom) for a in n.names}
        for p, t in modules(root)
    }
    hardware = [p.stem for p in (root / "hls").rglob("*") if p.suffix in (".sv", ".hpp")]
    out = {}
    for path, text in modules(root):
        for node in ast.parse(text).body if path.startswith("hwflow/units/") else ():
            if isinstance(node, ast.ClassDef) and (module := _module_of(node)):
                out[node.name] = sum(node.name in found for found in words.values()) + hardware.count(module)
    return out


def _module_of(unit: ast.ClassDef) -> str:
    """The hardware module that a class of units names, empty for other classes."""
    for line in unit.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.target.id == "module":
            return str(line.value.value) if isinstance(line.value, ast.Constant) else ""
    return ""


def counts(root: Path) -> dict[str, int]:
    """The numbers, by what they count."""
    texts = dict(modules(root))
    units = unit_classes(root)
    outside = {p: t for p, t in texts.items() if not p.startswith("hwflow/units/")}
    named = [re.findall(r"\.module (?:==|!=|in|not in) [\"\'(]", t) for t in outside.values()]
    families = {p: t for p, t in texts.items() if not p.startswith("hwflow/families/")}
    known = list(files_of_units(root).values())
    return {
        "isinstance on units outside units/": sum(len(instance_checks(t, units)) for t in outside.values()),
        "comparisons of module names outside units/": sum(map(len, named)),
        "`family ==` outside families/": sum(len(family_checks(t)) for t in families.values()),
        "tables by family outside families/": sum(len(family_tables(t)) for t in families.values()),
        "files that know a family by name": sum(bool(family_checks(t) or family_tables(t)) for t in families.values()),
        **{f"functions that {rule}": n for rule, n in rewrites(root).items()},
        "classes that grow random networks": len(generators(root)),
        "files that know a unit, median": round(statistics.median(known)),
        "files that know a unit, most": max(known),
        "rooms": len({p.split("/")[1] for p in texts}),
        "import edges between rooms": len(room_edges(root)),
        f"Python files of more than {LARGE} lines": sum(t.count("\n") > LARGE for t in texts.values()),
        "lines of the longest file": max(t.count("\n") for t in texts.values()),
        "Python files": len(texts),
        "lines of the package": sum(t.count("\n") for t in texts.values()),
    }


def _name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def export(commit: str, folder: Path) -> None:
    """Put the files of a commit of this checkout into `folder`."""
    archive = subprocess.run(["git", "archive", commit, "hwflow", "hls"], cwd=HERE, check=True, capture_output=True)
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")


def page(before: dict[str, int], now: dict[str, int], commit: str) -> str:
    """The page of both columns of numbers."""
    rows = [f"| {what} | {before[what]:,} | {now[what]:,} |" for what in now]
    return "\n".join(
        [
            "# How the house stands",
            "",
            "What would make the next change larger than it must be, counted in the sources by one program: before the redesign",
            f"(commit `{commit}`) and now. The package has grown since: it reads more operators, has more verbs and explains more.",
            "",
            "| | before | now |",
            "|---|---:|---:|",
            *rows,
            "",
            "A *rule* is a rewrite of a network that keeps its meaning. A file *knows a unit* where it holds the name of its class, or is",
            "its SystemVerilog or C++. *Rooms* are the folders and files directly below `hwflow/`.",
            "",
            "Written by `python -m hwflow.bench.house --write`.",
            "",
        ]
    )


def main(arguments: list[str] | None = None) -> None:
    """Print the numbers of a checkout, this one where none is named; or write the page."""
    parser = argparse.ArgumentParser(prog="python -m hwflow.bench.house", description=main.__doc__)
    parser.add_argument("checkout", nargs="?", type=Path, default=HERE)
    parser.add_argument(
        "--write", action="store_true", help=f"write {PAGE.relative_to(HERE)}; needs git and its history"
    )
    given = parser.parse_args(arguments)
    now = counts(given.checkout)
    if not given.write:
        for what, number in now.items():
            print(f"{number:8,}  {what}")
        return
    commit = f"{REDESIGN}^"
    short = subprocess.run(
        ["git", "rev-parse", "--short", commit], cwd=HERE, check=True, capture_output=True, text=True
    )
    with tempfile.TemporaryDirectory() as folder:
        export(commit, Path(folder))
        PAGE.write_text(page(counts(Path(folder)), now, short.stdout.strip()))
    print(PAGE)


if __name__ == "__main__":
    main()
