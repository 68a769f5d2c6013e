"""Depthwise convolutions by the fast kernel: the same integers as conv2d, forward and backward, for every stride and dilation."""

import pytest
import torch
import torch.nn.functional as F

from hwflow.recipe import Method
from hwflow.train.depthwise import convolve_depthwise, has_fast_kernel
from hwflow.train.layers import conv

WHOLE = {"dtype": torch.float32}


def integers(*shape):
    return torch.randint(-3, 4, shape, **WHOLE)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 1, 7, 5), (3, 5, 1, 1), (2, 4, 9, 6)])
def test_sums_and_gradients_are_those_of_conv2d(shape, stride, dilation, kernel):
    torch.manual_seed(stride + 10 * dilation + 100 * kernel)
    c = shape[1]
    for more in (1, 2):
        x, w = integers(*shape).requires_grad_(), integers(more * c, 1, kernel, kernel).requires_grad_()
        want = F.conv2d(x, w, padding=dilation * (kernel // 2), stride=stride, dilation=dilation, groups=c)
        found = convolve_depthwise(x, w, stride, dilation)
        assert torch.equal(found, want)
        way = torch.randint(-3, 4, want.shape, **WHOLE)
        for a, b in zip(torch.autograd.grad(found, (x, w), way), torch.autograd.grad(want, (x, w), way), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize(("stride", "dilation"), [(2, 1), (1, 2), (2, 2)])
def test_a_layer_takes_it_while_training_in_bfloat16_and_answers_the_same(stride, dilation, monkeypatch):
    torch.manual_seed(0)
    layer = conv(Method(weights="sign", estimator="ste"), 6, 6, 3, stride, dilation, groups=6, dilation=dilation)
    x, calls = torch.sign(torch.randn(2, 6, 9, 8)), []
    real = convolve_depthwise
    monkeypatch.setattr("hwflow.train.layers.convolve_depthwise", lambda *a: calls.append(1) or real(*a))
    with torch.autocast("cpu", torch.bfloat16):
        found = layer.train()(x)
        assert len(calls) == 1
        assert torch.equal(layer.eval()(x), found) and len(calls) == 1, "sums of nine signs are exact in bfloat16"
    assert torch.equal(layer.train()(x), found.float()) and len(calls) == 1


@pytest.mark.parametrize(("groups", "autocast", "fast"), [(4, True, True), (2, True, False), (4, False, False)])
def test_only_depthwise_layers_in_bfloat16_have_the_kernel(groups, autocast, fast):
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        assert has_fast_kernel(torch.zeros(1, 4, 3, 3), groups) is fast


def test_a_layer_without_same_padding_stays_as_it_is(monkeypatch):
    monkeypatch.setattr("hwflow.train.layers.convolve_depthwise", lambda *_: pytest.fail("not of the same size"))
    layer = conv(Method(weights="sign", estimator="ste"), 4, 4, 3, padding=0, groups=4).train()
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.ones(1, 4, 5, 5)).shape == (1, 4, 3, 3)
