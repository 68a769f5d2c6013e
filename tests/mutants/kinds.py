"""What a planted fault is: a place in a file, what stands there instead, and the tests that must fail.

Stands on nothing of hwflow. The rooms beside this file hold the list.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass, replace

TIMEOUT = 400  # seconds after which tests are ended: a fault may make a loop endless


@dataclass(frozen=True)
class Mutant:
    """One planted fault. `tests` are pytest's arguments; `equal` says in one sentence why no test could fail."""

    file: str
    old: str  # stands once in the file
    new: str
    tests: str
    units: str = ""  # modules or samples that alone are simulated, which takes seconds instead of a minute
    equal: str = ""
    room: str = ""

    @property
    def key(self) -> str:
        """What a result is kept under: another text or place is another mutant."""
        text = "\0".join((self.file, self.old, self.new))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def arguments(self) -> list[str]:
        return shlex.split(self.tests)

    @property
    def title(self) -> str:
        """The change on one line."""
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{old}  ->  {new or 'nothing'}"

    def applied(self, text: str) -> str:
        """`text` of the file with the fault in it; ValueError unless the place is found exactly once."""
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"{self.file}: {self.old!r} stands there {times} times, must be once")
        if self.old == self.new:
            raise ValueError(f"{self.file}: {self.old!r} is replaced by itself")
        return text.replace(self.old, self.new)


def of_room(room: str, *mutants: Mutant) -> tuple[Mutant, ...]:
    return tuple(replace(m, room=room) for m in mutants)


def equivalent(mutant: Mutant, why: str) -> Mutant:
    return replace(mutant, equal=why)


def rtl(file: str, old: str, new: str, units: str, tests: str = "tests/units/test_rtl.py -k claims") -> Mutant:
    """A fault in SystemVerilog, or in what Python says of it: the samples of `units` in Verilator."""
    return Mutant(file, old, new, tests, units)


def stalls(file: str, old: str, new: str, units: str) -> Mutant:
    """A fault that shows when a reader makes its unit wait."""
    return Mutant(file, old, new, "tests/units/test_rtl.py -k survives_stalls", units)


def hls(file: str, old: str, new: str, samples: str) -> Mutant:
    """A fault in HLS C++: samples whose names match, under g++."""
    return Mutant(file, old, new, f"tests/units/test_hls_units.py -k 'sample and ({samples}) and not ap_uint'")
