"""Random networks of any operators for the tests of reading, and the builder of files that writes them.

Stands on hwflow.generate, whose builder it hands on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hwflow.generate import Build, Choose, Q

__all__ = ["Build", "Choose", "Q", "random_network"]


def random_network(choose: Choose, rng: np.random.Generator) -> tuple[Build, str, str]:
    """A random network with its input type and whether its reference rounds nothing ('exact') or may ('rounds')."""
    return _Random(choose, rng).network()


class _Random:
    """One random network on the way: the builder, the tensor at its end, its shape, whether it is on a grid."""

    def __init__(self, choose: Choose, rng: np.random.Generator):
        self.choose, self.rng = choose, rng
        self.exact = bool(choose(0, 2))
        self.input = self.pick(
            ("u8/256", "u4/16", "i4/8", "bipolar", "u1", "i8/64")
            if self.exact
            else ("u8/255", "u8", "i5/10", "bipolar/3")
        )
        self.h, self.w, self.c = choose(1, 7), choose(1, 7), choose(1, 5)
        self.b = Build((1, self.c, self.h, self.w))
        self.t = "x"

    def pick(self, options: Sequence[Any]) -> Any:
        return options[self.choose(0, len(options) - 1)]

    def number(self, size: Any = ()) -> Any:
        """Constants with few bits, or any; sometimes 0, never huge."""
        v = self.rng.integers(-16, 17, size) / 8.0 if self.exact else self.rng.normal(0, 1, size)
        return np.where(self.rng.random(size) < 0.1, 0, v)

    def scale(self, size: Any = ()) -> Any:
        return 2.0 ** self.rng.integers(-4, 2, size) if self.exact else np.abs(self.rng.normal(0, 0.5, size)) + 0.05

    def network(self) -> tuple[Build, str, str]:
        if self.choose(0, 2):
            self.quantise()
        for _ in range(self.choose(1, 3)):
            self.pick((self.conv, self.conv, self.pool, self.average, self.residual, self.concat, self.upsample))()
            for _ in range(self.choose(0, 3)):
                self.pick((self.affine, self.norm, self.relu, self.clip, self.pool, self.channels, self.leaky))()
            self.quantise()
        self.end()
        return self.b, self.t, "exact" if self.exact else "rounds"

    def vector(self, values: Any) -> str:
        return self.b.const(np.asarray(values).reshape(1, -1, 1, 1))

    def quantise(self) -> None:
        kind = self.choose(0, 6)
        b = self.b
        if kind <= 1:
            self.t = b.sign(self.t, self.scale())
        elif kind == 2:
            steps = np.sort(self.number((self.pick((1, self.c)), self.choose(1, 7))), 1)
            twice = self.choose(0, 1)
            self.t = b.node(
                "MultiThreshold",
                self.t,
                b.const(steps),
                domain=Q,
                out_scale=2.0 if twice else float(self.scale()),
                out_bias=-1.0 if twice else float(self.number()),
                out_dtype="INT8",
                data_layout="NCHW",
            )
        elif kind == 3:
            q = b.node("QuantizeLinear", self.t, b.const(self.scale()), b.const(self.choose(0, 4), np.uint8))
            q = b.node(
                "Clip",
                b.node("DequantizeLinear", q, b.nodes[-1].input[1], b.nodes[-1].input[2]),
                b.const(-100.0),
                b.const(100.0),
            )
            self.t = q
        else:
            bits, signed = self.choose(1, 8), self.choose(0, 1)
            mode = self.pick(("ROUND", "FLOOR", "CEIL", "HALF_UP", "HALF_DOWN", "UP", "DOWN"))
            zero = 0.0 if signed or self.choose(0, 1) else float(self.choose(0, 3))
            self.t = b.quant(self.t, self.scale(), bits, signed, self.choose(0, 1) if bits > 1 else 0, zero, mode)
        if self.choose(0, 4) == 0:
            self.relu()

    def weights(self, shape: tuple[int, ...]) -> str:
        b, rows = self.b, shape[0]
        w = b.const(self.rng.normal(0, 1, shape))
        scale = self.scale((rows,) + (1,) * (len(shape) - 1)) if self.choose(0, 1) else self.scale()
        kind = self.choose(0, 3)
        if kind == 0:
            return b.const(self.rng.choice([-1.0, 1.0], shape))
        return b.sign(w, scale) if kind < 3 else b.quant(w, scale, self.choose(2, 4), 1, self.choose(0, 1))

    def conv(self) -> None:
        kh, kw, dh, dw = (
            self.choose(1, min(3, self.h)),
            self.choose(1, min(3, self.w)),
            self.choose(1, 2),
            self.choose(1, 2),
        )
        # padding only where zero is a value of the tensor; a first convolution of any input has it
        pads = [self.choose(0, 1) if self.zero_inside() else 0 for _ in range(4)]
        dh = dh if (kh - 1) * dh + 1 <= self.h + pads[0] + pads[2] else 1
        dw = dw if (kw - 1) * dw + 1 <= self.w + pads[1] + pads[3] else 1
        sh, sw = self.choose(1, 2), self.choose(1, 2)
        group = self.pick([g for g in range(1, self.c + 1) if self.c % g == 0])
        rows = group * self.choose(1, 3)
        bias = self.number(rows) if self.choose(0, 2) == 0 else None
        self.t = self.b.conv(
            self.t, self.weights((rows, self.c // group, kh, kw)), pads, (sh, sw), (dh, dw), group, bias
        )
        self.h = (self.h + pads[0] + pads[2] - (kh - 1) * dh - 1) // sh + 1
        self.w = (self.w + pads[1] + pads[3] - (kw - 1) * dw - 1) // sw + 1
        self.c = rows

    def zero_inside(self) -> bool:
        last = self.b.nodes[-1] if self.b.nodes else None
        return last is None or last.op_type == "BipolarQuant" or (last.op_type == "Quant" and self.exact)

    def pool(self) -> None:
        k, s = (self.choose(1, min(3, self.h)), self.choose(1, min(3, self.w))), (self.choose(1, 2), self.choose(1, 2))
        pad = [self.choose(0, 1) if k[i % 2] > 1 else 0 for i in range(4)]
        self.t = self.b.node("MaxPool", self.t, kernel_shape=list(k), strides=list(s), pads=pad)
        self.h, self.w = (self.h + pad[0] + pad[2] - k[0]) // s[0] + 1, (self.w + pad[1] + pad[3] - k[1]) // s[1] + 1

    def average(self) -> None:
        k = (self.choose(1, min(2, self.h)), self.choose(1, min(2, self.w)))
        self.t = self.b.node("AveragePool", self.t, kernel_shape=list(k), strides=list(k))
        self.h, self.w = self.h // k[0], self.w // k[1]

    def upsample(self) -> None:
        if self.h * self.w <= 16:
            self.t = self.b.node(
                "Resize",
                self.t,
                "",
                self.b.const([1, 1, 2, 1]),
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
            self.h *= 2

    def residual(self) -> None:
        short, scale = self.t, float(self.scale())
        left = self.b.quant(short, scale * 2.0 ** self.choose(0, 2), self.choose(2, 5))
        right = self.b.quant(self.b.node("Mul", short, self.b.const(self.number())), scale, self.choose(2, 5))
        self.t = self.b.node("Add", left, right)

    def concat(self) -> None:
        other = self.b.sign(self.b.node("Add", self.t, self.b.const(self.number())), self.scale())
        self.t, self.c = self.b.node("Concat", self.t, other, axis=1), 2 * self.c
        self.quantise()

    def affine(self) -> None:
        self.t = self.b.node(self.pick(("Mul", "Add", "Sub")), self.t, self.b.const(self.number()))

    def channels(self) -> None:
        self.t = self.b.node(
            self.pick(("Mul", "Add", "Div")), self.t, self.vector(np.where((v := self.number(self.c)) == 0, 0.5, v))
        )

    def norm(self) -> None:
        c = self.c
        self.t = self.b.norm(
            self.t, self.number(c), self.number(c), self.number(c), np.abs(self.rng.normal(0, 2, c)) + 0.01
        )

    def relu(self) -> None:
        self.t = self.b.node("Relu", self.t)

    def leaky(self) -> None:
        self.t = self.b.node("LeakyRelu", self.t, alpha=0.125)

    def clip(self) -> None:
        self.t = self.b.node("Clip", self.t, self.b.const(-1.0), self.b.const(1.0))

    def end(self) -> None:
        b, inputs, rows = self.b, self.h * self.w * self.c, self.choose(1, 5)
        self.t = b.node("Flatten", self.t, axis=1)
        if self.choose(0, 1):
            self.t = b.node("MatMul", self.t, b.node("Transpose", self.weights((rows, inputs)), perm=[1, 0]))
        else:
            self.t = b.node("Gemm", self.t, self.weights((rows, inputs)), b.const(self.number(rows)), transB=1)
        if self.choose(0, 1):
            self.t = b.node("Mul", b.node("Sub", self.t, b.const(self.number())), b.const(self.scale()))
