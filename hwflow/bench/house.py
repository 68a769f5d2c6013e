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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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
ROOMS = ("passes.py", "graph.py", "qonnx", "fold", "lower", "emit", "bridges")


def modules(root: Path) -> Iterator[tuple[str, str]]:
    """Path below `root` and text of every Python file of the package."""
    for path in sorted((root / "hwflow").rglob("*.py")):
        yield path.relative_to(root).as_posix(), path.read_text()


@dataclass(frozen=True)
class Facts:
    """What one Python file says, read once for every question below."""

    lines: int
    bases: dict[str, set[str]]  # of each class, by name
    growers: list[str]  # classes that have a random generator and append operations
    units: dict[str, str]  # classes that name a hardware module at the top of the file: its name
    functions: list[str]
    words: set[str]  # names that are used or imported
    imports: set[str]  # rooms of the package
    instances: list[tuple[int, set[str]]]  # lines that ask for a class: by isinstance, a case or a key of a dictionary
    families: list[int]  # lines that compare a family with a name
    tables: list[int]  # lines of dictionaries that are keyed by families
    named: int  # comparisons of module names


def facts_of(text: str) -> Facts:
    """What there is to count in the text of a file."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    classes = [n for n in nodes if isinstance(n, ast.ClassDef)]
    imports = [n for n in nodes if isinstance(n, ast.ImportFrom)]
    return Facts(
        lines=text.count("\n"),
        bases={c.name: {_name(b) for b in c.bases if isinstance(b, ast.Name | ast.Attribute)} for c in classes},
        growers=[c.name for c in classes if _grows(_words(ast.walk(c)))],
        units={c.name: m for c in tree.body if isinstance(c, ast.ClassDef) and (m := _module_of(c))},
        functions=[n.name for n in nodes if isinstance(n, ast.FunctionDef)],
        words=_words(nodes) | {a.name for n in imports for a in n.names},
        imports={n.module.split(".")[1] for n in imports if n.module and n.module.startswith("hwflow.")},
        instances=[found for n in nodes if (found := _instance_check(n))],
        families=[n.lineno for n in nodes if isinstance(n, ast.Compare) and _is_family_check(n)],
        tables=[n.lineno for n in nodes if isinstance(n, ast.Dict) and _is_family_table(n)],
        named=len(re.findall(r"\.module (?:==|!=|in|not in) [\"\'(]", text)),
    )


def instance_checks(text: str, classes: set[str]) -> list[int]:
    """The lines that ask whether something is of one of these classes: isinstance, a case, a key of a dictionary."""
    return [line for line, names in facts_of(text).instances if names & classes]


def family_checks(text: str) -> list[int]:
    """The lines that compare a family with names."""
    return facts_of(text).families


def family_tables(text: str) -> list[int]:
    """The lines of dictionaries that are keyed by names of families."""
    return facts_of(text).tables


def _grows(words: set[str]) -> bool:
    return {"ops", "append"} <= words and bool({"rng", "random"} & words)


def _instance_check(node: ast.AST) -> tuple[int, set[str]] | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
        return node.lineno, _words(ast.walk(node.args[1]))
    if isinstance(node, ast.MatchClass):
        return node.cls.lineno, _words([node.cls])
    if isinstance(node, ast.Dict):
        return node.lineno, _words(key for key in node.keys if key is not None)
    return None


def _is_family_check(node: ast.Compare) -> bool:
    if not isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn):
        return False
    sides = (node.left, *node.comparators)
    about = any(isinstance(n, ast.Name | ast.Attribute) and _name(n) == "family" for n in sides)
    named = (n for side in sides for n in ast.walk(side) if isinstance(n, ast.Constant))
    return about and any(isinstance(n.value, str) for n in named)


def _is_family_table(node: ast.Dict) -> bool:
    names = {"xc7", "xcup", "ecp5", "nexus", "gowin", "ice40"}
    return len(names & {k.value for k in node.keys if isinstance(k, ast.Constant)}) > 1


def unit_classes(facts: Mapping[str, Facts]) -> set[str]:
    """The names of the classes that are units: those of hwflow/units that are derived from Unit."""
    bases = {name: of for path, f in facts.items() if path.startswith("hwflow/units/") for name, of in f.bases.items()}
    found = {"Unit"}
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return found


def files_of_units(root: Path, facts: Mapping[str, Facts]) -> dict[str, int]:
    """How many files know each unit: the Python files that use the name of its class, and its hardware."""
    hardware = [p.stem for p in (root / "hls").rglob("*") if p.suffix in (".sv", ".hpp")]
    units = {name: m for path, f in facts.items() if path.startswith("hwflow/units/") for name, m in f.units.items()}
    return {name: sum(name in f.words for f in facts.values()) + hardware.count(m) for name, m in units.items()}


def _module_of(unit: ast.ClassDef) -> str:
    """The hardware module that a class of units names, empty for other classes."""
    for line in unit.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.target.id == "module":
            return str(line.value.value) if isinstance(line.value, ast.Constant) else ""
    return ""


def counts(root: Path) -> dict[str, int]:
    """The numbers, by what they count."""
    facts = {path: facts_of(text) for path, text in modules(root)}
    units = unit_classes(facts)
    outside = [f for p, f in facts.items() if not p.startswith("hwflow/units/")]
    families = [f for p, f in facts.items() if not p.startswith("hwflow/families/")]
    known = list(files_of_units(root, facts).values())
    rooms = {path: path.split("/")[1].removesuffix(".py") for path in facts}
    edges = {(rooms[path], other) for path, f in facts.items() for other in f.imports if other != rooms[path]}
    written = [name for path, f in facts.items() if path.split("/")[1] in ROOMS for name in f.functions]
    return {
        "isinstance on units outside units/": sum(bool(names & units) for f in outside for _, names in f.instances),
        "comparisons of module names outside units/": sum(f.named for f in outside),
        "`family ==` outside families/": sum(len(f.families) for f in families),
        "tables by family outside families/": sum(len(f.tables) for f in families),
        "files that know a family by name": sum(bool(f.families or f.tables) for f in families),
        **{
            f"functions that {rule}": sum(bool(re.fullmatch(pattern, name)) for name in written)
            for rule, pattern in RULES.items()
        },
        "classes that grow random networks": sum(len(f.growers) for f in facts.values()),
        "files that know a unit, median": round(statistics.median(known)),
        "files that know a unit, most": max(known),
        "rooms": len({p.split("/")[1] for p in facts}),
        "import edges between rooms": len(edges),
        f"Python files of more than {LARGE} lines": sum(f.lines > LARGE for f in facts.values()),
        "lines of the longest file": max(f.lines for f in facts.values()),
        "Python files": len(facts),
        "lines of the package": sum(f.lines for f in facts.values()),
    }


def _words(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that are used."""
    return {_name(n) for n in nodes if isinstance(n, ast.Name | ast.Attribute)}


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
