"""Planted faults: folded networks with one thing wrong, each given to `verify`, which must fail wherever an answer changes.

Stands on generate, flow and verify. A fault is one function of a network; the table says by kind how many were planted,
how many change an answer on the images that are tried, and how many of those `verify` reports.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from onnx import TensorProto

from hwflow import flow
from hwflow.answers import Answer, Finish, Unit
from hwflow.bits import Array
from hwflow.build import Build
from hwflow.errors import HwflowError
from hwflow.generate.model import Build as File
from hwflow.net import Net
from hwflow.ops import Conv, Dense, Flatten, MaxPool, Op, Rescale, SumPool, Threshold
from hwflow.verify import verify

IMAGES = 200
EACH = 10  # faults of each kind in each network
Rng: TypeAlias = np.random.Generator
Fault: TypeAlias = Callable[[Net, Rng], "Net | None"]  # None where the network has no such place


def rows(say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The rows of `hwflow bench faults`: kinds of fault, how many change an answer, how many of those are caught."""
    found: dict[str, list[int]] = {kind: [0, 0, 0] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        for name in NETWORKS:
            say(name)
            for kind, changed, caught in planted(name, Path(folder), EACH):
                for at, true in enumerate((True, changed, changed and caught)):
                    found[kind][at] += true
    for kind, (all_, changed, caught) in [*found.items(), ("all", [sum(v) for v in zip(*found.values(), strict=True)])]:
        share = f"{100 * caught / changed:.1f}" if changed else ""
        yield {"fault": kind, "planted": all_, "change an answer": changed, "caught": caught, "caught [%]": share}


def planted(name: str, folder: Path, each: int, images: int = IMAGES) -> Iterator[tuple[str, bool, bool]]:
    """Faults of every kind in one network: the kind, whether an answer changes, whether `verify` fails."""
    rng = np.random.default_rng(sorted(NETWORKS).index(name))
    write, takes = NETWORKS[name]
    built = flow.compile_model(str(write(folder, name)), folder / name, input=takes)
    net, graph = built.net, built.graph
    x = rng.integers(net.input.ints.lo, net.input.ints.hi + 1, (images, *net.input.shape))
    right = net.run(x)
    assert verify(built, x, engines=("graph", "numpy")).exact, f"{name}: is not exact without a fault"
    for kind, fault in KINDS.items():
        for _ in range(each):
            wrong = _plant(fault, net, rng)
            if wrong is None:
                continue
            broken = Build(built.folder, built.ask)
            broken.__dict__.update(net=wrong, graph=graph)
            caught = not verify(broken, x, engines=("graph", "numpy")).exact
            yield kind, _changes(net, right, wrong, wrong.run(x)), caught


def _plant(fault: Fault, net: Net, rng: Rng) -> Net | None:
    try:
        return fault(net, rng)
    except (HwflowError, AssertionError):  # a network that cannot be is refused before anybody asks for a proof
        return None


def _changes(net: Net, right: Array, wrong: Net, got: Array) -> bool:
    """True where a user would read anything else: integers, real answers or labels."""
    if got.shape != right.shape or (got != right).any():
        return True
    pairs = ((net.real(right), wrong.real(got)), (net.labels(right), wrong.labels(got)))
    return any(a.shape != b.shape or bool((a != b).any()) for a, b in pairs)


# -- faults ------------------------------------------------------------------------------------------------------


def _one(net: Net, rng: Rng, *kinds: type) -> Any:
    """One operation of these kinds, or None."""
    some = [op for op in net.ops if isinstance(op, kinds)]
    return some[rng.integers(len(some))] if some else None


def _with(net: Net, op: Op) -> Net:
    return replace(net, ops=tuple(op if o.name == op.name else o for o in net.ops))


def threshold_by_one(net: Net, rng: Rng) -> Net | None:
    op = _one(net, rng, Threshold)
    if op is None:
        return None
    table = op.thresholds.copy()
    at = tuple(int(rng.integers(n)) for n in table.shape)
    table[at] += rng.choice([-1, 1])
    return _with(net, replace(op, thresholds=np.sort(table, 1)))


def weights_sign(net: Net, rng: Rng) -> Net | None:
    op = _one(net, rng, Dense, Conv)
    at = tuple(int(rng.integers(n)) for n in op.weights.shape)
    weights = op.weights.copy()
    weights[at] *= -1
    return _with(net, replace(op, weights=weights))


def swapped_channels(net: Net, rng: Rng) -> Net | None:
    op = _one(net, rng, Dense, Conv, Threshold)
    name = "thresholds" if isinstance(op, Threshold) else "weights"
    values = getattr(op, name)
    if len(values) < 2:
        return None
    a, b = rng.choice(len(values), 2, replace=False)
    order = np.arange(len(values))
    order[[a, b]] = b, a
    return _with(net, replace(op, **{name: values[order]}))


def _behind_flatten(net: Net) -> tuple[Dense, tuple[int, ...]] | None:
    for op in net.ops:
        if isinstance(op, Dense) and op.inputs[0] in net.nodes and isinstance(net.nodes[op.inputs[0]], Flatten):
            return op, net.ports[net.nodes[op.inputs[0]].inputs[0]].shape
    return None


def swapped_pixels(net: Net, rng: Rng) -> Net | None:
    found = _behind_flatten(net)
    if found is None or found[1][0] * found[1][1] < 2:
        return None
    op, (h, w, c) = found
    order = np.arange(h * w)
    a, b = rng.choice(h * w, 2, replace=False)
    order[[a, b]] = b, a
    return _with(net, replace(op, weights=op.weights.reshape(-1, h * w, c)[:, order].reshape(op.weights.shape)))


def swapped_layout(net: Net, rng: Rng) -> Net | None:
    """Channels first for channels last behind a flatten, a kernel transposed, or the places of an answer turned."""
    conv = _one(net, rng, Conv)
    found = _behind_flatten(net)
    if found is not None and rng.random() < 0.4:
        op, (h, w, c) = found
        turned = op.weights.reshape(-1, c, h, w).transpose(0, 2, 3, 1).reshape(op.weights.shape)
        return _with(net, replace(op, weights=turned))
    if conv is not None and rng.random() < 0.6:
        return _with(net, replace(conv, weights=conv.weights.transpose(0, 2, 1, 3)))
    if not net.gives_labels and net.output.size > 1:
        return replace(net, answer=replace(net.only, places=rng.permutation(net.output.size)))
    return None


def dropped_bias(net: Net, rng: Rng) -> Net | None:
    """Of one class, in the operation, in its meaning, or in both at once, which leaves the scores and not their order."""
    op, unit = net.ops[-1], net.only.unit
    if not isinstance(op, Rescale) or unit is None:
        return None
    at, where = int(rng.integers(len(op.add))), rng.integers(3)
    adds = [np.array(v) for v in (op.add, np.broadcast_to(unit.add, net.output.size))]
    adds[0][at] = 0
    adds[1][at :: len(op.add)] = 0
    meant = Unit(unit.mul, adds[1], unit.lo, unit.hi)
    out = net if where == 1 else _with(net, replace(op, add=adds[0]))
    return out if where == 0 else replace(out, answer=replace(net.only, unit=meant))


def scaled_score(net: Net, rng: Rng) -> Net | None:
    """By a factor, or by the least that float32 can tell apart."""
    if net.gives_labels:
        return None
    finish = list(net.only.finish)
    if not finish or rng.random() < 0.3:
        return replace(
            net,
            answer=replace(net.only, finish=(*finish, Finish("mul", np.array([rng.choice([2.0, 0.5, 3.0, -1.0])])))),
        )
    at = int(rng.integers(len(finish)))
    value = np.array(finish[at].value)
    value[rng.integers(len(value))] = np.nextafter(value[rng.integers(len(value))], np.float32(rng.choice([-9e9, 9e9])))
    finish[at] = Finish(finish[at].op, value)
    return replace(net, answer=replace(net.only, finish=tuple(finish)))


def constant_output(net: Net, rng: Rng) -> Net | None:
    """A channel that is always the same: no weights, or a threshold that nothing reaches."""
    op = _one(net, rng, Dense, Conv, Threshold)
    at = int(rng.integers(len(op.thresholds if isinstance(op, Threshold) else op.weights)))
    if isinstance(op, Threshold):
        table = op.thresholds.copy()
        table[at] = rng.choice([net.ports[op.inputs[0]].ints.lo, net.ports[op.inputs[0]].ints.hi + 1])
        return _with(net, replace(op, thresholds=table))
    weights = op.weights.copy()
    weights[at] = 0
    return _with(net, replace(op, weights=weights))


def wrong_padding(net: Net, rng: Rng) -> Net | None:
    """Another value around the image, or the border at the other side."""
    op = _one(net, rng, Conv)
    if op is None or not op.padded:
        return None
    if rng.random() < 0.5:
        return _with(net, replace(op, pad=op.pad + rng.choice([-1, 1])))
    t, left, b, r = op.pads
    return _with(net, replace(op, pads=(t + 1, left, b - 1, r) if rng.random() < 0.5 else (t, left - 1, b, r + 1)))


def wrong_pool(net: Net, rng: Rng) -> Net | None:
    """The least for the largest of one channel, or one window a pixel further."""
    op = _one(net, rng, MaxPool, SumPool)
    if op is None:
        return None
    if isinstance(op, SumPool):
        return _with(net, replace(op, pads=(0, 0, 1, 1)))
    minimum = op.minimum.copy()
    minimum[rng.integers(len(minimum))] ^= True
    return _with(net, replace(op, minimum=minimum))


def other_head(net: Net, rng: Rng) -> Net | None:
    """Another last function on the host, or over other channels."""
    if net.gives_labels:
        return None
    heads = [h for h in ("", "softmax", "log_softmax", "sigmoid", "tanh") if h != net.only.head]
    return replace(net, answer=Answer(**{**net.only.__dict__, "head": heads[rng.integers(len(heads))]}))


KINDS: dict[str, Fault] = {
    "threshold by one": threshold_by_one, "sign of a weight": weights_sign, "channels swapped": swapped_channels,
    "pixels swapped": swapped_pixels, "layout swapped": swapped_layout, "bias dropped": dropped_bias,
    "score scaled": scaled_score, "output constant": constant_output, "padding wrong": wrong_padding,
    "pool wrong": wrong_pool, "head exchanged": other_head,
}  # fmt: skip


# -- networks ----------------------------------------------------------------------------------------------------


def _layer(b: File, x: str, rng: Rng, rows: int, cols: int, scale: float = 2.0**-4) -> str:
    return b.node("MatMul", x, b.quant(b.const(rng.normal(0, 0.5, (cols, rows))), scale, 4))


def biased(folder: Path, name: str) -> Path:
    """Dense layers with biases, unsigned ReLUs, a Softmax."""
    rng, b = np.random.default_rng(0), File((1, 12))
    x = b.quant("x", 2.0**-3, 6)
    x = b.quant(
        b.node("Relu", b.node("Add", _layer(b, x, rng, 16, 12), b.const(rng.integers(-31, 32, 16) / 32))),
        0.125,
        4,
        signed=0,
    )
    x = b.node("Add", _layer(b, x, rng, 5, 16), b.const(rng.integers(-31, 32, 5) / 32))
    return b.save(folder, b.node("Softmax", x, axis=-1), f"{name}.onnx")


def binary(folder: Path, name: str) -> Path:
    """Binary convolutions, padded and pooled, a norm of each class at the end that no unit joins."""
    rng, b = np.random.default_rng(1), File((1, 3, 8, 6))
    w = [b.const(rng.choice([-1.0, 1.0], s)) for s in ((6, 3, 3, 3), (4, 6, 3, 3), (4 * 2 * 1, 5))]
    x = b.sign(
        b.norm(
            b.conv("x", w[0], (1, 1, 1, 1)),
            rng.normal(0, 1, 6),
            rng.normal(0, 9, 6),
            rng.normal(0, 9, 6),
            rng.uniform(1, 99, 6),
        )
    )
    x = b.sign(
        b.norm(
            b.conv(b.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), w[1], (1, 0, 1, 0)),
            [1, -1, 2, 0.5],
            [0.5, 0, 1, -1],
            [1, 2, 3, 0],
            [1, 2, 3, 4],
        )
    )
    x = b.node("MatMul", b.node("Flatten", b.node("MaxPool", x, kernel_shape=[2, 1], strides=[2, 1]), axis=1), w[2])
    return b.save(
        folder,
        b.norm(x, [1, 0.7, 1.3, -1, 0.1], rng.normal(0, 1, 5), rng.normal(0, 2, 5), rng.uniform(1, 9, 5)),
        f"{name}.onnx",
    )


