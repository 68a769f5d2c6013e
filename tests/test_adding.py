"""What a new unit, operation or family needs (docs/pages/adding.md): each place that was forgotten is named."""

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from conftest import ROOT

from hwflow import families, ops, units
from hwflow.bench import house
from hwflow.bits import Ints
from hwflow.errors import HwflowError
from hwflow.families import FAMILIES, cost_table, family_of
from hwflow.ops import OPS, Port
from hwflow.places import hardware_files
from hwflow.plan.events import simulate
from hwflow.units import UNITS
from hwflow.units.add import AddUnit
from hwflow.units.kit.base import SOURCE, Dataflow, Unit
from hwflow.units.kit.costs import Bill

PAGES = ROOT / "docs" / "pages"


def forgotten_of_unit(unit: type[Unit]) -> list[str]:
    """What a unit class lacks, in the words of the guide."""
    found = [
        f"hls/units/{unit.module}{end}" for end in (".sv", ".hpp") if hardware_files().get(unit.module + end) is None
    ]
    if unit not in UNITS:
        found.append("hwflow/units/__init__.py: UNITS")
    try:
        samples = unit.samples()
    except NotImplementedError:
        return [*found, "samples"]
    if not samples:
        return [*found, "samples"]
    try:
        for sample in samples:
            moves(sample)
    except NotImplementedError:
        found.append("rhythm")
    try:
        for sample in samples:
            _, params = sample.structure()
            sample.bill(params)
    except NotImplementedError:
        return [*found, "bill"]
    for family in FAMILIES:
        try:
            for sample in samples:
                sample.cost(family)
        except HwflowError as e:
            found.append(f"hwflow/families/costs/{family}.json: {e}")
    return found


def moves(unit: Unit) -> None:
    """The unit by itself in the event model, all of its inputs from one source where it has several."""
    edges = tuple(f"split:{k}" if k else "split" for k in range(len(unit.inputs)))
    stream = unit.ins[0]
    if len(edges) > 1 and all(s == stream for s in unit.ins):
        fork = units.Fork(
            name="split", inputs=(SOURCE,), x=stream.port, copies=len(edges), par=stream.par, by_row=stream.by_row
        )
        simulate(Dataflow("alone", stream, (fork, replace(unit, inputs=edges))), 2)
    elif len(edges) == 1 and len(unit.outs) == 1:
        assert simulate(Dataflow("alone", stream, (replace(unit, inputs=(SOURCE,)),)), 2)
    else:
        from hwflow.units.kit.rhythm import EventGraph

        unit.rhythm(EventGraph())


def cases(path: Path) -> set[str]:
    """The classes that the `match` statements of a file have a case for."""
    return {
        node.cls.attr if isinstance(node.cls, ast.Attribute) else node.cls.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.MatchClass) and isinstance(node.cls, ast.Attribute | ast.Name)
    }


def forgotten_of_op(op: type, root: Path = ROOT) -> list[str]:
    """The places in which an operation has no case, and the reference that does not describe it."""
    places = ("hwflow/lower/__init__.py", "hwflow/emit/c_program.py", "hwflow/bridges/finn_onnx.py")
    found = [place for place in places if op.__name__ not in cases(root / place)]
    if op not in OPS:
        found.append("hwflow/ops.py: OPS")
    page = "docs/pages/reference/net-npz.md"
    if not re.search(rf"`{op.__name__}`", (root / page).read_text()):
        found.append(page)
    return found


def forgotten_of_family(name: str) -> list[str]:
    """What a module of families/ lacks."""
    if name not in FAMILIES:
        return ["hwflow/families/__init__.py: FAMILIES"]
    known = family_of(name)
    found = []
    if known.name != name:
        found.append(f"hwflow/families/{name}.py: name")
    try:
        table = cost_table(name)
    except OSError:
        return [*found, f"hwflow/families/costs/{name}.json"]
    if not table["tool"] or not table["date"]:
        found.append(f"hwflow/families/costs/{name}.json: tool, date")
    if known.pll and f"pll_{known.pll.name}.sv" not in hardware_files():
        found.append(f"hls/board/pll_{known.pll.name}.sv")
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.module)
def test_nothing_of_a_unit_was_forgotten(unit):
    assert forgotten_of_unit(unit) == []


