"""The upsample unit: every pixel repeated in both directions.

Stands on units.kit.base. hls/units/upsample.sv and hls/units/upsample.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.ops import Port
from hwflow.units.kit.base import Stream, Unit, divide, divisors
from hwflow.units.kit.costs import Params, Shape, counter
from hwflow.units.kit.stores import Store


@dataclass(frozen=True, eq=False, kw_only=True)
class UpsampleUnit(Unit):
    """y[p, q, c] = x[p // factor[0], q // factor[1], c]. A ring holds the row that is being repeated."""

    module: ClassVar[str] = "upsample"
    x: Port  # (H, W, C)
    factor: tuple[int, int]
    pe: int = 1

    def __post_init__(self) -> None:
        assert len(self.x.shape) == 3 and min(self.factor) >= 1, f"{self.name}: repeats {self.x} {self.factor} times"
        divide(self.name, "pe", self.pe, self.x.channels)

    @property
    def blocks(self) -> int:
        return self.x.channels // self.pe

    @property
    def depth(self) -> int:
        """Words of the ring: a row where rows repeat, else a pixel, and one more pixel that comes meanwhile."""
        return self.blocks * ((self.x.shape[1] if self.factor[0] > 1 else 1) + 1)

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self.pe),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        h, w, c = self.x.shape
        return (Stream(Port((h * self.factor[0], w * self.factor[1], c), self.x.ints), self.pe),)

    @property
    def cycles(self) -> int:
        return self.outs[0].words

    @property
    def latency(self) -> int:
        return self.blocks + 1

    def foldings(self) -> Iterator[dict[str, int]]:
        yield from ({"pe": pe} for pe in divisors(self.x.channels))

    def params(self) -> dict[str, int | str]:
        return {
            "Width": self.x.shape[1], "Channels": self.x.channels, "Pe": self.pe, "Bits": self.x.ints.bits,
            "FactorH": self.factor[0], "FactorW": self.factor[1], "Depth": self.depth,
        }  # fmt: skip

    @staticmethod
    def shape(p: Params) -> Shape:
        """Counters of places and the memory of a row."""
        blocks, bits = p["Channels"] // p["Pe"], p["Pe"] * p["Bits"]
        counters = counter(p["FactorH"], p["FactorW"], blocks, p["Width"])
        return Shape(
            {"one": 1, "address": counter(p["Depth"]), "counters": counters, "out": bits},
            (Store(bits, p["Depth"], rom=False),),
        )

    def run(self, *xs: Array) -> tuple[Array, ...]:
        x = xs[0].reshape(len(xs[0]), *self.x.shape)
        return (x.repeat(self.factor[0], 1).repeat(self.factor[1], 2),)


def samples() -> tuple[Unit, ...]:
    """Small instances: rows, columns, both, neither."""

    def make(name: str, shape: tuple[int, int, int], ints: Ints, factor: tuple[int, int], pe: int) -> Unit:
        return UpsampleUnit(name=f"upsample_{name}", inputs=("input",), x=Port(shape, ints), factor=factor, pe=pe)

    return (
        make("both", (3, 4, 6), BIPOLAR, (2, 2), 3), make("rows", (2, 5, 3), Ints(-8, 7), (3, 1), 1),
        make("columns", (2, 3, 4), Ints(0, 255), (1, 3), 4), make("neither", (1, 1, 1), BIPOLAR, (1, 1), 1),
    )  # fmt: skip
