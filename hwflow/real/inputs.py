"""What the hardware receives: integers of a type, one step of which is worth 1/denominator. `u8/255`, `bipolar`.

Stands on bits. The one place that reads the text of `--input`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.errors import RecipeError

MOST_BITS = 16


@dataclass(frozen=True)
class Input:
    """The integers of the input, and how many of their steps make 1.0 in the trained network."""

    ints: Ints
    denominator: int = 1

    def real(self, x: Array) -> Array:
        """The trained network's float32 input of hardware integers."""
        return np.asarray(x).astype(np.float32) / np.float32(self.denominator)

    def __str__(self) -> str:
        kind = "bipolar" if self.ints.is_bipolar else f"{'i' if self.ints.signed else 'u'}{self.ints.bits}"
        return kind if self.denominator == 1 else f"{kind}/{self.denominator}"


def parse_input(text: str) -> Input:
    """The meaning of TYPE[/DENOMINATOR]: u1..u16, i2..i16 or bipolar, and a positive integer."""
    found = re.fullmatch(r"(?:([ui])(?:nt)?(\d{1,2})|(bipolar))(?:/(\d{1,9}))?", text.strip().lower())
    if not found:
        raise RecipeError(f"input {text!r}: must be TYPE or TYPE/DENOMINATOR, such as u8/255, i8, i16/1024 or bipolar")
    kind, digits, bipolar, per = found.groups()
    denominator = int(per or 1)
    if denominator < 1:
        raise RecipeError(f"input {text!r}: the denominator must be 1 or more")
    if bipolar:
        return Input(BIPOLAR, denominator)
    bits, least = int(digits), 2 if kind == "i" else 1
    if not least <= bits <= MOST_BITS:
        raise RecipeError(f"input {text!r}: must have {least} to {MOST_BITS} bits, not {bits}")
    return Input(
        Ints(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if kind == "i" else Ints(0, (1 << bits) - 1), denominator
    )
