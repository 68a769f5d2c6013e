"""The pad unit: zeros around an image and beside its channels.

Stands on units.kit.base. hls/units/pad.sv and hls/units/pad.hpp are the same unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import ClassVar

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.ops import Pads, Port
from hwflow.units.kit.base import Stream, Unit, divide, divisors
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.rhythm import EventGraph, Rhythm, Steps, add_wires, arange


@dataclass(frozen=True, eq=False, kw_only=True)
class PadUnit(Unit):
    """y = x with zeros around the image (top, left, bottom, right) and before and after its channels."""

    module: ClassVar[str] = "pad"
    x: Port  # (H, W, C)
    pads: Pads = (0, 0, 0, 0)
    channels: tuple[int, int] = (0, 0)
    pe: int = 1  # divides the channels and the zeros before and after them

    def __post_init__(self) -> None:
        assert len(self.x.shape) == 3, f"{self.name}: pads images, not {self.x}"
        for n in (self.x.channels, *self.channels):
            divide(self.name, "pe", self.pe, n)

    @property
    def _y(self) -> Port:
        (h, w, c), (t, left, b, r) = self.x.shape, self.pads
        return Port((h + t + b, w + left + r, c + sum(self.channels)), self.x.ints.join(Ints(0, 0)))

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream(self.x, self.pe),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream(self._y, self.pe),)

    @property
    def cycles(self) -> int:
        return self.outs[0].words

    @property
    def latency(self) -> int:
        return 0

    def rhythm(self, g: EventGraph) -> Rhythm:
        """Words pass without a register; zeros are put between them."""
        n = self.outs[0].words
        offered, gone, backpressure = add_wires(g, n, 1)
        (h, w, c), (t, left, _, _), before = self.x.shape, self.pads, self.channels[0]
        at = np.arange(n).reshape(self.outs[0].port.shape[0], self.outs[0].port.shape[1], -1)
        on = at[t : t + h, left : left + w, before // self.pe : (before + c) // self.pe].ravel()
        asks = on.copy()
        asks[0] = 0  # the zeros before an image wait for its first word
        return Rhythm((Steps(gone, on),), (Steps(offered, arange(n)),), backpressure, (Steps(offered, asks),))

    def foldings(self) -> Iterator[dict[str, int]]:
        yield from ({"pe": pe} for pe in divisors(gcd(self.x.channels, *self.channels)))

    def params(self) -> dict[str, int | str]:
        (h, w, c), (t, left, b, r) = self.x.shape, self.pads
        return {
            "Height": h, "Width": w, "Channels": c, "Pe": self.pe, "PadTop": t, "PadLeft": left, "PadBottom": b, "PadRight": r,
            "Before": self.channels[0], "After": self.channels[1],
            "XBits": self.x.ints.bits, "XKind": self.x.ints.kind, "YBits": self._y.ints.bits,
        }  # fmt: skip

    @staticmethod
    def bill(p: Params) -> Bill:
        return count_hardware(p)

    def run(self, *xs: Array) -> tuple[Array, ...]:
        t, left, b, r = self.pads
        return (np.pad(xs[0].reshape(len(xs[0]), *self.x.shape), ((0, 0), (t, b), (left, r), self.channels)),)

    @classmethod
    def samples(cls) -> tuple[Unit, ...]:
        """Small instances: around, beside, both, neither."""

        def make(name: str, shape: tuple[int, int, int], ints: Ints, **more: object) -> Unit:
            return PadUnit(name=f"pad_{name}", inputs=("input",), x=Port(shape, ints), **more)  # type: ignore[arg-type]

        return (
            make("around", (3, 2, 4), BIPOLAR, pads=(1, 0, 2, 1), pe=2),
            make("beside", (2, 3, 6), Ints(-128, 127), channels=(3, 3), pe=3),
            make("both", (2, 2, 2), Ints(1, 9), pads=(0, 2, 0, 0), channels=(0, 4), pe=1),
            make("neither", (2, 2, 3), Ints(0, 255), pe=3),
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/pad.sv is made."""
    tall, across = p["Height"] + p["PadTop"] + p["PadBottom"], p["Width"] + p["PadLeft"] + p["PadRight"]
    blocks = (p["Channels"] + p["Before"] + p["After"]) / p["Pe"]
    return Bill(
        {
            "one": 1,  # the flags started_q, on_b_q, on_p_q, on_q_q
            "counters": counter(tall, across, blocks),  # p_q, q_q, b_q and the comparisons of `passes`
            "out": p["Pe"] * p["YBits"],  # y_data_o: the element or zero
        }
    )
