"""What waits for what: the event model is the hardware's course, and every fifo needs its last word."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from small_nets import shortcut

from hwflow.bench import fifos as bench_fifos
from hwflow.bits import BIPOLAR
from hwflow.errors import RecipeError
from hwflow.generate import nets as drawn_nets
from hwflow.generate.nets import random_folding, random_net
from hwflow.lower import cores, folding_of, lower
from hwflow.lower.folding import fold_units, match_rates
from hwflow.lower.handshakes import LONGEST, cutting_fifos, longest_chain
from hwflow.lower.join import fifo_name, join
from hwflow.net import Net
from hwflow.ops import Add, Conv, Port, Threshold
from hwflow.plan import events, kernel, nearby, plan
from hwflow.plan.fifos import LEAST, find_depths, least_depth, size_fifos, unbounded_depths


def moves(net, folding, depths):
    units = match_rates(fold_units(cores(net), folding), folding)
    return events.simulate(join(net.name, net.input, units, depths), 4)


def test_no_depth_is_looked_for_where_the_pace_is_too_slow_already():
    net = random_net(1)
    units = match_rates(fold_units(cores(net), random_folding(net, 1)), random_folding(net, 1))
    depths, pace = find_depths(net.name, net.input, units)
    assert find_depths(net.name, net.input, units, pace) == (depths, pace) and depths != unbounded_depths(units)
    assert find_depths(net.name, net.input, units, pace - 1) == (unbounded_depths(units), pace)


@pytest.mark.parametrize("seed", [1, 6, 7, 12, 15, 30, 34, 40, "tfc"])
def test_every_sized_fifo_needs_its_last_word(seed):
    net = drawn_nets.tfc() if seed == "tfc" else random_net(seed)
    folding = (
        {"dense0": {"pe": 8, "simd": 98}, "dense1": {"simd": 64}, "dense2": {"simd": 64}}
        if seed == "tfc"
        else random_folding(net, seed)
    )
    units = match_rates(fold_units(cores(net), folding), folding)
    depths, pace = find_depths(net.name, net.input, units)
    ample = moves(net, folding, {f: 2 * s.words + 2 for u in units for f, s in _places(u)})
    least = moves(net, folding, depths)
    assert least.interval == ample.interval == pace
    cuts = cutting_fifos(join(net.name, net.input, units, depths))
    for name, depth in depths.items():
        less = {**depths, name: depth - 1}
        if depth == 2:
            del less[name]
        if name in cuts:
            assert longest_chain(join(net.name, net.input, units, less)).units > LONGEST, name
            continue
        trace = moves(net, folding, less)
        assert trace is None or trace.interval > least.interval, f"{name}: {depth} words are too many"


@pytest.mark.parametrize("seed", [1, 6, 61, 66])  # of the last two, a fifo that balances paths must become deeper
def test_fifos_that_must_be_there_are_and_cost_no_pace(seed, monkeypatch):
    net = random_net(seed)
    pace = size_fifos(net, random_folding(net, seed)).cycles

    def every_place(flow):
        return frozenset(f for u in flow.units if not u.glue for f, _ in _places(u)) - {u.name for u in flow.fifos}

    monkeypatch.setattr(sys.modules[find_depths.__module__], "cut_chains", every_place)
    flow = size_fifos(net, random_folding(net, seed))
    assert not every_place(flow) and flow.cycles == pace == events.simulate(flow).interval


@pytest.mark.parametrize("high", [3, 4, 5, 40, 511])
def test_the_least_depth_is_found_in_few_trials_and_at_once_where_it_is_known(high):
    for least in range(LEAST, high + 1):
        tried = []

        def keeps(depth, least=least, tried=tried):
            tried.append(depth)
            return depth >= least

        assert least_depth(LEAST, high, keeps) == least
        assert len(tried) == len(set(tried)) <= 15
        assert all(LEAST <= depth < high for depth in tried)
        assert least < high or len(tried) <= 1, "one trial says that the last word is needed"


def _places(unit):
    return [(fifo_name(unit, k), s) for k, s in enumerate(unit.ins)]


def test_fifos_given_by_hand_say_their_pace_or_are_refused():
    net = random_net(3_100_006)
    depths = {n: f for n, f in folding_of(plan(net, fps=1e6)).items() if "depth" not in f}
    flow = plan(net, folding={**depths, "conv1_fifo": {"depth": 9}})
    assert flow.cycles == events.simulate(flow).interval
    with pytest.raises(RecipeError, match="s: comes to a halt with these fifos; leave their depths to be found"):
        plan(shortcut(), folding={"c": {"pe": 4, "simd": 36}, "a": {"pe": 4}, "a_0_fifo": {"depth": 2}})


def test_a_shortcut_without_its_fifo_comes_to_a_halt():
    net = shortcut()
    folding = {"c": {"pe": 4, "simd": 36}, "a": {"pe": 4}}
    units = match_rates(fold_units(cores(net), folding), folding)
    assert moves(net, folding, {}) is None
    depths, pace = find_depths(net.name, net.input, units)
    assert moves(net, folding, depths).interval == lower(net, folding).cycles == pace


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 6, 12, 30, "cnv"])
def test_a_course_changed_nearby_is_that_of_the_whole(seed, monkeypatch):
    monkeypatch.setattr(nearby, "MOST", 2)  # never give up
    net = drawn_nets.NETS["cnv"](1) if seed == "cnv" else random_net(seed)
    folding = folding_of(plan(net, fps=1e4)) if seed == "cnv" else random_folding(net, seed)
    units = match_rates(fold_units(cores(net), {n: f for n, f in folding.items() if "depth" not in f}), {})
    depths = {f: 2 * s.words + 2 for u in units for f, s in _places(u)}
    model, whole = (events.EventModel(join(net.name, net.input, units, depths)) for _ in range(2))
    near = nearby.LocalModel(model, 3, pace := whole.run(3).interval)
    assert near.try_depths(depths).loss == 0
    rejected = kept = 0
    rng = np.random.default_rng(0)
    for _ in range(80):
        place = list(depths)[rng.integers(len(depths))]
        less = {**depths, place: int(rng.integers(2, depths[place] + 1))}
        if rng.random() < 0.1:
            del less[place]
        change = near.try_depths(less)
        trace = whole.run(3, less)
        keeps = trace is not None and trace.interval <= pace
        assert (change.loss == 0) == keeps
        rejected += not keeps
        if keeps:
            there = np.repeat(whole.table(less).processes["kind"][:-1] != kernel.OFF, whole.sizes * 3)
            assert (near.known == whole.room[0, : len(near.known)])[there].all()
            assert all(trace.occupancy[p] == most for p, most in change.occupancy.items())
            depths, kept = less, kept + 1
    assert kept > 3
    assert rejected


def test_python_and_c_evaluate_the_same_course(monkeypatch):
    for seed in range(25):
        net = random_net(seed)
        dataflow = lower(net, random_folding(net, seed))
        quick = events.simulate(dataflow, 3)
        with monkeypatch.context() as context:
            context.setattr(kernel, "_load_library", lambda: None)
            assert events.simulate(dataflow, 3) == quick


def test_python_and_c_find_the_same_needs_unmet(monkeypatch):
    found = 0
    for seed in range(25):
        net = random_net(seed)
        table = events.EventModel(lower(net, random_folding(net, seed)))._table
        one, other = (np.zeros(len(table.needs), np.uint8) for _ in range(2))
        time = kernel.evaluate(table, 3, enforced=one)
        number = kernel.find_violated(table, 3, time, one)
        with monkeypatch.context() as context:
            context.setattr(kernel, "_load_library", lambda: None)
            assert kernel.find_violated(table, 3, time, other) == number
        assert (one == other).all()
        found += number
    assert found


@pytest.mark.parametrize("seed", [*range(20), "cnv"])
def test_needs_left_out_are_met_all_the_same(seed):
    dataflow = (
        plan(drawn_nets.NETS["cnv"](1), fps=1e4)
        if seed == "cnv"
        else lower(net := random_net(seed), random_folding(net, seed))
    )
    model = events.EventModel(dataflow)
    assert model.run(3)
    assert (model.last_enforced == 0).any()
    every = kernel.evaluate(model._table, 3)
    assert (model.room[0, : len(every)] == every).all()


@pytest.mark.slow
def test_the_course_is_the_hardwares_to_the_cycle():
    from hwflow.generate.nets import random_images
    from hwflow.simulate.rtl import run_many

    nets = [random_net(seed) for seed in (1, 6, 7, 12, 15, 34, 40, 45, 700035, 3100006)]
    dataflows = [size_fifos(n, random_folding(n, int(n.name.removeprefix("random")))) for n in nets]
    runs = run_many(dataflows, [random_images(n, 5) for n in nets])
    for dataflow, run in zip(dataflows, runs, strict=True):
        trace = events.simulate(dataflow, 5)
        assert (trace.latency, trace.interval, trace.occupancy) == (run.latency, run.cycles_per_image, run.occupancy), (
            dataflow.name
        )
        assert dataflow.cycles == run.cycles_per_image


def test_no_fifo_could_lose_a_word():
    tried = 0
    for seed in range(30):
        net = random_net(seed)
        dataflow = size_fifos(net, random_folding(net, seed))
        whole, less = bench_fifos.in_model(net.name, dataflow)
        assert whole["event model"] == dataflow.cycles, net.name
        assert less["event model"].endswith(", 0 as fast"), net.name
        tried += less["fifos"]
        deeper = [u.folded(depth=u.capacity + 1) if u.capacity > 2 else u for u in dataflow.units]
        _, more = bench_fifos.in_model(net.name, replace(dataflow, units=tuple(deeper)))
        assert more["event model"].endswith(
            f", {sum(d != u for d, u in zip(deeper, dataflow.units, strict=True))} as fast"
        )
    assert tried > 8


@pytest.mark.slow
def test_a_word_less_in_a_fifo_of_a_residual_network_loses_the_rate_in_the_rtl_too():
    rng = np.random.default_rng(7)
    sign = Threshold(name="s", inputs=("c0",), thresholds=np.zeros((4, 1)), falling=np.zeros(4, bool), bipolar=True)
    net = Net(
        "residual",
        Port((8, 8, 4), BIPOLAR),
        (
            Conv(name="c0", inputs=("input",), weights=rng.choice((-1, 1), (4, 3, 3, 4)), pads=(1, 1, 1, 1)),
            sign,
            Conv(name="c1", inputs=("s",), weights=rng.choice((-1, 1), (4, 3, 3, 4)), pads=(1, 1, 1, 1)),
            Add(name="a", inputs=("c1", "c0"), scales=(1, 1)),
        ),
    )
    dataflow = size_fifos(net, {c: {"pe": 4, "simd": 12} for c in ("c0", "c1")})
    assert bench_fifos.cycles(net, dataflow) == dataflow.cycles == dataflow.bottleneck.cycles
    fifos = bench_fifos.chosen(dataflow)
    assert len(fifos) > 0
    for fifo in fifos:
        short = bench_fifos.less(net, dataflow, fifo.name)
        found = bench_fifos.cycles(net, short)
        trace = events.simulate(short, bench_fifos.IMAGES)
        assert found == (trace.interval if trace else None), fifo.name
        assert found is None or found > dataflow.cycles, fifo.name
