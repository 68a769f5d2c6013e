"""Whole networks against the papers' counts, layer lists and one training step written a second time, in plain autograd."""

import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hwflow.recipe import Method
from hwflow.train import load_recipe
from hwflow.train.layers import Conv, Dense
from hwflow.train.schedule import Schedule

# recipe: weights of one bit, of eight bits, numbers learned in norms and scales
COUNTS = {
    "tfc": (59_008, 0, 2 * 3 * 64 + 1),
    "lfc": (2_910_208, 0, 2 * 3 * 1024 + 1),
    "cnv": (1_542_848, 0, 2 * (2 * (64 + 128 + 256) + 2 * 512) + 1),
    "resnet20": (267_264, 432 + 640, 2 * (16 + 6 * 16 + 6 * 32 + 6 * 64 + 64) + 1),
    "resnet18": (10_985_472, 1728 + 172_032 + 5120, 2 * (64 + 4 * 64 + 5 * 128 + 5 * 256 + 5 * 512 + 512) + 1),
    "vgg-small": (4_571_136, 3456 + 81_920, 2 * (2 * 128 + 2 * 256 + 2 * 512) + 1),
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_network_has_as_many_weights_as_the_papers_say(name):
    recipe = load_recipe(name)
    model = recipe.network(Method(weights="sign", estimator="ste"))
    layers = [m for m in model.modules() if isinstance(m, Conv | Dense)]
    bits = [sum(m.weight.numel() for m in layers if m.weight_bits == b) for b in (1, 8)]
    everything = sum(p.numel() for p in model.parameters())
    assert (*bits, everything - sum(bits)) == COUNTS[name]


def test_the_layers_of_resnet_20_and_vgg_small_are_the_references():
    def listed(name: str) -> list[tuple]:
        layers = [m for m in load_recipe(name).network(Method()).modules() if isinstance(m, Conv | Dense)]
        return [
            (m.in_channels, m.out_channels, *m.kernel_size, m.stride[0], m.padding[0], m.weight_bits)
            if isinstance(m, Conv)
            else (m.in_features, m.out_features, m.weight_bits)
            for m in layers
        ]

    stages = [[(c, c, 3, 3, 1, 1, 1)] * 6 for c in (16, 32, 64)]
    stages[1][0], stages[2][0] = (16, 32, 3, 3, 2, 1, 1), (32, 64, 3, 3, 2, 1, 1)
    assert listed("resnet20") == [(3, 16, 3, 3, 1, 1, 8), *stages[0], *stages[1], *stages[2], (64, 10, 8)]
    widths = (128, 128, 256, 256, 512, 512)
    body = [(a, b, 3, 3, 1, 1, 1) for a, b in pairwise(widths)]
    assert listed("vgg-small") == [(3, 128, 3, 3, 1, 1, 8), *body, (8192, 10, 8)]


# --- the same step a second time: straight-through parts as value + (surrogate - surrogate.detach()) ---------------


def through(value: Tensor, surrogate: Tensor) -> Tensor:
    return value.detach() + (surrogate - surrogate.detach())


def sign(x: Tensor, t: float) -> Tensor:
    return through(torch.where(x >= 0, 1.0, -1.0).to(x), max(1 / t, 1) * torch.tanh(t * x))


def grid(x: Tensor, step: float, bits: int) -> Tensor:
    half = 2 ** (bits - 1)
    bounded = x.clamp((-half - 0.5) * step, (half - 0.5) * step)
    return through(torch.round(x / step).clamp(-half, half - 1) * step, bounded)


def eight(w: Tensor) -> Tensor:
    step = 2.0 ** math.ceil(math.log2(float(w.abs().max()) / 127))
    return through(torch.round(w / step) * step, w)


def one(w: Tensor, t: float) -> Tensor:
    flat = w.flatten(1)
    hat = (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True)
    shift = 2.0 ** torch.round(torch.log2(hat.detach().abs().mean(1)))
    return (sign(hat, t) * shift.view(-1, 1)).view_as(w)


def normed(x: Tensor, p: dict[str, Tensor], name: str) -> Tensor:
    return F.batch_norm(x, None, None, p[f"{name}.weight"], p[f"{name}.bias"], training=True, eps=1e-5)


def weight(p: dict[str, Tensor], name: str) -> Tensor:
    return p.get(f"{name}.parametrizations.weight.original", p.get(f"{name}.weight"))


def resnet(p: dict[str, Tensor], x: Tensor, t: float, widths: tuple[int, ...]) -> Tensor:
    x = F.conv2d(x - 0.5, eight(weight(p, "stem.1")), padding=1)
    x = grid(normed(x, p, "stem.2"), 2**-7, 8)
    for stage in range(len(widths)):
        for block in range(2):
            at, stride = f"stages.{stage}.{block}", 2 if stage and not block else 1
            y = F.conv2d(sign(F.hardtanh(x), t), one(weight(p, f"{at}.branch.1"), t), stride=stride, padding=1)
            y = grid(normed(y, p, f"{at}.branch.2"), 2**-6, 8)
            x = x[:, :, ::stride, ::stride]
            more = (y.shape[1] - x.shape[1]) // 2
            x = grid(y + F.pad(x, (0, 0, 0, 0, more, more)), 2**-7, 8)
    x = grid(normed(x.mean((2, 3)), p, "neck.2"), 2**-5, 8)
    return x @ eight(weight(p, "head.0")).T * p["head.1.log"].exp()


def vgg(p: dict[str, Tensor], x: Tensor, t: float, widths: tuple[int, ...]) -> Tensor:
    x = normed(F.conv2d(x - 0.5, eight(weight(p, "stem.1")), padding=1), p, "stem.2")
    at = 0  # body: sign, convolution, pool after every second, norm, sign, ...
    for i in range(1, len(widths)):
        x = F.conv2d(sign(F.hardtanh(x), t), one(weight(p, f"body.{at + 1}"), t), padding=1)
        at += 2
        if i % 2:
            x, at = F.max_pool2d(x, 2), at + 1
        x = normed(x, p, f"body.{at}")
        at += 1
    return grid(x, 2**-3, 4).flatten(1) @ eight(weight(p, "head.0")).T * p["head.1.log"].exp()


@pytest.mark.parametrize(
    ("name", "sizes", "again"),
    [
        ("resnet20", {"widths": (4, 8), "blocks": (1, 1)}, partial(resnet, widths=(4, 8))),
        ("vgg-small", {"channels": (6, 6, 8, 8, 10, 10), "side": 16}, partial(vgg, widths=(6, 6, 8, 8, 10, 10))),
    ],
)
def test_one_step_of_a_whole_network_is_the_one_written_a_second_time(name, sizes, again):
    torch.manual_seed(3)
    model = load_recipe(name).network(Method(estimator="ede"), **sizes).double().train()
    Schedule(model, 100).advance(60)
    t = 0.1 * 100**0.6
    x = torch.tensor(np.random.default_rng(5).integers(0, 256, (12, 3, 16, 16)) / 256)
    labels = torch.arange(12) % 10
    p = {k: v.detach().clone().requires_grad_() for k, v in model.named_parameters()}
    want = again(p, x, t)
    scores = model(x)
    assert torch.allclose(scores, want, rtol=1e-9, atol=1e-9)
    F.cross_entropy(want, labels).backward()
    F.cross_entropy(scores, labels).backward()
    torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4).step()
    assert len(p) > 12
    for key, value in model.named_parameters():
        old = p[key]
        assert old.grad is not None and value.grad.abs().max() > 0, key
        moved = old.detach() - 0.1 * (old.grad + 1e-4 * old.detach())
        assert torch.allclose(value, moved, rtol=1e-8, atol=1e-10), key
