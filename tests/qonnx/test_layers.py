"""Dense layers, reshapes, sums and joins between layers: the Graph and the folded Net answer what qonnx answers."""

import numpy as np
import pytest
from networks import Build
from reading import RNG, classify, kinds, same, signs

from hwflow.errors import ModelError
from hwflow.fold import fold
from hwflow.qonnx import read


@pytest.mark.parametrize("how", ["static", "minus one", "zero", "shape", "shape of the first", "flatten", "squeeze"])
def test_every_way_from_an_image_to_a_vector(how, tmp_path):
    b = Build((1, 3, 2, 4) if how != "squeeze" else (1, 24, 1, 1))
    x = b.quant("x", 0.5, 3)
    if how in ("static", "minus one", "zero"):
        x = b.node("Reshape", x, b.const({"static": [1, 24], "minus one": [-1, 24], "zero": [0, -1]}[how], np.int64))
    elif how == "flatten":
        x = b.node("Flatten", x, axis=1)
    elif how == "squeeze":
        x = b.node("Squeeze", x, b.const([2, 3], np.int64))
    else:
        source = x if how == "shape" else "x"
        n = b.node(
            "Unsqueeze", b.node("Gather", b.node("Shape", source), b.const(0, np.int64), axis=0), b.const([0], np.int64)
        )
        x = b.node("Reshape", x, b.node("Concat", n, b.const([-1], np.int64), axis=0))
    w = b.node("Transpose", signs(b, 3, 24), perm=[1, 0])
    same(b.save(tmp_path, b.node("MatMul", x, w)), "i3/2")


def test_a_norm_behind_a_flattened_image_keeps_the_order_of_its_channels(tmp_path):
    b = Build((1, 3, 2, 4))
    x = b.node("Flatten", b.quant("x", 0.5, 4))
    x = b.norm(x, RNG.normal(0, 1, 24), RNG.normal(0, 1, 24), RNG.normal(0, 1, 24), np.ones(24))
    same(b.save(tmp_path, classify(b, b.sign(x), 24)), "i4/2")


@pytest.mark.parametrize(("alpha", "beta", "trans"), [(1.0, 1.0, 1), (0.5, 2.0, 0)])
def test_gemm_with_bias_and_factors(alpha, beta, trans, tmp_path):
    b = Build((1, 6))
    w = signs(b, 3, 6) if trans else signs(b, 6, 3)
    same(
        b.save(
            tmp_path,
            b.node("Gemm", b.quant("x", 0.5, 3), w, b.const([0.5, -1, 2]), transB=trans, alpha=alpha, beta=beta),
        ),
        "i3/2",
    )


def test_gemm_over_pixels_is_a_convolution(tmp_path):
    b = Build((1, 3, 4, 4))
    x = b.node(
        "MatMul", b.node("Transpose", b.sign("x"), perm=[0, 2, 3, 1]), b.node("Transpose", signs(b, 2, 3), perm=[1, 0])
    )
    x = b.node("Transpose", x, perm=[0, 3, 1, 2])
    same(b.save(tmp_path, classify(b, x, 32)), "i3")


@pytest.mark.parametrize("step", [2.0, 0.5, 3.0])
def test_residual_sums_of_different_scales(step, tmp_path):
    b = Build((1, 3, 5, 5))
    x = b.quant("x", 0.25, 4)
    y = b.quant(b.conv(b.sign(x), signs(b, 3, 3, 3, 3), (1, 1, 1, 1)), 0.25 * step, 4)
    s = b.node("Add", y, x)
    z = b.quant(b.norm(b.conv(b.sign(s), signs(b, 3, 3, 1, 1)), [1, 2, -1], [0, 1, 2], [1, 0, 0], [2, 3, 4]), 0.5, 5)
    same(b.save(tmp_path, classify(b, b.node("Sub", b.node("Add", z, s), b.quant(s, 1.0, 3)), 75)), "i5/4")


def test_a_sum_of_accumulators_with_power_of_two_scales(tmp_path):
    b = Build((1, 3, 5, 5))
    x = b.sign("x")
    y = b.node(
        "Add",
        b.conv(x, b.sign(signs(b, 3, 3, 3, 3), 0.25), (1, 1, 1, 1), bias=[1, 0.5, -0.5]),
        b.node("Mul", x, b.const(0.5)),
    )
    net = same(b.save(tmp_path, classify(b, b.sign(b.node("Clip", y, b.const(-1.0), b.const(1.0))), 75)), "i3")
    assert "Rescale" not in kinds(net)


def test_concatenated_branches_of_different_scales(tmp_path):
    b = Build((1, 2, 4, 4))
    x = b.node("Concat", b.sign("x", 0.5), b.quant("x", 0.25, 3), b.conv(b.sign("x"), signs(b, 2, 2, 1, 1)), axis=1)
    x = b.node(
        "Concat",
        b.norm(x, RNG.normal(0, 1, 6), RNG.normal(0, 1, 6), RNG.normal(0, 1, 6), np.ones(6)),
        b.node("Mul", b.sign("x"), b.const(0.3)),
        axis=1,
    )
    same(b.save(tmp_path, classify(b, b.sign(x), 128)), "i3/4")