@pytest.mark.parametrize("op", OPS, ids=lambda o: o.__name__)
def test_nothing_of_an_operation_was_forgotten(op):
    assert forgotten_of_op(op) == []


@pytest.mark.parametrize(
    "name", sorted({p.stem for p in Path(families.__file__).parent.glob("*.py")} - {"__init__", "base"})
)
def test_nothing_of_a_family_was_forgotten(name):
    assert forgotten_of_family(name) == []


def test_every_module_beside_the_kit_is_a_unit_that_is_listed():
    files = {p.stem for p in Path(units.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {unit.__module__.rsplit(".", 1)[1] for unit in UNITS}


def test_what_is_left_out_of_a_unit_is_named():
    class Nothing(Unit):
        module: ClassVar[str] = "nothing"

    assert forgotten_of_unit(Nothing) == [
        "hls/units/nothing.sv",
        "hls/units/nothing.hpp",
        "hwflow/units/__init__.py: UNITS",
        "samples",
    ]

    class Own(AddUnit):
        @classmethod
        def samples(cls):
            x = Port((3, 4), Ints(-8, 7))
            return (cls(name="own", inputs=("a", "b"), xs=(x, x), scales=(1, 1), pe=2),)

    class Still(Own):
        def rhythm(self, g):
            return Unit.rhythm(self, g)

    assert forgotten_of_unit(Still) == ["hwflow/units/__init__.py: UNITS", "rhythm"]

    class Free(Own):
        @staticmethod
        def bill(p):  # noqa: ARG004
            return Bill({"wings": 1})

    said = forgotten_of_unit(Free)
    assert len(said) == 1 + len(FAMILIES)
    assert "hwflow/families/costs/ecp5.json: add: what its 'wings' costs on ecp5 is not known" in said[3]


def test_what_is_left_out_of_an_operation_is_named(tmp_path):
    class Median(ops.Add):
        pass

    said = forgotten_of_op(Median)
    assert said == [
        "hwflow/lower/__init__.py",
        "hwflow/emit/c_program.py",
        "hwflow/bridges/finn_onnx.py",
        "hwflow/ops.py: OPS",
        "docs/pages/reference/net-npz.md",
    ]
    for place in said[:3]:  # planted: a case that is taken out of one place is missed there alone
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text((ROOT / place).read_text())
    page = tmp_path / said[4]
    page.parent.mkdir(parents=True)
    page.write_text((ROOT / said[4]).read_text())
    lower = tmp_path / said[0]
    lower.write_text(lower.read_text().replace("ops.Maximum()", "ops.Add()"))
    assert forgotten_of_op(ops.Maximum, tmp_path) == ["hwflow/lower/__init__.py"]


def test_what_is_left_out_of_a_family_is_named(monkeypatch):
    assert forgotten_of_family("cyclone") == ["hwflow/families/__init__.py: FAMILIES"]
    monkeypatch.setitem(FAMILIES, "cyclone", replace(family_of("ecp5"), name="cyclone"))
    assert forgotten_of_family("cyclone") == ["hwflow/families/costs/cyclone.json"]


def test_no_unit_and_no_family_is_known_by_name_outside_its_room():
    numbers = house.counts(ROOT)
    for what in (
        "isinstance on units outside units/",
        "comparisons of module names outside units/",
        "`family ==` outside families/",
        "tables by family outside families/",
    ):
        assert numbers[what] == 0, what
    asked = ("isinstance(unit, hw.Mvu)", "match unit:\n    case hw.Mvu():\n        pass", "{hw.Mvu: 1}[type(unit)]")
    assert [bool(house.instance_checks(text, {"Mvu"})) for text in asked] == [True] * 3
    assert house.instance_checks("hw.Mvu(name='one')", {"Mvu"}) == []
    assert house.family_checks('board.family == "xc7"') == [1]
    assert house.family_checks('family in ("xc7", "xcup")') == [1] and house.family_checks("family in FAMILIES") == []
    assert house.family_tables('{"xc7": 1, "ecp5": 2}') == [1]


def test_the_guide_names_the_files_of_each_change():
    """docs/pages/adding.md lists files as `git show --stat` does; all of them exist."""
    page = (PAGES / "adding.md").read_text()
    files = re.findall(r"^    ((?:hwflow|hls|docs|tests)/\S+)", page, re.MULTILINE)
    assert len(files) > 20
    assert [f for f in files if not (ROOT / f).exists()] == []
