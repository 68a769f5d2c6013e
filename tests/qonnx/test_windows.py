"""Convolutions, pools, borders and enlargements: the Graph and the folded Net answer what qonnx answers."""

import numpy as np
import pytest
from networks import Build, Q
from reading import RNG, classify, kinds, same, signs

from hwflow.qonnx import read


@pytest.mark.parametrize("kernel", [(2, 2), (3, 3), (1, 3)])
def test_averages_by_numbers_that_are_no_power_of_two(kernel, tmp_path):
    b = Build((1, 2, 6, 6))
    x = b.node("AveragePool", b.quant("x", 0.5, 5), kernel_shape=list(kernel), strides=[1, 2])
    x = b.quant(x, 0.25, 4)
    same(b.save(tmp_path, classify(b, x, 2 * (7 - kernel[0]) * ((6 - kernel[1]) // 2 + 1))), "i5/2")


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMean-18"])
def test_whole_images_pooled(op, tmp_path):
    b = Build((1, 5, 3, 4), 18 if op.endswith("18") else 13)
    x = b.quant("x", 0.25, 4)
    if op == "ReduceMean":
        x = b.node("ReduceMean", x, axes=[2, 3], keepdims=0)
    elif op == "ReduceMean-18":
        x = b.node("ReduceMean", x, b.const([-1, -2], np.int64), keepdims=1)
    else:
        x = b.node(op, x)
    same(b.save(tmp_path, classify(b, b.quant(x, 0.125, 5), 5)), "i5/4")


@pytest.mark.parametrize(
    ("pads", "strides", "dilations", "group", "auto"),
    [((1, 1, 1, 1), (1, 1), (1, 1), 1, None), ((0, 2, 1, 0), (2, 1), (1, 2), 2, None), ((2, 2, 2, 2), (1, 3), (2, 2), 4, None),
     (None, (2, 2), (1, 1), 1, "SAME_UPPER"), (None, (1, 2), (1, 1), 2, "SAME_LOWER"), (None, (1, 1), (1, 1), 1, "VALID")],
)  # fmt: skip
def test_convolutions_padded_with_zero_on_signs(pads, strides, dilations, group, auto, tmp_path):
    b = Build((1, 4, 7, 5))
    more = {"pads": list(pads)} if pads else {"auto_pad": auto}
    x = b.node(
        "Conv",
        b.sign("x"),
        signs(b, 8, 4 // group, 3, 3),
        strides=list(strides),
        dilations=list(dilations),
        group=group,
        **more,
    )
    x = b.node("GlobalMaxPool", b.norm(x, RNG.normal(0, 1, 8), RNG.normal(0, 1, 8), RNG.normal(0, 3, 8), [2] * 8))
    same(b.save(tmp_path, classify(b, b.quant(x, 0.25, 4), 8)), "i3")


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_a_border_in_front_of_a_convolution(value, tmp_path):
    b = Build((1, 2, 5, 4))
    x = b.node("Pad", b.sign("x"), b.const([0, 0, 1, 0, 0, 0, 2, 1], np.int64), b.const(value), mode="constant")
    net = same(b.save(tmp_path, classify(b, b.sign(b.conv(x, signs(b, 3, 2, 3, 3))), 54)), "i3")
    assert kinds(net) == ["Threshold", "Conv", "Threshold", "Flatten", "Dense"]


def test_a_border_and_channels_of_zeros_of_their_own(tmp_path):
    b = Build((1, 2, 5, 4))
    x = b.node("Pad", b.quant("x", 0.5, 3), b.const([0, 1, 0, 1, 0, 2, 1, 0], np.int64))
    same(b.save(tmp_path, classify(b, x, 5 * 6 * 5)), "i3/2")


@pytest.mark.parametrize("ceil", [0, 1])
def test_max_pools_with_padding_dilation_and_rounding_up(ceil, tmp_path):
    b = Build((1, 3, 7, 8))
    x = b.node("MaxPool", b.quant("x", 0.5, 4), kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 0, 0], ceil_mode=ceil)
    x = b.node("MaxPool", b.quant(x, 1.0, 3), kernel_shape=[2, 2], dilations=[1, 2])
    path = b.save(tmp_path, b.node("Flatten", x))
    inputs = int(np.prod(read(path, "i4").shapes[read(path, "i4").output]))
    b.nodes.pop()
    same(b.save(tmp_path, classify(b, x, inputs)), "i4/2")


def test_a_pool_in_front_of_a_norm_with_falling_channels(tmp_path):
    b = Build((1, 2, 6, 6))
    x = b.node("MaxPool", b.conv(b.sign("x"), signs(b, 4, 2, 3, 3)), kernel_shape=[2, 2], strides=[2, 2])
    x = b.sign(b.norm(x, [1, -1, 0, -2], [0.5, -1, 1, 2], [1, 2, 3, -4], [1, 2, 3, 4]))
    net = same(b.save(tmp_path, classify(b, x, 16)), "i3")
    assert kinds(net) == ["Threshold", "Conv", "Threshold", "MaxPool", "Flatten", "Dense"], "the pool works on bits"
    assert net.nodes[net.ops[3].name].minimum.tolist() == [False, True, False, True]
    assert not net.ops[2].falling.any(), "falling channels are in the weights"


@pytest.mark.parametrize("op", ["Resize", "Upsample"])
def test_nearest_neighbours(op, tmp_path):
    b = Build((1, 2, 3, 2), 13 if op == "Resize" else 9)
    factors = b.const([1, 1, 3, 2])
    x = b.quant("x", 0.5, 3)
    if op == "Resize":
        x = b.node(
            "Resize",
            x,
            b.const([]),
            factors,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
    else:
        x = b.node("Upsample", x, factors, mode="nearest")
    same(b.save(tmp_path, classify(b, x, 72)), "i3/2")


def test_channel_last_operators(tmp_path):
    last = "qonnx.custom_op.channels_last"
    b = Build((1, 6, 5, 2))
    w = b.shaped(b.node("Transpose", signs(b, 3, 2, 3, 3), perm=[0, 2, 3, 1]), 3, 3, 3, 2)
    x = b.shaped(b.quant("x", 0.5, 3), 1, 6, 5, 2)
    x = b.node(
        "Conv", x, w, domain=last, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1], dilations=[1, 1], group=1
    )
    x = b.shaped(x, 1, 6, 5, 3)
    norm = (b.const(v) for v in ([1, -1, 2], [0, 1, 2], [1, 2, 3], [1, 2, 3]))
    x = b.shaped(b.node("BatchNormalization", x, *norm, domain=last, epsilon=1e-5), 1, 6, 5, 3)
    x = b.shaped(b.sign(x), 1, 6, 5, 3)
    x = b.node("MaxPool", x, domain=last, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0])
    same(b.save(tmp_path, classify(b, b.shaped(x, 1, 3, 2, 3), 18)), "i3/2")


def test_images_that_come_channel_last_and_are_transposed(tmp_path):
    b = Build((1, 6, 5, 2))
    x = b.node("Transpose", b.quant("x", 0.5, 3), perm=[0, 3, 1, 2])
    x = b.node("Transpose", b.sign(b.conv(x, signs(b, 3, 2, 3, 3))), perm=[0, 2, 3, 1])
    x = b.node("MultiThreshold", x, b.const([[0.0]]), domain=Q, out_scale=1.0, data_layout="NHWC", out_dtype="UINT1")
    net = same(b.save(tmp_path, classify(b, x, 36)), "i3/2")
    assert net.input.shape == (6, 5, 2)


def test_sequences(tmp_path):
    b = Build((1, 3, 11))
    x = b.node("Conv", b.sign("x"), signs(b, 4, 3, 3), pads=[1, 1], strides=[2], dilations=[1], kernel_shape=[3])
    x = b.node(
        "MaxPool", b.sign(b.node("Mul", x, b.const([[[1.0], [-1], [0.5], [-2]]]))), kernel_shape=[2], strides=[2]
    )
    same(b.save(tmp_path, classify(b, x, 12)), "i3")


def test_strided_slices_and_every_nth_pixel(tmp_path):
    b = Build((1, 2, 5, 6))
    x = b.node(
        "Slice",
        b.quant("x", 0.5, 3),
        b.const([0, 0], np.int64),
        b.const([99, 2**62], np.int64),
        b.const([2, 3], np.int64),
        b.const([2, 3], np.int64),
    )
    same(b.save(tmp_path, classify(b, x, 12)), "i3/2")


@pytest.mark.parametrize("auto", ["SAME_UPPER", "SAME_LOWER"])
def test_the_odd_row_of_automatic_padding_lies_where_onnx_puts_it(auto, tmp_path):
    b = Build((1, 2, 6, 4))
    x = b.node("Conv", b.sign("x"), signs(b, 3, 2, 3, 3), strides=[2, 2], auto_pad=auto)
    same(b.save(tmp_path, classify(b, b.sign(x), 3 * 3 * 2)), "i3")


def test_automatic_padding_covers_the_whole_dilated_window(tmp_path):
    # onnxruntime dilates no such window
    for auto, pads in (("SAME_UPPER", (2, 0, 2, 1)), ("SAME_LOWER", (2, 1, 2, 0))):
        b = Build((1, 2, 6, 4))
        x = b.node("Conv", b.sign("x"), signs(b, 3, 2, 3, 2), dilations=[2, 1], auto_pad=auto)
        graph = read(b.save(tmp_path, x), "i3")
        (conv,) = (n for n in graph.nodes if hasattr(n, "pads"))
        assert conv.pads == pads and graph.shapes[conv.name] == (6, 4, 3)


def test_a_window_that_would_begin_behind_the_image_is_not_counted_when_rounding_up(tmp_path):
    b = Build((1, 2, 3, 7))
    x = b.node("MaxPool", b.quant("x", 0.5, 4), kernel_shape=[2, 2], strides=[3, 2], pads=[0, 0, 1, 0], ceil_mode=1)
    graph = read(b.save(tmp_path, x), "i4/2")
    assert graph.shapes[graph.output] == (1, 4, 2)
