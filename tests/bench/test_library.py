"""The hardware library's pages are what its sources say, and every module is there once."""

import re

import pytest
import yaml

from hwflow.bench import library
from hwflow.errors import RecipeError
from hwflow.places import HLS, hardware_files


def test_the_readme_and_the_manifests_are_those_of_the_sources():
    page = (HLS / "README.md").read_text()
    assert library.readme(page) == page, "run python -m hwflow.bench.library"
    assert (HLS / "hwflow.core").read_text() == library.core()
    assert (HLS / "Bender.yml").read_text() == library.bender()


def test_the_manifests_are_yaml_and_name_files_that_are_there():
    core, bender = yaml.safe_load(library.core().removeprefix("CAPI=2:\n")), yaml.safe_load(library.bender())
    named = [name for room in core["filesets"].values() for file in room["files"] for name in file]
    flat = [s for s in bender["sources"] if isinstance(s, str)] + [
        f for s in bender["sources"][-2:] for f in s["files"]
    ]
    assert sorted(named) == sorted(flat) and all((HLS / name).is_file() for name in named)


def test_a_file_has_one_name_one_module_and_a_first_line_that_says_what_it_is():
    names = [file.name for room in library.ROOMS for file in (HLS / room).iterdir()]
    assert len(names) == len(set(names)) == len(hardware_files())
    for room in library.ROOMS:
        for file in library.modules(room):
            declared = re.findall(r"^module (\w+)", file.read_text(), re.MULTILINE)
            assert declared == [file.stem] and library.says(file)


def test_a_unit_has_both_languages_or_is_a_style_of_one_that_has():
    cpp = {file.stem for file in (HLS / "units").glob("*.hpp")}
    verilog = {file.stem for file in library.modules("units")}
    assert cpp <= verilog and {name.removesuffix("_net") for name in verilog} == cpp


def test_parts_and_units_stand_on_nothing_of_boards_or_simulation():
    outside = {file.stem for room in ("board", "sim") for file in library.modules(room)}
    for room in ("parts", "units"):
        for file in library.modules(room):
            assert not outside & set(library.uses(file)), file


def test_a_file_that_does_not_say_what_it_is_is_named(tmp_path):
    (tmp_path / "x.sv").write_text("module x; endmodule\n")
    with pytest.raises(RecipeError, match=r"x\.sv: must begin with `// x - what it is`"):
        library.says(tmp_path / "x.sv")
