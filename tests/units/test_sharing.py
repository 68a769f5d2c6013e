"""Networks of shared adders: every row is its sum, within the ranges that are told, of fewer adders than rows alone."""

from __future__ import annotations

import numpy as np
import pytest

from hwflow.units.kit import sharing


def bits(n: int, cols: int, seed: int = 0) -> np.ndarray:
    """Random inputs, and the two ends: none and all."""
    x = np.random.default_rng(seed).integers(0, 2, (n, cols))
    return np.vstack([x, np.zeros((1, cols), int), np.ones((1, cols), int)])


@pytest.mark.parametrize(("rows", "cols"), [(1, 2), (2, 3), (7, 63), (16, 33), (64, 64), (31, 17)])
def test_every_row_is_its_sum_and_every_node_stays_in_its_range(rows: int, cols: int) -> None:
    weights = np.random.default_rng(rows).choice((-1, 1), (rows, cols))
    net = sharing.network(weights)
    x = bits(100, cols)
    # and where each row is least and largest
    x = np.vstack([x, weights > 0, weights < 0]).astype(int)
    assert np.array_equal(net.run(x), x @ weights.T)


def test_ranges_are_reached() -> None:
    """A node as wide as its sum: were a range too narrow a bit would be lost, were it too wide one would be wasted."""
    weights = np.random.default_rng(5).choice((-1, 1), (12, 9))
    net = sharing.network(weights)
    x = (np.arange(1 << 9)[:, None] >> np.arange(9)) & 1
    values = list(x.T)
    for n in net.nodes:
        a, b = values[n.a], values[n.b] << n.shift
        values.append((a, a + b, a + b + 1, a - b, a - b - 1)[(n.kind + 1) % 5])
        assert (values[-1].min(), values[-1].max()) == (n.lo, n.hi)


def test_equal_and_opposite_rows_cost_nothing() -> None:
    row = np.random.default_rng(3).choice((-1, 1), 20)
    alone = sharing.network(row[None])
    both = sharing.network(np.stack([row, -row, row]))
    assert both.adder_bits == alone.adder_bits
    x = bits(20, 20)
    assert np.array_equal(both.run(x), x @ np.stack([row, -row, row]).T)


def test_rows_share_most_of_their_adders() -> None:
    weights = np.random.default_rng(0).choice((-1, 1), (64, 64))
    adders = sum(n.kind != sharing.REG for n in sharing.network(weights).nodes)
    assert adders < 64 * 63 / 4


def test_what_is_too_large_is_left_alone() -> None:
    assert sharing.network(np.ones((129, 64), int)) is None
    assert sharing.network(np.ones((4, 1), int)) is None
