"""A trained network as a QONNX file that computes what PyTorch computed, checked before it is handed over.

Stands on torch, Brevitas, onnx and qonnx. The check runs the written file with qonnx; a difference is a ModelError.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from brevitas.export import export_qonnx
from brevitas.quant_tensor import QuantTensor
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.general import GiveUniqueNodeNames
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hwflow.bits import Array
from hwflow.errors import ModelError
from hwflow.qonnx.reference import execute_real
from hwflow.qonnx.takes import KEY
from hwflow.qonnx.tidying import fold_constants, name_tensors
from hwflow.recipe import Recipe
from hwflow.train.recurrent import Recurrent
from hwflow.train.scan import with_scans
from hwflow.train.tasks import as_arrays, joined
from hwflow.train.views import Fixed, latent

ROUNDING = 1e-4  # of the largest output: what the order of float32 sums may change in a user's own module


def freeze(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose weights, gains and norms are constants; it computes the same to the last bit."""
    out = copy.deepcopy(model).cpu().eval()
    with torch.no_grad():
        for module in list(out.modules()):
            for part in ("gain", "middle"):
                if getattr(module, part, None) is not None:
                    setattr(module, part, Fixed(getattr(module, part)(latent(module))))
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
        raise ModelError(
            f"{recipe.name}: the network has {len(want)} outputs and the recipe names {', '.join(recipe.outputs)}"
        )
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

    `images` are real values in the hardware's order: (n, features), (n, H, W, C) or (n, T, C); the module may take
    channels first or last. Several outputs keep the keys of a dict or the fields of a named tuple, else they are y0, y1
    and so on. The module is put in evaluation mode. ModelError where the file differs: Brevitas writes the raw weights of
    a quantizer that balances them.
    """
    module = copy.deepcopy(module).cpu().eval()
    x = _take(module, torch.as_tensor(np.asarray(images), dtype=torch.float32))
    with torch.no_grad():
        found = _name_answers(module(x))
    _write(
        _Tuple(module).eval(), x[:1], path, type(module).__name__, {}, tuple(found), "input" if "x" in found else "x"
    )
    for (name, want), got in zip(found.items(), execute(path, x.numpy(), tuple(found)), strict=True):
        # sums of scales that are no powers of two depend on their order, far below this share; another meaning is far above
        if np.abs(got - want).max(initial=0) > ROUNDING * np.abs(want).max(initial=0):
            path.unlink()
            of = f" of {name}" if len(found) > 1 else ""
            raise ModelError(
                f"{path.name}: the exported file differs from PyTorch in {_count(got, want)}{of}; "
                "make what is done to a weight before its quantizer part of the weight (torch.nn.utils.parametrize)"
            )


@torch.no_grad()
def _take(module: nn.Module, x: Tensor) -> Tensor:
    """Images as the module takes them: channels first, as torch's own layers do, where that runs, else as they are."""
    if x.ndim not in (3, 4):
        return x
    first = x.movedim(-1, 1).contiguous()
    try:
        module(first[:1])
    except (RuntimeError, ValueError, IndexError) as wrong:  # what torch raises where shapes do not fit
        try:
            module(x[:1])
        except (RuntimeError, ValueError, IndexError):
            raise ModelError(
                f"{type(module).__name__}: takes images neither as {tuple(first.shape[1:])} nor as {tuple(x.shape[1:])}: "
                f"{str(wrong).splitlines()[0]}"
            ) from wrong
        return x
    return first


def _name_answers(answers: object) -> dict[str, Array]:
    """The answers of a module by the name of their output."""
    if isinstance(answers, Mapping):
        parts = {str(name): _plain(value) for name, value in answers.items()}
    elif not isinstance(_plain(answers), Tensor) and isinstance(answers, tuple | list):
        fields = getattr(answers, "_fields", [f"y{k}" for k in range(len(answers))])
        parts = {name: _plain(value) for name, value in zip(fields, answers, strict=True)}
        parts = {"y": next(iter(parts.values()))} if len(parts) == 1 else parts
    else:
        parts = {"y": _plain(answers)}
    strange = [name for name, value in parts.items() if not isinstance(value, Tensor)]
    if strange or not parts:
        what = f"its output {strange[0]} is {type(parts[strange[0]]).__name__}" if strange else "it returns nothing"
        raise ModelError(f"a module returns a tensor, or a dict or tuple of tensors; {what}")
    return {name: value.detach().numpy() for name, value in parts.items() if isinstance(value, Tensor)}


