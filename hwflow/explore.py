"""The space of designs: rates, boards and bit widths side by side, and those that nothing beats.

Stands on plan, board and cluster. Every point is planned on its own: by the processes of this machine or by a cluster.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

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


def explore(
    nets: Net | Sequence[Net],
    boards: Sequence[Board],
    *,
    rates: Sequence[float] = RATES,
    max_util: float = 0.8,
    jobs: int = -1,
    cluster: str | None = None,
) -> tuple[Point, ...]:
    """Every design of every network on every board: the cheapest at each rate within reach, and the fastest.

    `cluster` is the address of a Dask scheduler; without one, `jobs` processes of this machine plan. Points that no other of
    the same network and board beats in both rate and share of the board are marked `pareto`.
    """
    several = (nets,) if isinstance(nets, Net) else tuple(nets)
    asks = [(n, b, r, max_util) for n in several for b in boards for r in (*rates, None)]
    found = machines.each(point, asks, cluster=cluster, jobs=jobs)
    return tuple(_mark_front([p for p in found if p]))


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


def _mark_front(points: Sequence[Point]) -> list[Point]:
    """The points, best rate first in each network and board, with the Pareto front marked."""
    out: list[Point] = []
    for p in sorted(points, key=lambda p: (p.net, p.board, -p.fps, p.percent)):
        rivals = [q for q in points if (q.net, q.board) == (p.net, p.board)]
        beaten = any(
            q.fps >= p.fps and q.percent <= p.percent and (q.fps > p.fps or q.percent < p.percent) for q in rivals
        )
        out.append(Point(**{**asdict(p), "pareto": not beaten}))
    return out


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
        f"{'':2}{'network':12} {'board':16} {'images/s':>12} {'latency us':>11} {'LUT':>8} {'BRAM':>6} {'DSP':>5} {'most':>12}"
    ]
    for p in points:
        most = f"{p.percent:.0f} % {p.limit}"
        lines.append(
            f"{'*' if p.pareto else ' ':2}{p.net:12} {p.board:16} {p.fps:12.0f} {p.latency_us:11.1f} {p.lut:8.0f} {p.bram:6.0f} {p.dsp:5.0f} {most:>12}"
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
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    picture = io.BytesIO()
    figure.savefig(picture, dpi=150, format=path.suffix[1:])
    write_bytes(path, picture.getvalue())
    plt.close(figure)
