"""A dataflow as a file and back: dataflow.json holds every unit with all its fields, so nothing is derived twice.

Stands on units and files. Beside what `load_dataflow` needs, each unit's entry says what people and other tools ask for.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.bits import Array, Ints, ints_of
from hwflow.errors import RecipeError
from hwflow.files import brief, read_json, write_json
from hwflow.ops import Port
from hwflow.units import UNITS
from hwflow.units.kit.base import Dataflow, Unit
from hwflow.units.kit.streams import Stream

FORMAT = 1
REMEDY = "compile the model again"
MOST_ELEMENTS = 1 << 28  # of one array
CLASSES = {kind.__name__: kind for kind in UNITS}


def describe(dataflow: Dataflow) -> dict[str, Any]:
    """A dataflow as plain data for people and other tools: every unit with its folding, cycles, streams and parameters."""
    return {
        "name": dataflow.name,
        "cycles_per_image": dataflow.cycles,
        "bottleneck": dataflow.bottleneck.name,
        "units": [
            {
                "name": u.name, "module": u.module, "inputs": list(u.inputs), "cycles": u.cycles,
                "pe": getattr(u, "pe", 1), "simd": getattr(u, "simd", 1),
                "style": getattr(u, "style", ""), "mult": u.made_by,
                "in_bits": [s.bits for s in u.ins], "out_bits": [s.bits for s in u.outs],
                "shape": [list(s.port.shape) for s in u.outs], "params": u.params(),
            }
            for u in dataflow.units
        ],
    }  # fmt: skip


def save_dataflow(dataflow: Dataflow, path: Path, **more: Any) -> None:
    """Write dataflow.json: what `describe` says and, unit by unit, the fields that `load_dataflow` makes it of again."""
    out = {"format": FORMAT, **more, "input": _pack(dataflow.input), "pace": dataflow.pace, **describe(dataflow)}
    for entry, unit in zip(out["units"], dataflow.units, strict=True):
        kept = {
            f.name: _pack(getattr(unit, f.name)) for f in fields(unit) if f.init and f.name not in ("name", "inputs")
        }
        entry["unit"] = {"class": type(unit).__name__, **kept}
    write_json(path, out)


def load_dataflow(path: Path) -> Dataflow:
    """The dataflow of dataflow.json; RecipeError where the file is not a whole one."""
    kept = read_json(path, REMEDY)
    try:
        if kept["format"] != FORMAT:
            raise RecipeError(f"{path}: is of format {kept['format']}, this hwflow reads {FORMAT}; {REMEDY}")
        units = tuple(_unit(entry) for entry in kept["units"])
        stream, pace = _unpack(kept["input"]), kept["pace"]
        if not isinstance(stream, Stream) or not units or not (pace is None or isinstance(pace, int)):
            raise ValueError("its input, its units or its pace are not what they must be")
        dataflow = Dataflow(str(kept["name"]), stream, units, pace)
        for unit in units:  # what `describe` wrote of each unit must be what the unit says of itself
            unit.params()
        if kept["cycles_per_image"] != dataflow.cycles:
            raise ValueError(f"its units take {dataflow.cycles} cycles, it says {kept['cycles_per_image']}")
        return dataflow
    except RecipeError as e:
        if str(e).startswith(str(path)):
            raise
        raise RecipeError(f"{path}: is not a whole dataflow.json ({brief(e)}); {REMEDY}") from e
    except Exception as e:  # a damaged field can fail in any property of any unit
        reason = f"no {brief(e)}" if isinstance(e, KeyError) else brief(e)
        raise RecipeError(f"{path}: is not a whole dataflow.json ({reason}); {REMEDY}") from e


def _unit(entry: dict[str, Any]) -> Unit:
    kept = dict(entry["unit"])
    kind = CLASSES[kept.pop("class")]
    if not isinstance(entry["name"], str) or not all(isinstance(i, str) for i in entry["inputs"]):
        raise ValueError("a unit's name and inputs must be text")
    return kind(name=entry["name"], inputs=tuple(entry["inputs"]), **{k: _unpack(v) for k, v in kept.items()})


def _pack(value: object) -> Any:
    """A field as JSON. What JSON has no form for is a dict with one key that names what it is."""
    if isinstance(value, np.ndarray):
        return {"array": _pack_array(value)}
    if isinstance(value, Port):
        return {"port": [list(value.shape), _pack(value.ints)]}
    if isinstance(value, Stream):
        assert not value.by_row, "what enters hardware is no stream by row"
        return {"stream": [_pack(value.port), value.par]}
    if isinstance(value, Ints):
        return {"ints": [value.lo, value.hi, value.step]}
    if isinstance(value, tuple):
        return [_pack(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    assert value is None or isinstance(value, bool | int | float | str), f"{value!r} has no form in dataflow.json"
    return value


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_unpack(v) for v in value)
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    match kind:
        case "array":
            return _unpack_array(inner)
        case "port":
            shape, ints = inner
            if not all(isinstance(n, int) and 0 < n < MOST_ELEMENTS for n in shape):
                raise ValueError(f"{shape} is no shape")
            return Port(tuple(shape), _unpack(ints))
        case "stream":
            port, par = inner
            return Stream(_unpack(port), par)
        case "ints":
            return Ints(*inner)
        case _:
            raise ValueError(f"{kind!r} is nothing that a field can be")


def _pack_array(values: Array) -> dict[str, Any]:
    """Shape, type and compressed little-endian bytes in base 64; -1/+1 and flags as bits."""
    bipolar = values.dtype.kind == "i" and values.size > 0 and ints_of(values).is_bipolar
    if bipolar or values.dtype == bool:
        kind, data = ("bipolar" if bipolar else "bool"), np.packbits(values.ravel() > 0).tobytes()
    else:
        low, high = int(values.min(initial=0)), int(values.max(initial=0))
        fits = (k for k in ("<i1", "<i2", "<i4") if np.iinfo(k).min <= low and high <= np.iinfo(k).max)
        kind = next(fits, "<i8")
        data = values.astype(kind).tobytes()
    return {"type": kind, "shape": list(values.shape), "data": base64.b64encode(zlib.compress(data, 6)).decode()}


def _unpack_array(kept: dict[str, Any]) -> Array:
    kind, shape = kept["type"], tuple(kept["shape"])
    size = int(np.prod([int(n) for n in shape], dtype=object)) if shape else 1
    if not 0 <= size <= MOST_ELEMENTS or min(shape, default=0) < 0 or kind not in (*WIDTHS, "bipolar", "bool"):
        raise ValueError(f"an array of {kind} and shape {shape} cannot be")
    want = WIDTHS[kind] * size if kind in WIDTHS else (size + 7) // 8
    inflate = zlib.decompressobj()
    data = inflate.decompress(base64.b64decode(kept["data"], validate=True), want + 1)  # never more than is wanted
    if len(data) != want:
        raise ValueError(f"an array of shape {shape} needs {want} bytes and has {len(data)}")
    if kind in WIDTHS:
        return np.frombuffer(data, kind).astype(np.int64).reshape(shape)
    flags = np.unpackbits(np.frombuffer(data, np.uint8), count=size).reshape(shape)
    return flags.astype(bool) if kind == "bool" else 2 * flags.astype(np.int64) - 1


WIDTHS = {"<i1": 1, "<i2": 2, "<i4": 4, "<i8": 8}
