"""Random event graphs, of shapes that no dataflow has yet: C and Python find the same course, and it meets every need."""

import numpy as np
import pytest

from hwflow.plan import kernel
from hwflow.plan.processes import tabulate
from hwflow.units.kit.rhythm import EventGraph, Line, arange

IMAGES = 3


def random_graph(seed: int) -> EventGraph:
    """Processes of a few steps: each follows earlier ones at every step and at some, and is held back by later ones."""
    rng, g = np.random.default_rng(seed), EventGraph()
    for _ in range(rng.integers(2, 7)):
        n = int(rng.integers(1, 5))
        g.process(n, int(rng.choice((1, 1, 1, 0, 2, 3))) if rng.random() < 0.8 else rng.integers(1, 4, n))
    if rng.random() < 0.5:  # a register and its reader, which holds it back
        n, far, some = int(rng.integers(1, 5)), int(rng.integers(1, 4)), int(rng.integers(0, 3))
        held, reader = (g.process(n, int(rng.integers(1, 3))) for _ in range(2))
        g.need(reader, arange(n), held, arange(n), some)
        g.need(held, arange(n), reader, arange(n) - far, far - some + int(rng.integers(-1, 2)))
    if rng.random() < 0.5:
        g.pipeline(0, np.arange(g.sizes[0])[:: int(rng.integers(1, 3))], int(rng.integers(1, 5)))
    count = len(g.sizes)
    g.need(1, arange(g.sizes[1]), 0, np.zeros(g.sizes[1], int), 1)
    for a in set(range(count)) - {lands for _, lands, _, _ in g.pipelines}:  # which wait for nothing but their pipeline
        for _ in range(rng.integers(0, 4)):
            b = int(rng.integers(0, count))
            if b == a:
                continue
            n, other, later = g.sizes[a], g.sizes[b], int(rng.integers(0, 4))
            before = 0 if b < a else int(rng.integers(1, 4))  # a later process holds back by words it took before
            if n == other:
                g.need(a, arange(n), b, arange(n) - before, later)
            elif b < a or rng.random() < 0.5:
                k = int(rng.integers(1, min(n, other) + 1))
                index, step = (np.sort(rng.choice(m, k, replace=False)) for m in (n, other))
                g.need(a, index, b, step - other * (b > a), later)
            else:
                g.need(a, arange(n), b, Line(-int(rng.integers(1, other + 1)), 0, n), later)
    return g


def test_python_and_c_take_the_same_course_through_random_graphs():
    if kernel._load_library() is None:
        pytest.skip("no compiler")
    stuck = 0
    for seed in range(50, 450):  # among them one (440) whose register takes a word every two cycles
        table = tabulate(random_graph(seed))[0]
        quick = kernel.evaluate(table, IMAGES)
        slow = kernel.evaluate_in_python(table, IMAGES)
        stuck += slow is None
        assert (quick is None) == (slow is None), seed
        assert slow is None or (quick == slow).all(), (seed, quick.tolist(), slow.tolist())
    assert stuck < 200
