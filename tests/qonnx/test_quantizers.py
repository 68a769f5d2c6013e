"""Quantizers as exporters write them: the Graph and the folded Net answer what qonnx answers for the same file."""

import numpy as np
import onnxruntime
import pytest
from networks import Build, Q
from reading import RNG, classify, kinds, same, signs

from hwflow.emit.c_program import make_program
from hwflow.lower import cores
from hwflow.qonnx import read

OLD = ("onnx.brevitas", "finn.custom_op.general", Q)


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


@pytest.mark.parametrize(("version", "zero", "bits"), [(1, 3.0, 4.0), (2, 2.0, 4.0), (2, 0.0, 2.0)])
def test_truncation_with_a_zero_point_and_with_more_than_its_bits_hold(version, zero, bits, tmp_path):
    b = Build((1, 3, 4, 4))
    x = b.node("AveragePool", b.quant("x", 0.25, 4, 0), kernel_shape=[4, 4], strides=[4, 4])
    ends = (b.const(0.25 / 16), b.const(zero), b.const(8.0))
    more = {"domain": Q, "rounding_mode": "FLOOR"}
    if version == 1:
        x = b.node("Trunc", x, *ends, b.const(bits), **more)
    else:
        x = b.node("Trunc", x, *ends, b.const(0.25), b.const(bits), signed=0, narrow=0, **more)
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


def test_two_norms_and_gates_between_quantizers_are_one_threshold(tmp_path):
    b = Build((1, 6))
    x = classify(b, b.sign("x"), 6, 5)
    for _ in range(2):
        x = b.norm(x, RNG.normal(0, 1, 5), RNG.normal(0, 1, 5), RNG.normal(0, 1, 5), np.ones(5))
        x = b.node("Clip", b.node("Mul", x, b.const(3.0)), b.const(-9.0), b.const(9.0))
    net = same(b.save(tmp_path, classify(b, b.sign(b.quant(x, 0.0625, 8)), 5)), "i3")
    assert kinds(net) == ["Threshold", "Dense", "Threshold", "Dense"]


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


@pytest.mark.parametrize("bits,mode", [(9, "ROUND"), (10, "ROUND"), (12, "FLOOR"), (16, "CEIL")])
def test_wide_weights_and_activations(bits, mode, tmp_path):
    rng = np.random.default_rng(bits)
    b = Build((1, 3, 5, 5))
    own = min(bits, 12)  # of the weights: float32 holds their sums
    w = b.quant(b.const(rng.normal(0, 1, (4, 3, 3, 3))), 2.0 ** (1 - own), own)
    x = b.quant(b.conv(b.quant("x", 2.0**-7, 8), w), 2.0 ** (4 - bits), bits, mode=mode)
    w = b.quant(b.const(rng.normal(0, 1, (36, 3))), 2.0**-6, min(bits, 9))
    x = b.quant(b.node("MatMul", b.node("Flatten", x), w), 1.0, 8)
    net = same(b.save(tmp_path, x), "i8/64")
    make_program(net)
    cores(net)
    assert max(port.ints.bits for port in net.ports.values()) > bits


@pytest.mark.parametrize("code", [4, 5])
def test_sixteen_bits_of_onnx(code, tmp_path):
    b = Build((1, 6), 21)
    x = b.node("QuantizeLinear", b.node("MatMul", "x", signs(b, 6, 4)), b.const(0.125), output_dtype=code)
    x = b.node("DequantizeLinear", x, b.const(0.25))
    same(b.save(tmp_path, b.node("MatMul", x, signs(b, 4, 3))), "i8/8")
