"""Layers that are still float get integer weights and inputs: a new QONNX file, and the error that it makes.

Stands on reader and reference. Weights have a scale for each output channel; inputs that are no integers times a scale
are quantised by the range that given images reach. From the new file on everything is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.inputs import Takes
from hwflow.qonnx.model import Call, load, parse
from hwflow.qonnx.operators import Refused
from hwflow.qonnx.products import weights
from hwflow.qonnx.reader import Reader
from hwflow.qonnx.reference import execute, save_whole
from hwflow.qonnx.takes import input_of
from hwflow.qonnx.values import Const, Ref
from hwflow.real import Graph

BITS = range(2, 17)
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
SUMS = (*PRODUCTS, "AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum")
QUANTIZERS = ("Quant", "BipolarQuant", "MultiThreshold", "Trunc", "Sign", "QuantizeLinear", "IntQuant")
DOMAIN = "qonnx.custom_op.general"
EXACT = 1 << 23  # sums in one common unit that float32 still tells apart, with room for a bias
MOST_FACTOR = 63  # of the scales of a last layer, which are multiples of one so that scores have a common unit
SHORT = 1 << 12  # that one has so few digits that its multiples are float32 numbers


@dataclass(frozen=True)
class Quantised:
    """What was quantised, and how far the answers on `images` calibration images are from those of the float file.

    By output: `agreement` is the share of equal labels, None where an output has a single score; `error` the largest
    difference of a score.
    """

    bits: int
    weights: tuple[str, ...]
    inputs: tuple[str, ...]
    images: int
    agreement: dict[str, float | None]
    error: dict[str, float]

    def __str__(self) -> str:
        what = [f"the weights of {', '.join(self.weights)}"] if self.weights else []
        what += [f"the inputs of {', '.join(self.inputs)}"] if self.inputs else []
        said = []
        for name, error in self.error.items():
            share = self.agreement[name]
            labels = "" if share is None else f"{100 * share:.2f} % of the labels agree, "
            said.append(f"{name}: {labels}scores differ by {error:.3g} at most")
        return (
            f"quantised to {self.bits} bits: {' and '.join(what)}. On {self.images} calibration images, against the "
            f"float file, {'; '.join(said)}. From here on everything is exact"
        )


def quantise_float(path: Path, out: Path, x: Array, bits: int = 8, input: str | None = None) -> Quantised:
    """Write `out`, the file at `path` with every float layer quantised, calibrated on hardware integers x (n, *shape).

    RecipeError where the number of bits is out of range, where no images are given, and where nothing is float.
    """
    if bits not in BITS:
        raise RecipeError(f"--quantise-float {bits}: must be {BITS[0]} to {BITS[-1]} bits")
    if not len(x):
        raise RecipeError("--quantise-float: takes at least one calibration image")
    save_whole(path, out)
    model = parse(out)
    file = _File(model, out, x, bits, input)
    names = [file.quantise_weights(call) for call in file.reader.file.calls if _float_weights(file.reader, call)]
    file.save()
    ranged = []
    while (call := file.float_input()) is not None:
        ranged.append(file.quantise_input(call))
        file.save()
    if not names and not ranged:
        raise RecipeError(f"{path}: no layer has float weights or float inputs; leave out --quantise-float")
    before, after = (execute(p, x, input, *file.layout()) for p in (path, out))
    outputs = [value.name for value in model.graph.output]
    agreement = {name: _agreement(before[name], after[name]) for name in outputs}
    error = {name: float(np.abs(before[name].astype(np.float64) - after[name]).max()) for name in outputs}
    return Quantised(bits, tuple(names), tuple(ranged), len(x), agreement, error)


def takes_of(path: Path, input: str | None = None) -> Takes:
    """What the network of a file takes, whether it is supported or not."""
    reader, _ = _read(path, input)
    ints = reader.takes.ints
    return Takes(reader.input_shape, ints.lo, ints.hi, ints.step, reader.takes.denominator)


class _File:
    """The new file on its way: its nodes, and what the reader makes of it so far."""

    def __init__(self, model: onnx.ModelProto, path: Path, x: Array, bits: int, input: str | None):
        self.model, self.path, self.x, self.bits, self.input = model, path, x, bits, input
        self.reader, self.graph = _read(path, input)

    def save(self) -> None:
        """Write the file and read it again."""
        if not any(o.domain == DOMAIN for o in self.model.opset_import):
            self.model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
        onnx.save(self.model, str(self.path))
        self.reader, self.graph = _read(self.path, self.input)

    def layout(self) -> tuple[str, tuple[int, ...]]:
        """The file's order of axes, and the shape of an image in the hardware's."""
        first = self.reader.values[self.reader.file.input]
        assert isinstance(first, Ref)
        return "".join(d[0] for d in first.dims), self.reader.input_shape

    def quantise_weights(self, call: Call) -> str:
        """A quantizer between a layer and its constant weights, a scale for each row; the layer's name."""
        value = self.reader.values[call.inputs[1]]
        assert isinstance(value, Const)
        axis = _rows(call, value.value.ndim)
        rows = np.moveaxis(value.value, axis, 0).reshape(value.value.shape[axis], -1)
        top = (1 << (self.bits - 1)) - 1
        scale = np.abs(rows).max(1).astype(np.float32) / np.float32(top)
        scale[scale == 0] = 1
        if _ends(self.reader, call):
            reach = float((np.abs(rows).sum(1) / scale).max()) * ((1 << self.bits) - 1)
            scale = _multiples(scale, int(max(1, min(MOST_FACTOR, EXACT // reach))))
        shape = [1] * value.value.ndim
        shape[axis] = len(scale)
        self._insert(call, 1, scale.reshape(shape), signed=1)
        return call.name

    def float_input(self) -> Call | None:
        """The first sum whose input is no integers times a scale."""
        if self.graph is None:
            return None
        for call in self.reader.file.calls:
            value = self.reader.values.get(call.inputs[0]) if call.op in SUMS and call.inputs else None
            span = self.graph.spans.get(value.name) if isinstance(value, Ref) else None
            if span is not None and span.grid is None:
                return call
        return None

    def quantise_input(self, call: Call) -> str:
        """A quantizer in front of a layer, with the range that its input reaches on the calibration images."""
        name = call.inputs[0]
        seen = execute(self.path, self.x, self.input, *self.layout(), (name,))[name]
        low, high = float(seen.min()), float(seen.max())
        signed = int(low < 0)
        top = (1 << (self.bits - signed)) - 1
        scale = np.float32(max(abs(low), abs(high)) / top) or np.float32(1)
        self._insert(call, 0, np.asarray(scale, np.float32), signed)
        return call.name

    def _insert(self, call: Call, i: int, scale: Array, signed: int) -> None:
        nodes = self.model.graph.node
        at = next(k for k, node in enumerate(nodes) if call.outputs[0] in node.output)
        base = self._fresh(f"{call.outputs[0]}_{'weights' if i else 'input'}_quantised")
        for suffix, number in (("scale", scale), ("zero", np.zeros((), np.float32)), ("bits", np.float32(self.bits))):
            self.model.graph.initializer.append(
                numpy_helper.from_array(np.asarray(number, np.float32), f"{base}_{suffix}")
            )
        quant = helper.make_node(
            "Quant", [call.inputs[i], f"{base}_scale", f"{base}_zero", f"{base}_bits"], [base], base, domain=DOMAIN,
            signed=signed, narrow=signed, rounding_mode="ROUND",
        )  # fmt: skip
        nodes[at].input[i] = base
        nodes.insert(at, quant)

    def _fresh(self, base: str) -> str:
        taken = {name for node in self.model.graph.node for name in (*node.input, *node.output)}
        name, k = base, 2
        while name in taken:
            name, k = f"{base}_{k}", k + 1
        return name


def _read(path: Path, text: str | None) -> tuple[Reader, Graph | None]:
    """What the reader makes of a file, refused or not."""
    file = load(path)
    reader = Reader(file, input_of(file, text)[0])
    return reader, reader.read()


def _float_weights(reader: Reader, call: Call) -> bool:
    """True for a product whose constant weights are no integers times a scale."""
    if call.op not in PRODUCTS or len(call.inputs) < 2:
        return False
    value = reader.values.get(call.inputs[1])
    if not isinstance(value, Const) or value.value.dtype.kind != "f" or value.value.ndim < 2:
        return False
    try:
        weights(Const(np.moveaxis(value.value, _rows(call, value.value.ndim), 0)) if value.made_of is None else value)
    except Refused:
        return value.made_of is None
    return False


def _rows(call: Call, rank: int) -> int:
    """The axis of the output channels of a product's weights."""
    if call.op == "Conv" or (call.op == "Gemm" and call.attrs.get("transB")):
        return 0
    return rank - 1 if call.op in ("Gemm", "MatMul") else 1


def _ends(reader: Reader, call: Call) -> bool:
    """True where no other product and no quantizer comes behind: its sums are the scores."""
    reached = {call.outputs[0]}
    for later in reader.file.calls:
        if reached & set(later.inputs):
            if later.op in PRODUCTS or later.op in QUANTIZERS:
                return False
            reached |= set(later.outputs)
    return True


def _multiples(scale: Array, factor: int) -> Array:
    """Scales no smaller than these that are whole multiples, up to `factor`, of one float32 number."""
    least = float(scale.max()) / factor
    unit = 2.0 ** np.floor(np.log2(least)) / SHORT
    base = np.ceil(least / unit) * unit
    out: Array = (np.ceil(scale.astype(np.float64) / base) * base).astype(np.float32)
    return out


def _agreement(before: Array, after: Array) -> float | None:
    """The share of equal labels: of classes in the second axis, or of outputs that are labels themselves."""
    if before.dtype.kind in "iu":
        return float((before == after).mean())
    if before.ndim < 2 or before.shape[1] < 2:
        return None
    return float((before.argmax(1) == after.argmax(1)).mean())
