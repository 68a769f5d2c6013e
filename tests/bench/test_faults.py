"""The proof is proven: faults planted in folded networks, of which `verify` reports each one that changes an answer."""

import pytest

from hwflow.bench.faults import KINDS, NETWORKS, planted


@pytest.mark.parametrize("name", NETWORKS)
def test_verify_fails_on_every_fault_that_changes_an_answer(name, tmp_path):
    found = list(planted(name, tmp_path, each=3, images=60))
    changed = [kind for kind, changes, _ in found if changes]
    assert [kind for kind, changes, caught in found if changes and not caught] == []
    assert len(changed) >= (6 if name == "labels" else 12) and set(changed) <= set(KINDS), changed
