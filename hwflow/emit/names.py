"""Names that users choose, as they may stand in generated text.

Stands on nothing.
"""

from __future__ import annotations

import re


def plain(name: str) -> str:
    """A name with letters, digits, blanks and `_ . + -` only: it ends no comment, string or brace of any language."""
    return re.sub(r"[^A-Za-z0-9 _.+-]", "_", name)
