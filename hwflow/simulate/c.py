"""Running a network in its C engine: compiled once, kept in the cache by content, called from any number of threads.

Stands on emit.c. The answers are those of `Net.run`, to the last bit.
"""

from __future__ import annotations

import ctypes
import platform
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from hwflow import tools
from hwflow.bits import Array
from hwflow.cached import kept_file, loading, said_version
from hwflow.emit import c_answers
from hwflow.emit.c import emit, input_type
from hwflow.errors import ModelError
from hwflow.net import Net
from hwflow.simulate.base import Run

FLAGS = ("-O2", "-DNET_THREADS", "-fPIC", "-shared")
FAST = ("-O3", *FLAGS[1:])  # three times the compilation for a twentieth of the speed
TYPES: dict[str, type[np.generic]] = {
    "unsigned char": np.uint8,
    "signed char": np.int8,
    "short": np.int16,
    "int": np.int32,
}
BATCH = 1024
MOST_THREADS = 64  # HW_THREADS of the engine

_arranging = threading.Lock()  # a library has one path in use, asked for between choosing and arranging


def run(
    net: Net, folder: Path | None, x: Array, threads: int = 1, progress: Callable[[int, int], None] | None = None
) -> Run:
    """Answers of the C engine for inputs (n, *shape); `progress(done, of)` after each batch of images.

    The sources are those in `folder` where it has net.c; ModelError where that is another network's.
    """
    engine = load(net, folder)
    x = net.check_input(x)
    started = time.perf_counter()
    outputs = engine.run(x, threads, progress)
    return Run("c", outputs, time.perf_counter() - started, log={"path": engine.path, "threads": threads})


def input_dtype(net: Net) -> type[np.generic]:
    """The numpy type of what a network's engine reads."""
    return TYPES[input_type(net)]


class Engine:
    """One compiled network in this process. Any number of threads may call `run` at the same time."""

    def __init__(self, library: Path, net: Net, path: str | None = None):
        self.net = net
        with loading(library):
            self.library = ctypes.CDLL(str(library))
        self._check_network(library)
        for name in ("net_arranged_bytes", "net_scratch_bytes"):
            getattr(self.library, name).restype = ctypes.c_size_t
        self.library.net_path.restype = ctypes.c_char_p
        with _arranging:
            if not self.library.net_choose(path.encode() if path else None):
                raise LookupError(f"this processor or build has no {path} path")
            self.path: str = self.library.net_path().decode()
            self.arranged = np.empty(max(self.library.net_arranged_bytes(), 1), np.uint8)
            self.library.net_arrange(_pointer(self.arranged))
        self.dtype = input_dtype(net)
        self._scratch_bytes = int(self.library.net_scratch_bytes())
        self._idle: list[Array] = []  # scratch memory that no call uses now
        self._taking = threading.Lock()

    def _check_network(self, library: Path) -> None:
        """ModelError unless the library says that it is this network."""
        try:
            self.library.net_hash.restype = ctypes.c_char_p
            found = self.library.net_hash().decode()
        except AttributeError:
            found = "none"
        if found != self.net.hash:
            raise ModelError(
                f"{self.net.name}: the engine {library.name} is of another network (hash {found}, not {self.net.hash}); "
                "compile the model again, so that net.npz and c/ are of one build"
            )

    def run(self, x: Array, threads: int = 1, progress: Callable[[int, int], None] | None = None) -> Array:
        """Integer answers (n, outputs) int64 of integer inputs in the network's range."""
        n, threads = len(x), min(max(threads, 1), MOST_THREADS)
        out = np.empty((n, self.net.output.size), np.int32)
        scratch = self._take(threads)
        try:
            for at in range(0, n, BATCH):
                images = np.ascontiguousarray(x[at : at + BATCH].reshape(-1, self.net.input.size), self.dtype)
                self._call(images, out[at : at + BATCH], scratch, threads)()
                if progress:
                    progress(min(at + BATCH, n), n)
        finally:
            with self._taking:
                self._idle.append(scratch)
        return out.astype(np.int64)

    def labels(self, answers: Array) -> Array:
        """Labels (n, labels) of answers by net_labels, which C programs call."""
        return fill_by_image(
            self.library.net_labels, answers, np.empty((len(answers), c_answers.labels(self.net)), np.int32)
        )

    def scores(self, answers: Array) -> Array:
        """Real scores (n, scores) of answers by net_scores, which C programs call."""
        return fill_by_image(
            self.library.net_scores, answers, np.empty((len(answers), c_answers.scores(self.net)), np.float32)
        )

    def call(self, images: Array, out: Array, threads: int = 1) -> Callable[[], None]:
        """What runs contiguous images of the engine's own type into contiguous int32 answers, as often as it is called.

        It has scratch memory of its own. Pointers are made here, once: Python takes tens of microseconds for them, a
        third of a small network's time for an image. The caller keeps `images` and `out`; one thread calls it at a time.
        """
        return self._call(images, out, self._take(threads), threads)

    def _call(self, images: Array, out: Array, scratch: Array, threads: int) -> Callable[[], None]:
        pointers = [_pointer(a) for a in (self.arranged, scratch, images, out)]
        return partial(self.library.net_run_threads, *pointers, ctypes.c_size_t(len(images)), ctypes.c_int(threads))

    def _take(self, threads: int) -> Array:
        """Scratch memory for so many threads, which nothing else uses."""
        need = self._scratch_bytes * threads
        with self._taking:
            for i, scratch in enumerate(self._idle):
                if len(scratch) >= need:
                    return self._idle.pop(i)
            if self._idle:
                self._idle.pop()  # too small for what is asked now; the larger one will be kept in its place
        return np.empty(need, np.uint8)


def _pointer(values: Array) -> ctypes.c_void_p:
    """The address of an array, which it keeps alive."""
    return values.ctypes.data_as(ctypes.c_void_p)


def fill_by_image(function: Callable[..., None], answers: Array, out: Array) -> Array:
    """Call a C function with each image's answer (int32) and the row of `out` that it fills; `out`."""
    for image, row in zip(np.ascontiguousarray(answers, np.int32), out, strict=True):
        function(_pointer(image), _pointer(row))
    return out


def load(net: Net, folder: Path | None, path: str | None = None, flags: tuple[str, ...] | None = None) -> Engine:
    """The compiled engine of a network; `path` forces plain, avx2, avx512 or neon (LookupError where absent).

    The sources are those in `folder` where it has net.c, else the network's own, made now. ModelError where the
    folder's are another network's.
    """
    if folder and (folder / "net.c").is_file():
        return Engine(library(folder, flags=flags), net, path)
    with tempfile.TemporaryDirectory() as sources:
        emit(net, Path(sources))
        return Engine(library(Path(sources), flags=flags), net, path)


def library(folder: Path, compiler: Path | None = None, flags: tuple[str, ...] | None = None) -> Path:
    """The shared library of a folder with net.c and net.h, compiled with `flags` (FLAGS) unless the cache has it whole.

    `hwflow.cached` says how an entry is named, checked and made.
    """
    compiler, flags = compiler or tools.need("g++"), flags or FLAGS
    sources = [(folder / name).read_bytes() for name in ("net.c", "net.h")]
    parts: list[str | bytes] = [*sources, str(compiler), said_version(compiler), platform.machine(), *flags]

    def compile_engine(beside: Path) -> None:
        language = ("-x", "c++") if "++" in compiler.name else ()
        command = [*flags, *language, "-o", beside / "net.so", "net.c", "-lpthread"]
        tools.run_program(compiler, command, cwd=folder, timeout=600)

    return kept_file("c", parts, "net.so", compile_engine)
