"""Every `match` over a closed set ends in assert_never, or says what is wrong: nothing falls through to a default."""

import ast

import pytest
from conftest import ROOT

# functions whose other cases have one answer on purpose, and why
OPEN = {
    "hwflow/bridges/qkeras_meaning.py: values": "quantizers that have no rule of their own are weights, which refuse what they do not know",
    "hwflow/bridges/qkeras_meaning.py: input_bits": "None says that a quantizer is no plain fixed point",
    "hwflow/real/graph.py: _span": "all other nodes are sums, and integer_sum ends in assert_never",
}


def fall_through(text):
    """(function, line) of each `match` whose last word is a value: no raise, no assert_never, no case for the rest."""
    found = []

    def ends(block):
        """True where a block ends by raising, or by the call that mypy proves is never made."""
        last = block[-1]
        called = isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and ast.unparse(last.value.func)
        return isinstance(last, ast.Raise) or called == "assert_never"

    def visit(node, name):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, [])
            for k, line in enumerate(block if isinstance(block, list) else []):
                if isinstance(line, ast.Match):
                    last = line.cases[-1]
                    whole = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and not last.guard
                    if not (ends(last.body) if whole else block[k + 1 :] and ends(block[k + 1 : k + 2])):
                        found.append((name, line.lineno))
                    for case in line.cases:
                        visit(case, name)
                visit(line, line.name if isinstance(line, ast.FunctionDef) else name)
        for handler in getattr(node, "handlers", []):
            visit(handler, name)

    visit(ast.parse(text), "")
    return found


def test_no_match_falls_through_to_a_default():
    found = {}
    for path in sorted((ROOT / "hwflow").rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        found |= {f"{where}: {name}": line for name, line in fall_through(path.read_text())}
    assert {name: line for name, line in found.items() if name not in OPEN} == {}
    assert set(OPEN) <= set(found), "an exception that is none any more"


@pytest.mark.parametrize(
    ("text", "falls"),
    [
        ("match x:\n    case A():\n        y = 1\n    case _:\n        y = 2\n", True),
        ("match x:\n    case A():\n        y = 1\nz = y\n", True),
        ("match x:\n    case A():\n        y = 1\n    case other:\n        y = other\n", True),
        ("match x:\n    case A():\n        y = 1\n    case _:\n        assert_never(x)\n", False),
        ("match x:\n    case A():\n        y = 1\n    case _:\n        raise ValueError(x)\n", False),
        ("match x:\n    case A():\n        return 1\nassert_never(x)\n", False),
        ("for x in y:\n    if x:\n        match x:\n            case 'a':\n                pass\n", True),
    ],
)
def test_a_match_that_falls_through_is_seen(text, falls):
    assert bool(fall_through(text)) is falls
