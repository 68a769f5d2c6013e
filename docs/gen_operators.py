"""Write docs/pages/reference/operators.md from the declarations of the handlers. `make docs` runs it; a test keeps it true."""

import inspect
from pathlib import Path

import onnx

from hwflow.bridges.keras_larq import NAMES
from hwflow.bridges.keras_layers import HANDLERS
from hwflow.qonnx import OPERATORS
from hwflow.qonnx.operators import ANY, Operator
from hwflow.qonnx.sentences import SENTENCES

Q = "quant"
# what people build: its name, how Brevitas spells it, the operators and the Keras layers that it is; every handler is in one
CONSTRUCTS: list[tuple[str, str, list[tuple[str, str]], list[str]]] = [
    ("dense layer", "QuantLinear", [("", "MatMul"), ("", "Gemm")], ["Dense", "QDense", "QuantDense"]),
    (
        "convolution, grouped and depthwise too",
        "QuantConv1d, QuantConv2d",
        [("", "Conv"), ("last", "Conv")],
        [
            "Conv1D",
            "Conv2D",
            "DepthwiseConv2D",
            "QConv1D",
            "QConv2D",
            "QDepthwiseConv2D",
            "QuantConv1D",
            "QuantConv2D",
            "QuantDepthwiseConv2D",
        ],
    ),
    ("separable convolution", "two QuantConv2d", [], ["SeparableConv2D", "QSeparableConv2D", "QuantSeparableConv2D"]),
    (
        "convolution with a folded norm",
        "QuantConv2d after merge_bn",
        [],
        ["QConv2DBatchnorm", "QDepthwiseConv2DBatchnorm"],
    ),
    ("transposed convolution", "QuantConvTranspose1d, QuantConvTranspose2d", [("", "ConvTranspose")], []),
    (
        "norm",
        "nn.BatchNorm1d, nn.BatchNorm2d",
        [("", "BatchNormalization"), ("last", "BatchNormalization")],
        ["BatchNormalization", "QBatchNormalization"],
    ),
    (
        "quantizer",
        "QuantIdentity, QuantReLU, QuantHardTanh",
        [(Q, "Quant"), (Q, "IntQuant"), (Q, "BipolarQuant"), (Q, "MultiThreshold")],
        ["QActivation"],
    ),
    ("quantizer of ONNX", "export_onnx_qcdq", [("", "QuantizeLinear"), ("", "DequantizeLinear")], []),
    ("truncation", "TruncAvgPool2d, TruncAdaptiveAvgPool2d", [(Q, "Trunc"), (Q, "QuantAvgPool2d")], []),
    (
        "sign, rounding",
        "a quantizer of your own",
        [("", "Sign"), ("", "Round"), ("", "Floor"), ("", "Ceil"), ("", "Cast")],
        ["Sign"],
    ),
    (
        "home-made steps",
        "torch.where, comparisons",
        [("", n) for n in ("Where", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not")],
        [],
    ),
    (
        "scale, offset, preprocessing",
        "QuantScaleBias, ScaleBias, BatchNorm1dToQuantScaleBias, BatchNorm2dToQuantScaleBias, arithmetic with constants",
        [("", n) for n in ("Mul", "Div", "Sub", "Neg", "Pow")],
        ["Rescaling"],
    ),
    ("sum of branches", "QuantEltwiseAdd, +", [("", "Add"), ("", "Sum")], ["Add"]),
    ("maximum, minimum and clip", "torch.maximum, nn.Hardtanh", [("", "Max"), ("", "Min"), ("", "Clip")], ["Maximum"]),
    (
        "activation that rises",
        "QuantSigmoid, QuantTanh, nn.ReLU, nn.ELU, ..",
        [
            ("", n)
            for n in (
                "Relu",
                "LeakyRelu",
                "PRelu",
                "Elu",
                "Celu",
                "HardSigmoid",
                "Sigmoid",
                "Tanh",
                "Softplus",
                "Softsign",
                "Exp",
                "Erf",
                "ThresholdedRelu",
            )
        ],
        ["Activation", "ReLU", "LeakyReLU"],
    ),
    (
        "activation that turns back",
        "QuantHardSwish, nn.SiLU, nn.GELU, nn.Hardswish",
        [("", n) for n in ("Abs", "Gelu", "HardSwish", "Mish", "Swish")],
        [],
    ),
    (
        "largest of a window",
        "nn.MaxPool1d, nn.MaxPool2d",
        [("", "MaxPool"), ("last", "MaxPool"), (Q, "MaxPoolNHWC")],
        ["MaxPooling1D", "MaxPooling2D"],
    ),
    ("mean of a window", "nn.AvgPool2d", [("", "AveragePool")], ["AveragePooling1D", "AveragePooling2D"]),
    (
        "mean, sum, largest or least over axes",
        "nn.AdaptiveAvgPool2d(1), torch.mean",
        [
            ("", n)
            for n in (
                "GlobalAveragePool",
                "GlobalMaxPool",
                "ReduceMean",
                "ReduceSum",
                "ReduceMax",
                "ReduceMin",
            )
        ],
        ["GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D"],
    ),
    ("concatenation", "torch.cat", [("", "Concat")], ["Concatenate"]),
    (
        "another size",
        "QuantUpsample, QuantUpsamplingNearest2d, QuantUpsamplingBilinear2d, nn.Upsample",
        [("", "Resize"), ("", "Upsample")],
        ["UpSampling1D", "UpSampling2D"],
    ),
    ("border", "nn.ZeroPad2d, nn.ReflectionPad2d", [("", "Pad")], ["ZeroPadding1D", "ZeroPadding2D"]),
    (
        "another shape or order",
        "reshape, permute, PixelShuffle",
        [
            ("", n)
            for n in (
                "Reshape",
                "Flatten",
                "Squeeze",
                "Unsqueeze",
                "Transpose",
                "DepthToSpace",
                "SpaceToDepth",
                "Shape",
                "Identity",
                "Dropout",
            )
        ],
        ["Flatten", "Reshape", "Permute"],
    ),
    ("repeated along axes", "expand, expand_as", [("", "Expand")], []),
    ("part of a value", "slices, chunk, index_select", [("", "Slice"), ("", "Split"), ("", "Gather")], []),
    ("recurrent cells", "hwflow.train.recurrent", [("", "Scan")], []),
    ("probabilities at the end", "nn.Softmax", [("", "Softmax"), ("", "LogSoftmax")], []),
    ("classes at the end, of pixels too", "torch.argmax, torch.topk", [("", "ArgMax"), ("", "TopK")], []),
]

# what exporters write with operators of other rows
COMPOSED = {"activation that turns back": ("x * Sigmoid", "x * Erf")}
# layers of Brevitas that no row has, by the operator or the reason that `hwflow check` names
REFUSED_LAYERS = {
    "QuantConv3d": "three dimensions", "QuantConvTranspose3d": "three dimensions", "QuantLSTM": "LSTM", "QuantRNN": "RNN",
    "QuantEmbedding": "a table that is looked up", "QuantMultiheadAttention": "Attention",
    "QuantScaledDotProductAttention": "Attention", "ScaledDotProductAttention": "Attention",
    "HadamardClassifier": "a norm of each image's own", "ClampQuantAccumulator": "not exported by Brevitas",
    "TruncQuantAccumulator": "not exported by Brevitas", "QuantCat": "its forward fails in Brevitas 0.13: use torch.cat",
}  # fmt: skip

PAGE = Path(__file__).parent / "pages" / "reference" / "operators.md"
DOMAINS = {"": "ONNX", "quant": "QONNX", "last": "QONNX, channels last"}


def text() -> str:
    """The page: every operator with its opsets, attributes, element types and how it is realised."""
    lines = [
        "# Operators of a file",
        "",
        "Written by `make docs` from the declarations of the handlers. An attribute, an opset or an element type that a row",
        "leaves out is refused by `hwflow check` with its name. A node whose inputs are all constants may be any operator",
        "that onnx's reference evaluator knows. Opsets are those in which ONNX changed the operator.",
        "",
    ]
    lines += _constructs()
    for domain, title in DOMAINS.items():
        mine = sorted((op for (where, _), op in OPERATORS.items() if where == domain), key=lambda op: op.name)
        lines += [
            f"## {title}",
            "",
            "| operator | realised as | attributes | types | opsets |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(op) for op in mine]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _constructs() -> list[str]:
    """What people build and how each library spells it, with what the handlers say they make of it."""
    named = [key for _, _, keys, _ in CONSTRUCTS for key in keys]
    layers = [name for _, _, _, names in CONSTRUCTS for name in names]
    assert sorted(named) == sorted(OPERATORS), set(named) ^ set(OPERATORS)
    assert sorted(layers) == sorted(HANDLERS), set(layers) ^ set(HANDLERS)
    lines = [
        "## What people build",
        "",
        "A file may have several outputs.",
        "",
        "| construct | Brevitas | ONNX, QONNX | Keras, QKeras, larq | since | realised as |",
        "|---|---|---|---|---|---|",
    ]
    for construct, brevitas, keys, names in CONSTRUCTS:
        handlers = [OPERATORS[key].handler for key in keys] or [HANDLERS[name] for name in names[-1:]]
        said = list(dict.fromkeys(_said(handler) for handler in handlers))
        since = min((OPERATORS[key].since for key in keys), default="0.1.0")
        onnx_names = ", ".join(dict.fromkeys(name for _, name in keys))
        onnx_names = ", ".join(filter(None, (onnx_names, *COMPOSED.get(construct, ()))))
        cells = (construct, brevitas, onnx_names or "none", ", ".join(names) or "none", since, " ".join(said))
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    quantizers = ", ".join(f"`{name}`" for name in NAMES if name[0].islower() and name != "leaky_tanh")
    lines += ["", f"Quantizers of larq: {quantizers}; their classes too.", ""]
    lines += ["## What is refused", "", "| operator | it | instead |", "|---|---|---|"]
    lines += [f"| {name} | {reason} | {remedy} |" for name, (reason, remedy) in SENTENCES.items()]
    layers = "; ".join(f"{name} ({why})" for name, why in REFUSED_LAYERS.items())
    return [*lines, "", f"Layers of Brevitas that are refused with it: {layers}.", ""]


def _said(handler: object) -> str:
    return (inspect.getdoc(handler) or getattr(handler, "__name__", "").replace("_", " ")).splitlines()[0]


def _row(op: Operator) -> str:
    schemas = {
        s.since_version: s
        for s in onnx.defs.get_all_schemas_with_history()
        if (s.name, s.domain) == (op.name, op.domain) and s.since_version in op.versions
    }
    known = {name for s in schemas.values() for name in s.attributes} if schemas else set(op.attributes)
    attributes = ", ".join(
        name if values is ANY else f"{name} = {' or '.join(str(v) for v in values)}"  # type: ignore[attr-defined]
        for name, values in sorted(op.attributes.items())
        if name in known and (values is ANY or values)
    )
    said = _said(op.handler)
    opsets = ", ".join(str(v) for v in sorted(schemas)) or "any"
    cells = (op.name, said, attributes or "none", ", ".join(sorted(op.types)), opsets)
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(text())
