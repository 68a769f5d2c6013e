"""How images move through the pipeline: for each unit, when words move and when it is busy, stalled or waiting.

Stands on the event model. All of it follows from the cycles at which words are offered and taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from itertools import groupby
from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.plan.events import EventModel
from hwflow.units.kit.base import Dataflow, Unit

IMAGES = 2  # that are shown, one behind the other
BINS = 240  # stretches of time that are told apart
MOST_WORDS = 4_000_000  # of all edges and images; larger designs are not drawn
STATES = ("idle", "moving", "busy", "stalled", "waiting")
IDLE, MOVING, BUSY, STALLED, WAITING = range(len(STATES))
LABEL, STRIP, ROW = 132, 640, 16  # of the drawing, in its own units

Moves = Mapping[str, tuple[Array, Array]]


def pipeline_values(dataflow: Dataflow, images: int = IMAGES) -> dict[str, Any] | None:
    """What the page shows of the pipeline; None where the design deadlocks or is too large to draw.

    `cycles` of all images; `begins` of each stretch of time; for each unit `states`, a digit of STATES for each stretch (the
    one that lasts longest in it), `words` that have left it by the stretch's end, and `shares` of its time, percent.
    """
    model = EventModel(dataflow)
    if int(model.sizes.sum()) * images > MOST_WORDS:
        return None
    moves = model.moves(images)
    if moves is None:
        return None
    cycles = 1 + max(int(taken.max()) for _, taken in moves.values())
    bounds = np.unique(np.linspace(0, cycles, min(BINS, cycles) + 1).astype(np.int64))
    units = []
    for unit in dataflow.units:
        if unit.glue:
            continue
        states = unit_states(unit, moves, cycles)
        counts = np.stack([np.add.reduceat(states == k, bounds[:-1]) for k in range(len(STATES))])
        gone = np.sort(np.concatenate([taken.ravel() for edge, (_, taken) in moves.items() if leaves(unit, edge)]))
        units.append(
            {
                "name": unit.name,
                "states": "".join(map(str, counts.argmax(0))),
                "words": np.searchsorted(gone, bounds[1:]).tolist(),
                "shares": dict(zip(STATES, (counts.sum(1) * 100 / cycles).round(1).tolist(), strict=True)),
            }
        )
    return {"cycles": cycles, "images": images, "begins": bounds[:-1].tolist(), "units": units}


def leaves(unit: Unit, edge: str) -> bool:
    """Whether an edge is one of a unit's outputs."""
    return edge.partition(":")[0] == unit.name


def unit_states(unit: Unit, moves: Moves, cycles: int) -> Array:
    """The state of a unit in each cycle, (cycles,) uint8.

    Moving: a word enters or leaves. Stalled: an output word is offered and not taken. Waiting: the next thing it does is
    to take a word that is not offered yet. Else busy, from its first event to its last, and idle outside.
    """
    outputs = [pair for edge, pair in moves.items() if leaves(unit, edge)]
    inputs = [moves[edge] for edge in unit.inputs]
    events = np.unique(
        np.concatenate(
            [t.ravel() for t in (*(o for o, _ in outputs), *(t for _, t in outputs), *(t for _, t in inputs))]
        )
    )
    events = events[events >= 0]
    state = np.full(cycles, IDLE, np.uint8)
    state[events[0] : events[-1] + 1] = BUSY
    for offered, taken in inputs:
        before = np.searchsorted(events, taken.ravel()) - 1
        state[_within(np.where(before >= 0, events[before] + 1, taken.ravel()), offered.ravel(), cycles)] = WAITING
    for offered, taken in outputs:
        state[_within(offered.ravel(), taken.ravel(), cycles)] = STALLED
    for _, taken in (*inputs, *outputs):
        state[taken.ravel()] = MOVING
    return state


def _within(begin: Array, end: Array, cycles: int) -> Array:
    """True in cycles begin .. end - 1 of any pair; pairs that end before they begin hold none."""
    some = begin < end
    steps = np.zeros(cycles + 1, np.int64)
    np.add.at(steps, np.clip(begin[some], 0, cycles), 1)
    np.add.at(steps, np.clip(end[some], 0, cycles), -1)
    return np.asarray(steps[:-1].cumsum() > 0)


def waterfall(values: Mapping[str, Any]) -> str:
    """SVG of the states over time, a row for each unit, with a line that the page's slider moves."""
    parts, n = [], len(values["begins"])
    for i, unit in enumerate(values["units"]):
        y = i * ROW
        parts.append(f'<text x="{LABEL - 8}" y="{y + ROW - 4}" text-anchor="end">{escape(unit["name"][:20])}</text>')
        at = 0
        for state, run in groupby(unit["states"]):
            length = len(list(run))
            if int(state) != IDLE:
                x, width = LABEL + STRIP * at / n, STRIP * length / n
                parts.append(f'<rect class="p{state}" x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="{ROW - 4}"/>')
            at += length
    foot = len(values["units"]) * ROW
    parts.append(f'<line class="now" x1="{LABEL}" x2="{LABEL}" y1="0" y2="{foot}"/>')
    parts.append(f'<text class="n" x="{LABEL}" y="{foot + 14}">cycle 0</text>')
    parts.append(f'<text class="n" x="{LABEL + STRIP}" y="{foot + 14}" text-anchor="end">{values["cycles"]:,}</text>')
    title = f"{values['images']} images in the pipeline: what each unit does over {values['cycles']:,} cycles"
    return f'<svg role="img" aria-label="{title}" viewBox="0 0 {LABEL + STRIP + 8} {foot + 20}"><title>{title}</title>{"".join(parts)}</svg>'
