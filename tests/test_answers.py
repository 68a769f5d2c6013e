"""Integer answers mean what the network means: one unit, the order of the float32 answer, ties included; heads on the host."""

import numpy as np
import pytest
from networks import Build
from onnx import TensorProto
from reading import RNG, classify

from hwflow import driver
from hwflow import driver_bytes as wire
from hwflow.answers import Answer, Finish, Unit, headed
from hwflow.bits import Ints
from hwflow.deploy.design import describe
from hwflow.errors import RecipeError
from hwflow.fold import fold, in_one_unit, labelled
from hwflow.fold.answers import common_unit, order_of
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.ops import Port, Rescale
from hwflow.qonnx import read, reference
from hwflow.simulate import c, hls, rtl


def steps(**by_op):
    return [Finish(op, value) for op, value in by_op.items()]


def same_order(integers, scores):
    """True where integers (n, classes) sort as scores do, image by image and over all of them, equal ones included."""
    a, b = integers.ravel().astype(np.int64), scores.ravel()
    by = np.argsort(b, kind="stable")
    return np.array_equal(np.diff(b[by]) > 0, np.diff(a[by]) > 0) and bool((np.diff(a[by]) >= 0).all())


def every_sum(lo, hi):
    """Sums (n, classes) that hold every value of every class."""
    n = int((hi - lo).max()) + 1
    return np.minimum(lo + np.arange(n)[:, None], hi)


@pytest.mark.parametrize("seed", range(40))
def test_a_common_unit_sorts_as_the_scores_do(seed):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 9))
    lo, hi = -rng.integers(0, 200, classes), rng.integers(0, 200, classes)
    finish = [
        steps(mul=rng.normal(0, 1, 1), add=rng.normal(0, 9, classes)),
        steps(mul=[2.0**-11], add=rng.integers(-31, 32, classes) / 32),
        steps(mul=2.0 ** rng.integers(-4, 4, classes), sub=rng.integers(-9, 9, classes) / 4),
        steps(div=[0.375], add=rng.integers(-5, 5, classes) * 0.1, max=[0.0]),
        steps(mul=rng.choice([-1.0, 1, 0, 3], classes), add=rng.integers(-9, 9, classes), min=[6.0], max=[-3.0]),
    ][seed % 5]
    unit, ordered = common_unit(lo, hi, finish)
    assert ordered or seed % 5 == 0, "scales and starts of few bits have a common unit"
    if not ordered:
        return
    sums = every_sum(lo, hi)
    answer = Answer(tuple(finish), unit)
    integers = np.broadcast_to(sums if unit is None else unit.answers(sums), sums.shape)
    scores = Answer(tuple(finish)).scores(sums)
    assert same_order(integers, scores)
    assert np.array_equal(answer.scores(integers), scores), "the scores come back from the integers, bit for bit"
    assert answer.possible(integers).all()


def test_an_order_keeps_equal_scores_equal():
    lo, hi = np.array([0]), np.array([40])
    order = order_of(lo, hi, steps(mul=[2.0**-25], add=[1.0]))  # float32 has no room for all of these
    assert not order.rises.all() and order.rises.any()
    assert order.kept_by(np.array([1]), np.array([0])) is None


def test_a_clip_must_lead_back_to_a_sum_of_the_same_score():
    lo, hi = np.array([-10, -100]), np.array([10, -30])
    order = order_of(lo, hi, [Finish("add", np.array([0.0, 25.0], np.float32)), Finish("max", np.zeros(1, np.float32))])
    one = np.ones(2, np.int64)
    assert order.kept_by(one, np.array([0, 25])) == (0, 10)
    # sorts them too, but the clip of the second class would be read as a sum of a score above zero
    assert order.kept_by(np.array([1, 5]), np.array([0, 100])) is None


def test_scores_that_no_unit_sorts_are_said_to_be_so():
    lo, hi = np.full(3, -(1 << 12)), np.full(3, 1 << 12)
    unit, ordered = common_unit(lo, hi, steps(mul=[0.1, 0.1000003, 0.3000001], add=[0.7, 1e-7, 0.1]))
    assert (unit, ordered) == (None, False)
    assert common_unit(lo, hi, steps(mul=[np.float32(1e38)] * 3, add=[1.0] * 3)) == (None, False)
    assert common_unit(np.array([0]), np.array([1 << 25]), steps(mul=[0.1])) == (None, False), "too many to look at"


