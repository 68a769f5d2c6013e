"""The documentation: the site builds with every link checked, and every command and snippet of a tutorial runs."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from hwflow.version import VERSION

PAGES = ROOT / "docs" / "pages"
TUTORIALS = sorted((PAGES / "tutorials").glob("*.md"))
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps(page):
    """(kind, text) of what a reader would run, in order: commands after `$`, Python snippets whole."""
    for kind, text in BLOCK.findall(page.read_text()):
        if kind == "python":
            yield kind, text
        else:
            yield from ((kind, line[2:]) for line in text.splitlines() if line.startswith("$ "))


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda p: p.stem)
def test_every_step_of_a_tutorial_runs_in_an_empty_folder(page, tmp_path):
    beside = str(Path(sys.executable).parent)
    env = {**os.environ, "PATH": beside + os.pathsep + os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    ran = 0
    for kind, text in steps(page):
        command = [sys.executable, "-c", text] if kind == "python" else ["bash", "-euc", text]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, f"{page.name}: {text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        ran += 1
    assert ran >= 3


def test_a_step_that_fails_would_be_seen(tmp_path):
    page = tmp_path / "p.md"
    page.write_text("```console\n$ false\nits output\n```\n\n```python\nraise SystemExit(1)\n```\n")
    assert list(steps(page)) == [("console", "false"), ("python", "raise SystemExit(1)\n")]


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
