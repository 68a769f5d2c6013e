"""Several pixels a cycle in every unit: offered where one is too slow, joined or refused, exact and on time in RTL."""

import numpy as np
import pytest

from hwflow import tools
from hwflow.bits import Ints
from hwflow.errors import RecipeError
from hwflow.lower import cores, folding_of, lower
from hwflow.net import Net
from hwflow.ops import (
    Add,
    Conv,
    Dense,
    Flatten,
    Maximum,
    MaxPool,
    Multiply,
    Pad,
    Port,
    Rescale,
    SumPool,
    Threshold,
    Upsample,
)
from hwflow.plan import events, explain, plan
from hwflow.plan.search import IMPOSSIBLE, Search, weigh_resources
from hwflow.simulate import rtl
from hwflow.units.kit.base import Dataflow


def of_every_kind(size: tuple[int, int] = (10, 16)) -> Net:
    """Convolutions of stride 1 and 2, shortcuts with and without a step, pools, products, maxima, repeated pixels."""
    rng = np.random.default_rng(7)

    def conv(name: str, source: str, rows: int, inputs: int, **more: object) -> Conv:
        return Conv(name=name, inputs=(source,), weights=rng.choice((-1, 1), (rows, 3, 3, inputs)), **more)

    def norm(name: str, source: str, c: int) -> Rescale:
        mul, add = rng.integers(1, 30, c), rng.integers(-99, 99, c)
        return Rescale(name=name, inputs=(source,), mul=mul, add=add, shift=3, lo=-64, hi=63)

    def signs(name: str, source: str, c: int) -> Threshold:
        low, falling = rng.integers(-9, 9, (c, 1)), rng.random(c) < 0.3
        return Threshold(name=name, inputs=(source,), thresholds=low, falling=falling, bipolar=True)

    same = {"pads": (1, 1, 1, 1)}
    ops = [
        conv("c", "input", 4, 2), norm("cn", "c", 4), norm("cm", "c", 4), Add(name="ca", inputs=("cn", "cm"), scales=(2, -1)), signs("ct", "ca", 4),
        conv("d", "ct", 4, 4), norm("dn", "d", 4), conv("g", "ct", 4, 4), norm("gn", "g", 4),
        Add(name="a", inputs=("dn", "gn"), scales=(1, 2)), signs("at", "a", 4),
        conv("e", "at", 8, 4, stride=(2, 2), **same), norm("en", "e", 8),
        MaxPool(name="skip", inputs=("a",), kernel=(1, 1), stride=(2, 2), minimum=np.zeros(4, bool)),
        Pad(name="wide", inputs=("skip",), channels=(2, 2)), Add(name="b", inputs=("en", "wide"), scales=(1, 1)),
        Upsample(name="up", inputs=("b",), factor=(2, 2)),
        SumPool(name="sum", inputs=("up",), kernel=(2, 2), stride=(2, 2)),
        MaxPool(name="most", inputs=("a",), kernel=(2, 2), stride=(2, 2), minimum=np.array([0, 1, 0, 1], bool)),
        Pad(name="most_wide", inputs=("most",), channels=(4, 0)),
        Maximum(name="m", inputs=("sum", "most_wide")), signs("mt", "m", 8), Multiply(name="gate", inputs=("m", "mt")),
    ]  # fmt: skip
    net = Net("kinds", Port((*size, 2), Ints(0, 3)), tuple(ops))
    n = int(np.prod(net.ports["gate"].shape))
    last = (Flatten(name="f", inputs=("gate",)), Dense(name="out", inputs=("f",), weights=rng.choice((-1, 1), (3, n))))
    return Net("kinds", net.input, (*net.ops, *last))


def images(net: Net, n: int) -> np.ndarray:
    return np.random.default_rng(3).integers(net.input.ints.lo, net.input.ints.hi + 1, (n, *net.input.shape))


