"""The experiment: each at its best rate, compared with seeds of its own, kept as it grows, judged by a paired test."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student

from hwflow.bench import experiment
from hwflow.bench.experiment import BASE, CONTENDERS, Contender, Setting, compare, summarise, verdict
from hwflow.bench.tables import FOLLOWS
from hwflow.errors import RecipeError
from hwflow.recipe import Method

SETTING = Setting("mlp:digits", "t.json", 2, 64, rates=(0.001, 0.02, 0.5), seeds=(1, 2, 3))


def told(recipe):
    """Made-up accuracies: EDE gains a point with every seed, and everything is best at rate 0.02."""
    plan = recipe.training
    gain = 0.01 if recipe.method.estimator == "ede" else 0.0
    return {
        "accuracy": 0.9 + 0.002 * plan.seed + gain + 0.001 * plan.seed * gain - 0.3 * (plan.lr != 0.02),
        "seconds": 0.0,
        "history": [{"train_accuracy": 0.95}],
    }


def test_every_contender_runs_at_its_best_rate_with_seeds_that_did_not_choose_it(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(experiment, "measure", lambda recipe: seen.append(recipe) or told(recipe))
    some = tuple(c for c in CONTENDERS if c.name in ("STE", BASE, "EDE"))
    rows = compare(SETTING, tmp_path / "t.json", some)
    assert len(seen) == 3 * (3 + 3)
    assert {(r.training.epochs, r.training.batch, r.training.augment, r.training.schedule) for r in seen} == {
        (2, 64, (), "cosine")
    }
    assert [r.training.seed for r in seen[:6]] == [0, 0, 0, 1, 2, 3]
    assert [row["rate"] for row in rows] == [0.02] * 3
    again = compare(SETTING, tmp_path / "t.json", some)
    assert again == rows
    assert len(seen) == 18, "what is kept is not trained again"
    with pytest.raises(RecipeError, match=r"was made with epochs 2, not 3"):
        compare(Setting("mlp:digits", "t.json", 3, 64, SETTING.rates, SETTING.seeds), tmp_path / "t.json", some)


def test_an_interrupted_experiment_goes_on(tmp_path, monkeypatch):
    count = iter(range(5))

    def measure(recipe):
        next(count)
        return told(recipe)

    some = (Contender(BASE, Method(weights="sign", estimator="ste")),)
    monkeypatch.setattr(experiment, "measure", measure)
    with pytest.raises(StopIteration):
        compare(SETTING, tmp_path / "t.json", some)
    kept = json.loads((tmp_path / "t.json").read_text())["runs"][BASE]
    assert (len(kept["sweep"]), len(kept["accuracies"])) == (3, 2)
    monkeypatch.setattr(experiment, "measure", told)
    (row,) = compare(SETTING, tmp_path / "t.json", some)
    assert row["accuracies"] == pytest.approx([0.902, 0.904, 0.906])


def test_a_best_rate_at_the_edge_is_looked_beyond(tmp_path, monkeypatch):
    def measure(recipe):
        return {
            "accuracy": 0.9 - abs(np.log2(recipe.training.lr / 0.005)) / 100,
            "seconds": 0.0,
            "history": [{"train_accuracy": 0.95}],
        }

    monkeypatch.setattr(experiment, "measure", measure)
    some = (Contender(BASE, Method(weights="sign", estimator="ste")),)
    edge = Setting("mlp:digits", "t.json", 2, 64, rates=(0.02, 0.08), seeds=(1, 2))
    (row,) = compare(edge, tmp_path / "t.json", some)
    assert row["rate"] == 0.005
    kept = json.loads((tmp_path / "t.json").read_text())
    assert list(kept["runs"][BASE]["sweep"]) == ["0.02", "0.08", "0.005", "0.00125"]
    # accuracies of another rate are not taken over
    kept["runs"][BASE]["rate"] = 0.02
    kept["runs"][BASE]["accuracies"] = {"1": 0.1, "2": 0.1}
    (tmp_path / "t.json").write_text(json.dumps(kept))
    (row,) = compare(edge, tmp_path / "t.json", some)
    assert row["accuracies"] == pytest.approx([0.9, 0.9])


def test_contenders_of_the_cnn_without_all_their_runs_are_named_and_not_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "measure", told)
    monkeypatch.setattr(experiment, "MODELS", tmp_path)
    monkeypatch.setattr(experiment, "MLP", replace(SETTING, file="mlp.json"))
    monkeypatch.setattr(experiment, "CNN", replace(SETTING, file="cnn.json", without=("AdaBin",)))
    monkeypatch.setattr(
        experiment, "CONTENDERS", tuple(c for c in CONTENDERS if c.name in (BASE, "EDE", "STE", "AdaBin"))
    )
    (tmp_path / "trained").mkdir()
    assert len(experiment.rows(lambda _: None)) == 4 + 1, "the MLP's contenders and a sentence; nothing of the CNN"
    experiment.main(["cnn", "--only", "EDE"])
    kept = json.loads((tmp_path / "trained" / "cnn.json").read_text())
    kept["runs"]["STE"] = {"sweep": {"0.02": 0.9}, "accuracies": {"1": 0.9}}
    (tmp_path / "trained" / "cnn.json").write_text(json.dumps(kept))
    found = experiment.rows(lambda _: None)
    assert [row.get("method") for row in found[5:]] == [BASE, "EDE", None]
    assert found[-1][FOLLOWS].endswith("(Holm, 5 %). Not compared yet: STE.")
    assert json.loads((tmp_path / "trained" / "cnn.json").read_text())["runs"]["STE"]["accuracies"] == {"1": 0.9}


def table(**accuracies):
    runs = {name: {"rate": 1.0, "accuracies": dict(enumerate(values))} for name, values in accuracies.items()}
    return {"runs": {BASE if name == "base" else name: run for name, run in runs.items()}}


def test_the_paired_test_is_students_and_ties_are_called_ties():
    base, other = [0.91, 0.93, 0.90, 0.92, 0.94], [0.95, 0.96, 0.95, 0.96, 0.97]
    worse, tie = [0.81, 0.84, 0.80, 0.81, 0.85], [0.92, 0.92, 0.91, 0.91, 0.95]
    rows = summarise(table(base=base, better=other, worse=worse, tie=tie, twin=base))
    by_name = {row["name"]: row for row in rows}
    d = np.subtract(other, base)
    p = 2 * student.sf(abs(d.mean() / (d.std(ddof=1) / 5**0.5)), 4)
    assert by_name["better"]["p"] == pytest.approx(p)
    assert by_name["better"]["gain"] == pytest.approx(100 * d.mean())
    assert by_name["twin"]["p"] == 1.0
    assert verdict(rows) == (
        "Better than STE + Hardtanh: better (+3.80 points); worse than STE + Hardtanh: worse (-9.80 points); "
        "no difference shown: tie (+0.20 points), twin (+0.00 points) (Holm, 5 %)."
    )


def test_holm_corrects_for_the_number_of_comparisons():
    rows = [{"name": BASE, "gain": 0.0, "p": 1.0}] + [{"name": f"m{i}", "gain": 1.0, "p": 0.02} for i in range(3)]
    assert verdict(rows).startswith("No difference shown")
    assert verdict([rows[0], rows[1] | {"p": 0.01}]).startswith("Better than STE + Hardtanh: m0")


def test_the_contenders_are_the_papers_and_differ():
    assert len({(c.method, str(c.training)) for c in CONTENDERS}) == len(CONTENDERS) == 12
    assert {c.name for c in CONTENDERS} >= {BASE, *experiment.MLP.without, *experiment.CNN.without}
