"""Exploring: every point is a plan, and nothing beats the front."""

import csv

import numpy as np

from hwflow.bits import BIPOLAR
from hwflow.board import load_board
from hwflow.explore import explore, save_csv, save_picture, table
from hwflow.net import Net
from hwflow.ops import Dense, Port


def test_the_front_is_beaten_by_nothing_and_the_rest_by_something(tmp_path):
    weights = np.random.default_rng(0).choice((-1, 1), (8, 16))
    net = Net("one", Port((16,), BIPOLAR), (Dense(name="d", inputs=("input",), weights=weights),))
    boards = [load_board("icebreaker"), load_board("ulx3s_12f")]
    points = explore(net, boards, rates=(1e5, 1e6, 1e12), jobs=1)
    assert {p.board for p in points} == {"icebreaker", "ulx3s_12f"}
    assert all(p.fps >= (p.asked_fps or 0) for p in points)
    assert not any(p.asked_fps == 1e12 for p in points), "out of reach"
    for p in points:
        better = [
            q
            for q in points
            if q.board == p.board
            and q.fps >= p.fps
            and q.percent <= p.percent
            and (q.fps, q.percent) != (p.fps, p.percent)
        ]
        assert p.pareto == (not better)
    save_csv(points, tmp_path / "points.csv")
    with (tmp_path / "points.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(points)
    save_picture(points, tmp_path / "points.png")
    assert (tmp_path / "points.png").stat().st_size > 5000
    assert len(table(points).splitlines()) == len(points) + 1
