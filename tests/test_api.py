"""Six lines of Python: a torch module or a file goes in, a proven accelerator that answers comes out."""

from typing import Any, NamedTuple

import numpy as np
import pytest

import hwflow
from hwflow import tools

torch = pytest.importorskip("torch")


def small(seed=0, scale=1.0):
    """A binary perceptron in Brevitas, as a user writes one."""
    from brevitas.nn import QuantIdentity, QuantLinear
    from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst

    torch.manual_seed(seed)

    def layer(rows, cols):
        return QuantLinear(
            cols, rows, bias=False, weight_quant=SignedBinaryWeightPerTensorConst, weight_scaling_init=scale
        )

    def sign():
        return QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_init=scale)

    model = torch.nn.Sequential(sign(), layer(24, 16), torch.nn.BatchNorm1d(24), sign(), layer(5, 24))
    model.train()
    for _ in range(10):
        model(torch.randn(40, 16))
    return model.eval()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(-128, 128, (60, 16))


@pytest.fixture(scope="module")
def compiled(images, tmp_path_factory):
    module = small()
    with torch.no_grad():
        labels = module(torch.tensor(images / 64, dtype=torch.float32)).argmax(1).numpy()
    return hwflow.compile(module, images, labels, input="i8/64", folder=tmp_path_factory.mktemp("api") / "net")


@pytest.mark.slow
def test_a_torch_module_answers_as_its_integers_do(compiled, images):
    assert compiled.accuracy == 1.0
    with torch.no_grad():
        want = small()(torch.tensor(images / 64, dtype=torch.float32)).numpy()
    assert np.array_equal(compiled.scores(images), want)
    assert np.array_equal(compiled.scores(images.astype(np.float32) / 64), want)


@pytest.mark.slow
def test_what_is_compiled_can_be_proven_and_reported(compiled):
    assert compiled.verify(8).exact
    assert compiled.report()["model"] == "net"
    assert [row["unit"] for row in compiled.profile()] == [u.name for u in compiled.build.dataflow.units]


def test_a_trace_holds_the_integers_of_every_operation(compiled, images):
    found, net = compiled.trace(images[:7]), compiled.build.net
    assert list(found) == [op.name for op in net.ops]
    assert np.array_equal(found[net.ops[-1].name].reshape(7, -1), compiled.predictor.answers(images[:7]))
    real = compiled.trace(images[:7].astype(np.float32) / 64)
    assert all(np.array_equal(found[name], real[name]) for name in found) and len(np.unique(found[net.ops[1].name])) > 1


def test_its_repr_informs_and_a_notebook_shows_a_picture(compiled):
    assert "100.00 %" in repr(compiled) and "cycles an image" in repr(compiled)
    assert "<svg" in compiled._repr_html_() and "<table>" in compiled._repr_html_()


