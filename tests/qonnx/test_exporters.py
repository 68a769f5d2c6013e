"""What exporters make of networks of today: products over tokens, joined maps, maxima of channels, norms in the weights."""

import numpy as np
import pytest
from networks import Build
from reading import classify, kinds, signs

from hwflow.emit.c_program import make_program
from hwflow.errors import ModelError
from hwflow.fold import fold
from hwflow.lower import cores
from hwflow.qonnx import check, explained, read, reference
from hwflow.qonnx.products import guessed
from hwflow.real.scales import ROOM

I64 = np.int64


def proven(path, takes="i4/4", exact=True, n=24):
    """The Net of a file, equal to its arithmetic and to the reference, but for the order of float32 sums unless `exact`."""
    graph = read(path, takes)
    net = fold(graph)
    x = np.random.default_rng(1).integers(graph.input.ints.lo, graph.input.ints.hi + 1, (n, *graph.input.shape))
    got = net.scores(net.run(x))
    assert np.array_equal(got, graph.run(graph.takes.real(x))) and len(np.unique(got)) > 1
    assert [node for node in explained(path, x, takes) if not node.explained] == []
    assert not exact or np.array_equal(got, reference(path, x, takes))
    make_program(net)
    cores(net)
    return net


def dense(b, x, rows, cols):
    return b.node("MatMul", x, b.node("Transpose", signs(b, rows, cols), perm=[1, 0]))


@pytest.mark.parametrize("flat", [False, True], ids=["signal", "image"])
def test_layers_over_tokens_and_over_channels_in_turn(flat, tmp_path):
    """An MLP-Mixer's block: tokens mixed within each channel, channels mixed within each token, a shortcut around both."""
    b = Build((1, 3, 2, 3) if flat else (1, 3, 6))
    x = b.quant(b.node("Reshape", "x", b.const([0, 3, 6], I64)) if flat else "x", 0.25, 4)
    tokens = b.quant(b.node("Add", dense(b, x, 5, 6), b.const(np.arange(5) / 2)), 0.5, 4)
    mixed = b.quant(dense(b, tokens, 6, 5), 0.25, 5)
    x = b.node("Transpose", b.quant(b.node("Add", x, mixed), 0.25, 5), perm=[0, 2, 1])
    x = b.node("Add", b.quant(dense(b, x, 3, 3), 0.25, 4), x)
    net = proven(b.save(tmp_path, classify(b, b.quant(b.node("ReduceMean", x, axes=[1]), 0.25, 5), 3)))
    assert "Conv" in kinds(net)


def test_a_layer_of_the_rows_of_an_image(tmp_path):
    b = Build((1, 2, 3, 4))
    x = b.quant(dense(b, b.quant("x", 0.25, 4), 5, 4), 0.5, 4)
    proven(b.save(tmp_path, classify(b, x, 2 * 3 * 5)))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("axis", [1, 2])
def test_maps_of_two_sizes_are_joined_as_vectors_of_pixels(axis, last, tmp_path):
    """The head of a detector: boxes and classes beside each other, or all pixels of two scales."""
    b = Build((1, 2, 4, 4))
    fine = b.conv("x", signs(b, 3, 2, 1, 1))
    other = b.conv(
        "x",
        signs(b, 5 if axis == 1 else 3, 2, 2, 2),
        strides=(1, 1) if axis == 1 else (2, 2),
        pads=(0, 0, 1, 1) if axis == 1 else (0,) * 4,
    )
    parts = [
        b.node("Reshape", y, b.const([0, rows, -1], I64)) for y, rows in ((fine, 3), (other, 5 if axis == 1 else 3))
    ]
    if last:
        parts = [b.node("Transpose", y, perm=[0, 2, 1]) for y in parts]
    joined = b.node("Concat", *parts, axis=3 - axis if last else axis)
    net = proven(b.save(tmp_path, joined))
    assert net.answer.shape == ({1: (8, 16), 2: (3, 20)}[axis][::-1] if last else {1: (8, 16), 2: (3, 20)}[axis])


