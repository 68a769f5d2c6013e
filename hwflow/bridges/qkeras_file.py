"""A Keras file as layers: what each is called, what it was built with, what it reads, its arrays. No TensorFlow.

Stands on h5py, which is imported only here. Reads .h5 and .keras as Keras 2 and Keras 3 write them.
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
from hwflow.files import brief

PIP = "pip install h5py"
MOST_BYTES = 1 << 29  # of a file unpacked, and of one array


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: its class, its name, its configuration, the layers it reads, its arrays by name."""

    kind: str
    name: str
    config: dict[str, Any]
    inputs: tuple[str, ...]
    arrays: dict[str, Array]
    output: bool = False  # the model says that it is one of its outputs


@dataclass(frozen=True)
class Function:
    """A quantizer or an activation: its name and its arguments."""

    name: str
    args: dict[str, Any]


def layers_of(path: Path) -> tuple[str, tuple[Layer, ...]]:
    """The model's name and its layers in order; ModelError when the file is no model of Keras 2 or 3."""
    try:
        import h5py
    except ImportError as e:
        raise ToolError(f"reading {path.name} needs h5py: {PIP}") from e
    if not path.is_file():
        raise ModelError(f"{path}: no such file; give the path of a .h5 or .keras file")
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                if sum(e.file_size for e in archive.infolist()) > MOST_BYTES:
                    raise ValueError(f"it would take more than {MOST_BYTES} bytes of memory")
                config = json.loads(archive.read("config.json"))
                weights = h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r")
            return _layers(config, lambda entry, kinds: _arrays_by_number(weights, entry, kinds))
        with h5py.File(path, "r") as file:
            config = json.loads(file.attrs["model_config"])
            return _layers(config, lambda entry, _: _arrays_by_name(file["model_weights"], entry["config"]["name"]))
    except Exception as e:  # what damaged archives and configurations raise is an open set: zlib, HDF5, zip, types
        raise ModelError(
            f"{path}: is not a whole Keras model ({described(e)}); save it with model.save under TF_USE_LEGACY_KERAS=1"
        ) from e


def described(error: Exception) -> str:
    """What an error says, with its kind where that alone says nothing: a KeyError has the key and no more."""
    return brief(error) if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {brief(error)}"


def _array(item: Any) -> Array:
    """A stored array; ValueError where it says that it is larger than any layer."""
    if item.dtype.kind not in "biuf" or item.size * item.dtype.itemsize > MOST_BYTES:
        raise ValueError(f"{item.name} holds {item.shape} of {item.dtype}")
    return np.array(item)


def _layers(config: dict[str, Any], arrays_of: Any) -> tuple[str, tuple[Layer, ...]]:
    if config["class_name"] not in ("Sequential", "Functional", "Model"):
        raise ValueError(f"a {config['class_name']} model")
    kinds: dict[str, int] = {}
    found: list[Layer] = []
    ends = set(_ends(config["config"].get("output_layers", [])))
    for entry in config["config"]["layers"]:
        own = entry["config"]
        inputs = tuple(_inputs(entry.get("inbound_nodes", [])))
        if config["class_name"] == "Sequential":
            inputs = (found[-1].name,) if found else ()
        kind = entry["class_name"].rpartition(">")[2]
        found.append(Layer(kind, own["name"], own, inputs, arrays_of(entry, kinds), own["name"] in ends))
    return str(config["config"]["name"]), tuple(found)


def _ends(outputs: Any) -> Iterator[str]:
    """Names of the layers that are outputs, one or several, whatever the nesting."""
    if isinstance(outputs, list) and len(outputs) == 3 and isinstance(outputs[0], str):
        yield outputs[0]
    elif isinstance(outputs, list | tuple):
        for each in outputs:
            yield from _ends(each)


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


# the arrays of a layer in the order that Keras writes them into a .keras file
SEPARABLE = ("depthwise_kernel", "pointwise_kernel", "bias")
ORDER = {
    **dict.fromkeys(("QDense", "QConv1D", "Conv1D", "QuantDense", "QuantConv1D", "QuantConv2D"), ("kernel", "bias")),
    **dict.fromkeys(("QSeparableConv2D", "SeparableConv2D", "QuantSeparableConv2D"), SEPARABLE),
    "QuantDepthwiseConv2D": ("depthwise_kernel", "bias"),
    "QConv2DBatchnorm": ("kernel", "bias", "iteration"),
    "QDepthwiseConv2DBatchnorm": ("depthwise_kernel", "bias", "iteration"),
    "Dense": ("kernel", "bias"),
    "QConv2D": ("kernel", "bias"),
    "Conv2D": ("kernel", "bias"),
    "QDepthwiseConv2D": ("depthwise_kernel", "bias"),
    "DepthwiseConv2D": ("depthwise_kernel", "bias"),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "QBatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}


def _arrays_by_number(file: Any, entry: dict[str, Any], kinds: dict[str, int]) -> dict[str, Array]:
    """Arrays of a .keras file: folders are named by class and count, arrays by number."""
    kind = entry["class_name"].rpartition(">")[2]
    base = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)).lower()
    count = kinds.get(base, 0)
    kinds[base] = count + 1
    own = entry["config"]
    place = f"layers/{base}_{count}" if count else f"layers/{base}"
    place = place if place in file else f"layers/{own['name']}"
    out = _in_order(file, f"{place}/vars", ORDER.get(kind, ()), own)
    if kind.endswith("Batchnorm"):  # its norm is a layer inside
        out |= _in_order(file, f"{place}/batchnorm/vars", ORDER["BatchNormalization"], own)
    return out


def _in_order(file: Any, place: str, order: tuple[str, ...], own: dict[str, Any]) -> dict[str, Array]:
    """The arrays of one folder by name; ValueError where it has another number of them than the layer's settings say."""
    stored = [_array(file[place][str(i)]) for i in range(len(file[place]))] if place in file else []
    absent = {"bias": "use_bias", "gamma": "scale", "beta": "center"}
    names = [n for n in order if own.get(absent.get(n, ""), True)]
    if len(stored) != len(names):
        raise ValueError(f"layer {own['name']} has {len(stored)} arrays, not {len(names)}")
    return dict(zip(names, stored, strict=True))


def _arrays_by_name(group: Any, layer: str) -> dict[str, Array]:
    """Arrays of an .h5 file by their own names, without folders and `:0`."""
    out: dict[str, Array] = {}
    if layer in group:
        group[layer].visititems(
            lambda name, item: (
                out.__setitem__(name.split("/")[-1].split(":")[0], _array(item)) if hasattr(item, "shape") else None
            )
        )
    return out


def function_of(value: Any, names: dict[str, tuple[str, ...]]) -> Function | None:
    """A quantizer or activation from a configuration: a dict, a text such as `quantized_bits(4,0,alpha=1)`, or None.

    `names` are the positional arguments of each known quantizer.
    """
    if value is None or value == "linear":
        return None
    if isinstance(value, dict) and value["class_name"] == "function":  # Keras 3 names its own functions so
        return function_of(str(value["config"]), names)
    if isinstance(value, dict):
        return Function(str(value["class_name"]).rpartition(">")[2], dict(value.get("config") or {}))
    tree = ast.parse(str(value), mode="eval").body
    if isinstance(tree, ast.Name):
        return Function(tree.id, {})
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise ValueError(f"{value!r} is no quantizer")
    name = tree.func.id
    args = dict(zip(names.get(name, ()), (ast.literal_eval(a) for a in tree.args), strict=False))
    return Function(name, args | {str(k.arg): ast.literal_eval(k.value) for k in tree.keywords})
