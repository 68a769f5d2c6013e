"""The results pages: a table replaces the one before it and says where its numbers come from."""

from importlib import import_module

import pytest
from conftest import ROOT

from hwflow.bench import PARTS, bench, boards
from hwflow.bench.tables import FOLLOWS, cell, markdown, write
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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (66.66666666666667, "66.67"),
        (1289.9, "1,290"),
        (None, ""),
        (True, "yes"),
        ("a|b", "a\\|b"),
    ],
)
def test_numbers_are_rounded_for_people(value, text):
    assert cell(value) == text


def test_a_column_without_a_value_is_left_out():
    assert "empty" not in markdown("cpu", [{"a": 1, "empty": ""}, {"a": 2, "empty": None}])


@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_a_page(part):
    page = ROOT / "docs" / "pages" / "results" / f"{part}.md"
    assert f"<!-- bench {part} -->" in page.read_text()


@pytest.mark.parametrize("part", PARTS)
def test_every_part_names_a_function(part):
    module, function = PARTS[part]
    assert callable(getattr(import_module(module), function))


def test_a_sentence_stands_below_the_table_and_makes_no_column():
    text = markdown("a", [{"x": 1}, {FOLLOWS: "One is enough."}], source="here")
    assert text == "| x |\n|---:|\n| 1 |\n\nOne is enough.\n\nhere"


def test_rows_that_a_run_has_not_measured_yet_stay_and_say_where_they_come_from(tmp_path):
    page = tmp_path / "p.md"

    def lines():
        return [line for line in page.read_text().splitlines() if line.startswith("| ")][1:]

    page.write_text("<!-- bench a -->\n<!-- end -->\n")
    rows = [{"network": n, "board": "x", "fmax_mhz": 1000 + i, "dsp": ""} for i, n in enumerate("pqr")]
    write(page, "a", rows, "first")
    write(page, "a", [{"network": "q", "board": "x", "fmax_mhz": 7, "lut": 3}], "second", unfinished=True)
    assert lines() == ["| q | x | 7 | 3 |", "| p | x | 1,000 |  |", "| r | x | 1,002 |  |"]
    assert page.read_text().count("Of an earlier run are the rows p, x; r, x: `first`, 20") == 1
    write(page, "a", [{"network": "r", "board": "x", "lut": 4}], "third", unfinished=True)
    assert lines() == ["| r | x | 4 |  |", "| q | x | 3 | 7 |", "| p | x |  | 1,000 |"]
    text = page.read_text()
    assert "rows q, x: `second`" in text and "rows p, x: `first`" in text and "\n`third`, 20" in text
    write(page, "a", [{"network": "r", "board": "x", "lut": 5}], "fourth")
    assert lines() == ["| r | x | 5 |"] and "earlier" not in page.read_text()


def test_a_part_that_gives_row_after_row_says_until_the_last_that_more_may_come(monkeypatch):
    kept = []
    monkeypatch.setattr("hwflow.bench.bits.rows", lambda _: ({"n": i} for i in range(2)))
    bench("bits", lambda _: None, keep=lambda rows, more: kept.append((len(rows), more)))
    monkeypatch.setattr("hwflow.bench.bits.rows", lambda _: [{"n": 0}])
    bench("bits", lambda _: None, keep=lambda rows, more: kept.append((len(rows), more)))
    assert kept == [(1, True), (2, True), (2, False), (1, False)]


def test_a_row_that_was_measured_again_alone_keeps_its_own_day(tmp_path):
    page = tmp_path / "p.md"
    again = "The row p, x was measured again by `recheck`, one day."
    page.write_text(
        f"<!-- bench a -->\n{markdown('a', [{'n': n, 'at': 'x', 'lut': 1} for n in 'pqr'], 'first')}\n\n{again}\n<!-- end -->\n"
    )
    write(page, "a", [{"n": "q", "at": "x", "lut": 2}], "second", unfinished=True)
    text = page.read_text()
    assert "\nOf an earlier run are the rows p, x: `recheck`, one day.\n" in text
    assert "\nOf an earlier run are the rows r, x: first\n" in text


def test_some_rows_of_a_part_are_measured_by_network_or_board_and_the_others_stay(monkeypatch):
    assert {(t.network, t.board) for t in boards.choose(boards.TARGETS, ["cnv", "icebreaker"])} == {
        ("cnv", "ulx3s_85f"), ("tfc", "icebreaker")
    }  # fmt: skip
    assert boards.choose(boards.TARGETS, []) == boards.TARGETS
    with pytest.raises(RecipeError, match="--only vgg: no row is of it; choose of cnv, icebreaker, "):
        boards.choose(boards.TARGETS, ["cnv", "vgg"])
    with pytest.raises(RecipeError, match="--only is of the parts boards, clocks; costs is measured as a whole"):
        bench("costs", print, only=["cnv"])
    kept = []
    monkeypatch.setattr("hwflow.bench.clocks.row", lambda target, _: {"network": target.network})
    bench("clocks", lambda _: None, keep=lambda rows, more: kept.append((list(rows), more)), only=["cnv"])
    assert kept == [([{"network": "cnv"}], True)] * 2
