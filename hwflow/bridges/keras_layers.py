"""What each layer of Keras, QKeras and larq becomes: real operations, one handler for each class.

Stands on real and the meaning of quantizers. Images are (H, W, C); signals of Keras, (T, C), are images of one row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from hwflow import real
from hwflow.bits import Array
from hwflow.bridges import keras_larq as larq
from hwflow.bridges import qkeras_meaning as meaning
from hwflow.bridges.qkeras_file import Layer
from hwflow.errors import Refusal
from hwflow.ops import Pads, Shape
from hwflow.real import Step, Weights

if TYPE_CHECKING:
    from hwflow.bridges.qkeras import Reader

F = np.float32
MOST_PICKED = 1 << 22  # weights of a layer that only picks elements


def _dense(r: Reader, layer: Layer, at: list[str]) -> str:
    """A product with the features; of an image or a signal, with those of each pixel or step."""
    ints, scale = r.weights(layer, "kernel")
    rows = np.broadcast_to(scale, (1, ints.shape[1]))[0]
    if len(r.shapes[at[0]]) == 1:
        return r.biased(layer, r.put(real.Dense(name=layer.name, inputs=(at[0],), weights=Weights(ints.T, rows))))
    weights = Weights(ints.T[:, None, None], rows)
    return r.biased(layer, r.put(real.Conv(name=layer.name, inputs=(at[0],), weights=weights)))


def _conv(r: Reader, layer: Layer, at: list[str]) -> str:
    ints, scale = r.weights(layer, "kernel")
    rows = np.broadcast_to(scale, (1, 1, 1, ints.shape[3])).reshape(-1)
    return _sliding(r, layer, at, Weights(ints.transpose(3, 0, 1, 2), rows), int(layer.config.get("groups", 1)))


def _depthwise(r: Reader, layer: Layer, at: list[str]) -> str:
    weights, channels = _by_channel(*r.weights(layer, "depthwise_kernel"))
    return _sliding(r, layer, at, weights, channels)


def _by_channel(ints: Array, scale: Array) -> tuple[Weights, int]:
    """Depthwise weights (rows, height, width, 1) of Keras' (height, width, channels, multiplier), and the channels."""
    kh, kw, channels, per = ints.shape
    rows = np.broadcast_to(
        scale, (1, 1, channels, per) if np.ndim(scale) == 4 and scale.shape[2] > 1 else (1, 1, 1, per)
    )
    rows = np.broadcast_to(rows, (1, 1, channels, per)).reshape(-1)
    return Weights(ints.transpose(2, 3, 0, 1).reshape(channels * per, kh, kw, 1), rows), channels


def _conv1d(r: Reader, layer: Layer, at: list[str]) -> str:
    ints, scale = r.weights(layer, "kernel")
    rows = np.broadcast_to(scale, (1, 1, ints.shape[2])).reshape(-1)
    return _sliding(r, layer, at, Weights(ints.transpose(2, 0, 1)[:, None], rows), int(layer.config.get("groups", 1)))


def _separable(r: Reader, layer: Layer, at: list[str]) -> str:
    """A depthwise layer and one of 1 x 1, with nothing in between."""
    weights, channels = _by_channel(*r.weights(layer, "depthwise_kernel"))
    deep = _sliding(r, layer, at, weights, channels, f"{layer.name}_depthwise", bias=False)
    ints, scale = r.weights(layer, "pointwise_kernel")
    rows = np.broadcast_to(scale, (1, 1, 1, ints.shape[3])).reshape(-1)
    point = real.Conv(name=layer.name, inputs=(deep,), weights=Weights(ints.transpose(3, 0, 1, 2), rows))
    return r.biased(layer, r.put(point))


