"""The lines unit: whole windows, one or several a cycle, at every shape, in the cycles that it and the event model claim."""

import numpy as np
import pytest
from conftest import SHAPES
from rtl_check import check

from hwflow.bits import BIPOLAR, Ints
from hwflow.errors import RecipeError
from hwflow.lower import cores, lower
from hwflow.lower.join import unjoin
from hwflow.net import Net
from hwflow.ops import Add, Conv, Dense, Flatten, Port, Threshold
from hwflow.plan import events
from hwflow.plan.fifos import size_fifos
from hwflow.plan.search import Search
from hwflow.simulate import rtl
from hwflow.units import Lines, Mvus, Window

INTS = (BIPOLAR, BIPOLAR, Ints(0, 3), Ints(0, 255), Ints(-1, 1), Ints(-4, 3), Ints(5, 9))
SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33)


def random_lines(rng, name):
    """A whole window of any kernel, stride and padding that can be one, over an image of any small shape."""
    while True:
        h, w = (int(v) for v in rng.choice(SIZES, 2))
        channels = int(rng.choice((1, 1, 2, 3, 4, 5, 8, 31)))
        kernel = int(rng.choice((1, 2, 3, 3, 3, 4, 5, 7))), int(rng.choice((1, 2, 3, 3, 3, 4, 5, 7)))
        stride = tuple(int(v) for v in rng.choice((1, 1, 1, 2, 3), 2))
        pads = tuple(int(rng.integers(0, k)) if rng.random() < 0.6 else 0 for k in kernel * 2)
        if rng.random() < 0.2:  # one of which words divide the rows
            w, stride, kernel = int(rng.choice((4, 8, 12, 16))), (stride[0], 1), (kernel[0], min(kernel[1], 3))
            pads = (min(pads[0], kernel[0] - 1), kernel[1] // 2, min(pads[2], kernel[0] - 1), (kernel[1] - 1) // 2)
        reach = h + pads[0] + pads[2] - kernel[0], w + pads[1] + pads[3] - kernel[1]
        if min(reach) < 0 or h * w * channels > 1200 or kernel[0] * kernel[1] * channels > 200:
            continue
        ints = INTS[rng.integers(len(INTS))]
        pad = rng.integers(-6, 7, int(rng.choice((1, channels)))) * (rng.random() < 0.6)
        unit = Window(
            name=name, inputs=("input",), x=Port((h, w, channels), ints), kernel=kernel, stride=stride, pads=pads, pad=pad,
            style=("auto", "lut", "block")[rng.integers(3)],
        )  # fmt: skip
        wide = [f for f in unit.foldings() if unit.holds(**f)]
        if wide:
            return unit.folded(**wide[-1 if rng.random() < 0.5 else rng.integers(len(wide))])


def many(seed, count):
    rng = np.random.default_rng(seed)
    return [random_lines(rng, f"w{i}") for i in range(count)]


def test_a_whole_window_is_the_last_folding_and_another_kind_of_unit():
    window = Window(name="w", inputs=("input",), x=Port((8, 9, 5), BIPOLAR), kernel=(3, 3), pads=(1, 1, 1, 1))
    assert [f["simd"] for f in window.foldings()] == [1, 5, 15, 45, 90, 180]
    whole = window.folded(simd=45)
    assert isinstance(whole, Lines) and (whole.ins[0].par, whole.outs[0].par) == (5, 45)
    assert whole.cycles == 8 * 9 and window.folded(simd=15).cycles == 3 * 8 * 9
    assert type(whole.folded(simd=15)) is Window
    with pytest.raises(RecipeError, match="simd must divide 5, not 30"):
        window.folded(simd=30)
    with pytest.raises(
        RecipeError, match=r"pe must be 2 or 4 whole pixels that begin whole windows, .* not pe=10 and simd=45"
    ):
        window.folded(simd=45, pe=10)  # windows begin at every pixel, so simd says it all
    with pytest.raises(RecipeError, match="simd must be whole windows of 45, not 5"):
        Lines(name="w", inputs=("input",), x=Port((8, 9, 5), BIPOLAR), kernel=(3, 3), pads=(1, 1, 1, 1), simd=5)


def test_a_word_may_be_several_whole_windows():
    window = Window(name="w", inputs=("input",), x=Port((8, 12, 2), BIPOLAR), kernel=(3, 3), pads=(1, 1, 1, 1))
    assert [f["simd"] for f in window.foldings()] == [1, 2, 6, 18, 36, 72]
    four = window.folded(simd=72)
    assert (four.pixels, four.ins[0].par, four.outs[0].par, four.cycles) == (4, 8, 72, 8 * 3)
    for more in ({"stride": (1, 3)}, {"x": Port((8, 12, 1), BIPOLAR), "kernel": (3, 2)}):
        other = Window(**{"name": "w", "inputs": ("input",), "x": Port((8, 12, 2), BIPOLAR), "kernel": (3, 3), **more})
        assert [f["simd"] for f in other.foldings() if f["simd"] > other.whole] == []
        with pytest.raises(RecipeError, match="simd must"):
            other.folded(simd=2 * other.whole)


def test_a_word_of_pixels_begins_as_many_windows_as_the_stride_leaves():
    window = Window(
        name="w", inputs=("input",), x=Port((8, 12, 2), BIPOLAR), kernel=(3, 3), pads=(1,) * 4, stride=(2, 2)
    )
    several = [f for f in window.foldings() if "pe" in f]
    assert several == [{"simd": 18, "pe": 4}, {"simd": 36, "pe": 8}]
    for f, cycles in zip(several, (8 * 6, 8 * 3), strict=True):
        wide = window.folded(**f)
        assert (wide.hurries, wide.cycles, wide.ins[0].par) == (True, cycles, f["pe"])
        assert wide.folded(style="block").pe == f["pe"] and type(wide.folded(simd=2)) is Window
    with pytest.raises(RecipeError, match="simd must be whole windows of 18 that pe=6 elements of x begin, not 18"):
        Lines(name="w", inputs=("input",), x=Port((8, 12, 2), BIPOLAR), kernel=(3, 3), stride=(2, 2), simd=18, pe=6)


def test_rows_that_words_do_not_divide_end_with_a_word_that_has_places_to_spare():
    window = Window(name="w", inputs=("input",), x=Port((30, 30, 4), BIPOLAR), kernel=(3, 3))
    four = window.folded(simd=4 * 36)
    takes, gives = four.ins[0], four.outs[0]
    assert (takes.by_row, takes.words, gives.by_row, gives.words, four.cycles) == (True, 30 * 8, False, 28 * 7, 30 * 8)
    x = np.random.default_rng(0).choice((-1, 1), (2, 30, 30, 4))
    words = takes.words_of(x)
    assert words.shape == (480, 16) and (words[7, 8:] == 1).all() and (takes.values_of(words) == x.reshape(2, -1)).all()


@pytest.mark.parametrize(
    ("shape", "more"),
    [
        ((8, 8, 4), {"dilation": (1, 2)}), ((8, 8, 4), {"order": "depthwise"}), ((8, 1, 4), {"kernel": (3, 1)}),
        ((8, 2, 4), {"pads": (0, 0, 0, 1)}), ((8, 8, 4), {"pads": (2, 1, 1, 1)}), ((8, 8, 4), {"pads": (0, 2, 0, 1)}),
    ],
)  # fmt: skip
def test_a_window_that_cannot_leave_whole_is_not_offered_to(shape, more):
    window = Window(**{"name": "w", "inputs": ("input",), "x": Port(shape, BIPOLAR), "kernel": (3, 3), **more})
    assert not window.whole
    assert all(type(window.folded(**f)) is Window for f in window.foldings())
    with pytest.raises(RecipeError, match="simd must"):
        window.folded(simd=9 * shape[2])


def test_a_kernel_of_one_row_reads_several_pixels_a_cycle_or_parts_of_a_window():
    window = Window(name="w", inputs=("input",), x=Port((8, 8, 4), BIPOLAR), kernel=(1, 3), pads=(0, 1, 0, 1))
    made = [window.folded(**f) for f in window.foldings()]
    assert [(type(u) is Lines, u.hurries, u.cycles) for u in made[-3:]] == [
        (False, False, 64),
        (True, True, 32),
        (True, True, 16),
    ]


def test_padding_costs_no_cycle():
    """3x3 padded by 1 takes a cycle a pixel; 5x5 padded by 2 one more an image, in which its last window leaves."""
    for size, kernel, cycles in ((32, 3, 1024), (8, 3, 64), (32, 5, 1025), (7, 7, 51)):
        edge = kernel // 2
        window = Window(
            name="w", inputs=("input",), x=Port((size, size, 2), BIPOLAR), kernel=(kernel,) * 2, pads=(edge,) * 4
        )
        assert window.folded(simd=window.whole).cycles == cycles


@pytest.mark.slow
def test_random_whole_windows_equal_their_reference_at_the_cycles_they_claim():
    units = many(300, SHAPES // 2)
    check(units, images=6)
    check(units, images=3, stalls=1)
    check(units, images=2, stalls=5, reset_at=61)


# ---------------------------------------------------------------- whole networks


def convolutions(seed, size, channels, kernel, pads, stride, shortcut=False):
    """Two convolutions, the second padded and perhaps beside a shortcut, and a dense layer: everything at once."""
    rng = np.random.default_rng(seed)

    def signs(name, source, rows):
        low = np.zeros((rows, 1), int) + rng.integers(-1, 2, (rows, 1))
        return Threshold(name=name, inputs=(source,), thresholds=low, falling=np.zeros(rows, bool), bipolar=True)

    first = Conv(
        name="c",
        inputs=("input",),
        weights=rng.choice((-1, 1), (channels, *kernel, channels)),
        stride=stride,
        pads=pads,
    )
    second = Conv(name="d", inputs=("s",), weights=rng.choice((-1, 1), (channels, 3, 3, channels)), pads=(1, 1, 1, 1))
    ops = [first, signs("s", "c", channels), second]
    if shortcut:
        ops += [Add(name="a", inputs=("d", "c"), scales=(1, 1)), signs("t", "a", channels)]
    else:
        ops += [signs("t", "d", channels)]
    port = Port((*size, channels), BIPOLAR)
    shape = ops[0].port(port).shape
    ops += [
        Flatten(name="f", inputs=("t",)),
        Dense(name="e", inputs=("f",), weights=rng.choice((-1, 1), (3, int(np.prod(shape))))),
    ]
    return Net(f"convolutions{seed}", port, tuple(ops))


NETS = (
    (1, (8, 8), 2, (3, 3), (1, 1, 1, 1), (1, 1)), (2, (7, 9), 2, (3, 3), (0, 0, 0, 0), (1, 1)), (3, (4, 8), 2, (3, 3), (1, 1, 1, 1), (1, 1)),
    (4, (9, 7), 1, (5, 5), (2, 2, 2, 2), (2, 1)), (5, (6, 6), 2, (4, 4), (1, 2, 2, 1), (1, 1), True), (6, (6, 6), 2, (3, 3), (1, 1, 1, 1), (1, 1), True),
)  # fmt: skip


def folding(net, k):
    """Whole windows everywhere. Matrix units at full width; one of them slower; or all as wide as they go, several pixels
    a cycle where rows are even."""
    out = {}
    slow = "d" if any(isinstance(op, Add) for op in net.ops) else "c"
    for unit in cores(net):
        made = [(f, unit.folded(**f)) for f in unit.foldings()]
        widest = [f for f, u in made if not any(s.by_row for s in (*u.ins, *u.outs))][-1]
        if unit.rate_matched:
            assert unit.whole
            out[unit.name] = widest if k == 2 else {"simd": unit.whole}
        elif unit.name in "cde":
            full = {"simd": unit.cols, "pe": unit.rows}
            out[unit.name] = widest if k == 2 else full | {"pe": 1} if (k, unit.name) == (1, slow) else full
        else:
            out[unit.name] = {"pe": net.ops[0].weights.shape[0]}
    return out


def test_the_choices_of_a_design_are_the_same_whatever_it_is_folded_to():
    net = convolutions(*NETS[0])
    wide = lower(net, folding(net, 2))
    assert {"lines", "mvus"} <= {u.module for u in wide.units}
    for family in ("xc7", "ice40"):
        fresh, again = (Search.of(units, family, {}) for units in (cores(net), unjoin(wide)))
        for a, b in zip(fresh.choices, again.choices, strict=True):
            assert a.foldings == b.foldings and np.array_equal(a.costs, b.costs), a.unit.name


@pytest.mark.slow
def test_networks_of_whole_windows_answer_exactly_and_in_the_cycles_the_event_model_says():
    nets = [convolutions(*facts) for facts in NETS]
    flows = [size_fifos(net, folding(net, k % 3)) for k, net in enumerate(nets)]
    xs = [np.random.default_rng(k).choice((-1, 1), (6, *net.input.shape)) for k, net in enumerate(nets)]
    for net, flow, x, run in zip(nets, flows, xs, rtl.run_many(flows, xs), strict=True):
        trace = events.simulate(flow, 6)
        assert sum(isinstance(u, Lines) for u in flow.units) == 2
        assert np.array_equal(run.outputs, net.run(x)), net.name
        assert (trace.latency, trace.interval, trace.occupancy) == (run.latency, run.cycles_per_image, run.occupancy), (
            net.name
        )
    assert sum(isinstance(u, Mvus) for flow in flows for u in flow.units) == 4
