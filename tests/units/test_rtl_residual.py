"""Rescale, fork, add, concat, upsample and pad: their SystemVerilog equals their reference, one word a cycle."""

import numpy as np
import pytest
from conftest import SHAPES
from rtl_check import check

from hwflow import ops
from hwflow.bits import BIPOLAR, Ints
from hwflow.errors import RecipeError
from hwflow.ops import Port
from hwflow.units.add import AddUnit
from hwflow.units.concat import ConcatUnit
from hwflow.units.fork import Fork
from hwflow.units.kit.base import ALONE
from hwflow.units.kit.streams import divisors
from hwflow.units.pad import PadUnit
from hwflow.units.rescale import RescaleUnit
from hwflow.units.upsample import UpsampleUnit

INTS = (
    BIPOLAR,
    BIPOLAR,
    Ints(0, 3),
    Ints(0, 255),
    Ints(-1, 1),
    Ints(-4, 3),
    Ints(-128, 127),
    Ints(5, 9),
    Ints(-700, -3),
)


def pick(rng, values):
    return values[rng.integers(len(values))]


def port(rng, channels=None):
    channels = channels or pick(rng, (1, 1, 2, 3, 4, 5, 6, 12, 63))
    return Port((*(int(v) for v in rng.integers(1, 9, 2)), channels), pick(rng, INTS))


def random_rescale(rng, name):
    x = port(rng)
    reach = 1 << int(rng.integers(1, 18))
    mul, bias = rng.integers(-reach, reach, x.channels), rng.integers(-64 * reach, 64 * reach, x.channels)
    mul = np.full(x.channels, pick(rng, (1, 2, 8, 128, -1, 3, 77))) if rng.random() < 0.4 else mul
    bias = np.full(x.channels, bias[0]) if rng.random() < 0.4 else bias
    shift = int(rng.integers(0, 24))
    hi = int(rng.integers(-3, 300))
    lo = hi - int(rng.integers(0, 500))
    return RescaleUnit(
        name=name,
        inputs=("input",),
        x=x,
        mul=mul,
        add=bias,
        shift=shift,
        lo=lo,
        hi=hi,
        pe=int(pick(rng, divisors(x.channels))),
        mult=str(pick(rng, ALONE)),
    )


def random_fork(rng, name):
    x = port(rng)
    return Fork(name=name, inputs=("input",), x=x, copies=int(rng.integers(1, 6)), par=int(pick(rng, divisors(x.size))))


def random_add(rng, name):
    x, n = port(rng), int(rng.integers(1, 5))
    xs = tuple(Port(x.shape, pick(rng, INTS)) for _ in range(n))
    scales = tuple(int(pick(rng, (1, 1, 2, 64, -1, 3, -100, 1000))) for _ in range(n))
    return AddUnit(name=name, inputs=tuple("abcd"[:n]), xs=xs, scales=scales, pe=int(pick(rng, divisors(x.channels))))


def random_concat(rng, name):
    x, n, simd = port(rng), int(rng.integers(1, 5)), int(rng.integers(1, 8))
    xs = tuple(Port((*x.shape[:2], simd * int(rng.integers(1, 6))), pick(rng, INTS)) for _ in range(n))
    scales = tuple(int(pick(rng, (1, 2, 64, -1, 3, -100))) for _ in range(n))
    if rng.random() < 0.3:
        xs, scales = tuple(Port(p.shape, x.ints) for p in xs), (1,) * n
    return ConcatUnit(name=name, inputs=tuple("abcd"[:n]), xs=xs, scales=scales, simd=simd)


def random_upsample(rng, name):
    x = port(rng)
    factor = tuple(int(v) for v in rng.integers(1, 5, 2))
    return UpsampleUnit(name=name, inputs=("input",), x=x, factor=factor, pe=int(pick(rng, divisors(x.channels))))


def random_pad(rng, name):
    pe = int(rng.integers(1, 6))
    x = port(rng, pe * int(rng.integers(1, 5)))
    pads = tuple(int(v) for v in rng.integers(0, 4, 4) * (rng.random(4) < 0.6))
    beside = tuple(int(v) * pe for v in rng.integers(0, 4, 2) * (rng.random(2) < 0.6))
    return PadUnit(name=name, inputs=("input",), x=x, pads=pads, channels=beside, pe=pe)


RANDOM = {
    f.__name__.removeprefix("random_"): f
    for f in (random_rescale, random_fork, random_add, random_concat, random_upsample, random_pad)
}


def many(kind, seed, count):
    rng = np.random.default_rng(seed)
    return [at_random(RANDOM[kind](rng, f"{kind}{i}"), rng) for i in range(count)]


def at_random(unit, rng):
    """The unit, or half of the time one that takes several pixels a cycle, where it can."""
    several = [f for f in unit.foldings() if unit.folded(**f).hurries]
    return unit.folded(**several[rng.integers(len(several))]) if several and rng.random() < 0.5 else unit


def test_the_units_mean_what_the_network_means():
    rng = np.random.default_rng(3)

    def same(unit, op, *xs):
        y = unit.run(*xs)[0]
        assert np.array_equal(y, op.run(*xs))
        assert y in unit.outs[0].ints
        assert unit.outs[0].port == op.port(*(s.port for s in unit.ins))

    for kind in RANDOM:
        for unit in many(kind, 4, 30):
            xs = [
                rng.integers(0, (s.ints.hi - s.ints.lo) // s.ints.step + 1, (2, *s.port.shape)) * s.ints.step
                + s.ints.lo
                for s in unit.ins
            ]
            match unit:
                case RescaleUnit():
                    op = ops.Rescale(
                        name="o", inputs=("x",), mul=unit.mul, add=unit.add, shift=unit.shift, lo=unit.lo, hi=unit.hi
                    )
                case AddUnit():
                    op = ops.Add(name="o", inputs=("x",), scales=unit.scales)
                case ConcatUnit():
                    op = ops.Concat(name="o", inputs=("x",), scales=unit.scales)
                case UpsampleUnit():
                    op = ops.Upsample(name="o", inputs=("x",), factor=unit.factor)
                case PadUnit():
                    op = ops.Pad(name="o", inputs=("x",), pads=unit.pads, channels=unit.channels)
                case _:
                    assert all(np.array_equal(y, xs[0]) for y in unit.run(*xs))
                    continue
            same(unit, op, *xs)


def test_more_than_four_inputs_are_refused_with_the_remedy():
    with pytest.raises(RecipeError, match="takes 1 to 4 inputs, not 5; chain two units"):
        AddUnit(name="a", inputs=tuple("abcde"), xs=(Port((2,), BIPOLAR),) * 5, scales=(1,) * 5)


def test_a_product_beyond_63_bits_is_refused():
    with pytest.raises(RecipeError, match="must fit 63 bits"):
        RescaleUnit(
            name="r",
            inputs=("x",),
            x=Port((1,), Ints(-(1 << 31), (1 << 31) - 1)),
            mul=np.array([1 << 40]),
            add=np.array([0]),
            shift=1,
            lo=0,
            hi=1,
        )


@pytest.mark.slow
@pytest.mark.parametrize("kind", RANDOM)
def test_two_hundred_units_equal_their_reference_at_the_cycles_they_claim(kind):
    units = many(kind, 100, SHAPES)
    check(units, seed=1, images=6)
    check(units, seed=2, images=3, stalls=1)
    check(units, seed=3, images=2, stalls=5, reset_at=23)
