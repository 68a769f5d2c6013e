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
from hwflow.units.kit.base import Unit
from hwflow.units.kit.costs import Bill, Params, counter
from hwflow.units.kit.rhythm import EventGraph, Rhythm, Steps, add_wires, arange
from hwflow.units.kit.streams import Stream, divide, divisors, several


@dataclass(frozen=True, eq=False, kw_only=True)
class PadUnit(Unit):
    """y = x with zeros around the image (top, left, bottom, right) and before and after its channels.

    A word of y holds `pe` channels of a pixel, which divide the channels and the zeros before and after them, or all the
    channels of one or several pixels. Several only where no columns are padded.
    """

    module: ClassVar[str] = "pad"
    ready_through: ClassVar[bool] = True
    valid_through: ClassVar[bool] = True
    x: Port  # (H, W, C)
    pads: Pads = (0, 0, 0, 0)
    channels: tuple[int, int] = (0, 0)
    pe: int = 1

    def __post_init__(self) -> None:
        assert len(self.x.shape) == 3, f"{self.name}: pads images, not {self.x}"
        if self.pe // self._total not in self._whole or self.pe % self._total:
            for n in (self.x.channels, *self.channels):
                divide(self.name, "pe", self.pe, n)

    @property
    def _total(self) -> int:
        """Channels of a pixel of y."""
        return self.x.channels + sum(self.channels)

    @property
    def _whole(self) -> tuple[int, ...]:
        """How many whole pixels a word may hold."""
        return (1,) if self.pads[1] or self.pads[3] else (1, *several(self.x))

    @property
    def pixels(self) -> int:
        """Whole pixels of a word; 0 where words are parts of one."""
        return self.pe // self._total

    @property
    def hurries(self) -> bool:
        return self.pe > self._total or (self.pe == self._total and any(self.channels))

    @property
    def _y(self) -> Port:
        (h, w, c), (t, left, b, r) = self.x.shape, self.pads
        return Port((h + t + b, w + left + r, c + sum(self.channels)), self.x.ints.join(Ints(0, 0)))

    @property
    def ins(self) -> tuple[Stream, ...]:
        return (Stream.of(self.x, self.pixels * self.x.channels or self.pe),)

    @property
    def outs(self) -> tuple[Stream, ...]:
        return (Stream(self._y, self.pe, self.ins[0].by_row),)

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
        w = -(-w // max(self.pixels, 1))
        at = np.arange(n).reshape(self.outs[0].port.shape[0], w + left + self.pads[3], -1)
        blocks = slice(None) if self.pixels else slice(before // self.pe, (before + c) // self.pe)
        on = at[t : t + h, left : left + w, blocks].ravel()
        asks = on.copy()
        asks[0] = 0  # the zeros before an image wait for its first word
        return Rhythm((Steps(gone, on),), (Steps(offered, arange(n)),), backpressure, (Steps(offered, asks),))

    def foldings(self) -> Iterator[dict[str, int]]:
        parts = gcd(self.x.channels, *self.channels)
        yield from ({"pe": pe} for pe in divisors(parts))
        yield from ({"pe": n * self._total} for n in self._whole if n * self._total > parts)

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
            make("whole", (2, 3, 2), Ints(-8, 7), pads=(1, 0, 2, 1), channels=(1, 2), pe=5),
            make("two", (3, 4, 4), Ints(-128, 127), channels=(2, 2), pe=16),
            make("four", (2, 6, 2), BIPOLAR, pads=(0, 0, 1, 0), channels=(0, 1), pe=12),
        )


def count_hardware(p: Params) -> Bill:
    """As hls/units/pad.sv is made."""
    total = p["Channels"] + p["Before"] + p["After"]
    tall, wide = p["Height"] + p["PadTop"] + p["PadBottom"], -(-p["Width"] // max(p["Pe"] // total, 1))
    across, blocks = wide + p["PadLeft"] + p["PadRight"], max(total / p["Pe"], 1)
    return Bill(
        {
            "one": 1,  # the flags started_q, on_b_q, on_p_q, on_q_q
            "counters": counter(tall, across, blocks),  # p_q, q_q, b_q and the comparisons of `passes`
            "out": p["Pe"] * p["YBits"],  # y_data_o: the element or zero
        }
    )
