"""Files that lie, attack or ask for too much: each is one clear ModelError with a remedy, at once, and never a traceback."""

import struct

import numpy as np
import onnx
import pytest
from networks import Build
from onnx import TensorProto, helper, numpy_helper
from reading import signs

from hwflow.errors import ModelError, RecipeError
from hwflow.fold import fold
from hwflow.qonnx import check, read
from hwflow.real import parse_input

RNG = np.random.default_rng(0)


def dense(b, x="x", rows=3, cols=4):
    w = b.sign(b.const(RNG.normal(0, 1, (rows, cols))))
    return b.node("MatMul", x, b.node("Transpose", w, perm=[1, 0]))


def small(change=None):
    """A sound network of one layer, spoilt by `change(builder) -> output`."""
    b = Build((1, 4))
    return b, dense(b, b.sign("x")) if change is None else change(b)


def net(change):
    def write(folder):
        b, y = small(change)
        return b.save(folder, y)

    return write


def spoilt(change):
    """A sound network whose protobuf is changed before it is written."""

    def write(folder):
        b, y = small()
        model = b.model(y)
        change(model)
        path = folder / "net.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return write


def raw(data):
    def write(folder):
        path = folder / "net.onnx"
        path.write_bytes(data)
        return path

    return write


def cycle(model):
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


def no_weights(model):
    del model.graph.initializer[1]


def short_weights(model):
    model.graph.initializer[1].raw_data = b"\0" * 5


def huge(model):
    model.graph.initializer[1].dims[:] = [1 << 40, 1 << 40]


def negative_dims(model):
    model.graph.initializer[1].dims[:] = [-3, 4]


def outside(location):
    def change(model):
        t = model.graph.initializer[1]
        t.ClearField("raw_data")
        t.data_location = TensorProto.EXTERNAL
        entry = t.external_data.add()
        entry.key, entry.value = "location", location

    return change


def huge_input(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1 << 50


def no_shape(model):
    model.graph.input[0].type.tensor_type.ClearField("shape")


def two_inputs(model):
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1, 4]))


def an_output_twice(model):
    model.graph.output.append(model.graph.output[0])


def twice(model):
    model.graph.node[1].output[0] = model.graph.node[0].output[0]


def strange_domain(model):
    model.graph.node[0].domain = "os.system"


def lstm(b):
    return dense(b, b.node("LSTM", "x", b.const(np.ones((1, 16, 4))), b.const(np.ones((1, 16, 4))), hidden_size=4))


def softmax_inside(b):
    return dense(b, b.sign(b.node("Softmax", dense(b, b.sign("x"), 4), axis=1)))


def float_model(b):
    x = b.node("Relu", b.node("Gemm", "x", b.const(RNG.normal(0, 1, (8, 4))), b.const(RNG.normal(0, 1, 8)), transB=1))
    return b.node("Gemm", x, b.const(RNG.normal(0, 1, (3, 8))), b.const(RNG.normal(0, 1, 3)), transB=1)


def attention(b):
    x = b.sign("x")
    return b.node("MatMul", b.node("Mul", x, b.node("Sigmoid", x)), b.node("Transpose", x, perm=[1, 0]))


def image(change):
    def write(folder):
        b = Build((1, 2, 6, 6))
        return b.save(folder, change(b))

    return write


