"""Why a design is as it is: what holds it up, what the next step costs, what is left.

Stands on plan's search and board.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hwflow.board import DEFAULT_FAMILY, Board, clock_for
from hwflow.lower.folding import folding_fields
from hwflow.lower.join import unjoin
from hwflow.plan.clock import estimate_clock
from hwflow.plan.events import simulate
from hwflow.plan.power import estimate_power
from hwflow.plan.search import RESOURCES, Search, as_vector, weigh_resources
from hwflow.plan.streaming import bandwidth, describe_bandwidth
from hwflow.units.kit.base import Cost, Dataflow
from hwflow.units.kit.costs import doubt


def explain(
    dataflow: Dataflow,
    board: Board | None = None,
    clock_mhz: float | None = None,
    family: str = DEFAULT_FAMILY,
    toggles: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """bottleneck, doubling, limit, unused, latency, fmax, power and streamed weights of a design, with `text` that says it in lines.

    `doubling` is the cheapest design of twice the rate (or the fastest there is): its cycles and what it adds.
    `toggles`: bits that change an image on each stream in the RTL simulation, where it ran.
    """
    family = board.family if board else family
    clock = clock_mhz or clock_for(board)
    used = as_vector(dataflow.cost(family))
    slow, cycles = dataflow.bottleneck, dataflow.cycles
    trace = simulate(dataflow, 1)
    out: dict[str, Any] = {
        "cycles": cycles,
        "fps": clock * 1e6 / cycles,
        "latency_us": trace.latency / clock if trace else None,
        "bottleneck": {
            "unit": slow.name,
            "module": slow.module,
            "cycles": slow.cycles,
            "folding": {c: value for c in folding_fields(slow) if (value := getattr(slow, c))},
        },
        "doubling": _price_doubling(dataflow, cycles, board, family),
        "fmax": estimate_clock(dataflow, family, board),
        "power": estimate_power(dataflow, family, clock, toggles),
        "streamed": bandwidth(dataflow, clock, board),
    }
    if board:
        percent = board.percent(dict(zip(RESOURCES, used.tolist(), strict=True)))
        most = max(percent, key=lambda r: percent[r])
        out |= {
            "percent": percent,
            "limit": most,
            "unused": {r: round(100 - p, 1) for r, p in percent.items() if r != most},
        }
    out["doubt"] = doubt(dataflow.cost(family), family)
    out["text"] = _write_text(out, board, clock)
    return out


def _price_doubling(dataflow: Dataflow, cycles: int, board: Board | None, family: str) -> dict[str, Any] | None:
    """The cheapest design of twice the rate, or of the highest rate there is, fifos not counted; None when this is it."""
    search = Search.of(unjoin(dataflow), family, {n: {"style": "stream"} for n in dataflow.feeds})
    target = max(cycles // 2, search.fastest)
    if target >= cycles:
        return None
    _, total = search.solve(target, weigh_resources(board, family))
    used = as_vector(sum((u.cost(family) for u in dataflow.units if not u.capacity), Cost()))
    limit = np.array([board.totals[r] for r in RESOURCES]) if board else np.full(4, np.inf)
    return {
        "cycles": target,
        "adds": {r: round(float(a), 1) for r, a in zip(RESOURCES, total - used, strict=True)},
        "fits": bool((total <= limit).all()),
    }


def _write_text(found: dict[str, Any], board: Board | None, clock: float) -> str:
    slow, double = found["bottleneck"], found["doubling"]
    folding = ", ".join(f"{k} {v}" for k, v in slow["folding"].items())
    pace = (
        "and sets the pace"
        if slow["cycles"] == found["cycles"]
        else f"and units wait for each other up to {found['cycles']}"
    )
    lines = [
        f"{slow['unit']} ({slow['module']}{', ' + folding if folding else ''}) takes {slow['cycles']} cycles an image {pace}: "
        f"{found['fps']:.0f} images/s at {clock:g} MHz."
    ]
    if found["latency_us"] is not None:
        lines.append(f"The first answer comes after {found['latency_us']:.2f} us.")
    if double:
        adds = ", ".join(f"{v:+.0f} {k}" for k, v in double["adds"].items() if abs(v) >= 0.5)
        fits = "" if board is None else "; it would fit" if double["fits"] else "; it would not fit"
        lines.append(f"{double['cycles']} cycles would take {adds or 'nothing'} more{fits}.")
    else:
        lines.append("No folding is faster.")
    quick, drawn = found["fmax"], found["power"]
    off = quick["error_percent"]
    sure = f"{off['median']:g} % off in the median, {off['p95']:g} % at the 95th percentile" if off else "not measured"
    lines.append(f"Estimated to close at {quick['mhz']:.0f} MHz ({sure}; {quick['source']}).")
    lines.append(
        f"Estimated to draw {drawn['mw']:.3g} mW in the core, {drawn['uj_per_image']:.3g} uJ an image ({drawn['activity_from']}; {drawn['source']})."
    )
    if found["streamed"]:
        lines.append(describe_bandwidth(found["streamed"], board))
    if found["doubt"]:
        lines.append(f"{found['doubt'][0].upper()}{found['doubt'][1:]}.")
    if board:
        rest = ", ".join(f"{p:.0f} % of {r}" for r, p in found["unused"].items())
        lines.append(
            f"{found['limit']} limits: {found['percent'][found['limit']]:.0f} % of {board.title} is used; unused are {rest}."
        )
    return "\n".join(lines)
