"""The space of designs: rates, boards, bit widths and widths side by side, and those that nothing beats.

Stands on plan, board and cluster. Every point is planned on its own: by the processes of this machine or by a cluster.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from hwflow import cluster as machines
from hwflow.board import Board
from hwflow.errors import RecipeError
from hwflow.files import write_bytes, write_text
from hwflow.net import Net
from hwflow.plan import plan
from hwflow.plan.fifos import first_latency

RATES = tuple(10.0**k * m for k in range(1, 7) for m in (1, 3))


@dataclass(frozen=True)
class Point:
    """One design: what was asked, what it gives, what it is estimated to take of the board."""

    net: str
    board: str
    asked_fps: float | None  # None: the fastest that fits
    fps: float
    latency_us: float
    cycles: int
    lut: float
    ff: float
    bram: float
    dsp: float
    percent: float  # of the resource it takes most of
    limit: str  # that resource
    pareto: bool = False
    measure: str = ""  # what `score` is: accuracy, mean IoU, mAP@0.5
    score: float | None = None  # of the network, 0 .. 1, where it is known
    front: bool = (
        False  # no design on the board is at least as good in score, rate and share, and better in one of them
    )


@dataclass(frozen=True)
class Score:
    """How good a network is on its held-out images, 0 .. 1, and what that measures."""

    measure: str
    value: float


def explore(
    nets: Net | Sequence[Net],
    boards: Sequence[Board],
    *,
    rates: Sequence[float] = RATES,
    max_util: float = 0.8,
    jobs: int = -1,
    cluster: str | None = None,
    scores: Mapping[str, Score] | None = None,
) -> tuple[Point, ...]:
    """Every design of every network on every board: the cheapest at each rate within reach, and the fastest.

    `scores` of networks, by name, go into their points; those of a board that none of any network beats in score, rate
    and share of the board together are marked `front`.

    `cluster` is the address of a Dask scheduler; without one, `jobs` processes of this machine plan. Points that no other of
    the same network and board beats in both rate and share of the board are marked `pareto`.
    """
    several = (nets,) if isinstance(nets, Net) else tuple(nets)
    asks = [(n, b, r, max_util) for n in several for b in boards for r in (*rates, None)]
    found = machines.each(point, asks, cluster=cluster, jobs=jobs)
    known = scores or {}
    return tuple(_mark_front([_add_score(p, known.get(p.net)) for p in found if p]))


def point(net: Net, board: Board, rate: float | None, max_util: float) -> Point | None:
    """The design of one rate (None: the fastest); None when it is out of reach."""
    try:
        dataflow = plan(net, board=board, fps=rate, fit=rate is None, max_util=max_util)
    except RecipeError:
        return None
    cost = dataflow.cost(board.family)
    used = {"lut": cost.lut, "ff": cost.ff, "bram": cost.bram, "dsp": cost.dsp}
    percent = board.percent(used)
    limit = max(percent, key=lambda r: percent[r])
    return Point(
        net.name, board.name, rate, board.clock_mhz * 1e6 / dataflow.cycles, first_latency(dataflow) / board.clock_mhz,
        dataflow.cycles, cost.lut, cost.ff, cost.bram, cost.dsp, percent[limit], limit,
    )  # fmt: skip


def _add_score(point: Point, score: Score | None) -> Point:
    return replace(point, measure=score.measure, score=score.value) if score else point


def _mark_front(points: Sequence[Point]) -> list[Point]:
    """The points, best rate first in each network and board, with the two fronts marked: `pareto` and `front`."""
    out: list[Point] = []
    for p in sorted(points, key=lambda p: (p.net, p.board, -p.fps, p.percent)):
        rivals = [q for q in points if (q.net, q.board) == (p.net, p.board)]
        others = [q for q in points if (q.board, q.measure) == (p.board, p.measure) and q.score is not None]
        pareto = not any(_beats((q.fps, -q.percent), (p.fps, -p.percent)) for q in rivals)
        front = p.score is not None and not any(_beats(_list_merits(q), _list_merits(p)) for q in others)
        out.append(replace(p, pareto=pareto, front=front))
    return out


def _list_merits(point: Point) -> tuple[float, ...]:
    """Score, rate and share of the board, each the better the higher it is."""
    return (point.score or 0.0, point.fps, -point.percent)


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """True where `one` is nowhere worse and somewhere better."""
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def cheapest_designs(points: Sequence[Point]) -> tuple[Point, ...]:
    """For each network with a score, on each board, its design of the least share of the board."""
    least: dict[tuple[str, str], Point] = {}
    for p in sorted((p for p in points if p.score is not None), key=lambda p: (p.percent, -p.fps)):
        least.setdefault((p.net, p.board), p)
    return tuple(least.values())


def save_csv(points: Sequence[Point], path: Path) -> None:
    """Write the points as CSV, a header first."""
    text = io.StringIO(newline="")
    rows = csv.DictWriter(text, [f.name for f in fields(Point)])
    rows.writeheader()
    rows.writerows(asdict(p) for p in points)
    write_text(path, text.getvalue())


def table(points: Sequence[Point]) -> str:
    """The points as text, a line each; a star marks the Pareto front."""
    lines = [
        f"{'':2}{'network':12} {'board':16} {'images/s':>12} {'latency us':>11} {'LUT':>8} {'BRAM':>6} {'DSP':>5} {'most':>12} {'score':>7}"
    ]
    for p in points:
        most = f"{p.percent:.0f} % {p.limit}"
        score = "" if p.score is None else f"{100 * p.score:.2f}"
        lines.append(
            f"{'*' if p.pareto else ' ':2}{p.net:12} {p.board:16} {p.fps:12.0f} {p.latency_us:11.1f} {p.lut:8.0f} {p.bram:6.0f} {p.dsp:5.0f} {most:>12} {score:>7}"
        )
    return "\n".join(lines)


def save_picture(points: Sequence[Point], path: Path) -> None:
    """Draw rate over share of the board, one line of best designs for each network and board (PNG, SVG or PDF)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    for net, board in sorted({(p.net, p.board) for p in points}):
        mine = [p for p in points if (p.net, p.board) == (net, board)]
        front = sorted((p.percent, p.fps) for p in mine if p.pareto)
        (line,) = axes.plot(*zip(*front, strict=True), marker="o", label=f"{net} on {board}")
        rest = [(p.percent, p.fps) for p in mine if not p.pareto]
        if rest:
            axes.scatter(*zip(*rest, strict=True), color=line.get_color(), alpha=0.4, marker="x")
    axes.set(xlabel="estimated use of the scarcest resource, %", ylabel="images/s", yscale="log")
    _save_figure(figure, axes, path)