def _plain(value: object) -> object:
    """The tensor of an answer; that of a Brevitas QuantTensor, which is a named tuple, is its value."""
    return value.value if isinstance(value, QuantTensor) else value


class _Tuple(nn.Module):
    """A module whose outputs are a tuple, as the exporter takes them."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> object:
        answers = self.module(x)
        if isinstance(answers, Mapping):
            answers = tuple(answers.values())
        if isinstance(answers, tuple | list) and not isinstance(answers, QuantTensor):
            return tuple(_plain(value) for value in answers)
        return _plain(answers)


def write(frozen: nn.Module, example: Tensor, recipe: Recipe, path: Path) -> None:
    """Write a frozen model of a recipe as QONNX with its input contract, never half-written."""
    props = {KEY: recipe.input, "hwflow.recipe": recipe.source or recipe.name}
    _write(frozen, example, path, recipe.name, props, recipe.outputs)


def _write(
    frozen: nn.Module, example: Tensor, path: Path, name: str, props: dict[str, str], outputs: Sequence[str] = ("y",),
    source: str = "x",
) -> None:  # fmt: skip
    """Write a module as QONNX (opset 13, TorchScript exporter: qonnx does not read what the newer one writes)."""
    part = path.with_name(path.name + ".part")
    layers = [m for m in frozen.modules() if isinstance(m, Recurrent)]
    for key, layer in enumerate(layers):
        layer.key = key
    graph = _trace(frozen, (example,), (source,), outputs, part)
    if layers:
        graph = with_scans(graph, layers, lambda cell, x, i, o: _tidy(_trace(cell, x, i, o, part)))
    graph = _tidy(graph)
    named = [value.name for value in graph.graph.output]
    _rename(graph, {"global_in": source, **dict(zip(named, outputs, strict=True))})
    graph.graph.name = name
    onnx.helper.set_model_props(graph, props)
    onnx.save(graph, part)
    part.replace(path)


def _trace(
    module: nn.Module, example: Sequence[Tensor], inputs: Sequence[str], outputs: Sequence[str], part: Path
) -> onnx.ModelProto:
    """What Brevitas writes of a module; `part` is a file it may use."""
    level = logging.getLogger("torch.onnx").level
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            export_qonnx(
                module,
                args=tuple(example),
                export_path=str(part),
                opset_version=13,
                dynamo=False,
                input_names=list(inputs),
                output_names=list(outputs),
            )
        finally:
            logging.getLogger("torch.onnx").setLevel(level)
    return onnx.load(part)


def _tidy(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The model with constants folded and names that a reader can follow."""
    # the exporter writes paddings as little graphs of constants and knows no shapes behind quantizers
    tidy = fold_constants(ModelWrapper(graph), kept=("Quant", "BipolarQuant"))
    named, _ = GiveUniqueNodeNames().apply(tidy)
    return name_tensors(named).model


def _rename(graph: onnx.ModelProto, names: dict[str, str]) -> None:
    for value in (*graph.graph.input, *graph.graph.output):
        value.name = names.get(value.name, value.name)
    for node in graph.graph.node:
        node.input[:] = [names.get(n, n) for n in node.input]
        node.output[:] = [names.get(n, n) for n in node.output]


def execute(path: Path, x: Array, outputs: Sequence[str] = ("y",)) -> list[Array]:
    """The float32 answers (n, ...) of an exported file for real inputs (n, ...), output by output, run node by node."""
    found = execute_real(path, x)
    return [found[name] for name in outputs]


def _count(a: Array, b: Array) -> str:
    return f"{int((a != b).sum())} of {a.size} elements, by up to {float(np.abs(a - b).max()):g}"
