"""Slices, shuffles, joins, borders, reductions and transposed convolutions over random shapes: equal to the reference."""

import itertools

import numpy as np
import pytest
from conftest import shared
from networks import Build
from reading import classify, signs

from hwflow.emit.c_program import make_program
from hwflow.fold import fold
from hwflow.lower import cores
from hwflow.qonnx import check, explained, read, reference
from hwflow.qonnx.linear import WHERE, Side, side

I64 = np.int64


def proven(path, takes, rng, n=30):
    """The Net of a file whose integers answer what the reference answers, and which every engine takes."""
    graph = read(path, takes)
    net = fold(graph)
    x = rng.integers(graph.input.ints.lo, graph.input.ints.hi + 1, (n, *graph.input.shape))
    want = reference(path, x, takes)
    assert np.array_equal(net.scores(net.run(x)), want) and len(np.unique(want)) > 1
    make_program(net)
    cores(net)
    return net


def quantised(b, rng, x, c, k=1):
    """A convolution to `c` channels and a quantizer of powers of two, or a sign."""
    x = b.conv(x, signs(b, c, b.shape[1], k, k))
    return b.sign(x) if rng.integers(0, 2) else b.quant(x, 0.5, 3)


def end(b, rng, x, size):
    return classify(b, b.quant(x, 0.5, 4) if rng.integers(0, 2) else x, size)


def case(seed):
    rng = np.random.default_rng(seed)
    c, h, w = int(rng.integers(2, 6)), int(rng.integers(2, 7)), int(rng.integers(2, 7))
    b = Build((1, int(rng.integers(1, 4)), h, w))
    return rng, b, quantised(b, rng, "x", c), c, h, w


@pytest.mark.parametrize("seed", range(8))
def test_slices_of_any_axis(seed, tmp_path):
    rng, b, x, c, h, w = case(seed)
    size = [c, h, w]
    for axis in rng.permutation(3)[: seed % 3 + 1]:
        n = size[axis]
        start = int(rng.integers(0, n))
        stop = int(rng.integers(start + 1, n + 1))
        step = int(rng.integers(1, 3))
        given = (start - n, stop if stop < n else 1 << 62) if seed % 2 else (start, stop)
        x = b.node(
            "Slice",
            x,
            b.const([given[0]], I64),
            b.const([given[1]], I64),
            b.const([axis + 1], I64),
            b.const([step], I64),
        )
        size[axis] = len(range(start, stop, step))
    proven(b.save(tmp_path, end(b, rng, x, int(np.prod(size)))), "i4/4", rng)


@pytest.mark.parametrize("seed", range(4))
def test_channels_in_reverse_and_chosen(seed, tmp_path):
    rng, b, x, c, h, w = case(seed + 20)
    if seed % 2:
        x = b.node("Slice", x, b.const([-1], I64), b.const([-(1 << 40)], I64), b.const([1], I64), b.const([-1], I64))
    else:
        x = b.node("Gather", x, b.const(rng.integers(-c, c, c), I64), axis=1)
    last = b.node("Gather", x, b.const(w - 1, I64), axis=3)  # the last column
    proven(b.save(tmp_path, end(b, rng, last, c * h)), "i4/4", rng)


@pytest.mark.parametrize("seed", range(4))
def test_split_and_joined_along_every_axis(seed, tmp_path):
    rng, b, x, c, h, w = case(seed + 40)
    axis = seed % 3 + 1
    n = (c, h, w)[axis - 1]
    cut = int(rng.integers(1, n))
    x = b.node("Split", x, b.const([cut, n - cut], I64), axis=axis, outputs=2)
    parts = [b.nodes[-1].output[1], x, b.nodes[-1].output[1]]
    x = b.node("Concat", *parts, axis=axis - 4 if seed % 2 else axis)
    total = c * h * w // n * (n + n - cut)
    y = end(b, rng, x, total)
    proven(b.save(tmp_path, y), "i4/4", rng)


