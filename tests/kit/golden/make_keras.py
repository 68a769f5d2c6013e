"""Writes models of QKeras, larq and Keras 3 beside it, and what each library itself predicts. Needs TensorFlow; the tests do not.

pip install 'tensorflow==2.21.*' tf_keras 'qkeras==0.9.0' pyparsing 'larq==0.14.0'
python tests/kit/golden/make_keras.py qkeras larq; TF_USE_LEGACY_KERAS=0 python tests/kit/golden/make_keras.py keras3
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np

HERE = Path(__file__).parent
IMAGES = 200


def signal():
    """QConv1D with each kind of padding and pools of one dimension."""
    import tf_keras as keras
    from qkeras import QActivation, QConv1D, QDense, binary, quantized_bits, quantized_relu, ternary
    from tf_keras.layers import (
        AveragePooling1D,
        BatchNormalization,
        GlobalAveragePooling1D,
        Input,
        MaxPooling1D,
        UpSampling1D,
        ZeroPadding1D,
    )  # fmt: skip

    fixed = {"bias_quantizer": quantized_bits(6, 2, alpha=1)}
    x = Input((21, 3), name="steps")
    y = QConv1D(8, 5, kernel_quantizer=quantized_bits(4, 0, alpha=1), padding="same", strides=2, name="c1", **fixed)(x)
    y = BatchNormalization(name="bn1")(y)
    y = QActivation(quantized_relu(3, 1), name="act1")(y)
    y = ZeroPadding1D(1, name="zeros")(y)
    y = MaxPooling1D(2, name="most")(y)
    y = QConv1D(6, 3, kernel_quantizer=ternary(alpha=1), padding="causal", dilation_rate=2, name="c2", **fixed)(y)
    y = QActivation(binary(alpha=1), name="act2")(y)
    y = UpSampling1D(2, name="up")(y)
    y = AveragePooling1D(3, name="mean")(y)
    y = QActivation(quantized_bits(3, 1, alpha=1), name="act3")(y)
    y = QConv1D(8, 2, kernel_quantizer=binary(alpha=1), use_bias=False, name="c3")(y)
    y = GlobalAveragePooling1D(name="over")(y)
    return keras.Model(x, QDense(4, kernel_quantizer=quantized_bits(4, 0, alpha=1), name="out", **fixed)(y)), 256


def folded():
    """Norms folded into weights, a separable layer, a leaky ReLU, another shape, other axes, two outputs."""
    import tf_keras as keras
    from qkeras import (
        QActivation,
        QConv2DBatchnorm,
        QDense,
        QDepthwiseConv2DBatchnorm,
        QSeparableConv2D,
        binary,
        quantized_bits,
    )  # fmt: skip
    from tf_keras.layers import Activation, Flatten, GlobalMaxPooling2D, Input, LeakyReLU, Permute, Rescaling, Reshape

    bits = quantized_bits(4, 0, alpha=1)
    x = Input((6, 7, 2), name="pixels")
    y = Rescaling(2.0, -0.5, name="centre")(x)
    y = QActivation(quantized_bits(5, 1, alpha=1), name="act0")(y)
    y = QConv2DBatchnorm(
        6,
        3,
        kernel_quantizer=bits,
        bias_quantizer=quantized_bits(8, 3, alpha=1),
        padding="same",
        use_bias=True,
        name="c1",
    )(y)
    y = QActivation(quantized_bits(3, 1, alpha=1), name="act1")(y)
    y = QDepthwiseConv2DBatchnorm(3, depthwise_quantizer=bits, use_bias=False, name="dw")(y)
    y = LeakyReLU(0.25, name="leaky")(y)
    y = QActivation(quantized_bits(4, 1, alpha=1), name="act2")(y)
    y = QSeparableConv2D(
        5, 3, depthwise_quantizer=binary(alpha=1), pointwise_quantizer=bits, bias_quantizer=quantized_bits(5, 1, alpha=1),
        name="sep",
    )(y)  # fmt: skip
    y = QActivation(quantized_bits(2, 1, alpha=1), name="act3")(y)
    most = GlobalMaxPooling2D(name="over")(y)
    classes = Activation("softmax", name="likely")(
        QDense(3, kernel_quantizer=bits, use_bias=False, name="classes")(most)
    )
    z = Permute((3, 1, 2), name="turn")(y)
    z = Reshape((-1, 3), name="shape")(z)
    boxes = QDense(4, kernel_quantizer=bits, use_bias=False, name="boxes")(Flatten(name="flat")(z))
    return keras.Model(x, [classes, boxes]), 256


def binary_larq():
    """larq's layers with input and kernel quantizers, padding with ones, a scaled sign, a ternary kernel."""
    import larq as lq
    import tf_keras as keras

    layers = keras.layers
    return keras.Sequential([
        layers.Input((8, 7, 3)),
        lq.layers.QuantConv2D(8, 3, kernel_quantizer="ste_sign", padding="same", use_bias=False, name="c1"),
        layers.MaxPooling2D(2, name="most"), layers.BatchNormalization(scale=False, name="bn1"),
        lq.layers.QuantConv2D(
            8, 3, input_quantizer="ste_sign", kernel_quantizer=lq.quantizers.SteTern(threshold_value=0.3), padding="same",
            pad_values=1.0, use_bias=False, name="c2",
        ),
        layers.BatchNormalization(name="bn2"),
        lq.layers.QuantDepthwiseConv2D(
            2, input_quantizer=lq.quantizers.DoReFa(2), depthwise_quantizer="ste_sign", use_bias=False, name="dw"
        ),
        layers.BatchNormalization(name="bn3"), layers.Flatten(name="flat"),
        lq.layers.QuantDense(10, input_quantizer="approx_sign", kernel_quantizer="ste_sign", use_bias=False, name="fc"),
        layers.BatchNormalization(name="bn4"), layers.Activation("softmax", name="likely"),
    ]), 255  # fmt: skip


