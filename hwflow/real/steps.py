"""One float32 operation with a constant, elementwise; everything between sums is made of these.

Stands on graph's frozen arrays. A network's scales, biases, norms, clips and quantizers are chains of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hwflow.bits import Array
from hwflow.graph import frozen
from hwflow.real.functions import FUNCTIONS

NONE = np.zeros(1, np.float32)


@dataclass(frozen=True, eq=False)
class Step:
    """y = op(x, value) in float32. `value` is (1,), (channels,), or (channels or 1, n): thresholds of a `count`, the
    least integer of a `cast` and the one behind its largest."""

    op: str
    value: Array = field(default_factory=lambda: NONE)

    def __post_init__(self) -> None:
        assert self.op in STEPS, self.op
        object.__setattr__(self, "value", frozen(self.value, np.float32))

    def run(self, x: Array) -> Array:
        """The step on (..., channels) float32 values."""
        return STEPS[self.op](x, self.value)

    @property
    def affine(self) -> bool:
        """True where distinct integers stay evenly spaced: a sum, or a product with anything but zero."""
        return self.op in ("add", "sub", "div") or (self.op == "mul" and bool(self.value.all()))

    @property
    def monotone(self) -> bool:
        """True where the result never turns back while x rises; said of nothing that a library computes."""
        if self.op == "leaky":
            return bool((self.value >= 0).all())
        return self.op not in FUNCTIONS

    @property
    def joins(self) -> bool:
        """True where the step is chains of others, so that `op` and `value` alone do not say what it does."""
        return False

    @property
    def per_channel(self) -> bool:
        return len(self.value) > 1

    def wider(self, times: int) -> Step:
        """The same step for a flattened image of `times` pixels, channel fastest."""
        if not self.per_channel:
            return self
        return Step(self.op, np.tile(self.value, (times,) + (1,) * (self.value.ndim - 1)))

    def first(self, channels: int) -> Step:
        """The same step for the first few of its channels."""
        return self.taken(np.arange(channels))

    def repeats(self, channels: int) -> bool:
        """True where the step is the same for every run of so many channels."""
        if len(self.value) in (1, channels):
            return True
        once = self.value[:channels]
        return bool((self.value.reshape(-1, *once.shape) == once).all())

    def taken(self, channels: Array) -> Step:
        """The same step for some of its channels, in the order given."""
        return Step(self.op, self.value[channels]) if self.per_channel else self


@dataclass(frozen=True, eq=False)
class Beside(Step):
    """Chains of neighbouring channels side by side, behind a concatenation."""

    parts: tuple[tuple[int, tuple[Step, ...]], ...] = ()

    def run(self, x: Array) -> Array:
        out, at = [], 0
        for width, steps in self.parts:
            out.append(np.broadcast_to(run_all(steps, x[..., at : at + width]), (*x.shape[:-1], width)))
            at += width
        return np.concatenate(out, -1)

    @property
    def joins(self) -> bool:
        return True

    @property
    def affine(self) -> bool:
        return all(s.affine for _, steps in self.parts for s in steps)

    @property
    def monotone(self) -> bool:
        return all(s.monotone for _, steps in self.parts for s in steps)

    @property
    def per_channel(self) -> bool:
        return True

    def wider(self, times: int) -> Step:
        return replace(self, parts=self.parts * times)

    def taken(self, channels: Array) -> Step:
        starts = np.cumsum([0, *(width for width, _ in self.parts)])
        out = []
        for c in channels:
            i = int(np.searchsorted(starts, c, "right")) - 1
            out.append((1, tuple(s.taken(np.array([c - starts[i]])) for s in self.parts[i][1])))
        return replace(self, parts=tuple(out))


@dataclass(frozen=True, eq=False)
class Both(Step):
    """y = op(left(x), right(x)): two chains of one value that meet again, such as x * sigmoid(x)."""

    left: tuple[Step, ...] = ()
    right: tuple[Step, ...] = ()

    def run(self, x: Array) -> Array:
        return STEPS[self.op](run_all(self.left, x), run_all(self.right, x))

    @property
    def joins(self) -> bool:
        return True

    @property
    def affine(self) -> bool:
        return False

    @property
    def monotone(self) -> bool:
        return False

    @property
    def per_channel(self) -> bool:
        return any(s.per_channel for s in (*self.left, *self.right))

    def wider(self, times: int) -> Step:
        return self._change(lambda s: s.wider(times))

    def repeats(self, channels: int) -> bool:
        return all(s.repeats(channels) for s in (*self.left, *self.right))

    def taken(self, channels: Array) -> Step:
        return self._change(lambda s: s.taken(channels))

    def _change(self, change: Callable[[Step], Step]) -> Step:
        return replace(self, left=tuple(map(change, self.left)), right=tuple(map(change, self.right)))


def half_away(x: Array, _: Array) -> Array:
    return np.sign(x) * np.floor(np.abs(x) + np.float32(0.5))


def half_to_zero(x: Array, _: Array) -> Array:
    return np.sign(x) * np.ceil(np.abs(x) - np.float32(0.5))


def count(x: Array, thresholds: Array) -> Array:
    """How many of its channel's thresholds each value reaches."""
    y = np.zeros(x.shape, np.float32)
    for k in range(thresholds.shape[1]):
        y += x >= thresholds[:, k]
    return y


