"""Planning: nothing cheaper is left out, nothing out of reach is promised."""

from dataclasses import replace
from importlib import import_module
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from small_nets import shortcut

from hwflow.bits import BIPOLAR, Ints
from hwflow.board import load_board
from hwflow.errors import RecipeError
from hwflow.generate import nets as drawn_nets
from hwflow.generate.nets import random_folding, random_net
from hwflow.lower import cores, folding_of, lower
from hwflow.net import Net
from hwflow.ops import Conv, Dense, MaxPool, Port, Threshold
from hwflow.plan import events, explain, plan
from hwflow.plan.search import Search, as_vector, minimise, weigh_resources

UNIT = np.array([1.0, 0.5, 100.0, 100.0])


def small(rows=4, cols=6, classes=3):
    rng = np.random.default_rng(1)
    return Net(
        "small",
        Port((cols,), BIPOLAR),
        (
            Dense(name="a", inputs=("input",), weights=rng.choice((-1, 1), (rows, cols))),
            Threshold(
                name="t", inputs=("a",), thresholds=np.zeros((rows, 1), int), falling=np.zeros(rows, bool), bipolar=True
            ),
            Dense(name="b", inputs=("t",), weights=rng.choice((-1, 1), (classes, rows))),
        ),
    )


def small_image():
    rng = np.random.default_rng(2)
    return Net(
        "image",
        Port((4, 4, 2), Ints(0, 3)),
        (
            Conv(name="c", inputs=("input",), weights=rng.choice((-1, 1), (3, 2, 2, 2)), pads=(1, 0, 0, 1)),
            MaxPool(name="p", inputs=("c",), kernel=(2, 2), stride=(2, 2), minimum=np.zeros(3, bool)),
            Threshold(
                name="t", inputs=("p",), thresholds=np.zeros((3, 1), int), falling=np.zeros(3, bool), bipolar=True
            ),
        ),
    )


@pytest.fixture(scope="module")
def tfc():
    return drawn_nets.tfc()


def test_what_estimates_are_off_by_is_left_free_by_fit_alone():
    board, net = load_board("icebreaker"), small()
    whole = {"a": {"pe": 4, "simd": 6}, "b": {"pe": 3, "simd": 4}}
    needed = as_vector(plan(net, board=board, folding=whole, max_util=1).cost(board.family))
    totals = np.array([board.totals[r] for r in ("lut", "ff")])
    almost = float((needed[:2] / totals).max()) * 1.02  # less than fit's reserve above what is needed
    assert (as_vector(plan(net, board=board, folding=whole, max_util=almost).cost(board.family)) == needed).all()
    with pytest.raises(RecipeError, match=r"lut|ff"):
        plan(net, board=board, folding=whole, max_util=almost, fit=True)


@pytest.mark.slow
@pytest.mark.parametrize("net", [small(), small_image(), small(8, 12, 5)], ids=["dense", "image", "larger"])
def test_no_legal_folding_is_cheaper(net):
    search = Search.of(cores(net), "xc7", {})
    every = []
    for pick in product(*(range(len(o.cycles)) for o in search.choices)):
        folding = {o.unit.name: o.foldings[i] for o, i in zip(search.choices, pick, strict=True) if o.foldings[i]}
        try:
            dataflow = lower(net, folding)
        except RecipeError:
            continue  # a window whose reader has another width
        every.append((dataflow.cycles, float(as_vector(dataflow.cost("xc7")) @ UNIT)))
    assert search.fastest == search.targets[0] == min(c for c, _ in every) and (np.diff(search.targets) > 0).all()
    for target in sorted({c for c, _ in every}):
        folding, total = search.solve(target, UNIT)
        found = lower(net, folding)
        assert found.cycles <= target
        assert float(as_vector(found.cost("xc7")) @ UNIT) == pytest.approx(float(total @ UNIT))
        assert float(total @ UNIT) == pytest.approx(min(cost for cycles, cost in every if cycles <= target))


def test_elimination_finds_the_least_of_random_tables():
    rng = np.random.default_rng(4)
    for _ in range(50):
        sizes = rng.integers(1, 4, 5).tolist()
        edges = [(i, j) for i in range(5) for j in range(i) if rng.random() < 0.5]
        factors = [((i,), rng.random(n)) for i, n in enumerate(sizes)]
        factors += [((i, j), rng.random((sizes[i], sizes[j]))) for i, j in edges]

        def total(values, factors=factors):
            return sum(t[tuple(values[v] for v in vs)] for vs, t in factors)

        best = min(total(v) for v in product(*(range(n) for n in sizes)))
        assert total(minimise(sizes, factors)) == pytest.approx(best)


def test_the_least_cost_never_falls_when_less_time_is_given(tfc):
    search = Search.of(cores(tfc), "xc7", {})
    w = weigh_resources(None, "xc7")
    costs = [float(search.solve(int(t), w)[1] @ w) for t in search.targets]
    assert (np.diff(costs) <= 1e-12).all()  # sums of the same numbers in another order


