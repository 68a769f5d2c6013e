"""The README's tables: a table replaces the one before it and says where its numbers come from."""

from importlib import import_module

import pytest

from hwflow.bench import PARTS, markdown, write
from hwflow.errors import RecipeError


def test_a_table_replaces_the_one_before_it(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("top\n<!-- bench cpu -->\nold\n<!-- end -->\nmiddle\n<!-- bench rtl -->\n<!-- end -->\nbottom\n")
    write(page, "cpu", [{"network": "tfc", "ratio": 11.5}, {"network": "sfc", "note": "x"}])
    text = page.read_text()
    assert "old" not in text
    assert "| network | ratio | note |" in text
    assert "| tfc | 11.5 |  |" in text
    assert text.startswith("top\n")
    assert text.endswith("middle\n<!-- bench rtl -->\n<!-- end -->\nbottom\n")
    write(page, "cpu", [{"network": "lfc"}])
    assert page.read_text().count("bench cpu") == 2  # the mark and the command
    assert "tfc" not in page.read_text()


def test_a_table_names_its_command_and_tools():
    assert "`hwflow bench cpu`" in markdown("cpu", [{"a": 1}])
    assert "numpy" in markdown("cpu", [{"a": 1}])


def test_a_page_without_the_mark_is_refused(tmp_path):
    (tmp_path / "p.md").write_text("nothing")
    with pytest.raises(RecipeError, match="bench cpu"):
        write(tmp_path / "p.md", "cpu", [{"a": 1}])


@pytest.mark.parametrize("part", PARTS)
def test_every_part_names_a_function(part):
    module, function = PARTS[part]
    assert callable(getattr(import_module(module), function))