def _fold_norm(r: Reader, layer: Layer, at: list[str]) -> str:
    """A convolution whose norm is folded into its weights before they are quantised, as QKeras does in use."""
    a, deep = layer.arrays, "depthwise_kernel" in layer.arrays
    kernel = "depthwise_kernel" if deep else "kernel"
    factor = (F(1) / np.sqrt(a["moving_variance"] + F(layer.config.get("epsilon", 1e-3)))).astype(F)
    factor = (factor * a["gamma"]).astype(F) if "gamma" in a else factor
    bias = (factor * (a.get("bias", F(0)) - a["moving_mean"]) + a.get("beta", F(0))).astype(F)
    w = a[kernel].astype(F)
    w = (factor.reshape(w.shape[2:]) * w if deep else factor * w).astype(F)
    ints, scale = r.weights(layer, kernel, w)
    if deep:
        weights, groups = _by_channel(ints, scale)
    else:
        rows = np.broadcast_to(scale, (1, 1, 1, ints.shape[3])).reshape(-1)
        weights, groups = Weights(ints.transpose(3, 0, 1, 2), rows), 1
    out = _sliding(r, layer, at, weights, groups, bias=False)
    bias = meaning.values(r.function(layer.config.get("bias_quantizer")), bias)
    return r.steps(f"{layer.name}_bias", out, (Step("add", bias),))


def _sliding(
    r: Reader, layer: Layer, at: list[str], weights: Weights, groups: int, name: str = "", bias: bool = True
) -> str:
    stride, dilation = _two(layer, "strides"), _two(layer, "dilation_rate")
    pads = _pads(layer, r.shapes[at[0]], weights.ints.shape[1:3], stride, dilation)
    conv = real.Conv(
        name=name or layer.name, inputs=(at[0],), weights=weights, stride=stride, pads=pads,
        pad=float(layer.config.get("pad_values") or 0), dilation=dilation, groups=groups,
    )  # fmt: skip
    out = r.put(conv)
    return r.biased(layer, out) if bias else out


def _two(layer: Layer, key: str, default: int = 1) -> tuple[int, int]:
    """Rows and columns of a setting; one number of a layer of signals is that of the steps."""
    value = layer.config.get(key, default)
    one = [value] if isinstance(value, int) else [int(v) for v in value]
    if layer.kind.endswith("1D"):
        return (1, one[0])
    return (one[0], one[-1])


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
        case "causal":
            return 0, (kernel[1] - 1) * dilation[1], 0, 0
    raise Refusal(f"padding {layer.config['padding']!r} is not supported", "use valid or same")


def _norm(r: Reader, layer: Layer, at: list[str]) -> str:
    """Keras' inference form. Images go through its fused kernel, (x - mean) * factor + beta; vectors, and QKeras' own
    layer, through x * factor + (beta - mean * factor)."""
    c, a = layer.config, layer.arrays
    quantized = {
        n: meaning.values(r.function(c.get(f"{n.removeprefix('moving_')}_quantizer")), v) for n, v in a.items()
    }
    mean, variance = quantized["moving_mean"], quantized["moving_variance"]
    factor = (F(1) / np.sqrt(variance + F(c["epsilon"]))).astype(F)
    factor = (factor * quantized["gamma"]).astype(F) if "gamma" in quantized else factor
    beta = quantized.get("beta", np.zeros(1, F))
    if len(r.shapes[at[0]]) == 3 and layer.kind == "BatchNormalization":
        steps: tuple[Step, ...] = (Step("sub", mean), Step("mul", factor), Step("add", beta))
    else:
        steps = (Step("mul", factor), Step("add", (beta - mean * factor).astype(F)))
    return r.steps(layer.name, at[0], steps)


def _activation(r: Reader, layer: Layer, at: list[str]) -> str:
    return r.active(layer, r.function(layer.config["activation"]), at[0], layer.name)


def _relu(r: Reader, layer: Layer, at: list[str]) -> str:
    c = layer.config
    if c.get("threshold"):
        raise Refusal("a ReLU with a threshold is not supported", "use a plain ReLU")
    slope = c.get("negative_slope") or 0
    start = Step("leaky", np.array([slope], F)) if slope else Step("max", np.zeros(1, F))
    top = () if c.get("max_value") is None else (Step("min", np.array([c["max_value"]], F)),)
    return r.steps(layer.name, at[0], (start, *top))


def _leaky(r: Reader, layer: Layer, at: list[str]) -> str:
    slope = layer.config.get("negative_slope", layer.config.get("alpha", 0.3))
    return r.steps(layer.name, at[0], (Step("leaky", np.array([slope], F)),))


