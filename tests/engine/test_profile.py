"""The profile says where the engine's time goes: every step once, its products counted, its share of the whole."""

import numpy as np
import pytest

from hwflow import tools
from hwflow.bench.cpu import macs
from hwflow.generate.nets import random_images, tfc
from hwflow.predict import load
from hwflow.simulate import c

pytestmark = pytest.mark.skipif(tools.find("g++") is None, reason="no C++ compiler: apt install g++")


@pytest.fixture
def user(tmp_path, monkeypatch):
    monkeypatch.setattr(c, "FAST", ("-O0", *c.FLAGS[1:]))
    net = tfc(3)
    net.save(tmp_path / "net.npz")
    return load(tmp_path)


def test_a_profile_has_every_layer_its_products_and_its_share(user):
    found = user.profile()
    layers = [row for row in found.rows if row.products]
    assert sum(row.products for row in layers) == macs(user.net)
    assert [row.products for row in layers] == [784 * 64, 64 * 64, 64 * 64, 64 * 10]
    assert abs(sum(row.share for row in found.rows) - 1) < 1e-9
    assert all(row.us > 0 for row in layers) and found.us == sum(row.us for row in found.rows)
    assert all(np.isclose(row.gmac_s, row.products / row.us / 1e3) for row in layers)


def test_a_profile_prints_a_table_that_names_what_to_look_at(user):
    found = user.profile("plain")
    text = str(found)
    assert text.startswith("TFC on the plain path: ")
    assert "dense 784 to 64 bits + pack" in text
    assert text.splitlines()[-1].startswith(found.slowest.name)


def test_a_profile_changes_no_answer(user):
    x = random_images(user.net, 20)
    before = user.predict(x)
    user.profile()
    assert (user.predict(x) == before).all()
