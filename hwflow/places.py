"""Where things lie: the hardware room, the C engine, the models, the cache and what was measured before.

Stands on nothing. In a wheel `hls` and `models` are inside the package; in a checkout they are beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent


def _room(name: str) -> Path:
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


HLS = _room("hls")
ENGINE = _PACKAGE / "engine"  # the C sources that emit/c copies
MODELS = _room("models")


def hardware(name: str) -> Path:
    """The file of the hardware room with this name; a name occurs once in all its folders."""
    return hardware_files()[name]


@lru_cache(maxsize=1)
def hardware_files() -> dict[str, Path]:
    """Every source of the hardware room by its name: units/, parts/, board/, sim/ and vendor/ together."""
    return {file.name: file for file in sorted(HLS.glob("*/*")) if file.is_file()}


def cache() -> Path:
    """The folder of compiled simulators and downloaded data: HWFLOW_CACHE, else the user's cache folder."""
    home = os.environ.get("HWFLOW_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hwflow"
    path = Path(home)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        reason = f"{e.strerror}, and HWFLOW_CACHE may name another folder for what is compiled"
        raise OSError(e.errno, reason, str(path)) from e
    return path


def contents(folder: Path) -> list[bytes]:
    """Names and bytes of a folder's files, as a part of a key for `measure_once`."""
    return [part for file in sorted(folder.iterdir()) for part in (file.name.encode(), file.read_bytes())]


def recall(key: Sequence[str | bytes]) -> dict[str, Any] | None:
    """What `measure_once` holds under a key; None where it was not measured yet, or the file is damaged."""
    try:
        found = json.loads(_file(key).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def measure_once(key: Sequence[str | bytes], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `measure` gives, which stays in the cache under a key, so that a long measurement goes on where it was cut off."""
    if (found := recall(key)) is not None:
        return found
    file, measured = _file(key), json.dumps(measure())
    file.parent.mkdir(exist_ok=True)
    part_file = file.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}")
    part_file.write_text(measured)
    part_file.replace(file)
    found = json.loads(measured)
    assert isinstance(found, dict)
    return found


def _file(key: Sequence[str | bytes]) -> Path:
    state = hashlib.sha256()
    for part in key:
        state.update((part.encode() if isinstance(part, str) else part) + b"\0")
    return cache() / "bench" / f"{state.hexdigest()[:24]}.json"