def zoo(folder, seed=0):
    """16-64-32-32-5 of 6-bit weights and biases with unsigned 6-bit ReLUs and a Softmax, as the public jet-tagging network."""
    rng = np.random.default_rng(seed)
    b = Build((1, 16))
    x = b.quant("x", 2.0**-4, 8)
    for at, (rows, cols) in enumerate(((64, 16), (32, 64), (32, 32), (5, 32))):
        w = b.quant(b.const(rng.normal(0, 0.5, (cols, rows))), 2.0**-5, 6)
        bias = b.quant(b.const(rng.normal(0, 0.4, rows)), 2.0**-5, 6)
        x = b.node("Add", b.node("MatMul", x, w), bias)
        if at < 3:
            x = b.quant(b.node("Relu", x), 2.0**-3, 6, signed=False)
    return b.save(folder, b.node("Softmax", x, axis=-1), "zoo.onnx")


def test_the_zoo_networks_labels_are_its_references(tmp_path):
    path = zoo(tmp_path)
    graph = read(path, "i8/16")
    net = fold(graph)
    x = np.random.default_rng(1).integers(-128, 128, (10_000, 16))
    y, scores = net.run(x), reference(path, x, "i8/16")
    soft = reference(path, x, "i8/16", head=True)
    assert np.array_equal(net.scores(y), scores)
    assert same_order(y, scores)
    raw = fold(graph).values(x[:2000])[net.ops[-2].name]
    assert (raw.argmax(1) != scores[:2000].argmax(1)).mean() > 0.01, "sums without biases would tell other labels"
    assert np.array_equal(net.labels(y), soft.argmax(1))
    assert np.array_equal(net.labels(y), y.argmax(1)), "the integers alone tell the label"
    assert np.abs(net.real(y) - soft).max() < 1e-6
    on_chip = labelled(net)
    assert np.array_equal(on_chip.run(x)[:, 0], soft.argmax(1))
    with pytest.raises(Exception, match="compile with --answer scores"):
        on_chip.real(on_chip.run(x))


def in_c(net, folder, x):
    """Answers, labels and real scores of the C engine."""
    engine = c.load(net, folder)
    y = engine.run(x)
    assert np.array_equal(y, net.run(x))
    return y, engine.labels(y), engine.scores(y)


@pytest.mark.slow
def test_c_programs_are_told_the_zoo_networks_labels_and_scores(tmp_path):
    path = zoo(tmp_path)
    net = fold(read(path, "i8/16"))
    x = np.random.default_rng(1).integers(-128, 128, (10_000, 16))
    y, labels, scores = in_c(net, tmp_path / "c", x)
    soft = reference(path, x, "i8/16", head=True)
    assert np.array_equal(labels[:, 0], soft.argmax(1))
    assert np.array_equal(scores, net.real(y)) and np.abs(scores - soft).max() < 1e-6
    y, labels, _ = in_c(labelled(net), tmp_path / "labels", x[:500])
    assert np.array_equal(labels, y) and np.array_equal(labels[:, 0], soft[:500].argmax(1))


