"""QKeras models in: layers of a .h5 or .keras file become the real graph that `fold` turns into integers.

Stands on real and the meaning of QKeras' quantizers. TensorFlow is not needed; h5py is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hwflow import real
from hwflow.answers import Answer
from hwflow.bits import Array
from hwflow.bridges import qkeras_meaning as meaning
from hwflow.bridges.qkeras_file import Function, Layer, function_of, layers_of
from hwflow.errors import Finding, ModelError, Refusal
from hwflow.ops import Pads, Port, Shape
from hwflow.real import Graph, Pointwise, RealOp, Step, Weights, parse_input

NOISE = ("Dropout", "GaussianNoise", "SpatialDropout2D")  # of training alone
PASSED = (*NOISE, "Softmax", "InputLayer")
HEADS = ("softmax", "sigmoid", "tanh")  # left to the host at the end
F = np.float32


def read(path: Path | str, input: str | None = None) -> Graph:
    """The network of a QKeras file; ModelError with every finding at once. `input` is TYPE[/DENOMINATOR]."""
    name, layers = layers_of(Path(path))
    return _Reader(name, layers, input).graph()


class _Reader:
    """Layers in order, each turned into real operations; what is refused is collected."""

    def __init__(self, name: str, layers: tuple[Layer, ...], input: str | None):
        self.name, self.layers = name, layers
        self.nodes: list[RealOp] = []
        self.values: dict[str, str] = {}  # layer -> the node that holds its value
        self.shapes: dict[str, Shape] = {}
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.head = ""
        self.source = next((x for x in layers if x.kind == "InputLayer"), layers[0])
        self.takes = parse_input(input or self._default_input())

    def graph(self) -> Graph:
        shape = tuple(
            int(n) for n in (self.source.config.get("batch_input_shape") or self.source.config["batch_shape"])[1:]
        )
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
        out = self.shapes[self.nodes[-1].name] if self.nodes else shape
        channels = out[-1] if self.head and len(out) == 3 else 0
        graph = Graph(
            self.name,
            Port(shape, self.takes.ints),
            tuple(self.nodes),
            self.takes.denominator,
            tuple(self.notes),
            Answer(head=self.head, channels=channels, shape=out),
        )
        if graph.findings:
            raise ModelError(*graph.findings)
        return graph

    def _default_input(self) -> str:
        """What the first quantizer lets through, else pixels."""
        after = next((x for x in self.layers if self.source.name in x.inputs or x is self.layers[0]), None)
        first = next((x for x in self.layers if x.kind == "QActivation" and self.source.name in x.inputs), after)
        if first is not None and first.kind == "QActivation" and (call := self._call(first.config["activation"])):
            text = meaning.input_bits(call)
            if text:
                self.notes.append(f"the input is {text}, as quantizer {first.name} says; --input says otherwise")
                return text
        self.notes.append("the input is u8/255, as nothing in the model says; --input says otherwise")
        return "u8/255"

    def _call(self, value: Any) -> Function | None:
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
        value = at[0] if layer.kind in PASSED else HANDLERS[layer.kind](self, layer, at)
        self.values[layer.name] = self._activated(layer, value)

    def _activated(self, layer: Layer, at: str) -> str:
        """The activation a layer carries itself."""
        if layer.kind in ("QActivation", "Activation", "ReLU"):
            return at
        call = self._call(layer.config.get("activation"))
        return self._active(layer, call, at, f"{layer.name}_{call.name}" if call else layer.name)

    def _active(self, layer: Layer, call: Function | None, at: str, name: str) -> str:
        """The value behind an activation; a head at the end is left to the host."""
        if call is None:
            return at
        last = all(x.kind in NOISE for x in self.layers if layer.name in x.inputs)
        if call.name == "softmax" or (call.name in HEADS and last):
            self._take_head(layer, call.name)
            return at
        return self._steps(name, at, meaning.activation(call))

    def _take_head(self, layer: Layer, head: str) -> None:
        if self.head or not all(x.kind in NOISE for x in self.layers if layer.name in x.inputs):
            raise Refusal(f"has {head} in the middle of the network", "move it to the end, or use quantized_relu")
        self.head = head

    def put(self, node: RealOp) -> str:
        self.nodes.append(node)
        self.shapes[node.name] = node.shape(*(self.shapes[i] for i in node.inputs))
        return node.name

    def _steps(self, name: str, at: str, steps: tuple[Step, ...]) -> str:
        return self.put(Pointwise(name=name, inputs=(at,), steps=steps)) if steps else at

    def weights(self, layer: Layer, kernel: str) -> tuple[Array, Array]:
        """Integers and scale in Keras' axes; notes where QKeras' own float sum does not return its quantizer's value."""
        call = self._call(
            layer.config.get(kernel.replace("kernel", "quantizer") if kernel != "kernel" else "kernel_quantizer")
        )
        w = layer.arrays[kernel].astype(F)
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
        bias = meaning.values(self._call(layer.config.get("bias_quantizer")), layer.arrays["bias"])
        return self._steps(f"{layer.name}_bias", at, (Step("add", bias),))