STEPS: dict[str, Callable[[Array, Array], Array]] = {
    "mul": np.multiply, "div": np.divide, "add": np.add, "sub": np.subtract, "max": np.maximum, "min": np.minimum,
    "round": lambda x, _: np.rint(x), "floor": lambda x, _: np.floor(x), "ceil": lambda x, _: np.ceil(x),
    "fix": lambda x, _: np.fix(x), "cast": lambda x, _: np.fix(x), "away": lambda x, _: np.sign(x) * np.ceil(np.abs(x)),
    "half_away": half_away, "half_to_zero": half_to_zero,
    "sign": lambda x, _: np.where(x >= 0, np.float32(1), np.float32(-1)),
    "signum": lambda x, _: np.sign(x),
    "count": count,
    "leaky": lambda x, slope: np.where(x < 0, x * slope, x),
    **{name: function.run for name, function in FUNCTIONS.items()},
}  # fmt: skip

ROUNDINGS = ("round", "floor", "ceil", "fix", "cast", "away", "half_away", "half_to_zero")
INTEGRAL = (*ROUNDINGS, "sign", "signum", "count")


def run_all(steps: Sequence[Step], x: Array) -> Array:
    """A chain of steps on (..., channels) float32 values."""
    for step in steps:
        x = step.run(x)
    return x


def quantizer(scale: Array, zero: Array, bits: float, signed: bool, narrow: bool, rounding: str) -> tuple[Step, ...]:
    """QONNX Quant as steps, in the order its reference executes: divide, shift, clamp, round, shift back, multiply."""
    if bits == 1 and signed:
        inside = [Step("sign")]
    else:
        lo, hi = limits(bits, signed, narrow)
        inside = [Step("min", np.array([hi])), Step("max", np.array([lo])), Step(rounding)]
    return tidy((Step("div", scale), Step("add", zero), *inside, Step("sub", zero), Step("mul", scale)))


def limits(bits: float, signed: bool, narrow: bool) -> tuple[int, int]:
    """The least and the largest integer of a QONNX quantizer."""
    n = int(bits)
    if signed:
        return -(1 << (n - 1)) + narrow, (1 << (n - 1)) - 1
    return 0, (1 << n) - 1 - narrow


IDLE = {"add": 0.0, "sub": 0.0, "mul": 1.0, "div": 1.0, "max": -np.inf, "min": np.inf}  # what changes no value


def side_by_side(chains: Sequence[tuple[int, Sequence[Step]]]) -> tuple[Step, ...]:
    """One chain for neighbouring channels (count, steps of their own); the steps are those of `IDLE`."""
    widths = [width for width, _ in chains]
    ops = {tuple(s.op for s in steps) for _, steps in chains}
    if len(ops) == 1:  # step by step together
        return tuple(
            Step(own[0].op, _beside(widths, [s.value for s in own]))
            for own in zip(*(c for _, c in chains), strict=True)
        )
    return tuple(
        Step(s.op, _beside(widths, [s.value if j == i else np.array([IDLE[s.op]]) for j in range(len(widths))]))
        for i, (_, steps) in enumerate(chains)
        for s in steps
    )


def _beside(widths: Sequence[int], values: Sequence[Array]) -> Array:
    out = np.concatenate([np.broadcast_to(v, (n,)) for n, v in zip(widths, values, strict=True)])
    return out[:1] if (out == out[0]).all() else out


def turns(steps: Sequence[Step]) -> tuple[tuple[Step, ...], ...] | None:
    """The chains in front of every step that turns at zero; between their changes of sign the whole chain is monotone.

    None where a step turns elsewhere.
    """
    out: list[tuple[Step, ...]] = []
    for i, step in enumerate(steps):
        if isinstance(step, Beside):
            inner = [turns(chain) for _, chain in step.parts]
            known = [chains for chains in inner if chains is not None]
            if len(known) < len(inner):
                return None
            for n in range(max(map(len, known))):
                parts = tuple(
                    (width, chains[n] if n < len(chains) else ())
                    for (width, _), chains in zip(step.parts, known, strict=True)
                )
                out.append((*steps[:i], replace(step, parts=parts)))
        elif not step.monotone:
            if step.op not in TURN_AT_ZERO:
                return None
            out.append(tuple(steps[:i]))
    return tuple(out)


TURN_AT_ZERO = ("leaky", "abs")


def tidy(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The chain without its steps that change no value: plus 0, times 1."""
    return tuple(s for s in steps if not (s.op in IDLE and bool((s.value == IDLE[s.op]).all())))
