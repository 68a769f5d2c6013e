"""Proofs, without a bound on time, of what moves words: nothing lost, doubled or overtaken, steady while stalled, progress."""

from __future__ import annotations

from pathlib import Path

import pytest
from pdr import prove

from hwflow.emit.rtl import sources
from hwflow.errors import ToolError

HERE = Path(__file__).parent
ORDER = ("start", "order")
PROOFS = {
    **{f"fifo {d}": ("fifo", ORDER, {"Depth": d, "Round": 8}) for d in (2, 3, 4, 5)},
    "slice": ("slice", ORDER, {}),
    "skid": ("skid", ORDER, {}),
    **{
        f"width {i} to {o}": ("width", ORDER, {"In": i, "Out": o, "Room": room, "Round": rounds})
        for i, o, room, rounds in ((1, 3, 4, 12), (4, 2, 8, 16), (2, 3, 6, 24), (3, 2, 7, 24))
    },
    **{
        f"gear {i} to {o}, {iw} and {ow} words": ("gear", ("start",), {"In": i, "Out": o, "InWords": iw, "OutWords": ow})
        for i, o, iw, ow in ((1, 2, 4, 2), (2, 1, 2, 4), (2, 3, 3, 2), (3, 2, 2, 3), (2, 3, 2, 1), (2, 3, 2, 2))
    },
    **{f"split {n}": ("split", ("start",), {"Copies": n}) for n in (2, 3)},
    "add": ("add", ("start",), {}),
    **{f"concat {a} and {b}": ("concat", ("start",), {"Words0": a, "Words1": b}) for a, b in ((2, 1), (1, 3))},
    **{f"valid_pipe {n}": ("valid_pipe", ("start",), {"Cycles": n}) for n in (1, 3)},
    **{f"axis_last {n}": ("axis_last", ("start",), {"Words": n}) for n in (1, 2, 5)},
    "window, depthwise": ("window", ("start",), {"Height": 2, "Width": 2, "Pad": 0, "Depthwise": 1, "Channels": 2}),
    "window, padded": ("window", ("start",), {"Height": 1, "Width": 1, "Pad": 1}),
    "window": ("window", ("start",), {"Height": 2, "Width": 3, "Pad": 0}),
    **{f"framing {f}, {n} words": ("framing", ("start",), {"Framing": f, "Words": n}) for f in (1, 2) for n in (1, 2, 3)},
}  # fmt: skip


def files(unit: str, beside: tuple[str, ...]) -> list[Path]:
    return [*sources([unit]), *(HERE / f"{name}.sv" for name in (*beside, f"t_{unit}"))]


# proofs of seconds and more, by how their names begin
LONG = (
    "window",
    "fifo 2",
    "fifo 4",
    "fifo 5",
    "add",
    "gear 2 to 3, 3",
    "gear 3 to 2",
    "width 1 to 3",
    "width 2 to 3",
    "framing 2, 2",
)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * n.startswith(LONG)) for n in PROOFS])
def test_it_is_proved(name: str, tmp_path: Path):
    unit, beside, params = PROOFS[name]
    assert prove(files(unit, beside), params, tmp_path) == "proved"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("slice", "room_q <= 1'b0;", "room_q <= 1'b1;"),  # a word is lost
        (
            "slice",
            "assign x_ready_o = room_q;",
            "assign x_ready_o = room_q || y_ready_i;",
        ),  # ready goes through
        ("skid", "if (room_q) kept_q", "if (y_ready_i) kept_q"),  # the word that waits is another one
        ("skid", "assign x_ready_o = room_q;", "assign x_ready_o = room_q || y_ready_i;"),
        ("fifo 3", "room_q  <= get || put_next != get_q;", "room_q  <= get || put_next != put_q;"),
        ("width 2 to 3", "after_get <= CountBits'(Room - In)", "after_get <= CountBits'(Room - In + 1)"),
        ("gear 2 to 3, 3 and 2 words", "held_q >= RoomBits'(Out) ||", "held_q >= RoomBits'(Out - 1) ||"),
        (
            "framing 2, 1 words",
            "assign broken_o  = state_q != Pass &&",
            "assign broken_o  = (state_q != Pass || late) &&",
        ),
        ("framing 1, 3 words", "state_d = Drain;", "state_d = Pass;"),  # the next image is marked, not the broken one
    ],
)
def test_a_planted_fault_is_refuted(name: str, right: str, wrong: str, tmp_path: Path):
    unit, beside, params = PROOFS[name]
    (tmp_path / "faulty").mkdir()
    changed, hits = [], 0
    for path in files(unit, beside):
        text = path.read_text()
        hits += text.count(right)
        changed.append(tmp_path / "faulty" / path.name)
        changed[-1].write_text(text.replace(right, wrong))
    assert hits, f"nothing says {right!r} any more"
    assert prove(changed, params, tmp_path / "proof") == "refuted"


@pytest.mark.parametrize(("params", "text"), [((1, 3, 4, 1), "without the last"), ((2, 3, 1, 2), "do not fill")])
def test_a_gear_whose_packets_do_not_match_does_not_elaborate(params: tuple[int, ...], text: str, tmp_path: Path):
    with pytest.raises(ToolError, match=text):
        prove(files("gear", ("start",)), dict(zip(("In", "Out", "InWords", "OutWords"), params, strict=True)), tmp_path)
