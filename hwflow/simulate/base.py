"""What one run of one engine gives back.

Stands on numpy alone. Every engine (numpy, c, hls, rtl) answers with a `Run`, so they can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hwflow.bits import Array


@dataclass(frozen=True, eq=False)
class Run:
    """Answers (n, outputs) int64 of one engine, with what it measured on the way."""

    engine: str
    outputs: Array
    seconds: float
    cycles_per_image: int | None = None  # steady state, between the last words of successive images
    latency: int | None = None  # cycles from the first input word to the last output word of the first image
    cycles: int | None = None  # whole run; the sum of all where processes simulate shares of the images
    occupancy: dict[str, int] = field(default_factory=dict)  # most words each fifo ever held
    toggles: dict[str, float] = field(default_factory=dict)  # bits that change an image on each stream, by edge name
    log: dict[str, object] = field(default_factory=dict)
