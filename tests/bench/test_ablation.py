"""The table of methods: equal budgets, kept as it grows, told as Markdown; and the cost of a step is measured."""

import json

import pytest

from hwflow.bench import ablation
from hwflow.bench.training import step_cost
from hwflow.errors import RecipeError


@pytest.mark.slow
def test_a_table_is_kept_gone_on_with_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, "ROWS", ablation.ROWS[:1] + ablation.ROWS[4:5])
    path, said = tmp_path / "t.json", []
    ablation.run("mlp:digits", path, epochs=1, limit=128, seeds=1, say=said.append)
    rows = ablation.run("mlp:digits", path, epochs=1, limit=128, seeds=2, say=said.append)
    assert [r["name"] for r in rows] == ["STE", "DTE + IMB + RBD"]
    assert len(said) == 4, "a finished seed is not trained again"
    for row in rows:
        a, b = row["accuracies"]
        assert row["mean"] == pytest.approx((a + b) / 2, abs=1e-5)
        assert row["deviation"] == pytest.approx(abs(a - b) / 2**0.5, abs=1e-5)
    text = ablation.markdown(path)
    monkeypatch.setattr(ablation, "MODELS", tmp_path)
    monkeypatch.setattr(ablation, "TABLES", (("mlp:digits", "t.json", 1, 128, 2),))
    (tmp_path / "trained").mkdir()
    path.rename(tmp_path / "trained" / path.name)
    told = ablation.rows(said.append)
    assert len(said) == 4, "what is kept is not trained again"
    assert [(r["method"], r["data"], r["seeds"]) for r in told] == [(r["name"], "digits", 2) for r in rows]
    path = tmp_path / "trained" / path.name
    assert "| STE | " in text
    assert (
        "1 epochs over 128 training images: `python -m hwflow.bench.ablation mlp:digits t.json --epochs 1 --limit 128 --seeds 2`"
        in text
    )
    assert "/" not in json.loads(path.read_text())["command"].replace("hwflow", "")
    with pytest.raises(RecipeError, match="was made with epochs 1, not 2"):
        ablation.run("mlp:digits", path, epochs=2, limit=128, seeds=1)


@pytest.mark.slow
def test_the_cost_of_a_step_is_measured_beside_plain_brevitas():
    for row in step_cost(rounds=6):
        assert row["imb_dte_s"] > 0 and row["brevitas_s"] > 0, row
        assert row["ratio"] < 4, row  # a band that only a broken step leaves; the number itself is `hwflow bench train`