@pytest.mark.parametrize("seed", range(4))
def test_shuffled_channels(seed, tmp_path):
    rng = np.random.default_rng(seed)
    g, each, h, w = (int(v) for v in rng.integers(1, 5, 4))
    b = Build((1, 2, h, w))
    x = quantised(b, rng, "x", g * each)
    x = b.node("Reshape", x, b.const([-1 if seed % 2 else 1, g, each, h, w], I64))
    x = b.node("Reshape", b.node("Transpose", x, perm=[0, 2, 1, 3, 4]), b.const([1, -1, h, w], I64))
    x = b.conv(x, signs(b, g * 2, each, 1, 1), group=g)
    proven(b.save(tmp_path, end(b, rng, x, g * 2 * h * w)), "i4/4", rng)


@pytest.mark.parametrize("mode", ["DCR", "CRD", "back", "of parts"])
@pytest.mark.parametrize("seed", range(2))
def test_pixels_shuffled_and_back(mode, seed, tmp_path):
    rng = np.random.default_rng(seed)
    c, h, w, r = (int(v) for v in rng.integers(1, 4, 4))
    b = Build((1, 2, h * r, w * r) if mode == "back" else (1, 2, h, w))
    if mode == "back":
        x = b.node("SpaceToDepth", quantised(b, rng, "x", c), blocksize=r)
    elif mode == "of parts":
        x = b.node("Reshape", quantised(b, rng, "x", c * r * r), b.const([1, c, r, r, h, w], I64))
        x = b.node("Reshape", b.node("Transpose", x, perm=[0, 1, 4, 2, 5, 3]), b.const([1, c, h * r, w * r], I64))
    else:
        x = b.node("DepthToSpace", quantised(b, rng, "x", c * r * r), blocksize=r, mode=mode)
    proven(b.save(tmp_path, end(b, rng, x, c * r * r * h * w)), "i4/4", rng)


