"""What the JSON files of a build must hold, so that a damaged one is one clear line.

Stands on nothing. A spec is a type, a tuple of specs (one must fit), a list of one spec (a list of such), a dict of
specs by key (a key ending in ? may be absent, others are allowed), or {str: spec} (any keys, such values).
"""

from __future__ import annotations

from typing import Any

DEEPEST = 32


class SchemaError(ValueError):
    """Where a value differs from its spec, and what must stand there."""


NUMBER = (int, float)
MAYBE_NUMBER = (int, float, None)
NUMBERS = {str: NUMBER}

BUILD = {
    "format": int, "build": str, "hwflow": str, "name": str, "model": str, "source": str, "model_sha256?": (str, None),
    "net": str, "dataflow": str, "input": (str, None), "board": (str, None), "clock_mhz": NUMBER,
    "fps": MAYBE_NUMBER, "fit": bool, "max_util": NUMBER, "latency_us?": MAYBE_NUMBER, "answer?": str, "reload?": bool, "stream?": [str],
}  # fmt: skip

VERIFY = {
    "build": str,
    "rungs": [{
        "a": str, "b": str, "images": int, "elements": int, "differing": int, "rounded": int, "first": str,
        "outputs?": {str: int},
    }],
    "skipped": {str: str},
    "measured": {str: (int, float, str, None, {str: (int, float)})},
    "accuracy": MAYBE_NUMBER,
}  # fmt: skip

SYNTH = {
    "build": str, "family": str, "lut": NUMBER, "ff": NUMBER, "bram": NUMBER, "dsp": NUMBER,
    "units": {str: NUMBERS}, "fmax_mhz?": MAYBE_NUMBER,
}  # fmt: skip

METRICS = {
    "accuracy": MAYBE_NUMBER,
    "epochs": int,
    "history": [{"epoch": int}],
    "data?": str,
    "source?": str,
    "sha256?": {str: str},
}

MEASURED = {"build": str, "fps?": NUMBER, "mhz?": NUMBER, "watts?": NUMBER, "latency_us?": NUMBER, "note?": str}

# by the end of a file's path
LATER = {"runs/verify.json": VERIFY, "synth/*.json": SYNTH, "metrics.json": METRICS, "measured.json": MEASURED}


def check(value: Any, spec: Any, where: str = "", depth: int = 0) -> None:
    """SchemaError with the place, what stands there and what must, unless `value` fits `spec`."""
    if depth > DEEPEST:
        raise SchemaError(f"{where or 'the file'} is nested too deeply")
    if isinstance(spec, tuple):
        if not any(_fits(value, one, where, depth) for one in spec):
            raise SchemaError(f"{where or 'the file'} is {_short(value)}, must be {_word(spec)}")
    elif isinstance(spec, list):
        if not isinstance(value, list):
            raise SchemaError(f"{where or 'the file'} is {_short(value)}, must be a list")
        for i, one in enumerate(value):
            check(one, spec[0], f"{where}[{i}]", depth + 1)
    elif isinstance(spec, dict):
        _check_object(value, spec, where, depth)
    elif not _is(value, spec):
        raise SchemaError(f"{where or 'the file'} is {_short(value)}, must be {_word(spec)}")


def _check_object(value: Any, spec: dict[Any, Any], where: str, depth: int) -> None:
    if not isinstance(value, dict):
        raise SchemaError(f"{where or 'the file'} is {_short(value)}, must be an object")
    if str in spec:
        for key, one in value.items():
            check(one, spec[str], f"{where}.{key}" if where else key, depth + 1)
        return
    for key, one in spec.items():
        name = key.removesuffix("?")
        if name in value:
            check(value[name], one, f"{where}.{name}" if where else name, depth + 1)
        elif not key.endswith("?"):
            raise SchemaError(f"{where + ' ' if where else ''}has no {name}")


def _fits(value: Any, spec: Any, where: str, depth: int) -> bool:
    try:
        check(value, spec, where, depth)
    except SchemaError:
        return False
    return True


def _is(value: Any, kind: type | None) -> bool:
    """True for a value of a JSON type; a flag is no number, and numbers are finite."""
    if kind is None:
        return value is None
    if kind in (int, float):
        right = isinstance(value, int | float) if kind is float else isinstance(value, int)
        return right and not isinstance(value, bool) and value == value and abs(value) < 1e300
    return isinstance(value, kind)


def _word(spec: Any) -> str:
    if isinstance(spec, tuple):
        return " or ".join(dict.fromkeys(_word(one) for one in spec))
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", None: "null"}
    return "an object" if isinstance(spec, dict) else "a list" if isinstance(spec, list) else names[spec]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 40 else f"{text[:36]}..."
