"""Running a network in its C engine: compiled once, kept in the cache by content, fed in batches.

Stands on emit.c. The answers are those of `Net.run`, to the last bit.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from hwflow import tools
from hwflow.bits import Array
from hwflow.emit.c import emit, input_type
from hwflow.net import Net
from hwflow.places import cache
from hwflow.simulate.base import Run

FLAGS = ("-O2", "-DNET_THREADS", "-fPIC", "-shared")
FAST = ("-O3", *FLAGS[1:])  # three times the compilation for a twentieth of the speed
TYPES = {"unsigned char": np.uint8, "signed char": np.int8, "short": np.int16, "int": np.int32}
BATCH = 1024


def run(net: Net, folder: Path, x: Array, threads: int = 1, progress: Callable[[int, int], None] | None = None) -> Run:
    """Answers of the C engine for inputs (n, *shape); `progress(done, of)` after each batch of images.

    `folder` holds net.c; it is written there when absent.
    """
    engine = load(net, folder)
    x = net.check_input(x)
    started = time.perf_counter()
    outputs = engine.run(x, threads, progress)
    return Run("c", outputs, time.perf_counter() - started, log={"path": engine.path, "threads": threads})


class Engine:
    """One compiled network in this process. `run` is not reentrant; make one per caller."""

    def __init__(self, library: Path, net: Net, path: str | None = None):
        self.net = net
        self.library = ctypes.CDLL(str(library))
        for name in ("net_arranged_bytes", "net_scratch_bytes"):
            getattr(self.library, name).restype = ctypes.c_size_t
        self.library.net_path.restype = ctypes.c_char_p
        if path and not self.library.net_choose(path.encode()):
            raise LookupError(f"this processor or build has no {path} path")
        self.path: str = self.library.net_path().decode()
        self.dtype = TYPES[input_type(net)]
        self.arranged = np.empty(max(self.library.net_arranged_bytes(), 1), np.uint8)
        self.library.net_arrange(self.arranged.ctypes.data_as(ctypes.c_void_p))
        self.scratch = np.empty(0, np.uint8)

    def run(self, x: Array, threads: int = 1, progress: Callable[[int, int], None] | None = None) -> Array:
        """Integer answers (n, outputs) int64 of integer inputs in the network's range."""
        n = len(x)
        out = np.empty((n, self.net.output.size), np.int32)
        need = self.library.net_scratch_bytes() * threads
        if len(self.scratch) < need:
            self.scratch = np.empty(need, np.uint8)
        for at in range(0, n, BATCH):
            images = np.ascontiguousarray(x[at : at + BATCH].reshape(-1, self.net.input.size), self.dtype)
            self.call(images, out[at : at + BATCH], threads)()
            if progress:
                progress(min(at + BATCH, n), n)
        return out.astype(np.int64)

    def call(self, images: Array, out: Array, threads: int = 1) -> Callable[[], None]:
        """What runs contiguous images of the engine's own type into contiguous int32 answers, as often as it is called.

        The engine must have done one `run` with as many threads. Pointers are made here, once: Python takes tens of
        microseconds for them, a third of a small network's time for an image.
        """
        pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (self.arranged, self.scratch, images, out)]
        return partial(self.library.net_run_threads, *pointers, ctypes.c_size_t(len(images)), ctypes.c_int(threads))


def load(net: Net, folder: Path, path: str | None = None, flags: tuple[str, ...] = FLAGS) -> Engine:
    """The compiled engine of a network; `path` forces plain, avx2, avx512 or neon (LookupError where absent)."""
    if not (folder / "net.c").exists():
        emit(net, folder)
    return Engine(library(folder, flags=flags), net, path)


def library(folder: Path, compiler: Path | None = None, flags: tuple[str, ...] = FLAGS) -> Path:
    """The shared library of a folder with net.c and net.h, compiled unless the cache has it."""
    compiler = compiler or tools.need("g++")
    files = [folder / "net.c", folder / "net.h"]
    key = hashlib.sha256(b"\0".join(f.read_bytes() for f in files))
    key.update("\0".join([str(compiler), platform.machine(), *flags]).encode())
    home = cache() / "c" / key.hexdigest()[:24]
    built = home / "libnet.so"
    if not built.exists():
        home.mkdir(parents=True, exist_ok=True)
        part = home / f"libnet.{os.getpid()}.so"
        language = ("-x", "c++") if "++" in compiler.name else ()
        tools.run_program(compiler, [*flags, *language, "-o", part, "net.c", "-lpthread"], cwd=folder, timeout=600)
        part.replace(built)
    return built
