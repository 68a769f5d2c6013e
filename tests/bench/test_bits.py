"""The study of bits: its networks have the bits that their rows name, and full precision has no quantizer at all."""

import json

import pytest
from brevitas.nn import QuantIdentity

from hwflow.bench import experiment
from hwflow.bench.bits import BITS, FULL, STUDIES, contenders, study_rows
from hwflow.bench.tables import FOLLOWS
from hwflow.train import load_recipe
from hwflow.train.layers import Conv, Dense
from hwflow.train.quantizers import FixedPoint


def network_of(study, contender):
    return load_recipe(study.setting.spec).network(contender.method, **contender.network)


@pytest.mark.parametrize("study", STUDIES, ids=lambda s: s.kind)
def test_every_network_has_the_bits_of_its_row(study):
    full, *few = contenders(study)
    assert full.name == FULL == study.setting.base
    assert not any(isinstance(m, Conv | Dense | QuantIdentity) for m in network_of(study, full).modules())
    assert [c.name for c in few] == ["8 bits", "4 bits", "2 bits", "1 bit"]
    for bits, contender in zip(BITS, few, strict=True):
        modules = list(network_of(study, contender).modules())
        weights = {m.weight_bits for m in modules if isinstance(m, Conv | Dense)}
        assert bits in weights <= {bits, 8}, "first and last layers alone have 8"
        between = {m.bits for m in modules if isinstance(m, FixedPoint)}
        assert between <= {bits, max(bits, 4)} and (bits == 1 or bits in between)


def test_rows_say_what_is_shown_against_full_precision_and_kept_runs_are_not_trained_again(tmp_path, monkeypatch):
    seen = []

    def measure(recipe):
        seen.append(recipe)
        plan, bits = recipe.training, recipe.method.act_bits
        loss = 0.0 if recipe.method.full or bits == 8 else 0.05 / bits
        accuracy = 0.9 + 0.002 * plan.seed - loss + 0.0001 * plan.seed * loss - 0.3 * (plan.lr != 0.008)
        return {"accuracy": accuracy, "seconds": 0.0, "history": [{"train_accuracy": 0.99}]}

    monkeypatch.setattr(experiment, "measure", measure)
    study, path, said = STUDIES[0], tmp_path / "bits.json", []
    rows = study_rows(study, path, said.append)
    assert len(seen) == 5 * (3 + 5)
    assert {(r.training.limit, r.training.epochs, r.training.batch) for r in seen} == {(1000, 30, 50)}
    assert {r.network.keywords["threshold"] for r in seen} == {None}
    assert [row.get("bits") for row in rows] == [FULL, "8 bits", "4 bits", "2 bits", "1 bit", None]
    assert {row["right in the last epoch of training [%]"] for row in rows[:-1]} == {"99.00"}
    assert rows[-1][FOLLOWS] == (
        "MLP: Worse than full precision: 4 bits (-1.25 points), 2 bits (-2.50 points), 1 bit (-5.00 points); "
        "no difference shown: 8 bits (+0.00 points) (Holm, 5 %)."
    )
    assert json.loads(path.read_text())["command"] == "hwflow bench bits"
    assert study_rows(study, path, said.append) == rows and len(seen) == 40
