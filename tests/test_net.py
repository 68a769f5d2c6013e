"""The integer operations mean what their equations say, and a saved network is the same network."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwflow.answers import Answer, Finish, Unit
from hwflow.bits import BIPOLAR, U8, Ints, exact_matmul
from hwflow.errors import ModelError
from hwflow.net import Net
from hwflow.ops import (
    Add,
    Concat,
    Conv,
    Dense,
    Flatten,
    MaxPool,
    Pad,
    Port,
    Rescale,
    SumPool,
    Threshold,
    TopK,
    Upsample,
)


def naive_conv(op, x):
    """The sum of the docstring, tap by tap."""
    rows, kh, kw, depth = op.weights.shape
    n, height, width, channels = x.shape
    pad = np.broadcast_to(op.pad, channels)
    top, left, bottom, right = op.pads
    h = (height + top + bottom - (kh - 1) * op.dilation[0] - 1) // op.stride[0] + 1
    w = (width + left + right - (kw - 1) * op.dilation[1] - 1) // op.stride[1] + 1
    y = np.zeros((n, h, w, rows), np.int64)
    for p, q, r, i, j, c in np.ndindex(h, w, rows, kh, kw, depth):
        row = p * op.stride[0] + i * op.dilation[0] - top
        col = q * op.stride[1] + j * op.dilation[1] - left
        channel = r // (rows // op.groups) * depth + c
        inside = 0 <= row < height and 0 <= col < width
        y[:, p, q, r] += op.weights[r, i, j, c] * (x[:, row, col, channel] if inside else pad[channel])
    return y


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_conv_is_its_sum(data):
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups, depth, per = draw(st.sampled_from([(1, 3, 2), (1, 1, 1), (2, 2, 1), (3, 1, 1), (3, 1, 2)]))
    kernel, dilation = draw(st.sampled_from([((1, 1), (1, 1)), ((3, 3), (1, 1)), ((2, 3), (2, 1)), ((1, 3), (1, 2))]))
    op = Conv(
        name="c", inputs=("input",), weights=rng.choice([-1, 1], (groups * per, *kernel, depth)),
        stride=draw(st.sampled_from([(1, 1), (2, 1), (2, 3)])), pads=draw(st.sampled_from([(0, 0, 0, 0), (1, 1, 1, 1), (0, 2, 1, 0)])),
        pad=draw(st.sampled_from([np.zeros(1), np.ones(1), np.arange(groups * depth) - 1])), dilation=dilation, groups=groups,
    )  # fmt: skip
    x = rng.choice([-1, 1], (2, 6, 7, groups * depth))
    y = op.run(x)
    port = op.port(Port(x.shape[1:], BIPOLAR))
    assert (y == naive_conv(op, x)).all()
    assert y.shape[1:] == port.shape
    assert y in port.ints


def test_a_threshold_counts_and_a_falling_one_counts_down():
    op = Threshold(
        name="t", inputs=("input",), thresholds=np.array([[-1, 2], [0, 0]]), falling=np.array([False, True]), base=-1
    )
    x = np.array([[-2, -2], [-1, -1], [1, 0], [2, 5]])
    assert op.run(x).tolist() == [[-1, 1], [0, 1], [0, -1], [1, -1]]
    assert op.port(Port((2,), Ints(-2, 5))).ints == Ints(-1, 1)


def test_a_row_that_never_fires_stays_minus_one():
    op = Threshold(name="t", inputs=("input",), thresholds=np.array([[64]]), falling=np.array([False]), bipolar=True)
    assert (op.run(np.arange(-63, 64)[:, None]) == -1).all()


def test_rescale_shifts_towards_minus_infinity_and_clips():
    op = Rescale(name="r", inputs=("input",), mul=np.array([3]), add=np.array([1]), shift=2, lo=-2, hi=4)
    assert op.run(np.array([[-9], [-1], [0], [1], [2], [9]])).ravel().tolist() == [-2, -1, 0, 1, 1, 4]


def test_pools_adds_and_shapes():
    x = np.arange(2 * 4 * 4 * 2).reshape(2, 4, 4, 2) - 20
    port = Port((4, 4, 2), Ints(-20, 43))
    half = MaxPool(name="m", inputs=("input",), kernel=(2, 2), stride=(2, 2), minimum=np.array([False, True]))
    y = half.run(x)
    assert y[0, 0, 0].tolist() == [x[0, :2, :2, 0].max(), x[0, :2, :2, 1].min()]
    ring = MaxPool(
        name="m", inputs=("input",), kernel=(3, 3), stride=(2, 2), minimum=np.zeros(2, bool), pads=(1, 1, 1, 1)
    )
    assert ring.run(x)[0, 0, 0, 0] == x[0, :2, :2, 0].max()
    total = SumPool(name="s", inputs=("input",), kernel=(4, 4), stride=(4, 4))
    assert (total.run(x)[:, 0, 0] == x.sum((1, 2))).all()
    assert total.port(port).ints == Ints(-320, 688)
    assert (Add(name="a", inputs=("input", "input"), scales=(2, -1)).run(x, x) == x).all()
    both = Concat(name="c", inputs=("input", "input"), scales=(1, 3))
    assert both.port(port, port) == Port((4, 4, 4), Ints(-60, 129))
    assert (both.run(x, x)[..., 2:] == 3 * x).all()
    assert Upsample(name="u", inputs=("input",), factor=(2, 3)).run(x).shape == (2, 8, 12, 2)
    assert Pad(name="p", inputs=("input",), pads=(1, 0, 0, 2), channels=(1, 0)).run(x).shape == (2, 5, 6, 3)


def test_topk_takes_the_first_of_equal_scores():
    assert TopK(name="k", inputs=("input",), k=2).run(np.array([[3, 7, 7, 1]])).tolist() == [[1, 2]]


@pytest.mark.parametrize("size", [1, 1 << 12, 1 << 30])
def test_exact_matmul_never_rounds(size):
    rng = np.random.default_rng(size)
    a, b = rng.integers(-size, size + 1, (5, 33)), rng.integers(-size, size + 1, (33, 4))
    assert (exact_matmul(a, b) == a @ b).all()


def network():
    """Conv, sign, dense with a few thresholds, scores with a scale: one of each kind of array."""
    rng = np.random.default_rng(5)
    return Net("small", Port((5, 5, 2), U8), (
        Conv(name="conv", inputs=("input",), weights=rng.integers(-4, 4, (3, 3, 3, 2)), pads=(1, 0, 0, 1)),
        Threshold(name="sign", inputs=("conv",), thresholds=rng.integers(-900, 900, (3, 1)), falling=rng.random(3) < 0.5, bipolar=True),
        Flatten(name="flat", inputs=("sign",)),
        Dense(name="dense", inputs=("flat",), weights=rng.choice([-1, 1], (7, 48))),
    ), 255, Answer(
        (Finish("mul", [0.5]), Finish("add", np.arange(7))), Unit([1], 2 * np.arange(7), -40, 60), "softmax", places=np.arange(7)[::-1],
    ))  # fmt: skip


def test_a_saved_network_is_the_same_network(tmp_path):
    net = network()
    net.save(tmp_path / "net.npz")
    again = Net.load(str(tmp_path / "net.npz"))  # names of files are paths too
    x = np.random.default_rng(1).integers(0, 256, (9, 5, 5, 2))
    assert (again.run(x) == net.run(x)).all()
    assert again.ports == net.ports
    assert (again.scores(net.run(x)) == net.scores(net.run(x))).all()
    assert (again.real(net.run(x)) == net.real(net.run(x))).all()
    assert again.answer.plain() == net.answer.plain()
    assert not (tmp_path / "net.npz.part").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"x" * 100])
def test_a_broken_file_is_a_model_error(tmp_path, content):
    (tmp_path / "net.npz").write_bytes(content)
    with pytest.raises(ModelError, match="is not a whole"):
        Net.load(tmp_path / "net.npz")


def test_a_truncated_network_is_a_model_error(tmp_path):
    network().save(tmp_path / "net.npz")
    whole = (tmp_path / "net.npz").read_bytes()
    for part in (10, len(whole) // 2, len(whole) - 5):
        (tmp_path / "net.npz").write_bytes(whole[:part])
        with pytest.raises(ModelError, match="is not a whole"):
            Net.load(tmp_path / "net.npz")


def test_inputs_the_hardware_cannot_receive_are_refused():
    net = network()
    for x in (np.zeros((1, 5, 5, 3), int), np.zeros((1, 50), int), np.zeros((5, 5, 2), int), np.zeros((1, 5, 5, 2))):
        with pytest.raises(ModelError, match=r"give an integer array \(n, 5, 5, 2\)"):
            net.run(x)
    for x in (np.full((1, 5, 5, 2), 256), np.full((1, 5, 5, 2), (1 << 64) - 1, np.uint64)):  # the last is -1 in 64 bits
        with pytest.raises(ModelError, match="clip or rescale"):
            net.run(x)


def test_a_network_with_wrong_shapes_is_refused_at_construction():
    dense = Dense(name="d", inputs=("input",), weights=np.ones((2, 3), int))
    with pytest.raises(ModelError, match="takes 3 inputs"):
        Net("wrong", Port((4,), BIPOLAR), (dense,))
    with pytest.raises(ValueError, match="which no earlier node produces"):
        Net("wrong", Port((3,), BIPOLAR), (Dense(name="d", inputs=("nowhere",), weights=np.ones((2, 3), int)),))


def test_a_maximum_over_padding_alone_is_refused():
    pool = MaxPool(
        name="m",
        inputs=("input",),
        kernel=(2, 2),
        stride=(1, 1),
        minimum=np.zeros(2),
        pads=(1, 0, 1, 0),
        dilation=(3, 1),
    )
    with pytest.raises(ModelError, match="wholly in its padding"):
        Net("wrong", Port((2, 5, 2), U8), (pool,))
    assert Net("right", Port((3, 5, 2), U8), (pool,)).output.shape == (2, 4, 2)
