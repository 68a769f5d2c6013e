"""Names that users choose, as they may stand in generated text.

Stands on nothing.
"""

from __future__ import annotations

import re


def instance(unit: str) -> str:
    """The instance of a unit in SystemVerilog: with a prefix it is no keyword, and no signal or port has its name."""
    return f"u_{unit}"


def signal(edge: str, port: int = 0) -> str:
    """The stream of a unit's port in SystemVerilog and C++: `s_conv1_y0`. Distinct edges stay distinct.

    An edge may be written `unit:port`.
    """
    name, _, given = edge.partition(":")
    return f"s_{re.sub(r'[^A-Za-z0-9_]', '_', name)}_y{given or port}"


def memory(file: str) -> str:
    """The C++ array of a memory file."""
    return "m_" + re.sub(r"[^A-Za-z0-9_]", "_", file)


def plain(name: str) -> str:
    """A name with letters, digits, blanks and `_ . + -` only: it ends no comment, string or brace of any language."""
    return re.sub(r"[^A-Za-z0-9 _.+-]", "_", name)
