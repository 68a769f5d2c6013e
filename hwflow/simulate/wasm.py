"""Running a network as its WebAssembly module, under wasmtime: what a browser computes.

Stands on emit.wasm. The answers are those of `Net.run`, to the last bit.
"""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.emit import wasm
from hwflow.errors import ToolError
from hwflow.net import Net
from hwflow.simulate.base import Run
from hwflow.simulate.c import input_dtype


def absent() -> str:
    """Why modules cannot be made or run here; empty when they can."""
    gone = [
        n for n, there in (("ziglang", wasm.has_zig()), ("wasmtime", importlib.util.find_spec("wasmtime"))) if not there
    ]
    return f"needs {' and '.join(gone)}: pip install {' '.join(gone)}" if gone else ""


def run(net: Net, x: Array) -> Run:
    """Answers of a network's module for inputs (n, *shape), image by image; ToolError where wasmtime or ziglang is missing."""
    if reason := absent():
        raise ToolError(f"the wasm engine {reason}")
    x = net.check_input(x)
    module = wasm.build(net)
    started = time.perf_counter()
    return Run("wasm", answers(module, net, x), time.perf_counter() - started)


def answers(module: wasm.Module, net: Net, x: Array) -> Array:
    """Integer answers (n, outputs) int64 of a module, which must import nothing."""
    import wasmtime

    store = wasmtime.Store()
    code: Any = wasmtime.Instance(store, wasmtime.Module(store.engine, module.wasm), []).exports(store)
    at = {name: code[name](store) for name in ("image", "answer")}
    data = np.ascontiguousarray(x.reshape(len(x), -1), np.dtype(input_dtype(net)).newbyteorder("<"))
    out = np.empty((len(x), net.output.size), np.int64)
    for i, image in enumerate(data):
        code["memory"].write(store, image.tobytes(), at["image"])
        code["run"](store)
        out[i] = np.frombuffer(code["memory"].read(store, at["answer"], at["answer"] + 4 * net.output.size), "<i4")
    return out