def test_three_kinds_of_shortcut_in_one_network(tmp_path):
    """As it is; skipped to every second pixel with channels of zeros; by a strided convolution of its own."""
    b = Build((1, 4, 6, 6))

    def norm(x, c):
        gains = RNG.normal(0, 1, c)
        gains[0] = 0
        return b.norm(x, gains, RNG.normal(0, 1, c), RNG.normal(0, 3, c), RNG.random(c) * 9 + 0.1)

    def branch(x, inputs, rows, stride=1):
        y = b.conv(b.sign(x), signs(b, rows, inputs, 3, 3), (1, 1, 1, 1), (stride, stride))
        return b.quant(norm(y, rows), 0.25, 6)

    def cut(x):
        return b.quant(x, 0.125, 8)

    x = cut(b.node("Mul", "x", b.const(0.5)))
    x = cut(b.node("Add", branch(x, 4, 4), x))
    skipped = b.node("MaxPool", x, kernel_shape=[1, 1], strides=[2, 2])
    skipped = b.node("Pad", skipped, b.const([0, 2, 0, 0, 0, 2, 0, 0], np.int64))
    x = cut(b.node("Add", branch(x, 4, 8, 2), skipped))
    own = b.quant(norm(b.conv(x, signs(b, 8, 8, 1, 1), strides=(2, 2)), 8), 0.0625, 8)
    x = cut(b.node("Add", branch(x, 8, 8, 2), own))
    net = same(b.save(tmp_path, classify(b, x, 32)), "i6/8")
    assert kinds(net).count("Add") == 3


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_and_pointwise_layers_in_turn(stride, tmp_path):
    b = Build((1, 3, 9, 7))
    x, c = b.quant("x", 0.25, 4), 3
    for rows in (5, 8):
        x = b.conv(b.sign(x), signs(b, c, 1, 3, 3), (1, 0, 1, 2), (stride, 1), group=c)
        x = b.sign(b.norm(x, RNG.normal(0, 1, c), RNG.normal(0, 1, c), RNG.normal(0, 2, c), np.ones(c)))
        x, c = b.conv(x, signs(b, rows, c, 1, 1)), rows
    x = b.quant(b.norm(x, RNG.normal(0, 1, c), RNG.normal(0, 1, c), RNG.normal(0, 2, c), np.ones(c)), 0.5, 3)
    x = b.quant(b.node("GlobalAveragePool", x), 0.0625, 6)
    same(b.save(tmp_path, classify(b, x, 8)), "i4/2")


@pytest.mark.parametrize("turning", [False, True])
@pytest.mark.parametrize("minus", [-1.0, 1.0, -0.5])
def test_a_maximum_of_values_that_a_step_below_zero_turns(minus, turning, tmp_path):
    """A quantised value times a number below zero: the largest value is the least integer."""
    b = Build((1, 2, 4, 4))
    x = b.conv("x", signs(b, 3, 2, 1, 1))
    x = b.quant(b.node("Abs", x) if turning else x, 0.5, 4)
    x = b.node("MaxPool", b.node("Mul", x, b.const(minus)), kernel_shape=[2, 2], strides=[2, 2])
    same(b.save(tmp_path, classify(b, x, 12)), "i3/2")


@pytest.mark.parametrize("bias", [-100.0, 100.0])
def test_a_sign_that_is_always_the_same_is_so_at_both_ends(bias, tmp_path):
    b = Build((1, 1, 3, 4))
    x = b.sign(b.node("Add", b.conv("x", signs(b, 3, 1, 1, 1)), b.const(bias)))
    same(b.save(tmp_path, classify(b, x, 36, 9)), "i2")


def test_sums_of_more_than_32_bits_are_refused(tmp_path):
    for inputs, fits in ((2, True), (9, False)):
        b = Build((1, inputs))
        w = b.quant(b.const(np.full((inputs, 2), 0.99)), 2.0**-15, 16)
        path = b.save(tmp_path, b.node("MatMul", b.quant("x", 2.0**-15, 16), w))
        if fits:
            fold(read(path, "i16/32768"))
        else:
            with pytest.raises(ModelError, match="its accumulator exceeds 32 bits"):
                fold(read(path, "i16/32768"))


@pytest.mark.parametrize("shape", [(), (3, 1, 1)])
def test_a_constant_less_a_value_falls_where_the_value_rises(shape, tmp_path):
    b = Build((1, 2, 3, 4))
    x = b.node("Sub", b.const(RNG.integers(-3, 4, shape) / 4), b.conv("x", signs(b, 3, 2, 1, 1)))
    same(b.save(tmp_path, classify(b, b.quant(x, 0.5, 3), 36)), "i3/4")


@pytest.mark.parametrize("behind", ["end", "layer", "join"])
def test_each_channel_keeps_its_own_scale_behind_a_flatten(behind, tmp_path):
    b = Build((1, 2, 3, 4))
    scale, offset = (b.const(np.array(v).reshape(3, 1, 1)) for v in ([0.5, 2, -0.25], [1, -0.5, 4]))
    x = b.node("Add", b.node("Mul", b.conv("x", signs(b, 3, 2, 1, 1)), scale), offset)
    x = b.node("Flatten", x, axis=1)
    if behind == "join":
        x = b.node("Concat", x, b.node("Flatten", b.conv("x", signs(b, 3, 2, 1, 1)), axis=1), axis=1)
    if behind != "end":
        x = classify(b, b.quant(x, 0.5, 4), 72 if behind == "join" else 36)
    same(b.save(tmp_path, x), "i3/4")
