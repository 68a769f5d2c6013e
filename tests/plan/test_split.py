"""A network over two boards: cut where one tensor crosses, both halves simulated together, exact with stalls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kills import contents
from small_nets import conv, signs

from hwflow.bits import BIPOLAR, Ints
from hwflow.board import load_board
from hwflow.build import Build
from hwflow.errors import RecipeError
from hwflow.flow import Target
from hwflow.net import Net
from hwflow.ops import Add, Dense, Port
from hwflow.plan.split import cost_shares, cuts, halves, split
from hwflow.simulate import system
from hwflow.split import split_model


def images(net: Net, n: int) -> np.ndarray:
    ints = net.input.ints
    return np.random.default_rng(4).integers(ints.lo, ints.hi + 1, (n, *net.input.shape))


def beside() -> Net:
    """Two layers side by side that are added: only their sum crosses alone."""
    rng = np.random.default_rng(2)
    ops = (
        Dense(name="a", inputs=("input",), weights=signs(rng, 6, 8)),
        Dense(name="b", inputs=("input",), weights=signs(rng, 6, 8)),
        Add(name="sum", inputs=("a", "b"), scales=(1, 1)),
        Dense(name="c", inputs=("sum",), weights=signs(rng, 2, 6)),
    )
    return Net("beside", Port((8,), BIPOLAR), ops)


def test_the_halves_one_after_the_other_are_the_network_wherever_it_is_cut():
    for net in (conv(), beside()):
        x = images(net, 20) if net.name == "conv" else np.random.default_rng(0).choice((-1, 1), (20, 8))
        assert cuts(net)
        for at in cuts(net):
            first, second = halves(net, at)
            middle = first.run(x).reshape(len(x), *second.input.shape)
            assert (second.run(middle) == net.run(x)).all()
    assert cuts(beside()) == [3], "a and b cross together, the sum alone"


@pytest.mark.slow
def test_both_tops_joined_by_their_streams_give_the_networks_answers_with_stalls(tmp_path: Path):
    net = conv()
    made = split(net, fps=100_000)
    x = images(net, 100)
    done = system.run(made.first.dataflow, made.second.dataflow, tmp_path, x, stalls=1)
    assert (done.outputs == net.run(x)).all()
    free = system.run(made.first.dataflow, made.second.dataflow, tmp_path, x[:12])
    assert free.cycles_per_image == made.cycles
    assert made.first.dataflow.output.bits == made.second.dataflow.input.bits


def test_the_cut_balances_the_halves_and_its_link_is_told():
    net = conv()
    board = load_board("icebreaker")
    made = split(net, board=board, fit=True)
    every = cost_shares(net, cuts(net), board, board.clock_mhz, None)
    assert max(made.shares) <= 1.1 * min(max(s) for s in every.values())
    stream = made.first.dataflow.output
    assert made.link_bits == stream.words * (-(-stream.bits // 8) * 8)
    assert made.link_rate(10.0) == pytest.approx(made.link_bits * 10 / made.cycles)


def test_a_network_that_no_single_tensor_divides_is_refused():
    rng = np.random.default_rng(2)
    net = Net("one", Port((8,), Ints(0, 3)), (Dense(name="a", inputs=("input",), weights=signs(rng, 6, 8)),))
    with pytest.raises(RecipeError, match="no place is crossed by one tensor alone"):
        split(net)


@pytest.mark.slow
def test_two_builds_and_a_system_come_of_a_network_and_each_build_stands_alone(tmp_path: Path, monkeypatch):
    net = conv()
    net.save(tmp_path / "net.npz")
    facts = split_model(str(tmp_path / "net.npz"), tmp_path / "both", Target(fps=100_000), images=20)
    assert facts["differing"] == 0 and facts["images"] == 20
    first, second = (Build.load(tmp_path / "both" / half) for half in ("first", "second"))
    x = images(net, 5)
    assert (second.net.run(first.net.run(x).reshape(5, *second.net.input.shape)) == net.run(x)).all()
    assert second.dataflow.units[0].name in ("link_width", *(u.name for u in second.dataflow.units))
    assert f"behind `{facts['behind']}`" in (tmp_path / "both" / "system" / "README.md").read_text()
    with pytest.raises(RecipeError, match="no part of a split"):
        split_model(str(tmp_path / "net.npz"), tmp_path, Target())
    before = contents(tmp_path / "both")

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(system, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        split_model(str(tmp_path / "net.npz"), tmp_path / "both", Target(fps=1000))
    assert contents(tmp_path / "both") == before, "a split that is stopped leaves both old halves"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["both", "net.npz"]
