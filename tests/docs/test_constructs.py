"""The table of constructs is complete and true: what it names exists, is exported as it says, and is read or refused as it says."""

import contextlib
import importlib.util
import io
import re
import warnings

import onnx
import pytest
from conftest import ROOT

from hwflow.fold import fold
from hwflow.qonnx import check, read

torch = pytest.importorskip("torch")
qnn = pytest.importorskip("brevitas.nn", reason="Brevitas is not installed")
nn = torch.nn


def gen_operators():
    spec = importlib.util.spec_from_file_location("gen_operators", ROOT / "docs" / "gen_operators.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


TABLE = gen_operators()
LAYERS = sorted(
    name for name in dir(qnn)
    if isinstance(getattr(qnn, name), type) and issubclass(getattr(qnn, name), nn.Module)
)  # fmt: skip
IMAGE, SIGNAL, VECTOR, VOLUME = (1, 4, 6, 5), (1, 4, 9), (1, 8), (1, 2, 4, 4, 4)


def level(bits=8):
    return qnn.QuantIdentity(bit_width=bits, return_quant_tensor=True)


class Run(nn.Module):  # type: ignore[name-defined]
    """A function of quantised values, quantised again; `layers` are those that it calls."""

    def __init__(self, function, *layers):
        super().__init__()
        self.function, self.first, self.last = function, level(), level(4)
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        y = self.last(self.function(self.first(x), *self.layers))
        return getattr(y, "value", y)


def of(layer, shape):
    """A quantizer, a layer that takes one value, and a quantizer."""
    return lambda: Run(lambda x, f: f(x), layer()), shape


def does(function, shape=IMAGE):
    return lambda: Run(lambda x: function(x.value)), shape


# a module for each spelling of the table, with the shape that it takes
EXAMPLES = {
    "QuantLinear": of(lambda: qnn.QuantLinear(8, 3, bias=True), VECTOR),
    "QuantConv1d": of(lambda: qnn.QuantConv1d(4, 4, 3, groups=4), SIGNAL),
    "QuantConv2d": of(lambda: qnn.QuantConv2d(4, 3, 3), IMAGE),
    "QuantConvTranspose1d": of(lambda: qnn.QuantConvTranspose1d(4, 3, 3, 2), SIGNAL),
    "QuantConvTranspose2d": of(lambda: qnn.QuantConvTranspose2d(4, 3, 3, 2), IMAGE),
    "BatchNorm1dToQuantScaleBias": of(lambda: qnn.BatchNorm1dToQuantScaleBias(4), SIGNAL),
    "BatchNorm2dToQuantScaleBias": of(lambda: qnn.BatchNorm2dToQuantScaleBias(4), IMAGE),
    "nn.BatchNorm1d": of(lambda: nn.BatchNorm1d(4), SIGNAL),
    "nn.BatchNorm2d": of(lambda: nn.BatchNorm2d(4), IMAGE),
    "QuantScaleBias": of(lambda: qnn.QuantScaleBias(4, True), IMAGE),
    "ScaleBias": of(lambda: qnn.ScaleBias(4, False), IMAGE),
    "QuantIdentity": of(level, IMAGE),
    "QuantReLU": of(qnn.QuantReLU, IMAGE),
    "QuantHardTanh": of(lambda: qnn.QuantHardTanh(min_val=-1.0, max_val=1.0), IMAGE),
    "QuantSigmoid": of(lambda: qnn.QuantSigmoid(bit_width=4), IMAGE),
    "QuantTanh": of(lambda: qnn.QuantTanh(bit_width=4), IMAGE),
    "QuantHardSwish": of(lambda: qnn.QuantHardSwish(bit_width=4), IMAGE),
    "QuantEltwiseAdd": (lambda: Run(lambda x, add: add(x, x), qnn.QuantEltwiseAdd()), IMAGE),
    "TruncAvgPool2d": of(lambda: qnn.TruncAvgPool2d(2, bit_width=8), IMAGE),
    "TruncAdaptiveAvgPool2d": of(lambda: qnn.TruncAdaptiveAvgPool2d(1, bit_width=8), IMAGE),
    "QuantUpsample": of(lambda: qnn.QuantUpsample(scale_factor=2), IMAGE),
    "QuantUpsamplingNearest2d": of(lambda: qnn.QuantUpsamplingNearest2d(scale_factor=2), IMAGE),
    "QuantUpsamplingBilinear2d": of(lambda: qnn.QuantUpsamplingBilinear2d(scale_factor=2), IMAGE),
    "nn.Upsample": of(lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE),
    "nn.MaxPool1d": of(lambda: nn.MaxPool1d(2), SIGNAL),
    "nn.MaxPool2d": of(lambda: nn.MaxPool2d(3, 2, 1), IMAGE),
    "nn.AvgPool2d": of(lambda: nn.AvgPool2d(2), IMAGE),
    "nn.AdaptiveAvgPool2d": of(lambda: nn.AdaptiveAvgPool2d(1), IMAGE),
    "nn.ReLU": of(nn.ReLU, IMAGE),
    "nn.ELU": of(nn.ELU, IMAGE),
    "nn.Hardtanh": of(nn.Hardtanh, IMAGE),
    "nn.SiLU": of(nn.SiLU, IMAGE),
    "nn.GELU": of(nn.GELU, IMAGE),
    "nn.Hardswish": of(nn.Hardswish, IMAGE),
    "nn.ZeroPad2d": of(lambda: nn.ZeroPad2d(1), IMAGE),
    "nn.ReflectionPad2d": of(lambda: nn.ReflectionPad2d(1), IMAGE),
    "nn.Softmax": (lambda: nn.Sequential(level(), qnn.QuantLinear(8, 3, bias=True), nn.Softmax(-1)), VECTOR),
    "torch.argmax": (lambda: Last(lambda x: torch.argmax(x, 1)), VECTOR),
    "torch.topk": (lambda: Last(lambda x: torch.topk(x, 2)[1]), VECTOR),
    "torch.where": does(lambda x: torch.where(x >= 0.25, 1.0, -1.0)),
    "torch.maximum": does(lambda x: torch.maximum(x, x.flip(1))),
    "torch.mean": does(lambda x: torch.mean(x, 3)),
    "torch.cat": does(lambda x: torch.cat([x, -x], 1)),
    "PixelShuffle": does(lambda x: nn.functional.pixel_shuffle(x, 2)),
    "reshape": does(lambda x: x.reshape(1, 2, 2, 6, 5).amax(1)),
    "permute": does(lambda x: x.permute(0, 1, 3, 2)),
    "expand": does(lambda x: x.mean((2, 3), keepdim=True).expand(1, 4, 6, 5)),
    "expand_as": does(lambda x: x.amax((2, 3), keepdim=True).expand_as(x)),
    "chunk": does(lambda x: x.chunk(2, 1)[1]),
    "index_select": does(lambda x: x.index_select(1, torch.tensor([2, 0]))),
}  # fmt: skip
# of layers that are refused, a module and a word of the reason
REFUSED = {
    "QuantConv3d": (of(lambda: qnn.QuantConv3d(2, 3, 3), VOLUME), "has shape"),
    "QuantConvTranspose3d": (of(lambda: qnn.QuantConvTranspose3d(2, 3, 3), VOLUME), "has shape"),
    "QuantLSTM": ((lambda: nn.Sequential(level(), qnn.QuantLSTM(4, 5, batch_first=True)), (1, 6, 4)), "carries a state"),
    "QuantEmbedding": ((lambda: qnn.QuantEmbedding(10, 4), (1, 6)), "looks a value up in a table"),
    "QuantMultiheadAttention": ((lambda: Attention(qnn.QuantMultiheadAttention(4, 2)), (1, 6, 4)), "as attention does"),
    "ScaledDotProductAttention": ((lambda: Attention(qnn.ScaledDotProductAttention()), (1, 6, 4)), "as attention does"),
}  # fmt: skip


class Last(nn.Module):  # type: ignore[name-defined]
    """A choice behind a last layer."""

    def __init__(self, function):
        super().__init__()
        self.function, self.level, self.layer = function, level(), qnn.QuantLinear(8, 4, bias=True)

    def forward(self, x):
        return self.function(self.layer(self.level(x)))


class Attention(nn.Module):  # type: ignore[name-defined]
    """A value that attends to itself."""

    def __init__(self, layer):
        super().__init__()
        self.level, self.layer = qnn.QuantIdentity(bit_width=8), layer

    def forward(self, x):
        x = self.level(x)
        y = self.layer(x, x, x)
        return y[0] if isinstance(y, tuple) else y


def exported(example, path):
    """The file of an example, and what its operators are called."""
    from brevitas.export import export_qonnx

    make, shape = example
    torch.manual_seed(0)
    module, x = make(), torch.rand(shape)
    x = torch.randint(0, 9, shape) if isinstance(module, qnn.QuantEmbedding) else x
    module.train()(x)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        export_qonnx(module.eval(), args=x, export_path=str(path), opset_version=14, dynamo=False)
    return {node.op_type for node in onnx.load(path).graph.node}


def spelled(text: str) -> list[str]:
    """The names in the column of Brevitas."""
    return re.findall(
        r"Batch\w+|(?:Quant|Trunc|Scale)\w+|(?:nn|torch)\.\w+|PixelShuffle|[a-z]+_[a-z_]+|^\w+$|reshape|permute|expand\b|chunk",
        text,
    )


NAMED = {name: row for row in TABLE.CONSTRUCTS for name in spelled(row[1])}


def test_every_layer_of_brevitas_is_a_construct_or_is_refused():
    assert sorted(n for n in LAYERS if (n in NAMED) == (n in TABLE.REFUSED_LAYERS)) == []
    assert sorted(n for n in (*NAMED, *TABLE.REFUSED_LAYERS) if n[:5] in ("Quant", "Trunc") and n not in LAYERS) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_spelling_of_the_table_is_exported_as_its_operators_and_supported(name, tmp_path):
    operators = exported(EXAMPLES[name], tmp_path / "net.onnx")
    mine = [row for row in TABLE.CONSTRUCTS if re.search(rf"(?<![\w.]){re.escape(name)}\b", row[1])]
    assert mine, "no row of the table has this name"
    composed = {word for row in mine for words in TABLE.COMPOSED.get(row[0], ()) for word in words.split()}
    assert operators & ({op for row in mine for _, op in row[2]} | composed), (name, operators)
    assert check(tmp_path / "net.onnx", "u8/255") == ()
    assert fold(read(tmp_path / "net.onnx", "u8/255")).ops


@pytest.mark.parametrize("name", REFUSED)
def test_a_layer_that_is_refused_is_so_for_the_reason_of_the_table(name, tmp_path):
    example, reason = REFUSED[name]
    exported(example, tmp_path / "net.onnx")
    assert name in TABLE.REFUSED_LAYERS
    assert any(reason in str(finding) for finding in check(tmp_path / "net.onnx", "u8/255"))


def test_every_spelling_has_an_example():
    plain = {"merge_bn", "export_onnx_qcdq"}  # functions on whole networks: tests of their own
    assert sorted(set(NAMED) - set(EXAMPLES) - plain) == []
