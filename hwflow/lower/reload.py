"""Other weights for the same hardware: what must be equal, and the bytes that travel down the chain of load_word.

Stands on lower, net and units. hls/board/loader.sv says how the bytes get there.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import replace
from typing import Any

from hwflow.errors import RecipeError
from hwflow.lower import folding_of, lower
from hwflow.net import INPUT, Net
from hwflow.units.kit.base import SOURCE, Dataflow, Memory, Unit


def load_bytes(dataflow: Dataflow) -> bytes:
    """What is loaded: unit by unit, memory by memory, words in address order, the low byte of each first."""
    return b"".join(_bytes(m) for u in dataflow.units if u.loads for m in u.memories().values())


def weights_crc(data: bytes) -> int:
    """What the register WEIGHTS holds once these bytes are loaded."""
    return zlib.crc32(data)


def structure(dataflow: Dataflow) -> str:
    """A hash of all that loading cannot change, in 32 hexadecimal digits: units, widths, wiring, fixed memories; no names."""
    places = {SOURCE: 0} | {u.name: i + 1 for i, u in enumerate(dataflow.units)}
    text = json.dumps([_fixed_part(u, places) for u in dataflow.units])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def refill(kept: Net, dataflow: Dataflow, other: Net) -> Dataflow:
    """The same hardware with the weights, thresholds and scales of another network.

    `dataflow` was lowered from `kept` with `reload`. RecipeError where it cannot be loaded, or where the other network has
    another structure: the first unit that differs, in what, and what the hardware has.
    """
    if not any(u.loads for u in dataflow.units):
        raise RecipeError(f"{dataflow.name}: its weights are fixed in hardware; compile with --reload")
    if (kept.input, kept.denominator) != (other.input, other.denominator):
        raise RecipeError(
            f"{other.name}: takes {other.takes} of shape {other.input.shape}, the hardware {kept.takes} of shape "
            f"{kept.input.shape}; take a network trained on the same inputs"
        )
    made = lower(_rename(other, kept), folding_of(dataflow), reload=True)
    places = {SOURCE: 0} | {u.name: i + 1 for i, u in enumerate(dataflow.units)}
    for ours, theirs in zip(dataflow.units, made.units, strict=False):
        _same(other, ours, theirs, places)
    if structure(made) != structure(dataflow):
        raise RecipeError(
            f"{other.name}: needs {len(made.units)} units, the hardware has {len(dataflow.units)}; compile it"
        )
    return replace(made, name=dataflow.name, pace=dataflow.pace)


def _same(other: Net, ours: Unit, theirs: Unit, places: dict[str, int]) -> None:
    """RecipeError where a unit differs in what loading cannot change."""
    (kind, numbers, wiring, fixed), (other_kind, other_numbers, other_wiring, other_fixed) = (
        _fixed_part(u, places) for u in (ours, theirs)
    )
    where = f"{other.name}: has another structure than the hardware: {ours.name}"
    if kind != other_kind or wiring != other_wiring:
        raise RecipeError(f"{where} is a {kind}, not a {other_kind}; compile it")
    for key, value in numbers.items():
        if other_numbers[key] != value:
            raise RecipeError(f"{where} has {key} {value}, not {other_numbers[key]}; compile it")
    if fixed != other_fixed:
        raise RecipeError(f"{where} has other constants, which cannot be loaded; compile it")


def _fixed_part(unit: Unit, places: dict[str, int]) -> tuple[str, dict[str, Any], list[str], list[str]]:
    """What loading cannot change of a unit: its module, its numbers, what it reads, the memories that are constants."""
    module, params = unit.rtl()
    files = unit.memories()
    numbers = {k: v for k, v in params.items() if v not in files}
    wiring = [f"{places.get(i.split(':')[0])}:{i.partition(':')[2]}" for i in unit.inputs]
    constants = [] if unit.loads else [hashlib.sha256(_bytes(m)).hexdigest() for m in files.values()]
    return module, numbers, wiring, constants


def _bytes(memory: Memory) -> bytes:
    return b"".join(int(w).to_bytes((memory.bits + 7) // 8, "little") for w in memory.words)


def _rename(net: Net, like: Net) -> Net:
    """The same network with the operations' names of another; as it is where they are not as many."""
    if len(net.ops) != len(like.ops):
        return net
    names = {INPUT: INPUT} | {a.name: b.name for a, b in zip(net.ops, like.ops, strict=True)}
    ops = tuple(replace(o, name=names[o.name], inputs=tuple(names[i] for i in o.inputs)) for o in net.ops)
    return replace(net, ops=ops)
