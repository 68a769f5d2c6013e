"""A trained network as a QONNX file that computes what PyTorch computed, checked before it is handed over.

Stands on torch, Brevitas, onnx and qonnx. The check runs the written file with qonnx; a difference is a ModelError.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from brevitas.export import export_qonnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.fold_constants import FoldConstants
from qonnx.transformation.general import GiveReadableTensorNames, GiveUniqueNodeNames
from qonnx.transformation.infer_shapes import InferShapes
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hwflow.bits import Array
from hwflow.errors import ModelError
from hwflow.recipe import Recipe
from hwflow.train.tasks import as_arrays, joined
from hwflow.train.views import Fixed

INPUT_KEY = "hwflow.input"
ROUNDING = 1e-4  # of the largest output: what the order of float32 sums may change in a user's own module


def freeze(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose weights, gains and norms are constants; it computes the same to the last bit."""
    out = copy.deepcopy(model).cpu().eval()
    with torch.no_grad():
        for module in list(out.modules()):
            if getattr(module, "gain", None) is not None:
                module.gain = Fixed(module.gain(module.weight))
            if parametrize.is_parametrized(module, "weight"):
                # removal edits the class, which a copied module shares with its original
                kind = type(module)
                module.__class__ = type(kind.__name__, kind.__bases__, dict(kind.__dict__))
                parametrize.remove_parametrizations(module, "weight")
            for name, child in list(module.named_children()):
                if hasattr(child, "frozen"):
                    setattr(module, name, child.frozen())
    return out.eval()


def real_input(recipe: Recipe, x: Array) -> Tensor:
    """What the network is given for input integers (n, H, W, C) or (n, features): float32, channel first, in real units."""
    t = torch.tensor(np.ascontiguousarray(x)).float() / recipe.denominator
    return t.permute(0, 3, 1, 2).contiguous() if t.ndim == 4 else t


@torch.no_grad()
def answers(model: nn.Module, recipe: Recipe, x: Array, chunk: int = 500) -> list[Array]:
    """The model's float32 answers for input integers, an array (n, ...) for each output, in evaluation mode."""
    model.eval()
    return joined([as_arrays(model(real_input(recipe, x[i : i + chunk]))) for i in range(0, len(x), chunk)])


def export(model: nn.Module, recipe: Recipe, sample: Array, path: Path) -> None:
    """Write `model` to `path` as QONNX and prove on `sample` (input integers) that the file computes the same.

    The file carries the recipe's input contract as the metadata property `hwflow.input`.
    """
    frozen = freeze(model)
    want = answers(frozen, recipe, sample)
    if len(want) != len(recipe.outputs):
        raise ModelError(f"{recipe.name}: the network has {len(want)} outputs and the recipe names {', '.join(recipe.outputs)}")
    for a, b in zip(answers(copy.deepcopy(model).cpu(), recipe, sample), want, strict=True):
        if not np.array_equal(a, b):
            raise ModelError(f"{path.name}: freezing changed {_count(a, b)}; report this as a defect of hwflow.train")
    write(frozen, real_input(recipe, sample[:1]), recipe, path)
    found = execute(path, real_input(recipe, sample).numpy(), recipe.outputs)
    for name, a, b in zip(recipe.outputs, found, want, strict=True):
        if not np.array_equal(a, b):
            path.unlink()
            raise ModelError(
                f"{path.name}: the exported file differs from PyTorch in {_count(a, b)} of {name}; keep factors that are no power of two out of the quantizers"
            )


def export_module(module: nn.Module, images: Array, path: Path) -> None:
    """Write any torch module as QONNX and prove on `images` that the file computes the same.

    `images` are real values (n, features), or (n, H, W, C) where the module takes (n, C, H, W); the module is put in
    evaluation mode. ModelError where the file differs: Brevitas writes the raw weights of a quantizer that balances them.
    """
    x = torch.as_tensor(np.asarray(images), dtype=torch.float32)
    x = x.permute(0, 3, 1, 2).contiguous() if x.ndim == 4 else x
    module = copy.deepcopy(module).cpu().eval()
    with torch.no_grad():
        want = module(x).numpy()
    _write(module, x[:1], path, type(module).__name__, {})
    (got,) = execute(path, x.numpy())
    # sums of scales that are no powers of two depend on their order, far below this share; another meaning is far above
    if np.abs(got - want).max(initial=0) > ROUNDING * np.abs(want).max(initial=0):
        path.unlink()
        raise ModelError(
            f"{path.name}: the exported file differs from PyTorch in {_count(got, want)}; "
            "make what is done to a weight before its quantizer part of the weight (torch.nn.utils.parametrize)"
        )


def write(frozen: nn.Module, example: Tensor, recipe: Recipe, path: Path) -> None:
    """Write a frozen model of a recipe as QONNX with its input contract, never half-written."""
    props = {INPUT_KEY: recipe.input, "hwflow.recipe": recipe.source or recipe.name}
    _write(frozen, example, path, recipe.name, props, recipe.outputs)


def _write(
    frozen: nn.Module, example: Tensor, path: Path, name: str, props: dict[str, str], outputs: Sequence[str] = ("y",)
) -> None:
    """Write a module as QONNX (opset 13, TorchScript exporter: qonnx does not read what the newer one writes)."""
    part = path.with_name(path.name + ".part")
    level = logging.getLogger("torch.onnx").level
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            export_qonnx(
                frozen,
                args=example,
                export_path=str(part),
                opset_version=13,
                dynamo=False,
                input_names=["x"],
                output_names=list(outputs),
            )
        finally:
            logging.getLogger("torch.onnx").setLevel(level)
    # the exporter writes paddings as little graphs of constants and knows no shapes behind quantizers
    tidy = ModelWrapper(str(part)).transform(InferShapes()).transform(FoldConstants()).transform(InferShapes())
    graph = tidy.transform(GiveUniqueNodeNames()).transform(GiveReadableTensorNames()).model
    named = [value.name for value in graph.graph.output]
    _rename(graph, {"global_in": "x", **dict(zip(named, outputs, strict=True))})
    graph.graph.name = name
    onnx.helper.set_model_props(graph, props)
    onnx.save(graph, part)
    part.replace(path)


def _rename(graph: onnx.ModelProto, names: dict[str, str]) -> None:
    for value in (*graph.graph.input, *graph.graph.output):
        value.name = names.get(value.name, value.name)
    for node in graph.graph.node:
        node.input[:] = [names.get(n, n) for n in node.input]
        node.output[:] = [names.get(n, n) for n in node.output]


def execute(path: Path, x: Array, outputs: Sequence[str] = ("y",)) -> list[Array]:
    """The float32 answers (n, ...) of an exported file for real inputs (n, ...), output by output, run by qonnx node by node."""
    graph = onnx.load(path)
    del graph.graph.value_info[:]  # shapes of a batch of one
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = len(x)
    found = execute_onnx(ModelWrapper(graph).transform(InferShapes()), {"x": x})
    return [found[name] for name in outputs]


def _count(a: Array, b: Array) -> str:
    return f"{int((a != b).sum())} of {a.size} elements, by up to {float(np.abs(a - b).max()):g}"
