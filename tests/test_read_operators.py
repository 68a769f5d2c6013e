"""Every operator, as exporters write it: the Graph and the folded Net answer what qonnx answers for the same file."""

import numpy as np
import onnxruntime
import pytest
from networks import Build, Q
from onnx import TensorProto

from hwflow.fold import fold
from hwflow.qonnx import read, reference
from hwflow.real import parse_input
from hwflow.real.graph import INPUT

RNG = np.random.default_rng(0)
OLD = ("onnx.brevitas", "finn.custom_op.general", Q)


def signs(b, *shape):
    return b.const(RNG.choice([-1.0, 1.0], shape))


def same(path, takes, n=40):
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


def classify(b, x, inputs, rows=3):
    return b.node("MatMul", b.node("Flatten", x, axis=1), b.node("Transpose", signs(b, rows, inputs), perm=[1, 0]))


def kinds(net):
    return [type(op).__name__ for op in net.ops]


@pytest.mark.parametrize("domain", OLD)
@pytest.mark.parametrize("opset", [9, 13, 17])
def test_quantizers_of_every_domain_and_opset(domain, opset, tmp_path):
    b = Build((1, 2, 4, 4), opset)
    x = b.quant(
        b.norm(
            b.conv(b.quant("x", 0.125, 3, domain=domain), signs(b, 3, 2, 3, 3)),
            [1, -2, 0],
            [0, 1, 2],
            [1, 2, 3],
            [4, 5, 6],
        ),
        0.5,
        2,
        domain=domain,
    )
    assert kinds(same(b.save(tmp_path, classify(b, x, 12)), "i4/8")) == [
        "Threshold",
        "Conv",
        "Threshold",
        "Flatten",
        "Dense",
    ]


@pytest.mark.parametrize("mode", ["ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_EVEN", "HALF_UP", "HALF_DOWN"])
def test_every_rounding_at_ties(mode, tmp_path):
    b = Build((1, 9))
    same(b.save(tmp_path, classify(b, b.quant("x", 0.25, 4, 1, 1, mode=mode), 9)), "i6/16")


@pytest.mark.parametrize(
    ("bits", "signed", "narrow", "zero"),
    [(1, 0, 0, 0.0), (1, 1, 0, 0.0), (2, 1, 1, 0.0), (3, 0, 1, 2.0), (8, 1, 0, 0.0), (8, 0, 0, 128.0)],
)
def test_every_kind_of_range(bits, signed, narrow, zero, tmp_path):
    b = Build((1, 7))
    same(b.save(tmp_path, classify(b, b.quant("x", 0.0625, bits, signed, narrow, zero), 7)), "i8/32")


def test_a_qcdq_network_with_zero_points(tmp_path):
    b = Build((1, 2, 5, 5))

    def qdq(x, scale, zero, kind, clip=None, axis=1):
        s, z = b.const(scale), b.const(zero, kind)
        q = b.node("QuantizeLinear", x, s, z, axis=axis)
        q = q if clip is None else b.node("Clip", q, *(b.const(c, kind) for c in clip))
        return b.node("DequantizeLinear", q, s, z, axis=axis)

    w = qdq(b.const(RNG.normal(0, 1, (4, 2, 3, 3))), [0.5, 0.25, 0.125, 1.0], [0, 0, 0, 0], np.int8, (-4, 3), 0)
    x = b.conv(qdq("x", 0.0625, 3, np.uint8), w, (1, 1, 1, 1), bias=[0.5, -0.25, 0, 1])
    x = qdq(b.node("Relu", x), 0.125, 0, np.uint8, (0, 15))
    same(b.save(tmp_path, classify(b, x, 100)), "i8/32")


