"""What has no integer form is refused with a reason of its own that is true, not with a general remedy."""

import numpy as np
import onnx
import pytest
from networks import Build

from hwflow.qonnx import check

RNG = np.random.default_rng(0)


def weights(b: Build, *shape: int) -> str:
    return b.const(RNG.choice([-1.0, 1.0], shape))


def scores(b: Build, x: str, cols: int) -> str:
    return b.node("MatMul", b.sign(x), weights(b, cols, 3))


def decomposed_layer_norm() -> tuple[Build, str]:
    """As exporters write LayerNorm below opset 17."""
    b = Build((1, 8))
    x = b.node("MatMul", "x", weights(b, 8, 8))
    off = b.node("Sub", x, b.node("ReduceMean", x, axes=[-1], keepdims=1))
    variance = b.node("ReduceMean", b.node("Pow", off, b.const(2.0)), axes=[-1], keepdims=1)
    y = b.node("Div", off, b.node("Sqrt", b.node("Add", variance, b.const(1e-5))))
    return b, scores(b, b.node("Add", b.node("Mul", y, b.const(np.ones(8))), b.const(np.zeros(8))), 8)


def norm(op: str, opset: int, **attrs: int):
    def build() -> tuple[Build, str]:
        b = Build((1, 8, 1, 1), opset=opset)
        y = b.node(op, "x", b.const(np.ones(8)), b.const(np.zeros(8)), **attrs)
        return b, scores(b, b.node("Flatten", y, axis=1), 8)

    return build


def attention() -> tuple[Build, str]:
    b = Build((1, 4, 8))
    q, k, v = (b.node("MatMul", "x", weights(b, 8, 8)) for _ in range(3))
    likely = b.node("Softmax", b.node("MatMul", q, b.node("Transpose", k, perm=[0, 2, 1])), axis=-1)
    return b, b.node("MatMul", likely, v)


def embedding() -> tuple[Build, str]:
    b = Build((1, 4))
    looked_up = b.node("Gather", b.const(RNG.normal(size=(50, 8))), b.node("Cast", "x", to=7), axis=0)
    return b, scores(b, b.node("Flatten", looked_up, axis=1), 32)


def recurrent() -> tuple[Build, str]:
    b = Build((1, 4, 8))
    y = b.node("GRU", "x", b.const(np.ones((1, 12, 8))), b.const(np.ones((1, 12, 4))), hidden_size=4)
    return b, scores(b, b.node("Flatten", y, axis=1), 16)


OWN = "each image's own"
KINDS = {
    "LayerNorm, decomposed": (decomposed_layer_norm, ["subtracts each image's own mean", "takes the root of a value of each image"], "BatchNorm"),
    "LayerNormalization": (norm("LayerNormalization", 17, axis=1), [OWN], "BatchNorm"),
    "GroupNormalization": (norm("GroupNormalization", 18, num_groups=2), [OWN], "BatchNorm"),
    "InstanceNormalization": (norm("InstanceNormalization", 13), [OWN], "BatchNorm"),
    "attention": (attention, ["multiplies two values that depend on the input, as attention does"], "dense and convolutional"),
    "embedding": (embedding, ["looks a value up in a table, as an embedding does"], "looked up by the host"),
    "GRU": (recurrent, ["carries a state from one step to the next"], "as a Scan"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_no_integer_form_is_refused_with_its_own_sentence(kind: str, tmp_path):
    build, reasons, remedy = KINDS[kind]
    b, y = build()
    path = tmp_path / "net.onnx"
    onnx.save(b.model(y), path)
    findings = check(path, "i8/16")
    for reason in reasons:
        (found,) = [f for f in findings if reason in f.reason]
        assert remedy in found.remedy
    assert all("not supported" not in f.reason for f in findings), [str(f) for f in findings]