def keras3():
    """Keras 3 itself, whose file has another layout: weights that are integers times a scale as they stand."""
    import keras

    x = keras.Input((6, 6, 2), name="pixels")
    y = keras.layers.Conv2D(5, 3, padding="same", use_bias=False, name="c1")(x)
    y = keras.layers.BatchNormalization(name="bn1")(y)
    y = keras.ops.sign(y)
    y = keras.layers.Conv2D(4, 2, activation="relu", name="c2")(y)
    y = keras.layers.MaxPooling2D(2, name="most")(y)
    y = keras.layers.Flatten(name="flat")(y)
    return keras.Model(x, keras.layers.Dense(3, activation="softmax", name="out")(y)), 256


KINDS = {
    "qkeras": {"signal.h5": signal, "folded.keras": folded},
    "larq": {"larq.h5": binary_larq},
    "keras3": {"keras3.keras": keras3},
}


def settle(model, seed: int, whole: bool) -> None:
    """Seeded weights in -1 .. 1, of three levels where `whole`; norms that look trained."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        values = []
        for w in layer.weights:
            name, shape = getattr(w, "path", w.name).split("/")[-1].split(":")[0], w.shape
            if "iteration" in name:
                values.append(np.asarray(0, np.int64))
            elif "variance" in name:
                values.append(rng.uniform(0.5, 20, shape))
            elif "gamma" in name:
                values.append(rng.uniform(0.3, 2, shape) * rng.choice((-1, 1), shape))
            elif "mean" in name or "beta" in name:
                values.append(rng.normal(0, 1, shape))
            else:
                values.append(rng.integers(-1, 2, shape) / 4 if whole else rng.uniform(-1, 1, shape))
        layer.set_weights(values)


def main(kinds: list[str]) -> None:
    for kind in kinds:
        for name, build in KINDS[kind].items():
            model, denominator = build()
            rng = np.random.default_rng(3)
            x = rng.integers(0, 256, (IMAGES, *model.input_shape[1:]))
            x[1::2] = rng.integers(0, 256, (IMAGES // 2, *[1] * (x.ndim - 2), x.shape[-1])) // 2 + x[1::2] // 2
            real = x.astype(np.float32) / np.float32(denominator)
            for seed in range(100):  # until every output has several labels
                settle(model, seed, kind == "keras3")
                said = model.predict(real, verbose=0)
                said = said if isinstance(said, list) else [said]
                if all(np.bincount(y.argmax(1)).max() < 0.8 * IMAGES for y in said):
                    break
            else:
                raise RuntimeError(f"{name}: one label alone")
            path = HERE / f"keras_{name}"
            model.save(path)
            np.savez_compressed(
                path.with_suffix(".npz"), x=x.astype(np.int16), denominator=denominator,
                **{f"predict_{i}": y for i, y in enumerate(said)},
            )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
