"""The documentation: the site builds with every link checked, pages name what exists. test_tutorials.py follows them."""

import importlib.util
import json
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

from hwflow.version import VERSION


def test_the_site_builds_with_every_link_checked(tmp_path):
    pytest.importorskip("mkdocs", reason="the docs are built with mkdocs: pip install mkdocs-material")
    spec = importlib.util.spec_from_file_location("gen_cli", ROOT / "docs" / "gen_cli.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.PAGE.write_text(made.text())
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "-f",
        str(ROOT / "docs" / "mkdocs.yml"),
        "-d",
        str(tmp_path),
    ]
    done = subprocess.run(
        command, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "index.html").is_file()


def test_the_page_of_operators_is_what_the_handlers_declare():
    spec = importlib.util.spec_from_file_location("gen_operators", ROOT / "docs" / "gen_operators.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert made.PAGE.read_text() == made.text(), "run `make docs`"


def test_the_readme_names_only_files_that_exist():
    for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / link).exists(), link


def test_the_page_of_report_json_names_every_entry_of_its_schema():
    schema = json.loads((ROOT / "hwflow" / "report" / "report.schema.json").read_text())
    page = (ROOT / "docs" / "pages" / "reference" / "report-json.md").read_text()
    named = {name for row in rows_of(page)[1:] for name in re.findall(r"`(\w+)`", row[0])}
    assert named == schema["properties"].keys()


@pytest.mark.parametrize(
    "term", ["rung", "style", "level", "grid", "fold", "folding", "threshold", "step", "plan", "kind"]
)
def test_the_glossary_explains_the_words_of_the_craft(term):
    assert re.search(rf"^{term}\n:   ", (ROOT / "docs" / "pages" / "glossary.md").read_text(), re.MULTILINE)


def rows_of(page: str) -> list[list[str]]:
    """The cells of every table row of a page."""
    return [[c.strip() for c in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| ")]


def test_the_readme_s_rates_and_areas_are_those_of_the_page_of_boards():
    shown = [r for r in rows_of((ROOT / "README.md").read_text()) if r[-1] == "placed and routed"]
    measured = rows_of((ROOT / "docs" / "pages" / "results" / "boards.md").read_text())
    heads = measured[0]
    keys = [heads.index(h) for h in ("network", "images/s", "LUTs in use, %")]
    known = {tuple(row[k] for k in keys) for row in measured[1:]}
    assert len(shown) >= 4
    for network, _, rate, area, _ in shown:
        assert (network.split(" ")[0], rate, area.removesuffix(" %")) in known, f"{network}: see `hwflow bench boards`"


def test_the_citation_names_this_version():
    lines = (ROOT / "CITATION.cff").read_text().splitlines()
    assert f"version: {VERSION}" in lines and "license: Apache-2.0" in lines
