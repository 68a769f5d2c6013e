"""How long the tests of each room may take: seconds of one worker, in all half an hour of two.

`make test` prints what each room took beside its budget. A room that needs more takes it from another one here, makes
its tests shorter, or marks them `long`, which leaves them to `make test-all`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

WHOLE = 2 * 30 * 60
BUDGETS = {
    "bench": 90, "bridges": 110, "cli": 150, "clients": 110, "deploy": 150, "docs": 120, "emit": 120, "engine": 400,
    "fold": 80, "formal": 280, "fuzz": 100, "generate": 20, "lower": 150, "models": 120, "plan": 150, "qonnx": 420,
    "report": 50, "simulate": 70, "synth": 380, "tasks": 10, "train": 150, "units": 240, ".": 130,
}  # fmt: skip


def room_of(test: str) -> str:
    """The folder of a test below tests/, by its id; `.` for the files beside the folders."""
    parts = test.split("::")[0].removeprefix("tests/").split("/")
    return parts[0] if len(parts) > 1 else "."


def seconds_by_room(took: Iterable[tuple[str, float]]) -> dict[str, float]:
    """What tests took, added up by room."""
    out: Counter[str] = Counter()
    for test, seconds in took:
        out[room_of(test)] += seconds  # type: ignore[assignment]
    return dict(out)


def report(found: dict[str, float]) -> Sequence[str]:
    """A line a room, the one furthest beyond its budget first."""
    rows = sorted(found, key=lambda room: -found[room] / BUDGETS.get(room, 1))
    lines = [f"{room:<10} {found[room]:6.0f} s of {BUDGETS.get(room, 0):4d}{'  OVER' * (found[room] > BUDGETS.get(room, 0))}" for room in rows]  # fmt: skip
    return [*lines, f"{'all':<10} {sum(found.values()):6.0f} s of {WHOLE:4d}"]
