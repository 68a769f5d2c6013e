"""Networks as users of Brevitas write them, layer by layer: a detector, MobileNet, U-Net, keywords, ReActNet, SE.

Stands on torch and Brevitas, which are imported where a network is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Network:
    """What makes a module, its images in the module's own axes, what the hardware receives, the names of its outputs."""

    make: Callable[[], Any]
    shape: tuple[int, ...]
    input: str = "u8/255"
    outputs: tuple[str, ...] = ("y",)


def yolo_head() -> Any:
    """A backbone of 4 bits and a detector's head at two scales, joined by nearest upsampling: boxes and classes of each."""
    import brevitas.nn as qnn
    import torch
    from torch import Tensor, nn

    def block(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
        conv = qnn.QuantConv2d(inputs, outputs, 3, stride, 1, bias=False, weight_bit_width=4)
        return nn.Sequential(conv, nn.BatchNorm2d(outputs), qnn.QuantReLU(bit_width=4))

    def head(inputs: int, outputs: int) -> nn.Module:
        return qnn.QuantConv2d(inputs, outputs, 1, bias=True, weight_bit_width=6)

    class Head(nn.Module):
        def __init__(self, classes: int = 5, channels: int = 8):
            super().__init__()
            self.image = qnn.QuantIdentity(bit_width=8, return_quant_tensor=False)
            self.stem, self.fine = block(3, channels, 2), block(channels, channels, 2)
            self.coarse, self.back = block(channels, 2 * channels, 2), block(2 * channels, channels)
            self.up, self.joined = nn.Upsample(scale_factor=2), qnn.QuantReLU(bit_width=4)
            self.neck = block(2 * channels, channels)
            self.boxes = nn.ModuleList([head(channels, 4), head(2 * channels, 4)])
            self.classes = nn.ModuleList([head(channels, classes), head(2 * channels, classes)])

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            fine = self.fine(self.stem(self.image(x)))
            coarse = self.coarse(fine)
            neck = self.neck(self.joined(torch.cat([fine, self.up(self.back(coarse))], 1)))
            scales = (neck, coarse)
            return tuple(
                made(y) for made_of in (self.boxes, self.classes) for made, y in zip(made_of, scales, strict=True)
            )

    return Head()


def mobilenet(width: float = 0.25, bits: int = 4) -> Any:
    """MobileNetV1 as Brevitas' own example has it: weights and the activations in front of depthwise layers by channel."""
    import brevitas.nn as qnn
    from brevitas.quant import Int8WeightPerChannelFloat, Int8WeightPerTensorFloat, Int16Bias, Uint8ActPerTensorFloat
    from torch import Tensor, nn

    def block(inputs: int, outputs: int, kernel: int, stride: int, groups: int, by_channel: bool) -> nn.Module:
        conv = qnn.QuantConv2d(
            inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False, weight_bit_width=bits,
            weight_quant=Int8WeightPerChannelFloat,
        )  # fmt: skip
        act = qnn.QuantReLU(
            act_quant=Uint8ActPerTensorFloat, bit_width=bits, scaling_per_output_channel=by_channel,
            per_channel_broadcastable_shape=(1, outputs, 1, 1), scaling_stats_permute_dims=(1, 0, 2, 3),
            return_quant_tensor=True,
        )  # fmt: skip
        return nn.Sequential(conv, nn.BatchNorm2d(outputs, eps=1e-5), act)

    class MobileNet(nn.Module):
        def __init__(self, classes: int = 10):
            super().__init__()
            sizes = [int(width * n) for n in (32, 64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)]
            strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
            self.image = qnn.QuantIdentity(bit_width=8, return_quant_tensor=True)
            layers = [block(3, sizes[0], 3, 1, 1, True)]
            for k, (a, b, stride) in enumerate(zip(sizes, sizes[1:], strides, strict=False)):
                last = k == len(strides) - 1
                layers += [block(a, a, 3, stride, a, False), block(a, b, 1, 1, 1, not last)]
            self.features = nn.Sequential(*layers)
            self.pool = qnn.TruncAvgPool2d(2, 1, bit_width=bits, float_to_int_impl_type="floor")
            self.classes = qnn.QuantLinear(
                sizes[-1], classes, bias=True, weight_bit_width=bits, weight_quant=Int8WeightPerTensorFloat, bias_quant=Int16Bias
            )  # fmt: skip

        def forward(self, x: Tensor) -> Tensor:
            return self.classes(self.pool(self.features(self.image(x))).flatten(1))

    return MobileNet()


def unet(channels: int = 4, bits: int = 4) -> Any:
    """A U-Net of two levels: double convolutions, maxima down, transposed convolutions up, shortcuts side by side."""
    import brevitas.nn as qnn
    import torch
    from torch import Tensor, nn

    def double(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(
            qnn.QuantConv2d(inputs, outputs, 3, padding=1, bias=False, weight_bit_width=bits),
            nn.BatchNorm2d(outputs),
            qnn.QuantReLU(bit_width=bits),
            qnn.QuantConv2d(outputs, outputs, 3, padding=1, bias=False, weight_bit_width=bits),
            nn.BatchNorm2d(outputs),
            qnn.QuantReLU(bit_width=bits),
        )

    def up(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(
            qnn.QuantConvTranspose2d(inputs, outputs, 2, 2, bias=True, weight_bit_width=bits), qnn.QuantReLU(bit_width=bits)
        )  # fmt: skip

    class UNet(nn.Module):
        def __init__(self, classes: int = 3, c: int = channels):
            super().__init__()
            self.image = qnn.QuantIdentity(bit_width=8)
            self.fine, self.mid, self.deep = double(3, c), double(c, 2 * c), double(2 * c, 4 * c)
            self.pool = nn.MaxPool2d(2)
            self.up_mid, self.up_fine = up(4 * c, 2 * c), up(2 * c, c)
            self.join_mid, self.join_fine = double(4 * c, 2 * c), double(2 * c, c)
            self.classes = qnn.QuantConv2d(c, classes, 1, bias=True, weight_bit_width=8)

        def forward(self, x: Tensor) -> Tensor:
            fine = self.fine(self.image(x))
            mid = self.mid(self.pool(fine))
            deep = self.deep(self.pool(mid))
            mid = self.join_mid(torch.cat([self.up_mid(deep), mid], 1))
            return self.classes(self.join_fine(torch.cat([self.up_fine(mid), fine], 1)))

    return UNet()


def keywords(channels: int = 16, bits: int = 4) -> Any:
    """Keyword spotting on coefficients over time, time last: depthwise and pointwise Conv1d, then the mean over time."""
    import brevitas.nn as qnn
    from torch import Tensor, nn

    def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Module:
        return nn.Sequential(
            qnn.QuantConv1d(
                inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, groups, bias=False, weight_bit_width=bits
            ),
            nn.BatchNorm1d(outputs),
            qnn.QuantReLU(bit_width=bits),
        )  # fmt: skip

    class Keywords(nn.Module):
        def __init__(self, coefficients: int = 10, words: int = 12, c: int = channels):
            super().__init__()
            self.signal = qnn.QuantIdentity(bit_width=8)
            self.layers = nn.Sequential(
                conv(coefficients, c, 9, 2),
                conv(c, c, 5, groups=c), conv(c, c, 1), nn.MaxPool1d(2),
                conv(c, c, 5, groups=c, dilation=2), conv(c, c, 1),
            )  # fmt: skip
            self.words = qnn.QuantLinear(c, words, bias=True, weight_bit_width=8)

        def forward(self, x: Tensor) -> Tensor:
            return self.words(self.layers(self.signal(x)).mean(-1))

    return Keywords()


def reactnet(channels: int = 8) -> Any:
    """ReActNet's two blocks, one that halves and doubles: RSign, RPReLU and shortcuts of real numbers."""
    import brevitas.nn as qnn
    import torch
    from brevitas.core.scaling import ScalingImplType
    from brevitas.inject.enum import QuantType
    from torch import Tensor, nn

    class RSign(nn.Module):
        def __init__(self, n: int):
            super().__init__()
            self.shift = nn.Parameter(torch.randn(1, n, 1, 1) * 0.2)
            self.sign = qnn.QuantIdentity(
                quant_type=QuantType.BINARY, scaling_impl_type=ScalingImplType.CONST, scaling_init=1.0,
                bit_width=1, min_val=-1.0, max_val=1.0, return_quant_tensor=False,
            )  # fmt: skip

        def forward(self, x: Tensor) -> Tensor:
            return self.sign(x + self.shift)

    class RPReLU(nn.Module):
        def __init__(self, n: int):
            super().__init__()
            self.before = nn.Parameter(torch.randn(1, n, 1, 1) * 0.2)
            self.slope = nn.PReLU(n)
            self.behind = nn.Parameter(torch.randn(1, n, 1, 1) * 0.2)

        def forward(self, x: Tensor) -> Tensor:
            return self.slope(x + self.before) + self.behind

    def binary(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
        return nn.Sequential(
            qnn.QuantConv2d(
                inputs, outputs, kernel, stride, kernel // 2, bias=False, weight_bit_width=1,
                weight_quant_type=QuantType.BINARY, weight_scaling_impl_type=ScalingImplType.CONST, weight_scaling_init=1.0,
            ),
            nn.BatchNorm2d(outputs),
        )  # fmt: skip

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int):
            super().__init__()
            self.sign1, self.wide, self.act1 = RSign(inputs), binary(inputs, inputs, 3, stride), RPReLU(inputs)
            self.sign2, self.act2 = RSign(inputs), RPReLU(outputs)
            self.points = nn.ModuleList([binary(inputs, inputs, 1) for _ in range(outputs // inputs)])
            self.shortcut = nn.AvgPool2d(2, 2) if stride == 2 else nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            x = self.act1(self.wide(self.sign1(x)) + self.shortcut(x))
            signs = self.sign2(x)
            return self.act2(torch.cat([point(signs) + x for point in self.points], 1))

    class ReActNet(nn.Module):
        def __init__(self, classes: int = 5, c: int = channels):
            super().__init__()
            self.image = qnn.QuantIdentity(bit_width=8)
            self.stem = nn.Sequential(qnn.QuantConv2d(3, c, 3, 2, 1, bias=False, weight_bit_width=8), nn.BatchNorm2d(c))
            self.blocks = nn.Sequential(Block(c, 2 * c, 2), Block(2 * c, 2 * c, 1))
            self.level, self.classes = (
                qnn.QuantIdentity(bit_width=8),
                qnn.QuantLinear(2 * c, classes, bias=True, weight_bit_width=8),
            )

        def forward(self, x: Tensor) -> Tensor:
            return self.classes(self.level(self.blocks(self.stem(self.image(x))).mean((2, 3))))

    return ReActNet()


def squeeze(channels: int = 8, bits: int = 4) -> Any:
    """Two convolutions with an SE block between: the mean of all pixels, two layers, a sigmoid, and the product."""
    import brevitas.nn as qnn
    from torch import Tensor, nn

    def conv(inputs: int, outputs: int, stride: int) -> nn.Module:
        return nn.Sequential(
            qnn.QuantConv2d(inputs, outputs, 3, stride, 1, bias=False, weight_bit_width=bits),
            nn.BatchNorm2d(outputs),
            qnn.QuantReLU(bit_width=bits),
        )

    class Squeeze(nn.Module):
        def __init__(self, n: int, less: int):
            super().__init__()
            self.mean = nn.AdaptiveAvgPool2d(1)
            self.level = qnn.QuantIdentity(bit_width=8)
            self.down, self.relu = (
                qnn.QuantLinear(n, n // less, bias=True, weight_bit_width=8),
                qnn.QuantReLU(bit_width=6),
            )
            self.up, self.gate = (
                qnn.QuantLinear(n // less, n, bias=True, weight_bit_width=8),
                qnn.QuantSigmoid(bit_width=8),
            )
            self.out = qnn.QuantIdentity(bit_width=bits)

        def forward(self, x: Tensor) -> Tensor:
            n, c, _, _ = x.shape
            gate = self.level(self.mean(x).view(n, c))
            gate = self.gate(self.up(self.relu(self.down(gate)))).view(n, c, 1, 1)
            return self.out(x * gate)

    class Net(nn.Module):
        def __init__(self, classes: int = 10, c: int = channels):
            super().__init__()
            self.image = qnn.QuantIdentity(bit_width=8)
            self.layers = nn.Sequential(conv(3, c, 2), Squeeze(c, 4), conv(c, 2 * c, 2), Squeeze(2 * c, 4))
            self.classes = qnn.QuantLinear(2 * c, classes, bias=True, weight_bit_width=bits)

        def forward(self, x: Tensor) -> Tensor:
            return self.classes(self.layers(self.image(x)).mean((2, 3)))

    return Net()


NETWORKS: dict[str, Network] = {
    "YOLO-like head, two scales": Network(yolo_head, (3, 32, 32), outputs=("boxes8", "boxes4", "classes8", "classes4")),
    "MobileNetV1, a quarter wide, 4 bits": Network(mobilenet, (3, 32, 32)),
    "U-Net, two levels": Network(unet, (3, 16, 16)),
    "Keywords, time last": Network(keywords, (10, 49), "i8/32"),
    "ReActNet, two blocks": Network(reactnet, (3, 16, 16)),
    "Squeeze and excitation, twice": Network(squeeze, (3, 16, 16)),
}
