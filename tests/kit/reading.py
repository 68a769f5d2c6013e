"""What the tests of reading share: small parts of networks, and the proof that a file's integers are its own.

Stands on networks.
"""

import numpy as np
from networks import Build

from hwflow.fold import fold
from hwflow.net import Net
from hwflow.qonnx import read, reference
from hwflow.real import parse_input

RNG = np.random.default_rng(0)
IMAGES = 100


def signs(b: Build, *shape: int) -> str:
    """Random weights of -1 and +1."""
    return b.const(RNG.choice([-1.0, 1.0], shape))


def same(path, takes: str, n: int = IMAGES) -> Net:
    """The Net of a file, proven equal to Graph and reference on random inputs."""
    graph = read(path, takes)
    net = fold(graph)
    ints = parse_input(takes).ints
    x = (
        RNG.choice([-1, 1], (n, *graph.input.shape))
        if ints.is_bipolar
        else RNG.integers(ints.lo, ints.hi + 1, (n, *graph.input.shape))
    )
    want = reference(path, x, takes)
    assert want.shape == (n, int(np.prod(graph.shapes[graph.output])))
    assert np.array_equal(graph.run(graph.takes.real(x)), want)
    answer = net.run(x)
    assert np.array_equal(net.scores(answer), want)
    assert len(np.unique(want)) > 1, "a constant answer proves nothing"
    return net


def classify(b: Build, x: str, inputs: int, rows: int = 3) -> str:
    """A dense layer of `rows` answers behind an image or vector of `inputs` elements."""
    return b.node("MatMul", b.node("Flatten", x, axis=1), b.node("Transpose", signs(b, rows, inputs), perm=[1, 0]))


def kinds(net: Net) -> list[str]:
    """The kinds of its operations in order."""
    return [type(op).__name__ for op in net.ops]
