"""The small units' SystemVerilog against their own meaning: threshold, width, fifo, top-k, recode."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SHAPES
from rtl_check import check

from hwflow import tools
from hwflow.bits import BIPOLAR, Ints
from hwflow.errors import RecipeError
from hwflow.ops import Port
from hwflow.simulate import rtl
from hwflow.units import Fifo, Recode, ThresholdUnit, TopKUnit, Width
from hwflow.units.kit.base import Unit
from hwflow.units.kit.streams import divisors

pytestmark = pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")

KINDS = (BIPOLAR, Ints(-1, 1), Ints(0, 1), Ints(0, 3), Ints(0, 255), Ints(-2, 1), Ints(-100, 77), Ints(-4096, 4095))
SIZES = (1, 2, 3, 5, 7, 8, 9, 12, 13, 16, 17, 24, 30, 31, 32, 33, 60, 63, 64, 65)


def pick(rng: np.random.Generator, values) -> int:
    return int(rng.choice(list(values)))


def port(rng: np.random.Generator) -> Port:
    shape = (pick(rng, (1, 2, 3)), pick(rng, (1, 2)), pick(rng, SIZES)) if rng.random() < 0.5 else (pick(rng, SIZES),)
    return Port(shape, KINDS[rng.integers(len(KINDS))])


def random_threshold(k: int) -> Unit:
    rng = np.random.default_rng(k)
    x, levels = port(rng), pick(rng, (1, 1, 1, 2, 3, 7, 15))
    t = np.sort(rng.integers(x.ints.lo, x.ints.hi + 2, (x.channels, levels)), 1)
    bipolar = levels == 1 and rng.random() < 0.6
    return ThresholdUnit(
        name=f"threshold{k}", inputs=("input",), x=x, thresholds=t, falling=rng.random(x.channels) < rng.choice((0, 0.4)),
        base=0 if bipolar else pick(rng, (-8, -1, 0, 0, 5)), bipolar=bipolar, pe=pick(rng, divisors(x.channels)),
    )  # fmt: skip


def random_width(k: int) -> Unit:
    rng = np.random.default_rng(k)
    x = port(rng)
    return Width(
        name=f"width{k}",
        inputs=("input",),
        x=x,
        par_in=pick(rng, divisors(x.size)),
        par_out=pick(rng, divisors(x.size)),
    )


def random_fifo(k: int) -> Unit:
    rng = np.random.default_rng(k)
    x, depth, style = port(rng), pick(rng, (2, 2, 3, 4, 5, 15, 16, 17, 33)), str(rng.choice(["auto", "lut", "block"]))
    return Fifo(name=f"fifo{k}", inputs=("input",), x=x, par=pick(rng, divisors(x.size)), depth=depth, style=style)


def random_topk(k: int) -> Unit:
    rng = np.random.default_rng(k)
    size = pick(rng, SIZES)
    most = min(size, 7)
    return TopKUnit(
        name=f"topk{k}",
        inputs=("input",),
        x=Port((size,), KINDS[rng.integers(len(KINDS))]),
        k=pick(rng, (1, 1, min(5, most), most)),
        simd=pick(rng, [d for d in divisors(size) if d <= 8]),
    )


def random_recode(k: int) -> Unit:
    rng = np.random.default_rng(k)
    x = port(rng)
    to = Ints(min(x.ints.lo, pick(rng, (0, -1, -9))), max(x.ints.hi, pick(rng, (1, 2, 31))))
    return Recode(name=f"recode{k}", inputs=("input",), x=x, to=to, par=pick(rng, divisors(x.size)))


MAKERS = {
    "threshold": random_threshold,
    "width": random_width,
    "fifo": random_fifo,
    "topk": random_topk,
    "recode": random_recode,
}


@pytest.mark.slow
def test_a_full_fifo_holds_as_many_words_as_it_claims():
    # the sink of patience 40/256 and a quick source: the fifo fills up, and the watch on its level says how far
    from hwflow.units.kit.base import Dataflow

    flows, x = [], Port((64,), BIPOLAR)
    for depth in (2, 3, 4, 9, 16):
        unit = Fifo(name="held", inputs=("input",), x=x, par=1, depth=depth)
        flows.append(Dataflow(f"f{depth}", unit.ins[0], (unit,)))
    images = np.random.default_rng(0).choice((-1, 1), (20, 64))
    deepest = {f.name: 0 for f in flows}
    for seed in range(6):
        for flow, run in zip(flows, rtl.run_many(flows, [images] * len(flows), stalls=seed), strict=True):
            assert np.array_equal(run.outputs, images)
            deepest[flow.name] = max(deepest[flow.name], run.occupancy["held"])
    assert deepest == {"f2": 2, "f3": 3, "f4": 4, "f9": 9, "f16": 16}


@pytest.mark.slow
def test_top_k_prefers_the_lowest_index_of_equal_values():
    unit = TopKUnit(name="t", inputs=("input",), x=Port((6,), Ints(-4, 4)), k=3, simd=2)
    x = np.array([[1, 3, 3, 0, 3, 1], [0] * 6, [-4, -3, -4, -3, -4, -3]])
    ((run,),) = rtl.run_units([unit], [(x,)])
    assert run.outputs.tolist() == [[1, 2, 4], [0, 1, 2], [1, 3, 5]]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Fifo(name="f", inputs=("input",), x=Port((4,), BIPOLAR), par=1, depth=1), "f: a fifo holds at least 2 words, not 1"),
        (lambda: Width(name="w", inputs=("input",), x=Port((6,), BIPOLAR), par_in=4, par_out=2), "w: par_in must divide 6, not 4"),
        (lambda: TopKUnit(name="t", inputs=("input",), x=Port((6,), BIPOLAR), k=7), "t: k must be within 1 .. 6, not 7"),
    ],
)  # fmt: skip
def test_an_illegal_folding_says_what_it_must_be(make, said):
    with pytest.raises(RecipeError, match=said):
        make()


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_two_hundred_random_units_equal_their_meaning_with_and_without_stalls(kind):
    units = [MAKERS[kind](k) for k in range(SHAPES)]
    check(units, seed=1)
    check(units, seed=2, stalls=1)
    check(units, seed=3, images=4, stalls=2, reset_at=31)


@pytest.mark.slow
def test_a_thousand_images_with_random_stalls_never_stop():
    units = [make(k) for make in MAKERS.values() for k in (3, 4)]
    check(units, seed=5, images=1000, stalls=3)
