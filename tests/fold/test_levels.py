"""Thresholds and rescales are the function they replace, on every integer it can meet."""

import numpy as np
import pytest

from hwflow import ops
from hwflow.bits import Ints
from hwflow.fold import levels as lv
from hwflow.fold.items import TooWide
from hwflow.ops import Port

RNG = np.random.default_rng(0)


def every(lo, hi):
    """All integers of each channel's range, (n, channels), the ends repeated."""
    n = int((hi - lo).max()) + 1
    return np.minimum(lo + np.arange(n)[:, None], hi)


def quantized(slope, bias, lo, hi):
    """A float32 affine function, rounded and clipped: what stands behind a norm."""
    s, b = slope.astype(np.float32), bias.astype(np.float32)
    return lambda k: np.clip(np.rint(k.astype(np.float32) * s + b), lo, hi).astype(np.int64)


@pytest.mark.parametrize("seed", range(20))
def test_thresholds_of_any_monotone_function_are_exact_everywhere(seed):
    rng = np.random.default_rng(seed)
    c = int(rng.choice([1, 2, 63, 65]))
    lo = rng.integers(-300, 1, c)
    hi = lo + rng.integers(0, 400, c)
    f = quantized(
        rng.normal(0, 1, c) * 10.0 ** rng.integers(-4, 2, c), rng.normal(0, 3, c), 0, int(rng.choice([1, 3, 255]))
    )
    x = every(lo, hi)
    found = lv.find(f, lo, hi)
    op = lv.threshold(found, "t", "x", False)
    assert np.array_equal(op.run(x), f(x))
    assert (op.thresholds >= lo[:, None]).all() and (op.thresholds <= hi[:, None] + 1).all()


@pytest.mark.parametrize("seed", range(20))
def test_a_rescale_equals_the_trained_rounding_on_every_integer(seed):
    rng = np.random.default_rng(seed)
    c = int(rng.choice([1, 16, 63]))
    lo = np.full(c, -int(rng.integers(1, 3000)))
    hi = -lo + rng.integers(0, 50, c)
    slope = rng.normal(0, 1, c) * 0.05
    f = quantized(slope, rng.normal(0, 30, c), -128, 127)
    op = lv.rescale(lv.find(f, lo, hi), slope, "r", "x")
    assert op is not None
    x = every(lo, hi)
    assert np.array_equal(op.run(x), f(x))


@pytest.mark.parametrize("shift", [0, 1, 3, 7])
def test_a_power_of_two_is_a_shift_alone(shift):
    lo, hi = np.array([-1000, -7]), np.array([1000, 900])
    f = quantized(np.full(2, 2.0**-shift), np.zeros(2), -127, 127)
    op = lv.rescale(lv.find(f, lo, hi), np.full(2, 2.0**-shift), "r", "x")
    # round half to even differs from half up at ties, so one rounding constant cannot serve: a bit more shift does
    assert op is None or np.array_equal(op.run(every(lo, hi)), f(every(lo, hi)))
    g = lambda k: np.clip(np.floor(k.astype(np.float32) * np.float32(2.0**-shift)), -127, 127).astype(np.int64)  # noqa: E731
    op = lv.rescale(lv.find(g, lo, hi), np.full(2, 2.0**-shift), "r", "x")
    assert op is not None and op.mul.tolist() == [1, 1] and op.shift == shift
    assert np.array_equal(op.run(every(lo, hi)), g(every(lo, hi)))


def test_a_function_that_is_no_line_has_no_rescale():
    lo, hi = np.array([0]), np.array([100])
    f = lambda k: np.floor(np.sqrt(k)).astype(np.int64)  # noqa: E731
    found = lv.find(f, lo, hi)
    assert lv.rescale(found, np.array([0.1]), "r", "x") is None
    assert np.array_equal(lv.threshold(found, "t", "x", False).run(every(lo, hi)), f(every(lo, hi)))


@pytest.mark.parametrize(
    ("n", "lo", "hi", "top", "want"), [(0, 0, 9, 9, 0), (5, -3, 4, 9, 5), (0, 0, 20, 9, None), (-2, 2, 5, 3, -2)]
)
def test_an_identity_is_one_and_a_clip_is_none(n, lo, hi, top, want):
    ends = np.array([lo, lo]), np.array([hi, hi])
    found = lv.find(lambda k: np.minimum(k + n, top), *ends)
    assert lv.identity(found) == want


def test_a_row_that_never_fires_needs_one_more_than_the_largest_sum():
    found = lv.find(lambda k: np.zeros_like(k) + (k > 10**6), np.array([-7]), np.array([7]))
    assert found.count == 0
    found = lv.find(
        lambda k: np.stack([k[:, 0] > 10**6, k[:, 1] > 3], 1).astype(np.int64), np.array([-7, -7]), np.array([7, 7])
    )
    assert lv.threshold(found, "t", "x", True).thresholds.tolist() == [[8], [4]]


