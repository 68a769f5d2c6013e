"""The house stands: every module imports only from floors below its own, and torch, onnx and vendors stay in their rooms."""

import ast
from pathlib import Path

import budgets
import pytest

TESTS = Path(__file__).parent
PACKAGE = Path(__file__).parents[1] / "hwflow"
FLOORS = (
    "errors bits places runs files schema version cluster",
    "graph board boards families tools cached driver driver_bytes driver_dma driver_line driver_load answers inputs tasks",
    "ops windows net real units recipe",
    "fold passes qonnx train",
    "lower plan generate",
    "build emit bridges",
    "simulate proof verify synth deploy explore",
    "sources flow split report predict",
    "demo doctor look fuzz bench api go",
    "cli __main__",
)
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names.split()}
ONLY_IN = {
    "torch": "train bench",
    "brevitas": "train bench",
    "onnx": "qonnx train bridges bench generate fuzz",
    "qonnx": "qonnx train bridges fuzz",
    "hls4ml": "bridges",
    "tensorflow": "bridges",
    "qkeras": "bridges",
}
MODULES = sorted(
    p
    for p in PACKAGE.rglob("*.py")
    if p != PACKAGE / "__init__.py" and not {"hls", "models"} & set(p.relative_to(PACKAGE).parts)
)


def room(path: Path) -> str:
    """The room of a module file: its first part below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Dotted names a module imports, at its top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"hwflow.{alias.name}" for alias in node.names} if node.module == "hwflow" else {node.module}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_lower_floors(path):
    assert room(path) in FLOOR, f"{path} lives in no room; give it a floor"
    mine = FLOOR[room(path)]
    inner = {name.split(".")[1] for name in imports(path) if name.startswith("hwflow.")} - {room(path)}
    above = sorted(name for name in inner if FLOOR.get(name, 99) > mine)
    assert not above, f"{path} imports {above}, which live above it"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_foreign_frameworks_stay_in_their_rooms(path):
    strangers = {n.split(".")[0] for n in imports(path)} & ONLY_IN.keys()
    lost = sorted(s for s in strangers if room(path) not in ONLY_IN[s].split())
    assert not lost, f"{path} imports {lost}"


def test_no_module_is_larger_than_one_sitting():
    large = {str(p): n for p in MODULES if (n := len(p.read_text().splitlines())) > 450}
    assert not large, f"rooms with more than one subject: {large}"


def test_every_room_of_tests_has_a_budget_and_all_of_them_half_an_hour_of_two_workers():
    rooms = {budgets.room_of(p.relative_to(TESTS).as_posix()) for p in TESTS.rglob("test_*.py")}
    assert set(budgets.BUDGETS) == rooms
    assert sum(budgets.BUDGETS.values()) <= budgets.WHOLE


def test_a_room_beyond_its_budget_is_said_first():
    found = budgets.seconds_by_room(
        [("tests/fold/test_a.py::b", 70.0), ("tests/fold/test_a.py::c[1]", 30.5), ("tests/test_x.py::y", 2)]
    )
    assert found == {"fold": 100.5, ".": 2}
    assert next(line.split() for line in budgets.report(found)) == ["fold", "100", "s", "of", "80", "OVER"]
