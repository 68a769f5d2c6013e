"""The table of the kept networks: their integers, scored again by the C engine on every held-out image.

Stands on train.kept and simulate. `python -m hwflow.bench.trained RUN OUT` keeps a run as `python -m hwflow.train.kept` does, in
seconds instead of minutes, because the C engine answers.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwflow.answers import parts
from hwflow.bits import Array
from hwflow.net import Net
from hwflow.simulate import c
from hwflow.train.checkpoint import METRICS
from hwflow.train.kept import NET, TRAINED, held_out, keep, score_of


def rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The rows of `hwflow bench trained`."""
    return [row(path.parent, say) for path in sorted(TRAINED.glob(f"*/{NET}"))]


def row(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """One kept network: what it was trained on and with, and how good its answers to the held-out images are."""
    say(f"score {folder.name}")
    metrics, net = json.loads((folder / METRICS).read_text()), Net.load(folder / NET)
    x, labels = held_out(metrics["data"], net)
    score = score_of(metrics, list(parts(net.real(answer(net, x))).values()), labels)
    before = metrics.get("start") or {"epochs": 0, "seconds": 0}  # of the run that this one began with
    return {
        "network": folder.name,
        "data": metrics["data"],
        "held-out images": f"{len(x):,}",
        "accuracy [%]": f"{100 * score:.2f}",
        "epochs": metrics["epochs"] + before["epochs"],
        "training [s]": round(metrics["seconds"] + before["seconds"]),
        "net.npz [kB]": round((folder / NET).stat().st_size / 1000),
        "command": f"`{metrics['command']}`",
        "note": metrics.get("note", ""),
    }


def answer(net: Net, x: Array) -> Array:
    """The integer answers (n, outputs) of `net`, by the C engine."""
    with tempfile.TemporaryDirectory() as scratch:
        return c.load(net, Path(scratch)).run(x)


def main(arguments: list[str] | None = None) -> None:
    """The command line: keep the run in folder RUN as OUT/net.npz and OUT/metrics.json."""
    import argparse

    parser = argparse.ArgumentParser(prog="hwflow.bench.trained", description=main.__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--note", default="", help="what a reader must know of the data or the budget")
    given = parser.parse_args(arguments)
    print(json.dumps(keep(given.run, given.out, given.note, answer=answer)["net"]))


if __name__ == "__main__":
    main()