@pytest.mark.parametrize("seed", range(8))
def test_transposed_convolutions(seed, tmp_path):
    rng = np.random.default_rng(seed)
    h, w, kh, kw, sh, sw = (int(v) for v in rng.integers(1, 5, 6))
    g = int(rng.integers(1, 3))
    c, rows = 2 * g, g * int(rng.integers(1, 3))
    pads = [int(rng.integers(0, k)) for k in (kh, kw, kh, kw)]
    more = [int(rng.integers(0, s)) for s in (sh, sw)]
    out = [
        (n - 1) * s + k + m - p - q
        for n, s, k, m, p, q in zip((h, w), (sh, sw), (kh, kw), more, pads, pads[2:], strict=False)
    ]
    if min(out) < 1:
        pads, out = [0] * 4, [(h - 1) * sh + kh + more[0], (w - 1) * sw + kw + more[1]]
    b = Build((1, 2, h, w))
    x = quantised(b, rng, "x", c)
    bias = (b.const(rng.integers(-3, 4, rows) / 2),) if seed % 2 else ()
    x = b.node(
        "ConvTranspose",
        x,
        signs(b, c, rows // g, kh, kw),
        *bias,
        strides=[sh, sw],
        pads=pads,
        output_padding=more,
        group=g,
    )
    proven(b.save(tmp_path, end(b, rng, x, rows * out[0] * out[1])), "i4/4", rng)


@pytest.mark.parametrize("where", ["half_pixel", "pytorch_half_pixel", "asymmetric"])
@pytest.mark.parametrize("seed", range(2))
def test_linear_resize_in_front_of_a_quantizer(where, seed, tmp_path):
    rng = np.random.default_rng(seed + 9)
    c, h, w = (int(v) for v in rng.integers(1, 5, 3))
    f = [(2, 2), (1, 2), (4, 2)][seed]
    b = Build((1, 2, h + 1, w + 1))
    x = b.node(
        "Resize",
        quantised(b, rng, "x", c),
        "",
        b.const([1, 1, *f]),
        mode="linear",
        coordinate_transformation_mode=where,
    )
    x = b.quant(x, 0.25, 5)
    proven(b.save(tmp_path, classify(b, x, c * (h + 1) * (w + 1) * f[0] * f[1])), "i4/4", rng)


def placed(one: Side, pixels: np.ndarray) -> np.ndarray:
    """The outputs (m, ..) of pixels (n, ..) by the definition of `Side`."""
    n = len(pixels)
    wide = pixels[np.clip(np.arange(-one.front, n + one.behind), 0, n - 1)].astype(float)
    zeros = np.zeros((sum(one.pads) + len(wide) * one.parts, *wide.shape[1:]))
    zeros[one.pads[0] : len(zeros) - one.pads[1]][:: one.parts] = wide
    count = (len(zeros) - len(one.weights)) // one.stride + 1
    rows = [zeros[i * one.stride :][: len(one.weights)] for i in range(count)]
    return np.array([np.tensordot(one.weights, row, 1) for row in rows]) / one.whole


@pytest.mark.parametrize("where", WHERE)
def test_windows_of_whole_weights_interpolate_between_any_sizes(where):
    rng = np.random.default_rng(1)
    for now, to in itertools.product(range(1, 9), range(1, 20)):
        at = np.arange(to) * now / to if where == "asymmetric" else (np.arange(to) + 0.5) * now / to - 0.5
        at = np.zeros(1) if where == "pytorch_half_pixel" and to == 1 else at
        at = np.arange(to) * (now - 1) / max(to - 1, 1) if where == "align_corners" else at
        at = np.clip(at, 0, now - 1)
        x = rng.integers(0, 100, (now, 2))
        first = np.minimum(np.floor(at).astype(int), max(now - 2, 0))
        part = (at - first)[:, None]
        want = x[first] * (1 - part) + x[np.minimum(first + 1, now - 1)] * part
        got = placed(side(where, now, to, to / now), x)
        assert got.shape == want.shape and np.allclose(got, want, rtol=0, atol=1e-9), (now, to)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("sizes", [((3, 4), (6, 5)), ((5, 7), (3, 1)), ((4, 4), (7, 8)), ((1, 3), (2, 4))])
def test_linear_resize_to_any_size_in_front_of_a_quantizer(where, sizes, tmp_path):
    rng = np.random.default_rng(sum(sizes[1]))
    b = Build((1, 2, *sizes[0]))
    x = b.node(
        "Resize", quantised(b, rng, "x", 3), "", b.const([1, 1, *np.divide(sizes[1], sizes[0])]), mode="linear",
        coordinate_transformation_mode=where,
    )  # fmt: skip
    # no level lies so near to a boundary of this quantizer that rounding decides
    path = b.save(tmp_path, classify(b, b.quant(x, 0.3037, 5), 3 * int(np.prod(sizes[1]))))
    graph = read(path, "i4/4")
    net = fold(graph)
    x = rng.integers(-8, 8, (30, *graph.input.shape))
    assert [node for node in explained(path, x, "i4/4") if not node.explained] == []
    want = net.scores(net.run(x))
    assert np.array_equal(want, graph.run(graph.takes.real(x)))
    assert np.allclose(want, reference(path, x, "i4/4"), atol=1e-4)
    make_program(net)
    cores(net)


def test_places_of_a_resize_that_divide_a_pixel_into_too_many_parts_are_refused(tmp_path):
    b = Build((1, 2, 3, 100))
    x = b.node(
        "Resize", quantised(b, np.random.default_rng(0), "x", 3), "", "", b.const([1, 3, 3, 200], I64), mode="linear",
        coordinate_transformation_mode="align_corners",
    )  # fmt: skip
    path = b.save(tmp_path, classify(b, b.quant(x, 0.25, 5), 3 * 3 * 200))
    assert "divide a pixel into 199 parts, more than 64" in str(check(path, "i4/4")[0])


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_the_size_behind_a_resize_is_a_product_of_float32_numbers(mode, tmp_path):
    # 1.8 in float32 is less, and five times that in float64 below 9: onnxruntime makes 9 pixels of 5
    b = Build((1, 2, 2, 5))
    x = quantised(b, np.random.default_rng(0), "x", 3)
    path = b.save(tmp_path, b.node("Resize", x, "", b.const([1, 1, 1, 1.8]), mode=mode))
    if mode == "linear":
        graph = read(path, "i4/4")
        assert graph.shapes[graph.output] == (2, 9, 3)
        assert reference(path, np.zeros((1, 2, 5, 2), np.int64), "i4/4").shape == (1, 2 * 9 * 3)
    else:
        assert "are not whole factors" in str(check(path, "i4/4")[0])


def test_a_linear_resize_by_a_scale_that_is_no_ratio_of_sizes_is_refused_at_once(tmp_path):
    b = Build((1, 2, 2, 5))
    x = quantised(b, np.random.default_rng(0), "x", 3)
    x = b.node("Resize", x, "", b.const([1, 1, 1, 1.1]), mode="linear")
    path = b.save(tmp_path, classify(b, b.quant(x, 0.25, 5), 3 * 2 * 5))
    assert "parts, more than 64" in str(check(path, "i4/4")[0])


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean"])
@pytest.mark.parametrize("axes", [[1], [2], [1, 2], [3], [2, 4]], ids=str)
@pytest.mark.parametrize("moved", [False, True], ids=["in order", "moved"])
def test_reductions_of_values_with_more_axes_than_an_image(op, axes, moved, tmp_path):
    rng = np.random.default_rng(len(op) + sum(axes) + 40)
    size = [2, 3, 3, 2]
    b = Build((1, 2, *size[2:]))
    x = b.node("Reshape", quantised(b, rng, "x", 6), b.const([0, *size], I64))
    if moved:  # elements lie in no order of axes
        x = b.node("Gather", x, b.const([1, 0, 0], I64), axis=2)
    keep = int(rng.integers(0, 2))
    given = {} if op == "ReduceSum" else {"axes": axes}
    x = b.node(op, x, *((b.const(axes, I64),) if op == "ReduceSum" else ()), keepdims=keep, **given)
    x = b.node("Add", x, b.const(0.5)) if keep else x
    x = b.quant(x, 0.25, 4) if op == "ReduceMean" and keep else x
    proven(
        b.save(
            tmp_path,
            end(
                b, rng, b.node("Flatten", x, axis=1), int(np.prod([n for i, n in enumerate(size) if i + 1 not in axes]))
            ),
        ),
        "i4/4",
        rng,
    )


@pytest.mark.parametrize("perm", [(0, 1, 3, 4, 2), (0, 1, 2, 3, 4), (0, 4, 3, 2, 1)])
@pytest.mark.parametrize("part", [False, True], ids=["whole", "part"])
def test_an_answer_may_have_more_axes_than_an_image(perm, part, tmp_path):
    """A detector's answers: anchors, rows, columns, and what is said of each."""
    rng, answers = np.random.default_rng(3), []
    for last in (False, True):
        b = Build((1, 2, 3, 2))
        x = b.conv("x", b.const(np.random.default_rng(1).choice([-1.0, 1.0], (8, 2, 1, 1))))
        if last:
            x = b.node("Transpose", b.node("Reshape", x, b.const([0, 2, 4, 3, 2], I64)), perm=perm)
            x = b.node("Mul", x, b.const(0.5))
            x = b.node("Slice", x, b.const([1], I64), b.const([3], I64), b.const([perm.index(2)], I64)) if part else x
        net = proven(b.save(tmp_path, x), "i4/4", rng)
        ints = np.random.default_rng(2).integers(-8, 8, (9, 3, 2, 2))
        answers.append(net.real(net.run(ints)))
    want = answers[0].reshape(9, 2, 4, 3, 2).transpose(perm) / 2
    want = np.take(want, [1, 2], perm.index(2)) if part else want
    assert np.array_equal(answers[1], want)


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean"])
@pytest.mark.parametrize("axes", [[2], [3], [2, 3], [1], [1, 3]])
def test_reductions_over_any_axes(op, axes, tmp_path):
    rng, b, x, c, h, w = case(len(op) + 7 * sum(axes))
    if 1 in axes and op in ("ReduceMax", "ReduceMin"):
        return
    sizes = {1: c, 2: h, 3: w}
    keep = int(rng.integers(0, 2))
    given = {} if op == "ReduceSum" else {"axes": axes}
    x = b.node(op, x, *((b.const(axes, I64),) if op == "ReduceSum" else ()), keepdims=keep, **given)
    if op == "ReduceMean":
        x = b.quant(x, 0.25, 4)
    left = int(np.prod([n for a, n in sizes.items() if a not in axes]))
    proven(b.save(tmp_path, classify(b, x, left)), "i4/4", rng)


@pytest.mark.parametrize("seed", range(6))
def test_averages_that_leave_their_border_out(seed, tmp_path):
    rng = np.random.default_rng(seed)
    h, w = (int(v) for v in rng.integers(3, 7, 2))
    kh, kw = (int(v) for v in rng.integers(2, 4, 2))
    s = [int(v) for v in rng.integers(1, 3, 2)]
    pads = [int(rng.integers(0, k)) if seed % 3 else 0 for k in (kh, kw, kh, kw)]
    b = Build((1, 2, h, w))
    x = b.node("AveragePool", quantised(b, rng, "x", 3), kernel_shape=[kh, kw], strides=s, pads=pads, ceil_mode=seed % 2, count_include_pad=int(seed > 3))  # fmt: skip
    x = b.quant(x, 0.25, 5)
    path = b.save(tmp_path, b.node("Flatten", x))
    proven(path, "i4/4", rng)


@pytest.mark.parametrize("mode", ["edge", "reflect", "constant"])
@pytest.mark.parametrize("seed", range(2))
def test_borders(mode, seed, tmp_path):
    rng, b, x, c, h, w = case(seed + 60)
    t, left, bottom, r = (int(rng.integers(0, min(h, w))) for _ in range(4))
    x = b.node("Pad", x, b.const([0, 0, t, left, 0, 0, bottom, r], I64), mode=mode)
    x = b.conv(x, signs(b, 2, c, 2, 2))
    proven(b.save(tmp_path, end(b, rng, x, 2 * (h + t + bottom - 1) * (w + left + r - 1))), "i4/4", rng)


@pytest.mark.parametrize("op", ["Add", "Mul", "Div"])
def test_a_constant_for_each_pixel(op, tmp_path):
    rng, b, x, c, h, w = case(70)
    x = b.node(op, x, b.const(rng.choice([-2, -0.5, 0.25, 1, 2], (c, h, w))))
    x = b.conv(b.quant(x, 0.5, 4), signs(b, 2, c, 2, 2))
    proven(b.save(tmp_path, end(b, rng, x, 2 * (h - 1) * (w - 1))), "i4/4", rng)


@pytest.mark.parametrize("seed", range(4))
def test_vectors_become_images_and_signals(seed, tmp_path):
    rng = np.random.default_rng(seed)
    c, h, w = (int(v) for v in rng.integers(1, 5, 3))
    b = Build((1, 6))
    x = b.sign(b.node("MatMul", "x", signs(b, 6, c * h * w)))
    if seed % 2:
        x = b.conv(b.node("Reshape", x, b.const([-1, c, h, w], I64)), signs(b, 2, c, 1, 1))
    else:
        x = b.node("Reshape", x, b.const([-1, c, h * w], I64))
        x = b.node("Conv", x, signs(b, 2, c, 1), kernel_shape=[1])
    proven(b.save(tmp_path, end(b, rng, x, 2 * h * w)), "i4/4", rng)


@pytest.mark.parametrize(
    "form", ["time last", "dense per step", "time first", "mean over time", "max over time", "last step"]
)
def test_signals(form, tmp_path):
    rng = np.random.default_rng(len(form))
    c, t = int(rng.integers(2, 6)), int(rng.integers(4, 9))
    first = form in ("time first", "dense per step")
    b = Build((1, t, c) if first else (1, c, t))
    x = b.quant("x", 0.25, 3)
    if form == "dense per step":
        x, size = b.node("MatMul", x, signs(b, c, 3)), 3 * t
    else:
        x = b.node("Transpose", x, perm=[0, 2, 1]) if first else x
        x, size = b.node("Conv", x, signs(b, 3, c, 3), pads=[1, 1]), 3 * t
        if form == "mean over time":
            x, size = b.quant(b.node("ReduceMean", x, axes=[2], keepdims=0), 0.25, 4), 3
        elif form == "max over time":
            x, size = b.node("ReduceMax", x, axes=[2], keepdims=0), 3
        elif form == "last step":
            x, size = b.node("Gather", x, b.const(-1, I64), axis=2), 3
        elif form == "time first":
            x = b.node("Transpose", x, perm=[0, 2, 1])
    proven(b.save(tmp_path, end(b, rng, x, size)), "i4/4", rng)


@pytest.mark.parametrize("seed", range(3))
def test_a_depthwise_layer_behind_a_scale_for_each_channel(seed, tmp_path):
    rng = np.random.default_rng(seed)
    c, k = int(rng.integers(2, 6)), int(rng.integers(1, 4))
    b = Build((1, 2, 6, 6))
    x = b.quant(b.conv("x", signs(b, c, 2, 1, 1)), np.abs(rng.normal(1, 0.3, (1, c, 1, 1))), 4)
    x = b.conv(x, signs(b, c, 1, k, k), group=c, pads=(k // 2,) * 4)
    graph = read(b.save(tmp_path, b.quant(x, 0.5, 4)), "i4/4")
    net = fold(graph)
    x = rng.integers(-8, 8, (30, *graph.input.shape))
    assert all(n.explained for n in explained(tmp_path / "net.onnx", x, "i4/4"))
    assert np.array_equal(net.scores(net.run(x)), graph.run(graph.takes.real(x)))


CASES = [
    "op_bits10",
    "op_perchan_dw", "unfl_seq", "unfl_img", "lin_conv1d", "t_direct", "t_dense_step", "t_split", "op_max_all", "op_chan_slice",
    "op_crop", "op_chan_shuffle", "op_pixelshuffle", "op_mean_w", "op_avgpool_pad", "op_cat_flat", "op_convT", "op_convT_in",
    "op_up_bilinear", "op_cat_scales", "textcnn_max", "op_max_two", "op_se_gate", "react_False",
]  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_public_network_is_exact_but_for_the_order_of_float32_sums(name):
    path = shared(f"cases/refused/{name}.onnx")
    stored = np.load(path.with_suffix(".npz"))
    takes = str(stored["spec"])
    graph = read(path, takes)
    net = fold(graph)
    x = stored["x"]
    if x.shape[1:] != graph.input.shape:
        x = np.moveaxis(x, 1, -1).reshape(len(x), *graph.input.shape)
    x = x.reshape(len(x), *graph.input.shape)
    nodes = explained(path, x, takes)
    assert all(node.explained for node in nodes)
    assert sum(node.ties for node in nodes if node.name != graph.output) == 0, "a level differs"
    assert np.array_equal(net.scores(net.run(x)), graph.run(graph.takes.real(x)))
    make_program(net)
    cores(net)
