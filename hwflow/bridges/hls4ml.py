"""The same QONNX file through hls4ml: its own converter, its own C++ under g++, compared layer by layer.

Stands on net. hls4ml and qonnx are imported only when the bridge is used.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwflow import tools
from hwflow.bits import Array
from hwflow.bridges.hls4ml_why import why
from hwflow.errors import ModelError, ToolError
from hwflow.net import Net
from hwflow.ops import Conv, Dense, Op

PIP = "pip install 'hwflow[hls4ml]'"
PRECISION = "ap_fixed<48,16>"  # with fewer fraction bits its inputs round across our thresholds
MOST_PRODUCTS = 1_000_000_000  # of one comparison; its C++ does about 1e8 a second on vectors, 3e7 on images
MERGING = ("vivado:merge_batch_norm_quantized_tanh", "vivado:quantize_dense_output")


@dataclass(frozen=True)
class Compared:
    """One place of the network in both: what enters or leaves a layer of sums, and how many values differ."""

    layer: str  # our name
    theirs: str  # hls4ml's name
    what: str  # "input" or "sums"
    differing: int
    values: int


def bridge(model: Path, net: Net, x: Array, folder: Path) -> dict[str, Any]:
    """Run input integers `x` (n, *shape) through hls4ml's C++ and through `net`; the project stays in `folder`.

    `equal` is hls4ml as it ships; `first` and `why` say where it departs. Where it does, a second project without
    its two merging passes says whether those are the whole cause. ModelError when hls4ml cannot take the network.
    """
    need()
    if not model.is_file():
        raise ModelError(f"{model}: no such file; the bridge needs the QONNX file the build was made from")
    x = net.check_input(x)
    x = x[: max(1, min(len(x), MOST_PRODUCTS // max(products(net), 1)))]
    facts = _compare(model, net, x, folder / "shipped", merging=True)
    if not facts["equal"] and any(t["theirs"].startswith("bnbt_") for t in facts["layers"]):
        again = _compare(model, net, x, folder / "unmerged", merging=False)
        facts["differing_without_its_merging_passes"] = again["differing"]
        facts["unmerged"] = again["layers"]
    return facts


def need() -> None:
    """ToolError with the pip command when hls4ml, or the compiler that its C++ needs, is absent."""
    if importlib.util.find_spec("hls4ml") is None:
        raise ToolError(f"the bridge to hls4ml needs hls4ml: {PIP}")
    tools.need("g++")


def products(net: Net) -> int:
    """Products of one image."""
    total = 0
    for op in net.ops:
        if isinstance(op, Dense | Conv):
            places = 1 if isinstance(op, Dense) else math.prod(net.ports[op.name].shape[:2])
            total += places * op.weights.size
    return total


def _compare(model: Path, net: Net, x: Array, folder: Path, merging: bool) -> dict[str, Any]:
    import hls4ml

    folder.mkdir(parents=True, exist_ok=True)
    images = any(isinstance(op, Conv) for op in net.ops)
    with (folder / "hls4ml.log").open("w") as log, _quiet(log):
        try:
            theirs = _convert(model, folder, images, merging)
            real = np.ascontiguousarray(x.astype(np.float32) / np.float32(net.denominator))
            answer, traced = theirs.trace(_shape_as(theirs, real))
        except Exception as e:
            raise ModelError(
                f"{model.name}: hls4ml {hls4ml.__version__} cannot take this network ({type(e).__name__}: {_line(e)}); see {folder / 'hls4ml.log'}"
            ) from e
    return _facts(net, x, np.asarray(answer).reshape(len(x), -1), theirs, traced, f"hls4ml {hls4ml.__version__}")


def _facts(net: Net, x: Array, answer: Array, theirs: Any, traced: dict[str, Array], version: str) -> dict[str, Any]:
    values: dict[str, Array] = {"input": x}
    ours = net.run(x, values.__setitem__)
    scores = ours if net.gives_labels else net.scores(ours)
    if net.gives_labels:
        differing = int(
            (answer.argmax(1) != ours[:, 0]).sum() if answer.shape[1] > 1 else (answer[:, 0] != ours[:, 0]).sum()
        )
        labels = differing
    else:
        differing = int((~np.isclose(answer, scores, rtol=1e-5, atol=1e-4)).any(1).sum())
        labels = int((answer.argmax(1) != scores.argmax(1)).sum())
    table = list(_places(net, values, theirs, traced))
    first = next((t for t in table if t.differing), None)
    facts: dict[str, Any] = {
        "neighbour": version,
        "images": len(x),
        "precision": PRECISION,
        "equal": differing == 0,
        "differing": differing,
        "labels_differing": labels,
        "layers": [asdict(t) for t in table],
    }
    for t in table:
        facts[f"{t.layer} {t.what}"] = "equal" if not t.differing else f"{t.differing} of {t.values} differ"
    if first:
        facts["first"] = f"{first.what} of {first.layer} ({first.theirs})"
        facts["why"] = why(net, first.layer, first.what, theirs)
    elif differing:
        facts["first"], facts["why"] = (
            "the answer",
            "every layer of sums is equal: the arithmetic behind the last one differs",
        )
    return facts


def _places(net: Net, values: dict[str, Array], theirs: Any, traced: dict[str, Array]) -> Iterator[Compared]:
    """Sums in order on both sides: what enters each, what leaves each. Nothing when the two do not correspond."""
    sums = [op for op in net.ops if isinstance(op, Dense | Conv)]
    layers = [layer for layer in theirs.get_layers() if layer.class_name in SUMS]
    if len(sums) != len(layers):
        return
    for op, layer in zip(sums, layers, strict=True):
        before = layer.get_input_node()
        if before is not None and before.name in traced and op.inputs[0] != "input":
            yield _compare_values(op, before.name, "input", traced[before.name], values[op.inputs[0]], net)
        if layer.name in traced:
            yield _compare_values(op, layer.name, "sums", traced[layer.name], values[op.name], net)


SUMS = ("Dense", "Conv1D", "Conv2D", "PointwiseConv1D", "PointwiseConv2D", "DepthwiseConv2D", "Conv2DBatchnorm")


def _compare_values(op: Op, name: str, what: str, got: Array, want: Array, net: Net) -> Compared:
    """Values that differ, once theirs are brought to our integers: 0/1 for -1/+1, a common scale; of sums each row's line.

    `fold` negates the weights of a row whose norm falls, so that its sums are the negative of the file's; an input
    with a zero of its own gives each row of sums an offset.
    """
    channels = want.shape[-1]
    got = np.asarray(got, np.float64)
    if got.size != want.size:
        return Compared(op.name, name, what, want.size, want.size)
    got, want = got.reshape(-1, channels), want.reshape(-1, channels)
    ints = net.ports[op.inputs[0] if what == "input" else op.name].ints
    if ints.is_bipolar and np.isin(got, (0, 1)).all():
        got = 2 * got - 1
    off = ~np.isclose(got, want, rtol=1e-6, atol=1e-6)
    if off.any() and (scale := _scale(got, want)):
        off = np.minimum(off, ~np.isclose(got, want * scale, rtol=1e-5, atol=1e-5))
    if what == "sums" and off.any():
        off = np.minimum(off, ~np.isclose(got, _line_of(got, want), rtol=1e-5, atol=1e-5))
    return Compared(op.name, name, what, int(off.sum()), want.size)


def _line_of(got: Array, want: Array) -> Array:
    """What each row of their sums is where it is a line over ours: through its least and largest, moved by the median."""
    low, high, rows = want.argmin(0), want.argmax(0), np.arange(want.shape[1])
    span = want[high, rows] - want[low, rows]
    slope = np.where(span > 0, (got[high, rows] - got[low, rows]) / np.maximum(span, 1), 1)
    return slope * want + np.median(got - slope * want, axis=0)


def _scale(got: Array, want: Array) -> float | None:
    """The scale most of their values have against our integers, where they carry one."""
    moving = want != 0
    if not moving.any():
        return None
    found = float(np.median(got[moving] / want[moving]))
    return found if found > 0 and not math.isclose(found, 1) else None


def _convert(model: Path, folder: Path, images: bool, merging: bool) -> Any:
    """hls4ml's graph of the file, every layer traced."""
    import hls4ml
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
    from qonnx.transformation.gemm_to_matmul import GemmToMatMul
    from qonnx.util.cleanup import cleanup_model

    onnx = cleanup_model(ModelWrapper(str(model)))
    if images:
        onnx = onnx.transform(ConvertToChannelsLastAndClean(make_input_channels_last=True))
    onnx = cleanup_model(onnx.transform(GemmToMatMul()))
    _trim(onnx)
    config = hls4ml.utils.config.config_from_onnx_model(
        onnx, granularity="name", backend="Vitis", default_precision=PRECISION
    )
    for layer in config["LayerName"].values():
        layer["Trace"] = True
    with _passes(merging):
        return hls4ml.converters.convert_from_onnx_model(
            onnx,
            output_dir=str(folder),
            backend="Vitis",
            hls_config=config,
            io_type="io_stream" if images else "io_parallel",
        )


