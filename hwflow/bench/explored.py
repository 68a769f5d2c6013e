"""The table of bits and widths: small networks of several tasks, trained in each of them, and what each costs on two boards.

Stands on flow and explore. What is trained stays in the cache, so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hwflow import flow
from hwflow.board import load_board
from hwflow.explore import Point, explore
from hwflow.places import cache

BOARDS = ("ulx3s_85f", "pynq_z2")
RATE = 1000.0  # images a second that every design is planned for


@dataclass(frozen=True)
class Space:
    """A recipe, the bits of its weights and activations, and its widths in percent."""

    spec: str
    bits: tuple[int, ...]
    widths: tuple[int, ...]
    epochs: int | None = None  # of each training; None: the recipe's


SPACES = (
    Space("models/rnn.py:rnn-digits", (1, 2, 4), (50, 100)),
    Space("models/mobilenet.py:mobilenet-digits", (1, 2), (50, 100)),
    Space("models/efficientnet.py:efficientnet-digits", (1, 2), (50, 100)),
    Space("models/unet.py:unet-digits", (1, 2), (25, 50), 2),
)

Say = Callable[[str], None]


def rows(say: Say) -> Iterator[dict[str, Any]]:
    """The rows of `hwflow bench explore`, a network each."""
    for space in SPACES:
        yield from space_rows(space, say)


def space_rows(space: Space, say: Say) -> list[dict[str, Any]]:
    """One row for each network of a space: its score, its cost on each of BOARDS, and where it belongs to the front."""
    changes = {} if space.epochs is None else {"epochs": space.epochs}
    home = cache() / "bench" / "explore"
    folders = flow.train_variants(space.spec, home, space.bits, space.widths, say=say, **changes)
    nets = [replace(flow.integers_of(str(folder)), name=folder.name) for folder in folders]
    scores = {folder.name: score for folder in folders if (score := flow.score_of(folder))}
    say(f"{space.spec}: {len(nets)} networks on {', '.join(BOARDS)}")
    points = explore(nets, [load_board(b) for b in BOARDS], rates=(RATE,), jobs=1, scores=scores)
    asked = [p for p in points if p.asked_fps == RATE]
    return [make_row(net.name, scores[net.name].measure, asked) for net in nets]


def make_row(name: str, measure: str, points: Sequence[Point]) -> dict[str, Any]:
    """The row of one network: blank where a board does not reach the rate; `front` names the boards on whose front it is.

    On the front of a board is what no other network of the space beats in score and share of the board together.
    """
    mine = {p.board: p for p in points if p.net == name}
    row: dict[str, Any] = {"network": name, "measure": measure, "score [%]": ""}
    for board in BOARDS:
        p = mine.get(board)
        if p is not None:
            row["score [%]"] = f"{100 * (p.score or 0.0):.2f}"
        row |= {f"{board}_lut_estimated": round(p.lut) if p else "", f"{board}_bram_estimated": float(p.bram) if p else "",
                f"{board}, share of the scarcest [%]": round(p.percent, 1) if p else ""}  # fmt: skip
    row["front"] = ", ".join(b for b in BOARDS if b in mine and not _is_beaten(mine[b], points))
    return row


def _is_beaten(point: Point, points: Sequence[Point]) -> bool:
    rivals = [(p.score or 0.0, -p.percent) for p in points if p.board == point.board]
    own = (point.score or 0.0, -point.percent)
    return any(r != own and r[0] >= own[0] and r[1] >= own[1] for r in rivals)
