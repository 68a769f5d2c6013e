"""What integers a file's network receives, when nobody says: the trainer's note, the first quantizer, an annotation.

Stands on model and real's `parse_input`.
"""

from __future__ import annotations

import re

import numpy as np

from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.qonnx.model import Call, File
from hwflow.real import Input, parse_input

KEY = "hwflow.input"  # of the file's metadata
DEFAULT = "u8/255"
# what changes no value in front of the first quantizer
STILL = ("Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose")
INTEGER = {"uint8": "u8", "int8": "i8", "uint16": "u16", "int16": "i16"}  # element types a file may take


def input_of(file: File, text: str | None) -> tuple[Input, list[str]]:
    """The input of a network, and a line on how it was found where that was a guess."""
    if file.input_type in INTEGER:
        return _of_integers(file, text), []
    if text:
        return parse_input(text), []
    if file.meta.get(KEY):
        try:
            return parse_input(file.meta[KEY]), []
        except RecipeError:
            pass
    for found, why in ((_first_quantizer(file), "its first quantizer"), (_annotation(file), "its annotation")):
        if found:
            return parse_input(found), [f"input {found}, from {why}; --input TYPE[/DENOMINATOR] changes it"]
    return parse_input(DEFAULT), [
        f"input {DEFAULT}, because the file does not say; --input TYPE[/DENOMINATOR] changes it"
    ]


def _of_integers(file: File, text: str | None) -> Input:
    """The input of a file that takes integers: no scale lies between them and the hardware's."""
    own = parse_input(INTEGER[file.input_type])
    takes = parse_input(text) if text else own
    if takes.denominator != 1 or takes.ints.lo < own.ints.lo or takes.ints.hi > own.ints.hi:
        raise RecipeError(f"input {text!r}: the file takes {file.input_type} itself; use {own}, or leave --input out")
    return takes


def _first_quantizer(file: File) -> str | None:
    """The integers of the quantizer that alone reads the input, where one step is 1 / an integer."""
    name = file.input
    for _ in range(len(STILL)):
        readers = [c for c in file.calls if name in c.inputs]
        if len(readers) != 1:
            return None
        if readers[0].op not in STILL:
            return _of_quantizer(file, readers[0])
        name = readers[0].outputs[0]
    return None


def _of_quantizer(file: File, call: Call) -> str | None:
    values = [_constant(file, i) for i in call.inputs[1:]]
    if not values or any(v is None or v.size != 1 for v in values):
        return None
    numbers = [float(v.reshape(-1)[0]) for v in values if v is not None]
    if not numbers[0] > 0:
        return None
    per = int(np.rint(1 / numbers[0]))
    if per < 1 or np.float32(1) / np.float32(per) != np.float32(numbers[0]):
        return None
    kind = None
    if call.op == "BipolarQuant":
        kind = "bipolar"
    elif call.op in ("Quant", "IntQuant") and len(numbers) == 3 and numbers[1] == 0 and numbers[2] in range(1, 9):
        signed = call.attrs.get("signed", 1)
        kind = "bipolar" if signed and numbers[2] == 1 else f"{'i' if signed else 'u'}{int(numbers[2])}"
    return kind and (kind if per == 1 else f"{kind}/{per}")


def _constant(file: File, name: str) -> Array | None:
    """A constant of the file, behind operators that change nothing."""
    makers = {out: call for call in file.calls if call.op in ("Identity", "Dropout") for out in call.outputs}
    while name in makers:
        name = makers[name].inputs[0]
    return file.constants.get(name)


def _annotation(file: File) -> str | None:
    kind = file.annotations.get(file.input, "")
    if kind in ("BIPOLAR", "BINARY"):
        return "bipolar" if kind == "BIPOLAR" else "u1"
    found = re.fullmatch(r"(U?)INT(\d+)", kind)
    if found and 1 <= int(found[2]) <= 16:
        return f"{'u' if found[1] else 'i'}{found[2]}"
    return None
