"""Branches of any scale: gates, maxima, concatenations into a layer and float shortcuts, from the file to every engine."""

import numpy as np
import pytest
from networks import Build
from reading import kinds

from hwflow import tools
from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.errors import ModelError
from hwflow.fold import fold
from hwflow.fold.levels import pieces, see, see_pieces
from hwflow.fuzz.engines import NetsInC
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.ops import Multiply, Port, Rescale
from hwflow.plan import plan
from hwflow.plan.events import simulate
from hwflow.qonnx import explained, read
from hwflow.real.fixed import Finer
from hwflow.real.rationals import exact, floats
from hwflow.real.scales import ROOM, near
from hwflow.real.steps import Beside, Step, run_all, turns
from hwflow.real.summed import MOST_SUM

HARDWARE = pytest.mark.skipif(
    tools.find("verilator") is None or tools.find("g++") is None, reason="no verilator or no g++"
)


class Drawn:
    """A small image network in the making, of any scales: `one_of` draws, `branch` is a quantised convolution."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.h, self.w, self.c = (int(self.rng.integers(1, n)) for n in (6, 6, 5))
        self.takes = str(self.rng.choice(["u8/255", "i4/10", "bipolar", "u8"]))
        self.b = Build((1, 2, self.h, self.w))

    def scale(self, channels: bool = False) -> np.ndarray:
        shape = (1, self.c, 1, 1) if channels else ()
        return np.abs(self.rng.normal(0, 0.4, shape)) + 0.05

    def weights(self, *shape: int) -> str:
        if self.rng.random() < 0.5:
            return self.b.const(self.rng.choice([-1.0, 1.0], shape))
        return self.b.quant(self.b.const(self.rng.normal(0, 1, shape)), self.scale(), 3)

    def sums(self) -> str:
        """A convolution and its norm, of positive and negative factors."""
        y = self.b.conv(self.b.x, self.weights(self.c, 2, 1, 1))
        factor, start = self.rng.normal(0, 1, (2, self.c))
        return self.b.norm(y, factor, start, start[::-1], np.abs(factor) + 0.1)

    def quantised(self, x: str) -> str:
        kind = int(self.rng.integers(3))
        if kind == 0:
            return self.b.sign(x, self.scale())
        return self.b.quant(x, self.scale(self.rng.random() < 0.3), int(self.rng.integers(2, 6)), kind - 1)

    def quantised_as(self, x: str, bits: int) -> str:
        """Levels of one scale for all branches, of another number of bits each time."""
        return self.b.quant(x, 0.25, 3 + bits)

    def branch(self) -> str:
        return self.quantised(self.sums())

    def end(self, x: str) -> str:
        """A layer, with a quantizer in front of it or without one."""
        if self.rng.random() < 0.5:
            x = self.quantised(self.b.node("Mul", x, self.b.const(self.rng.normal(0, 1, (1, self.c, 1, 1)) + 0.01)))
        return self.classify(x, self.c)

    def classify(self, x: str, channels: int) -> str:
        """Three answers of all elements."""
        w = self.b.const(self.rng.choice([-1.0, 1.0], (channels * self.h * self.w, 3)))
        return self.b.node("MatMul", self.b.node("Flatten", x, axis=1), w)


def proven(drawn: Drawn, answer: str, tmp_path, n: int = 40) -> tuple[Net, Array]:
    """The Net of a drawn file with images: equal to its Graph, its reference explained by the order of float32 sums."""
    path = drawn.b.save(tmp_path, answer)
    graph = read(path, drawn.takes)
    net = fold(graph)
    ints = graph.input.ints
    x = drawn.rng.integers(ints.lo, ints.hi + 1, (n, *graph.input.shape))
    x = np.where(x > 0, 1, -1) if ints.is_bipolar else x
    got = net.run(x)
    assert np.array_equal(net.scores(got).reshape(n, -1), graph.run(graph.takes.real(x)))
    assert [node for node in explained(path, x, drawn.takes) if not node.explained] == []
    assert np.array_equal(lower(net).run(x), got)
    return net, x


def gate(d: Drawn, k: int) -> str:
    """A branch times a gate of channels or of pixels."""
    rows = d.c if k % 2 else 1
    squeezed = d.b.node("GlobalAveragePool", d.branch()) if k % 2 else d.branch()
    opened = d.b.node("HardSigmoid", d.b.conv(squeezed, d.weights(rows, d.c, 1, 1)))
    return d.end(d.b.node("Mul", d.branch(), d.b.quant(opened, d.scale(), 4, 0)))


def largest(d: Drawn, k: int) -> str:
    """The largest or the smallest of two or three branches."""
    return d.end(d.b.node(("Max", "Min")[k // 2 % 2], *(d.branch() for _ in range(2 + k % 2))))


def beside(d: Drawn, k: int) -> str:
    """Two to four branches as channels of one layer."""
    parts = [d.branch() for _ in range(2 + k % 3)]
    return d.classify(d.b.node("Concat", *parts, axis=1), len(parts) * d.c)


def shortcut(d: Drawn, k: int) -> str:
    """Sums of float branches, bent between two of them."""
    bends = (
        lambda x: d.b.node("PRelu", x, d.b.const(d.rng.uniform(0, 1.5, (d.c, 1, 1)))),
        lambda x: d.b.node("Relu", x),
        lambda x: d.b.node("Clip", x, d.b.const(-0.7), d.b.const(0.9)),
        lambda x: d.b.node("Add", x, d.b.const(d.rng.normal(0, 0.3, (1, d.c, 1, 1)))),
    )  # fmt: skip
    short = d.sums()
    for n in range(2):
        short = bends[(k + n) % 4](d.b.node("Add", d.sums(), short))
    return d.classify(d.quantised(short), d.c)


def moved(d: Drawn, k: int) -> str:
    """Float shortcuts that are moved on the way to the next sum, with slopes above and below zero."""
    b = d.b
    moves = (
        lambda x: b.node("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        lambda x: b.node("Slice", b.node("Concat", d.sums(), x, axis=1), *(
            b.const([n], np.int64) for n in (d.c // 2, d.c // 2 + d.c, 1)
        )),
        lambda x: b.node("AveragePool", b.node("Resize", x, "", b.const([1.0, 1, 2, 2]), mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor"), kernel_shape=[2, 2], strides=[2, 2]),
        lambda x: b.node("Reshape", b.node("Flatten", x, axis=1), b.const([1, d.c, d.h, d.w], np.int64)),
    )  # fmt: skip
    short = d.sums()
    for n in range(2):
        short = b.node("Add", d.sums(), short)
        short = b.node("PRelu", short, b.const(d.rng.uniform(-0.5, 1.5, (d.c, 1, 1))))
        short = moves[(k + n) % 4](short)
    if k % 2:  # the mean of all pixels, which has more bits than a sum of two
        return b.node(
            "MatMul", b.node("Flatten", d.quantised(b.node("GlobalAveragePool", short)), axis=1), d.weights(d.c, 3)
        )
    return d.classify(d.quantised(b.node("Add", d.sums(), short)), d.c)


def turned(d: Drawn, k: int) -> str:
    """A float shortcut with slopes above and below zero, moved or not, right in front of a quantizer."""
    short = d.b.node("Add", d.sums(), d.sums())
    short = d.b.node("PRelu", short, d.b.const(d.rng.uniform(-0.9, 1.5, (d.c, 1, 1))))
    if k % 3 == 0:
        short = d.b.node("MaxPool", short, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    if k % 3 == 1:
        short = d.b.node("Concat", short, d.b.node("Add", d.sums(), short), axis=1)
        d.c *= 2
    return d.classify(d.quantised(short), d.c)


def spread(d: Drawn, k: int) -> str:
    """A branch and one that is repeated along some of its axes: by a maximum, or by a layer whose answers are channels."""
    if k % 2:
        axes = [int(a) for a in d.rng.permutation([1, 2, 3])[: int(d.rng.integers(1, 4))]]
        less = d.b.node("ReduceMax", d.branch(), axes=axes, keepdims=1)
    else:
        dense = d.b.node("MatMul", d.b.node("Flatten", d.branch(), axis=1), d.weights(d.c * d.h * d.w, d.c))
        less = d.quantised(d.b.node("Reshape", dense, d.b.const([0, d.c, 1, 1], np.int64)))
    sides = d.rng.permutation([d.branch(), less])
    return d.end(d.b.node(("Mul", "Mul", "Max")[k % 3], *(str(s) for s in sides)))


def along_rows(d: Drawn, k: int) -> str:
    """Coordinate attention: maxima along rows and along columns in one column, taken apart, and repeated over the image."""
    b, x = d.b, d.branch()
    rows, cols = (b.node("ReduceMax", x, axes=[axis], keepdims=1) for axis in (3, 2))
    both = d.quantised(b.node("Concat", rows, b.node("Transpose", cols, perm=[0, 1, 3, 2]), axis=2))
    ends = (0, d.h) if k % 2 else (d.h, d.h + d.w)
    part = b.node("Slice", both, *(b.const([n], np.int64) for n in (*ends, 2)))
    part = part if k % 2 else b.node("Transpose", part, perm=[0, 1, 3, 2])
    part = b.node("Expand", part, b.const([1, d.c, d.h, d.w], np.int64)) if k < 2 else part
    return d.end(b.node("Mul", *(str(s) for s in d.rng.permutation([x, part]))))


def values_of_one(d: Drawn, k: int) -> str:
    """A dueling head: one number and as many as there are actions, each a layer of its own."""
    x, size = d.b.node("Flatten", d.branch(), axis=1), d.c * d.h * d.w
    both = [d.b.node("MatMul", x, d.weights(size, n)) for n in (1, 3)]
    return d.b.node("Add", *(d.quantised_as(y, k) for y in both))


def layered(d: Drawn, k: int) -> str:
    """Layers of sums that nothing quantises: a C2f block, a mean, a layer of each channel's own, an enlarged sum."""
    b, first, second = d.b, d.branch(), d.branch()
    total, ring = b.node("Add", first, second), (1, 1, 1, 1)
    if k % 4 == 0:
        inner = d.quantised(b.conv(total, d.weights(d.c, d.c, 3, 3), pads=ring))
        both = b.node("Concat", first, total, b.node("Add", total, inner), axis=1)
        return d.classify(
            d.quantised(b.conv(both, d.weights(d.c, 3 * d.c, 1, 1))) if k % 8 else both, d.c if k % 8 else 3 * d.c
        )
    if k % 4 == 1:
        mean = b.node("Add", b.node("GlobalAveragePool", total), b.const(d.rng.normal(0, 1, (1, d.c, 1, 1))))
        return b.node("MatMul", b.node("Flatten", mean, axis=1), d.weights(d.c, 3))
    if k % 4 == 2:
        return d.classify(d.quantised(b.conv(total, d.weights(d.c, 1, 3, 3), pads=ring, group=d.c)), d.c)
    wide = b.node(
        "Resize", total, "", b.const([1.0, 1, 2, 2]), mode="nearest", nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )  # fmt: skip
    return d.classify(d.quantised(b.conv(wide, d.weights(d.c, d.c, 2, 2), strides=(2, 2))), d.c)