@pytest.mark.parametrize("form", ["pixels last", "anchors last", "five axes"])
def test_anchors_of_heads_with_biases_and_scales_of_their_own_are_joined(form, tmp_path):
    """The answers of a detector at two scales: nothing is reordered, each element keeps its own scale."""
    b, parts = Build((1, 2, 4, 4)), []
    for k, size in enumerate((4, 2)):
        y = b.conv(
            "x", signs(b, 6, 2, 1 + k, 1 + k), strides=(1 + k, 1 + k), bias=np.random.default_rng(k).normal(0, 1, 6)
        )
        y = b.node(
            "Reshape",
            b.node("Mul", y, b.const(0.31 + k / 7)),
            b.const([0, 2, 3, *((-1,) if form != "five axes" else (size, size))], I64),
        )
        perm = {"pixels last": (0, 1, 2, 3), "anchors last": (0, 3, 1, 2), "five axes": (0, 1, 3, 4, 2)}[form]
        y = b.node("Transpose", y, perm=perm)
        parts.append(b.node("Reshape", y, b.const([0, 2, -1, 3], I64)) if form == "five axes" else y)
    net = proven(
        b.save(tmp_path, b.node("Concat", *parts, axis={"pixels last": 3, "anchors last": 1, "five axes": 2}[form])),
        exact=False,
    )
    assert net.answer.shape == {"pixels last": (2, 3, 20), "anchors last": (20, 2, 3), "five axes": (2, 20, 3)}[form]


@pytest.mark.parametrize("op", ["ReduceMax", "ReduceMin", "ReduceSum", "ReduceMean"])
@pytest.mark.parametrize("axis", [1, 2])
def test_groups_of_channels_of_scales_of_their_own_are_reduced(op, axis, tmp_path):
    """Maxout behind a norm, in front of a quantizer."""
    b = Build((1, 2, 3, 2))
    x = b.norm(b.conv("x", signs(b, 6, 2, 1, 1)), *np.random.default_rng(axis).uniform(0.5, 1.5, (4, 6)))
    x = b.node("Reshape", x, b.const([0, 2, 3, 3, 2], I64))
    more = (b.const([axis], I64),) if op == "ReduceSum" else ()
    x = b.node(op, x, *more, keepdims=0, **({} if more else {"axes": [axis]}))
    left = 18 if axis == 1 else 12
    net = proven(b.save(tmp_path, classify(b, b.quant(x, 0.3037, 4), left)), exact=False)
    assert ("Maximum" in kinds(net)) == (op in ("ReduceMax", "ReduceMin"))


def test_the_larger_of_two_sums_is_quantised_without_a_grid_of_its_own(tmp_path):
    """LightCNN's max-feature-map: biases that are no multiples of a step."""
    b = Build((1, 2, 3, 2))
    sums = [b.conv("x", signs(b, 3, 2, 1, 1), bias=np.random.default_rng(k).normal(0, 1, 3)) for k in (0, 1)]
    net = proven(b.save(tmp_path, classify(b, b.quant(b.node("Max", *sums), 0.5, 3), 18)), exact=False)
    assert "Maximum" in kinds(net)


def test_outputs_that_are_constants_are_left_out(tmp_path):
    """A module that returns Brevitas' quantised tensor exports its scale and its bit width too."""
    b = Build((1, 4))
    y = b.quant(dense(b, b.quant("x", 0.25, 4), 3, 4), 0.5, 5)
    scale = b.node("Mul", b.const(0.25), b.const(2.0))
    path = b.save(tmp_path, {y: 1, scale: 1})
    graph = read(path, "i4/4")
    assert [note for note in graph.notes if "constants, which the host knows" in note]
    proven(path)


@pytest.mark.parametrize("bits", [1, 2, 4, 7])
def test_weights_of_dorefa_times_a_norm_are_their_integers(bits):
    """Exporters multiply a norm's factor into the weights in front of it."""
    rng, n = np.random.default_rng(bits), (1 << bits) - 1
    r = rng.integers(0, n + 1, (6, 40))
    factor = rng.normal(0, 1, (6, 1)).astype(np.float32)
    factor[0] = 1
    found = guessed((np.float32(2) * (r.astype(np.float32) / np.float32(n)) - np.float32(1)) * factor)
    want = (2 * r - n) * factor / n
    assert np.abs(found.ints * found.scale[:, None] / want - 1).max() <= ROOM
    assert np.abs(found.ints).max() <= 127


def test_integers_that_two_scales_were_multiplied_with_are_found_again():
    rng = np.random.default_rng(3)
    k = rng.integers(-7, 8, (5, 30))
    once = (k * np.float32(0.0731)).astype(np.float32)
    found = guessed(once * rng.normal(0, 1, (5, 1)).astype(np.float32))
    assert (np.sort(np.abs(found.ints), 1) == np.sort(np.abs(k) // np.gcd.reduce(k, axis=1, keepdims=True), 1)).all()


def test_weights_that_nothing_quantised_are_refused(tmp_path):
    b = Build((1, 4))
    path = b.save(
        tmp_path, b.node("MatMul", b.quant("x", 0.25, 4), b.const(np.random.default_rng(0).normal(0, 1, (4, 3))))
    )
    with pytest.raises(ModelError, match="are not integers times a scale"):
        read(path, "i4/4")
    assert check(path, "i4/4")
