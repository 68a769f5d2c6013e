"""Random networks of every operator: the integers answer what the real arithmetic answers, on every element."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hwflow import proof
from hwflow.errors import ModelError
from hwflow.fold import first_difference, fold
from hwflow.fold.trace import integers_of
from hwflow.generate import choices, drawn_file
from hwflow.generate.nets import random_images
from hwflow.net import Net
from hwflow.qonnx import read


def compared(folder, choose, rng):
    """One random network through fold and every comparison; None where it is refused for a stated reason."""
    file, path = drawn_file(choose, rng), folder / "net.onnx"
    path.write_bytes(file.model.SerializeToString())
    try:
        graph = read(path, file.input)
        net = fold(graph)
    except ModelError as e:
        assert all(f.remedy for f in e.findings)
        return None
    x = random_images(net, 16, int(rng.integers(1 << 30)), ends=True)
    assert first_difference(net, integers_of(graph, net, x), x) is None
    assert not proof.differing(net, graph, proof.exported(graph, x), net.run(x)).any()
    for name, values in net.values(x).items():
        assert values in net.ports[name].ints, f"{name} leaves its range"
    return net


def of_seed(folder, seed):
    rng = np.random.default_rng(seed)
    return compared(folder, choices(rng), rng)


@pytest.mark.parametrize("block", range(5))
def test_networks_of_a_fixed_seed(block, tmp_path):
    nets = [of_seed(tmp_path, seed) for seed in range(1000 + 30 * block, 1030 + 30 * block)]
    assert sum(n is not None for n in nets) >= 15, "most random networks must fold"


@pytest.mark.slow
@settings(
    max_examples=500, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_five_hundred_networks_that_hypothesis_draws(data, tmp_path):
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    compared(tmp_path, lambda lo, hi: data.draw(st.integers(lo, hi)), rng)


def test_a_saved_net_answers_the_same(tmp_path):
    net = next(net for net in (of_seed(tmp_path, seed) for seed in range(5, 15)) if net is not None)
    net.save(tmp_path / "net.npz")
    x = random_images(net, 9)
    assert np.array_equal(Net.load(tmp_path / "net.npz").run(x), net.run(x))


def test_the_first_difference_names_operation_channel_and_values(tmp_path):
    drawn = (of_seed(tmp_path, seed) for seed in range(1003, 1040))
    net = next(net for net in drawn if net is not None and len(net.ops) > 3)
    x = np.zeros((2, *net.input.shape), int) + (1 if net.input.ints.is_bipolar else net.input.ints.lo)
    values = net.values(x)
    op = net.ops[1]
    spoilt = values[op.name].copy()
    spoilt[1].flat[-1] += 1
    found = first_difference(net, values | {op.name: spoilt}, x)
    assert found is not None and (found.name, found.image, found.count, found.got - found.want) == (op.name, 1, 1, 1)
    assert op.name in str(found)
