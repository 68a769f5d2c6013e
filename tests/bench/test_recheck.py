"""A row of each table is measured again: what the page says is compared, and what no longer holds is said."""

import pytest

from hwflow.bench import recheck
from hwflow.bench.recheck import CHECKS, PAGES, Check, compare, replace_row, table
from hwflow.bench.tables import markdown
from hwflow.errors import RecipeError


@pytest.mark.parametrize("part", CHECKS)
def test_every_page_with_a_check_has_a_table_of_rows(part):
    rows = table(part)
    assert rows
    assert all(len(row) == len(rows[0]) > 2 for row in rows)


def written(tmp_path, *rows):
    page = tmp_path / "nets.md"
    page.write_text(f"# Nets\n<!-- bench nets -->\n{markdown('nets', rows, 'here')}\n<!-- end -->\n")
    return table("nets", page)


def test_a_row_that_holds_says_nothing_and_each_difference_is_named(tmp_path):
    rows = written(
        tmp_path, {"network": "a", "lut": 1200, "fmax_mhz": 95.0, "seconds": 9.1}, {"network": "b", "lut": 7}
    )
    check = Check(lambda _: {}, ("network",), {"fmax_mhz": 0.05}, ("seconds",))
    found = {"network": "a", "lut": 1200, "fmax_mhz": 98.0, "seconds": 44.0}
    assert compare(check, found, rows) == []
    assert compare(check, {**found, "lut": 1201}, rows) == ["LUT: the page says 1,200, measured 1,201"]
    assert compare(check, {**found, "fmax_mhz": 89.0}, rows) == ["Fmax, MHz: the page says 95, measured 89, beyond 5%"]
    assert compare(check, {**found, "network": "c"}, rows) == ["the page has no row for c"]
    assert compare(check, {**found, "dsp": 3}, rows) == ["DSP: the page says nothing, measured 3"]


def test_a_row_that_no_longer_holds_is_put_into_its_page_with_its_day(tmp_path):
    kept = {"network": "a", "lut": 1200, "seconds": 9.1}, {"network": "b", "lut": 7}
    written(tmp_path, *kept)
    page, check = tmp_path / "nets.md", Check(lambda _: {}, ("network",), {})
    for lut in (1201, 1300):
        replace_row("nets", check, {"network": "a", "lut": lut, "seconds": 8.0}, page)
    assert [r["LUT"] for r in table("nets", page)] == ["1,300", "7"]
    text = page.read_text()
    assert text.startswith("# Nets\n<!-- bench nets -->\n|") and text.endswith("<!-- end -->\n") and "\nhere\n" in text
    assert text.count("The row a was measured again by `python -m hwflow.bench.recheck nets --write`, 20") == 1


def test_the_command_ends_with_1_where_a_number_no_longer_holds(monkeypatch, capsys):
    monkeypatch.setitem(CHECKS, "micro", Check(lambda _: {"network": "TFC", "ram": 1}, ("network",), {}))
    assert recheck.main(["micro"]) == 1
    assert "micro: ram: the page says" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="train: no row of it is measured within a minute"):
        recheck.main(["train"])


def test_a_page_without_a_table_is_refused(tmp_path):
    (tmp_path / "x.md").write_text("# nothing\n")
    with pytest.raises(RecipeError, match="boards: its page has no table"):
        table("boards", tmp_path / "x.md")
    assert PAGES.is_dir()
