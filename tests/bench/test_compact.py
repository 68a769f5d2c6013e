"""The table of compact architectures: every network is compared with the ResNet-20 of the same minutes."""

import shutil

import pytest

from hwflow.bench import compact
from hwflow.train import load_recipe
from hwflow.train.kept import TRAINED


def test_rows_say_how_far_each_network_is_from_the_base(tmp_path, monkeypatch):
    accuracy = {compact.BASE: "50.00", "darts-minutes": "47.25"}
    for name in accuracy:
        shutil.copytree(TRAINED / "tfc", tmp_path / name)
    shown = {"held-out images": "10,000", "epochs": 3, "training [s]": 400}
    monkeypatch.setattr(compact, "TRAINED", tmp_path)
    monkeypatch.setattr(compact, "scored", lambda folder, _: {"accuracy [%]": accuracy[folder.name], **shown})
    monkeypatch.setattr(compact.tasks, "prove", lambda *_: {"differing": 0})
    monkeypatch.setattr(compact.tasks, "placed", lambda *_: {"ulx3s_85f_lut": 1, "fmax_mhz": 50.0})
    monkeypatch.setattr(compact.tasks, "synthesised", lambda *_: {"pynq_z2_lut": 1})
    base, darts = compact.rows(lambda _: None)
    gain = "points over resnet20-minutes"
    assert [(r["network"], r[gain]) for r in (base, darts)] == [(compact.BASE, "+0.00"), ("darts-minutes", "-2.75")]
    assert darts["weights"] == 784 * 64 + 2 * 64 * 64 + 640 and darts["of one bit [%]"] == 100.0
    assert darts["pynq_z2_lut_estimated"] > 0 < darts["ulx3s_85f_lut_estimated"] and darts["differing"] == 0
    assert darts["ulx3s_85f_lut"] == darts["pynq_z2_lut"] == 1


@pytest.mark.parametrize("name", compact.NAMES)
def test_all_are_trained_alike(name):
    recipe, base = load_recipe(name), load_recipe(compact.BASE)
    assert (recipe.data, recipe.input, recipe.method) == (base.data, base.input, base.method)
    for key in ("batch", "lr", "optimizer", "schedule", "augment", "amp", "threads", "seed", "limit"):
        assert getattr(recipe.training, key) == getattr(base.training, key)
