"""Rewrites of a network: each rule fires, stays still where it must, and keeps every integer of random networks."""

from dataclasses import replace

import numpy as np
import pytest

from hwflow import ops
from hwflow.bits import BIPOLAR, Ints
from hwflow.generate.nets import random_images, raw_net
from hwflow.net import Net
from hwflow.ops import Add, Conv, Dense, Flatten, MaxPool, Port, SumPool, Threshold
from hwflow.passes import canonical, merge_pools, needed, rewrite, rising, thresholds_first

RULES = (thresholds_first, merge_pools, rising)
RNG = np.random.default_rng(11)


def conv(name="c", source="input", channels=3, rows=5):
    return Conv(name=name, inputs=(source,), weights=RNG.integers(-3, 4, (rows, 3, 3, channels)), pads=(1, 1, 1, 1))


def pool(name="p", source="c", kernel=2, stride=None, channels=5, **more):
    more.setdefault("minimum", RNG.random(channels) < 0.5)
    stride = stride or kernel
    return MaxPool(name=name, inputs=(source,), kernel=(kernel, kernel), stride=(stride, stride), **more)


def threshold(name="t", source="p", channels=5, levels=3, falling=None):
    t = np.sort(RNG.integers(-20, 20, (channels, levels)), 1)
    falling = RNG.random(channels) < 0.5 if falling is None else np.full(channels, falling)
    return Threshold(name=name, inputs=(source,), thresholds=t, falling=falling, base=-2)


def net_of(*made, shape=(8, 8, 3), ints=None):
    return Net("made", Port(shape, ints or Ints(-4, 3)), tuple(made))


def same(a, b, seed=0):
    """True where both answer alike over the whole range of what they take."""
    x = random_images(a, 12, seed)
    return np.array_equal(a.run(x), b.run(x))


def kinds(net):
    return [f"{type(op).__name__} {op.name}" for op in net.ops]


# -- needed


def test_operations_the_answer_does_not_need_are_dropped():
    net = net_of(conv("dead"), conv("dead3", "dead", 5), conv(), conv("dead2", "c", 5))
    net = replace(net, ops=(*net.ops, threshold(source="c", falling=False)))
    assert [op.name for op in needed(net.ops, "t")] == ["c", "t"]
    assert kinds(canonical(net)) == ["Conv c", "Threshold t"]
    assert same(canonical(net), net)


def test_operations_the_answer_needs_stay_in_their_order():
    net = net_of(conv("a"), conv("b"), Add(name="s", inputs=("b", "a"), scales=(1, 2)))
    assert needed(net.ops, "s") == net.ops
    assert rewrite(net, rising) is net


# -- thresholds first


def test_a_threshold_passes_the_pool_before_it_and_each_keeps_its_name():
    net = net_of(conv(), pool(), threshold())
    made = rewrite(net, thresholds_first)
    assert kinds(made) == ["Conv c", "Threshold t", "MaxPool p"]
    assert made.ports["p"].ints == Ints(-2, 1)
    assert (made.nodes["p"].minimum == net.ops[1].minimum ^ net.ops[2].falling).all()
    assert same(made, net)


def test_readers_of_a_threshold_read_the_pool_that_follows_it_now():
    net = net_of(conv(), pool(), threshold(), conv("d", "t", 5), Add(name="s", inputs=("d", "t"), scales=(1, 3)))
    made = rewrite(net, thresholds_first)
    assert made.nodes["d"].inputs == ("p",) and made.nodes["s"].inputs == ("d", "p")
    assert same(made, net)


def test_a_threshold_passes_several_pools_one_after_the_other():
    net = net_of(conv(), pool(kernel=3, stride=2), pool("q", "p", 2), threshold(source="q"))
    made = rewrite(net, thresholds_first)
    assert kinds(made) == ["Conv c", "Threshold t", "MaxPool p", "MaxPool q"]
    assert same(made, net)


@pytest.mark.parametrize(
    "after",
    [
        [threshold(), Add(name="s", inputs=("t", "p"), scales=(1, 1))],  # the pool is read twice
        [threshold(), Flatten(name="f", inputs=("p",))],  # the threshold is idle
    ],
)
def test_a_pool_that_is_read_elsewhere_stays_where_it_is(after):
    net = net_of(conv(), pool(), *after)
    assert next(op for op in rewrite(net, thresholds_first).ops if op.name == "p").inputs == ("c",)


def test_a_sum_pool_stays_before_its_threshold():
    sums = SumPool(name="p", inputs=("c",), kernel=(2, 2), stride=(2, 2))
    net = net_of(conv(), sums, threshold())
    assert rewrite(net, thresholds_first) is net


# -- merged pools


@pytest.mark.parametrize("size", [(8, 8), (13, 11), (7, 6)])
def test_pools_that_tile_their_image_become_one(size):
    flags = RNG.random(3) < 0.5
    net = net_of(pool("p", "input", 2, minimum=flags), pool("q", "p", 3, minimum=flags), shape=(*size, 3))
    made = rewrite(net, merge_pools)
    assert kinds(made) == kinds(canonical(net)) == ["MaxPool q"] and made.ops[0].kernel == (6, 6)
    assert same(made, net)


def test_sums_that_tile_their_image_become_one():
    sums = [SumPool(name=f"s{k}", inputs=(i,), kernel=k, stride=k) for i, k in (("input", (2, 1)), ("s(2, 1)", (1, 3)))]
    made = rewrite(net_of(*sums), merge_pools)
    assert made.ops[0].kernel == (2, 3) and same(made, net_of(*sums))