@pytest.mark.parametrize("rows", [1, 3])
def test_multi_thresholds_with_scale_and_bias(rows, tmp_path):
    b = Build((1, 3, 4, 4))
    steps = np.sort(RNG.integers(-8, 8, (rows, 3)) / 4, 1)
    x = b.node("MultiThreshold", "x", b.const(steps), domain=Q, out_scale=2.0, out_bias=-3.0, out_dtype="INT3")
    x = b.node(
        "MultiThreshold",
        b.conv(x, signs(b, 2, 3, 3, 3)),
        b.const([[0.5]]),
        domain=Q,
        out_scale=2.0,
        out_bias=-1.0,
        out_dtype="BIPOLAR",
    )
    net = same(b.save(tmp_path, classify(b, x, 8)), "i4/4")
    assert net.ports[net.ops[-2].name].ints.is_bipolar


@pytest.mark.parametrize("version", [1, 2])
def test_truncation_behind_an_average(version, tmp_path):
    b = Build((1, 3, 4, 4))
    x = b.node("AveragePool", b.quant("x", 0.25, 4, 0), kernel_shape=[4, 4], strides=[4, 4])
    s, z = b.const(0.25 / 16), b.const(0.0)
    if version == 1:
        x = b.node("Trunc", x, s, z, b.const(8.0), b.const(4.0), domain=Q, rounding_mode="FLOOR")
    else:
        x = b.node(
            "Trunc",
            x,
            s,
            z,
            b.const(8.0),
            b.const(0.25),
            b.const(4.0),
            domain=Q,
            rounding_mode="FLOOR",
            signed=0,
            narrow=0,
        )
    model = b.model(classify(b, x, 3))
    for opset in model.opset_import:
        opset.version = version if opset.domain == Q else opset.version
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    same(tmp_path / "net.onnx", "u4/4")


def test_quantised_average_pooling(tmp_path):
    b = Build((1, 3, 4, 4))
    x = b.node(
        "QuantAvgPool2d",
        b.quant("x", 1.0, 4, 0),
        domain=Q,
        kernel=2,
        stride=2,
        ibits=4,
        obits=4,
        signed=0,
        data_layout="NCHW",
    )
    same(b.save(tmp_path, classify(b, x, 12)), "u4")


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


def test_a_tensor_norm_at_the_end_stays_with_the_host(tmp_path):
    b = Build((1, 8))
    x = classify(b, b.sign("x"), 8)
    x = b.node("Div", b.node("Sub", x, b.const([0.4488643])), b.node("Pow", b.const([318.19666]), b.const(0.5)))
    net = same(b.save(tmp_path, b.node("Add", b.node("Mul", x, b.const([0.734])), b.const([-1.1436]))), "i3")
    assert [s.op for s in net.finish] == ["sub", "div", "mul", "add"]


@pytest.mark.parametrize("op", ["ArgMax", "TopK"])
@pytest.mark.parametrize("bias", [False, True])
def test_labels_at_the_end(op, bias, tmp_path):
    b = Build((1, 9))
    x = classify(b, b.sign("x"), 9, 6)
    x = b.node("Add", x, b.const(RNG.integers(-1, 2, 6))) if bias else b.node("Mul", x, b.const(0.5))
    if op == "ArgMax":
        y = b.node("ArgMax", x, axis=1, keepdims=0)
    else:
        values = b.node("TopK", x, b.const([1], np.int64), outputs=2)
        y = f"{values}_1"
    path = b.save(tmp_path, y, kind=TensorProto.INT64)
    graph = read(path, "i3")
    net = fold(graph)
    x = RNG.integers(-4, 4, (300, 9))
    want = reference(path, x, "i3")[:, 0]
    assert np.array_equal(graph.run(graph.takes.real(x))[:, 0], want)
    assert np.array_equal(net.labels(net.run(x)), want)
    assert net.gives_labels is not bias, "a bias of each class is compared by the host"


def test_a_softmax_at_the_end_leaves_the_scores(tmp_path):
    b = Build((1, 8))
    graph = read(b.save(tmp_path, b.node("Softmax", classify(b, b.sign("x"), 8), axis=1)), "i3")
    assert "Softmax" in graph.notes[0]
    assert fold(graph).finish == ()


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