def test_scales_that_are_no_powers_of_two_are_rounding_and_no_refusal(images, tmp_path):
    from hwflow.train.export import export_module

    export_module(small(scale=0.1), images / 64, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").exists()


class Boxed(NamedTuple):
    boxes: Any
    classes: Any


def two(returns, signals=False):
    """Two heads behind one convolution of images or signals, returned as `returns` makes it."""
    import brevitas.nn as qnn

    class Two(torch.nn.Module):  # type: ignore[name-defined]
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            conv = qnn.QuantConv1d if signals else qnn.QuantConv2d
            self.signal = qnn.QuantIdentity(bit_width=8)
            self.body, self.act = conv(3, 6, 3, padding=1, weight_bit_width=4, bias=False), qnn.QuantReLU(bit_width=4)
            self.boxes, self.classes = (qnn.QuantLinear(6, n, weight_bit_width=4, bias=False) for n in (4, 5))

        def forward(self, x):
            y = self.act(self.body(self.signal(x.transpose(1, 2) if signals == "last" else x))).flatten(2).amax(-1)
            return returns(self.boxes(y), self.classes(y))

    return Two()


HEADS = {
    "tuple": (lambda a, b: (a, b), {"y0", "y1"}),
    "list": (lambda a, b: [a, b], {"y0", "y1"}),
    "named tuple": (Boxed, {"boxes", "classes"}),
    "dict": (lambda a, b: {"x": a, "class scores": b}, {"x", "class scores"}),
    "tuple of one": (lambda *parts: parts[1:], {""}),
}


@pytest.mark.parametrize(("kind", "signals"), zip(HEADS, [False, "first", "last", "last", "first"], strict=True))
def test_outputs_keep_the_names_that_a_module_gives_them(kind, signals, tmp_path):
    from hwflow.fold import fold
    from hwflow.qonnx import read
    from hwflow.train.export import export_module

    returns, names = HEADS[kind]
    module, x = two(returns, signals), np.random.default_rng(0).integers(0, 256, (8, 7, 3) if signals else (8, 5, 7, 3))
    real = torch.tensor(x, dtype=torch.float32) / 255
    taken = real if signals == "last" else real.movedim(-1, 1)
    module.train()(taken)
    module.eval()
    export_module(module, real.numpy(), tmp_path / "m.onnx")
    net = fold(read(tmp_path / "m.onnx", "u8/255"))
    assert {part.name for part in net.outputs} == names
    answers = module(taken)
    want = answers.values() if isinstance(answers, dict) else answers
    got = net.real(net.run(x.reshape(8, *net.input.shape)))
    for part in want:
        mine = [g for g in (got.values() if isinstance(got, dict) else [got]) if g.shape == part.shape]
        np.testing.assert_allclose(mine[0], part.detach().numpy(), atol=1e-5)


def test_a_module_that_returns_no_tensor_is_refused(tmp_path):
    from hwflow.train.export import export_module

    with pytest.raises(hwflow.ModelError, match="its output y1 is int"):
        export_module(two(lambda *parts: (parts[0], 3)), np.zeros((1, 5, 7, 3)), tmp_path / "m.onnx")
    with pytest.raises(hwflow.ModelError, match=r"takes images neither as \(4, 5, 7\) nor as \(5, 7, 4\)"):
        export_module(two(Boxed), np.zeros((1, 5, 7, 4)), tmp_path / "m.onnx")


@pytest.mark.slow
@pytest.mark.skipif(tools.find("verilator") is None or tools.find("g++") is None, reason="no verilator or no g++")
def test_a_module_of_two_outputs_answers_by_name_from_python_to_the_simulated_board(tmp_path):
    from hwflow.deploy import package
    from hwflow.driver import Accelerator

    module, x = two(Boxed, "first"), np.random.default_rng(0).integers(0, 256, (12, 7, 3))
    module.train()((torch.tensor(x, dtype=torch.float32) / 255).movedim(-1, 1))
    made = hwflow.compile(module.eval(), x, folder=tmp_path / "two")
    scores, labels, build = made.scores(x), made.predict(x), made.build
    assert set(scores) == set(labels) == {"boxes", "classes"}
    want = build.net.real(build.net.run(x.reshape(12, *build.net.input.shape)))
    assert all(np.array_equal(scores[name], want[name]) for name in want)
    assert "net_scores_boxes(" in (build.folder / "c/net.h").read_text()
    package(build.net, build.dataflow, build.folder / "rtl", None, tmp_path / "deploy", x[:4, None])
    with Accelerator("sim", tmp_path / "deploy/design.json") as board:
        assert all(np.array_equal(value, want[name][:5]) for name, value in board.scores(x[:5, None]).items())
        assert {name: list(value) for name, value in board.predict(x[:5, None]).items()} == {
            name: list(value[:5]) for name, value in labels.items()
        }


def test_what_is_no_model_is_refused(images):
    with pytest.raises(hwflow.RecipeError, match="takes a path or a torch module, not int"):
        hwflow.compile(3, images)
    with pytest.raises(hwflow.RecipeError, match="give images as the second argument"):
        hwflow.compile(small())


def test_an_export_that_says_something_else_than_the_module_is_refused(images, tmp_path):
    """Brevitas writes raw weights: a quantizer that balances them would be silently wrong in the file."""
    from hwflow.train.export import export_module

    class Lies(torch.nn.Module):  # type: ignore[name-defined]
        def forward(self, x):
            return x + (0.0 if torch.onnx.is_in_onnx_export() else 1.0)

    with pytest.raises(hwflow.ModelError, match="differs from PyTorch"):
        export_module(Lies(), images / 64, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()