def test_a_rate_is_reached_and_not_overshot(tfc):
    for fps, clock in ((1e5, 100), (1e6, 200), (12.5e6, 200)):
        dataflow = plan(tfc, fps=fps, clock_mhz=clock)
        assert dataflow.cycles <= clock * 1e6 / fps
        again = events.simulate(dataflow)
        assert again.interval == dataflow.cycles


def test_a_rate_out_of_reach_names_the_unit_and_what_is_reachable():
    with pytest.raises(
        RecipeError, match=r"1e\+08 images/s at 100 MHz leaves 1 cycles; c_window takes 8 at best. Reachable: 12500000"
    ):
        plan(small_image(), fps=1e8, clock_mhz=100)


def test_a_rate_beyond_the_board_says_which_resource_and_what_is_reachable(tfc):
    with pytest.raises(
        RecipeError, match=r"images/s at 40 MHz needs about \d+ \w+; .* has \d+ to give. Reachable: \d+"
    ):
        plan(tfc, fps=1e7, board=load_board("tangnano9k"))


def test_a_latency_is_kept_or_the_least_is_named(tfc):
    slow = plan(tfc, fps=1e5, clock_mhz=100)
    first = events.simulate(slow, 1).latency
    quick = plan(tfc, fps=1e5, clock_mhz=100, latency_us=first / 100 / 3)
    assert events.simulate(quick, 1).latency <= first / 3
    with pytest.raises(
        RecipeError, match=r"0.01 us at 100 MHz leaves 1 cycles; the first answer takes \d+ at best. Reachable: "
    ):
        plan(tfc, clock_mhz=100, latency_us=0.01)


def test_nonsense_is_refused(tfc):
    for more, text in (
        ({"fit": True}, "needs a board"),
        ({"fps": -1.0}, "fps must be above 0"),
        ({"clock_mhz": float("inf")}, "clock must be above 0 and finite"),
        ({"latency_us": 0.0}, "latency must be above 0"),
        ({"max_util": 1.5}, "max-util must be above 0 and at most 1"),
        ({"folding": {"dense9": {"pe": 1}}}, "dense9: is no unit of TFC"),
        ({"folding": {"dense0": {"pe": 7}}}, "dense0: pe must divide 64, not 7"),
    ):
        with pytest.raises(RecipeError, match=text):
            plan(tfc, **more)


def test_a_folding_by_hand_is_kept_and_the_rest_keeps_pace(tfc):
    dataflow = plan(tfc, folding={"dense0": {"pe": 16, "simd": 49}, "dense1": {"simd": 16}})
    assert (dataflow.by_name["dense0"].pe, dataflow.by_name["dense0"].simd) == (16, 49)
    assert dataflow.by_name["dense1"].simd == 16
    assert dataflow.cycles == 64
    assert plan(tfc, folding={"dense2": {"pe": 8, "simd": 64}}).cycles == 8  # the others as fast as the one given


def test_a_plan_survives_its_folding(tfc):
    dataflow = plan(tfc, fps=1e5, clock_mhz=100)
    again = plan(tfc, folding=folding_of(dataflow))
    assert [(u.name, u.inputs, u.params()) for u in again.units] == [
        (u.name, u.inputs, u.params()) for u in dataflow.units
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["icebreaker", "tangnano9k", "ulx3s_85f", "pynq_z1"])
def test_the_fastest_design_fits_and_half_the_board_is_never_faster(tfc, name):
    board = load_board(name)
    paces = []
    for share in (0.8, 0.4, 0.2):
        try:
            dataflow = plan(tfc, board=board, fit=True, max_util=share)
        except RecipeError as e:
            assert "the smallest design needs" in str(e)
            paces.append(10**9)
            continue
        used = dataflow.cost(board.family)
        assert all(getattr(used, r) <= share * board.totals[r] for r in ("lut", "ff", "bram", "dsp"))
        paces.append(dataflow.cycles)
    assert paces == sorted(paces)


def test_the_explanation_names_the_bottleneck_and_the_limit(tfc):
    board = load_board("ulx3s_85f")
    dataflow = plan(tfc, fps=1e5, board=board)
    found = explain(dataflow, board)
    assert found["bottleneck"]["unit"] == dataflow.bottleneck.name
    assert found["doubling"]["cycles"] == dataflow.cycles // 2
    assert found["limit"] == max(found["percent"], key=found["percent"].get)
    assert dataflow.bottleneck.name in found["text"]
    assert board.title in found["text"]


def test_a_rate_is_promised_only_where_units_do_not_hold_each_other_up():
    net = random_net(
        3_100_006
    )  # a window of stride 2 hands on its words in bursts: 64 cycles, though no unit takes over 60
    folding = random_folding(net, 3_100_006, 64)
    assert lower(net, folding).cycles == 60
    with pytest.raises(RecipeError, match=f"Reachable: {int(100e6 / 64)}"):
        plan(net, folding=folding, fps=100e6 / 60, clock_mhz=100)
    slow = plan(net, folding=folding, fps=100e6 / 64, clock_mhz=100)
    assert slow.cycles == events.simulate(slow).interval == 64
    assert "takes 60 cycles an image and units wait for each other up to 64: 1562500 images/s" in explain(slow)["text"]
    quick = plan(net, fps=100e6 / 60, clock_mhz=100)
    assert quick.cycles == events.simulate(quick).interval <= 60


