"""The pages of training methods: one for each entry of the registry, which says what the registry says."""

import re

import pytest
from conftest import ROOT

from hwflow.recipe import ACTS, ESTIMATORS, METHODS, WEIGHTS

PAGES = ROOT / "docs" / "pages" / "methods"


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_a_page_with_formula_source_and_its_registry_entry(name):
    page, method = (PAGES / f"{name}.md").read_text(), METHODS[name]
    sections = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert sections == ["Formula", "In hardware", "Try it", "Source"]
    parts = (method.weights, method.acts, method.estimator, method.for_acts)
    assert f"| {' | '.join(f'`{p}`' for p in parts)} | {method.real_until:g} |" in page
    assert f"--method {name} " in page and f"]({name}.md)" in (PAGES / "index.md").read_text()
    assert re.search(r"arXiv \d{4}\.\d{4,5}", page.partition("## Source")[2])


def test_no_page_is_of_a_method_that_does_not_exist():
    assert {p.stem for p in PAGES.glob("*.md")} == {*METHODS, "index"}


def test_every_part_of_a_method_stands_in_its_table():
    page = (PAGES / "index.md").read_text()
    tables = dict(
        zip(
            re.findall(r"^## .*\(`(\w+)`", page, re.MULTILINE),
            re.split(r"^## ", page, flags=re.MULTILINE)[1:],
            strict=False,
        )
    )
    known = {"weights": WEIGHTS, "acts": ACTS, "estimator": ESTIMATORS}
    for part, names in known.items():
        assert sorted(re.findall(r"^\| `([\w-]+)` \|", tables[part], re.MULTILINE)) == sorted(names), part
