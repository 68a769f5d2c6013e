"""What is installed, what each missing tool would add, and how to get it.

Stands on tools; looks, never installs.
"""

from __future__ import annotations

import importlib.util
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from hwflow import tools

PACKAGES = (
    ("torch", "torch", "training", "pip install 'hwflow[train]'"),
    ("brevitas", "brevitas", "training and export", "pip install 'hwflow[train]'"),
    ("scikit-learn", "sklearn", "the bundled digits", "pip install 'hwflow[train]'"),
    ("qonnx", "qonnx", "reading and the reference execution", "pip install qonnx"),
    ("onnxruntime", "onnxruntime", "the reference execution", "pip install onnxruntime"),
    ("hls4ml", "hls4ml", "bridge --to hls4ml, ap_types tests", "pip install 'hwflow[hls4ml]'"),
    ("qkeras", "qkeras", "checking QKeras models against their own predict", "pip install 'hwflow[qkeras]'"),
    ("pyserial", "serial", "UART boards", "pip install pyserial"),
)


def doctor() -> list[dict[str, Any]]:
    """One row for each program and package: name, found, state (version or path), purpose, get."""
    rows = []
    for tool in tools.TOOLS.values():
        path = tools.find(tool.name)
        rows.append(
            {
                "name": tool.name,
                "found": path is not None,
                "state": str(path or ""),
                "purpose": tool.purpose,
                "get": tool.package,
            }
        )
    for package, module, purpose, get in PACKAGES:
        found = importlib.util.find_spec(module) is not None
        rows.append(
            {
                "name": package,
                "found": found,
                "state": _version(package) if found else "",
                "purpose": purpose,
                "get": get,
            }
        )
    return rows


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "present"