def _dense(r: _Reader, layer: Layer, at: list[str]) -> str:
    if len(r.shapes[at[0]]) != 1:
        raise Refusal(f"it reads images of shape {r.shapes[at[0]]}", "put a Flatten in front of it")
    ints, scale = r.weights(layer, "kernel")
    weights = Weights(ints.T, np.broadcast_to(scale, (1, ints.shape[1]))[0])
    return r.biased(layer, r.put(real.Dense(name=layer.name, inputs=(at[0],), weights=weights)))


def _conv(r: _Reader, layer: Layer, at: list[str]) -> str:
    ints, scale = r.weights(layer, "kernel")
    rows = np.broadcast_to(scale, (1, 1, 1, ints.shape[3])).reshape(-1)
    return _sliding(r, layer, at, Weights(ints.transpose(3, 0, 1, 2), rows), int(layer.config.get("groups", 1)))


def _depthwise(r: _Reader, layer: Layer, at: list[str]) -> str:
    ints, scale = r.weights(layer, "depthwise_kernel")
    kh, kw, channels, per = ints.shape
    rows = np.broadcast_to(
        scale, (1, 1, channels, per) if np.ndim(scale) == 4 and scale.shape[2] > 1 else (1, 1, 1, per)
    )
    rows = np.broadcast_to(rows, (1, 1, channels, per)).reshape(-1)
    weights = Weights(ints.transpose(2, 3, 0, 1).reshape(channels * per, kh, kw, 1), rows)
    return _sliding(r, layer, at, weights, channels)


def _sliding(r: _Reader, layer: Layer, at: list[str], weights: Weights, groups: int) -> str:
    c = layer.config
    stride, dilation = tuple(c["strides"]), tuple(c.get("dilation_rate", (1, 1)))
    pads = _pads(layer, r.shapes[at[0]], weights.ints.shape[1:3], stride, dilation)
    conv = real.Conv(
        name=layer.name, inputs=(at[0],), weights=weights, stride=stride, pads=pads, dilation=dilation, groups=groups
    )
    return r.biased(layer, r.put(conv))


def _pads(layer: Layer, x: Shape, kernel: Any, stride: Any, dilation: Any = (1, 1)) -> Pads:
    """TensorFlow's padding: none, or just enough for ceil(size / stride) outputs with the odd one behind."""
    match layer.config["padding"]:
        case "valid":
            return (0, 0, 0, 0)
        case "same":
            need = [
                max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
                for n, k, s, d in zip(x, kernel, stride, dilation, strict=False)
            ]
            return need[0] // 2, need[1] // 2, need[0] - need[0] // 2, need[1] - need[1] // 2
    raise Refusal(f"padding {layer.config['padding']!r} is not supported", "use valid or same")


def _norm(r: _Reader, layer: Layer, at: list[str]) -> str:
    """Keras' inference form. Images go through its fused kernel, (x - mean) * factor + beta; vectors, and QKeras' own
    layer, through x * factor + (beta - mean * factor)."""
    c, a = layer.config, layer.arrays
    quantized = {n: meaning.values(r._call(c.get(f"{n.removeprefix('moving_')}_quantizer")), v) for n, v in a.items()}
    mean, variance = quantized["moving_mean"], quantized["moving_variance"]
    factor = (F(1) / np.sqrt(variance + F(c["epsilon"]))).astype(F)
    factor = (factor * quantized["gamma"]).astype(F) if "gamma" in quantized else factor
    beta = quantized.get("beta", np.zeros(1, F))
    if len(r.shapes[at[0]]) == 3 and layer.kind == "BatchNormalization":
        steps: tuple[Step, ...] = (Step("sub", mean), Step("mul", factor), Step("add", beta))
    else:
        steps = (Step("mul", factor), Step("add", (beta - mean * factor).astype(F)))
    return r._steps(layer.name, at[0], steps)