def save_scores(points: Sequence[Point], path: Path) -> None:
    """Draw the score of each network over its cheapest design on each board; a line joins those that none beats."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    cheapest = cheapest_designs(points)
    for board in sorted({p.board for p in cheapest}):
        mine = [(p.net, p.percent, 100 * (p.score or 0.0)) for p in cheapest if p.board == board]
        best = sorted((x, y) for _, x, y in mine if not any(_beats((b, -a), (y, -x)) for _, a, b in mine))
        (line,) = axes.plot(*zip(*best, strict=True), drawstyle="steps-post", alpha=0.6, label=board)
        axes.scatter([x for _, x, _ in mine], [y for _, _, y in mine], color=line.get_color())
        for net, x, y in mine:
            axes.annotate(net, (x, y), (3, 3), textcoords="offset points", fontsize=7)
    measures = ", ".join(sorted({p.measure for p in cheapest}))
    axes.set(xlabel="estimated use of the scarcest resource by the cheapest design, %", ylabel=f"{measures}, %")
    _save_figure(figure, axes, path)


def _save_figure(figure: Any, axes: Any, path: Path) -> None:
    """Write a figure with a legend and a grid; the file appears whole."""
    from matplotlib import pyplot as plt

    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    picture = io.BytesIO()
    figure.savefig(picture, dpi=150, format=path.suffix[1:])
    write_bytes(path, picture.getvalue())
    plt.close(figure)
