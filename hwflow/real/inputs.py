"""What the hardware receives: integers of a type, one step of which is worth 1/denominator. `u8/255`, `bipolar`.

Stands on bits and steps. The one place that reads the text of `--input`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.errors import RecipeError
from hwflow.real.steps import Step, run_all, tidy

MOST_BITS = 16


@dataclass(frozen=True)
class Input:
    """The integers of the input, and how many of their steps make 1.0 in the trained network."""

    ints: Ints
    denominator: int = 1
    mean: tuple[float, ...] = ()  # what the trained network's preprocessing subtracts, of all or of each channel
    std: tuple[float, ...] = ()  # and what it divides by

    @property
    def steps(self) -> tuple[Step, ...]:
        """From hardware integers to the trained network's input, as float32 preprocessing computes it."""
        made = [Step("div", np.array([self.denominator]))]
        made += [Step("sub", np.array(self.mean))] if self.mean else []
        made += [Step("div", np.array(self.std))] if self.std else []
        return tidy(made)

    def real(self, x: Array) -> Array:
        """The trained network's float32 input of hardware integers, channels last."""
        return run_all(self.steps, np.asarray(x).astype(np.float32))

    def __str__(self) -> str:
        kind = "bipolar" if self.ints.is_bipolar else f"{'i' if self.ints.signed else 'u'}{self.ints.bits}"
        kind = kind if self.denominator == 1 else f"{kind}/{self.denominator}"
        more = [(k, v) for k, v in (("mean", self.mean), ("std", self.std)) if v]
        return kind + "".join(f";{k}={','.join(repr(n) for n in v)}" for k, v in more)


def parse_input(text: str) -> Input:
    """The meaning of TYPE[/DENOMINATOR][;mean=A,B,C][;std=A,B,C]: u1..u16, i2..i16 or bipolar, and a positive integer."""
    kind, *more = text.strip().lower().split(";")
    found = re.fullmatch(r"(?:([ui])(?:nt)?(\d{1,2})|(bipolar))(?:/(\d{1,9}))?", kind.strip())
    if not found:
        raise RecipeError(f"input {text!r}: must be TYPE or TYPE/DENOMINATOR, such as u8/255, i8, i16/1024 or bipolar")
    sign, digits, bipolar, per = found.groups()
    denominator = int(per or 1)
    if denominator < 1:
        raise RecipeError(f"input {text!r}: the denominator must be 1 or more")
    prepared = _preprocessing(text, more)
    if bipolar:
        return Input(BIPOLAR, denominator, *prepared)
    bits, least = int(digits), 2 if sign == "i" else 1
    if not least <= bits <= MOST_BITS:
        raise RecipeError(f"input {text!r}: must have {least} to {MOST_BITS} bits, not {bits}")
    ints = Ints(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if sign == "i" else Ints(0, (1 << bits) - 1)
    return Input(ints, denominator, *prepared)


def _preprocessing(text: str, parts: list[str]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of the preprocessing named behind the type."""
    given: dict[str, tuple[float, ...]] = {}
    for part in parts:
        key, _, numbers = part.partition("=")
        key = key.strip()
        try:
            values = tuple(float(n) for n in numbers.split(","))
        except ValueError:
            values = ()
        if (
            key not in ("mean", "std")
            or key in given
            or not values
            or not np.isfinite(np.array(values, np.float32)).all()
        ):
            raise RecipeError(f"input {text!r}: behind the type stand mean=A,B,C and std=A,B,C with finite numbers")
        given[key] = values
    if any(not np.float32(v) > 0 for v in given.get("std", ())):
        raise RecipeError(f"input {text!r}: a deviation must be positive")
    return given.get("mean", ()), given.get("std", ())


def with_preprocessing(text: str | None, mean: str | None, std: str | None) -> str | None:
    """The text of an input with the mean and deviation of a user's preprocessing."""
    if not mean and not std:
        return text
    return ";".join([text or "u8/255", *(f"{k}={v}" for k, v in (("mean", mean), ("std", std)) if v)])
