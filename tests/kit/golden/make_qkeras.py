"""Writes the QKeras models beside it and what QKeras itself predicts for them. Needs TensorFlow; the tests do not.

pip install 'tensorflow==2.21.*' tf_keras 'qkeras==0.9.0' pyparsing
python tests/kit/golden/make_qkeras.py
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tf_keras as keras
from qkeras import (
    QActivation,
    QBatchNormalization,
    QConv2D,
    QDense,
    QDepthwiseConv2D,
    binary,
    quantized_bits,
    quantized_relu,
    ternary,
)
from tf_keras.layers import Activation, Add, BatchNormalization, Flatten, Input, MaxPooling2D

HERE = Path(__file__).parent
IMAGES = 1000


def mlp() -> keras.Model:
    """Bits in, one hidden layer of each kind of weight; scores with a quantised bias."""
    return keras.Sequential([
        Input((49,)),
        QDense(24, kernel_quantizer=binary(alpha=1), use_bias=False, name="fc1"), BatchNormalization(name="bn1"),
        QActivation(binary(alpha=1), name="act1"),
        QDense(20, kernel_quantizer=ternary(alpha=1, threshold=0.3), bias_quantizer=quantized_bits(5, 2, alpha=1), name="fc2"),
        BatchNormalization(name="bn2"), QActivation("ternary(alpha=1,threshold=0.5)", name="act2"),
        QDense(16, kernel_quantizer="binary()", use_bias=False, name="fc3"), QBatchNormalization(name="bn3"),
        QActivation("quantized_relu(3,1)", name="act3"),
        QDense(10, kernel_quantizer=quantized_bits(4, 0, alpha=1), bias_quantizer=quantized_bits(8, 3, alpha=1), name="out"),
    ])  # fmt: skip


def cnn() -> keras.Model:
    """Padding, a depthwise layer, a residual sum, a pool in front of the norm, two kinds of norm."""
    x = Input((9, 8, 3), name="pixels")
    y = QConv2D(
        8, 3, kernel_quantizer=quantized_bits(4, 0, alpha=1), padding="same", strides=2, use_bias=False, name="c1"
    )(x)
    y = BatchNormalization(name="bn1")(y)
    y = QActivation(quantized_bits(3, 1, symmetric=1, alpha=1), name="act1")(y)
    z = QDepthwiseConv2D(3, depthwise_quantizer=binary(alpha=1), padding="same", use_bias=False, name="dw")(y)
    z = BatchNormalization(name="bn2")(z)
    z = QActivation("quantized_bits(3,1,1,alpha=1)", name="act2")(z)
    y = Add(name="sum")([y, z])
    y = QActivation(binary(alpha=1), name="act3")(y)
    y = QConv2D(
        12, (2, 3), kernel_quantizer=binary(alpha=0.5), bias_quantizer=quantized_bits(4, 1, alpha=1), name="c2"
    )(y)
    y = MaxPooling2D(2, name="pool")(y)
    y = QBatchNormalization(name="bn3")(y)
    y = QActivation(quantized_relu(2, 1), name="act4")(y)
    y = Flatten(name="flat")(y)
    y = QDense(10, kernel_quantizer=ternary(alpha=1), use_bias=False, name="out")(y)
    y = Activation("softmax", name="likely")(y)
    return keras.Model(x, y)


def settle(model: keras.Model, seed: int) -> None:
    """Seeded weights in -1 .. 1, and norms that look trained."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        values = []
        for w in layer.weights:
            name, shape = w.name.split("/")[-1], w.shape
            if "variance" in name:
                values.append(rng.uniform(0.5, 40, shape))
            elif "gamma" in name:
                values.append(rng.uniform(0.3, 2, shape) * (rng.choice((-1, 1), shape) if layer.name != "bn3" else 1))
            elif "mean" in name or "beta" in name:
                values.append(rng.normal(0, 1, shape))
            else:
                values.append(rng.uniform(-1, 1, shape))
        layer.set_weights(values)


def main() -> None:
    for name, model, denominator in (("mlp.h5", mlp(), 1), ("cnn.keras", cnn(), 256)):
        settle(model, 7)
        model.save(HERE / f"qkeras_{name}")
        rng = np.random.default_rng(3)
        shape = (IMAGES, *model.input_shape[1:])
        x = rng.choice((-1, 1), shape) if denominator == 1 else rng.integers(0, 256, shape)
        real = x.astype(np.float32) / np.float32(denominator)
        acts = [layer for layer in model.layers if isinstance(layer, QActivation)]
        inner = keras.Model(model.inputs, [layer.output for layer in acts])
        values = dict(zip([a.name for a in acts], inner.predict(real[:50], verbose=0), strict=True))
        scores = keras.Model(model.inputs, model.get_layer("out").output).predict(real, verbose=0)
        np.savez_compressed(
            HERE / f"qkeras_{name.split('.')[0]}.npz",
            x=x.astype(np.int16),
            denominator=denominator,
            predict=model.predict(real, verbose=0),
            scores=scores,
            **{f"value_{k}": v.astype(np.float32) for k, v in values.items()},
        )


if __name__ == "__main__":
    main()