def map_(folder: Path, name: str) -> Path:
    """An image of scores with a bias of each channel, behind a Sigmoid."""
    rng, b = np.random.default_rng(2), File((1, 2, 5, 7))
    w = [b.const(rng.choice([-1.0, 1.0], s)) for s in ((5, 2, 3, 3), (3, 5, 1, 1))]
    x = b.quant(b.conv("x", w[0], (1, 1, 1, 1), bias=rng.integers(-9, 9, 5)), 4.0, 3)
    return b.save(
        folder,
        b.node("Sigmoid", b.node("Mul", b.conv(x, w[1], bias=[0.5, -3.0, 7.25]), b.const(0.125))),
        f"{name}.onnx",
    )


def labels(folder: Path, name: str) -> Path:
    """The two largest of five classes with biases, chosen on chip."""
    rng, b = np.random.default_rng(3), File((1, 10))
    x = b.sign(_layer(b, "x", rng, 24, 10))
    x = b.node("Add", _layer(b, x, rng, 5, 24), b.const(rng.integers(-8, 9, 5) / 16))
    top = b.node("TopK", x, b.const([2], np.int64), outputs=2)
    return b.save(folder, f"{top}_1", f"{name}.onnx", kind=TensorProto.INT64)


def averaged(folder: Path, name: str) -> Path:
    """An average pool in front of the classes, and scores that end in a ReLU."""
    rng, b = np.random.default_rng(4), File((1, 2, 6, 6))
    x = b.quant(b.conv("x", b.const(rng.choice([-1.0, 1.0], (6, 2, 3, 3))), (1, 1, 1, 1)), 2.0, 4)
    x = b.node("Flatten", b.node("AveragePool", x, kernel_shape=[3, 3], strides=[3, 3]), axis=1)
    x = b.node("Add", _layer(b, x, rng, 4, 24, 0.25), b.const(rng.integers(-9, 10, 4) / 4))
    return b.save(folder, b.node("Relu", x), f"{name}.onnx")


NETWORKS: dict[str, tuple[Callable[[Path, str], Path], str]] = {
    "biased": (biased, "i6/8"),
    "binary": (binary, "u4"),
    "map": (map_, "i3"),
    "labels": (labels, "i4"),
    "averaged": (averaged, "i4"),
}
