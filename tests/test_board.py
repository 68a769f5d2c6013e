"""Boards are data: each file is whole, and a wrong one is refused with the key that is wrong."""

from pathlib import Path

import pytest

from hwflow.board import BOARDS, Board, boards, load_board, names, read_board
from hwflow.errors import RecipeError

WHOLE = (BOARDS / "ulx3s_85f.toml").read_text()


def test_every_board_that_ships_is_whole():
    assert {
        "ulx3s_85f",
        "ulx3s_12f",
        "tangnano9k",
        "icebreaker",
        "arty_a7_35t",
        "pynq_z1",
        "zcu104",
        "kv260",
        "vcu118",
    } <= set(names())
    for b in boards():
        assert b.name in names() and b.title and b.part
        assert b.totals.keys() == {"lut", "ff", "bram", "dsp"}


def test_a_board_can_be_a_file_of_the_user(tmp_path: Path):
    (tmp_path / "mine.toml").write_text(WHOLE)
    mine = load_board(str(tmp_path / "mine.toml"))
    assert mine.name == "mine" and mine.part == load_board("ulx3s_85f").part


def test_an_unknown_board_is_answered_with_the_known_ones():
    with pytest.raises(RecipeError, match=r"no board 'ulx3s'; .*known: .*ulx3s_12f, ulx3s_85f"):
        load_board("ulx3s")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("clock_mhz = 75\n", ""), "lacks clock_mhz"),
        (("lut = 83640", 'lut = "many"'), "lut must be int"),
        (("lut = 83640", "luts = 83640"), "unknown key 'luts'"),
        (('family = "ecp5"', 'family = "ecp6"'), "family must be one of"),
        (('rx_pin = "M1"\n', ""), "needs rx_pin"),
        (("lut = 83640", "lut = 0"), "must be positive"),
        (('flow = "open"', 'flow = "plan"'), "belong together"),
        (("lut = 83640", "lut = "), "is not a board file"),
    ],
)
def test_a_wrong_board_file_is_refused_with_the_reason(tmp_path: Path, change: tuple[str, str], text: str):
    assert change[0] in WHOLE
    (tmp_path / "wrong.toml").write_text(WHOLE.replace(*change))
    with pytest.raises(RecipeError, match=text):
        read_board(tmp_path / "wrong.toml")


def test_percent_of_what_a_part_has_none_of_is_zero():
    b = load_board("icebreaker")
    assert b.percent({"lut": 2640, "ff": 0, "bram": 15}) == {"lut": 50.0, "ff": 0.0, "bram": 50.0, "dsp": 0.0}
    none = Board(**{**b.__dict__, "dsp": 0})
    assert none.percent({"dsp": 3})["dsp"] == 0.0