def _activation(r: _Reader, layer: Layer, at: list[str]) -> str:
    return r._active(layer, r._call(layer.config["activation"]), at[0], layer.name)


def _relu(r: _Reader, layer: Layer, at: list[str]) -> str:
    c = layer.config
    if c.get("negative_slope") or c.get("threshold"):
        raise Refusal("a ReLU with a slope or a threshold is not supported", "use a plain ReLU")
    top = () if c.get("max_value") is None else (Step("min", np.array([c["max_value"]], F)),)
    return r._steps(layer.name, at[0], (Step("max", np.zeros(1, F)), *top))


def _max_pool(r: _Reader, layer: Layer, at: list[str]) -> str:
    kernel, stride = tuple(layer.config["pool_size"]), tuple(layer.config["strides"])
    pads = _pads(layer, r.shapes[at[0]], kernel, stride)
    return r.put(real.MaxPool(name=layer.name, inputs=(at[0],), kernel=kernel, stride=stride, pads=pads))


def _mean_pool(r: _Reader, layer: Layer, at: list[str]) -> str:
    kernel, stride = tuple(layer.config["pool_size"]), tuple(layer.config["strides"])
    if any(_pads(layer, r.shapes[at[0]], kernel, stride)):
        raise Refusal("it averages fewer taps at the border", "use padding valid")
    return _mean(r, layer, at[0], kernel, stride)


def _global_mean(r: _Reader, layer: Layer, at: list[str]) -> str:
    size = r.shapes[at[0]][:2]
    mean = _mean(r, layer, at[0], (size[0], size[1]), (size[0], size[1]))
    return mean if layer.config.get("keepdims") else r.put(real.Flatten(name=f"{layer.name}_flat", inputs=(mean,)))


def _mean(r: _Reader, layer: Layer, at: str, kernel: tuple[int, int], stride: tuple[int, int]) -> str:
    total = r.put(real.SumPool(name=f"{layer.name}_sum", inputs=(at,), kernel=kernel, stride=stride))
    return r._steps(layer.name, total, (Step("div", np.array([kernel[0] * kernel[1]], F)),))


def _flatten(r: _Reader, layer: Layer, at: list[str]) -> str:
    return at[0] if len(r.shapes[at[0]]) == 1 else r.put(real.Flatten(name=layer.name, inputs=(at[0],)))


def _zero_pad(r: _Reader, layer: Layer, at: list[str]) -> str:
    (t, b), (left, right) = layer.config["padding"]
    return r.put(real.Pad(name=layer.name, inputs=(at[0],), pads=(t, left, b, right)))


def _upsample(r: _Reader, layer: Layer, at: list[str]) -> str:
    if layer.config.get("interpolation", "nearest") != "nearest":
        raise Refusal("it interpolates", "use interpolation nearest")
    return r.put(real.Upsample(name=layer.name, inputs=(at[0],), factor=tuple(layer.config["size"])))


HANDLERS: dict[str, Callable[[_Reader, Layer, list[str]], str]] = {
    "QDense": _dense, "Dense": _dense, "QConv2D": _conv, "Conv2D": _conv,
    "QDepthwiseConv2D": _depthwise, "DepthwiseConv2D": _depthwise,
    "BatchNormalization": _norm, "QBatchNormalization": _norm,
    "QActivation": _activation, "Activation": _activation, "ReLU": _relu,
    "MaxPooling2D": _max_pool, "AveragePooling2D": _mean_pool, "GlobalAveragePooling2D": _global_mean,
    "Flatten": _flatten, "ZeroPadding2D": _zero_pad, "UpSampling2D": _upsample,
    "Add": lambda r, layer, at: r.put(real.Add(name=layer.name, inputs=tuple(at))),
    "Concatenate": lambda r, layer, at: r.put(real.Concat(name=layer.name, inputs=tuple(at))),
}  # fmt: skip