MADE_OF = {
    gate: "Multiply", largest: "Maximum", beside: "Concat", shortcut: "Add", moved: "Add", turned: "Threshold",
    spread: "Conv", along_rows: "Multiply", values_of_one: "Add", layered: "Concat",
}  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", MADE_OF, ids=lambda f: f.__name__)
def test_branches_of_any_scale_are_exact_but_for_the_order_of_float32_sums(kind, seed, tmp_path):
    d = Drawn(10 * list(MADE_OF).index(kind) + seed)
    net, _ = proven(d, kind(d, seed), tmp_path)
    assert MADE_OF[kind] in kinds(net)


@pytest.mark.parametrize("pooled", [False, True], ids=["plain", "pooled"])
@pytest.mark.parametrize("op", ["Max", "Min", "Add"])
def test_levels_that_a_negative_scale_turns_are_chosen_by_value(op, pooled, tmp_path):
    """Behind the quantizer lies a scale of either sign: a value may fall there whose integers still rise."""
    d = Drawn(7)
    d.takes = "i4/10"
    d.b = Build((1, 2, 4, 4))
    rows = d.b.const(np.array([[1, -1], [1, 1], [-1, 1], [-1, -1]], float).reshape(4, 2, 1, 1))
    sides = [d.b.quant(d.b.conv(d.b.x, rows), step, 3) for step in (0.3, 0.2113)]
    if pooled:
        sides = [d.b.node("MaxPool", side, kernel_shape=[2, 2]) for side in sides]
    levels = d.b.node("Round", d.b.node(op, *sides))
    scale, start = (np.array(v).reshape(1, 4, 1, 1) for v in ([2.5, -2.5, -1.25, 1.0], [0.5, 1.0, 0.0, -0.5]))
    falls = d.b.node("Add", d.b.node("Mul", levels, d.b.const(scale)), d.b.const(start))
    proven(d, d.b.node("MaxPool", falls, kernel_shape=[2, 2]) if pooled else falls, tmp_path)