def _sign(r: Reader, layer: Layer, at: list[str]) -> str:
    """keras.ops.sign, which is 0 at 0."""
    return r.steps(layer.name, at[0], (Step("signum"),))


def _rescaling(r: Reader, layer: Layer, at: list[str]) -> str:
    """x * scale + offset."""
    scale, offset = (np.atleast_1d(np.asarray(layer.config[k], F)) for k in ("scale", "offset"))
    return r.steps(layer.name, at[0], real.steps.tidy((Step("mul", scale), Step("add", offset))))


def _max_pool(r: Reader, layer: Layer, at: list[str]) -> str:
    kernel, stride = _two(layer, "pool_size"), _strides(layer)
    pads = _pads(layer, r.shapes[at[0]], kernel, stride)
    return r.put(real.MaxPool(name=layer.name, inputs=(at[0],), kernel=kernel, stride=stride, pads=pads))


def _strides(layer: Layer) -> tuple[int, int]:
    """A pool's strides, which are its size where none are given."""
    return _two(layer, "pool_size" if layer.config.get("strides") is None else "strides")


def _mean_pool(r: Reader, layer: Layer, at: list[str]) -> str:
    kernel, stride = _two(layer, "pool_size"), _strides(layer)
    if any(_pads(layer, r.shapes[at[0]], kernel, stride)):
        raise Refusal("it averages fewer taps at the border", "use padding valid")
    return _mean(r, layer, at[0], kernel, stride)


def _global_mean(r: Reader, layer: Layer, at: list[str]) -> str:
    size = r.shapes[at[0]][:2]
    mean = _mean(r, layer, at[0], (size[0], size[1]), (size[0], size[1]))
    return mean if layer.config.get("keepdims") else r.put(real.Flatten(name=f"{layer.name}_flat", inputs=(mean,)))


def _global_max(r: Reader, layer: Layer, at: list[str]) -> str:
    size = (r.shapes[at[0]][0], r.shapes[at[0]][1])
    most = r.put(real.MaxPool(name=layer.name, inputs=(at[0],), kernel=size, stride=size))
    return most if layer.config.get("keepdims") else r.put(real.Flatten(name=f"{layer.name}_flat", inputs=(most,)))


def _mean(r: Reader, layer: Layer, at: str, kernel: tuple[int, int], stride: tuple[int, int]) -> str:
    total = r.put(real.SumPool(name=f"{layer.name}_sum", inputs=(at,), kernel=kernel, stride=stride))
    return r.steps(layer.name, total, (Step("div", np.array([kernel[0] * kernel[1]], F)),))


def _flatten(r: Reader, layer: Layer, at: list[str]) -> str:
    return at[0] if len(r.shapes[at[0]]) == 1 else r.put(real.Flatten(name=layer.name, inputs=(at[0],)))


def _reshape(r: Reader, layer: Layer, at: list[str]) -> str:
    """Another shape of the same elements, which Keras has in raster order too."""
    size = int(np.prod(r.shapes[at[0]]))
    to = [int(n) for n in layer.config["target_shape"]]
    if -1 in to:
        to[to.index(-1)] = size // max(-int(np.prod(to)), 1)
    return _view_as(r, layer.name, at[0], tuple(to))


def _view_as(r: Reader, name: str, at: str, to: tuple[int, ...]) -> str:
    """The value in a shape of Keras: (C,), (T, C) or (H, W, C)."""
    if to == r.shape_of(at):
        return at
    if len(to) not in (1, 2, 3):
        raise Refusal(f"its result has {len(to)} axes besides the batch", "reshape to a vector, a signal or an image")
    if len(to) == 1:
        return r.put(real.Flatten(name=name, inputs=(at,)))
    out = r.put(real.Reshape(name=name, inputs=(at,), to=(1, *to) if len(to) == 2 else to))
    r.mark(out, len(to) == 2)
    return out


