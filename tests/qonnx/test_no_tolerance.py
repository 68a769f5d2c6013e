"""Between reading and Net nothing is nearly equal: the sources compare no difference with a small number."""

import ast
from pathlib import Path

import pytest

import hwflow

ROOT = Path(hwflow.__file__).parent
ROOMS = ("qonnx", "real", "fold", "passes.py", "verify.py", "inputs.py")
FORGIVING = {"isclose", "allclose", "assert_allclose", "approx", "NEAR", "TOLERANCE", "ATOL", "RTOL"}


def sources():
    for room in ROOMS:
        path = ROOT / room
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path] * path.is_file()


def small(node, known):
    """True for a number below one half, or a product with one."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return small(node.left, known) or small(node.right, known)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return isinstance(node.right, ast.UnaryOp) and isinstance(node.right.op, ast.USub)
    if isinstance(node, ast.Name):
        return node.id in known
    return isinstance(node, ast.Constant) and isinstance(node.value, float) and 0 < abs(node.value) < 0.5


def tolerances(tree):
    """Lines that compare a difference with a small number, or name a function or constant that does."""
    known = {
        t.id
        for n in ast.walk(tree)
        if isinstance(n, ast.Assign) and small(n.value, set())
        for t in n.targets
        if isinstance(t, ast.Name)
    }
    for node in ast.walk(tree):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name in FORGIVING:
            yield node.lineno, name  # type: ignore[attr-defined]
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            differs = any(
                isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub)
                for side in sides
                for part in ast.walk(side)
            )
            if differs and any(small(side, known) for side in sides):
                yield node.lineno, ast.unparse(node)


def test_no_source_between_reading_and_net_has_a_tolerance():
    found = [
        f"{p.relative_to(ROOT)}:{line}: {what}"
        for p in sources()
        for line, what in tolerances(ast.parse(p.read_text()))
    ]
    assert not found, "\n".join(found)
    assert len(list(sources())) >= 20


@pytest.mark.parametrize(
    "text",
    [
        "np.isclose(a, b)",
        "(np.abs(ratio - np.rint(ratio)) <= NEAR * ratio).all()",
        "if abs(den - round(den)) > 1e-5 * den: pass",
        "EPS = 1e-6\nok = abs(a - b) < EPS",
        "EPS = 2.0**-20\nok = (a - b) ** 2 < EPS",
        "from math import isclose\nx = isclose(1, 2)",
    ],
)
def test_a_planted_tolerance_is_found(text):
    assert list(tolerances(ast.parse(text)))
