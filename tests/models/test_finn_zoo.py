"""Networks nobody here wrote: FINN's zoo files compile, verify and score what their own execution scores."""

import numpy as np
import pytest
from conftest import shared

from hwflow import flow
from hwflow.qonnx import reference
from hwflow.simulate import simulate
from hwflow.verify import verify


@pytest.fixture(scope="module")
def tfc(tmp_path_factory):
    model = shared("models/TFC_1W1A.onnx")
    return flow.compile_model(str(model), tmp_path_factory.mktemp("tfc"), flow.Target(fps=1_000_000), "u8/255")


@pytest.mark.slow
def test_tfc_scores_what_its_own_execution_scores(tfc, mnist_test):
    x, labels = mnist_test
    mine = tfc.net.labels(simulate(tfc, x, "c").outputs)
    theirs = reference(tfc.model, x, "u8/255").argmax(1)
    assert (mine == theirs).all()
    assert (mine == labels).mean() == pytest.approx(0.9296, abs=0)


@pytest.mark.slow
def test_tfc_is_exact_in_c_on_ten_thousand_images(tfc, mnist_test):
    x, _ = mnist_test
    assert (simulate(tfc, x, "c").outputs == tfc.net.run(x)).all()


@pytest.mark.slow
def test_tfc_climbs_the_whole_ladder(tfc, mnist_test):
    x, _ = mnist_test
    done = verify(tfc, x, n=100)
    assert set(done.skipped) == {"torch"}
    assert done.exact, done.rungs
    assert done.measured["cycles_per_image"] == tfc.dataflow.cycles


@pytest.mark.parametrize(("name", "accuracy"), [("TFC_1W2A", 0.9474)])
def test_two_bit_activations_fold_too(name, accuracy, mnist_test):
    net = flow.integers_of(str(shared(f"models/{name}.onnx")), "u8/255")
    x, labels = mnist_test
    assert (net.labels(net.run(x)) == labels).mean() == pytest.approx(accuracy, abs=5e-5)
    assert np.array_equal(
        net.labels(net.run(x[:1000])), reference(shared(f"models/{name}.onnx"), x[:1000], "u8/255").argmax(1)
    )
