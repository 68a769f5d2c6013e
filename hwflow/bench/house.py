"""How the house stands, in numbers: what would make the next change larger than it must be.

Stands on the standard library alone, so that it counts any checkout: `python -m hwflow.bench.house [ROOT]`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path


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
            names = {n.id if isinstance(n, ast.Name) else n.attr for n in ast.walk(node.args[1]) if isinstance(n, ast.Name | ast.Attribute)}  # fmt: skip
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


def counts(root: Path) -> dict[str, int]:
    """The numbers, by what they count."""
    texts = dict(modules(root))
    units = unit_classes(root)
    outside = {p: t for p, t in texts.items() if not p.startswith("hwflow/units/")}
    named = [re.findall(r"\.module (?:==|!=|in|not in) [\"\'(]", t) for t in outside.values()]
    families = {p: t for p, t in texts.items() if not p.startswith("hwflow/families/")}
    return {
        "isinstance on units outside units/": sum(len(instance_checks(t, units)) for t in outside.values()),
        "comparisons of module names outside units/": sum(map(len, named)),
        "`family ==` outside families/": sum(len(family_checks(t)) for t in families.values()),
        "tables by family outside families/": sum(len(family_tables(t)) for t in families.values()),
        "files that know a family by name": sum(bool(family_checks(t) or family_tables(t)) for t in families.values()),
        "import edges between rooms": len(room_edges(root)),
        "lines of the package": sum(t.count("\n") for t in texts.values()),
    }


def _name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def main(args: list[str]) -> None:
    """Print the numbers of a checkout, this one where none is named."""
    root = Path(args[0]) if args else Path(__file__).parents[2]
    for what, number in counts(root).items():
        print(f"{number:8,}  {what}")


if __name__ == "__main__":
    main(sys.argv[1:])