def test_units_are_faster_where_that_is_cheap_before_a_rate_is_refused(monkeypatch):
    search = Search.of(cores(small_image()), "xc7", {})
    w = weigh_resources(None, "xc7")
    plain, eased = (search.solve(search.fastest, w, slack) for slack in (0.0, 0.2))
    cycles = [
        [int(o.cycles[o.foldings.index(found[0].get(o.unit.name, {}))]) for o in search.choices]
        for found in (plain, eased)
    ]
    assert all(b <= a for a, b in zip(*cycles, strict=True)) and cycles[0] != cycles[1]
    assert plain[1] @ w < eased[1] @ w <= (1 + 0.2 * len(search.choices)) * (plain[1] @ w)
    planning = import_module("hwflow.plan")
    monkeypatch.setattr(planning, "SLACK", 0.2)
    asked = []

    def build(found, slowest):
        assert slowest == search.fastest
        asked.append(found[0])
        return SimpleNamespace(cycles=search.fastest + (len(asked) == 1))

    bounded = planning.BoundedSearch(search, np.full(4, np.inf), w)
    planning._reach_rate(bounded, bounded.cheapest(search.fastest), search.fastest, 100.0, build)
    assert asked == [plain[0], eased[0]]


def test_a_small_layer_gets_constant_weights_and_its_explanation():
    dataflow = plan(small(16, 24, 4), fps=1e8, clock_mhz=100)
    assert [u.style for u in dataflow.units if u.module == "mvu"] == ["const", "const"]
    assert "No folding is faster" in explain(dataflow)["text"]


def test_a_small_network_fits_and_half_the_board_is_never_faster():
    net, board = small(16, 24, 4), load_board("icebreaker")
    shares = (0.8, 0.4, 0.1, 0.05)
    made = [plan(net, board=board, fit=True, max_util=share) for share in shares]
    paces = [d.cycles for d in made]
    assert paces == sorted(paces)
    assert paces[0] < paces[-1]
    for share, dataflow in zip(shares, made, strict=True):  # a twentieth is left for the error of estimates
        assert dataflow.cost("ice40").lut <= 0.95 * share * board.lut


def test_every_pace_of_a_depthwise_layer_has_a_folding_that_can_be_built():
    rng = np.random.default_rng(0)
    conv = Conv(name="c", inputs=("input",), weights=rng.choice((-1, 1), (8, 3, 3, 1)), groups=8)
    net = Net("depthwise", Port((5, 5, 8), Ints(0, 3)), (conv,))
    search = Search.of(cores(net), "xc7", {})
    assert len({lower(net, search.solve(int(t), UNIT)[0]).cycles for t in search.targets}) > 2


def test_products_go_to_luts_where_a_board_has_few_dsp_blocks():
    rng = np.random.default_rng(1)
    weights, x = rng.integers(-7, 8, (8, 32)), Port((32,), Ints(0, 255))
    net, board = Net("w4", x, (Dense(name="d", inputs=("input",), weights=weights),)), load_board("icebreaker")
    chosen = plan(net, board=board, fit=True)
    in_blocks = plan(net, board=board, fit=True, folding={"d": {"mult": "dsp"}})
    assert chosen.by_name["d"].mult == "lut"
    assert chosen.cycles < in_blocks.cycles
    assert 0 < in_blocks.cost("ice40").dsp <= 0.8 * board.dsp
    # where LUTs are dear and blocks are not, it is the other way round
    roomy = replace(board, lut=1600, dsp=200)
    assert plan(net, board=roomy, fit=True).by_name["d"].mult == "dsp"
    with pytest.raises(RecipeError, match="dense0: has pe, simd, style to fold, not mult"):
        plan(drawn_nets.tfc(), folding={"dense0": {"mult": "lut"}})


def test_fifos_that_leave_no_room_make_the_plan_smaller_or_are_refused():
    board, net = load_board("icebreaker"), shortcut()
    much = replace(board, lut=10**6, ff=10**6, bram=10**4, dsp=10**4)
    whole = plan(net, board=much)
    total, fifos = (whole.cost("ice40").lut, sum(u.cost("ice40").lut for u in whole.fifos))
    made = refused = 0
    for lut in np.linspace(total - fifos, total, 6) / 0.8:  # the units alone would fit
        try:
            found = plan(net, board=replace(much, lut=int(lut)))
        except RecipeError as e:
            assert "leave no room" in str(e) or "smallest design" in str(e)
            refused += 1
        else:
            assert found.cost("ice40").lut <= 0.8 * int(lut)
            made += found.cycles >= whole.cycles
    assert fifos > 0 and made + refused == 6