@pytest.mark.parametrize("shape", [(), (5, 3)])
@pytest.mark.parametrize("opset", [9, 13, 15])
def test_a_norm_is_what_onnxruntime_computes_bit_for_bit(shape, opset, tmp_path):
    c = 37
    gamma, beta, mean = (RNG.normal(0, 2, c).astype(np.float32) for _ in range(3))
    var = np.abs(RNG.normal(0, 100, c)).astype(np.float32)
    b = Build((64, c, *shape), opset)
    path = b.save(tmp_path, b.norm("x", gamma, beta, mean, var))
    x = RNG.integers(-2000, 2001, (64, c, *shape)).astype(np.float32)
    want = onnxruntime.InferenceSession(str(path)).run(None, {"x": x})[0]
    graph = read(path, "i12")
    got = graph.run(np.moveaxis(x, 1, -1))
    assert np.array_equal(got.reshape(64, *shape, c), np.moveaxis(want, 1, -1))


def test_the_input_is_found_in_metadata_quantizer_or_annotation(tmp_path):
    b = Build((1, 4))
    path = b.save(tmp_path, classify(b, b.quant("x", 1 / 64, 6), 4), "a.onnx")
    assert str(read(path).takes) == "i6/64"
    b = Build((1, 4))
    y = classify(b, b.node("Mul", "x", b.const(2.0)), 4)
    assert str(read(b.save(tmp_path, y, "b.onnx")).takes) == "u8/255"
    assert "because the file does not say" in read(b.save(tmp_path, y, "b.onnx")).notes[0]
    assert str(read(b.save(tmp_path, y, "c.onnx", meta={"hwflow.input": "i16/1024"})).takes) == "i16/1024"
    assert read(b.save(tmp_path, y, "c.onnx", meta={"hwflow.input": "i16/1024"})).notes == ()
    model = b.model(y)
    note = model.graph.quantization_annotation.add()
    note.tensor_name = "x"
    note.quant_parameter_tensor_names.add(key="finn_datatype", value="BIPOLAR")
    (tmp_path / "d.onnx").write_bytes(model.SerializeToString())
    assert str(read(tmp_path / "d.onnx").takes) == "bipolar"
    assert str(read(tmp_path / "d.onnx", "u4/3").takes) == "u4/3"


def test_names_are_fit_for_every_language(tmp_path):
    b = Build((1, 4))
    y = classify(b, b.sign("x"), 4)
    for node, name in zip(b.nodes, ("/features/0/sign", "input", "", "7-layer!"), strict=True):
        node.name = name
    names = [n.name for n in read(b.save(tmp_path, y), "i3").nodes]
    assert all(n.isidentifier() and n.isascii() and n != INPUT for n in names), names


def test_two_norms_and_gates_between_quantizers_are_one_threshold(tmp_path):
    b = Build((1, 6))
    x = classify(b, b.sign("x"), 6, 5)
    for _ in range(2):
        x = b.norm(x, RNG.normal(0, 1, 5), RNG.normal(0, 1, 5), RNG.normal(0, 1, 5), np.ones(5))
        x = b.node("Clip", b.node("Mul", x, b.const(3.0)), b.const(-9.0), b.const(9.0))
    net = same(b.save(tmp_path, classify(b, b.sign(b.quant(x, 0.0625, 8)), 5)), "i3")
    assert kinds(net) == ["Threshold", "Dense", "Threshold", "Dense"]


@pytest.mark.parametrize("last", ["norm", "quantizer", "leaky"])
def test_labels_behind_scores_that_classes_scale_differently(last, tmp_path):
    b = Build((1, 9))
    x = classify(b, b.sign("x"), 9, 4)
    x = b.norm(x, [1, -1, 2, 0.5], [0, 1, 0.5, 0], [1, 2, 3, 4], [1, 2, 3, 4])
    if last == "quantizer":
        x = b.quant(x, 0.25, 6)
    y = b.node(
        "ArgMax", x if last != "leaky" else b.quant(b.node("LeakyRelu", x, alpha=0.25), 0.5, 5), axis=1, keepdims=0
    )
    path = b.save(tmp_path, y, kind=TensorProto.INT64)
    net = fold(read(path, "i3"))
    x = RNG.integers(-4, 4, (300, 9))
    assert np.array_equal(net.labels(net.run(x)), reference(path, x, "i3")[:, 0])
