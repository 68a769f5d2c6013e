"""Every tutorial, followed from an empty folder with hwflow installed from its wheel, as a newcomer would.

`make tutorials` runs the steps of minutes too (bitstreams, TensorFlow where it is installed) and prints how long each took.
"""

import importlib.util
import os
import shutil
import time

import pytest
from conftest import ROOT
from installed import Step, install, steps

TUTORIALS = sorted((ROOT / "docs" / "pages" / "tutorials").glob("*.md"))
LONG = {"compact", "detection", "segmentation"}  # as `sequences` is, with larger networks to train
WHOLE = os.environ.get("HWFLOW_TUTORIALS") == "all"  # with the steps of minutes
TENSORFLOW = importlib.util.find_spec("tensorflow") is not None


def due(step):
    """True for a step that is run: those with a title only on demand, those of TensorFlow only where it is."""
    return not step.title or (WHOLE and (TENSORFLOW or "TensorFlow" not in step.title))


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    return install(tmp_path_factory.mktemp("installed"))


@pytest.mark.slow
def test_the_environment_holds_the_wheel_and_no_checkout(installed, tmp_path):
    where = installed.run(Step("python", "import hwflow; print(hwflow.__file__)"), tmp_path)
    assert where.stdout.startswith(str(installed.folder)), where.stdout + where.stderr
    version = installed.run(Step("console", "command -v hwflow && hwflow --version"), tmp_path)
    assert version.returncode == 0 and version.stdout.startswith(str(installed.folder))


@pytest.fixture(scope="session")
def begun(tmp_path_factory):
    """What a first step left in its folder, by its text: several tutorials begin with the same training."""
    return {}, tmp_path_factory.mktemp("begun")


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [pytest.param(p, id=p.stem, marks=[pytest.mark.long] * (p.stem in LONG)) for p in TUTORIALS]
)
def test_a_tutorial_can_be_followed_from_an_empty_folder(page, installed, begun, tmp_path):
    found = [step for step in steps(page.read_text()) if due(step)]
    assert len(found) >= 3 and f"tutorials/{page.name}" in (ROOT / "docs" / "mkdocs.yml").read_text()
    first, began, (kept, scratch) = found[0], time.perf_counter(), begun
    if not WHOLE and first in kept:
        shutil.copytree(kept[found.pop(0)], tmp_path, dirs_exist_ok=True)
    for step in found:
        start = time.perf_counter()
        done = installed.run(step, tmp_path)
        assert done.returncode == 0, f"{page.name}: {step.text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        print(f"{page.stem}: {time.perf_counter() - start:6.1f} s  {step.text.splitlines()[0]}")
        if step.text.startswith("hwflow verify"):
            print(f"{page.stem}: {time.perf_counter() - began:6.1f} s  to an accelerator that is exact to the last bit")
        if step is first:
            kept[first] = shutil.copytree(tmp_path, scratch / page.stem)


def test_a_step_that_fails_would_be_seen(installed, tmp_path):
    page = '```console\n$ false\nits output\n```\n\n```python\nraise SystemExit(1)\n```\n\n```console title="slow"\n$ true\n```\n'
    found = steps(page)
    assert found == [
        Step("console", "false"),
        Step("python", "raise SystemExit(1)\n"),
        Step("console", "true", 'title="slow"'),
    ]
    assert [installed.run(step, tmp_path).returncode for step in found] == [1, 1, 0]