@pytest.mark.skipif(tools.find("g++") is None, reason="no g++")
@pytest.mark.slow
def test_the_c_engine_answers_as_networks_of_branches_do(tmp_path):
    made = []
    for k, kind in enumerate(MADE_OF):
        for seed in (4, 5):
            d = Drawn(10 * k + seed)
            made.append(proven(d, kind(d, seed), tmp_path))
    library = NetsInC([net for net, _ in made], tmp_path, "-O0")
    for k, (net, x) in enumerate(made):
        for path in ("plain", None):
            assert np.array_equal(library.run(k, x, path), net.run(x)), net.name


def test_integers_near_the_ratio_of_scales_are_within_the_room():
    rng = np.random.default_rng(3)
    for parts in (2, 3, 5):
        scales = exact(np.abs(rng.normal(0, 1, parts)).astype(np.float32) + np.float32(0.01))
        step, m = near(scales, np.full(parts, 100), MOST_SUM, 64 * ROOM)
        off = np.abs(floats(step * m - scales)) / floats(scales)
        assert off.max() <= 64 * ROOM
        assert np.abs(m).sum() * 100 < MOST_SUM
    assert near(exact(np.array([1.0, np.pi])), np.full(2, 1 << 29), MOST_SUM, ROOM) is None


@pytest.mark.parametrize("seed", range(6))
def test_pieces_of_a_function_that_turns_show_what_every_integer_shows(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    lo, hi = np.sort(rng.integers(-70, 70, (2, n)), 0)
    steps = [
        Step("mul", rng.normal(0, 1, n)),
        Step("add", rng.normal(0, 9, n)),
        Step("leaky", rng.uniform(-1, 1, n)),
        Step("add", rng.normal(0, 9, n)),
        Step("abs"),
    ]
    steps = steps if seed % 2 else [Step("add", np.zeros(1)), Beside("add", np.zeros(1), tuple((1, tuple(s.taken(np.array([c])) for s in steps[: 3 + c % 3])) for c in range(n)))]  # fmt: skip

    def levels(k):
        return np.rint(run_all(steps, k.astype(np.float32))).astype(np.int64)

    ahead = [lambda k, c=chain: run_all(c, k.astype(np.float32)) for chain in turns(steps)]
    want, got = see(levels, lo, hi), see_pieces(levels, pieces(ahead, lo, hi))
    assert want is not None and want[2:] == got[2:]
    assert all(np.array_equal(a, b) for a, b in zip(want[:2], got[:2], strict=True))


def test_a_shift_rounds_to_the_nearest():
    assert list(Finer(np.array([3]), np.array([4]), 3).run(np.arange(-4, 5))) == [-1, -1, -1, 0, 0, 0, 1, 1, 2]


def products(first: Ints, second: Ints, size=(3, 2, 4)) -> Net:
    """The product of the input and of a rescaled copy of it."""
    rng = np.random.default_rng(7)
    scale = Rescale(
        name="r", inputs=("input",), mul=rng.integers(-3, 4, size[-1]), add=rng.integers(-9, 9, size[-1]), shift=1,
        lo=second.lo, hi=second.hi,
    )  # fmt: skip
    return Net("gate", Port(size, first), (scale, Multiply(name="m", inputs=("input", "r"))))


@pytest.mark.parametrize("ints", [(Ints(-8, 7), Ints(0, 15)), (Ints(0, 255), Ints(-3, 3)), (BIPOLAR, Ints(-4, 4))])
def test_a_product_is_the_same_at_any_width_and_at_the_cycles_claimed(ints):
    net = products(*ints)
    x = np.random.default_rng(1).integers(ints[0].lo, ints[0].hi + 1, (20, *net.input.shape))
    x = np.where(x > 0, 1, -1) if ints[0].is_bipolar else x
    for folding in ({}, {"m": {"pe": 4}}):
        assert np.array_equal(lower(net, folding).run(x), net.run(x))
    flow = plan(net, fps=1e6)
    assert simulate(flow).interval == flow.cycles
    assert flow.cost("xc7").lut > 0


@pytest.mark.slow
@HARDWARE
def test_every_path_of_the_c_engine_multiplies(tmp_path):
    net = products(Ints(-8, 7), Ints(0, 15), (2, 3, 37))
    x = np.random.default_rng(2).integers(-8, 8, (40, *net.input.shape))
    library = NetsInC([net], tmp_path, "-O0")
    for path in ("plain", "avx2", "avx512"):
        try:
            got = library.run(0, x, path)
        except LookupError:  # this machine has no such instructions
            continue
        assert np.array_equal(got, net.run(x)), path


def test_a_layer_of_a_bent_sum_is_refused(tmp_path):
    """Only what is linear can be taken apart."""
    d = Drawn(11)
    total = d.b.node("Relu", d.b.node("Add", d.b.quant(d.sums(), 0.3, 4), d.b.quant(d.sums(), 0.2113, 4)))
    with pytest.raises(ModelError, match=r"its input is not integers times a scale since .*; put a quantizer"):
        fold(read(d.b.save(tmp_path, d.classify(total, d.c)), d.takes))


def test_what_no_integers_stand_for_is_refused(tmp_path):
    d = Drawn(3)
    wide = [d.b.quant(d.b.conv(d.b.x, d.weights(3, 2, 1, 1)), 0.001, 16) for _ in range(2)]
    three = d.b.node("Mul", d.b.node("Mul", *wide), d.b.quant(d.b.conv(d.b.x, d.weights(3, 2, 1, 1)), 0.3, 4))
    with pytest.raises(ModelError, match="its input is not integers times a scale since"):
        fold(read(d.b.save(tmp_path, d.classify(three, 3)), "u8"))
    d = Drawn(4)
    most = d.b.node("Max", d.b.quant(d.sums(), 0.3, 4), d.b.quant(d.sums(), 0.2113, 4))
    with pytest.raises(ModelError, match="have scales of their own, and no quantizer or layer follows"):
        fold(read(d.b.save(tmp_path, most), d.takes))