class Line:
    """A serial line to a board whose accelerator is `answer`, on the words that the design's streams have."""

    def __init__(self, design, answer):
        self.design, self.answer, self.frames, self.back = design, answer, wire.Frames(), bytearray()
        self.takes, self.gives = wire.Words(**design["input"]), wire.Words(**design["output"])

    def write(self, data):
        images = []
        for kind, tag, payload in self.frames.feed(bytes(data)):
            if kind == wire.HELLO:
                self.back += wire.frame(
                    wire.HELLO_BACK, tag, bytes([driver.VERSION]) + self.design["id"].to_bytes(4, "little")
                )
            else:
                images.append((tag, np.frombuffer(payload, np.uint8)))
        if images:
            answers = self.gives.pack(self.answer(self.takes.unpack(np.stack([i for _, i in images]))))
            for (tag, _), one in zip(images, answers, strict=True):
                self.back += wire.frame(wire.ANSWER, tag, one.tobytes())
        return len(data)

    def read(self, size):
        out, self.back = bytes(self.back[:size]), self.back[size:]
        return out


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["scores", "labels"])
def test_the_driver_tells_the_zoo_networks_labels(kind, tmp_path):
    """10,000 images over a serial line as words of the design's streams, computed by the C engine behind it."""
    path = zoo(tmp_path)
    net = fold(read(path, "i8/16"))
    net = labelled(net) if kind == "labels" else net
    engine = c.load(net, tmp_path / "c")
    design = describe(net, lower(net), tmp_path, None, {"clock_mhz": 100.0})
    x = np.random.default_rng(1).integers(-128, 128, (10_000, 16))
    board = driver.Accelerator(Line(design, engine.run), design)
    assert np.array_equal(board.predict(x), reference(path, x, "i8/16", head=True).argmax(1))
    assert np.array_equal(board.infer(x[:500].astype(np.float32) / 16), net.run(x[:500])), (
        "real values are packed alike"
    )


@pytest.mark.slow
def test_rtl_and_hls_tell_the_zoo_networks_labels(tmp_path):
    path = zoo(tmp_path)
    net = fold(read(path, "i8/16"))
    x = np.random.default_rng(1).integers(-128, 128, (200, 16))
    want = reference(path, x, "i8/16", head=True).argmax(1)
    assert np.array_equal(net.labels(hls.run_many([lower(net)], [x])[0]), want)
    for run in rtl.run_many([lower(net)], [x], stalls=3, listen=False):
        assert np.array_equal(net.labels(run.outputs), want)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_c_tells_what_numpy_tells(seed, tmp_path):
    """Every head over images and vectors, units with negative and zero factors, clips, places, no unit at all."""
    rng = np.random.default_rng(seed)
    head = ("", "softmax", "log_softmax", "sigmoid", "tanh", "top_k")[seed]
    channels, pixels = (1, 6) if head == "sigmoid" else (3, 2)
    size = channels * pixels
    port = Port((1, pixels, channels), Ints(-128, 127)) if head != "top_k" else Port((size,), Ints(-128, 127))
    mul = np.tile(np.array([2, -3, 0])[:channels], pixels)
    unit = Unit(mul, rng.integers(-9, 9, size), -90, 100) if seed % 2 else None
    finish = (
        Finish("mul", rng.normal(0, 0.1, size)),
        Finish("add", rng.normal(0, 1, size)),
        Finish("max", [-1.5]),
        Finish("sub", [0.1]),
    )
    answer = Answer(
        finish,
        unit,
        head,
        2 * (head == "top_k"),
        channels * (head != "top_k"),
        ordered=False,
        places=rng.permutation(size) if head != "top_k" else [],
    )
    op = Rescale(
        name="r", inputs=("input",), mul=np.ones(port.channels), add=np.zeros(port.channels), shift=0, lo=-128, hi=127
    )
    net = Net("told", port, (op,), answer=answer)
    x = rng.integers(-128, 128, (300, *port.shape))
    y, labels, scores = in_c(net, tmp_path, x)
    assert np.array_equal(labels.reshape(net.labels(y).shape), net.labels(y))
    assert np.array_equal(scores, net.real(y) if head != "top_k" else net.scores(y))


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Sigmoid", "Tanh"])
def test_a_head_is_left_to_the_host(op, tmp_path):
    b = Build((1, 8))
    y = b.node("Mul", classify(b, b.sign("x"), 8), b.const(0.25))
    path = b.save(tmp_path, b.node(op, y, **({"axis": -1} if "Soft" in op else {})))
    net = fold(read(path, "i3"))
    x = RNG.integers(-4, 4, (200, 8))
    assert np.array_equal(net.scores(net.run(x)), reference(path, x, "i3"))
    assert np.abs(net.real(net.run(x)) - reference(path, x, "i3", head=True)).max() < 1e-6
    assert net.ops[-1].name == y or len(net.ops) == 2


