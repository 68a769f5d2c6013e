"""Loading a bitstream: openFPGALoader is called with the board's name where both are there, and refused in words elsewhere."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hwflow.board import load_board
from hwflow.build import Build
from hwflow.cli import app
from hwflow.deploy import deploy, flash
from hwflow.errors import RecipeError, ToolError


@pytest.fixture
def made(tmp_path):
    """A deploy folder that holds a bitstream of a Tang Nano 9K."""
    (tmp_path / "top.fs").write_bytes(b"bits")
    (tmp_path / "deploy.json").write_text(json.dumps({"bitstream": "top.fs"}))
    return tmp_path


def loader(folder: Path, monkeypatch: pytest.MonkeyPatch, ends: int) -> Path:
    """A program in the place of openFPGALoader that keeps its arguments; the file of them."""
    program, said = folder / "bin" / "openFPGALoader", folder / "said"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$PWD" "$@" > "{said}"\necho "error: no cable"\nexit {ends}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return said


def test_the_loader_gets_the_board_s_name_and_the_bitstream(made, monkeypatch):
    said = loader(made, monkeypatch, 0)
    flash(made, load_board("tangnano9k"))
    assert said.read_text().split() == [str(made), "-b", "tangnano9k", "top.fs"]


def test_a_loader_that_fails_is_an_error_with_its_words(made, monkeypatch):
    loader(made, monkeypatch, 1)
    with pytest.raises(ToolError, match="error: no cable"):
        flash(made, load_board("tangnano9k"))


def test_a_missing_loader_is_named_with_how_to_get_it(made, monkeypatch):
    monkeypatch.setenv("PATH", str(made))
    with pytest.raises(ToolError, match="apt install openfpgaloader"):
        flash(made, load_board("tangnano9k"))


def test_a_folder_without_a_bitstream_is_refused(made):
    (made / "top.fs").unlink()
    with pytest.raises(RecipeError, match=r"has no top\.fs yet; build it first"):
        flash(made, load_board("tangnano9k"))


def test_a_board_that_no_cable_loads_is_refused(made):
    with pytest.raises(RecipeError, match=r"copy .* to the board"):
        flash(made, load_board("kv260"))


@pytest.mark.slow
def test_the_simulated_board_takes_no_bitstream(digits):
    done = CliRunner().invoke(app, ["deploy", str(digits.folder), "--board", "sim", "--flash"])
    assert isinstance(done.exception, RecipeError) and "sim has none" in str(done.exception)


def test_deploying_for_another_board_than_the_plan_s_says_so(digits, tmp_path):
    shutil.copytree(digits.folder, tmp_path / "build")
    assert not Build.load(digits.folder).ask["board"]
    said: list[str] = []
    deploy(tmp_path / "build", "kv260", say=said.append)
    assert "planned without a board" in said[0] and "--board kv260" in said[0]
