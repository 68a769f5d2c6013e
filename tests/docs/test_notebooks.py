"""The notebooks: every cell runs in an empty folder, and what stands below it is what it gives today."""

import importlib.util
import json

import pytest
from conftest import ROOT

SPEC = importlib.util.spec_from_file_location("gen_notebooks", ROOT / "docs" / "gen_notebooks.py")
made = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(made)
NOTEBOOKS = sorted(made.FOLDER.glob("*.ipynb"))


def shown(notebook):
    """The outputs of each code cell, but for estimates, which move whenever the cost model is fitted again."""
    outputs = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [found for found in outputs if "LUT" not in json.dumps(found)]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_gives_what_it_shows(path, tmp_path, monkeypatch):
    kept = json.loads(path.read_text())
    monkeypatch.chdir(tmp_path)
    found = made.executed(kept)
    assert shown(found) == shown(kept), "run `make docs`"
    assert len(shown(kept)) >= 3 and kept["nbformat"] == 4


def test_a_compiled_network_is_shown_as_a_table_and_a_picture():
    kept = json.loads((made.FOLDER / "six-lines.ipynb").read_text())
    pictures = [
        o["data"]["text/html"] for c in kept["cells"] for o in c.get("outputs", ()) if "text/html" in o.get("data", {})
    ]
    assert len(pictures) == 1 and "<table>" in "".join(pictures[0]) and "<svg" in "".join(pictures[0])


def test_a_cell_that_fails_would_be_seen():
    cell = {"cell_type": "code", "source": ["print(1)\n", "1 / 0"]}
    with pytest.raises(ZeroDivisionError):
        made.executed({"cells": [cell]})
    cell["source"] = ["x = 2\n", "print(x)\n", "x + 1"]
    (ran,) = made.executed({"cells": [cell]})["cells"]
    assert [o.get("text") or o["data"]["text/plain"] for o in ran["outputs"]] == [["2\n"], ["3"]]
