"""Six lines of Python: a torch module or a file goes in, a proven accelerator that answers comes out."""

import numpy as np
import pytest

import hwflow

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


def test_a_torch_module_answers_as_its_integers_do(compiled, images):
    assert compiled.accuracy == 1.0
    with torch.no_grad():
        want = small()(torch.tensor(images / 64, dtype=torch.float32)).numpy()
    assert np.array_equal(compiled.scores(images), want)
    assert np.array_equal(compiled.scores(images.astype(np.float32) / 64), want)


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
