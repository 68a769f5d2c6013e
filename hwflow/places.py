"""Where things lie: the hardware room, the models, the cache.

Stands on nothing. In a wheel `hls` and `models` are inside the package; in a checkout they are beside it.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _room(name: str) -> Path:
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


HLS = _room("hls")
MODELS = _room("models")


def cache() -> Path:
    """The folder of compiled simulators and downloaded data: HWFLOW_CACHE, else the user's cache folder."""
    home = os.environ.get("HWFLOW_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hwflow"
    path = Path(home)
    path.mkdir(parents=True, exist_ok=True)
    return path
