"""The loop: seeds, resume to the same bits, several processes, averages, schedules, what is written and what is refused."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import KIT
from train_worker import small

from hwflow.errors import ModelError, RecipeError, ToolError
from hwflow.recipe import Method, Training
from hwflow.train import data, export, load_recipe, loop, test_split, torch_outputs, train
from hwflow.train.data import real_batch
from hwflow.train.layers import Dense
from hwflow.train.recipes import known
from hwflow.train.run import Run, kept_run
from hwflow.train.schedule import learning_rate

test_split.__test__ = False  # type: ignore[attr-defined]


def states(out: Path) -> dict:
    return torch.load(out / loop.CHECKPOINT, weights_only=True)


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)  # type: ignore[attr-defined]
    return all(map(same, a, b)) if isinstance(a, list | tuple) else a == b


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{"ema": 0.9, "epochs": 3}, {"optimizer": "sgd", "lr": 0.05, "ema": 0.9, "augment": ("warp", "flip")}]
)
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, changes):
    recipe = small(**changes)
    for out, stops in (("whole", [None]), ("parts", [1, 3, None])):
        for i, stop in enumerate(stops):
            train(recipe, tmp_path / out, progress=False, resume=i > 0, stop_after=stop)
    whole, parts = states(tmp_path / "whole"), states(tmp_path / "parts")
    for key in ("model", "optimizer", "average", "done"):
        assert same(whole[key], parts[key]), key
    clocks = [[{k: v for k, v in row.items() if k != "seconds"} for row in s["history"]] for s in (whole, parts)]
    assert clocks[0] == clocks[1]
    assert (tmp_path / "whole" / loop.MODEL).read_bytes() == (tmp_path / "parts" / loop.MODEL).read_bytes()


def test_the_norms_of_averaged_weights_are_those_of_their_own_sums(tmp_path):
    recipe = small(ema=0.95, epochs=3)
    train(recipe, tmp_path, progress=False)
    kept = states(tmp_path)
    run = Run(recipe, torch.device("cpu"), kept=kept_run(recipe, tmp_path / loop.CHECKPOINT))
    first, norm = run.best_model()[:2]
    sums = [first(real_batch(recipe, x)) for x, _ in run.batches.epoch(3)]
    assert torch.allclose(norm.running_mean, torch.stack([y.mean(0) for y in sums]).mean(0), rtol=1e-4, atol=1e-4)
    assert torch.allclose(norm.running_var, torch.stack([y.var(0) for y in sums]).mean(0), rtol=1e-4)
    latest = run.model[:2].eval()
    assert not torch.equal(latest[1].running_mean, norm.running_mean)
    assert same(kept["average"], run.average), "what is kept is what is handed over"


@pytest.mark.slow
def test_a_run_killed_ten_times_at_random_ends_in_the_same_bits(tmp_path):
    worker, env = [sys.executable, str(KIT / "train_worker.py")], {**os.environ, "OMP_NUM_THREADS": "1"}
    met = {}
    for out, times in (("whole", 0), ("parts", 10)):
        run = subprocess.run(
            [*worker, str(tmp_path / out), "--killed", str(times)], env=env, capture_output=True, text=True, timeout=300
        )
        assert run.returncode == 0, run.stderr
        met[out] = int(run.stdout.split()[-1])
    assert met["whole"] == 0
    assert met["parts"] >= 3, "the run ended before it could be killed"
    whole, parts = states(tmp_path / "whole"), states(tmp_path / "parts")
    for key in ("model", "optimizer", "average", "done", "step", "twin"):
        assert same(whole[key], parts[key]), key
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in s["history"]] for s in (whole, parts)]
    assert rows[0] == rows[1]
    assert (tmp_path / "whole" / loop.MODEL).read_bytes() == (tmp_path / "parts" / loop.MODEL).read_bytes()


def test_a_run_stops_when_its_seconds_are_over_and_goes_on_in_the_middle_of_an_epoch(tmp_path):
    recipe = small(epochs=2)
    train(recipe, tmp_path / "whole", progress=False)
    parts = 0
    while not (tmp_path / "parts" / loop.METRICS).exists():
        train(recipe, tmp_path / "parts", progress=False, resume=True, seconds=0.0)
        parts += 1
    assert parts > 4, "every part makes one step, which is less than an epoch"
    assert same(states(tmp_path / "whole")["model"], states(tmp_path / "parts")["model"])


def test_another_seed_is_another_run(tmp_path):
    for seed in (0, 1):
        train(small(seed=seed, epochs=1), tmp_path / str(seed), progress=False)
    assert not same(states(tmp_path / "0")["model"], states(tmp_path / "1")["model"])


@pytest.mark.slow
def test_a_run_can_start_from_the_weights_of_another(tmp_path):
    first = train(small(epochs=3), tmp_path / "first", progress=False)
    still = train(small(epochs=1, lr=1e-12), tmp_path / "second", progress=False, start=tmp_path / "first")
    assert still["start"]["epochs"] == 3
    assert still["start"]["recipe"]["training"]["epochs"] == 3
    weights = [states(tmp_path / out)["model"]["0.parametrizations.weight.original"] for out in ("first", "second")]
    assert torch.allclose(*weights, atol=1e-9)
    assert first["start"] is None
    third = train(small(epochs=1), tmp_path / "third", progress=False, start=tmp_path / "second")
    assert third["start"]["epochs"] == 4


def test_the_weights_of_another_network_are_refused(tmp_path):
    train(small(epochs=1), tmp_path / "first", progress=False)
    wide = load_recipe("mlp:digits").network
    other = replace(small(epochs=1), network=lambda method: wide(method, width=32, hidden=1))  # type: ignore[call-arg]
    with pytest.raises(RecipeError, match="holds the weights of another network than"):
        train(other, tmp_path / "second", progress=False, start=tmp_path / "first")


def test_a_checkpoint_goes_on_that_is_older_than_a_field_of_method_or_training(tmp_path):
    train(small(epochs=2), tmp_path, progress=False, stop_after=1)
    kept = states(tmp_path)
    del kept["recipe"]["method"]["real_until"], kept["recipe"]["training"]["warp"]
    kept["recipe"]["plan"] = kept["recipe"].pop("training")  # as it was once called
    torch.save(kept, tmp_path / loop.CHECKPOINT)
    assert train(small(epochs=2), tmp_path, progress=False, resume=True)["epochs"] == 2
    kept["recipe"]["plan"]["lr"] = 1.0
    torch.save(kept, tmp_path / loop.CHECKPOINT)
    with pytest.raises(RecipeError, match="was trained with another training"):
        train(small(epochs=2), tmp_path, progress=False, resume=True)


def test_resume_refuses_another_recipe_and_a_broken_checkpoint(tmp_path):
    train(small(), tmp_path, progress=False, stop_after=1)
    with pytest.raises(RecipeError, match="was trained with another training"):
        train(small(lr=1.0), tmp_path, progress=False, resume=True)
    path = tmp_path / loop.CHECKPOINT
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(RecipeError, match="is not a whole checkpoint"):
        train(small(), tmp_path, progress=False, resume=True)
    with pytest.raises(RecipeError, match="does not exist; train the recipe first"):
        torch_outputs(tmp_path / "nowhere", np.zeros((1, 64), np.uint8))


@pytest.mark.slow
def test_two_processes_give_the_loss_curve_of_one(tmp_path):
    worker = KIT / "train_worker.py"
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    for count in (1, 2):
        subprocess.run(
            [*run, str(count), str(worker), str(tmp_path / str(count))],
            check=True,
            env=env,
            capture_output=True,
            timeout=300,
        )
    one, two = (json.loads((tmp_path / str(n) / "history.json").read_text()) for n in (1, 2))
    assert len(one) == 3
    for a, b in zip(one, two, strict=True):
        assert math.isclose(a["loss"], b["loss"], rel_tol=2e-3), (a, b)
        assert abs(a["train_accuracy"] - b["train_accuracy"]) <= 0.01


def test_digits_train_export_and_answer_from_the_checkpoint(tmp_path):
    recipe = load_recipe("mlp:digits")
    recipe = replace(recipe, training=replace(recipe.training, epochs=3))
    metrics = train(recipe, tmp_path, progress=False)
    kept = json.loads((tmp_path / loop.METRICS).read_text())
    assert kept == json.loads(json.dumps(metrics))
    x, y = test_split(recipe)
    assert (x.dtype, x.shape, x.max()) == (np.uint8, (360, 64), 16)
    scores = torch_outputs(tmp_path, x)
    assert metrics["accuracy"] == (scores.argmax(1) == y).mean() > 0.85
    assert metrics["images"] == 360
    file = onnx.load(tmp_path / loop.MODEL)
    assert {p.key: p.value for p in file.metadata_props} == {"hwflow.input": "u8/16", "hwflow.recipe": "mlp:digits"}
    assert np.array_equal(export.execute(tmp_path / loop.MODEL, x.astype(np.float32) / 16)[0], scores)
    assert {r["kind"] for r in metrics["diagnostics"]} == {"weight", "act"}
    assert all(
        0 <= r["entropy"] <= 1 and 0 <= r["updatable"] <= 1 and r["gradient"] >= 0 for r in metrics["diagnostics"]
    )
    assert len(metrics["history"]) == 3
    assert all(
        [r["name"] for r in row["layers"]] == [r["name"] for r in metrics["diagnostics"]] for row in metrics["history"]
    )
    assert metrics["history"][-1]["layers"] == metrics["diagnostics"] != metrics["history"][0]["layers"]
    assert (tmp_path / loop.CURVES).stat().st_size > 1000


def test_an_export_that_differs_from_pytorch_fails(tmp_path, monkeypatch):
    recipe = small()
    model = recipe.network(recipe.method)
    x = test_split(recipe)[0][:20]
    honest = export.write

    def raw_weights(frozen, example, recipe, path):
        # what Brevitas alone would write: weights that were never balanced
        raw = [m.parametrizations.weight.original for m in model.modules() if hasattr(m, "parametrizations")]
        for weight, layer in zip(raw, (m for m in frozen.modules() if isinstance(m, Dense)), strict=True):
            layer.weight.data.copy_(weight + 0.2)
        honest(frozen, example, recipe, path)

    monkeypatch.setattr(export, "write", raw_weights)
    with pytest.raises(ModelError, match="differs from PyTorch in"):
        export.export(model, recipe, x, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"rbd": 1.0}, {"logits": 0.5}, {"label_smoothing": 0.1, "warmup": 1}, {"schedule": "onecycle"},
                                     {"ema": 0.95}, {"scale_decay": 1e-3, "method": Method(weights="trained", estimator="longtail")}])  # fmt: skip
def test_every_addition_to_the_loss_trains(tmp_path, changes):
    metrics = train(small(epochs=8, teacher_epochs=2, **changes), tmp_path, progress=False)
    losses = [row["loss"] for row in metrics["history"]]
    assert losses[-1] < losses[0]
    assert metrics["accuracy"] > 0.5


def test_half_precision_trains_where_the_processor_has_it_and_changes_nothing_elsewhere(tmp_path, monkeypatch):
    for name, has in (("half", True), ("whole", False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: {"avx512_bf16": has})
        metrics = train(small(amp=True), tmp_path / name, progress=False, stop_after=2)
        assert metrics["history"][-1]["loss"] < metrics["history"][0]["loss"]
    train(small(), tmp_path / "plain", progress=False, stop_after=2)
    half, whole, plain = (states(tmp_path / name)["model"] for name in ("half", "whole", "plain"))
    assert same(whole, plain)
    assert not same(half, plain)


def test_learning_rates_follow_their_curves():
    cosine = Training(lr=2.0, warmup=2, epochs=10)
    rates = [learning_rate(cosine, s, 100, 10) for s in range(100)]
    assert rates[0] == 0.1
    assert rates[19] == rates[20] == 2.0
    assert math.isclose(rates[60], 2.0 * 0.5 * (1 + math.cos(math.pi * 0.5)))
    assert rates[-1] < 0.01
    once = [learning_rate(replace(cosine, schedule="onecycle"), s, 100, 10) for s in range(100)]
    assert max(range(100), key=once.__getitem__) in (29, 30)
    assert learning_rate(replace(cosine, schedule="constant", warmup=0), 77, 100, 10) == 2.0


def test_batches_cover_every_image_once_and_processes_share_them():
    train_set = data.load("digits")[0]
    training = Training(batch=100, augment=("shift", "warp", "flip"), shift=1)
    whole = list(data.Batches(train_set, training, torch.device("cpu")).epoch(3))
    assert len(whole) == len(train_set) // 100
    parts = [list(data.Batches(train_set, training, torch.device("cpu"), rank, 2).epoch(3)) for rank in (0, 1)]
    for (x, y), (x0, y0), (x1, y1) in zip(whole, *parts, strict=True):
        assert torch.equal(x, torch.cat([x0, x1]))
        assert torch.equal(y, torch.cat([y0, y1]))
    order = torch.cat(
        [y for _, y in data.Batches(train_set, replace(training, augment=()), torch.device("cpu")).epoch(0)]
    )
    assert len(order) == len(train_set) // 100 * 100
    with pytest.raises(RecipeError, match="batch must be a multiple of the 3 processes, not 100"):
        data.Batches(train_set, training, torch.device("cpu"), 0, 3)


def test_shift_cuts_each_image_at_its_own_place():
    x = torch.arange(2 * 9, dtype=torch.uint8).view(2, 1, 3, 3) + 1
    y = data.shifted(x, torch.tensor([[1, 1], [0, 2]]), 1)
    assert torch.equal(y[0], x[0])
    assert y[1, 0].tolist() == [[0, 0, 0], [11, 12, 0], [14, 15, 0]]


def test_a_warp_of_nothing_changes_nothing():
    x = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    still = torch.zeros(3, 4 + 2 * data.FIELD**2)
    assert torch.equal(data.warped(x, still), x)
    assert not torch.equal(data.warped(x, still + 0.5), x)


def test_a_folder_of_images_is_a_dataset(tmp_path):
    from PIL import Image

    for label, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for i in range(5):
            Image.new("RGB", (9, 7), (10 * i, label, 0)).save(tmp_path / name / f"{i}.png")
    train_set, held = data.load(f"folder:{tmp_path}@8")
    assert train_set.x.shape == (8, 8, 8, 3)
    assert held.y.tolist() == [0, 1]
    with pytest.raises(RecipeError, match="there is no folder"):
        data.load("folder:/nowhere/at/all")
    with pytest.raises(RecipeError, match="must hold at least 2"):
        data.load(f"folder:{tmp_path / 'cat'}")


def test_unknown_recipes_and_data_are_refused_with_what_exists():
    assert load_recipe("mlp").name == "digits"
    assert load_recipe("sfc").name == "sfc"
    assert "resnet:resnet20" in known()
    with pytest.raises(RecipeError, match=r"nonsense: is no model file and no recipe; there are .*mlp:digits"):
        load_recipe("nonsense")
    with pytest.raises(RecipeError, match=r"has no recipe 'huge'; it has digits, tfc, sfc, .*lfc"):
        load_recipe("mlp:huge")
    with pytest.raises(RecipeError, match="data: must be one of digits, mnist, fashion, cifar10"):
        data.load("imagenet")


def test_a_model_file_that_is_wrong_is_one_clear_error(tmp_path):
    texts = {
        "x = ": "could not be read",
        "x = 1": "defines no RECIPES",
        "import sys; sys.exit(0)": "could not be read",  # else the command would end as if it had trained
        "RECIPES = {'a': 5}": "RECIPES holds int under 'a'",
        "from hwflow.recipe import Training; Training(momentum=float('nan'))": "momentum must be a finite number",
        "from hwflow.recipe import Training; Training(seed=-1)": "seed must be 0",
        "from hwflow.recipe import Training; Training(epochs=10**20)": "epochs must be 1",
        "from hwflow.recipe import Method; Method(t_max=float('inf'))": "t_max must be a finite number",
    }
    for text, match in texts.items():
        path = tmp_path / f"m{len(text)}.py"
        path.write_text(text)
        with pytest.raises(RecipeError, match=match):
            load_recipe(str(path))


def test_a_download_with_a_wrong_checksum_is_thrown_away(tmp_path, monkeypatch):
    source = tmp_path / "source.bin"
    source.write_bytes(b"not the images")
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HWFLOW_DATA", raising=False)
    monkeypatch.delenv("HWFLOW_SHARED", raising=False)
    with pytest.raises(ToolError, match="which must be 1234"):
        data.fetch("mnist", "x.gz", source.as_uri(), "sha256:1234")
    assert not list((tmp_path / "cache").rglob("x.gz*"))
    right = "md5:" + __import__("hashlib").md5(b"not the images").hexdigest()
    assert data.fetch("mnist", "x.gz", source.as_uri(), right).read_bytes() == b"not the images"
    with pytest.raises(ToolError, match="could not download"):
        data.fetch("mnist", "y.gz", (tmp_path / "absent").as_uri(), right)