def _trim(onnx: Any) -> None:
    """Constants of elementwise nodes without their leading ones: hls4ml knows no axis of images."""
    for node in onnx.graph.node:
        for name in node.input if node.op_type in ("Add", "Sub", "Mul", "Div") else ():
            value = onnx.get_initializer(name)
            if value is not None and value.ndim > 1:
                onnx.set_initializer(name, value.reshape(value.shape[np.argmax(np.array([*value.shape, 2]) > 1) :]))


@contextlib.contextmanager
def _passes(merging: bool) -> Iterator[None]:
    """hls4ml's flow as it ships, or without the passes that merge a norm and a binary activation into thresholds."""
    from hls4ml.model.flow import get_flow, update_flow

    if merging:
        yield
        return
    flow = get_flow("vivado:quantization")
    present = [p for p in MERGING if p in flow.optimizers]
    kept = list(flow.optimizers)
    update_flow("vivado:quantization", remove_optimizers=present)
    try:
        yield
    finally:
        update_flow("vivado:quantization", remove_optimizers=list(flow.optimizers), add_optimizers=kept)


def _shape_as(theirs: Any, real: Array) -> Array:
    shape = [int(n) for n in theirs.get_input_variables()[0].shape]
    return np.ascontiguousarray(real.reshape(len(real), *shape))


@contextlib.contextmanager
def _quiet(log: Any) -> Iterator[None]:
    """hls4ml talks on stdout; it is kept in the log."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        warnings.simplefilter("ignore")
        yield


def _line(e: Exception) -> str:
    return (str(e).strip().splitlines() or [""])[0][:200]
