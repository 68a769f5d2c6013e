"""The profile says where the engine's time goes: every step once, its products counted, its share of the whole."""

import numpy as np
import pytest

from hwflow import tools
from hwflow.bench.cpu import macs
from hwflow.bits import BIPOLAR
from hwflow.emit.c_program import make_program
from hwflow.generate.nets import random_images, tfc
from hwflow.net import Net
from hwflow.ops import Conv, Port, Recurrent
from hwflow.predict import load
from hwflow.simulate import c
from hwflow.simulate.profile import work

pytestmark = pytest.mark.skipif(tools.find("g++") is None, reason="no C++ compiler: apt install g++")


@pytest.fixture
def user(tmp_path, monkeypatch):
    monkeypatch.setattr(c, "FAST", ("-O0", *c.FLAGS[1:]))
    net = tfc(3)
    net.save(tmp_path / "net.npz")
    return load(tmp_path)


@pytest.mark.slow
def test_a_profile_has_every_layer_its_products_and_its_share(user):
    found = user.profile()
    layers = [row for row in found.rows if row.products]
    assert sum(row.products for row in layers) == macs(user.net)
    assert [row.products for row in layers] == [784 * 64, 64 * 64, 64 * 64, 64 * 10]
    assert abs(sum(row.share for row in found.rows) - 1) < 1e-9
    assert all(row.us > 0 for row in layers) and found.us == sum(row.us for row in found.rows)
    assert all(np.isclose(row.gmac_s, row.products / row.us / 1e3) for row in layers)


@pytest.mark.slow
def test_a_profile_prints_a_table_that_names_what_to_look_at(user):
    found = user.profile("plain")
    text = str(found)
    assert text.startswith("TFC on the plain path: ")
    assert "dense 784 to 64 bits + pack" in text
    assert text.splitlines()[-1].startswith(found.slowest.name)


@pytest.mark.slow
def test_a_profile_changes_no_answer(user):
    x = random_images(user.net, 20)
    before = user.predict(x)
    user.profile()
    assert (user.predict(x) == before).all()


def test_a_profile_says_what_a_recurrent_step_does():
    """Planted: without a case for it the profile of such a network ended in an assertion."""
    rng = np.random.default_rng(5)
    ops = (
        Conv(name="sums", inputs=("input",), weights=rng.choice((-1, 1), (4, 1, 1, 3))),
        Recurrent(
            name="states", inputs=("sums",), weights=rng.choice((-1, 1), (4, 4)), thresholds=np.zeros((4, 1)), start=np.ones(4), bipolar=True,
        ),
    )  # fmt: skip
    program = make_program(Net(name="rows", input=Port((5, 1, 3), BIPOLAR), ops=ops))
    assert [step.routine for step in program.steps] == ["join", "gemm", "recurrent"]
    assert [work(step) for step in program.steps][1:] == ["1x1 3 to 4 bits + store", "recurrent + store"]
