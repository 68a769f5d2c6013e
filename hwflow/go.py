"""One question, one answer: a network on several boards, with its accuracy, latency, rate and resources.

Stands on flow, explore, verify and report; it only calls them and puts their numbers side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwflow import flow
from hwflow.bits import Array
from hwflow.board import load_board
from hwflow.errors import RecipeError
from hwflow.explore import Point, explore, save_csv
from hwflow.files import write_text
from hwflow.predict import Predictor
from hwflow.report import render, report
from hwflow.report.svg import scatter
from hwflow.verify import verify

PROOF_IMAGES = 100  # that every engine but the RTL is compared on for each board


@dataclass(frozen=True)
class Answer:
    """A line for each board, the designs behind the picture, and the page that shows both."""

    folder: Path
    rows: tuple[dict[str, Any], ...]
    points: tuple[Point, ...]
    page: Path


def go(
    model: str,
    boards: Sequence[str],
    folder: Path,
    *,
    images: Callable[[Any], Array] | None = None,
    labels: Array | None = None,
    input: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Answer:
    """The fastest design of `model` on every board, proven, with a Pareto picture over all boards.

    `images` gives the network's input integers (n, *shape) of a build; with `labels` (n,) every image is scored. A board
    that the network does not fit has a line that says so. Writes folder/<board>/ (builds), go.csv and go.html.
    """
    rows: list[dict[str, Any]] = []
    accuracy: float | None = None
    net = None
    for name in boards:
        board = load_board(name)
        try:
            build = flow.compile_model(model, folder / board.name, flow.Target(board.name, fit=True), input, say)
        except RecipeError as e:
            rows.append({"board": board.name, "result": str(e).splitlines()[0]})
            continue
        net = build.net
        x = images(build) if images else None
        if accuracy is None and x is not None and labels is not None:
            if len(x) != len(labels):
                raise RecipeError(f"{len(x)} images and {len(labels)} labels: give a label for each image")
            say(f"score {len(x)} images")
            accuracy = net.accuracy(Predictor(net, build.folder / "c").answers(x), labels)
        say(f"prove {board.name}")
        proof = verify(
            build, None if x is None else x[:PROOF_IMAGES], PROOF_IMAGES, engines=("numpy", "dataflow", "c", "hls")
        )
        facts = report(build)
        used, percent = facts["resources"]["estimate"], facts["resources"]["percent"]
        rows.append({
            "board": board.name, "accuracy": accuracy, "images_per_s": facts["throughput"]["fps"], "latency_us": facts["latency"]["us"],
            **used, "percent": max(percent.values()), "differing": sum(r.differing for r in proof.rungs),
            "result": "exact" if proof.exact else "NOT exact", "report": f"{board.name}/report.html",
        })  # fmt: skip
    if net is None:
        raise RecipeError(f"the network fits none of {', '.join(boards)}: {rows[0]['result']}; name larger boards")
    say("designs between the smallest and the fastest")
    points = explore(net, [load_board(b) for b in boards], jobs=1)
    save_csv(points, folder / "go.csv")
    page = folder / "go.html"
    write_text(page, _page(net.name, rows, points))
    return Answer(folder, tuple(rows), points, page)


def _page(name: str, rows: Sequence[dict[str, Any]], points: Sequence[Point]) -> str:
    """The table and the picture as one page that needs no network."""
    fronts = {
        board: sorted((p.percent, p.fps) for p in points if p.board == board and p.pareto)
        for board in dict.fromkeys(p.board for p in points)
    }
    picture = scatter(
        "images a second over the share of the scarcest resource in use", fronts, "% of the board", "images/s"
    )
    return render("go.html.j2", model=name, rows=rows, picture=picture)
