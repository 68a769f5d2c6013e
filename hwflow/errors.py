"""What can go wrong, told by who can act on it: the network, the request, the machine.

Stands on nothing; every other room raises these and only the command line catches them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Finding:
    """One reason a network is refused: where, what, why, and what to do about it."""

    node: str
    attribute: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        where = ".".join(part for part in (self.node, self.attribute) if part)
        return f"{where}: {self.reason}; {self.remedy}" if where else f"{self.reason}; {self.remedy}"


class Refusal(Exception):  # noqa: N818  a verdict on one node: the others are still read, and all findings come at once
    """Why one node is refused, and what to do about it; its reader makes a Finding of it."""

    def __init__(self, reason: str, remedy: str, attribute: str = ""):
        super().__init__(reason)
        self.reason, self.remedy, self.attribute = reason, remedy, attribute

    def finding(self, node: str, attribute: str = "") -> Finding:
        """The finding at a node, at `attribute` where the refusal names none."""
        return Finding(node, self.attribute or attribute, self.reason, self.remedy)


class HwflowError(Exception):
    """Base of the three kinds; its text is one clear line for each thing to act on."""


class ModelError(HwflowError):
    """The network cannot become integers exactly; `findings` lists every reason at once."""

    def __init__(self, *findings: Finding | str):
        self.findings = tuple(f if isinstance(f, Finding) else Finding("", "", *_split(f)) for f in findings)
        super().__init__("\n".join(str(f) for f in self.findings))


class RecipeError(HwflowError):
    """The request cannot be met: a fold that does not divide, a rate out of reach, an unknown name."""


class ToolError(HwflowError):
    """The machine is at fault: a program is absent or failed. Says the command, the log, the last lines."""


def _split(text: str) -> tuple[str, str]:
    reason, _, remedy = text.partition("; ")
    return reason, remedy or "see `hwflow check`"


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """ "; did you mean X?" for the closest known name, or nothing when none is close."""
    close = get_close_matches(wrong, list(known), 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""