def pixels(flow: Dataflow, name: str) -> int:
    """Pixels of the widest word of a unit."""
    unit = flow.by_name[name]
    return max(-(-s.par // s.port.channels) for s in (*unit.ins, *unit.outs))


def test_units_take_several_pixels_only_where_one_is_too_slow():
    net = of_every_kind()
    search, weights = Search.of(cores(net), "xc7", {}), weigh_resources(None, "xc7")
    for target, wanted in ((160, (1, 1, 1)), (80, (2, 1, 1)), (72, (4, 1, 1)), (40, (4, 2, 1))):
        folding, _ = search.solve(target, weights)
        flow = lower(net, folding)
        assert flow.cycles <= target
        assert tuple(pixels(flow, name) for name in ("cn", "a", "mt")) == wanted  # of 112, 72 and 18 pixels
        assert any(s.by_row for u in flow.units for s in u.ins) == (target < 80)
        again = lower(net, folding_of(flow))
        assert [(u.name, u.params()) for u in again.units] == [(u.name, u.params()) for u in flow.units]


def test_a_rate_of_several_pixels_a_cycle_is_planned_and_explained():
    net = of_every_kind()
    flow = plan(net, fps=100e6 / 50, clock_mhz=100)
    assert flow.cycles == events.simulate(flow, 12).interval <= 50
    assert "40 cycles would take" in explain(flow)["text"]
    with pytest.raises(RecipeError, match="leaves 39 cycles; c_window takes 40 at best"):
        plan(net, fps=100e6 / 39, clock_mhz=100)


def test_no_choice_is_more_where_one_pixel_a_cycle_is_enough():
    search = Search.of(cores(of_every_kind()), "xc7", {})
    weights = weigh_resources(None, "xc7")
    for o in search.choices:
        for target in o.cycles:
            score, _ = o.cheapest_by_width(int(target), weights, every=False)
            offered = {w for w, s in zip(o.keys[0], score, strict=True) if np.isfinite(s)}
            if target >= o.cycles[~o.hurries].min():
                assert offered == {
                    w for w, c, h in zip(o.words, o.cycles, o.hurries, strict=True) if c <= target and not h
                }


def test_words_of_pixels_that_do_not_divide_a_row_are_joined_or_refused():
    net = of_every_kind()
    four = {"c_window": {"simd": 72}, "c": {"pe": 16, "simd": 72}, "cn": {"pe": 16}, "cm": {"pe": 8}}
    with pytest.raises(
        RecipeError,
        match=r"cm: takes 8 elements a word, words across rows, and c gives 16, rows that each begin a word; give both",
    ):
        lower(net, four)
    narrow = of_every_kind((10, 14))
    with pytest.raises(
        RecipeError, match="c_window: rows of 14 pixels are no words of 4, which hardware takes and gives"
    ):
        lower(narrow, four)
    last = Net("last", Port((4, 6, 2), Ints(-4, 3)), (Rescale(name="r", inputs=("input",), mul=np.array([1, 2]), add=np.array([0, 1]), shift=0, lo=-9, hi=9),))  # fmt: skip
    with pytest.raises(RecipeError, match="r: rows of 6 pixels are no words of 4"):
        lower(last, {"r": {"pe": 8}})
    with pytest.raises(RecipeError, match="r: has no legal folding with pe=8"):
        plan(last, folding={"r": {"pe": 8}})
    assert plan(last, fps=100e6 / 12, clock_mhz=100).cycles == 12
    with pytest.raises(RecipeError, match="leaves 6 cycles; r takes 12 at best"):
        plan(last, fps=100e6 / 6, clock_mhz=100)


def test_rows_of_words_of_two_and_of_four_pixels_are_not_joined():
    rng = np.random.default_rng(0)
    conv = Conv(name="c", inputs=("input",), weights=rng.choice((-1, 1), (4, 3, 2, 2)))
    norm = Rescale(name="r", inputs=("c",), mul=np.ones(4, int), add=np.arange(4), shift=0, lo=-9, hi=9)
    tail = (
        Flatten(name="f", inputs=("r",)),
        Dense(name="d", inputs=("f",), weights=rng.choice((-1, 1), (2, 2 * 15 * 4))),
    )
    net = Net("odd", Port((4, 16, 2), Ints(0, 3)), (conv, norm, *tail))
    with pytest.raises(
        RecipeError, match="r: takes 8 elements a word, rows that each begin a word, and c gives 16, rows"
    ):
        lower(net, {"c_window": {"simd": 48}, "c": {"pe": 16, "simd": 48}, "r": {"pe": 8}})


def test_words_that_cannot_be_converted_cost_more_than_any_part_has():
    rng = np.random.default_rng(0)
    conv = Conv(name="c", inputs=("input",), weights=rng.choice((-1, 1), (8, 3, 3, 1)), groups=8)
    blocks = Search.of(cores(Net("depthwise", Port((5, 5, 8), Ints(0, 3)), (conv,))), "xc7", {})
    rows = Search.of(cores(of_every_kind()), "xc7", {})
    edge = next(e for e in rows.edges if rows.units[e[2]].name == "cn")
    assert blocks.converter(blocks.edges[0], (2, False), (4, False)).min() >= IMPOSSIBLE  # whose order is their width's
    assert rows.converter(edge, (16, True), (8, False)).min() >= IMPOSSIBLE
    assert rows.converter(edge, (16, True), (8, True)).min() >= IMPOSSIBLE
    assert (
        rows.converter(edge, (16, True), (16, True)).max()
        == 0
        < rows.converter(edge, (4, False), (8, False)).max()
        < 1000
    )


def test_words_of_pixels_that_are_no_tiles_are_refused():
    net = Net("pool", Port((6, 9, 4), Ints(0, 3)), (MaxPool(name="p", inputs=("input",), kernel=(3, 3), stride=(3, 3), minimum=np.zeros(4, bool)),))  # fmt: skip
    with pytest.raises(
        RecipeError, match="p: tiles of 3 columns are not made of words of 2 pixels; take pe of 4 or less"
    ):
        lower(net, {"p": {"pe": 8}})
    net = Net("up", Port((2, 4, 2), Ints(0, 3)), (Upsample(name="u", inputs=("input",), factor=(1, 3)),))
    with pytest.raises(
        RecipeError, match="u: words of 2 pixels are not made of 3 repeats of each; take pe of 2 or less"
    ):
        lower(net, {"u": {"pe": 4}})


@pytest.mark.slow
@pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")
def test_a_network_of_every_kind_answers_exactly_at_the_cycles_planned_for_several_pixels():
    net = of_every_kind()
    flows = [plan(net, fps=100e6 / cycles, clock_mhz=100) for cycles in (100, 50)]
    x = images(net, 6)
    for flow, run in zip(flows, rtl.run_many(flows, [x] * 2), strict=True):
        trace = events.simulate(flow, 6)
        assert np.array_equal(run.outputs, net.run(x))
        assert (trace.latency, trace.interval, trace.occupancy) == (run.latency, run.cycles_per_image, run.occupancy)
        assert run.cycles_per_image == flow.cycles
    for run in rtl.run_many(flows, [x] * 2, stalls=1):
        assert np.array_equal(run.outputs, net.run(x))