HOSTILE = {
    "an empty file": (raw(b""), "holds no nodes|is not an ONNX"),
    "text": (raw(b"hello, this is not a network\n" * 50), "is not an ONNX model|holds no nodes"),
    "a truncated file": (lambda f: raw(small()[0].model("t3").SerializeToString()[:150])(f), "is not an ONNX model"),
    "a cycle": (spoilt(cycle), "is part of a cycle"),
    "a missing initialiser": (spoilt(no_weights), "which nothing produces"),
    "an initialiser with too few bytes": (spoilt(short_weights), "cannot be read"),
    "huge dims": (spoilt(huge), "too large to hold"),
    "negative dims": (spoilt(negative_dims), "too large to hold"),
    "external data above the folder": (spoilt(outside("../../../etc/passwd")), "outside the folder"),
    "external data with a full path": (spoilt(outside("/etc/passwd")), "outside the folder"),
    "external data that is absent": (spoilt(outside("weights.bin")), "is absent"),
    "a huge input": (spoilt(huge_input), "too large for a stream"),
    "an input without shape": (spoilt(no_shape), "has no shape"),
    "two inputs": (spoilt(two_inputs), "has 2 inputs"),
    "an output twice": (spoilt(an_output_twice), "names one output twice"),
    "a tensor written twice": (spoilt(twice), "has a value already"),
    "a domain that names a module": (spoilt(strange_domain), "of domain os.system is not supported"),
    "weights of a wrong shape": (net(lambda b: dense(b, b.sign("x"), cols=5)), "take 5 inputs, their input has 4"),
    "a NaN scale": (net(lambda b: dense(b, b.quant("x", np.nan, 4))), "holds nan"),
    "an infinite scale": (net(lambda b: dense(b, b.quant("x", np.inf, 4))), "holds inf"),
    "a scale of zero": (net(lambda b: dense(b, b.quant("x", 0.0, 4))), "must be positive, not 0"),
    "a negative scale": (net(lambda b: dense(b, b.sign("x", -1.0))), "must be positive, not -1"),
    "17 bits": (net(lambda b: dense(b, b.quant("x", 0.5, 17))), "17 bits; activations and weights have 1 to 16"),
    "2.5 bits": (net(lambda b: dense(b, b.quant("x", 0.5, 2.5))), "2.5 bits is not an integer"),
    "0 bits": (net(lambda b: dense(b, b.quant("x", 0.5, 0))), "0 bits; activations"),
    "a fractional zero point": (net(lambda b: dense(b, b.quant("x", 0.5, 4, 0, 0, 0.5))), "is not an integer"),
    "an unknown rounding": (net(lambda b: dense(b, b.quant("x", 0.5, 4, mode="DICE"))), "rounding_mode = DICE"),
    "an LSTM": (net(lstm), "LSTM carries a state from one step to the next"),
    "a softmax in the middle": (net(softmax_inside), "in the middle of the network"),
    "a float model": (net(float_model), "are not integers times a scale"),
    "an embedding": (net(lambda b: b.node("Gather", b.const(np.ones((9, 4))), "x")), "looks a value up in a table"),
    "a layer norm": (net(lambda b: b.node("LayerNormalization", "x", b.const(np.ones(4)))), "divides by a deviation of each image's own"),
    "attention": (net(attention), "multiplies two values that depend on the input"),
    "a negative variance": (net(lambda b: b.norm(dense(b, b.sign("x")), [1] * 3, [0] * 3, [0] * 3, [-1, 1, 1])), "variance -1 is not positive"),
    "a NaN in a norm": (net(lambda b: b.norm(dense(b, b.sign("x")), [1, np.nan, 1], [0] * 3, [0] * 3, [1] * 3)), "holds nan"),
    "a scale beyond float32": (net(lambda b: b.node("Mul", b.node("Mul", dense(b, b.sign("x")), b.const(1e30)), b.const(1e30))), "larger than float32 can hold"),
    "weights of 18 bits": (net(lambda b: b.node("MatMul", b.sign("x"), b.quant(b.const(RNG.integers(-(1 << 17), 1 << 17, (4, 3))), 1.0, 18))), "more than 16 bits"),
    "a window larger than the image": (image(lambda b: b.conv(b.sign("x"), b.const(np.ones((2, 2, 9, 9))))), "larger than the image"),
    "a stride of zero": (image(lambda b: b.conv(b.sign("x"), b.const(np.ones((2, 2, 3, 3))), strides=(0, 1))), "must be two numbers of 1 or more"),
    "negative padding": (image(lambda b: b.conv(b.sign("x"), b.const(np.ones((2, 2, 3, 3))), pads=(-1, 0, 0, 0))), "at or above 0"),
    "a maximum over padding alone": (image(lambda b: b.node("MaxPool", b.sign("x"), kernel_shape=[2, 1], dilations=[8, 1], pads=[2, 0, 1, 0])), "lie wholly in its padding"),
    "groups that do not divide": (image(lambda b: b.conv(b.sign("x"), b.const(np.ones((3, 1, 3, 3))), group=2)), "2 groups"),
    "a reshape that cuts the batch": (image(lambda b: b.node("Reshape", b.sign("x"), b.const([2, 36], np.int64))), "keep the batch first"),
    "a normalised input that is padded": (image(lambda b: b.conv(b.node("Sub", "x", b.const(0.4913)), b.const(np.ones((2, 2, 3, 3))), pads=(1, 1, 1, 1))), "its padding with 0 is none of the values"),
    "a constant for each pixel at the end": (image(lambda b: b.node("Add", b.sign("x"), b.const(RNG.normal(0, 1, (1, 2, 6, 6))))), "makes 2 channels of values with different scales"),
    "a maximum behind a function that falls and rises": (image(lambda b: b.sign(b.node("MaxPool", b.node("Softsign", b.conv("x", signs(b, 2, 2, 3, 3))), kernel_shape=[2, 2]))), "the maximum behind a function that falls and rises"),
    "a function that falls and rises at the end": (image(lambda b: b.node("Softsign", b.sign("x"))), "end with a dense layer"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_at_once_with_a_remedy(kind, tmp_path):
    write, reason = HOSTILE[kind]
    path = write(tmp_path)
    with pytest.raises(ModelError, match=reason) as caught:
        fold(read(path, "u8/255"))
    assert all(f.remedy and f.node for f in caught.value.findings)
    assert "Traceback" not in str(caught.value)


def test_check_reports_what_read_refuses_and_nothing_for_a_sound_file(tmp_path):
    b, y = small()
    assert check(b.save(tmp_path, y)) == ()
    assert "must be positive" in str(check(net(lambda b: dense(b, b.quant("x", 0.0, 4)))(tmp_path))[0])


def test_every_finding_is_reported_at_once(tmp_path):
    b = Build((1, 4))
    x = b.node("GRU", b.quant("x", -1.0, 4), "x", "x")
    y = b.node("LSTM", b.node("RNN", x, x, x), x, x)
    findings = check(b.save(tmp_path, y))
    assert [f.node for f in findings] == ["Quant_0", "GRU_1", "RNN_2", "LSTM_3"]


def test_external_data_inside_the_folder_is_read(tmp_path):
    b, y = small()
    model = b.model(y)
    want = read(b.save(tmp_path, y, "inside.onnx"), "i4")
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    x = RNG.integers(-8, 8, (50, 4))
    assert np.array_equal(read(tmp_path / "net.onnx", "i4").run(x), want.run(x))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_bytes(struct.pack("<12f", *range(12)))
    (inside / "w.bin").symlink_to(tmp_path / "secret")
    path = spoilt(outside("w.bin"))(inside)
    with pytest.raises(ModelError, match="outside the folder"):
        read(path)


@pytest.mark.parametrize("text", ["u0", "i1", "u17", "f32", "u8/0", "u8/x", "", "8", "bipolar/-1"])
def test_an_input_type_that_is_none_is_refused(text):
    with pytest.raises(RecipeError, match=r"must be|must have"):
        parse_input(text)


def test_random_bytes_never_end_in_a_traceback(tmp_path):
    b, y = small()
    sound = b.model(y).SerializeToString()
    rng = np.random.default_rng(1)
    path = tmp_path / "net.onnx"
    for _ in range(150):
        data = bytearray(sound)
        for at in rng.integers(0, len(data), rng.integers(1, 6)):
            data[at] = rng.integers(0, 256)
        path.write_bytes(bytes(data))
        for finding in check(path, "i4"):
            assert finding.reason and finding.remedy


def test_int_weights_that_lie_beside_quantizers_stay_readable(tmp_path):
    b = Build((1, 4))
    w = b.node(
        "DequantizeLinear",
        b.const(RNG.integers(-8, 8, (4, 3)), np.int8),
        b.const([0.5, 0.25, 1.0]),
        b.const([0, 0, 0], np.int8),
        axis=1,
    )
    graph = read(b.save(tmp_path, b.node("MatMul", b.sign("x"), w)), "i4")
    assert graph.nodes[-1].weights.scale.tolist() == [0.5, 0.25, 1.0]
    assert numpy_helper.to_array(b.constants[0]).T.tolist() == graph.nodes[-1].weights.ints.tolist()
