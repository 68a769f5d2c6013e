"""What a fuzz run found as rows of tables, for the screen and for docs/pages/results.

Stands on nothing.
"""

from __future__ import annotations

from typing import Any

LINES = {
    "files": "files",
    "seconds": "seconds",
    "accepted": "accepted",
    "accepted_percent": "accepted, %",
    "accepted_without_rounding_sums": "accepted, no float32 sum in them can round",
    "float32_orders": "accepted, a float32 sum in another order differs, shown node by node",
    "refused": "refused with node, reason and remedy",
    "not_executable": "files that their own tools do not execute",
    "differences": "differences",
    "tracebacks": "tracebacks",
    "hangs": "hangs over 10 s of processor time",
    "engine_differences": "differences in C, HLS C++ or RTL",
}


def summary(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The counts of a run, a line each."""
    out = [{"what": text, "number": facts[key]} for key, text in LINES.items()]
    for engine, text in (("C", "the C engine"), ("HLS", "HLS C++"), ("RTL", "RTL with stalls")):
        out.append({"what": f"networks through {text}", "number": facts["through"][engine]})
    out.append(
        {"what": "operators accepted at least 200 times", "number": len(facts["operators"]) - len(facts["seldom"])}
    )
    out.append({"what": "operators accepted more seldom", "number": len(facts["seldom"])})
    return out


def by_operator(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """How many accepted files have each operator, the fewest first."""
    return [{"operator": name, "accepted files": count} for name, count in facts["operators"].items()]