def _permute(r: Reader, layer: Layer, at: list[str]) -> str:
    """Axes in another order: another shape where elements keep their order, else a layer that only picks elements."""
    shape = r.shape_of(at[0])
    places = np.arange(int(np.prod(shape))).reshape(shape).transpose([d - 1 for d in layer.config["dims"]])
    order, to = places.reshape(-1), places.shape
    if (order == np.arange(len(order))).all():
        return _view_as(r, layer.name, at[0], to)
    if len(order) ** 2 > MOST_PICKED:
        raise Refusal(f"it moves {len(order)} elements", "train with the order of axes that the next layer takes")
    flat = at[0] if len(shape) == 1 else r.put(real.Flatten(name=f"{layer.name}_flat", inputs=(at[0],)))
    ones = Weights(np.eye(len(order), dtype=np.int32)[order], np.ones(1))
    picked = r.put(real.Dense(name=f"{layer.name}_picks", inputs=(flat,), weights=ones))
    return _view_as(r, layer.name, picked, to)


def _zero_pad(r: Reader, layer: Layer, at: list[str]) -> str:
    given = layer.config["padding"]
    if layer.kind.endswith("1D"):
        (left, right), (t, b) = given, (0, 0)
    else:
        (t, b), (left, right) = given
    return r.put(real.Pad(name=layer.name, inputs=(at[0],), pads=(t, left, b, right)))


def _upsample(r: Reader, layer: Layer, at: list[str]) -> str:
    if layer.config.get("interpolation", "nearest") != "nearest":
        raise Refusal("it interpolates", "use interpolation nearest")
    return r.put(real.Upsample(name=layer.name, inputs=(at[0],), factor=_two(layer, "size")))


def _larq(handler: Handler) -> Handler:
    """A layer of larq: its input goes through its input quantizer, whose values padding joins."""

    @wraps(handler)
    def made(r: Reader, layer: Layer, at: list[str]) -> str:
        call = r.function(layer.config.get("input_quantizer"))
        steps = () if call is None else larq.activation(call)
        return handler(r, layer, [r.steps(f"{layer.name}_input", at[0], steps)])

    return made


Handler: TypeAlias = Callable[["Reader", Layer, list[str]], str]
HANDLERS: dict[str, Handler] = {
    "QDense": _dense, "Dense": _dense, "QConv2D": _conv, "Conv2D": _conv, "QConv1D": _conv1d, "Conv1D": _conv1d,
    "QDepthwiseConv2D": _depthwise, "DepthwiseConv2D": _depthwise,
    "QSeparableConv2D": _separable, "SeparableConv2D": _separable,
    "QConv2DBatchnorm": _fold_norm, "QDepthwiseConv2DBatchnorm": _fold_norm,
    "QuantDense": _larq(_dense), "QuantConv2D": _larq(_conv), "QuantConv1D": _larq(_conv1d),
    "QuantDepthwiseConv2D": _larq(_depthwise), "QuantSeparableConv2D": _larq(_separable),
    "BatchNormalization": _norm, "QBatchNormalization": _norm,
    "QActivation": _activation, "Activation": _activation, "ReLU": _relu, "LeakyReLU": _leaky,
    "Rescaling": _rescaling, "Reshape": _reshape, "Permute": _permute, "Flatten": _flatten,
    "MaxPooling2D": _max_pool, "MaxPooling1D": _max_pool, "AveragePooling2D": _mean_pool, "AveragePooling1D": _mean_pool,
    "GlobalAveragePooling2D": _global_mean, "GlobalAveragePooling1D": _global_mean,
    "GlobalMaxPooling2D": _global_max, "GlobalMaxPooling1D": _global_max,
    "ZeroPadding2D": _zero_pad, "ZeroPadding1D": _zero_pad, "UpSampling2D": _upsample, "UpSampling1D": _upsample,
    "Sign": _sign,
    "Add": lambda r, layer, at: r.put(real.Add(name=layer.name, inputs=tuple(at))),
    "Maximum": lambda r, layer, at: r.put(real.Maximum(name=layer.name, inputs=tuple(at))),
    "Concatenate": lambda r, layer, at: r.put(real.Concat(name=layer.name, inputs=tuple(at))),
}  # fmt: skip
