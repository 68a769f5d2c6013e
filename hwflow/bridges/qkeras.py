"""Keras models in, with layers of QKeras and larq: those of a .h5 or .keras file become the graph that `fold` turns into integers.

Stands on keras_layers. TensorFlow is not needed; h5py is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hwflow import real
from hwflow.answers import Answer
from hwflow.bits import Array
from hwflow.bridges import keras_larq as larq
from hwflow.bridges import qkeras_meaning as meaning
from hwflow.bridges.keras_layers import HANDLERS
from hwflow.bridges.qkeras_file import Function, Layer, described, function_of, layers_of
from hwflow.errors import Finding, HwflowError, ModelError, Refusal
from hwflow.ops import Port, Shape
from hwflow.passes import needed
from hwflow.qonnx.products import guessed
from hwflow.real import Graph, Pointwise, RealOp, Step, parse_input
from hwflow.real.graph import together
from hwflow.real.spread import spread

NOISE = ("Dropout", "GaussianNoise", "SpatialDropout2D")  # of training alone
PASSED = (*NOISE, "Softmax", "InputLayer")
HEADS = ("softmax", "sigmoid", "tanh")  # left to the host at the end
F = np.float32


def read(path: Path | str, input: str | None = None) -> Graph:
    """The network of a Keras file; ModelError with every finding at once. `input` is TYPE[/DENOMINATOR]."""
    name, layers = layers_of(Path(path))
    try:
        return Reader(name, layers, input).graph()
    except HwflowError:
        raise
    except Exception as e:  # what a damaged configuration makes of the layers is an open set
        raise ModelError(
            f"{path}: has a configuration that cannot be read ({described(e)}); save the model again"
        ) from e


class Reader:
    """Layers in order, each turned into real operations; what is refused is collected."""

    def __init__(self, name: str, layers: tuple[Layer, ...], input: str | None):
        self.name, self.layers = name, layers
        self.nodes: list[RealOp] = []
        self.values: dict[str, str] = {}  # layer -> the node that holds its value
        self.shapes: dict[str, Shape] = {}
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.heads: dict[str, str] = {}  # layer -> what is left to the host of its value
        self.signals: set[str] = set()  # nodes that Keras has as (T, C)
        self.source = next((x for x in layers if x.kind == "InputLayer"), layers[0])
        self.takes = parse_input(input or self._default_input())

    def graph(self) -> Graph:
        config = self.source.config
        given = tuple(int(n) for n in (config.get("batch_input_shape") or config["batch_shape"])[1:])
        shape = (1, *given) if len(given) == 2 else given
        self.mark(real.INPUT, len(given) == 2)
        self.shapes[real.INPUT] = shape
        self.values[self.source.name] = real.INPUT
        for layer in self.layers:
            if layer.kind == "InputLayer":
                continue
            at = [self.values.get(i, "") for i in layer.inputs] or [real.INPUT]
            if "" in at:
                continue  # what it reads was refused
            try:
                self._add(layer, at)
            except Refusal as e:
                self.findings.append(e.finding(layer.name, layer.kind))
        if self.findings:
            raise ModelError(*self.findings)
        if not self.nodes:
            self.put(Pointwise(name="identity", inputs=(real.INPUT,), steps=()))
            self.values = dict.fromkeys(self.values, "identity")
        last, answer = together({n.name: n for n in self.nodes}, self.shapes, [self._end(x) for x in self._ends()])
        whole = Graph(
            self.name,
            Port(shape, self.takes.ints),
            needed([*self.nodes, *([last] if isinstance(last, real.Outputs) else [])], last.name),
            self.takes.denominator,
            tuple(self.notes),
            answer,
        )
        graph = spread(whole)
        if graph.findings:
            raise ModelError(*graph.findings)
        return graph

    def _ends(self) -> list[Layer]:
        """The layers that are outputs: those the file says, else the last."""
        return [x for x in self.layers if x.output] or [self.layers[-1]]

    def _end(self, layer: Layer) -> tuple[str, str, Answer]:
        """An output's name, its node, and how Keras gives it."""
        node = self.values[layer.name]
        shape, head = self.shapes[node], self.heads.get(layer.name, "")
        channels = shape[-1] if len(shape) == 3 and shape[:2] != (1, 1) else 0
        return layer.name, node, Answer(head=head, channels=channels, shape=self.shape_of(node))

    def mark(self, node: str, is_signal: bool) -> None:
        """Note whether Keras has a node's value as (T, C), which is an image of one row here."""
        (self.signals.add if is_signal else self.signals.discard)(node)

    def shape_of(self, node: str) -> Shape:
        """A node's shape as Keras has it."""
        return self.shapes[node][1:] if node in self.signals else self.shapes[node]

    def _default_input(self) -> str:
        """What the first quantizer lets through, else pixels."""
        after = next((x for x in self.layers if self.source.name in x.inputs or x is self.layers[0]), None)
        first = next((x for x in self.layers if x.kind == "QActivation" and self.source.name in x.inputs), after)
        if first is not None and first.kind == "QActivation" and (call := self.function(first.config["activation"])):
            text = meaning.input_bits(call)
            if text:
                self.notes.append(f"the input is {text}, as quantizer {first.name} says; --input says otherwise")
                return text
        self.notes.append("the input is u8/255, as nothing in the model says; --input says otherwise")
        return "u8/255"

    def function(self, value: Any) -> Function | None:
        try:
            return function_of(value, meaning.POSITIONS)
        except (ValueError, SyntaxError, KeyError) as e:
            raise Refusal(f"{value!r} is not understood as a quantizer ({e})", "use QKeras' own quantizers") from e

    def _add(self, layer: Layer, at: list[str]) -> None:
        if layer.kind not in HANDLERS and layer.kind not in PASSED:
            known = ", ".join(sorted(HANDLERS))
            raise Refusal(f"layers of class {layer.kind} are not supported", f"use {known}")
        if layer.config.get("data_format") == "channels_first":
            raise Refusal("its channels come first", "use data_format channels_last")
        if layer.kind == "Softmax":
            self._take_head(layer, "softmax")
        if layer.kind in NOISE and layer.inputs and layer.inputs[0] in self.heads:
            self.heads[layer.name] = self.heads[layer.inputs[0]]
        value = at[0] if layer.kind in PASSED else HANDLERS[layer.kind](self, layer, at)
        self.values[layer.name] = self._activate(layer, value)

    def _activate(self, layer: Layer, at: str) -> str:
        """The activation a layer carries itself."""
        if layer.kind in ("QActivation", "Activation", "ReLU", "LeakyReLU"):
            return at
        call = self.function(layer.config.get("activation"))
        return self.active(layer, call, at, f"{layer.name}_{call.name}" if call else layer.name)

    def active(self, layer: Layer, call: Function | None, at: str, name: str) -> str:
        """The value behind an activation; a head at the end is left to the host."""
        if call is None:
            return at
        last = all(x.kind in NOISE for x in self.layers if layer.name in x.inputs)
        if call.name == "softmax" or (call.name in HEADS and last):
            self._take_head(layer, call.name)
            return at
        if call.name in larq.NAMES:
            return self.steps(name, at, larq.activation(call))
        return self.steps(name, at, meaning.activation(call))

    def _take_head(self, layer: Layer, head: str) -> None:
        if any(i in self.heads for i in layer.inputs) or not all(
            x.kind in NOISE for x in self.layers if layer.name in x.inputs
        ):
            raise Refusal(f"has {head} in the middle of the network", "move it to the end, or use quantized_relu")
        self.heads[layer.name] = head

    def put(self, node: RealOp) -> str:
        self.nodes.append(node)
        self.shapes[node.name] = node.shape(*(self.shapes[i] for i in node.inputs))
        self.mark(node.name, len(self.shapes[node.name]) == 3 and any(i in self.signals for i in node.inputs))
        return node.name

    def steps(self, name: str, at: str, steps: tuple[Step, ...]) -> str:
        return self.put(Pointwise(name=name, inputs=(at,), steps=steps)) if steps else at

    def weights(self, layer: Layer, kernel: str, folded: Array | None = None) -> tuple[Array, Array]:
        """Integers and scale in Keras' axes, of a kernel or of what a norm made of it.

        Notes where QKeras' own float sum does not return its quantizer's value.
        """
        call = self.function(
            layer.config.get(kernel.replace("kernel", "quantizer") if kernel != "kernel" else "kernel_quantizer")
        )
        w = layer.arrays[kernel].astype(F) if folded is None else folded
        if call is None and folded is None:
            return _integers_of(w)
        if call is not None and call.name in larq.NAMES:
            return larq.weights(call, w)
        ints, scale = meaning.weights(call, w)
        ideal = (ints * scale).astype(F)
        off = int(((w + (ideal - w)) != ideal).sum())
        if off:
            self.notes.append(
                f"{layer.name}: QKeras' straight-through sum rounds {off} of {w.size} weights away from their quantizer's value"
            )
        return ints, scale

    def biased(self, layer: Layer, at: str) -> str:
        if "bias" not in layer.arrays:
            return at
        bias = meaning.values(self.function(layer.config.get("bias_quantizer")), layer.arrays["bias"])
        return self.steps(f"{layer.name}_bias", at, (Step("add", bias),))


def _integers_of(w: Array) -> tuple[Array, Array]:
    """Weights without a quantizer, which may be integers times a scale for each channel as they stand."""
    try:
        found = guessed(np.moveaxis(w, -1, 0))
    except Refusal:
        raise Refusal(
            "its weights are not quantised", "give the layer a kernel_quantizer such as binary(alpha=1)"
        ) from None
    return np.moveaxis(found.ints, 0, -1).astype(F), found.scale.astype(F)
