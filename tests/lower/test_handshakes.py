"""Chains of handshakes: how long they are, and that fifos of two words cut them where they are too long."""

import numpy as np
import pytest

from hwflow.bits import Ints
from hwflow.generate.nets import random_folding, random_net
from hwflow.lower import cores, lower
from hwflow.lower.handshakes import LONGEST, cut_chains, cutting_fifos, longest_chain
from hwflow.lower.join import join, unjoin
from hwflow.net import Net
from hwflow.ops import Add, Port, Rescale, Threshold
from hwflow.plan import events
from hwflow.plan.fifos import size_fifos

BYTE = Ints(-128, 127)


def rescale(name, x, lo=-128, hi=127):
    return Rescale(name=name, inputs=(x,), mul=np.full(2, 3), add=np.zeros(2, int), shift=1, lo=lo, hi=hi)


def chain(n):
    """`n` rescales, one after another."""
    return Net("chain", Port((2, 2, 2), BYTE), tuple(rescale(f"r{k}", f"r{k - 1}" if k else "input") for k in range(n)))


def test_a_chain_of_pipelines_passes_ready_through_each_of_them():
    flow = lower(chain(7))
    found = longest_chain(flow)
    assert found.units == 7
    assert found.signals == (*(("r" + str(k), True) for k in range(6, -1, -1)), ("input", True))
    assert found.passed == tuple(range(8))


@pytest.mark.parametrize("longest", [1, 2, 3, 6])
def test_the_fewest_fifos_leave_no_chain_too_long(longest):
    net = chain(7)
    cuts = cut_chains(lower(net), longest)
    cut = join(net.name, net.input, cores(net), dict.fromkeys(cuts, 2))
    assert longest_chain(cut).units <= longest
    assert len(cuts) >= -(-7 // longest) - 1
    assert cutting_fifos(cut, longest) and not cut_chains(cut, longest)
    assert cuts <= {f"r{k}_fifo" for k in range(7)}


def test_a_chain_as_long_as_allowed_gets_no_fifo():
    assert not cut_chains(lower(chain(LONGEST)))
    assert len(cut_chains(lower(chain(LONGEST + 1)))) == 1


def test_ready_of_one_branch_follows_valid_of_the_other():
    net = Net(
        "branches",
        Port((2, 2, 2), BYTE),
        (
            rescale("a", "input"),
            Threshold(name="t", inputs=("a",), thresholds=np.zeros((2, 1)), falling=np.zeros(2, bool)),
            Add(name="s", inputs=("t", "a"), scales=(1, 1)),
        ),
    )
    units = cores(net)
    wires = join(net.name, net.input, units, {})
    # valid from the rescale's register through the fork; ready from the add through the threshold, the fork and the rescale
    assert longest_chain(wires).signals == (
        ("a", False), ("a_fork:1", False), ("t", True), ("a_fork", True), ("a", True), ("input", True)
    )  # fmt: skip
    assert longest_chain(wires).units == 5
    assert longest_chain(wires, frozenset({"t"})).signals[-3:] == (("a_fork:1", True), ("a", True), ("input", True))
    assert longest_chain(wires, frozenset({"t"})).units == 4


def test_some_sized_designs_need_a_fifo_for_their_chains():
    assert cutting_fifos(size_fifos(random_net(45), random_folding(random_net(45), 45)))


@pytest.mark.parametrize("seed", [1, 6, 45, 54, 57])
def test_sized_designs_have_no_long_chain_and_keep_their_pace(seed):
    net = random_net(seed)
    flow = size_fifos(net, random_folding(net, seed))
    assert longest_chain(flow).units <= LONGEST
    assert events.simulate(flow, 4).interval == flow.cycles
    x = np.zeros((1, *net.input.shape), int) + net.input.ints.hi
    assert np.array_equal(flow.run(x), net.run(x).reshape(1, -1))
    assert {u.name for u in unjoin(flow)} == {u.name for u in cores(net)}
