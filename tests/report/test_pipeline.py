"""The pipeline of the report: each unit's state in each cycle follows from when words are offered and taken."""

import sys
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import pytest

from hwflow.generate.nets import tfc
from hwflow.lower import lower
from hwflow.report.pipeline import IMAGES, STATES, pipeline_values, unit_states, waterfall

pipeline = sys.modules["hwflow.report.pipeline"]  # `hwflow.report` as an attribute is the function


def states(offered_in, taken_in, offered_out, taken_out, cycles):
    unit = SimpleNamespace(name="u", inputs=("a",))
    moves = {
        "a": (np.array([offered_in]), np.array([taken_in])),
        "u": (np.array([offered_out]), np.array([taken_out])),
    }
    return "".join(STATES[k][0] for k in unit_states(unit, moves, cycles))


def test_each_cycle_has_the_state_its_words_say():
    # idle, takes, busy, takes; busy until its word is offered, which waits for two cycles and leaves
    assert states([0, 0], [1, 3], [5], [7], 9) == "imbmbssmi"
    # nothing to do until the second word comes: waiting from the cycle after the first
    assert states([0, 6], [0, 6], [7], [7], 9) == "mwwwwwmmi"
    # a second word that was there all the time is no reason to wait
    assert states([0, 0], [0, 6], [7], [7], 8) == "mbbbbbmm"


@pytest.fixture(scope="module")
def values():
    return pipeline_values(lower(tfc(1)))


def test_the_bottleneck_works_while_its_neighbours_wait_for_it(values):
    flow = lower(tfc(1))
    slow = max((u for u in flow.units if not u.glue), key=lambda u: u.cycles).name
    at = [u["name"] for u in values["units"]].index(slow)
    shares = [u["shares"] for u in values["units"]]
    working = shares[at]["moving"] + shares[at]["busy"]
    assert working > 80
    assert shares[at - 1]["stalled"] > shares[at - 1]["busy"] and shares[at + 1]["waiting"] > shares[at + 1]["busy"]
    assert all(abs(sum(s.values()) - 100) < 0.5 for s in shares)


def test_every_word_of_every_image_leaves(values):
    flow = lower(tfc(1))
    for unit in flow.units:
        if not unit.glue:
            shown = next(u for u in values["units"] if u["name"] == unit.name)
            assert len(shown["states"]) == len(shown["words"]) == len(values["begins"])
            assert shown["words"] == sorted(shown["words"])
    assert values["units"][-1]["words"][-1] == IMAGES * flow.output.words


def test_the_drawing_is_a_picture_with_a_row_for_each_unit(values):
    root = ET.fromstring(waterfall(values))
    assert [t.text for t in root.iter("text")][:-2] == [u["name"] for u in values["units"]]
    assert {r.get("class") for r in root.iter("rect")} == {"p1", "p2", "p3", "p4"}


def test_a_design_too_large_to_draw_is_left_out(monkeypatch):
    monkeypatch.setattr(pipeline, "MOST_WORDS", 10)
    assert pipeline_values(lower(tfc(1))) is None
