"""Matrix-vector-threshold units side by side: several vectors a cycle, where one is not enough.

Stands on units.mvu. hls/units/mvus.sv and hls/units/mvus.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.errors import RecipeError
from hwflow.ops import Port
from hwflow.units.kit.base import FinnLayer, Memory, Unit
from hwflow.units.kit.costs import Bill, Params
from hwflow.units.kit.matrix import Matrix
from hwflow.units.kit.weighted import TERNARY
from hwflow.units.mvu import Mvu


@dataclass(frozen=True, eq=False, kw_only=True)
class Mvus(Matrix):
    """An mvu for each of simd / cols = pe / rows neighbouring vectors of x; all have the same weights, as wires."""

    module: ClassVar[str] = "mvus"
    several: ClassVar[bool] = True

    def divided(self) -> None:
        if not self.beside(self.pe, self.simd):
            raise RecipeError(f"{self.name}: pe and simd must be several times {self.rows} and {self.cols}")
        if self.style == "const":
            raise RecipeError(f"{self.name}: constant weights need pe={self.rows} and simd={self.cols}")
        if self.style == "stream":
            raise RecipeError(f"{self.name}: streamed weights need one pixel a cycle: pe divides {self.rows}")

    @property
    def pixels(self) -> int:
        """Vectors of a word."""
        return self.simd // self.cols

    @property
    def one(self) -> Mvu:
        """One of the units, on its vector."""
        same = {f.name: getattr(self, f.name) for f in fields(self)}
        return Mvu(**{**same, "x": Port((self.cols,), self.x.ints), "pe": self.rows, "simd": self.cols})

    @property
    def groups(self) -> int:
        return 1

    @property
    def passes(self) -> int:
        return 1

    @property
    def vectors(self) -> int:
        """Words of vectors."""
        return self.ins[0].words

    @property
    def stages(self) -> int:
        return self.one.stages

    def params(self) -> dict[str, int | str]:
        alone = {name: value for name, value in self.one.params().items() if name not in ("Simd", "Pe")}
        return {"Pixels": self.pixels, **alone}

    def memories(self) -> dict[str, Memory]:
        return self.one.memories()

    def structure(self) -> tuple[str, dict[str, int | str]]:
        """The parameters of an mvu, as wide as all together: costs go by its coefficients."""
        return "mvu", {**self.one.params(), "Simd": self.simd, "Pe": self.pe}

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    @staticmethod
    def critical_path(p: Params) -> Mapping[str, float]:
        return Mvu.critical_path(p)

    @property
    def instances(self) -> tuple[Unit, ...]:
        return (self.one,) * self.pixels

    def finn_layers(self) -> list[FinnLayer]:
        """FINN has no units side by side: one takes a vector a cycle."""
        return [("MVAU", "hls", {"PE": self.rows, "SIMD": self.cols})]

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: bits, masked bits, pixels."""
        rng = np.random.default_rng(19)

        def make(name: str, shape: tuple[int, ...], ints: Ints, weights: Array, n: int, **more: object) -> Unit:
            rows, cols = weights.shape
            unit = Mvu(name=f"mvus_{name}", inputs=("input",), x=Port(shape, ints), weights=weights, **more)  # type: ignore[arg-type]
            return unit.folded(pe=n * rows, simd=n * cols)

        def low(rows: int, most: int, levels: int = 1) -> Array:
            return np.sort(rng.integers(-most, most + 1, (rows, levels)), 1)

        return (
            make("bits", (3, 4, 9), BIPOLAR, rng.choice((-1, 1), (5, 9)), 2, thresholds=low(5, 4), bipolar=True),
            make("masked", (2, 2, 18), TERNARY, rng.choice((-1, 1), (3, 18)), 4, thresholds=low(3, 5), bipolar=True),
            make("ragged", (2, 7, 9), BIPOLAR, rng.choice((-1, 1), (5, 9)), 4, thresholds=low(5, 4), bipolar=True),
            make("raw", (4, 7), BIPOLAR, rng.choice((-1, 1), (2, 7)), 2),
            make("pixels", (1, 6, 5), Ints(0, 255), rng.integers(-3, 4, (4, 5)), 2, thresholds=low(4, 900, 3), base=-1),
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/mvus.sv is made: one mvu for each vector of a word."""
    n = p["Simd"] // p["Cols"]
    one = Mvu.bill({**p, "Simd": p["Cols"], "Pe": p["Rows"]})
    products = tuple((n * many, *rest) for many, *rest in one.products)
    return Bill({k: n * v for k, v in one.counts.items()}, one.stores * n, products, one.terms)  # type: ignore[arg-type]
