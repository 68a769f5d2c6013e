"""Distillation, representation alignment and the restriction of information against float64 formulas."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from train_worker import small

from hwflow.recipe import Method, Training
from hwflow.train import load_recipe
from hwflow.train.layers import fixed
from hwflow.train.losses import Inside, Objective, rbd, restricted, soft_labels
from hwflow.train.recipes import known


def test_rbd_is_the_mean_distance_of_unit_representations():
    dice = np.random.default_rng(1)
    student = [dice.normal(0, 1, s) for s in ((3, 5), (3, 2, 4, 4))]
    teacher = [dice.normal(0, 1, s) for s in ((3, 5), (3, 2, 4, 4))]
    want = []
    for b, f in zip(student, teacher, strict=True):
        b, f = (np.clip(v, -1, 1).reshape(3, -1) for v in (b, f))
        want.append(
            np.linalg.norm(
                f / np.linalg.norm(f, axis=1, keepdims=True) - b / np.linalg.norm(b, axis=1, keepdims=True), axis=1
            ).mean()
        )
    got = rbd([torch.tensor(v) for v in student], [torch.tensor(v) for v in teacher])
    assert math.isclose(float(got), np.mean(want), rel_tol=1e-6)
    assert float(rbd([torch.tensor(student[0])], [torch.tensor(student[0]) * 0.5])) >= 0


def test_rbd_of_a_network_with_itself_is_zero_and_teaches_the_student_only():
    v, f = torch.randn(4, 6, requires_grad=True), torch.randn(4, 6, requires_grad=True)
    assert float(rbd([v], [v.detach()])) < 1e-6
    rbd([v], [f]).backward()
    assert v.grad.abs().sum() > 0
    assert f.grad is None


def test_soft_labels_are_hintons():
    s, t, temperature = np.random.default_rng(2).normal(0, 3, (2, 5, 10)).tolist() + [4.0]
    s, t = np.array(s), np.array(t)

    def softmax(v):
        e = np.exp(v - v.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    p, q = softmax(t / temperature), softmax(s / temperature)
    want = temperature**2 * (p * np.log(p / q)).sum(1).mean()
    assert math.isclose(float(soft_labels(torch.tensor(s), torch.tensor(t), temperature)), want, rel_tol=1e-9)


def test_restriction_erases_what_draws_little_attention():
    features = torch.zeros(1, 3, 4, 4)
    features[:, :, :2] = 0.9  # the upper half draws all attention
    images = torch.ones(1, 2, 16, 16)
    erased = restricted(images, features, torch.tensor([0.25, 0.5]))
    assert erased[:, :, :6].eq(1).all()
    assert erased[:, 0, -6:].eq(0.25).all()
    assert erased[:, 1, -6:].eq(0.5).all()
    a = np.square(features.numpy()).mean(1)
    a = a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-12)
    up = torch.nn.functional.interpolate(torch.tensor(a)[:, None], size=(16, 16), mode="bilinear", align_corners=True)
    assert torch.equal(erased[:, :1] == 1, up > 0.15 * up.mean())


def test_what_is_erased_of_an_image_depends_on_no_other_of_its_batch():
    features = torch.zeros(2, 3, 4, 4)
    features[0, :, 0, 0] = 0.9  # a small spot draws all attention
    features[1] = torch.linspace(0.1, 0.9, 16).view(4, 4)  # all of it draws some
    images, mean = torch.ones(2, 2, 16, 16), torch.tensor([0.25, 0.5])
    together = restricted(images, features, mean)
    alone = torch.cat([restricted(images[k : k + 1], features[k : k + 1], mean) for k in range(2)])
    assert torch.equal(together, alone) and not torch.equal(alone[0], alone[1])


def test_a_network_of_vectors_has_nothing_to_erase():
    images = torch.rand(3, 7)
    assert restricted(images, torch.rand(3, 4), torch.zeros(7)) is images


def test_restriction_averages_the_clean_and_the_erased_pass():
    torch.manual_seed(0)
    model = load_recipe("cnv").network(Method(), channels=(4, 4), width=8, side=9, colours=1).train()  # type: ignore[call-arg]
    x, y = torch.rand(8, 1, 9, 9), torch.arange(8)
    seen = []
    model.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    loss, scores = Objective(Training(restriction=True), model, None)(model, x, y)
    clean, erased = (torch.nn.functional.cross_entropy(model(v), y) for v in seen[:2])
    assert torch.equal(seen[0], x)
    assert not torch.equal(seen[1], x)
    assert math.isclose(float(loss), float((clean + erased) / 2), rel_tol=1e-5)
    assert scores.shape == (8, 10)


def test_the_restriction_reads_the_last_stage_before_taps_are_joined():
    torch.manual_seed(0)
    sizes = {"widths": (4, 8), "blocks": (1, 1), "recovery": 4}
    model = load_recipe("resnet20-ir2").network(Method(), **sizes).train()
    stage, seen = [], []

    def half(_module, _inputs, out):
        out = out * (torch.arange(8) < 4)  # the right half draws no attention
        stage.append(out.detach())
        return out

    model.stages[-1].register_forward_hook(half)
    model.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    x, mean = torch.rand(5, 3, 16, 16), torch.tensor([0.1, 0.2, 0.3])
    Objective(Training(restriction=True), model, None, mean)(model, x, torch.arange(5))
    assert stage[0].shape == (5, 8, 8, 8)
    assert torch.equal(seen[1], restricted(x, stage[0], mean))
    assert not torch.equal(seen[1], x)


def test_inside_sees_every_norm_of_the_latest_pass():
    recipe = small()
    model = recipe.network(Method())
    inside = Inside(model)
    for count in (3, 5):
        model(torch.rand(count, 64))
        assert [tuple(v.shape) for v in inside.values] == [(count, 24)]


@pytest.mark.parametrize(
    "spec", ["mlp:digits", "cnv", "resnet20", "resnet18", "vgg-small-ir2", "mobilenet", "efficientnet", "darts"]
)
def test_the_full_precision_twin_has_the_same_norms(spec):
    recipe = load_recipe(spec)
    sizes = {"cnv": {"channels": (4, 4), "width": 8}, "resnet20": {"widths": (4, 8), "blocks": (1, 1)}, "resnet18": {"widths": (4, 8), "blocks": (1, 1)},
             "vgg-small-ir2": {"channels": (8,) * 6, "recovery": 4}, "mobilenet": {"stem": 4, "blocks": ((8, 2),)}, "efficientnet": {"stem": 4, "blocks": ((2, 4, 1, 2, 5),), "head": 8},
             "darts": {"channels": 2, "cells": 3}}.get(spec, {})  # fmt: skip
    shapes = []
    for method in (Method(), Method(full=True)):
        model = recipe.network(method, **sizes)
        inside = Inside(model)
        model(torch.rand(2, 64) if recipe.flat else torch.rand(2, 3, 32, 32))
        shapes.append([tuple(v.shape) for v in inside.values])
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) >= 3


@pytest.mark.parametrize("spec", known())
def test_no_quantizer_is_left_in_the_twin_that_teaches(spec):
    def quantizers(method):
        with torch.device("meta"):  # structure alone: no weight is drawn
            parts = recipe.network(method).modules()
        return [type(m).__name__ for m in parts if type(m).__module__.startswith("brevitas") or hasattr(m, "advance")]

    recipe = load_recipe(spec)
    assert quantizers(recipe.method), "the network itself has quantizers"
    assert quantizers(replace(recipe.method, full=True)) == []


def test_the_real_stream_of_a_twin_is_bounded_as_its_fixed_point_is():
    x = torch.linspace(-3, 3, 1001)
    for bits, step in ((8, 2.0**-7), (8, 2.0**-6), (4, 2.0**-3)):
        real, few = (fixed(Method(full=full), bits, step)(x) for full in (True, False))
        assert (float(real.min()), float(real.max())) == (float(few.min()), float(few.max()))
        assert float((real - few).abs().max()) == pytest.approx(step / 2, rel=0.05)


def test_attention_is_measured_image_by_image():
    from hwflow.train.losses import attended

    maps = torch.zeros(2, 3, 4, 4)
    maps[0, :, 1, 1] = 1.0  # all attention in one place
    maps[1] = 0.5  # the same attention everywhere
    size = torch.Size((4, 4))
    both, alone = attended(maps, size, 1.2), torch.cat([attended(maps[k : k + 1], size, 1.2) for k in (0, 1)])
    assert torch.equal(both, alone) and 0 < both[0].sum() < 8 and not bool(both[1].any())