def test_a_single_sigmoid_decides_at_one_half(tmp_path):
    b = Build((1, 9))
    y = b.node("Add", b.node("Mul", classify(b, b.sign("x"), 9, 1), b.const(0.25)), b.const([0.25]))
    path = b.save(tmp_path, b.node("Sigmoid", y))
    net = fold(read(path, "i3"))
    x = RNG.integers(-4, 4, (300, 9))
    said = reference(path, x, "i3", head=True)[:, 0]
    want = said >= 0.5
    assert 0 < want.sum() < 300 and (said == 0.5).any()
    assert np.array_equal(net.labels(net.run(x)), want)
    assert np.array_equal(labelled(net).run(x)[:, 0], want)
    assert np.array_equal(labelled(net).labels(labelled(net).run(x)), want)


def test_a_head_in_the_middle_is_refused(tmp_path):
    b = Build((1, 8))
    y = b.node("Mul", b.node("Softmax", classify(b, b.sign("x"), 8), axis=-1), b.const(2.0))
    with pytest.raises(Exception, match="Softmax in the middle of the network, in front of Mul"):
        read(b.save(tmp_path, y), "i3")


def test_real_answers_have_the_files_own_shape_and_order(tmp_path):
    b = Build((1, 3, 4, 5))
    y = b.node("Add", b.conv(b.sign("x"), b.const(RNG.choice([-1.0, 1.0], (2, 3, 3, 3)))), b.const([[[0.5]], [[-1.0]]]))
    path = b.save(tmp_path, b.node("Sigmoid", y))
    net = fold(read(path, "i3"))
    x = RNG.integers(-4, 4, (20, 4, 5, 3))
    got = net.real(net.run(x))
    assert got.shape == (20, 2, 2, 3)
    front = reference(path, x, "i3").reshape(20, 2, 3, 2).transpose(0, 3, 1, 2)
    assert np.array_equal(got, headed("sigmoid", front.reshape(20, -1), 2).reshape(front.shape))
    assert same_order(net.run(x), reference(path, x, "i3"))


@pytest.mark.parametrize("k", [1, 2])
def test_the_largest_of_scores_that_channels_scale_apart(k, tmp_path):
    b = Build((1, 9))
    x = classify(b, b.sign("x"), 9, 4)
    x = b.node("Add", b.node("Mul", x, b.const([0.1, 0.1000003, 0.37, 1e-4])), b.const([0.1, 0.2, 0.7, 0.3]))
    values = b.node("TopK", x, b.const([k], np.int64), outputs=2)
    path = b.save(tmp_path, f"{values}_1", kind=TensorProto.INT64)
    net = fold(read(path, "i3"))
    x = RNG.integers(-4, 4, (300, 9))
    assert np.array_equal(net.real(net.run(x)), reference(path, x, "i3").astype(int))
    assert np.array_equal(net.labels(net.run(x)), reference(path, x, "i3")[:, 0])


def test_labels_on_chip_are_refused_where_they_cannot_be_exact(tmp_path):
    b = Build((1, 8))
    with pytest.raises(RecipeError, match="a single score that no Sigmoid"):
        labelled(fold(read(b.save(tmp_path, classify(b, b.sign("x"), 8, 1)), "i3")))


def test_a_network_of_format_1_is_migrated_and_can_be_brought_into_one_unit(tmp_path):
    net = fold(read(zoo(tmp_path), "i8/16"))
    old = Net(net.name, net.input, net.ops[:-1], net.denominator, Answer(net.finish, ordered=False))
    x = np.random.default_rng(1).integers(-128, 128, (100, 16))
    again = in_one_unit(old)
    assert again.answer.ordered and np.array_equal(again.run(x), net.run(x))
    assert np.array_equal(again.scores(again.run(x)), net.scores(net.run(x)))


def test_the_meaning_of_answers_survives_json():
    answer = Answer(
        (Finish("mul", [0.1, 0.2]),),
        Unit([1, 2], [3, 4], -9, 9),
        "softmax",
        0,
        2,
        shape=(1, 2),
        places=np.array([1, 0]),
    )
    y = np.array([[-9, 9], [3, 6]])
    assert Answer.of(answer.plain()).plain() == answer.plain()
    assert np.array_equal(Answer.of(answer.plain()).real(y), answer.real(y))
