"""Kinds of faults that were once accepted and wrong, each over random shapes: equal to the reference, or refused by name."""

import numpy as np
import pytest
from networks import Build
from reading import classify, signs

from hwflow.emit.c_program import make_program
from hwflow.errors import ModelError
from hwflow.fold import fold
from hwflow.generate import choices, drawn
from hwflow.lower import cores
from hwflow.qonnx import explained, read, reference

DRAWS = 8


def differing(path, takes, rng, n=60):
    """Elements of the integers' answer that are not the reference's, on random inputs of all values."""
    graph = read(path, takes)
    net = fold(graph)
    x = rng.integers(graph.input.ints.lo, graph.input.ints.hi + 1, (n, *graph.input.shape))
    want = reference(path, x, takes)
    return int((net.scores(net.run(x)) != want).sum())


@pytest.mark.parametrize("seed", range(DRAWS))
def test_an_axis_that_shrank_to_one_may_grow_again(seed, tmp_path):
    rng = np.random.default_rng(seed)
    c, h, w = (int(v) for v in rng.integers(1, 6, 3))
    fh, fw = (int(v) for v in rng.integers(1, 4, 2))
    b = Build((1, c, h, w))
    kind = seed % 4
    if kind == 0:
        x = b.node("ReduceSum", "x", b.const([2, 3], np.int64), keepdims=1)
    elif kind == 1:
        x = b.node("GlobalMaxPool", "x")
    elif kind == 2:
        x = b.node(
            "Unsqueeze", b.node("ReduceSum", "x", b.const([2, 3], np.int64), keepdims=0), b.const([2, 3], np.int64)
        )
    else:
        x = b.node("MaxPool", "x", kernel_shape=[h, w], strides=[h, w])
    if seed % 3 == 0:
        x = b.node("Resize", x, "", "", b.const([1, c, fh, fw], np.int64), mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric")  # fmt: skip
    else:
        x = b.node("Resize", x, "", b.const([1, 1, fh, fw]), mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric")  # fmt: skip
    if seed % 2:
        x = b.node("Pad", x, b.const([0, 0, 1, 0, 0, 0, 0, 2], np.int64))
        fh, fw = fh + 1, fw + 2
    x = b.sign(x)
    x = b.node("Reshape", x, b.const([1, -1], np.int64)) if seed % 2 else b.node("Flatten", x)
    y = b.node("MatMul", x, b.node("Transpose", signs(b, 3, c * fh * fw), perm=[1, 0]))
    assert differing(b.save(tmp_path, y), "i4", rng) == 0


@pytest.mark.parametrize("exponent", [-149, -140, -127, -100, -40, -24, -20, 0, 20, 60, 100, 126])
@pytest.mark.parametrize("behind_a_sum", [False, True])
def test_a_quantizer_of_any_scale_is_exact_or_refused(exponent, behind_a_sum, tmp_path):
    rng = np.random.default_rng(exponent + 200)
    b = Build((1, 5))
    x = b.node("MatMul", "x", signs(b, 5, 4)) if behind_a_sum else "x"
    scale = 2.0**exponent * (1.0 if exponent % 8 else 1.25)
    x = b.quant(x, scale, int(rng.integers(2, 9)), narrow=int(rng.integers(0, 2)))
    x = b.sign(b.node("MatMul", x, signs(b, 4 if behind_a_sum else 5, 6)), 1.0)
    path = b.save(tmp_path, classify(b, x, 6))
    try:
        assert differing(path, "i8", rng) == 0
    except ModelError as e:
        assert exponent in (-149, -140, -127, 100, 126) and "float32 can hold" in str(e)


@pytest.mark.parametrize("seed", range(DRAWS))
def test_a_clip_a_hair_from_a_level_is_exact_or_refused(seed, tmp_path):
    rng = np.random.default_rng(seed)
    b = Build((1, 4))
    levels = int(rng.integers(1, 6))
    end = np.float32(rng.integers(1, levels + 1))
    for _ in range(int(rng.integers(0, 6))):
        end = np.nextafter(end, np.float32(rng.choice([0, 9])))
    x = b.node("Clip", "x", b.const(0.0 if seed % 3 else np.float32(-1e-7)), b.const(end))
    eye = b.const(np.eye(4))
    x = b.sign(b.node("Sub", b.node("MatMul", x, eye), b.const(np.float32(levels if seed % 2 else end))))
    path = b.save(tmp_path, b.node("MatMul", x, signs(b, 4, 3)))
    try:
        assert differing(path, "i4", rng) == 0
    except ModelError as e:
        assert "is not integers times a scale since Clip" in str(e)


@pytest.mark.parametrize("seed", range(DRAWS))
def test_constants_are_what_onnx_makes_of_them(seed, tmp_path):
    rng = np.random.default_rng(seed)
    b = Build((1, 4))
    a, d = rng.integers(-9, 10, 4), rng.choice([-3, -2, 2, 3, 5])
    op = ("Div", "Mod", "BitShift", "Pow", "Max", "CumSum")[seed % 6]
    kind = np.uint32 if op == "BitShift" else np.int64
    a = np.abs(a) if op == "BitShift" else a
    args = {"Mod": {}, "BitShift": {"direction": "RIGHT"}}.get(op, {})
    second = (
        b.const(0, np.int64) if op == "CumSum" else b.const([1 if op == "BitShift" else 2 if op == "Pow" else d], kind)
    )
    t = b.node("Cast", b.node(op, b.const(a, kind), second, **args), to=1)
    path = b.save(tmp_path, b.node("MatMul", b.node("Mul", "x", t), signs(b, 4, 3)))
    assert differing(path, "i6", rng) == 0


@pytest.mark.parametrize("form", ["ir", "xnor", "dorefa", "where", "prod"])
@pytest.mark.parametrize("seed", range(3))
def test_weights_binarised_in_forward_are_read(form, seed, tmp_path):
    rng = np.random.default_rng(seed)
    rows, depth, k = int(rng.integers(1, 5)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    b = Build((1, depth, 5, 4))
    w = b.const(rng.normal(0, 1, (rows, depth, k, k)))
    if form == "ir":
        mean = b.node("ReduceMean", w, axes=[1, 2, 3], keepdims=1)
        size = b.node("ReduceMean", b.node("Abs", b.node("Sub", w, mean)), axes=[1, 2, 3], keepdims=1)
        power = b.node("Pow", b.const([2.0]), b.node("Floor", b.node("Div", b.node("Log", size), b.const(np.log(2)))))
        w = b.node("Mul", b.node("Sign", b.node("Sub", w, mean)), power)
    elif form == "xnor":
        w = b.node("Mul", b.node("ReduceMean", b.node("Abs", w), axes=[1, 2, 3], keepdims=1), b.node("Sign", w))
    elif form == "dorefa":
        t = b.node("Tanh", w)
        u = b.node(
            "Add",
            b.node("Mul", b.node("Div", t, b.node("ReduceMax", b.node("Abs", t), keepdims=0)), b.const(0.5)),
            b.const(0.5),
        )
        r = b.node("Round", b.node("Mul", u, b.const(3.0)))
        w = b.node("Sub", b.node("Div", b.node("Mul", r, b.const(2.0)), b.const(3.0)), b.const(1.0))
    elif form == "where":
        w = b.node("Where", b.node("GreaterOrEqual", w, b.const(0.0)), b.const(1.0), b.const(-1.0))
    else:
        count = b.node("Cast", b.node("ReduceProd", b.node("Shape", w), keepdims=0), to=1)
        w = b.node(
            "Mul", b.node("Sign", w), b.node("Reciprocal", b.node("Pow", b.const(2.0), b.node("Sub", count, count)))
        )
    y = b.sign(b.conv("x", w))
    path = b.save(tmp_path, classify(b, y, rows * (6 - k) * (5 - k)))
    graph = read(path, "i6")
    scale = graph.nodes[0].weights.scale
    assert np.abs(graph.nodes[0].weights.ints).max() <= 3 and (scale > 0).all()
    if form in ("xnor", "dorefa"):  # scales that are no powers of two, whose sums float32 rounds
        x = rng.integers(-32, 32, (20, *graph.input.shape))
        assert all(node.explained for node in explained(path, x, "i6"))
    else:
        assert differing(path, "i6", rng) == 0


@pytest.mark.parametrize("to", ["uint8", "int8", "int16", "int32"])
def test_a_cast_that_wraps_is_refused_and_one_that_fits_is_exact(to, tmp_path):
    codes = {"uint8": 2, "int8": 3, "int16": 5, "int32": 6}
    rng = np.random.default_rng(7)
    lo, hi = np.iinfo(to).min, np.iinfo(to).max
    for least, most in ((max(lo, -300), min(hi, 300)), (max(lo, -300) - 1, 0), (0, hi + 1)):
        b = Build((1, 4))
        x = b.node(
            "Clip",
            b.node("Mul", "x", b.const(float(rng.choice([3.3, 1e8])))),
            b.const(float(least)),
            b.const(float(most)),
        )
        x = b.node("Cast", b.node("Cast", x, to=codes[to]), to=1)
        path = b.save(tmp_path, b.node("MatMul", b.node("Clip", x, b.const(-100.0), b.const(100.0)), signs(b, 4, 3)))
        inside = lo <= least and most <= hi
        if inside or to in ("int16", "int32"):
            assert inside or most > hi or least < lo or differing(path, "i8", rng) == 0
        if inside:
            assert differing(path, "i8", rng) == 0
        elif float(np.float32(3.3 * 127)) > most > hi or least < lo:
            with pytest.raises(ModelError, match="do not fit the integer type"):
                fold(read(path, "i8"))


@pytest.mark.parametrize("code,kind", [(2, "uint8"), (3, "int8"), (21, "uint4"), (22, "int4"), (0, "uint8")])
def test_quantize_linear_takes_the_type_it_names(code, kind, tmp_path):
    rng = np.random.default_rng(code)
    b = Build((1, 6), 21)
    attrs = {"output_dtype": code} if code else {}
    x = b.node("QuantizeLinear", "x", b.const(0.5), **attrs)
    x = b.node("DequantizeLinear", x, b.const(0.25))
    graph = read(b.save(tmp_path, b.node("MatMul", x, signs(b, 6, 3))), "i8/8")
    lo, hi = {"uint8": (0, 255), "int8": (-128, 127), "uint4": (0, 15), "int4": (-8, 7)}[kind]
    x = np.arange(-126, 126).reshape(-1, 6)
    got = graph._value(graph.nodes[0], [graph.takes.real(x)])
    assert np.array_equal(got, np.clip(np.rint(x / 8 / 0.5), lo, hi))
    if kind in ("uint8", "int8"):
        assert differing(tmp_path / "net.onnx", "i8/8", rng) == 0


@pytest.mark.parametrize("seed", range(DRAWS))
def test_resize_follows_the_axes_it_names(seed, tmp_path):
    rng = np.random.default_rng(seed)
    c, h, w = (int(v) for v in rng.integers(1, 5, 3))
    b = Build((1, c, h, w), 18 + seed % 2)
    axes = [int(a) for a in rng.permutation(4)] if seed % 3 else [int(a) for a in rng.permutation([2, 3, -4])]
    by = {0: 1, 1: 1, 2: int(rng.integers(1, 4)), 3: int(rng.integers(1, 4))}
    scales = [by[a % 4] for a in axes]
    sizes = [s * n for s, n in zip(scales, ((1, c, h, w)[a] for a in axes), strict=True)]
    given = ("", "", b.const(sizes, np.int64)) if seed % 2 else ("", b.const(scales))
    x = b.node("Resize", "x", *given, axes=axes, mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric")  # fmt: skip
    assert differing(b.save(tmp_path, classify(b, x, c * h * w * by[2] * by[3])), "i5", rng) == 0


def test_what_fold_accepts_every_engine_takes(tmp_path):
    taken = 0
    for seed in range(400, 460):
        rng = np.random.default_rng(seed)
        d, takes, _ = drawn(choices(rng), rng)
        b, y = d.b, d.at.name
        if d.labels:
            continue
        for _ in range(int(rng.integers(0, 3))):  # constants and scales of any size behind it
            op = str(rng.choice(["Mul", "Add", "Sub"]))
            y = b.node(op, y, b.const(2.0 ** rng.integers(-70, 70) * float(rng.choice([-1, 1]))))
            y = b.quant(y, 2.0 ** rng.integers(-60, 60), int(rng.integers(2, 9)), int(rng.integers(0, 2)))
        try:
            net = fold(read(b.save(tmp_path, y), takes))
        except ModelError:
            continue
        make_program(net)
        cores(net)
        taken += 1
    assert taken >= 15


@pytest.mark.parametrize("code", [21, 22, 25, 26], ids=["uint4", "int4", "uint2", "int2"])
def test_quotients_that_fit_no_32_bits_are_refused_for_integers_of_fewer_than_8(code, tmp_path):
    rng = np.random.default_rng(code)
    for scale, fits in ((0.5, True), (2.0**-16, True), (2.0**-25, False), (7.17e-43, False)):  # of inputs -128 .. 127
        b = Build((1, 6), 25)
        x = b.node("QuantizeLinear", "x", b.const(np.float32(scale)), output_dtype=code)
        x = b.node("DequantizeLinear", x, b.const(np.float32(0.5)))
        path = b.save(tmp_path, b.node("MatMul", x, signs(b, 6, 3)))
        if fits:
            assert differing(path, "i8", rng) == 0
            continue
        with pytest.raises(ModelError, match=r"y_scale: its values .* do not fit the integer type"):
            fold(read(path, "i8"))


@pytest.mark.parametrize("code", [2, 3, 21, 22], ids=["uint8", "int8", "uint4", "int4"])
def test_integers_clipped_between_the_multiples_of_a_step_are_an_answer(code, tmp_path):
    b = Build((1, 6), 25)
    x = b.node("QuantizeLinear", "x", b.const(np.float32(0.5)), output_dtype=code)  # twice the input
    path = b.save(tmp_path, b.node("DequantizeLinear", x, b.const(np.float32(0.5))))
    assert differing(path, "i8", np.random.default_rng(code)) == 0
