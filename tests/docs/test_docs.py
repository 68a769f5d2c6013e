"""The documentation: the site builds with every link checked, pages name what exists. test_tutorials.py follows them."""

import importlib.util
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
        command, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=120
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


def test_the_citation_names_this_version():
    lines = (ROOT / "CITATION.cff").read_text().splitlines()
    assert f"version: {VERSION}" in lines and "license: Apache-2.0" in lines
