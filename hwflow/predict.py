"""Labels and scores of a compiled network for people who only want answers: the C engine, else numpy.

Stands on build and simulate. `hwflow.load("build/x").predict(images)`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hwflow import inputs, tools
from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.net import Net
from hwflow.simulate import c
from hwflow.simulate.profile import Profile, profile

BATCH = 256


class Predictor:
    """One network that answers. Integer images are what the hardware receives; float ones are real values.

    `engine` is "c" where a compiler is found, else "numpy"; both give the same integers. Any number of threads may ask
    at the same time: each call has working memory of its own. `threads` is how many one call spreads its images over.
    """

    def __init__(self, net: Net, folder: Path, threads: int = 1):
        self.net = net
        self.folder = folder
        self.threads = threads
        self.engine = "c" if tools.find("g++") else "numpy"
        self._loading = threading.Lock()
        self._loaded: c.Engine | None = None

    def predict(
        self, images: Array, progress: Callable[[int, int], None] | None = None, *, layout: str = "nhwc"
    ) -> Any:
        """Labels (n,) int64 of images (n, *shape), or of one image without its first axis.

        Of several outputs, a dict of them by name.
        """
        return self.net.labels(self.answers(images, progress, layout=layout))

    def scores(self, images: Array, progress: Callable[[int, int], None] | None = None, *, layout: str = "nhwc") -> Any:
        """The trained network's own answers (n, ...): float32 scores by its own arithmetic, its head applied.

        Of several outputs, a dict of them by name.
        """
        return self.net.real(self.answers(images, progress, layout=layout))

    def answers(
        self, images: Array, progress: Callable[[int, int], None] | None = None, *, layout: str = "nhwc"
    ) -> Array:
        """Integer answers (n, outputs) int64; RecipeError where the images do not suit the network.

        Those of several outputs stand one after the other; `net.split` tells them apart.
        """
        if self.engine == "c":
            x = self.integers(images, layout, c.input_dtype(self.net))
            return self._compile().run(x, self.threads, progress)
        x = self.integers(images, layout)
        parts = []
        for at in range(0, len(x), BATCH):
            parts.append(self.net.run(x[at : at + BATCH]))
            if progress:
                progress(min(at + BATCH, len(x)), len(x))
        return np.concatenate(parts) if parts else np.empty((0, self.net.output.size), np.int64)

    def integers(self, images: Array, layout: str = "nhwc", dtype: type[np.generic] = np.int64) -> Array:
        """The network's input integers (n, *shape) of images, or of one image without its first axis; see `inputs`."""
        x = np.asarray(images)
        one = inputs.single(x, self.net.takes, layout)
        return inputs.integers(x[None] if one else x, self.net.takes, layout, dtype=dtype)

    def profile(self, path: str | None = None) -> Profile:
        """Microseconds, products a second and share of each layer on one thread of the C engine; `print` shows a table.

        `path` names plain, avx2, avx512 or neon (LookupError where absent); the best one without it.
        """
        return profile(self.net, self.folder, path)

    def _compile(self) -> c.Engine:
        """The engine, compiled by the first thread that asks; ModelError where the folder's is another network's."""
        with self._loading:
            if self._loaded is None:
                self._loaded = c.load(self.net, self.folder, flags=c.FAST)
            return self._loaded


def load(folder: str | Path, threads: int = 1) -> Predictor:
    """The network compiled in a build folder; RecipeError when there is none."""
    home = Path(folder)
    if not (home / "net.npz").is_file():
        raise RecipeError(f"{home}: is not a build (no net.npz); make one: hwflow compile MODEL -o {home}")
    return Predictor(Net.load(home / "net.npz"), home / "c", threads)
