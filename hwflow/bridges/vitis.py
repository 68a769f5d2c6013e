"""What Vitis HLS reports after synthesis, as plain numbers for report.json.

Stands on errors. Reads csynth.xml, whose names are the same from Vivado HLS 2019 to Vitis HLS 2025.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from hwflow.errors import ToolError

REPORT = Path("hwflow_hls/solution1/syn/report")  # where run_hls.tcl leaves it, inside the hls folder
RESOURCES = {"LUT": "lut", "FF": "ff", "BRAM_18K": "bram18", "DSP": "dsp", "DSP48E": "dsp", "URAM": "uram"}


def csynth(folder: Path) -> dict[str, Any] | None:
    """The report of an hls folder that run_hls.tcl has been run in; None where it has not."""
    path = folder / REPORT / "csynth.xml"
    return read_csynth(path) if path.is_file() else None


def read_csynth(path: Path) -> dict[str, Any]:
    """Clock (ns), latency and interval (cycles), resources used and available, and the same for every module.

    Cycles are None where Vitis could not bound them ("undef").
    """
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as e:
        raise ToolError(f"{path}: is not a csynth report ({e}); run csynth again") from e
    if root.find("PerformanceEstimates") is None or root.find("AreaEstimates") is None:
        raise ToolError(f"{path}: is not a csynth report (no estimates in it); run csynth again")
    out: dict[str, Any] = {
        "tool": f"Vitis HLS {_text(root, 'ReportVersion/Version')}",
        "part": _text(root, "UserAssignments/Part"),
        "clock_target_ns": _number(root, "UserAssignments/TargetClockPeriod"),
        **_estimates(root),
        "available": _resources(root, "AreaEstimates/AvailableResources"),
        "modules": {},
    }
    for module in root.iterfind("ModuleInformation/Module"):
        out["modules"][_text(module, "Name")] = _estimates(module)
    return out


def _estimates(node: ET.Element) -> dict[str, Any]:
    overall = "PerformanceEstimates/SummaryOfOverallLatency"
    return {
        "clock_ns": _number(node, "PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"),
        "latency_cycles": _number(node, f"{overall}/Worst-caseLatency"),
        "interval_cycles": _number(node, f"{overall}/Interval-max", f"{overall}/PipelineInitiationInterval"),
        "resources": _resources(node, "AreaEstimates/Resources"),
    }


def _resources(node: ET.Element, where: str) -> dict[str, float]:
    found = node.find(where)
    return {} if found is None else {RESOURCES[r.tag]: float(r.text or 0) for r in found if r.tag in RESOURCES}


def _text(node: ET.Element, where: str) -> str:
    return (node.findtext(where) or "").strip()


def _number(node: ET.Element, *where: str) -> float | None:
    """The first of several places that holds a number."""
    for place in where:
        try:
            return float(_text(node, place))
        except ValueError:
            continue
    return None
