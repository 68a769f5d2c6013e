"""One door to every engine that computes integers: numpy, C, WebAssembly, HLS C++ under g++, RTL under Verilator.

Stands on the build and the engines' own modules.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hwflow.bits import Array
from hwflow.build import Build
from hwflow.errors import RecipeError
from hwflow.simulate.base import Run

ENGINES = ("numpy", "c", "wasm", "hls", "rtl")


def simulate(
    build: Build,
    x: Array,
    engine: str = "rtl",
    *,
    stalls: int | None = None,
    trace: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Run:
    """Answers of one engine for input integers (n, *shape); `stalls` seeds random stalls at both ends of the RTL."""
    x = build.net.check_input(x)
    match engine:
        case "numpy":
            start = time.perf_counter()
            return Run("numpy", build.net.run(x), time.perf_counter() - start)
        case "c":
            from hwflow.simulate import c

            return c.run(build.net, build.stage("c"), x)
        case "wasm":
            from hwflow.simulate import wasm

            return wasm.run(build.net, x)
        case "hls":
            from hwflow.emit.hls import refuse
            from hwflow.simulate import hls

            if why := refuse(build.dataflow):
                raise RecipeError(
                    f"{build.folder}: has no hls/: {why}; take another engine, or compile without --stream-weights"
                )
            return hls.run(build.dataflow, build.stage("hls"), x)
        case "rtl":
            from hwflow.simulate import rtl, shares

            folder = build.stage("rtl")
            if trace:
                return rtl.run(build.dataflow, folder, x, stalls=stalls, trace=True, progress=progress)
            return shares.run(build.dataflow, folder, x, stalls=stalls, progress=progress)
        case _:
            raise RecipeError(f"engine {engine!r} is not known; choose one of {', '.join(ENGINES)}")