def test_exact_ties_are_decided_by_the_trained_arithmetic():
    """gamma * (x - mean) / sqrt(var) + beta = 0 exactly: float32 rounds it below or above zero, and the threshold follows."""
    c = 4096
    k = RNG.integers(-50, 50, c)
    scale = RNG.normal(0, 1, c).astype(np.float32)
    bias = -(k.astype(np.float32) * scale)
    f = lambda x: ((x.astype(np.float32) * scale + bias) >= 0).astype(np.int64)  # noqa: E731
    lo, hi = np.full(c, -64), np.full(c, 64)
    op = lv.threshold(lv.find(f, lo, hi), "t", "x", True)
    x = every(lo, hi)
    assert np.array_equal(op.run(x), 2 * f(x) - 1)
    assert Port((c,), Ints(-64, 64)).channels == len(op.thresholds)
    assert isinstance(op, ops.Threshold)


def test_a_rescale_that_no_engine_could_add_is_none():
    for base, whole in (((1 << 31) - 5001, False), ((1 << 30) - 5001, True)):
        lo, hi = np.array([base]), np.array([base + 5000])
        f = lambda k, base=base: np.clip(np.floor((k - base) / 11.7), 0, 1000).astype(np.int64)  # noqa: E731
        op = lv.rescale(lv.find(f, lo, hi), np.array([1 / 11.7]), "r", "x")
        assert (op is not None) == whole
        assert op is None or np.array_equal(op.run(every(lo, hi)), f(every(lo, hi)))


def test_what_falls_and_rises_is_its_rises_less_its_falls_in_every_channel():
    lo, hi = np.array([-5, -9, 0, -3]), np.array([6, 4, 8, 11])
    table = np.array([[3, -2, 1, 0], [0, 0, 5, 0], [7, -4, 1, 0], [7, 9, 1, 0], [-6, 9, 0, 0]])
    f = lambda x: table[np.abs(x) % 5, np.arange(4)]  # noqa: E731  the last channel stays where it is
    ups, downs, base, least, most = lv.see(f, lo, hi)
    x = every(lo, hi)
    rose, fell = ((x[:, :, None] >= places[None]).sum(2) for places in (ups, downs))
    assert np.array_equal(base + rose - fell, f(x))
    assert (least, most) == (f(x).min(), f(x).max())
    assert lv.see(f, lo, hi + (1 << 24)) is None


@pytest.mark.parametrize("seed", range(12))
def test_what_depends_on_a_rounding_alone_is_seen_at_one_integer_of_each_it_gives(seed):
    rng = np.random.default_rng(seed)
    c = int(rng.choice([1, 5, 16]))
    lo = -rng.integers(0, 900, c)
    hi = lo + rng.integers(0, 1500, c)
    front = quantized(rng.normal(0, 1, c) * 10.0 ** rng.integers(-4, 1, c), rng.normal(0, 9, c), -20, 20)
    table = rng.integers(-3, 4, (41, c))
    asked = []
    f = lambda k: asked.append(len(k)) or np.take_along_axis(table, front(k) + 20, 0)  # noqa: E731
    want, got = lv.see(f, lo, hi), lv.see(f, lo, hi, front)
    assert all(np.array_equal(a, b) for a, b in zip(want, got, strict=True))
    assert asked[1] <= 42


def clipped(mul, add, least, most):
    """A line of wide integers between clips, rising, falling or constant."""
    return lambda k: np.clip(mul * k.astype(np.int64) + add, least, most)


@pytest.mark.parametrize("seed", range(12))
def test_a_clip_of_wide_integers_is_found_as_the_line_it_is(seed):
    rng = np.random.default_rng(seed)
    c = int(rng.choice([1, 2, 7]))
    lo = -rng.integers(70_000, 200_000, c)
    hi = rng.integers(70_000, 200_000, c)
    mul = rng.choice([-1, 1], c)
    still = rng.random(c) < 0.2
    lo[still] = hi[still] = 5
    f = clipped(mul, rng.integers(-99, 99, c), *[(0, 1 << 40), (-(1 << 40), 300), (-60_000, 50_000)][seed % 3])
    op = lv.line(f, lo, hi, "t", "x")
    x = every(lo, hi)
    assert op is not None and np.array_equal(op.run(x), f(x))


@pytest.mark.parametrize(
    "function", [lambda k: k >> 1, lambda k: 2 * k, lambda k: k + (k >= 77_777), lambda k: k + (k == k.max() - 1)]
)
def test_what_is_no_line_at_one_integer_alone_is_none(function):
    lo, hi = np.array([-90_000, -100]), np.array([90_000, 90_001])
    assert lv.line(function, lo, hi, "t", "x") is None


@pytest.mark.parametrize(("ups", "downs"), [(lv.MOST_LEVELS + 1, 0), (0, lv.MOST_LEVELS + 1)])
def test_what_rises_or_falls_more_often_than_thresholds_are_kept_is_too_wide(ups, downs):
    with pytest.raises(TooWide, match=f"rises {ups} and falls {downs} times"):
        lv.seldom(ups, downs)
    lv.seldom(min(ups, lv.MOST_LEVELS), min(downs, lv.MOST_LEVELS))
