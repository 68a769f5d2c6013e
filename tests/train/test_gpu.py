"""`make gpu` before there is a GPU: its command, its recipe in small, stopped and gone on with on the CPU."""

import shutil
import subprocess
from dataclasses import replace
from functools import partial

import pytest
import torch
from conftest import ROOT

from hwflow.train import data, load_recipe, loop, train


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_gpu_is_one_command_that_stops_in_time_and_goes_on():
    command = ["make", "--no-print-directory", "-n", "gpu", "GPU_PYTHON=python3"]
    said = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=60, check=True).stdout
    assert said.strip() == "python3 -m hwflow train models/resnet.py:resnet20-gpu -o build/gpu --minutes 4 --resume"


def test_the_recipe_of_make_gpu_runs_in_two_parts_on_the_cpu(tmp_path, monkeypatch):
    dice = torch.Generator().manual_seed(0)
    images = [
        data.Images(
            torch.randint(0, 256, (n, 16, 16, 3), generator=dice, dtype=torch.uint8).numpy(),
            (torch.arange(n) % 10).numpy(),
        )
        for n in (64, 40)
    ]
    monkeypatch.setitem(data.SETS, "cifar10", lambda: tuple(images))
    data.load.cache_clear()
    recipe = load_recipe("models/resnet.py:resnet20-gpu")
    assert recipe.training.amp and recipe.training.schedule == "onecycle"
    small = partial(recipe.network, widths=(4, 8), blocks=(1, 1))  # type: ignore[call-arg]
    recipe = replace(
        recipe, network=small, training=replace(recipe.training, epochs=2, batch=16, evaluate_every=1, threads=1)
    )
    try:
        first = train(recipe, tmp_path, progress=False, resume=True, seconds=0.0)
        assert first["epochs"] == 0
        assert not (tmp_path / loop.MODEL).exists()
        monkeypatch.setattr(loop, "finish", lambda *given: given[2])  # its network is another size
        last = train(recipe, tmp_path, progress=False, resume=True, seconds=600.0)
        assert (last["epochs"], len(last["history"])) == (2, 2)
        assert last["history"][-1]["accuracy"] is not None
    finally:
        data.load.cache_clear()
