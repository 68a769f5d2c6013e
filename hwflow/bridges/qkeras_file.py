"""A Keras file as layers: what each is called, what it was built with, what it reads, its arrays. No TensorFlow.

Stands on h5py, which is imported only here. Reads .h5 and .keras as tf_keras (Keras 2) writes them.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.errors import ModelError, ToolError

PIP = "pip install h5py"


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: its class, its name, its configuration, the layers it reads, its arrays by name."""

    kind: str
    name: str
    config: dict[str, Any]
    inputs: tuple[str, ...]
    arrays: dict[str, Array]


@dataclass(frozen=True)
class Function:
    """A quantizer or an activation: its name and its arguments."""

    name: str
    args: dict[str, Any]


def layers_of(path: Path) -> tuple[str, tuple[Layer, ...]]:
    """The model's name and its layers in order; ModelError when the file is none of Keras 2."""
    try:
        import h5py
    except ImportError as e:
        raise ToolError(f"reading {path.name} needs h5py: {PIP}") from e
    if not path.is_file():
        raise ModelError(f"{path}: no such file; give the path of a .h5 or .keras file")
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
                weights = h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r")
            return _layers(config, lambda entry, kinds: _numbered(weights, entry, kinds))
        with h5py.File(path, "r") as file:
            config = json.loads(file.attrs["model_config"])
            return _layers(config, lambda entry, _: _named(file["model_weights"], entry["config"]["name"]))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as e:
        raise ModelError(
            f"{path}: is not a whole Keras model ({e}); save it with model.save under TF_USE_LEGACY_KERAS=1"
        ) from e


def _layers(config: dict[str, Any], arrays_of: Any) -> tuple[str, tuple[Layer, ...]]:
    if config["class_name"] not in ("Sequential", "Functional", "Model"):
        raise ValueError(f"a {config['class_name']} model")
    kinds: dict[str, int] = {}
    found: list[Layer] = []
    for entry in config["config"]["layers"]:
        own = entry["config"]
        inputs = tuple(_inputs(entry.get("inbound_nodes", [])))
        if config["class_name"] == "Sequential":
            inputs = (found[-1].name,) if found else ()
        found.append(Layer(entry["class_name"], own["name"], own, inputs, arrays_of(entry, kinds)))
    return str(config["config"]["name"]), tuple(found)


def _inputs(nodes: Any) -> Iterator[str]:
    """Names of the layers that feed a layer, whatever the nesting of this version of Keras."""
    if isinstance(nodes, dict) and "keras_history" in nodes.get("config", {}):
        yield nodes["config"]["keras_history"][0]
    elif isinstance(nodes, dict):
        for value in nodes.values():
            yield from _inputs(value)
    elif isinstance(nodes, list) and len(nodes) >= 3 and isinstance(nodes[0], str):
        yield nodes[0]
    elif isinstance(nodes, list | tuple):
        for node in nodes:
            yield from _inputs(node)


# the arrays of a layer in the order that Keras 2 writes them into a .keras file
ORDER = {
    "QDense": ("kernel", "bias"),
    "Dense": ("kernel", "bias"),
    "QConv2D": ("kernel", "bias"),
    "Conv2D": ("kernel", "bias"),
    "QDepthwiseConv2D": ("depthwise_kernel", "bias"),
    "DepthwiseConv2D": ("depthwise_kernel", "bias"),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "QBatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}


def _numbered(file: Any, entry: dict[str, Any], kinds: dict[str, int]) -> dict[str, Array]:
    """Arrays of a .keras file: folders are named by class and count, arrays by number."""
    kind = entry["class_name"]
    base = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)).lower()
    count = kinds.get(base, 0)
    kinds[base] = count + 1
    place = f"layers/{base}_{count}/vars" if count else f"layers/{base}/vars"
    stored = [np.array(file[place][str(i)]) for i in range(len(file[place]))] if place in file else []
    own = entry["config"]
    absent = {"bias": "use_bias", "gamma": "scale", "beta": "center"}
    names = [n for n in ORDER.get(kind, ()) if own.get(absent.get(n, ""), True)]
    if len(stored) != len(names):
        raise ValueError(f"layer {own['name']} has {len(stored)} arrays, not {len(names)}")
    return dict(zip(names, stored, strict=True))


def _named(group: Any, layer: str) -> dict[str, Array]:
    """Arrays of an .h5 file by their own names, without folders and `:0`."""
    out: dict[str, Array] = {}
    if layer in group:
        group[layer].visititems(
            lambda name, item: (
                out.__setitem__(name.split("/")[-1].split(":")[0], np.array(item)) if hasattr(item, "shape") else None
            )
        )
    return out


def function_of(value: Any, names: dict[str, tuple[str, ...]]) -> Function | None:
    """A quantizer or activation from a configuration: a dict, a text such as `quantized_bits(4,0,alpha=1)`, or None.

    `names` are the positional arguments of each known quantizer.
    """
    if value is None or value == "linear":
        return None
    if isinstance(value, dict):
        return Function(str(value["class_name"]), dict(value.get("config") or {}))
    tree = ast.parse(str(value), mode="eval").body
    if isinstance(tree, ast.Name):
        return Function(tree.id, {})
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise ValueError(f"{value!r} is no quantizer")
    name = tree.func.id
    args = dict(zip(names.get(name, ()), (ast.literal_eval(a) for a in tree.args), strict=False))
    return Function(name, args | {str(k.arg): ast.literal_eval(k.value) for k in tree.keywords})
