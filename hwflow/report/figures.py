"""The six large figures at the head of a report, each with its unit and its kind.

Stands on the facts alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One large number: what it is, its value with unit, its kind, and a line that explains it."""

    what: str
    value: str
    unit: str
    kind: str
    note: str = ""


def headline(facts: dict[str, Any]) -> list[Figure]:
    """Accuracy, rate, latency, area, clock and power of a build."""
    rate, latency, used, fmax, power = (facts[k] for k in ("throughput", "latency", "resources", "fmax", "power"))
    area = used["synth"] or used["estimate"]
    share = f"{used['percent']['lut']:.0f} % of {facts['board']}" if used["percent"] else facts["family"]
    accuracy = facts["metrics"].get("accuracy")
    return [
        Figure("accuracy", f"{100 * accuracy:.2f}", "%", "integers", "held-out images, the hardware's own arithmetic")
        if accuracy is not None
        else Figure("accuracy", "–", "", "not measured", "hwflow verify DIR --inputs X.npy --labels y.npy"),
        Figure("rate", quantity(rate["fps"]), "images/s", rate["kind"], f"{rate['cycles_per_image']:,} cycles an image at {rate['clock_mhz']:g} MHz"),
        Figure("latency", "–", "", "not known")
        if latency["us"] is None
        else Figure("latency", f"{latency['us']:.3g}", "µs", latency["kind"], f"{latency['cycles']:,} cycles, first word in to last word out"),
        Figure("area", f"{area['lut']:,.0f}", "LUT", used["kind"], f"{area['ff']:,.0f} FF, {area['bram']:g} BRAM, {area['dsp']:g} DSP; {share}"),
        Figure("clock", f"{fmax['mhz']:.0f}", "MHz", fmax["kind"], fmax["source"]),
        Figure("power", f"{power['mw']:.3g}", "mW", "estimated", f"dynamic power of the core, {power['uj_per_image']:.3g} µJ an image; {power['activity_from']}"),
    ]  # fmt: skip


def quantity(value: float) -> str:
    """A number of three significant digits with k or M, as people say rates."""
    for factor, letter in ((1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {letter}"
    return f"{value:.3g}"
