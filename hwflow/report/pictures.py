"""The pictures of a report as inline SVG: cycles and LUTs of each unit, estimated beside measured.

Stands on matplotlib.
"""

from __future__ import annotations

import io
from typing import Any


def pictures(facts: dict[str, Any]) -> dict[str, str]:
    """SVG text by picture name."""
    units = [u for u in facts["units"] if u["kind"] not in ("fifo", "width", "recode")]
    names = [u["name"] for u in units]
    luts = [[u["estimate"]["lut"] for u in units], [(u["synth"] or {}).get("lut", 0) for u in units]]
    return {
        "cycles": _bars("cycles per image", names, {"claimed": [u["cycles"] for u in units]}),
        "luts": _bars("LUTs", names, {"estimated": luts[0]} | ({"synthesised": luts[1]} if any(luts[1]) else {})),
    }


def _bars(title: str, names: list[str], series: dict[str, list[float]]) -> str:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 0.9 + 0.3 * len(names) * len(series)))
    high = 0.8 / len(series)
    for i, (label, values) in enumerate(series.items()):
        axes.barh([k + i * high for k in range(len(names))], values, high, label=label)
    axes.set_yticks([k + (len(series) - 1) * high / 2 for k in range(len(names))], names)
    axes.invert_yaxis()
    axes.set_xlabel(title)
    if len(series) > 1:
        axes.legend()
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight")
    plt.close(figure)
    return text.getvalue()[text.getvalue().index("<svg") :]
