"""The table of bits and widths: a row a network, and a front that no row of it beats."""

import pytest

from hwflow.bench.explored import BOARDS, RATE, SPACES, make_row, space_rows
from hwflow.explore import Point


def point(net, board, percent, score):
    return Point(net, board, RATE, RATE, 1.0, 10, 100.4, 5, 2.5, 0, percent, "lut", measure="accuracy", score=score)


def test_the_front_is_what_no_other_beats_in_score_and_share():
    a, b = BOARDS
    points = [
        point("x", a, 10, 0.9),
        point("y", a, 20, 0.8),
        point("z", a, 30, 0.95),
        point("w", a, 10, 0.9),
        point("y", b, 5, 0.8),
    ]
    assert [make_row(n, "accuracy", points)["front"] for n in "xyzw"] == [a, b, a, a]
    row = make_row("x", "accuracy", points)
    assert (row["score [%]"], row[f"{a}_lut_estimated"], row[f"{b}_lut_estimated"]) == ("90.00", 100, "")


@pytest.mark.slow
def test_every_network_of_a_space_is_trained_once_and_has_its_row(tmp_path, monkeypatch):
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path))
    space = type(SPACES[0])("models/mlp.py:digits", (1, 2), (25,), 1)
    found = space_rows(space, lambda _: None)
    assert [row["network"] for row in found] == ["digits-b1-w25", "digits-b2-w25"]
    assert all(row["ulx3s_85f_lut_estimated"] > 0 and float(row["score [%]"]) > 0 for row in found) and any(
        r["front"] for r in found
    )
    said = []
    assert space_rows(space, said.append) == found and not any(line.startswith("train") for line in said)