@pytest.mark.parametrize(
    "first, second",
    [
        ({"kernel": 3, "stride": 2}, {"kernel": 2}),
        ({"kernel": 2}, {"kernel": 3, "stride": 1}),
        ({"kernel": 2}, {"kernel": 2, "pads": (1, 0, 0, 0)}),
        ({"kernel": 2, "dilation": (2, 1)}, {"kernel": 2}),
        ({"kernel": 2, "minimum": np.array([1, 0, 0], bool)}, {"kernel": 2}),
    ],
)
def test_other_pools_stay_two(first, second):
    flags = {"minimum": np.zeros(3, bool)}
    net = net_of(pool("p", "input", **flags | first), pool("q", "p", **flags | second))
    assert rewrite(net, merge_pools) is net


def test_a_sum_of_maxima_stays_two():
    net = net_of(pool("p", "input", 2, channels=3), SumPool(name="s", inputs=("p",), kernel=(2, 2), stride=(2, 2)))
    assert rewrite(net, merge_pools) is net


# -- rising


@pytest.mark.parametrize("levels", [1, 3])
def test_a_falling_row_has_its_weights_negated(levels):
    net = net_of(conv(), threshold(source="c", levels=levels))
    made = rewrite(net, rising)
    falling = net.ops[1].falling
    assert falling.any() and not made.ops[1].falling.any()
    assert np.array_equal(made.ops[0].weights[falling], -net.ops[0].weights[falling])
    assert np.array_equal(made.ops[0].weights[~falling], net.ops[0].weights[~falling])
    assert same(made, net)


def test_sums_that_are_read_twice_keep_their_sign():
    net = net_of(conv(), threshold(source="c"), Add(name="s", inputs=("c", "t"), scales=(1, 1)))
    assert rewrite(net, rising) is net


def test_a_sum_read_twice_by_one_operation_keeps_its_sign():
    net = net_of(conv(), Add(name="s", inputs=("c", "c"), scales=(1, 1)), threshold(source="s"))
    assert rewrite(net, rising) is net


def test_rising_thresholds_and_those_of_the_input_stay():
    net = net_of(conv(), threshold(source="c", falling=False))
    assert rewrite(net, rising) is net
    net = net_of(threshold(source="input", channels=3))
    assert rewrite(net, rising) is net


# -- all together


def pools(seed):
    """A convolution and up to four pools of random kinds and tiles, some of one kind and one direction."""
    rng = np.random.default_rng(seed)
    net = net_of(conv(), shape=(24, 17, 3))
    for k in range(int(rng.integers(2, 5))):
        kernel = tuple(int(v) for v in rng.integers(1, 3, 2))
        more = {"kernel": kernel, "stride": kernel if rng.random() < 0.8 else (1, 1), "inputs": (net.ops[-1].name,)}
        if rng.random() < 0.7:
            made = MaxPool(name=f"p{k}", minimum=np.full(5, rng.random() < 0.3), **more)
        else:
            made = SumPool(name=f"p{k}", **more)
        net = replace(net, ops=(*net.ops, made))
    return net


@pytest.mark.parametrize("rule", [*RULES, "canonical"], ids=lambda r: r if isinstance(r, str) else r.__name__)
def test_random_networks_keep_every_integer(rule):
    fired = 0
    for seed in range(120):
        net = pools(seed) if rule is merge_pools else raw_net(seed)
        made = canonical(net) if rule == "canonical" else rewrite(net, rule)
        fired += made is not net
        assert same(made, net, seed), f"raw_net({seed})"
    assert fired >= 20


def test_a_canonical_network_comes_back_as_it_is():
    for seed in range(60):
        net = canonical(raw_net(seed))
        assert canonical(net) is net
        for before, after in zip(net.ops, net.ops[1:], strict=False):
            behind = after.inputs == (before.name,) and len(net.nodes.users(before.name)) == 1
            assert not (behind and isinstance(before, MaxPool) and isinstance(after, ops.Threshold))


def test_a_rule_that_widens_a_range_is_caught():
    def double(before, after):
        return (replace(before, weights=before.weights * 2, name=after.name),) if isinstance(after, Flatten) else None

    def wider(before, after):
        return (replace(before, weights=before.weights * 2), after) if (before.weights < 4).all() else None

    net = net_of(conv(), Flatten(name="f", inputs=("c",)))
    for rule in (double, wider):  # another shape, and the same shape with a wider range
        with pytest.raises(AssertionError):
            rewrite(net, rule)


def test_pools_and_thresholds_in_turn_each_wait_for_the_one_before():
    made = [conv(), pool("p1", "c"), threshold("t1", "p1"), pool("p2", "t1"), threshold("t2", "p2")]
    made[4] = replace(made[4], thresholds=np.clip(made[4].thresholds, -2, 2))
    net = net_of(*made)
    rewritten = rewrite(net, thresholds_first)
    assert kinds(rewritten)[1:] == ["Threshold t1", "Threshold t2", "MaxPool p1", "MaxPool p2"]
    assert same(rewritten, net) and same(canonical(net), net)


def test_a_bipolar_pool_of_falling_signs_becomes_a_minimum():
    sign = Threshold(name="t", inputs=("p",), thresholds=np.zeros((3, 1), int), falling=np.ones(3, bool), bipolar=True)
    net = net_of(pool("p", "input", channels=3, minimum=np.zeros(3, bool)), sign)
    made = canonical(net)
    assert made.ports["p"].ints == BIPOLAR and made.nodes["p"].minimum.all()
    assert same(made, net)


def test_a_dense_layer_of_falling_rows_rises():
    dense = Dense(name="d", inputs=("input",), weights=RNG.choice((-1, 1), (7, 9)))
    net = net_of(dense, threshold(source="d", channels=7), shape=(9,))
    assert not canonical(net).ops[1].falling.any() and same(canonical(net), net)
