"""Every forward x backward pair and every network: one step, export, and torch == QONNX == Net to the last bit.

Export itself compares the file, run by qonnx, with PyTorch; here the integers of the folded net join in.
"""

import model_zoo
import numpy as np
import pytest

from hwflow.errors import ModelError
from hwflow.fold import fold
from hwflow.qonnx import check, read

QUICK = ("imb-dte", "trained-longtail", "w2a2", "conv-trained", "react", "conv-react", "conv-adabin")


def climb(name: str, folder) -> None:
    sample = model_zoo.make(name, folder)
    net = fold(read(sample.path))
    answers = net.run(sample.x)
    assert np.array_equal(net.scores(answers), sample.scores), (
        f"{name}: {(net.scores(answers) != sample.scores).sum()} differ"
    )
    assert np.array_equal(net.labels(answers), sample.scores.argmax(1))
    assert len(np.unique(sample.scores, axis=0)) > 5, "images that all score the same prove nothing"


@pytest.mark.parametrize("name", QUICK)
def test_torch_qonnx_and_net_agree(name, tmp_path):
    climb(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in (*model_zoo.PAIRS, *model_zoo.FORMS) if n not in QUICK])
def test_torch_qonnx_and_net_agree_for_every_method(name, tmp_path):
    climb(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in model_zoo.NETWORKS if n not in QUICK])
def test_torch_qonnx_and_net_agree_for_every_network(name, tmp_path):
    climb(name, tmp_path)


def test_dynamic_activation_shift_trains_and_exports_but_the_compiler_refuses_it(tmp_path):
    recipe, sizes = model_zoo._net("cnv", channels=(6, 5), width=11, side=9, colours=1)
    method = model_zoo.Method(weights="wsd", acts="asd-dynamic", estimator="ede")
    model = recipe.network(method, **sizes)
    x = np.random.default_rng(3).integers(0, 256, (10, 9, 9, 1), dtype=np.uint8)
    model_zoo.one_step(model, recipe, x)
    path = tmp_path / "dynamic.onnx"
    frozen = model_zoo.freeze(model)
    from hwflow.train.export import write

    write(frozen, model_zoo.real_input(recipe, x[:1]), recipe, path)
    assert check(path)
    with pytest.raises(ModelError):
        fold(read(path))
