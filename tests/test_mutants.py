"""Every planted fault still has its place, and the command that plants them tells killed from survived."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from mutants.__main__ import is_stale, verdict_of
from mutants.catalogue import MUTANTS, ROOMS
from mutants.kinds import Mutant
from mutants.trial import BROKEN, KILLED, LIBRARIES, SURVIVED, Tree, digest, judge, prepare

ROOT = Path(__file__).parents[1]


def test_every_fault_is_found_exactly_once_and_none_is_planted_twice():
    wrong = []
    for m in MUTANTS:
        try:
            m.applied((ROOT / m.file).read_text())
        except (ValueError, OSError) as e:
            wrong.append(str(e))
    assert not wrong, "\n".join(wrong)
    assert len({m.key for m in MUTANTS}) == len(MUTANTS)


def test_every_room_has_its_faults_and_their_tests_are_there():
    count = Counter(m.room for m in MUTANTS)
    assert sum(count.values()) >= 150 and min(count.values()) >= 10, count
    assert set(ROOMS) == set(count)
    for m in MUTANTS:
        files = [a for a in m.arguments if a.startswith("tests/")]
        assert files and all((ROOT / a.split("::")[0]).exists() for a in files), m.tests
        assert m.equal == "" or m.equal.endswith("."), m.equal


@pytest.mark.slow
def test_a_fault_is_killed_by_a_test_that_sees_it_and_survives_one_that_does_not(tmp_path):
    (tmp_path / "room.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "test_it.py").write_text(
        "from room import double\n\ndef test_seen():\n    assert double(3) == 6\n\ndef test_blind():\n    assert double(0) == 0\n"
        "\ndef test_always_wrong():\n    assert double(3) == 7\n\ndef test_crashes():\n    import os\n    double(1) == 2 or os.kill(os.getpid(), 9)\n"
    )
    tree = Tree(tmp_path)
    prepare(LIBRARIES[:2])

    def found(tests, killer=""):
        return judge(tree, Mutant("room.py", "2 * x", "3 * x", f"test_it.py {tests}"), killer)

    seen = found("-k seen")
    assert (seen["verdict"], seen["by"]) == (KILLED, "test_it.py::test_seen")
    assert found("-k blind")["verdict"] == SURVIVED
    assert found("-k blind", "test_it.py::test_seen")["verdict"] == KILLED, (
        "the test that noticed it last time is tried first"
    )
    assert (
        found("-k always_wrong")["verdict"]
        == found("-k crashes")["verdict"]
        == found("-k nothing")["verdict"]
        == BROKEN
    )
    assert (tmp_path / "room.py").read_text() == "def double(x):\n    return 2 * x\n"
    with pytest.raises(ValueError, match="stands there 0 times"):
        judge(tree, Mutant("room.py", "4 * x", "", "test_it.py -k seen"))


def test_a_result_is_tried_again_once_the_file_of_its_fault_changes():
    first = MUTANTS[0]
    now = {"verdict": KILLED, "by": "test", "seconds": 1, "file": digest(ROOT / first.file)}
    assert verdict_of(first, {first.key: now}) == KILLED and not is_stale(first, {first.key: now})
    assert is_stale(first, {first.key: now | {"file": "0" * 16}})
    assert verdict_of(first, {}) == "not run" and not is_stale(first, {})
    assert verdict_of(replace(first, equal="So."), {first.key: now | {"verdict": SURVIVED}}) == "equivalent"
